"""Which texts are worth a finder's while: the gates of all finders, run over a column at once.

Many texts are swept in DuckDB; a few in Python, by the same expressions in the same engine (RE2), because a query
compiles its expressions anew, which costs as much as sweeping a thousand texts or two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from resources.redaction_finder import Gate
from resources.secret_rules import compiled
from resources.warehouse import Connection

FEW_TEXTS = 2000
_ROWS = "texts_to_sweep"


class GateSweep:
    """Sweeps columns on one connection. `searches` are groups of gates: a group is open where one of its gates is."""

    def __init__(self, con: Connection, searches: Sequence[tuple[Gate, ...]]):
        self._con = con
        self._alone = [(bit, gates) for bit, gates in enumerate(searches) if not gates[0].family]
        families = dict.fromkeys(gate.family for gates in searches for gate in gates if gate.family)
        self._families = [
            [(bit, gates) for bit, gates in enumerate(searches) if gates[0].family == family] for family in families
        ]
        self._unions = [_union(family) for family in self._families]
        self._sql, self._parameters = self._statement()

    def open(self, column: pa.Array | pa.ChunkedArray) -> list[tuple[int, int]]:
        """(position, flags) of the texts for which a group is open; the flags have one bit a group."""
        if len(column) <= FEW_TEXTS:
            swept = ((position, self._flags(text)) for position, text in enumerate(column.to_pylist()) if text is not None)
            return [(position, flags) for position, flags in swept if flags]
        rows = pa.table([pa.array(np.arange(len(column))), column], names=["position", "text"])
        self._con.register(_ROWS, rows)
        try:
            return self._con.execute(self._sql, self._parameters).fetchall()
        finally:
            self._con.unregister(_ROWS)

    def _flags(self, text: str) -> int:
        flags = sum(_bit_if_open(bit, gates, text) for bit, gates in self._alone)
        for union, family in zip(self._unions, self._families, strict=True):
            if compiled(union).search(text):
                flags += sum(_bit_if_open(bit, gates, text) for bit, gates in family)
        return flags

    def _statement(self) -> tuple[str, dict[str, str]]:
        """A SELECT of the positions of the texts with an open gate; every expression is bound."""
        parameters: dict[str, str] = {}

        def bound(text: str) -> str:
            parameters[f"p{len(parameters)}"] = text
            return f"$p{len(parameters) - 1}"

        def flag(bit: int, gates: tuple[Gate, ...]) -> str:
            # CASE, not AND and OR: it leaves out the rows that an earlier condition has decided.
            opened = " ".join(f"when regexp_matches(text, {bound(gate.expression)}) then {1 << bit}" for gate in gates)
            needs = " or ".join(f"contains(text, {bound(need)})" for gate in gates for need in gate.needs)
            return f"case when {needs or 'true'} then case {opened} else 0 end else 0 end"

        flags = [flag(bit, gates) for bit, gates in self._alone]
        for union, family in zip(self._unions, self._families, strict=True):
            each = " + ".join(flag(bit, gates) for bit, gates in family)
            flags.append(f"case when regexp_matches(text, {bound(union)}) then {each} else 0 end")
        summed = "\n  + ".join(f"cast({flag} as bigint)" for flag in flags)
        return f"select position, flags from (select position, {summed} as flags from {_ROWS}) where flags > 0", parameters


def _union(family: list[tuple[int, tuple[Gate, ...]]]) -> str:
    return "|".join(f"(?:{gate.expression})" for _, gates in family for gate in gates)


def _bit_if_open(bit: int, gates: tuple[Gate, ...], text: str) -> int:
    needs = [need for gate in gates for need in gate.needs]
    if needs and not any(need in text for need in needs):
        return 0
    return 1 << bit if any(compiled(gate.expression).search(text) for gate in gates) else 0
