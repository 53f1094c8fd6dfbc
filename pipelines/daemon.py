"""The daemon of a deployment: one for an instance. It takes a lock that lasts as long as its process, and becomes Dagster's
own daemon. Dagster itself lets a second one run beside the first and only writes an error; both then start what is due.

The lock is a file beside the compute logs, which every process of a deployment mounts; it holds across machines where the
volume's locks do (NFS 4).
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

LOCK = ".daemon.lock"


def main(arguments: list[str]) -> None:
    """Become `dagster-daemon run`; `arguments` come after it. Does not return."""
    try:
        folder = Path(os.environ["NOCTURNE_COMPUTE_LOGS"])
    except KeyError:
        sys.exit("daemon: NOCTURNE_COMPUTE_LOGS is not set; name the folder that holds compute logs")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Open across exec, and in no child: the lock goes when the daemon does, however it ends.
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("daemon: another daemon works for this instance; stop it first, two would each start what is due")
    except OSError as error:
        sys.exit(f"daemon: {folder / LOCK} cannot be locked ({error.strerror}); name a folder to write to")
    os.set_inheritable(handle, True)
    program = Path(sys.executable).with_name("dagster-daemon")
    os.execv(program, [str(program), "run", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
