"""What a posted form says: answers in the spelling of a label file, or what is wrong with them.

Here belongs what may be answered, and which answers are faults. What is saved is what the import will take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from assets.quality.label_entry import LONGEST_COMMENT, Fault, one_name, read_entry
from assets.quality.label_export import CHOICES
from resources.labelling_seed import LabellingSeed

FAULTY = {
    "hallucinated": "yes", "grounded": "no", "safety_pass": "no", "toxic": "yes", "instruction_followed": "no",
    "policy_followed": "no",
}  # fmt: skip
"""The answer to each question that says something is wrong: then its severity and cause are asked."""
ONLY_OF_FAULTS = ("severity", "root_cause")
LARGEST_FORM = 100_000
"""Bytes. A comment of the longest kind, each of its characters spelled as four bytes of three."""
LONGEST_ANNOTATOR = 60
_MOST_FIELDS = 30


class FormError(ValueError):
    """A form that cannot be taken; says why."""


@dataclass(frozen=True)
class Form:
    """A posted form about one response: what to do with it, and what it says."""

    act: str
    request_id: str
    version: int
    said: dict[str, str]


def fields_of(body: bytes) -> dict[str, str]:
    """The fields of a form, by name. Raises FormError."""
    try:
        pairs = parse_qsl(body.decode("ascii"), True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise FormError("this is no form of this page") from error
    return dict(pairs)


def read_form(fields: Mapping[str, str], seed: LabellingSeed) -> Form:
    """What a form about a response says. Raises FormError."""
    version = fields.get("version", "")
    act = fields.get("act", "")
    if act not in ("judge", "skip", "draft") or not version.isdecimal() or len(version) > 9:
        raise FormError("this is no form of this page")
    allowed: dict[str, tuple[str, ...]] = dict.fromkeys(seed.verdicts, CHOICES)
    allowed |= {"severity": tuple(seed.severities), "root_cause": tuple(seed.root_causes)}
    said = {name: fields[name] for name in allowed if fields.get(name)}
    for name, answer in said.items():
        if answer not in allowed[name]:
            raise FormError(f"{name} can be {', '.join(allowed[name])}")
    comment = fields.get("comment", "").replace("\r\n", "\n").strip()
    if len(comment) > LONGEST_COMMENT:
        raise FormError(f"a comment has at most {LONGEST_COMMENT:,} characters; this one has {len(comment):,}")
    return Form(act, fields.get("request_id", ""), int(version), said | ({"comment": comment} if comment else {}))


def judgement(form: Form, seed: LabellingSeed, now: datetime) -> dict[str, str]:
    """What of a form is a judgement: severity and cause only of what has a fault. Raises FormError."""
    said = {name: value for name, value in form.said.items() if is_faulty(form.said) or name not in ONLY_OF_FAULTS}
    if not any(name in said for name in seed.verdicts):
        raise FormError("answer one question at least, or skip this one")
    line = {**said, "request_id": form.request_id, "annotator": "-"}
    read = read_entry(line, seed.severities, seed.root_causes, now)
    if isinstance(read, Fault):
        raise FormError(f"the import would refuse this: {read.column_name} takes {read.expected}")
    return said


def is_faulty(said: Mapping[str, str]) -> bool:
    """Whether any answer says that something is wrong."""
    return any(said.get(name) == fault for name, fault in FAULTY.items())


def annotator_of(text: str) -> str:
    """The name of an annotator, one spelling for one person: lower case, single spaces. Raises FormError."""
    name = one_name(text)
    if not name or len(name) > LONGEST_ANNOTATOR or not " ".join(text.split()).isprintable():
        raise FormError(f"a name has 1 to {LONGEST_ANNOTATOR} characters that can be printed")
    return name
