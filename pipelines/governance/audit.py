"""`make audit`: asks pip-audit for known vulnerabilities of every pin, and believes no silence.

pip-audit ends well when it could not look a package up: a registry without advisories would make everything look safe.
So one pin is asked for first; where that is not answered the audit is skipped, and says so. Exit status 1: a pin is
vulnerable, or one of many was not answered. 0: all were, and none is; or skipped.

Where there is no such index, a copy of a database of advisories in the OSV format answers as well: the folder of a clone of
github.com/pypa/advisory-database, whose age is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
Ask = Callable[[Sequence[str]], "Answer"]


@dataclass(frozen=True)
class Answer:
    """What is known of some pins: `vulnerable` by pin, `unanswered` with the reason; the rest is not known to be so."""

    asked: int
    vulnerable: dict[str, list[str]] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    source: str = ""


def pins(text: str) -> list[str]:
    """The pins of a constraints file."""
    return [line.strip() for line in text.splitlines() if "==" in line and not line.startswith("#")]


def read_answer(report: dict[str, Any]) -> Answer:
    """pip-audit's JSON as an answer."""
    vulnerable, unanswered = {}, {}
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unanswered[package["name"]] = package["skip_reason"]
        elif package["vulns"]:
            fixed = {v["id"]: ", ".join(v["fix_versions"]) or "no fix yet" for v in package["vulns"]}
            vulnerable[f"{package['name']}=={package['version']}"] = [
                f"{id_} (fixed in {fix})" for id_, fix in fixed.items()
            ]
    return Answer(len(report["dependencies"]), vulnerable, unanswered)


def ask_pip_audit(program: str) -> Ask:
    """Ask a pip-audit that is installed apart from what it looks at."""

    def ask(wanted: Sequence[str]) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "pins.txt")
            file.write_text("".join(f"{pin}\n" for pin in wanted), encoding="utf-8")
            command = [
                program,
                "-r",
                str(file),
                "--no-deps",
                "--disable-pip",
                "--format",
                "json",
                "--progress-spinner",
                "off",
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            return read_answer(json.loads(done.stdout))
        except (ValueError, KeyError):
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return Answer(len(wanted), unanswered={pin: reason for pin in wanted})

    return ask


def ask_advisories(folder: Path) -> Ask:
    """Ask the OSV files (YAML or JSON, one an advisory) below a folder. Raises ValueError where there are none."""
    import yaml
    from packaging.utils import canonicalize_name

    entries: dict[str, list[dict[str, Any]]] = {}
    for file in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.json"))):
        entry = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
        if not isinstance(entry, dict) or not {"id", "affected", "modified"} <= set(entry) or "withdrawn" in entry:
            continue
        for affected in entry["affected"]:
            package = affected.get("package", {})
            if package.get("ecosystem") == "PyPI":
                name = canonicalize_name(package["name"])
                entries.setdefault(name, []).append(affected | {"id": entry["id"], "modified": str(entry["modified"])})
    if not entries:
        raise ValueError(f"{folder} holds no advisories of PyPI in the OSV format; clone github.com/pypa/advisory-database")
    newest = max(entry["modified"] for found in entries.values() for entry in found)

    def ask(wanted: Sequence[str]) -> Answer:
        vulnerable: dict[str, list[str]] = {}
        for pin in wanted:
            name, _, version = pin.partition("==")
            for entry in entries.get(canonicalize_name(name), []):
                if is_affected(version, entry):
                    vulnerable.setdefault(pin, []).append(entry["id"])
        return Answer(len(wanted), vulnerable, source=f"{len(entries)} packages, newest advisory of {newest[:10]}")

    return ask


def is_affected(version: str, entry: dict[str, Any]) -> bool:
    """Whether a version is one that an OSV `affected` names, or lies in one of its ranges of versions.

    https://ossf.github.io/osv-schema/#evaluation
    """
    from packaging.version import Version

    if version in map(str, entry.get("versions", ())):
        return True
    this = Version(version)
    for span in entry.get("ranges", ()):
        inside = False
        for event in span["events"] if span["type"] == "ECOSYSTEM" else ():
            (kind, at), *_ = event.items()
            if kind == "introduced" and (at == "0" or this >= Version(str(at))):
                inside = True
            elif (kind == "fixed" and this >= Version(str(at))) or (kind == "last_affected" and this > Version(str(at))):
                inside = False
        if inside:
            return True
    return False


def audit(wanted: Sequence[str], ask: Ask, say: Callable[[str], None]) -> int:
    """Ask for one pin, then for all; the exit status."""
    probe = ask(wanted[:1])
    if probe.unanswered:
        reason = next(iter(probe.unanswered.values()))
        say(f"audit: skipped, nothing was looked up: the index gives no advisories here ({reason})")
        return 0
    answer = ask(wanted)
    for pin, found in answer.vulnerable.items():
        say(f"audit: {pin}: {'; '.join(found)}")
    for name, reason in answer.unanswered.items():
        say(f"audit: {name} was not looked up: {reason}")
    say(f"audit: {answer.asked} pins, {len(answer.vulnerable)} vulnerable, {len(answer.unanswered)} not looked up")
    if answer.source:
        say(f"audit: by a copy of advisories: {answer.source}; what was found out since is not in it")
    return 1 if answer.vulnerable or answer.unanswered else 0


def main(arguments: list[str]) -> int:
    """`python -m pipelines.governance.audit PIP_AUDIT`, or `python -m pipelines.governance.audit --advisories FOLDER`."""
    wanted = pins(CONSTRAINTS.read_text(encoding="utf-8"))
    try:
        ask = ask_advisories(Path(arguments[1])) if arguments[0] == "--advisories" else ask_pip_audit(arguments[0])
    except ValueError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    return audit(wanted, ask, lambda text: print(text, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
