"""A model's card: what Annex XI (section 1) and Annex XII of Regulation (EU) 2024/1689 list, item by item, from facts.

Here belong the 22 items, what each is filled with, and what counts as blank. Facts are measured or recorded; what only a
person can say stands in seeds/tuning.yml under `card`. Where the facts lie is pipelines/tuning/candidate_card.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Row = Mapping[str, Any]
BLANK = frozenset({
    "", "-", "?", "n/a", "na", "nil", "none", "not applicable", "not available", "not known", "not measured", "null", "tba",
    "tbd", "to be defined", "to be done", "todo", "unknown", "unspecified", "xxx",
})  # fmt: skip
"""Words that stand where something should be said. With a reason behind them they say something."""
_MOST_POINTS = 12


class CardError(ValueError):
    """A card with blank items; says which, and where to fill them."""


@dataclass(frozen=True)
class CardFacts:
    """What is known of a candidate without asking anybody. `gates`: its rows of tuning.gates; `data`: the summary in its
    dataset's manifest; `operations`: floating-point operations of its training, and how they were reckoned."""

    model: str
    candidate: str
    kind: str
    released_on: date
    architecture: str
    parameters: int
    inputs: str
    outputs: str
    most_input: str
    base_model: str
    loading: str
    """How the files are opened."""
    recipe: Mapping[str, Any]
    steps: int
    training_seconds: float
    cost_usd: str
    device: str
    operations: tuple[float, str]
    dataset_version: str
    data: Mapping[str, Any]
    outcome: str
    reasons: Sequence[str]
    gates: Sequence[Row]
    software: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Row] = ()


@dataclass(frozen=True)
class Item:
    """One thing that a card has to say. `fill`: where a blank one is filled."""

    reference: str
    name: str
    text: str
    fill: str


def is_blank(text: str | None) -> bool:
    """Nothing is said, or a word that stands for nothing."""
    return text is None or " ".join(text.split()).casefold().strip(" .:!") in BLANK


def items(facts: CardFacts, said: Mapping[str, Any]) -> list[Item]:
    """The 22 items, in the order of the annexes. `said`: what a person says, the entries of `card`."""
    words = {key: str(value).strip() for key, value in said.items() if not is_blank(str(value))}
    tasks = f"{words['tasks']} {words['systems']}" if {"tasks", "systems"} <= words.keys() else ""
    use, interaction = words.get("acceptable_use", ""), words.get("interaction", "")
    released = f"{facts.released_on}. {words['distribution']}" if "distribution" in words else ""
    architecture = f"{facts.architecture}; {facts.parameters:,} parameters" if facts.parameters else ""
    formats = f"In: {facts.inputs} Out: {facts.outputs}"
    means = f"{words['integration']} {facts.loading}" if "integration" in words else ""
    licence = f"{words['licence']}. Trained from {facts.base_model}" if "licence" in words else ""
    software = ", ".join(f"{name} {version}" for name, version in sorted(facts.software.items()))
    one, two = "Annex XI, section 1, point", "Annex XII, point"
    return [
        Item(f"{one} 1(a)", "Tasks, and systems it may be part of", tasks, "card: tasks, systems"),
        Item(f"{one} 1(b)", "Acceptable use", use, "card: acceptable_use"),
        Item(f"{one} 1(c)", "Release and distribution", released, "card: distribution"),
        Item(f"{one} 1(d)", "Architecture and parameters", architecture, "the model's folder"),
        Item(f"{one} 1(e)", "Modality and format of input and output", formats, "the model's folder"),
        Item(f"{one} 1(f)", "Licence", licence, "card: licence"),
        Item(f"{one} 2(a)", "Means of integration", means, "card: integration"),
        Item(f"{one} 2(b)", "Design and training process", _design(facts, words.get("design", "")), "card: design"),
        Item(f"{one} 2(c)", "Data: training, testing, validation", _data(facts), "the dataset's manifest"),
        Item(f"{one} 2(d)", "Computation", _computation(facts), "done.json of the training"),
        Item(f"{one} 2(e)", "Energy", _energy(facts, said.get("watts")), "card: watts"),
        Item(f"{two} 1(a)", "Tasks, and systems it may be part of", tasks, "card: tasks, systems"),
        Item(f"{two} 1(b)", "Acceptable use", use, "card: acceptable_use"),
        Item(f"{two} 1(c)", "Release and distribution", released, "card: distribution"),
        Item(f"{two} 1(d)", "Interaction with other hardware and software", interaction, "card: interaction"),
        Item(f"{two} 1(e)", "Versions of software", software, "the installed packages"),
        Item(f"{two} 1(f)", "Architecture and parameters", architecture, "the model's folder"),
        Item(f"{two} 1(g)", "Modality and format of input and output", formats, "the model's folder"),
        Item(f"{two} 1(h)", "Licence", licence, "card: licence"),
        Item(f"{two} 2(a)", "Means of integration", means, "card: integration"),
        Item(f"{two} 2(b)", "Formats and largest size", _largest(facts, formats), "the model's folder"),
        Item(f"{two} 2(c)", "Data: type, provenance, curation", _data(facts), "the dataset's manifest"),
    ]


def card(facts: CardFacts, said: Mapping[str, Any]) -> str:
    """The card as Markdown with its header. Raises CardError where an item is blank, or nobody answers for the model."""
    listed = items(facts, said)
    blank = [f"{one.reference} ({one.name}): {one.fill}" for one in listed if is_blank(one.text)]
    blank += [f"who answers for it: card: {key}" for key in ("provider", "contact") if is_blank(said.get(key))]
    if blank:
        raise CardError(f"{len(blank)} items of the card of {facts.candidate} are blank; fill them: {'; '.join(blank)}")
    return _written(facts, listed, said)


def _design(facts: CardFacts, why: str) -> str:
    if not why:
        return ""
    recipe = ", ".join(f"{name} {value}" for name, value in sorted(facts.recipe.items()))
    return f"{why} Trained as a {facts.kind} from {facts.base_model} in {facts.steps:,} steps with {recipe}."


def _data(facts: CardFacts) -> str:
    data = facts.data
    if not data or not data.get("candidates_seen"):
        return ""
    shares = [
        _share(data, told, f"{whose}_cap", f"largest_{whose}_share")
        for told, whose in (("one user has", "user"), ("one annotator decides on", "annotator"))
        if data.get(f"{whose}_cap") is not None
    ]
    return " ".join([
        f"Dataset {facts.kind}/{facts.dataset_version}, from logged traffic of {data['first_day']} to {data['last_day']}:",
        f"{data['train']:,} candidates to train on, {data['dev']:,} to follow training by, {data['test']:,} to judge by;",
        f"{data['removed']:,} of {data['candidates_seen']:,} were removed ({_counts(data['removals'])}).",
        f"They rest on: {_counts(data['sources'])}. Log sources: {_counts(data['log_sources'])}.",
        f"Licences: {_counts(data['licences'])}. Languages (guessed): {_counts(data['languages'])}.",
        "Repeats, near-repeats, floods, flipped labels, rows whose use is not allowed and whatever stands in an evaluation",
        f"set ({_counts(data['evaluation_sets'])}) were taken out; splits part conversations and documents.",
        *([f"Against bias: {'; '.join(shares)}; the gates below compare tenants, topics and languages."] if shares else []),
    ])  # fmt: skip


def _share(data: Mapping[str, Any], told: str, cap: str, largest: str) -> str:
    most = "" if data.get(largest) is None else f" (the largest has {data[largest]:.1%})"
    return f"{told} at most {data[cap]:.0%} of the training rows{most}"


def _computation(facts: CardFacts) -> str:
    count, how = facts.operations
    if count <= 0 or not facts.training_seconds:
        return ""
    hours = f"{facts.training_seconds:,.1f} s of training on {facts.device}, {facts.cost_usd} USD"
    return f"{count:.2g} floating-point operations, estimated: {how}. {hours}."


def _energy(facts: CardFacts, watts: Any) -> str:
    if not watts or not facts.training_seconds:
        return ""
    used = facts.training_seconds / 3600 * float(watts) / 1000
    hours = f"{facts.training_seconds / 3600:.3g} h at the {watts:g} W that the machine is declared to draw"
    return f"{used:.3g} kWh, estimated: {hours}, taken as drawn all the time. No meter was read."


def _largest(facts: CardFacts, formats: str) -> str:
    return f"{formats} At most: {facts.most_input}" if facts.most_input else ""


def _counts(told: Any) -> str:
    """Counts by name, as the manifest has them: JSON, or a mapping."""
    counts: Mapping[str, Any] = json.loads(told) if isinstance(told, str) else told
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _written(facts: CardFacts, listed: Sequence[Item], said: Mapping[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    shown = [row for row in facts.gates if row["candidate_value"] is not None and row["segment"] == ""]
    data = ModelCardData(
        license=str(said["licence"]),
        base_model=facts.base_model,
        model_name=facts.model,
        tags=["nocturne", facts.kind],
        eval_results=[
            EvalResult(
                task_type=facts.kind, dataset_type=row["eval_set"], dataset_name=row["eval_set"],
                dataset_revision=row["eval_digest"], metric_type=row["metric"], metric_value=row["candidate_value"],
                metric_name=f"{row['gate']}: {row['metric']}",
            )
            for row in shown
        ],
    )  # fmt: skip
    verdict = f"{facts.outcome.replace('_', ' ')}: {'; '.join(facts.reasons)}"
    body = [
        f"# {facts.model}: candidate {facts.candidate}",
        f"Provider: {said['provider']}. Contact: {said['contact']}. Its gates: {_plain(verdict)}.",
        "What Annex XI (section 1) and Annex XII of Regulation (EU) 2024/1689 list, said of this model whether or not it is "
        "one for general purposes.",
        *(f"## {one.reference}: {one.name}\n\n{_plain(one.text)}" for one in listed),
        "## What it showed",
        _table(
            ("gate", "metric", "set", "segment", "candidate", "champion", "change", "95 %", "n", "outcome"),
            [_shown(row) for row in facts.gates],
        ),
        "## Training",
        _curve(facts.curve),
    ]
    whole = ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(part for part in body if part) + "\n")
    return str(whole.content)


def _shown(row: Row) -> tuple[str, ...]:
    numbers = [_number(row[name]) for name in ("candidate_value", "champion_value", "difference")]
    span = f"{_number(row['low'])} to {_number(row['high'])}" if row["low"] is not None else ""
    n = "" if row["n"] is None else f"{row['n']:,}"
    return (row["gate"], row["metric"], row["eval_set"], row["segment"], *numbers, span, n, row["outcome"].replace("_", " "))


def _curve(points: Sequence[Row]) -> str:
    if not points:
        return "It was fitted in one step: there is no curve."
    last = len(points) - 1
    places = sorted({round(at * last / (_MOST_POINTS - 1)) for at in range(_MOST_POINTS)})
    names = [name for name in dict.fromkeys(name for point in points for name in point) if name != "seconds"]
    return _table(names, [[_number(points[at].get(name)) for name in names] for at in places])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    """On one line, and no HTML: names of tenants and topics come from logs."""
    return " ".join(text.split()).replace("<", "&lt;")
