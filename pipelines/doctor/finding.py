"""What the doctor says: one finding a line, and how it is printed. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `do`: what a person does about it; empty where all is well. Neither holds a secret."""

    what: str
    state: State
    said: str
    do: str = ""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(what, "ok", said)


def warn(what: str, said: str, do: str) -> Finding:
    """A night works all the same."""
    return Finding(what, "warn", said, do)


def fail(what: str, said: str, do: str) -> Finding:
    """A night would not work, or not as it is meant."""
    return Finding(what, "fail", said, do)


def exit_status(findings: Sequence[Finding]) -> int:
    """1 where something fails."""
    return int(any(finding.state == "fail" for finding in findings))


def as_text(findings: Sequence[Finding]) -> str:
    """A line a finding, below it what to do, and a count at the end."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<4}  {finding.what:<{width}}  {finding.said}")
        if finding.do:
            lines.append(f"{'':<{width + 8}}-> {finding.do}")
    count = {state: sum(finding.state == state for finding in findings) for state in ("ok", "warn", "fail")}
    return "\n".join([*lines, "", ", ".join(f"{number} {state}" for state, number in count.items())])


def as_json(findings: Sequence[Finding]) -> str:
    """The same for a program."""
    found = [asdict(finding) for finding in findings]
    return json.dumps({"exit_status": exit_status(findings), "findings": found}, indent=1)
