"""The words of one PDF: a program that reads the file from its input and writes JSON, {text, title} or {fault}.

A process of its own, with bounds on memory, because a PDF is a program of sorts: one that is broken or hostile may take any
amount of either. It imports nothing of this project, and its faults hold nothing of the file.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import sys
from io import BytesIO

MEMORY_BYTES = 2 << 30
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\ud800-\udfff]")
"""Fonts give bullets and the like codes that are no signs."""


def pages_of(content: bytes, most_pages: int) -> dict[str, str | bool | None]:
    """{text, title}, or {fault}, with `again` where another time may do better."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"fault": "a PDF that opens with a password"}
        if len(reader.pages) > most_pages:
            return {"fault": f"a PDF of more than {most_pages} pages"}
        text = "\n\n".join(page.extract_text() for page in reader.pages)
        title = reader.metadata.title if reader.metadata else None
    except MemoryError:
        return {"fault": "a PDF that takes too much memory to read", "again": True}
    except Exception as error:  # a broken file makes pypdf raise nearly anything, as its manual says
        kind = type(error).__name__ if isinstance(error, PyPdfError) else "broken"
        return {"fault": f"a PDF that cannot be read ({kind})"}
    if not text.strip():
        return {"fault": "a PDF without words, as of scanned pages"}
    return {"text": _NO_TEXT.sub(" ", text), "title": _NO_TEXT.sub(" ", title) if title else None}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    json.dump(pages_of(sys.stdin.buffer.read(), int(sys.argv[1])), sys.stdout)
