"""`make doctor`: whether this installation is fit for a night, line by line, and what to do where it is not.

It changes nothing: it writes and removes one small file in each folder of ours. Exit status 1: something fails.
`make setup` asks here, too, before it installs, whether the wanted FAISS can go into this environment; so nothing but the
standard library is imported before it is known to be there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.doctor.finding import Finding, as_json, as_text, exit_status, fail
from pipelines.doctor.packages import (
    WHEELS,
    conflict,
    cuda_finding,
    faiss_finding,
    gpus,
    installed,
    package_findings,
    python_finding,
    torch_has_cuda,
)

if TYPE_CHECKING:
    from pipelines.settings import Settings

REPO = Path(__file__).resolve().parents[2]


def examined() -> Iterator[Finding]:
    """Everything, what other findings rest on first. Where packages are missing, only they are told."""
    python = python_finding()
    yield python
    if python.state == "fail":
        return
    there, cards = installed(), gpus()
    packages = package_findings(REPO, there)
    yield from packages
    yield faiss_finding(there, cards)
    if not any(finding.said.startswith("not installed") for finding in packages):
        yield from _installation(cards)


def _installation(cards: list[str]) -> Iterator[Finding]:
    from pipelines.build import build_resources
    from pipelines.doctor.seeds import contracts_finding, seed_findings
    from pipelines.doctor.settings import names_in_seeds, settings_findings
    from pipelines.doctor.state import embedder_finding, instance_findings, keyring_finding, registry_finding
    from pipelines.settings import Settings, SettingsError
    from resources.contracts import SEEDS

    yield from settings_findings(os.environ, names_in_seeds(SEEDS))
    try:
        settings = Settings.from_environment()
        resources = build_resources(settings)
    except SettingsError as error:
        yield fail("settings", str(error), "correct it; what depends on it was not looked at")
        return
    wants_cuda = settings.embedder_device.startswith("cuda") or bool(cards)
    if cuda := cuda_finding(settings.embedder_device, torch_has_cuda() if wants_cuda else None):
        yield cuda
    yield embedder_finding(settings)
    contracts = contracts_finding()
    yield contracts
    yield from _places(settings, resources)
    if contracts.state == "ok":
        yield from seed_findings(resources)
        yield keyring_finding(resources["warehouse"].store())
    yield registry_finding(settings)
    yield from instance_findings(settings)


def _places(settings: Settings, resources: Mapping[str, Any]) -> Iterator[Finding]:
    from pipelines.doctor.machine import clock_findings, disk_findings, memory_bytes, memory_finding, usage
    from pipelines.doctor.places import folder_findings, landing_findings, mode_findings, nearest, restore_finding

    warehouse, clock = resources["warehouse"], resources["clock"]
    for name, folder in (("home", settings.home), ("data", settings.data)):
        yield from folder_findings(name, folder)
        if nearest(folder).is_dir():
            yield from disk_findings("disk", nearest(folder), usage([folder]))
    yield from mode_findings(settings)
    yield restore_finding(settings)
    yield from landing_findings(settings, warehouse.seeds / "sources.yml")
    door = warehouse.publisher().door
    published = door.lstat().st_mtime if door.is_symlink() else None
    now = datetime.now(UTC)
    yield from clock_findings(now, now.astimezone(), clock.nightly_hour_utc, published, settings.fixed_now)
    yield memory_finding(settings.memory_limit, *memory_bytes())


def main(arguments: list[str] | None = None, say: Callable[[str], None] = print) -> int:
    """The doctor; with `cpu` or `gpu`: exit status 2 and a sentence where that FAISS cannot go in."""
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument("wanted", nargs="?", help=f"before an installation: {' or '.join(WHEELS)}")
    parser.add_argument("--json", action="store_true", help="for a program")
    options = parser.parse_args(arguments)
    if options.wanted is not None:
        problem = conflict(options.wanted, installed())
        if problem:
            print(f"setup: {problem}", file=sys.stderr)
        return 2 if problem else 0
    findings = list(examined())
    say(as_json(findings) if options.json else as_text(findings))
    return exit_status(findings)


if __name__ == "__main__":
    sys.exit(main())
