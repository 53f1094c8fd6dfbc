"""How a kind of personal data is described: a finder, and the gate that must be open before it is tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Span = tuple[int, int]
Accepts = Callable[[re.Match[str]], bool]


@dataclass(frozen=True)
class Gate:
    """When a text is worth a finder's while: an RE2 expression that matches every text in which it finds something.

    `needs` are plain texts of which one must occur before the expression is worth running. The gates of a `family` are
    first run as one, so that a text without any such shape is passed over at the cost of a single expression.
    """

    expression: str
    needs: tuple[str, ...] = ()
    family: str = ""


@dataclass(frozen=True)
class Finder:
    """Where a kind of personal data stands in a text; `counted_as` where its finds are not counted under their kind."""

    kind: str
    gate: Gate
    spans: Callable[[str], Iterator[Span]]
    counted_as: str = ""


def shape_gate(expression: str) -> Gate:
    """The gate of a shape that few texts hold."""
    return Gate(expression, family="shape")


def shape(kind: str, gate: Gate, regex: str, accepts: Accepts | None = None, *, counted_as: str = "") -> Finder:
    """A finder of one expression: its group `find` (or the whole match), where `accepts` is true of the match."""
    compiled = re.compile(regex)
    group = "find" if "find" in compiled.groupindex else 0

    def spans(text: str) -> Iterator[Span]:
        for match in compiled.finditer(text):
            if accepts is None or accepts(match):
                yield match.span(group)

    return Finder(kind, gate, spans, counted_as)


def checked(check: Callable[[str], bool]) -> Accepts:
    """A match whose find satisfies `check`."""
    return lambda match: check(match["find"] if "find" in match.re.groupindex else match[0])


def named(kind: str, words: str, number: str, check: Callable[[str], bool] | None = None) -> Finder:
    """A number that is personal only beside the words that name it: `passport no. 123456789`."""
    gate = Gate(rf"(?i:\b(?:{words})\b[^\n0-9]*[0-9])", family="named")
    regex = rf"(?ai)\b(?:{words})\b[^\n0-9]{{0,30}}?(?<![A-Za-z0-9])(?P<find>{number})(?![A-Za-z0-9]|-[0-9])"
    return shape(kind, gate, regex, checked(check) if check else None)
