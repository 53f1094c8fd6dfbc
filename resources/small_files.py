"""Many small files of a source, staged together: planning the statement that types them costs more than running it.

Here belongs which files are taken together, and how one statement's rows come back to their files. What is odd in any way is
left alone: landing stages it by itself, and says what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from resources.byte_source import UnreadableFile
from resources.file_numbers import file_of, number_within, numbers_in
from resources.landing_area import Candidate
from resources.record_typing import RecordTyping, TypingFailed
from resources.sources import Source
from resources.splitting import Splitting
from resources.stage_writer import StageWriter
from resources.staging import (
    Begun,
    Documents,
    FileStillWritten,
    StagingRules,
    begin,
    documents_of,
    typed_documents,
    typing_of,
    write_typed,
    writer_of,
)
from resources.warehouse import Connection

SMALL_BYTES = 1 << 20
"""As it lies; unpacked it may have eight times as many."""
MOST_FILES = 64
_MOST_UNPACKED = 8


@dataclass(frozen=True)
class SmallFile:
    """One file to stage: as stage_file has it."""

    path: Path
    relative_path: str
    folder: Path
    prefix_sizes: frozenset[int] = frozenset()


def together(files: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Files in their order, small ones of a source in lists of up to MOST_FILES; any other is a list by itself."""
    held: list[Candidate] = []
    for file in files:
        is_small = file.size_bytes <= SMALL_BYTES
        if held and not (is_small and held[0].source == file.source and len(held) < MOST_FILES):
            yield held
            held = []
        if is_small:
            held.append(file)
        else:
            yield [file]
    if held:
        yield held


def stage_together(files: Sequence[SmallFile], source: Source, arrived_at: datetime, rules: StagingRules) -> list[SmallFile]:
    """Leave a whole stage of each file that can be read and typed like any other, and give those files; of the others, none.

    Nothing is raised for a file: who stages it alone learns why.
    """
    begun = {file: one for file in files if (one := _begun(file, source, arrived_at, rules)) is not None}
    if not begun:
        return []
    with ExitStack() as writers, typing_of(source, [one.stage for one in begun.values()], rules) as (con, typing):
        read: dict[int, _Read] = {}
        for number, one in enumerate(begun.values()):
            writer = writers.enter_context(writer_of(one.stage, rules))
            try:
                read[number] = _read(con, typing, one, writer)
            except (UnreadableFile, FileStillWritten, OSError):
                continue  # Its stage stays unfinished; alone it is refused, or taken again later.
        try:
            _type(typing, read)
        except TypingFailed:
            return []
    staged = []
    for number, file in enumerate(begun):
        try:
            if number in read:
                begun[file].whole(read[number].writer.quarantine_rows)
                staged.append(file)
        except FileStillWritten:
            continue  # As above.
    return staged


@dataclass(frozen=True)
class _Read:
    """A file's documents, and where their records go."""

    writer: StageWriter
    documents: list[Documents]
    has_nul_escape: bool


def _begun(file: SmallFile, source: Source, arrived_at: datetime, rules: StagingRules) -> Begun | None:
    try:
        begun = begin(file.path, file.relative_path, source, arrived_at, rules, file.folder, file.prefix_sizes)
    except OSError:
        return None  # Taken away, or not to be read: said by whoever stages it alone.
    is_small = begun.stage.decompressed_bytes <= _MOST_UNPACKED * SMALL_BYTES
    return begun if is_small and not begun.stage.is_refused else None


def _read(con: Connection, typing: RecordTyping, begun: Begun, writer: StageWriter) -> _Read:
    splitting, found, has_nul_escape = Splitting(begun.path, typing.expects), [], False
    for batch in splitting:
        has_nul_escape |= batch.has_nul_escape
        if (documents := documents_of(con, batch, writer)) is not None:
            found.append(documents)
    begun.assert_same_bytes(splitting.crc32)
    return _Read(writer, found, has_nul_escape)


def _type(typing: RecordTyping, read: Mapping[int, _Read]) -> None:
    """Type all documents at once, and write each file's records. Raises TypingFailed if only one of them cannot be."""
    own = {number: _joined(file.documents) for number, file in read.items() if file.documents}
    if not own:
        return
    rows = _joined([Documents(_numbered(number, rows.documents), rows.faults) for number, rows in own.items()])
    typed, bad = typed_documents(typing, rows.documents, rows.faults, any(file.has_nul_escape for file in read.values()))
    if typing.failing_records:
        raise typing.failure("a document stops the statement")
    numbers = typed["record_number"].to_numpy()
    typed, of_row = typed.set_column(0, "record_number", pa.array(number_within(numbers))), file_of(numbers)
    for number, rows in own.items():
        faults = {number_within(at): fault for at, fault in bad.items() if file_of(at) == number}
        write_typed(typing, rows.documents, typed.filter(pa.array(of_row == number)), faults, read[number].writer)


def _joined(parts: Sequence[Documents]) -> Documents:
    faults = pa.chunked_array([chunk for part in parts for chunk in part.faults.chunks], pa.string())
    return Documents(pa.concat_tables([part.documents for part in parts]), faults)


def _numbered(file: int, documents: pa.Table) -> pa.Table:
    numbers = numbers_in(file, documents["record_number"].to_numpy())
    return documents.set_column(0, "record_number", pa.array(numbers))
