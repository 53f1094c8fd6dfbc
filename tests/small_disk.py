"""A disk of a test's own that fills up or refuses to be written: a tmpfs, so that every library meets the real error.

Mounting one takes root, or a user namespace (`unshare -rm make test`); elsewhere the tests that need it are skipped.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE_BYTES, FILES = 256 * 2**20, 100_000


class SmallDisk:
    """A file system at `folder` whose room can be taken away and given back while processes use it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def leave(self, size_bytes: int | None = None, files: int | None = None) -> None:
        """Leave room for so many further bytes (whole pages), or so many new files and folders."""
        room = os.statvfs(self.folder)
        used_bytes = (room.f_blocks - room.f_bfree) * room.f_frsize
        size = SIZE_BYTES if size_bytes is None else used_bytes + size_bytes // room.f_frsize * room.f_frsize
        names = FILES if files is None else room.f_files - room.f_ffree + files
        self._remount(f"rw,size={size},nr_inodes={names}")

    def refuse_writes(self) -> None:
        """As after an error of the hardware, which makes many systems go on reading only."""
        self._remount("ro")

    def mend(self) -> None:
        """All the room there was, to be written again."""
        self._remount(f"rw,size={SIZE_BYTES},nr_inodes={FILES}")

    @contextmanager
    def most_used(self) -> Iterator[list[int]]:
        """The most files and bytes by which the disk grew inside the block, filled in at its end."""
        before, most, is_over = os.statvfs(self.folder), [0, 0], threading.Event()

        def watch() -> None:
            while not is_over.wait(0.001):
                now = os.statvfs(self.folder)
                grown = (before.f_ffree - now.f_ffree, (before.f_bfree - now.f_bfree) * now.f_frsize)
                most[:] = map(max, most, grown)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield most
        finally:
            is_over.set()
            watcher.join()

    def _remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A disk at a new folder; skips the test where this process may not mount one."""
    folder.mkdir(parents=True)
    options = f"size={SIZE_BYTES},nr_inodes={FILES},mode=0700"
    try:
        command = ["mount", "-t", "tmpfs", "-o", options, "nocturne", str(folder)]
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("this machine has no `mount`")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({mounted.stderr.strip()}); as root, or by `unshare -rm`, it can")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
