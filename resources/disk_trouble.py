"""What to do when the disk is at fault: every library says in its own words that it is full or cannot be written.

Nothing here looks at the disk. What a failed write leaves behind, the next run repairs as it repairs a kill.
"""

from __future__ import annotations

_AGAIN = "nothing that was published is harmed. {remedy}, then run the same command again: it goes on where this one stopped"
_REMEDIES = {
    "the disk is full": (
        "Make room below NOCTURNE_HOME and NOCTURNE_DATA (`df -h` and `df -i` say how much there is)",
        # The last is SQLite's, whose shared memory found no room.
        ("no space left on device", "os error 28", "database or disk is full", "disk i/o error"),
    ),
    "the disk quota is used up": ("Raise the quota or make room", ("disk quota exceeded", "os error 122")),
    "the disk cannot be written to": (
        "Look at why it is mounted read-only (`dmesg` tells of errors of the hardware), mend or remount it",
        ("read-only file system", "os error 30", "attempt to write a readonly database", "unable to open database file"),
    ),
    "a file is larger than this user may write": (
        "Raise the limit (`ulimit -f`)", ("file too large", "os error 27"),
    ),
}  # fmt: skip


def explain(said: str) -> str | None:
    """What is wrong and what to do, for the words of an error; None where they are not about a disk."""
    words = said.casefold()
    for trouble, (remedy, signs) in _REMEDIES.items():
        if any(sign in words for sign in signs):
            return f"{trouble}; {_AGAIN.format(remedy=remedy)}"
    return None
