"""What `logs.files` says of every file that ever came, as landing asks for it again and again.

The table only grows, by stored files that never change: those that were read once are not read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resources.day_inputs import FILES
from resources.store import Store
from resources.warehouse import scan

State = dict[str, Any]
"""A row of logs.files. It is shared: make another one of it, and leave it as it is."""


@dataclass
class _Read:
    """The stored files that were read, with the rows in them: one value, so that threads see both or neither."""

    value: tuple[frozenset[str], list[State]] = (frozenset(), [])


def file_states(store: Store) -> list[State]:
    """All of logs.files as it is now, each file's states in order."""
    contract = store.contracts[FILES]
    memory = store.remember((f"{FILES} as read", 0), _Read)
    read, states = memory.value
    paths = frozenset(f.path for f in store.open(FILES).files())
    if not read <= paths:  # Compacted.
        read, states = frozenset(), []
    if paths - read:
        names = [c.name for c in contract.columns]
        rows = store.rows(f"select {', '.join(names)} from ({scan(contract, sorted(paths - read))})")
        states = [*states, *(dict(zip(names, row, strict=True)) for row in rows)]
        states.sort(key=lambda state: (state["arrived_at"], state["file_id"], state["state_number"]))
        memory.value = (paths, states)
    return list(states)
