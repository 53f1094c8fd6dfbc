"""Real questions, and leaks planted among them: what the decontamination of datasets is measured on.

Evaluation and clean questions are of the same sets, but never of the same intent or paragraph: whatever is dropped of the
clean ones is dropped falsely. No text of the sets is kept in the project.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from resources.contracts import REPO

SHARED = REPO.parent / "shared" / "data"
KINDS = ("verbatim", "case_and_marks", "embedded", "paraphrase")
SEED = 7
_OTHER_WORDS = {
    "can't": "cannot", "i'm": "i am", "what's": "what is", "don't": "do not", "it's": "it is", "i've": "i have",
    "isn't": "is not", "hasn't": "has not", "didn't": "did not", "doesn't": "does not", "i'd": "i would",
    "wasn't": "was not", "how do i": "how can i", "can i": "may i", "tell me": "let me know", "show me": "tell me",
    "how many": "what number of", "how much": "what amount", "when did": "in what year did", "who was": "who is",
    "the name of": "the title of", "need": "want", "help": "assist", "why is": "for what reason is", "get": "obtain",
    "i want": "i would like", "what kind of": "what type of", "what type of": "what kind of", "which": "what",
    "use": "utilise", "buy": "purchase", "begin": "start", "big": "large", "some": "a few", "in addition to": "besides",
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A training text that knows an evaluation text, and how."""

    text: str
    kind: str


@dataclass(frozen=True)
class Trial:
    """Evaluation texts by set, clean training texts, and leaks."""

    held: dict[str, list[str]]
    clean: list[str]
    planted: list[Planted]


def is_here() -> bool:
    """Whether the shared sets are."""
    return (SHARED / "banking77").is_dir() and (SHARED / "clinc150").is_dir() and (SHARED / "xquad").is_dir()


def trial(held_of_each: int, clean_of_each: int, planted: int, seed: int = SEED) -> Trial:
    """A trial on so many questions of each set, with so many leaks in equal parts of each kind."""
    chance = random.Random(seed)
    held, clean = {}, []
    for name, groups in _by_group().items():
        order = sorted(groups)
        chance.shuffle(order)
        half = len(order) // 2
        asked, others = ([text for group in part for text in groups[group]] for part in (order[:half], order[half:]))
        held[name] = chance.sample(sorted(set(asked)), min(held_of_each, len(set(asked))))
        free = sorted(set(others) - set(asked))
        clean += chance.sample(free, min(clean_of_each, len(free)))
    pool = [text for texts in held.values() for text in texts]
    chosen = chance.sample(pool, planted)
    ways: dict[str, Callable[[str], str]] = {
        "verbatim": lambda text: text,
        "case_and_marks": lambda text: _case_and_marks(text, chance),
        "embedded": lambda text: _embedded(text, clean, chance),
        "paraphrase": lambda text: _paraphrase(text, chance),
    }
    return Trial(held, clean, [Planted(ways[kind](text), kind) for text, kind in zip(chosen, _cycle(planted), strict=True)])


def _cycle(count: int) -> list[str]:
    return [KINDS[place % len(KINDS)] for place in range(count)]


def _by_group() -> dict[str, dict[str, list[str]]]:
    """Questions by set, and by intent or paragraph."""
    found: dict[str, dict[str, list[str]]] = {"banking77": {}, "clinc150": {}, "xquad": {}}
    with (SHARED / "banking77" / "banking_data" / "test.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found["banking77"].setdefault(row["category"], []).append(row["text"].strip())
    intents = json.loads((SHARED / "clinc150" / "data" / "data_full.json").read_text(encoding="utf-8"))
    for text, intent in intents["test"]:
        found["clinc150"].setdefault(intent, []).append(text.strip())
    for article in json.loads((SHARED / "xquad" / "xquad.en.json").read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            asked = found["xquad"].setdefault(paragraph["context"], [])
            asked += [one["question"].strip() for one in paragraph["qas"]]
    general = SHARED / "halueval" / "data" / "general_data.json"
    if general.exists():
        found["halueval"] = {}
        for line in general.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found["halueval"].setdefault(str(row["ID"]), []).append(row["user_query"].strip())
    return found


def _case_and_marks(text: str, chance: random.Random) -> str:
    changed = chance.choice([str.upper, str.title, str.lower])(text)
    changed = re.sub(r"[?.!,']", lambda mark: chance.choice(["", mark[0], mark[0] * 2]), changed)
    blank = chance.choice([" ", "  ", " \n"])
    return chance.choice(["", "- ", "“"]) + changed.replace(" ", blank) + chance.choice(["", " ...", "!!"])


def _embedded(text: str, clean: list[str], chance: random.Random) -> str:
    before, after = chance.sample(clean, 2)
    return f"{before} Also: {text} And then, {after}"


def _paraphrase(text: str, chance: random.Random) -> str:
    """The same question with a word or two in other words, or politely."""
    changed = text
    for word, other in chance.sample(sorted(_OTHER_WORDS.items()), len(_OTHER_WORDS)):
        changed, count = re.subn(rf"\b{re.escape(word)}\b", other, changed, count=1, flags=re.IGNORECASE)
        if count and chance.random() < 0.5:
            break
    if changed == text:
        changed = chance.choice(["please, {}", "{} please", "hi, {}", "{}, thanks", "could you say: {}"]).format(text)
    return changed
