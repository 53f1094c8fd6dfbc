"""A staged file: its accounting and where its rows lie, until they are in the ledger.

Here belong the counts, the laws that they must keep, and how a stage is saved and found again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import pyarrow as pa

from resources.durable import write_atomically

LANDED_FILE = "landed.arrow"
TEXTS_FILE = "texts.arrow"
QUARANTINE_FILE = "quarantine.arrow"
ACCOUNTING_FILE = "accounting.json"
ROWS_FILES = (LANDED_FILE, TEXTS_FILE, QUARANTINE_FILE)


def rows_of(path: Path) -> pa.Table:
    """The rows of one of a stage's files, mapped and not read."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def stream_rows(path: Path) -> pa.RecordBatchReader:
    """The rows of one of a stage's files, a batch at a time: mapped pages would count as memory."""
    file = pa.ipc.open_file(pa.OSFile(str(path)))
    return pa.RecordBatchReader.from_batches(file.schema, map(file.get_batch, range(file.num_record_batches)))


class StageIncomplete(RuntimeError):
    """A folder holds no whole stage: its writing was cut short. Stage the file again."""


class AccountingError(AssertionError):
    """A line or record was lost or counted twice: a fault of this program, never of the file."""


@dataclass
class StagedFile:
    """A file's accounting; its counts are named as in logs.files. `reason` is set where the file is refused whole.

    `file_id` is the SHA-256 of the decompressed bytes, or of the stored ones where they cannot be decompressed.
    `prefix_digests` gives the digest of the first N decompressed bytes, for those N asked for that the file has.
    """

    file_id: str
    source: str
    path: str
    arrived_at: str
    key_id: str
    size_bytes: int
    modified_ns: int
    format: str
    decompressed_bytes: int = 0
    lines: int = 0
    lines_read: int = 0
    lines_blank: int = 0
    lines_header: int = 0
    lines_refused: int = 0
    records: int = 0
    records_landed: int = 0
    records_ignored: int = 0
    records_quarantined: int = 0
    records_beyond_retention: int = 0
    texts: int = 0
    texts_beyond_retention: int = 0
    landed_by_day: dict[str, int] = field(default_factory=dict)
    ignored_by_reason: dict[str, int] = field(default_factory=dict)
    redactions: dict[str, int] = field(default_factory=dict)
    reason: str | None = None
    prefix_digests: dict[int, str] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def is_refused(self) -> bool:
        return self.reason is not None

    @property
    def landed_path(self) -> Path:
        return self.folder / LANDED_FILE

    @property
    def texts_path(self) -> Path:
        return self.folder / TEXTS_FILE

    @property
    def quarantine_path(self) -> Path:
        return self.folder / QUARANTINE_FILE

    @classmethod
    def load(cls, folder: Path) -> StagedFile:
        """The stage that a folder holds; raises StageIncomplete where it holds no whole one."""
        try:
            content = json.loads((folder / ACCOUNTING_FILE).read_bytes())
        except (FileNotFoundError, ValueError):
            raise StageIncomplete(f"{folder} holds no whole stage; stage the file again") from None
        known = {f.name for f in fields(cls)} - {"folder"}
        if set(content) != known or not all((folder / name).is_file() for name in ROWS_FILES):
            raise StageIncomplete(f"{folder} holds a stage of another version; stage the file again")
        content["prefix_digests"] = {int(size): digest for size, digest in content["prefix_digests"].items()}
        return cls(**content, folder=folder)

    def save(self) -> None:
        """Write the accounting, which makes the stage whole."""
        content = asdict(self)
        del content["folder"]
        write_atomically(self.folder / ACCOUNTING_FILE, (json.dumps(content, indent=1) + "\n").encode(), mode=0o600)

    def assert_laws(self, quarantine_rows: int) -> None:
        """Every line and every record is accounted for exactly once; raises AccountingError."""
        laws = {
            "lines = read + blank + header + refused": (
                self.lines, self.lines_read + self.lines_blank + self.lines_header + self.lines_refused),
            "records = landed + ignored + quarantined + beyond retention": (
                self.records,
                self.records_landed + self.records_ignored + self.records_quarantined + self.records_beyond_retention),
            "quarantine rows = lines refused + records quarantined": (
                quarantine_rows, self.lines_refused + self.records_quarantined),
            "landed = sum of landed by day": (self.records_landed, sum(self.landed_by_day.values())),
        }  # fmt: skip
        for law, (left, right) in laws.items():
            if left != right:
                unequal = f"{self.path}: {law} does not hold ({left} is not {right})"
                raise AccountingError(f"{unequal}. Nothing was staged; report it with the shape of the file")
