"""PDF files for tests."""

from __future__ import annotations


def pdf(*pages: str, title: str | None = None) -> bytes:
    """A PDF with a line of text on each page, as small as the format allows."""
    count = len(pages)
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(count))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"]
    font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for number, words in enumerate(pages):
        stream = f"BT /F 12 Tf 72 720 Td ({words}) Tj ET" if words else ""
        place = "/Parent 2 0 R /MediaBox [0 0 612 792]"
        objects.append(f"<< /Type /Page {place} /Resources {font} /Contents {4 + 2 * number} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({title or ''}) >>")
    content, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    info = f"/Info {len(objects)} 0 R" if title else ""
    content += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {info} >>\n"
    return (content + f"startxref\n{content.index('xref')}\n%%EOF\n").encode("latin-1")
