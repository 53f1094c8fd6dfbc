"""Whether the machine is fit for a night: its clock, its disk, its memory. Standard library only."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.doctor.finding import Finding, fail, ok, warn

CLOCK_SLACK_SECONDS = 5.0
DAY_SECONDS = 86_400
FIRST_NIGHT_BYTES = 2_000_000_000
"""What a warehouse without any night needs: tables, stage and spill of the sample, with room to spare."""
FEWEST_INODES = 20_000
PROCESS_BYTES = 2_000_000_000
"""What a night takes beside DuckDB: Python, Dagster, the embedder and its texts."""
_UNITS = {"k": 1_000, "m": 1_000**2, "g": 1_000**3, "t": 1_000**4}


@dataclass(frozen=True)
class Usage:
    """What lies in a folder, and what of it was written in the last night: within a day of the newest file."""

    whole_bytes: int
    night_bytes: int


def usage(folders: Iterable[Path]) -> Usage:
    """Bytes below some folders; links are not followed, and what goes away meanwhile is left out."""
    sizes: list[tuple[float, int]] = []
    for folder in folders:
        for where, _, files in os.walk(folder):
            for name in files:
                try:
                    status = os.lstat(os.path.join(where, name))
                except OSError:
                    continue
                sizes.append((status.st_mtime, status.st_size))
    newest = max((modified for modified, _ in sizes), default=0.0)
    return Usage(sum(s for _, s in sizes), sum(s for modified, s in sizes if modified > newest - DAY_SECONDS))


def clock_findings(
    now: datetime, local: datetime, nightly_hour_utc: int, newest_there: float | None, fixed_now: str | None
) -> list[Finding]:
    """The wall clock. `local` is the same moment in the machine's zone, `newest_there` when the newest publish was made."""
    due = now.replace(hour=nightly_hour_utc, minute=0)
    told = f"{now:%Y-%m-%d %H:%M} UTC; a day is due from {due:%H:%M} UTC, here {due.astimezone(local.tzinfo):%H:%M (UTC%z)}"
    found = [ok("clock", told)]
    if newest_there is not None and newest_there > now.timestamp() + DAY_SECONDS / 24:
        later = datetime.fromtimestamp(newest_there, UTC)
        told = f"{told}; but the warehouse was published at {later:%Y-%m-%d %H:%M} UTC"
        found = [fail("clock", told, "set the clock (NTP)")]
    elif (offset := local.utcoffset()) is not None and offset.total_seconds() % 900:
        found = [warn("clock", told, "no zone is so many minutes from UTC: correct TZ or /etc/localtime")]
    if fixed_now:
        found.append(warn("present", f"NOCTURNE_NOW holds the present still at {fixed_now}", "unset it outside rehearsals"))
    return found


def file_clock_finding(place: str, behind_seconds: float) -> Finding:
    """The file system's time against the system's: files are taken once they are old enough."""
    if abs(behind_seconds) <= CLOCK_SLACK_SECONDS:
        return ok("file time", f"the file system of {place} and the clock agree to {abs(behind_seconds):.1f} s")
    way = "behind" if behind_seconds > 0 else "ahead of"
    return warn(
        "file time",
        f"the file system of {place} is {abs(behind_seconds):.0f} s {way} the clock",
        "set the clocks of this machine and of the file server (NTP): files would be taken too early or too late",
    )


def disk_findings(name: str, folder: Path, used: Usage) -> list[Finding]:
    """Room where the warehouse lies, against what its last night wrote and what a restated history would write."""
    free = shutil.disk_usage(folder).free
    statistics = os.statvfs(folder)
    need = max(2 * used.night_bytes, FIRST_NIGHT_BYTES if not used.whole_bytes else 0, 500_000_000)
    told = f"{size(free)} free at {folder}; {size(used.whole_bytes)} used, {size(used.night_bytes)} by the last night"
    found = [ok(name, told)]
    if free < need:
        found = [fail(name, told, f"make room: a night may need {size(need)}")]
    elif free < used.whole_bytes:
        found = [warn(name, told, "make room before SQL or prices change: what is computed anew is written beside the old")]
    if statistics.f_files and statistics.f_favail < FEWEST_INODES:
        found.append(warn(name, f"only {statistics.f_favail:,} more files fit (`df -i`)", "remove small files"))
    return found


def memory_finding(limit: str, whole_bytes: int, available_bytes: int) -> Finding:
    """DuckDB's limit against what the machine, or its control group, has."""
    limit_bytes = bytes_of(limit)
    told = f"{size(whole_bytes)}, {size(available_bytes)} of it free; DuckDB may use {limit} (NOCTURNE_MEMORY_LIMIT)"
    if limit_bytes > whole_bytes * 0.8:
        return fail("memory", told, f"set NOCTURNE_MEMORY_LIMIT to {max(1, whole_bytes // 2_000_000_000)}GB or less")
    if limit_bytes + PROCESS_BYTES > available_bytes:
        need = size(limit_bytes + PROCESS_BYTES)
        return warn("memory", told, f"free some: a night takes up to {need}; or lower the limit")
    return ok("memory", told)


def memory_bytes(root: Path = Path("/")) -> tuple[int, int]:
    """(whole, available) memory of this machine, or of the control group that this process is in where that is less."""
    told = (root / "proc" / "meminfo").read_text(encoding="ascii")
    said = {name: 1024 * int(number) for name, number in re.findall(r"^(\w+):\s+(\d+) kB", told, re.MULTILINE)}
    whole, available = said["MemTotal"], said["MemAvailable"]
    group = root / "sys" / "fs" / "cgroup"
    try:
        most = int((group / "memory.max").read_text(encoding="ascii"))
        free = most - int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # None, no limit ("max"), or the older kind of groups.
        return whole, available
    return min(whole, most), min(available, free)


def bytes_of(text: str) -> int:
    """A size as NOCTURNE_MEMORY_LIMIT takes it: 2GB, 512MiB."""
    number, unit = re.fullmatch(r"([\d.]+)\s*([KMGT])i?B", text.strip(), re.IGNORECASE).groups()  # type: ignore[union-attr]
    return int(float(number) * _UNITS[unit.lower()])


def size(number: int) -> str:
    """Bytes in words."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
