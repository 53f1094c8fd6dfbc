"""Syncs or releases the prompts of a warehouse, in a process that a test may kill: `prompt_worker.py <root> <now> <act>`."""

from __future__ import annotations

import sys
from pathlib import Path

from prompt_house import PromptHouse

if __name__ == "__main__":
    root, now, act, *rest = sys.argv[1:]
    desk = PromptHouse(Path(root), now).desk
    if act == "sync":
        print(desk.work())
    elif act == "promote":
        print(desk.promote(rest[0], "prod", "ada", "it is better", "there is no gate yet"))
    else:
        print(desk.rollback(rest[0], "prod", "ada", "it was worse"))
