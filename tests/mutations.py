"""Seeded damage to documents and files, for tests/e2e/test_fuzz.py.

Here belongs how a good line or file becomes a hostile one. What must hold of the result is the test's business.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

CANARY = "kanarienvogel"
"""Stands in values and unknown keys of damaged documents; no excerpt may show it. Letters alone: no part of it is JSON."""
_RAW = "@@raw@@"
"""A value that starts so is written as it stands, without quotes: what json.dumps would not write."""
_NUMBERS = [0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**40, 1e308, -1e308, 5e-324, 253402300800, 9_999_999_999_999_999_999]
_TEXTS = [
    "", " ", "0", "-0", "1e400", "0x1F", "1_000", "NaN", "infinity", "null", "[]", "{}", '{"a":', "[1,", "true", "'", '"',
    "\\", "a\x00b", "\ufeff", "\u202e", "\x1b[31m", "😀" * 50, "ü" * 300, "=cmd|' /C calc'!A0", "../../etc/passwd", "';--",
    "2026-10-31T10:00:00Z", "2026-02-30T25:61:61+99:99", "9999-12-31T23:59:59Z", "-4713-01-01", "%s%n{0}", "$.a[*]",
    "x" * 5000, '{"error": {"message": 1}}', "data: {}\n\n", "1793440800000000000000",
]  # fmt: skip
_LITERALS = [
    "NaN", "-Infinity", "1e999", "-0", "01", "+1", ".5", "0x1F", "undefined", "'a'", r'"\ud83d"', r'"\u0000"', "9" * 400,
]  # fmt: skip
_DEPTHS = [10, 300, 3000]


def documents(seeds: list[Any], chance: random.Random) -> Iterator[bytes]:
    """Damaged lines without end, made of good documents: structure first, then bytes."""
    texts = [json.dumps(seed) for seed in seeds]
    while True:
        document = json.loads(chance.choice(texts))
        for _ in range(chance.choice([0, 1, 1, 2, 3, 8])):
            document = _damaged(document, chance)
        line = _written(document).replace("\n", " ").encode()
        if chance.random() < 0.35:
            line = flipped(line, chance)
        yield line


def flipped(body: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut off, left out, doubled or thrown in."""
    damaged = bytearray(body)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at, length = chance.randrange(len(damaged) + 1), chance.choice([1, 1, 3, 40])
        match chance.randrange(5):
            case 0 if at < len(damaged):
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[at:]
            case 2:
                del damaged[at : at + length]
            case 3:
                damaged[at:at] = damaged[at : at + length]
            case _:
                damaged[at:at] = chance.randbytes(length)
    return bytes(damaged)


def _damaged(document: Any, chance: random.Random) -> Any:
    """The document with one of its places changed."""
    places = list(_places(document))
    if not places:
        return _odd_value(chance, document)
    holder, key = chance.choice(places)
    match chance.randrange(7):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{CANARY}{chance.randrange(9)}"] = holder.pop(key)
        case 2:
            other, name = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[name]))
        case 3 if isinstance(holder[key], str):
            holder[key] = f"{CANARY} {holder[key]} {CANARY}"
        case 4 if isinstance(holder, list):
            holder[key:key] = [holder[key]] * chance.choice([1, 50])
        case _:
            holder[key] = _odd_value(chance, holder[key])
    return document


def _odd_value(chance: random.Random, value: Any) -> Any:
    choices: list[Callable[[], Any]] = [
        lambda: None, lambda: chance.random() < 0.5, lambda: chance.choice(_NUMBERS), lambda: str(chance.choice(_NUMBERS)),
        lambda: chance.choice(_TEXTS), lambda: _RAW + chance.choice(_LITERALS), lambda: [], lambda: {}, lambda: [value],
        lambda: {CANARY: value}, lambda: json.dumps(value), lambda: f"{CANARY} {chance.random()}", lambda: _nested(chance),
    ]  # fmt: skip
    return chance.choice(choices)()


def _nested(chance: random.Random) -> str:
    depth = chance.choice(_DEPTHS)
    opening, closing = chance.choice([("[", "]"), ('{"a":', "}")])
    return f"{_RAW}{opening * depth}1{closing * chance.choice([depth, depth, depth - 1])}"


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield document, key
            yield from _places(value)
    elif isinstance(document, list):
        for key, value in enumerate(document):
            yield document, key
            yield from _places(value)


def _written(document: Any) -> str:
    """JSON, but for the values that are given as they shall stand."""
    text = json.dumps(document, ensure_ascii=False)
    parts = text.split(f'"{_RAW}')
    done = [parts[0]]
    for part in parts[1:]:
        try:
            value, end = json.decoder.scanstring(part, 0)
            done.append(value + part[end:])
        except ValueError:  # It lies in a text that holds JSON.
            done.append(f'"{part}')
    return "".join(done)
