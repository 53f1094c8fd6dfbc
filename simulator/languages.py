"""Languages other than English: facts of the handbook and the phrases around them, as `languages.md` has them.

Here belongs the reading of that file. Who speaks which language is said by an incident (`drift_incidents.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from simulator.documents import Fact, handbook

LANGUAGES = Path(__file__).with_name("languages.md")
KINDS = ("opening", "closing", "answer", "refusal", "unsupported")
_VALUE = re.compile(r"\{(.+?)\}")


class LanguageError(ValueError):
    """A line of languages.md that cannot be read; says which and what is expected."""


@dataclass(frozen=True)
class Language:
    """One language: facts by topic, and phrases by kind. Every topic of the handbook has facts."""

    code: str
    facts: dict[str, tuple[Fact, ...]]
    phrases: dict[str, tuple[str, ...]]


@cache
def languages() -> dict[str, Language]:
    """By ISO 639-1 code, those that ship with the simulator; raises LanguageError."""
    return parse(LANGUAGES.read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Language]:
    """Read languages; the notation stands at the top of languages.md. Raises LanguageError."""
    topics = {document.id: document.topic for document in handbook().documents}
    found: dict[str, Language] = {}
    code = ""
    facts: dict[str, list[Fact]] = {}
    phrases: dict[str, list[str]] = {}
    body = re.sub(r"<!--.*?-->", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)
    for number, line in enumerate([*body.splitlines(), "# "], start=1):
        kind, is_phrase, phrase = line.partition(":")
        if line.startswith("# "):
            if code:
                found[code] = _language(code, facts, phrases)
            code = line[2:].strip()
            facts, phrases = {topic: [] for topic in handbook().topics}, {kind: [] for kind in KINDS}
        elif line.strip() and not code:
            raise LanguageError(f"languages.md, line {number}: a line before the first `# language`")
        elif line.startswith("- "):
            document, _, rest = line[2:].partition(" | ")
            sentence, _, question = rest.partition(" | ")
            values = _VALUE.findall(sentence)
            if document not in topics or len(values) != 1 or not question.endswith("?"):
                wanted = "`- document | a sentence with one {value} | a question?`"
                raise LanguageError(f"languages.md, line {number}: a fact is {wanted}")
            topic = topics[document]
            facts[topic].append(Fact(document, topic, _VALUE.sub(r"\1", sentence), values[0], question))
        elif is_phrase and kind in KINDS:
            phrases[kind].append(phrase.strip())
        elif line.strip():
            raise LanguageError(f"languages.md, line {number}: a line begins with `# `, `- ` or one of {', '.join(KINDS)}")
    return found


def _language(code: str, facts: dict[str, list[Fact]], phrases: dict[str, list[str]]) -> Language:
    missing = [name for name, those in (facts | phrases).items() if not those]
    if missing:
        raise LanguageError(f"languages.md, {code}: nothing for {', '.join(missing)}")
    return Language(code, {t: tuple(some) for t, some in facts.items()}, {k: tuple(some) for k, some in phrases.items()})
