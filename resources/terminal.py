"""Text that came from outside, made harmless for whoever prints it.

Model names, paths and labels are written by strangers. On a terminal, control characters are orders: they recolour, move the
cursor, set titles, answer for the person who sits there. Direction marks make a text look like another.
"""

from __future__ import annotations

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_DIRECTION = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SEPARATORS = (0x2028, 0x2029)
_HALVES = range(0xD800, 0xE000)
"""What names that are not UTF-8 hold in Python; a terminal cannot be given them at all."""
_ONE_LINE = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*_CONTROLS, *_DIRECTION, *_SEPARATORS, *_HALVES)
} | {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
_LINES = {code: shown for code, shown in _ONE_LINE.items() if code not in (0x09, 0x0A)}


def one_line(text: str) -> str:
    """A value to stand within a line: what is not a character is shown as its escape, such as `\\x1b`."""
    return text.translate(_ONE_LINE)


def lines(text: str) -> str:
    """A text of our own that may quote values: newlines and tabs stay."""
    return text.translate(_LINES)


def markdown_cell(text: str) -> str:
    """A value to stand in a cell of a table in Markdown."""
    return one_line(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
