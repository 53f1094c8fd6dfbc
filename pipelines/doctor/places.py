"""Whether the folders and the landing place can be used as a night uses them: made, written, renamed, flushed, linked."""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from pipelines.doctor.finding import Finding, fail, ok, warn
from pipelines.doctor.machine import file_clock_finding
from pipelines.settings import Settings, SettingsError
from resources.durable import write_atomically
from resources.landing_area import LandingError, landing_area
from resources.near_names import nearest_name
from resources.sources import SourceError, load

_MOST_NAMES = 5


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def folder_findings(name: str, folder: Path) -> list[Finding]:
    """A folder of ours, which a night makes where it is missing."""
    there = nearest(folder)
    if not there.is_dir():
        return [fail(name, f"{there} is a file, so {folder} cannot be made", "move that file away, or name another folder")]
    if not os.access(there, os.W_OK | os.X_OK):
        return [fail(name, f"{there} cannot be written to by this user", "change its owner, or name another folder")]
    if there != folder:
        return [ok(name, f"{folder} is not there yet; a night makes it")]
    return _written(name, folder)


def _written(name: str, folder: Path) -> list[Finding]:
    """Write, flush, rename and link a file, as tables and their commits are written."""
    path = folder / f".doctor.{secrets.token_hex(4)}"
    linked = path.with_name(f"{path.name}.linked")
    try:
        before = time.time()
        write_atomically(path, b"written by make doctor", mode=0o600)
        behind = before - path.stat().st_mtime
        os.link(path, linked)
    except OSError as error:
        verb = "links" if path.exists() else "flushed and renamed files"
        told = f"{folder} takes no {verb} ({error.strerror})"
        return [fail(name, told, "put it on a disk of this machine, or on another file system")]
    finally:
        for made in (path, linked):
            with suppress(FileNotFoundError):
                made.unlink()
    return [ok(name, f"{folder} can be written to"), file_clock_finding(name, behind)]


def mode_findings(settings: Settings) -> list[Finding]:
    """What is its owner's alone: the home, its keys, the landing folder that is ours."""
    own = {"home": settings.home, "keys": settings.home / "keys"}
    if settings.is_own_landing:
        own["landing"] = settings.landing
    opened = {
        folder: mode
        for folder in own.values()
        if folder.is_dir() and (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o077
    }
    if not opened:
        return [ok("modes", f"{', '.join(own)}: nobody but their owner gets in")]
    told = ", ".join(f"{folder} ({mode:04o})" for folder, mode in opened.items())
    return [fail("modes", f"others may look into {told}", f"chmod 700 {' '.join(map(str, opened))}")]


def restore_finding(settings: Settings) -> Finding:
    """Whether a restore was cut short here."""
    try:
        settings.check_restored()
    except SettingsError as error:
        return fail("restore", str(error), "make restore FROM=... once more, with the same set")
    return ok("restore", "none was interrupted")


def landing_findings(settings: Settings, sources_file: Path) -> list[Finding]:
    """Whether logs can be listed and read where they lie, and whether each folder has a source."""
    place = settings.landing_url or str(settings.landing)
    if not settings.landing_url and not settings.landing.is_dir():
        if settings.is_own_landing:
            return [ok("landing", f"{place} is not there yet; the first night makes it, and fills it with sample traffic")]
        return [fail("landing", f"NOCTURNE_LANDING: {place} is no folder", "name the folder that holds your sources")]
    try:
        sources = load(sources_file)
    except SourceError:
        return [warn("landing", f"{place}: not looked at, as sources.yml cannot be read", "mend sources.yml first")]
    own = {name: source.url for name, source in sources.items() if source.url}
    try:
        area = landing_area(settings.landing_url or settings.landing, own)
        undeclared = area.undeclared(sources)
        for url in own.values():
            landing_area(url).undeclared([])
        files = area.candidates(sources)
    except LandingError as error:
        return [fail("landing", str(error), "correct NOCTURNE_LANDING, or the source's url in sources.yml")]
    found = []
    if undeclared:
        named = ", ".join(undeclared[:_MOST_NAMES])
        told = f"{len(undeclared)} names in {place} belong to no source: {named}"
        remedy = "declare a source of that name in warehouse/seeds/sources.yml, or move it away"
        meant = {name: nearest_name(name, sources) for name in undeclared[:_MOST_NAMES]}
        remedy += "".join(f"; {name} may be meant for {near}" for name, near in meant.items() if near)
        found.append(warn("landing", told, remedy))
    unread = [] if settings.landing_url else [f.path for f in files if not os.access(settings.landing / f.path, os.R_OK)]
    if unread:
        told = f"{len(unread)} files may not be read by this user, such as {unread[0]}"
        found.append(fail("landing", told, "let this user read them"))
    if not files:
        remedy = "put log files into a sub-folder that sources.yml names"
        if settings.is_own_landing:
            remedy += "; or leave it empty, and the first night fills it with sample traffic"
        found.append(warn("landing", f"no file lies in {place}", remedy))
    return found or [ok("landing", f"{len(files):,} files of {len({f.source for f in files})} sources in {place}")]
