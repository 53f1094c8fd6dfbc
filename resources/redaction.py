"""Takes personal data and secrets out of texts before they are stored: the seam between typing and the stage.

Here belongs the order of work: cheap gates in DuckDB over the whole batch, finders in Python on the texts whose gate is
open, overlapping finds made one, placeholders. What is found lives in redaction_patterns.py, phone_numbers.py and
secret_rules.py; what a site adds, in warehouse/seeds/redaction.yml.

A find becomes its kind in angle brackets, `<EMAIL_ADDRESS>`; a secret becomes `<SECRET>` and is counted by its rule,
`SECRET:github-pat`. A redacted text is redacted no further.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources import secret_rules
from resources.gate_sweep import GateSweep
from resources.name_recognition import NameFinder, names_in
from resources.redaction_finder import Finder, Gate
from resources.redaction_patterns import FINDERS, KINDS, OPTIONAL_KINDS
from resources.redaction_seed import CustomPattern, RedactionRules, load
from resources.warehouse import Connection

Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)
SECRET = "SECRET"


@dataclass(frozen=True)
class Find:
    """A stretch of a text that is to be replaced by `<kind>` and counted as `counted_as`."""

    start: int
    end: int
    kind: str
    counted_as: str


FindIn = Callable[[str], Iterator[Find]]


class Redactor:
    """Redacts texts on one connection. `ner` also looks for names, which needs the extra `ner` and a spaCy model."""

    def __init__(self, con: Connection, *, ner: bool = False, rules: RedactionRules | None = None):
        rules = load() if rules is None else rules
        searches = list(_searches(rules))
        self._sweep = GateSweep(con, [gates for gates, _ in searches])
        self._finders = [finders for _, finders in searches]
        self._names: NameFinder | None = names_in(rules.names) if ner else None
        kinds = {SECRET, *KINDS, *(custom.kind for custom in rules.custom), *rules.names.kinds}
        self._placeholder = re.compile(f"<(?:{'|'.join(sorted(kinds))})>")

    def redact(self, batch: Batch) -> Batch:
        """The batch with its column `text` redacted and `redactions` set: a JSON object of counts by kind, or NULL.

        All other columns and the order of rows stay as they are. Raises ValueError where `text` is missing or no text.
        """
        if "text" not in batch.schema.names or not _is_text(batch.schema.field("text").type):
            raise ValueError(f"redact() takes a batch with a text column `text`, not {batch.schema.names}")
        column = batch.column("text")
        changed = self._redacted(column)
        counts = pa.array([None] * len(column), pa.string())
        if changed:
            column = _replaced(column, {position: text for position, (text, _) in changed.items()})
            counts = _replaced(counts, {position: _as_json(found) for position, (_, found) in changed.items()})
        batch = batch.set_column(batch.schema.get_field_index("text"), batch.schema.field("text"), column)
        field = pa.field("redactions", pa.string())
        if "redactions" in batch.schema.names:
            return batch.set_column(batch.schema.get_field_index("redactions"), field, counts)
        return batch.append_column(field, counts)

    def redact_names(self, column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, dict[str, int]]:
        """A short fact column of few distinct values, redacted, and the number of finds by kind over all its rows.

        A value that is a JSON object or list is redacted value by value and stays JSON.
        """
        column = _contiguous(column)
        if not _is_text(column.type):
            raise ValueError(f"redact_names() takes a text column, not {column.type}")
        encoded = column.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        occurrences = np.bincount(encoded.indices.drop_null().to_numpy(), minlength=len(values))
        plain = [place for place, value in enumerate(values) if not _looks_like_json(value)]
        found_by_position = self._redacted(pa.array([values[place] for place in plain], pa.string()))
        changed = {plain[position]: found for position, found in found_by_position.items()}
        for place in set(range(len(values))) - set(plain):
            found = self._redacted_json(values[place])
            if found:
                changed[place] = found
        counts: Counter[str] = Counter()
        for place, (text, found_kinds) in changed.items():
            values[place] = text
            for kind, number in found_kinds.items():
                counts[kind] += number * int(occurrences[place])
        return pa.array(values, column.type).take(encoded.indices), dict(counts)

    def is_clean(self, column: pa.Array | pa.ChunkedArray) -> pa.BooleanArray:
        """Per value whether redaction would leave it as it is; a NULL is clean."""
        clean = np.ones(len(column), bool)
        clean[list(self._redacted(column))] = False
        return pa.array(clean)

    def finds(self, column: pa.Array | pa.ChunkedArray) -> Iterator[tuple[int, str, list[Find]]]:
        """(position, text, finds) of the texts in which anything is found; finds may overlap, and be placeholders."""
        opened = dict(self._sweep.open(column))
        positions = np.flatnonzero(pc.is_valid(column)).tolist() if self._names else list(opened)
        for position, text in zip(positions, column.take(pa.array(positions, pa.int64())).to_pylist(), strict=True):
            finds = list(self._finds(text, opened.get(position, 0)))
            if finds:
                yield position, text, finds

    def _redacted(self, column: pa.Array | pa.ChunkedArray) -> dict[int, tuple[str, Counter[str]]]:
        """The redacted text and the finds, by position, of the values that have any."""
        changed: dict[int, tuple[str, Counter[str]]] = {}
        positions = np.arange(len(column))
        while len(positions):
            redacted: dict[int, str] = {}
            for place, text, finds in self.finds(column):
                new = _replace(text, finds, self._placeholder)
                if new is None:
                    continue
                position = int(positions[place])
                redacted[position] = new[0]
                changed[position] = (new[0], changed.get(position, ("", Counter()))[1] + new[1])
            # What was replaced may stand beside what now looks like a find: once more, until there is none.
            positions = np.fromiter(redacted, np.int64, len(redacted))
            column = pa.array(redacted.values(), pa.string())
        return changed

    def _finds(self, text: str, flags: int) -> Iterator[Find]:
        for bit, finders in enumerate(self._finders):
            if flags >> bit & 1:
                for find_in in finders:
                    yield from find_in(text)
        if self._names:
            yield from (Find(start, end, kind, kind) for kind, start, end in self._names(text))

    def _redacted_json(self, value: str) -> tuple[str, Counter[str]] | None:
        counts: Counter[str] = Counter()
        try:
            redacted = self._redacted_node(json.loads(value), "", counts)
        except (ValueError, RecursionError):  # no JSON, or nested beyond reason: a text like any other
            return self._redacted(pa.array([value])).get(0)
        return (json.dumps(redacted, ensure_ascii=False), counts) if counts else None

    def _redacted_node(self, node: Any, key: str, counts: Counter[str]) -> Any:
        if isinstance(node, dict):
            return {self._redacted_leaf(k, "", counts): self._redacted_node(v, k, counts) for k, v in node.items()}
        if isinstance(node, list):
            return [self._redacted_node(entry, key, counts) for entry in node]
        if node is None or isinstance(node, bool):
            return node
        text = node if isinstance(node, str) else json.dumps(node)
        redacted = self._redacted_leaf(text, key, counts)
        return node if redacted == text else redacted

    def _redacted_leaf(self, text: str, key: str, counts: Counter[str]) -> str:
        """A text of a JSON document; its key counts as the words before it."""
        label = f"{key}: " if key else ""
        found = self._redacted(pa.array([label + text])).get(0)
        if found and not found[0].startswith(label):
            label, found = "", self._redacted(pa.array([text])).get(0)
        if not found:
            return text
        counts.update(found[1])
        return found[0][len(label) :]


def _searches(rules: RedactionRules) -> Iterator[tuple[tuple[Gate, ...], tuple[FindIn, ...]]]:
    """Gates, and what is tried on a text for which one of them is open."""
    by_gate: dict[Gate, list[FindIn]] = {}
    for finder in FINDERS:
        if finder.kind in rules.also or finder.kind not in rules.leave | OPTIONAL_KINDS:
            by_gate.setdefault(finder.gate, []).append(partial(_found, finder))
    for gate, finders in by_gate.items():
        yield (gate,), tuple(finders)
    yield tuple(Gate(expression) for expression in secret_rules.gates()), (_secrets,)
    if rules.custom:
        yield tuple(Gate(custom.pattern) for custom in rules.custom), tuple(map(_custom_finder, rules.custom))


def _found(finder: Finder, text: str) -> Iterator[Find]:
    return (Find(start, end, finder.kind, finder.counted_as or finder.kind) for start, end in finder.spans(text))


def _secrets(text: str) -> Iterator[Find]:
    return (Find(start, end, SECRET, f"{SECRET}:{rule}") for rule, start, end in secret_rules.secrets(text))


def _custom_finder(custom: CustomPattern) -> FindIn:
    regex = secret_rules.compiled(custom.pattern)

    def find(text: str) -> Iterator[Find]:
        return (Find(m.start(), m.end(), custom.kind, custom.kind) for m in regex.finditer(text) if m.end() > m.start())

    return find


def _replace(text: str, finds: list[Find], placeholder: re.Pattern[str]) -> tuple[str, Counter[str]] | None:
    """The text with its finds replaced, and their number by kind; None where there is nothing to replace.

    A find within a placeholder is none; one that reaches into a placeholder takes it along, so that none is cut.
    """
    if not finds:
        return None
    placed = {match.span() for match in placeholder.finditer(text)}
    pieces: list[str] = []
    counts: Counter[str] = Counter()
    done = 0
    for find in merged([*finds, *(Find(start, end, "", "") for start, end in placed)]):
        if (find.start, find.end) in placed:
            continue
        pieces += text[done : find.start], f"<{find.kind}>"
        counts[find.counted_as] += 1
        done = find.end
    return ("".join([*pieces, text[done:]]), counts) if counts else None


def merged(finds: list[Find]) -> list[Find]:
    """Overlapping finds as one, over all that they cover, named after a secret among them, else after the longest."""
    joined: list[Find] = []
    for find in sorted(finds, key=lambda f: (f.start, -f.end)):
        if not joined or find.start >= joined[-1].end:
            joined.append(find)
            continue
        last = joined[-1]
        name = max(last, find, key=lambda f: (f.kind == SECRET, f.kind != "", f.end - f.start))
        joined[-1] = replace(name, start=last.start, end=max(last.end, find.end))
    return joined


def _as_json(counts: Counter[str]) -> str:
    return json.dumps(dict(sorted(counts.items())))


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _contiguous(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _replaced(column: pa.Array | pa.ChunkedArray, changed: dict[int, str]) -> pa.Array | pa.ChunkedArray:
    """The column with the values at some positions changed."""
    positions = sorted(changed)
    mask = np.zeros(len(column), bool)
    mask[positions] = True
    new = pa.array([changed[position] for position in positions], column.type)
    return pc.replace_with_mask(column, pa.array(mask), new)


def _looks_like_json(value: str) -> bool:
    return value.lstrip()[:1] in ("{", "[")
