"""Whether every file under warehouse/seeds can be read: all faults at once, where a night stops at the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.doctor.finding import Finding, fail, ok, warn
from pipelines.seed_reading import FAULTY_OTHER, FAULTY_SEED, Readers, night_readers, other_readers
from resources.contracts import ContractError, contracts


def contracts_finding() -> Finding:
    """The promises of the tables, and the SQL that keeps them."""
    try:
        return ok("contracts", f"{len(contracts())} tables and views")
    except ContractError as error:
        return fail("contracts", str(error), "mend that contract, or take the file from the repository again")


def seed_findings(resources: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with seeds: those of a night fail, others only warn."""
    night, others = night_readers(resources), other_readers(resources)
    stops, goes_on = "mend warehouse/seeds: {}. No night begins before that", "mend warehouse/seeds: {}. Nights go on"
    faults = [fail("seeds", told, stops.format(name)) for name, told in _faults(night)]
    faults += [warn("seeds", told, goes_on.format(name)) for name, told in _faults(others)]
    return _once(faults) or [ok("seeds", f"all can be read: {', '.join([*night, *others])}")]


def _faults(readers: Readers) -> list[tuple[str, str]]:
    found = []
    for name, read in readers.items():
        try:
            read()
        except (*FAULTY_SEED, *FAULTY_OTHER) as error:
            found.append((name, str(error)))
    return found


def _once(faults: list[Finding]) -> list[Finding]:
    """A seed that others are held against is told once, by its own reader."""
    return list({finding.said: finding for finding in reversed(faults)}.values())[::-1]
