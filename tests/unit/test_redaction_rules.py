"""The rules for secrets, a site's own patterns, names; and how much is found in public texts."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.pii import finds_of, quality
from benchmarks.redaction_corpus import MARKED, answers, marked_texts
from benchmarks.secret_samples import samples
from resources import redaction_seed, secret_rules
from resources.redaction import Redactor
from resources.redaction_seed import CustomPattern, Names, RedactionError, RedactionRules
from resources.warehouse import connect

needs_public_texts = pytest.mark.skipif(not MARKED.exists(), reason="the public data sets are not beside the checkout")


def redactor(rules: RedactionRules | None = None, *, ner: bool = False) -> Redactor:
    return Redactor(connect(threads=1), rules=rules or RedactionRules(), ner=ner)


def redacted(text: str, rules: RedactionRules | None = None, *, ner: bool = False) -> str:
    found = redactor(rules, ner=ner).redact(pa.table({"text": [text]}))["text"][0].as_py()
    assert isinstance(found, str)
    return found


def test_the_rules_are_those_of_the_release_that_the_readme_names() -> None:
    readme = (secret_rules.RULES_FILE.parent / "README.md").read_text(encoding="utf-8")
    assert sha256(secret_rules.RULES_FILE.read_bytes()).hexdigest() in readme
    assert (secret_rules.RULES_FILE.parent / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_a_secret_of_every_rule_is_taken_out_of_prose() -> None:
    made = list(samples(per_rule=3, seed=11))
    assert {sample.rule for sample in made} == {rule.id for rule in secret_rules.rules()}
    texts = redactor().redact(pa.table({"text": [sample.text for sample in made]}))
    missed = Counter(
        sample.rule for sample, text in zip(made, texts["text"].to_pylist(), strict=True) if sample.secret in text
    )
    assert missed.total() <= 0.02 * len(made), missed


def test_what_a_rule_calls_harmless_is_left() -> None:
    harmless = ["AKIA" + "IOSFODNN7EXAMPLE", 'api_key = "my-secret-api-key"', "token: ${{ secrets.DEPLOY_TOKEN }}"]
    assert [redacted(text) for text in harmless] == harmless


def test_a_password_in_code_is_left_unless_the_text_speaks_of_terraform() -> None:
    password = 'password = "k3yboardc4t"'
    assert redacted(password) == password
    assert redacted(f"In main.tf: {password}") == 'In main.tf: password = "<SECRET>"'


def test_a_site_adds_patterns_leaves_kinds_and_takes_links() -> None:
    rules = redaction_seed.parse(
        {
            "custom": [{"name": "employee", "pattern": r"\bEMP-[0-9]{6}\b", "kind": "EMPLOYEE_ID"}],
            "leave": ["IP_ADDRESS"],
            "also": ["URL"],
        }
    )
    assert redacted("EMP-123456 at 203.0.113.9: https://x.org/a", rules) == "<EMPLOYEE_ID> at 203.0.113.9: <URL>"
    assert redacted("EMP-123456 at 203.0.113.9: https://x.org/a") == "EMP-123456 at <IP_ADDRESS>: https://x.org/a"


def test_a_site_may_have_more_patterns_than_a_number_has_bits() -> None:
    custom = tuple(CustomPattern(f"p{n}", rf"\bX{n:03}\b", f"KIND_{n}") for n in range(100))
    assert redacted("X000 X099", RedactionRules(custom=custom)) == "<KIND_0> <KIND_99>"


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ([], None),
        (["custom"], "one mapping with the keys"),
        ({"kustom": []}, "one mapping with the keys also, custom, leave, names"),
        ({"custom": {"name": "x"}}, "custom is a list"),
        ({"custom": [{"name": "x", "pattern": "a"}]}, "name, pattern and kind"),
        ({"custom": [{"name": "x", "pattern": 1, "kind": "X1"}]}, "name, pattern and kind"),
        ({"custom": [{"name": "X!", "pattern": "a", "kind": "X1"}]}, "a name is lower-case letters"),
        ({"custom": [{"name": "x", "pattern": "a", "kind": "x1"}]}, "kind is capitals"),
        ({"custom": [{"name": "x", "pattern": "a(?=b)", "kind": "X1"}]}, "RE2 has no look-around"),
        ({"custom": [{"name": "x", "pattern": "(", "kind": "X1"}]}, "not RE2"),
        ({"custom": [{"name": "x", "pattern": "a*", "kind": "X1"}]}, "matches the empty text"),
        ({"custom": [{"name": "x", "pattern": "[A-Z]+", "kind": "XX"}]}, "its own placeholder"),
        ({"custom": [{"name": "x", "pattern": "a", "kind": "X1"}] * 2}, "stands there twice"),
        ({"leave": ["URL"]}, "leave is a list out of"),
        ({"also": ["EMAIL_ADDRESS"]}, "also is a list out of URL"),
        ({"names": {"modell": "x"}}, "the keys model and kinds"),
        ({"names": {"kinds": ["person"]}}, "kinds a list"),
    ],
)
def test_a_seed_that_cannot_be_used_says_what_is_allowed(raw: object, complaint: str | None) -> None:
    if complaint is None:
        assert redaction_seed.parse(raw) == RedactionRules()
        return
    with pytest.raises(RedactionError, match=complaint):
        redaction_seed.parse(raw)


def test_the_seed_as_delivered_adds_nothing_and_its_examples_hold(tmp_path: Path) -> None:
    assert redaction_seed.load() == RedactionRules()
    lines = redaction_seed.REDACTION_FILE.read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("# custom:"))
    (tmp_path / "redaction.yml").write_text("\n".join(line.removeprefix("# ").removeprefix("#") for line in lines[start:]))
    shown = redaction_seed.load(tmp_path / "redaction.yml")
    assert [pattern.kind for pattern in shown.custom] == ["EMPLOYEE_ID"]
    assert (shown.leave, shown.also, shown.names) == ({"IP_ADDRESS"}, {"URL"}, Names())
    with pytest.raises(RedactionError, match="not YAML"):
        (tmp_path / "redaction.yml").write_text("custom: [")
        redaction_seed.load(tmp_path / "redaction.yml")


def test_names_are_found_by_the_model_that_the_site_names(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    model = spacy.blank("en")
    ruler = model.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}, {"label": "GPE", "pattern": "Turin"}])
    model.to_disk(tmp_path / "model")
    rules = RedactionRules(names=Names(str(tmp_path / "model"), ("PERSON",)))
    text = "Ada Lovelace, ada@example.org, went to Turin. " + "word " * 20_000 + "Ada Lovelace"
    found = redacted(text, rules, ner=True)
    assert found.startswith("<PERSON>, <EMAIL_ADDRESS>, went to Turin. word")
    assert found.endswith("word <PERSON>")
    assert redacted(text, rules).startswith("Ada Lovelace, <EMAIL_ADDRESS>")


def test_a_missing_model_is_an_error_that_names_it_and_fetches_nothing() -> None:
    pytest.importorskip("spacy")
    with pytest.raises(RedactionError, match="en_core_web_nowhere is neither"):
        redactor(RedactionRules(names=Names("en_core_web_nowhere")), ner=True)


@needs_public_texts
def test_public_texts_lose_what_is_marked_in_them() -> None:
    texts = marked_texts()
    kinds = quality(texts, finds_of(redactor(), [text.text for text in texts])).kinds
    floors = {"EMAIL_ADDRESS": 0.99, "IBAN_CODE": 0.99, "IP_ADDRESS": 0.99, "US_SSN": 0.99, "CREDIT_CARD": 0.95}
    for kind, floor in {**floors, "PHONE_NUMBER": 0.80}.items():
        assert kinds[kind].found >= floor * kinds[kind].marked, kind
    assert kinds["PHONE_NUMBER"].right >= 0.80 * kinds["PHONE_NUMBER"].finds


@needs_public_texts
def test_answers_about_nobody_hold_no_secrets() -> None:
    texts = answers()[::4]
    hits = sum(any(kind.startswith("SECRET") for kind, *_ in found) for found in finds_of(redactor(), texts))
    assert hits <= max(1, len(texts) / 10_000)
