"""The knowledge base behind the searches, as files that an index would be made of: pages come, change, go, and go wrong.

What searches find is drawn in `dialogue.py` from the handbook, whatever becomes of the pages here: the index in the logs is
not kept up with them. So a page that is stale, deleted or mislabelled here is still found there, as it is in life.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from simulator.documents import handbook
from simulator.poison import POISONED

FOLDER = "knowledge"
NOTICES = "notices"
_STAFF = (
    ("staff-01", "Goodwill", "A team leader may grant goodwill of up to 80 euros. Larger sums need the store manager."),
    ("staff-02", "Suppliers", "The contract for blinds ends in March, and is renewed if nobody objects by January."),
)
_NOTICES_A_DAY, _NOTICE_VALID_DAYS, _NOTICE_KEPT_DAYS = 2, 4, 7
_WRITTEN_BEFORE = timedelta(days=30)
_NOON = time(12, tzinfo=UTC)
_EXPIRES, POISONED_ON, _IS_DELETED, _IS_MISLABELLED = 3, 5, 6, 9
"""On which day of fourteen, in proportion to the days of the world."""


@dataclass(frozen=True)
class Page:
    """One page as it stands: `access` is its label, `valid_until` its last valid day."""

    id: str
    title: str
    text: str
    access: str
    updated_at: datetime
    valid_until: date | None = None


@dataclass(frozen=True)
class KnowledgeBase:
    """The pages of a world, day by day; they depend on the seed and the world's days alone."""

    seed: int
    first_day: date
    days: int

    def on(self, day: date) -> dict[str, Page]:
        """All pages at the end of a day; none before the world began."""
        if day < self.first_day:
            return {}
        written = datetime.combine(self.first_day, _NOON) - _WRITTEN_BEFORE
        pages = {d.id: Page(d.id, d.title, d.text, "public", written) for d in handbook().documents}
        pages |= {name: Page(name, title, text, "internal", written) for name, title, text in _STAFF}
        planted = self.planted_pages()
        for offset in range(1, (day - self.first_day).days + 1):
            today = self.first_day + timedelta(days=offset)
            reviewed = handbook().documents[(self.seed + 5 * offset) % len(handbook().documents)]
            if reviewed.id not in planted:
                text = f"{reviewed.text} Looked through again on {today.isoformat()}."
                pages[reviewed.id] = replace(pages[reviewed.id], text=text, updated_at=datetime.combine(today, _NOON))
        stale, deleted, mislabelled = planted
        pages[stale] = replace(pages[stale], valid_until=self._day(_EXPIRES) - timedelta(days=1))
        if day >= self._day(_IS_DELETED):
            del pages[deleted]
        if day >= self._day(_IS_MISLABELLED):
            since = datetime.combine(self._day(_IS_MISLABELLED), _NOON)
            pages[mislabelled] = replace(pages[mislabelled], access="internal", updated_at=since)
        if day >= self._day(POISONED_ON):
            since = datetime.combine(self._day(POISONED_ON), _NOON)
            pages[POISONED.id] = Page(POISONED.id, POISONED.title, POISONED.text, "public", since)
        return pages | {page.id: page for page in self._notices(day)}

    def planted_pages(self) -> tuple[str, str, str]:
        """Ids of the pages that go stale, are deleted, and are mislabelled; searches go on finding them."""
        stale, deleted, mislabelled = random.Random(self.seed).sample([d.id for d in handbook().documents], 3)
        return stale, deleted, mislabelled

    def as_truth(self) -> dict[str, Any]:
        """What a reader of the pages, and of the logs beside them, should find."""
        stale, deleted, mislabelled = self.planted_pages()
        return {
            "stale": {"id": stale, "valid_until": (self._day(_EXPIRES) - timedelta(days=1)).isoformat()},
            "deleted": {"id": deleted, "day": self._day(_IS_DELETED).isoformat()},
            "mislabelled": {
                "id": mislabelled, "since": datetime.combine(self._day(_IS_MISLABELLED), _NOON).isoformat(),
                "access": "internal", "should_be": "public",
            },
            "poisoned": {"id": POISONED.id, "day": self._day(POISONED_ON).isoformat()},
            "gaps": {topic: list(questions) for topic, questions in handbook().gaps.items()},
        }  # fmt: skip

    def changes(self, day: date) -> dict[str, Any]:
        """What a day did to the pages, by id."""
        before, after = self.on(day - timedelta(days=1)), self.on(day)
        return {
            "pages": len(after),
            "added": sorted(after.keys() - before.keys()),
            "changed": sorted(name for name in after.keys() & before.keys() if after[name] != before[name]),
            "deleted": sorted(before.keys() - after.keys()),
        }

    def write(self, folder: Path, day: date) -> None:
        """Make `<folder>/knowledge` what it is at the end of a day: pages.jsonl, and notices as Markdown files."""
        pages = self.on(day)
        notices = {name: page for name, page in pages.items() if name.startswith(f"{NOTICES}/")}
        root = folder / FOLDER
        (root / NOTICES).mkdir(parents=True, exist_ok=True)
        _replace(root / "pages.jsonl", "".join(_row(page) for name, page in pages.items() if name not in notices))
        for name, page in notices.items():
            _replace(root / name, _markdown(page))
        for path in (root / NOTICES).glob("*.md"):
            if f"{NOTICES}/{path.name}" not in notices:
                path.unlink()

    def _day(self, of_fourteen: int) -> date:
        return self.first_day + timedelta(days=self.days * of_fourteen // 14)

    def _notices(self, day: date) -> list[Page]:
        """Notices of the last days; the oldest of them are no longer valid."""
        made = []
        for offset in range(min(_NOTICE_KEPT_DAYS, (day - self.first_day).days + 1)):
            since = day - timedelta(days=offset)
            for number in range(1, _NOTICES_A_DAY + 1):
                rng = random.Random(f"{self.seed} {since} {number}")
                about = rng.choice(handbook().documents)
                opens = f"On {since.isoformat()} the desk for {about.topic} opens at {rng.randint(7, 11)}:30."
                text = f"{opens} {about.facts[0].sentence}"
                last = since + timedelta(days=_NOTICE_VALID_DAYS)
                name = f"{NOTICES}/{since.isoformat()}-{number}.md"
                made.append(Page(name, f"Notice: {about.title}", text, "public", datetime.combine(since, _NOON), last))
        return made


def _row(page: Page) -> str:
    row = {
        "id": page.id, "title": page.title, "text": page.text, "access": page.access,
        "updated_at": page.updated_at.isoformat(),
    }  # fmt: skip
    if page.valid_until is not None:
        row["valid_until"] = page.valid_until.isoformat()
    return json.dumps(row, ensure_ascii=False) + "\n"


def _markdown(page: Page) -> str:
    head = [f"title: {json.dumps(page.title)}", f"access: {page.access}", f"updated_at: {page.updated_at.isoformat()}"]
    if page.valid_until is not None:
        head.append(f"valid_until: {page.valid_until.isoformat()}")
    return "---\n" + "".join(f"{line}\n" for line in head) + f"---\n# {page.title}\n\n{page.text}\n"


def _replace(path: Path, text: str) -> None:
    """Write a file that has other words, whole or not at all."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    aside = path.with_name(f".{path.name}.writing")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)
