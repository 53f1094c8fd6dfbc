"""Markdown as one page of HTML that stands alone: light and dark, narrow and wide, on paper too; it loads nothing."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --paper: #fff; --line: #d8dee6; --head: #f2f5f8; --quiet: #5a6b7b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dfe6ee; --paper: #14191f; --line: #33404d; --head: #1d252e; --quiet: #93a4b5 } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1100px; padding: 1rem 1.25rem 4rem;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
h1 + p { color: var(--quiet); margin-top: 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { border-bottom: 1px solid var(--line); padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top }
th { color: var(--quiet); font-weight: 600; white-space: nowrap } code { background: var(--head); padding: .1rem .3rem }
@media print { body { max-width: none } h2 { break-after: avoid } tr { break-inside: avoid } }
"""


def page(markdown: str, title: str) -> str:
    """The page. Tables are understood, HTML within the Markdown is shown as it is written, and nothing of it runs."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"]).render(markdown)
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta http-equiv='Content-Security-Policy' content=\"{policy}\">"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )
