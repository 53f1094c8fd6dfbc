"""Whether the files that this process loaded are still the files on disk.

A code location that outlives an edit plans with what it loaded, while its runs, new processes, compute with what is
there: each would find the other's days stale, for ever. So the sensors stop, and say so, until it is reloaded.
"""

from __future__ import annotations

from hashlib import md5

from pipelines.settings import REPO

_WATCHED = ("assets/**/*.py", "resources/*.py", "pipelines/**/*.py", "sql/**/*.sql", "warehouse/contracts/**/*.yml")
EDITED = "files were edited since this code location was loaded; press `Reload definitions` on the Deployment page"


def checkout_digest() -> str:
    """A digest of the code, SQL and contracts of this checkout, as they are on disk."""
    files = sorted(path for pattern in _WATCHED for path in REPO.glob(pattern))
    return md5(b"\0".join(path.read_bytes() for path in files)).hexdigest()
