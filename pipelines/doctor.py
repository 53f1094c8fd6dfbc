"""`make setup` asks here, before it installs, whether the wanted FAISS can go into this environment.

faiss-cpu and faiss-gpu own the same folder: the second one installed overwrites the first, and removing either breaks
both. Standard library only, because nothing else is installed yet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import distributions

WHEELS = {"cpu": "faiss-cpu", "gpu": "faiss-gpu"}


def conflict(wanted: str, installed: Iterable[str]) -> str | None:
    """What stands against the extra `wanted` (cpu or gpu) beside the installed distributions; None: nothing."""
    if wanted not in WHEELS:
        return f"there is no extra {wanted!r}; use {' or '.join(WHEELS)}"
    others = {name for extra, name in WHEELS.items() if extra != wanted}
    found = others & {name.lower().replace("_", "-") for name in installed}
    if found:
        return (
            f"{found.pop()} is installed, and {WHEELS[wanted]} would overwrite its files; "
            "remove .venv and run `make setup` again (with GPU=1 for the one with CUDA)"
        )
    return None


def main(arguments: list[str]) -> int:
    """`python -m pipelines.doctor cpu|gpu`: exit status 2 and a sentence where it cannot go in."""
    problem = conflict(arguments[0] if arguments else "cpu", (d.metadata["Name"] for d in distributions()))
    if problem:
        print(f"setup: {problem}", file=sys.stderr)
    return 2 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
