"""What redaction finds and what it takes too much: writes docs/pii.md.

    python -m benchmarks.pii [--secrets-per-rule 25] [--print]

Measured on public texts beside the checkout and on made secrets and phone numbers; none of their text is written down.
A marked stretch counts as found if it is gone whole. A find is right if it touches a stretch marked with its kind.
"""

from __future__ import annotations

import argparse
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path

import pyarrow as pa

from benchmarks.presidio_baseline import Found, presidio_patterns
from benchmarks.redaction_corpus import MarkedText, answers, marked_texts
from benchmarks.secret_samples import samples
from resources.redaction import Redactor, merged
from resources.redaction_patterns import KINDS
from resources.secret_rules import is_assignment, rules
from resources.warehouse import connect

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "pii.md"
SEED = 20_261_121
Finds = Callable[[list[str]], list[list[Found]]]


@dataclass
class Tally:
    """Of one kind: stretches marked, found whole, finds, right finds."""

    marked: int = 0
    found: int = 0
    finds: int = 0
    right: int = 0

    @property
    def recall(self) -> str:
        return _share(self.found, self.marked)

    @property
    def precision(self) -> str:
        return _share(self.right, self.finds)


@dataclass
class Quality:
    """What a program finds in marked texts; `stray_characters` are replaced though no mark of any kind is near."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    characters: int = 0
    stray_characters: int = 0


def quality(texts: list[MarkedText], finds: list[list[Found]]) -> Quality:
    """Recall and precision by kind."""
    result = Quality(characters=sum(len(text.text) for text in texts))
    for text, found in zip(texts, finds, strict=True):
        for kind, start, end in text.spans:
            tally = result.kinds.setdefault(kind, Tally())
            tally.marked += 1
            tally.found += any(s <= start and end <= e for _, s, e in found)
        for kind, start, end in found:
            touched = {marked for marked, s, e in text.spans if s < end and start < e}
            tally = result.kinds.setdefault(kind, Tally())
            tally.finds += 1
            tally.right += kind in touched
            result.stray_characters += 0 if touched else end - start
    return result


def finds_of(redactor: Redactor, texts: list[str]) -> list[list[Found]]:
    """What is replaced in each text, overlapping finds as one."""
    found: list[list[Found]] = [[] for _ in texts]
    for position, _, finds in redactor.finds(pa.array(texts)):
        found[position] = [(find.counted_as, find.start, find.end) for find in merged(finds)]
    return found


def phone_samples() -> Iterator[tuple[str, str, str]]:
    """(form, number, text): the example numbers of every country's numbering plan, in prose."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    forms = {
        "international": PhoneNumberFormat.INTERNATIONAL,
        "E.164": PhoneNumberFormat.E164,
        "national": PhoneNumberFormat.NATIONAL,
    }
    prose = {"beside a word": "Please call me at {} tomorrow.", "without one": "On the wall stood {} and nothing else."}
    types = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
    for region, type_ in product(sorted(phonenumbers.SUPPORTED_REGIONS), types):
        example = phonenumbers.example_number_for_type(region, type_)
        for (form, written), (beside, template) in product(forms.items(), prose.items()):
            if example and len(str(example.national_number)) >= 7:
                number = phonenumbers.format_number(example, written)
                yield f"{form}, {beside}", number, template.format(number)


def marked_table(ours: Quality, theirs: Quality) -> list[str]:
    """Recall and precision on presidio-research, beside Presidio's."""
    rows = ["| kind | marked | recall | precision | Presidio: recall | precision |", "|---|---:|---:|---:|---:|---:|"]
    nothing = Tally()
    for kind, tally in sorted(ours.kinds.items(), key=lambda item: (item[0] not in KINDS, -item[1].marked)):
        other = theirs.kinds.get(kind, nothing)
        rows.append(
            f"| `{kind}` | {tally.marked} | {tally.recall} | {tally.precision} | {other.recall} | {other.precision} |"
        )
    return rows


def phone_table(redactor: Redactor) -> list[str]:
    """Recall on example numbers of all countries."""
    made = list(phone_samples())
    whole: Counter[str] = Counter()
    for (form, number, text), found in zip(made, finds_of(redactor, [text for *_, text in made]), strict=True):
        start = text.index(number)
        whole[form] += any(s <= start and start + len(number) <= e for _, s, e in found)
    number_of = Counter(form for form, *_ in made)
    rows = [f"| {form} | {number:,} | {_share(whole[form], number)} |" for form, number in number_of.items()]
    return ["| form | numbers | recall |", "|---|---:|---:|", *rows]


def secret_table(redactor: Redactor, per_rule: int) -> tuple[list[str], str]:
    """Recall on made secrets by family of rules, and the rules that miss any."""
    family_of = {rule.id: _family(rule.id, rule.regex) for rule in rules()}
    made, gone, missed = Counter[str](), Counter[str](), Counter[str]()
    texts = list(samples(per_rule, SEED))
    redacted = redactor.redact(pa.table({"text": [sample.text for sample in texts]}))["text"].to_pylist()
    for sample, text in zip(texts, redacted, strict=True):
        family = family_of[sample.rule]
        made[family] += 1
        if sample.secret in text:
            missed[sample.rule] += 1
        else:
            gone[family] += 1
    of_family = Counter(family_of.values())
    rows = [f"| {name} | {of_family[name]} | {made[name]:,} | {_share(gone[name], made[name])} |" for name in sorted(made)]
    rows.append(f"| **all** | {len(family_of)} | {made.total():,} | **{_share(gone.total(), made.total())}** |")
    misses = ", ".join(f"`{rule}` {number}" for rule, number in missed.most_common())
    return ["| rules | number | secrets made | recall |", "|---|---:|---:|---:|", *rows], misses or "none"


def _family(rule: str, regex: str) -> str:
    if rule == "generic-api-key":
        return "`generic-api-key`"
    return "a word, then `=` or `:`, then the value" if is_assignment(regex) else "a value with a shape of its own"


def clean_table(texts: list[str], found: list[list[Found]]) -> list[str]:
    """Finds in answers about nobody, by kind."""
    finds, holding = Counter[str](), Counter[str]()
    for in_text in found:
        finds.update(kind for kind, *_ in in_text)
        holding.update({kind for kind, *_ in in_text})
    rows = [
        f"| `{kind}` | {number} | {holding[kind]} | {holding[kind] / len(texts) * 10_000:.1f} |"
        for kind, number in finds.most_common()
    ]
    secrets = sum(any(kind.startswith("SECRET") for kind, *_ in in_text) for in_text in found)
    rows.append(f"| all secrets | | {secrets} | **{secrets / len(texts) * 10_000:.1f}** |")
    return ["| counted as | finds | answers with any | per 10,000 answers |", "|---|---:|---:|---:|", *rows]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "–"


def document(per_rule: int) -> str:
    """docs/pii.md."""
    redactor = Redactor(connect(threads=2))
    presidio = presidio_patterns()
    texts, clean = marked_texts(), answers()
    ours = quality(texts, finds_of(redactor, [text.text for text in texts]))
    theirs = quality(texts, [presidio(text.text) for text in texts])
    found = finds_of(redactor, clean)
    with_code = sum("```" in text for text in clean)
    replaced = sum(end - start for in_text in found for _, start, end in in_text)
    secrets, misses = secret_table(redactor, per_rule)
    versions = ", ".join(
        f"{name} {version(name)}"
        for name in ("duckdb", "google-re2", "python-stdnum", "presidio-analyzer", "phonenumbers", "rstr")
    )
    return "\n".join([
        "# What redaction finds",
        "",
        f"Written by `python -m benchmarks.pii --secrets-per-rule {per_rule}` on {datetime.now(UTC):%Y-%m-%d}; "
        f"Python {platform.python_version()}, {versions}.",
        "What is looked for, and what is not: [redaction.md](redaction.md).",
        "",
        "## Marked texts",
        "",
        f"presidio-research, {len(texts):,} texts made from templates. A stretch counts as found if it is gone whole, "
        "under whatever name; a find is right if it touches a stretch marked with its kind. The shapes of phone numbers and "
        "the words beside them were chosen with these texts in view: the next table is the stricter one. Presidio's "
        "pattern recognisers run without a language model and at any score.",
        "",
        *marked_table(ours, theirs),
        "",
        f"Redaction replaces {ours.stray_characters / ours.characters * 10_000:.1f} of 10,000 characters where nothing at "
        f"all is marked; Presidio's finds cover {theirs.stray_characters / theirs.characters * 10_000:.1f}. Kinds without a "
        "recall are found by no pattern; links (`URL`) are left unless `also: [URL]` is set.",
        "",
        "## Phone numbers of all countries",
        "",
        "The example numbers of every numbering plan (phonenumbers), those of fewer than seven digits left out.",
        "",
        *phone_table(redactor),
        "",
        "## Secrets",
        "",
        f"Made from the expression of each of the {len(rules())} rules of gitleaks that has one, above the rule's "
        "entropy, in prose. This asks whether gates, keywords, allowlists and merging lose any, not whether a vendor's "
        f"next key still looks so. A secret counts as found if it is gone whole. Rules that miss any: {misses}.",
        "",
        *secrets,
        "",
        "## Answers about nobody",
        "",
        f"{len(clean):,} answers of sixteen models (Arena-Hard, HaluEval), {with_code / len(clean):.0%} of them with "
        "blocks of code. Every secret in them counts as a false hit. The addresses and numbers are right by their form: "
        "examples, hotlines, people made up.",
        "",
        *clean_table(clean, found),
        "",
        f"{replaced / sum(map(len, clean)) * 10_000:.2f} of 10,000 characters are replaced.",
        "",
    ])  # fmt: skip


def main() -> None:
    """Measure and write, or print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secrets-per-rule", type=int, default=25)
    parser.add_argument("--print", action="store_true", help="print instead of writing docs/pii.md")
    options = parser.parse_args()
    text = document(options.secrets_per_rule)
    if options.print:
        print(text)
    else:
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
