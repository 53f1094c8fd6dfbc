"""Reading the corpora: what is new, changed, gone or must not be indexed becomes rows of retrieval.documents and chunks.

A document is known by a digest of all that decides on it (its content, the seeds, the rules): with the same digest it is
neither read nor vetted again. Chunks are stored before the document that they belong to is live, so that a kill leaves no
live document without them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pyarrow as pa

from assets.retrieval.chunkers import CHUNKERS, Chunk
from pipelines.retrieval.corpus import CHUNKS, DOCUMENTS
from pipelines.retrieval.knowledge_vetting import Vetting
from resources.document_reader import Corpus, Found, Unread
from resources.document_text import READER, Document, DocumentFault, PassingFault
from resources.events import append_table
from resources.failpoints import failpoint
from resources.knowledge_seed import CorpusSeed, KnowledgeSeed
from resources.store import Store
from resources.table_store import arrow_schema

LIVE, DELETED, QUARANTINED = "live", "deleted", "quarantined"
DOCUMENTS_AT_ONCE, BYTES_AT_ONCE = 1_000, 32_000_000
_HIDDEN_ROW = re.compile(r"/[0-9a-f]{16}#\d+\Z")
Row = dict[str, Any]
Say = Callable[[str], None]
_NEWEST = """
    select * from (
        select *, row_number() over (partition by document_id order by recorded_at desc) as place from ({documents})
    ) where place = 1
"""


@dataclass
class Reading:
    """What a reading found. `counts` by live, quarantined (new or changed ones), deleted, unchanged and passed_over (files
    of other kinds). `troubles` are sentences for a person: a corpus of which nothing was taken for gone."""

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = {"live": "new or changed", "quarantined": "quarantined", "deleted": "deleted", "unchanged": "as before"}
        return ", ".join(f"{self.counts[key]:,} {words}" for key, words in told.items())

    @property
    def changed(self) -> int:
        """Rows of retrieval.documents that it wrote."""
        return self.counts[LIVE] + self.counts[QUARANTINED] + self.counts[DELETED]


@dataclass(frozen=True)
class _Due:
    """A document to decide on; the name that it goes by in the tables, and the digest of what decides."""

    corpus: CorpusSeed
    item: Found | Unread
    document_id: str
    inputs_digest: str


class KnowledgeReader:
    """One reading of all corpora. The caller works `alone`."""

    def __init__(self, store: Store, seed: KnowledgeSeed, vetting: Vetting, now: datetime):
        self.store = store
        self.seed = seed
        self.vetting = vetting
        self._known = {row["document_id"]: row for row in _newest(store)}
        newest = max((row["recorded_at"] for row in self._known.values()), default=datetime.min.replace(tzinfo=UTC))
        # The newest row of a document counts, also where the clock stands or has stepped back.
        self._at = max(now, newest + timedelta(microseconds=1)) if self._known else now
        self._vetting_digest = vetting.digest
        self._seen: set[str] = set()
        self._taken: set[str] = set()
        self._keeps: list[str] = []
        self._unlisted: set[str] = set()
        self.reading = Reading()

    def read(self, say: Say) -> Reading:
        """Decide on every document that is not known as it is, and on those that are gone."""
        due: list[_Due] = []
        size = 0
        for corpus in self.seed.corpora:
            for one in self._undecided(corpus):
                due.append(one)
                size += one.item.size_bytes if isinstance(one.item, Found) else 0
                if len(due) >= DOCUMENTS_AT_ONCE or size >= BYTES_AT_ONCE:
                    self._decide(due)
                    say(f"knowledge: {self.reading} ({corpus.name})")
                    due, size = [], 0
        self._decide(due)
        self._delete()
        return self.reading

    def _undecided(self, corpus: CorpusSeed) -> Iterator[_Due]:
        files = Corpus(corpus, self.seed)
        is_empty = True
        for item in files.documents():
            is_empty = False
            if isinstance(item, Unread) and item.keeps:
                self._keep(corpus, item, item.keeps)
            one = self._due(corpus, item)
            known = self._known.get(one.document_id) or self._known.get(_hidden(corpus, one.document_id))
            self._seen.add(one.document_id)
            self._taken.add(one.document_id)
            if known and known["inputs_digest"] == one.inputs_digest and known["state"] != DELETED:
                self._seen.add(known["document_id"])
                self.reading.counts["unchanged"] += 1
                continue
            yield one
        self.reading.counts["passed_over"] += files.passed_over
        if is_empty and any(row["corpus"] == corpus.name and row["state"] == LIVE for row in self._known.values()):
            self._keeps.append(f"{corpus.name}/")
            self.reading.troubles.append(
                f"{corpus.name}: {corpus.path} is empty now, and its documents were left as they are; "
                "to delete them all, take the corpus out of knowledge.yml"
            )

    def _keep(self, corpus: CorpusSeed, item: Unread, keeps: str) -> None:
        """Leave the documents of a table or folder that cannot be read as they are, and say so where there are any."""
        hidden = f"{_hidden(corpus, keeps[:-1])}#" if keeps.endswith("#") else keeps
        self._keeps += [keeps, hidden]
        if keeps.endswith("/"):
            self._unlisted.add(corpus.name)
        live = [row for row in self._known.values() if row["state"] == LIVE]
        held = [row for row in live if row["source_uri"].startswith((keeps, hidden))]
        if held:
            shown = _hidden(corpus, item.source_uri) if self._unspeakable([item.source_uri]) else item.source_uri
            told = f"{shown}: {item.reason}; its documents ({len(held):,}) were left as they are"
            self.reading.troubles.append(told)

    def _unspeakable(self, names: Sequence[str]) -> set[str]:
        return self.vetting.names_with_faults(self.store, names)

    def _due(self, corpus: CorpusSeed, item: Found | Unread) -> _Due:
        document_id = item.document_id
        if document_id in self._taken:  # no row's id is of the form of a source_uri, and each of these is there once
            item = Unread(item.source_uri, item.source_uri, item.digest, "another document has its id")
            document_id = item.source_uri
        reason = item.reason if isinstance(item, Unread) else ""
        released = sorted(entry for entry in corpus.released if entry.rpartition("@")[0] == document_id)
        place = (item.source_uri.rpartition("#")[0], _settings(corpus))
        limits = (self.seed.largest_bytes, self.seed.most_pages)
        deciding = (item.digest, reason, *place, released, READER, limits, self._vetting_digest)
        return _Due(corpus, item, document_id, sha256(repr(deciding).encode("utf-8", "backslashreplace")).hexdigest()[:32])

    def _decide(self, due: Sequence[_Due]) -> None:
        """Read and vet some documents; their chunks, and then themselves, become rows."""
        if not due:
            return
        rows, texts = [], {}
        read = [self._read(one) for one in due]
        words = [f"{document.title or ''}\n\n{document.text}" if document else "" for _, document, _ in read]
        faults = self.vetting.faults_of(self.store, words, [one.corpus.permits for one in due])
        files = {one.item.source_uri.rpartition("#")[0] or one.item.source_uri for one in due}
        unspeakable = self._unspeakable([*(one.document_id for one in due), *files])
        for (one, document, reason), found in zip(read, faults, strict=True):
            if not reason and document and f"{one.document_id}@{_version(document.text)}" not in one.corpus.released:
                reason = found
            if one.document_id in unspeakable:
                reason = f"its name: {reason or 'a secret, an address or a canary'}"
            row = self._row(one, document, reason, unspeakable)
            if row["state"] == LIVE and document:
                texts[row["document_id"], row["version"], row["chunker"]] = document.text
            rows.append(row)
        self._store_chunks(texts)
        failpoint("knowledge.chunked")
        self._store_documents(rows)

    def _read(self, one: _Due) -> tuple[_Due, Document | None, str | None]:
        """A document, and why it is not indexed whatever its words are."""
        if isinstance(one.item, Unread):
            return one, None, one.item.reason
        try:
            document = one.item.read()
        except PassingFault as fault:  # decided on by no more than this night
            return replace(one, inputs_digest=_version(self._at.isoformat()) * 2), None, str(fault)
        except DocumentFault as fault:
            return one, None, str(fault)
        if (document.access or one.corpus.access) not in self.vetting.labels:
            return one, document, "its access label is not declared in access.yml"
        return one, document, None

    def _row(self, one: _Due, document: Document | None, reason: str | None, unspeakable: set[str]) -> Row:
        version = _version(document.text) if document else _version(f"{reason} {one.item.digest}")
        is_named = not (reason or "").startswith("its name: ")
        updated_at = document.updated_at if document else None
        if isinstance(one.item, Found):
            updated_at = updated_at or one.item.updated_at
        valid_until = document.valid_until if document else None
        if valid_until is None and one.corpus.valid_days and updated_at:
            valid_until = _after(updated_at.date(), one.corpus.valid_days)
        hidden = _hidden(one.corpus, one.document_id)
        self._seen.add(one.document_id if is_named else hidden)
        if not is_named:
            self._seen.discard(one.document_id)
        return {
            "day": self._at.date(), "recorded_at": self._at, "index_name": one.corpus.index, "corpus": one.corpus.name,
            "document_id": one.document_id if is_named else hidden, "version": version,
            "state": QUARANTINED if reason else LIVE, "reason": reason, "chunker": None if reason else one.corpus.chunker,
            "title": document.title if document and not reason else None,
            "source_uri": _shown(one, unspeakable) if is_named else hidden, "owner": one.corpus.owner,
            # A label that nobody declared is the document's own word.
            "access_label": document.access if document and document.access in self.vetting.labels else one.corpus.access,
            "valid_until": valid_until, "updated_at": updated_at, "characters": len(document.text) if document else None,
            "inputs_digest": one.inputs_digest,
        }  # fmt: skip

    def _delete(self) -> None:
        """What was there, and is not found again, is deleted; its words go with a later sweep."""
        gone = [
            row | {"day": self._at.date(), "recorded_at": self._at, "state": DELETED, "reason": None, "title": None}
            for id_, row in self._known.items()
            if row["state"] != DELETED and id_ not in self._seen and not self._is_kept(row)
        ]
        self._store_documents(gone)

    def _is_kept(self, row: Row) -> bool:
        # Of a row of a table without a name to show nobody knows in which folder that lay.
        is_anywhere = row["corpus"] in self._unlisted and bool(_HIDDEN_ROW.search(row["source_uri"]))
        return is_anywhere or row["source_uri"].startswith(tuple(self._keeps))

    def _store_chunks(self, texts: dict[tuple[str, str, str], str]) -> None:
        there = self._chunked([document_id for document_id, _, _ in texts])
        columns: dict[str, list[Any]] = {column.name: [] for column in self.store.contracts[CHUNKS].columns}
        for (document_id, version, chunker), text in texts.items():
            if (document_id, version, chunker) in there:
                continue
            for place, chunk in enumerate(CHUNKERS[chunker](text), start=1):
                row = self._chunk_row(document_id, version, chunker, place, chunk, text)
                for name, values in columns.items():
                    values.append(row[name])
        if columns["day"]:
            schema = arrow_schema(self.store.contracts[CHUNKS])
            append_table(self.store, CHUNKS, pa.table([columns[name] for name in schema.names], schema=schema))

    def _chunk_row(self, document_id: str, version: str, chunker: str, place: int, chunk: Chunk, text: str) -> Row:
        piece = text[chunk.start : chunk.end]
        named = "\n".join((document_id, version, chunker, str(place)))
        return {
            "day": self._at.date(), "recorded_at": self._at, "chunk_id": sha256(named.encode()).hexdigest()[:32],
            "document_id": document_id, "version": version, "chunker": chunker, "place": place,
            "start_character": chunk.start, "end_character": chunk.end, "chunk_text": piece,
            "text_digest": sha256(piece.encode()).hexdigest()[:32], "tokens": chunk.tokens,
        }  # fmt: skip

    def _chunked(self, document_ids: Sequence[str]) -> set[tuple[str, str, str]]:
        """Which versions of some documents were cut before, by which chunker."""
        with self.store.connection() as con:
            con.register("wanted", pa.table({"document_id": pa.array(document_ids, pa.string())}))
            asked = "select distinct document_id, version, chunker from ({}) semi join wanted using (document_id)"
            return set(con.execute(asked.format(self.store.scan_all(CHUNKS))).fetchall())

    def _store_documents(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        schema = arrow_schema(self.store.contracts[DOCUMENTS])
        append_table(self.store, DOCUMENTS, pa.Table.from_pylist(list(rows), schema=schema))
        self.reading.counts.update(Counter(row["state"] for row in rows))
        failpoint("knowledge.documented")


def _newest(store: Store) -> list[Row]:
    """The newest row of each document."""
    names = [column.name for column in store.contracts[DOCUMENTS].columns]
    newest = _NEWEST.format(documents=store.scan_all(DOCUMENTS))
    return [dict(zip(names, row, strict=True)) for row in store.rows(f"select {', '.join(names)} from ({newest})")]


def _after(day: date, days: int) -> date:
    return day + timedelta(days=min(days, (date.max - day).days))


def _settings(corpus: CorpusSeed) -> str:
    """All that a corpus decides of each of its documents."""
    chosen = (corpus.name, corpus.owner, corpus.access, corpus.index, corpus.chunker, corpus.valid_days)
    return repr((*chosen, sorted(corpus.permits)))


def _hidden(corpus: CorpusSeed, name: str) -> str:
    """What a document goes by whose name must not be shown."""
    return f"{corpus.name}/{_version(name)}"


def _shown(one: _Due, unspeakable: set[str]) -> str:
    """Where a document lies; of a row of a table whose name must not be shown, a digest of that and the row's number."""
    file, mark, number = one.item.source_uri.rpartition("#")
    return f"{_hidden(one.corpus, file)}#{number}" if mark and file in unspeakable else one.item.source_uri


def _version(text: str) -> str:
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
