"""The weekly review of failures, as Markdown: what failed most, what it cost, why, and what became of it.

Pure: all that is known comes in, and the same gives the same text. Words of users stand in lines that begin with `> `, and
nowhere else: `without_words` leaves the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from assets.quality.case_log import ENDED, Case
from assets.quality.failures import COMPLAINTS, FAILURES
from assets.service.intervals import wilson

Row = Mapping[str, Any]
MOST_CLUSTERS, EXAMPLES, MOST_CASES = 10, 3, 50
GRAVE = ("unsafe", "toxic")
QUOTED = 300
"""Characters of a question or an answer that are quoted."""
_QUOTE = "> "
_UNKNOWN = "not known"
_MARKS = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", "`": "\\`", "[": "\\["})
"""A name that a stranger gave is no table, tag, code or link."""


@dataclass(frozen=True)
class Failed:
    """A failure of a response, with what is known of it; None: not known. `amount`: what the response cost, in USD."""

    day: date
    request_id: str
    failure: str
    state: str
    reason: str | None
    feature: str | None
    case_id: str | None = None
    severity: str | None = None
    root_cause: str | None = None
    topic: str | None = None
    retrieval: str | None = None
    amount: Decimal | None = None

    @property
    def response(self) -> tuple[date, str]:
        return self.day, self.request_id

    @property
    def cluster(self) -> tuple[str, str, str]:
        """What it is counted with: its feature, what was wrong, and what was asked about."""
        return self.feature or "", self.failure, self.topic or ""


@dataclass(frozen=True)
class Known:
    """What a review is made of. `requests`, `requests_before`: of users, by feature. `rates`: rows of quality.rates over the
    week and the one before it; None: there is no such table. `cases`: as they stood at the week's end. `words`: question and
    answer of responses whose words may be shown and are kept. `worst_severity`: its name in seeds/labelling.yml."""

    week: str
    failed: Sequence[Failed] = ()
    failed_before: Sequence[Failed] = ()
    requests: Mapping[str | None, int] = field(default_factory=dict)
    requests_before: Mapping[str | None, int] = field(default_factory=dict)
    rates: Sequence[Row] | None = None
    cases: Sequence[Case] = ()
    words: Mapping[tuple[date, str], tuple[str, str | None]] = field(default_factory=dict)
    worst_severity: str | None = None


def week_of(day: date) -> str:
    """The ISO week of a day, such as 2026-W46."""
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02}"


def first_day(week: str) -> date:
    """Its Monday. Raises ValueError for what is no ISO week."""
    try:
        year, number = week.split("-W")
        return date.fromisocalendar(int(year), int(number), 1)
    except ValueError:
        raise ValueError(f"{week!r} is no week; write one such as 2026-W46") from None


def without_words(review: str) -> str:
    """The same without what users and models said."""
    return "".join(line for line in review.splitlines(keepends=True) if not line.startswith(_QUOTE.strip()))


def review(known: Known) -> str:
    """The review. What nobody measured is said to be missing, so that it is not taken for zero."""
    first = first_day(known.week)
    last = first + timedelta(days=6)
    parts = [
        f"# Failures of {known.week}\n\n"
        f"{first} to {last} (UTC), by the day of the response. A line that begins with `>` quotes what was said; it goes\n"
        "when retention takes the words. A response that failed in two ways is in two clusters.",
        "## In all\n\n" + _in_all(known),
        "## Worst clusters\n\n" + _clusters(known),
    ]
    if known.rates is not None:
        parts.append("## Rates\n\n" + _rates(known.rates, last))
    parts += [
        "## Open cases\n\n" + _open_cases(known, last),
        "## What was done\n\n" + _done(known, first, last),
        "## Left out\n\n" + _left_out(known),
    ]
    return "\n\n".join(parts) + "\n"


def _in_all(known: Known) -> str:
    rows = []
    for title, failed, requests in (
        ("this week", known.failed, known.requests), ("the week before", known.failed_before, known.requests_before),
    ):  # fmt: skip
        complained = len({f.response for f in failed if f.failure in COMPLAINTS})
        judged = len({f.response for f in failed if f.failure not in COMPLAINTS})
        total = sum(requests.values())
        rows.append((title, f"{total:,}", f"{complained:,}", _share(complained, total), f"{judged:,}"))
    head = ("", "requests", "complained about", "share (95 %)", "judged to be wrong")
    return _table(head, rows) + (
        "\n\nWho complains is no random sample, and whom people judge is drawn: of the latter only the rates are a share."
    )


def _clusters(known: Known) -> str:
    if not known.failed:
        return "Nothing failed that is known."
    groups: dict[tuple[str, str, str], list[Failed]] = {}
    for failed in known.failed:
        groups.setdefault(failed.cluster, []).append(failed)
    before = Counter(cluster for cluster, _ in {(f.cluster, f.response) for f in known.failed_before})
    ranked = sorted(groups.items(), key=lambda item: _rank(item, known.worst_severity))
    rows, examples = [], []
    for number, (cluster, members) in enumerate(ranked[:MOST_CLUSTERS], 1):
        feature, failure, topic = cluster
        count = len({f.response for f in members})
        rows.append((
            str(number), feature or "(none)", failure, topic or "-", f"{count:,}", f"{before[cluster]:,}",
            _trend(feature or None, failure, count, before[cluster], known), _cost(members), _causes(members),
            ", ".join(sorted({f.case_id for f in members if f.case_id}, key=_number)[:EXAMPLES]) or "-",
        ))  # fmt: skip
        examples.append(_examples(number, members, known))
    head = (
        "", "feature", "failure", "topic", "responses", "week before", "share of the feature's requests", "cost, USD",
        "likely cause", "cases",
    )  # fmt: skip
    rest = f"\n\n{len(ranked) - MOST_CLUSTERS} smaller clusters are not shown." if len(ranked) > MOST_CLUSTERS else ""
    return _table(head, rows) + rest + "\n\n" + "\n\n".join(examples)


def _rank(item: tuple[tuple[str, str, str], list[Failed]], worst: str | None) -> tuple[Any, ...]:
    """What harms first, then the most responses, then what costs most."""
    (feature, failure, topic), members = item
    is_grave = failure in GRAVE or any(f.severity is not None and f.severity == worst for f in members)
    amounts = {f.response: f.amount or Decimal(0) for f in members}
    return not is_grave, -len(amounts), -sum(amounts.values()), FAILURES.index(failure), feature, topic


def _trend(feature: str | None, failure: str, count: int, before: int, known: Known) -> str:
    if failure not in COMPLAINTS:
        return "drawn: see rates"
    total, total_before = known.requests.get(feature, 0), known.requests_before.get(feature, 0)
    told = f"{_share(count, total)}; before {_share(before, total_before)}"
    if not total or not total_before:
        return told
    (low, high), (low_before, high_before) = _interval(count, total), _interval(before, total_before)
    return f"{told}: {_direction(low, high, low_before, high_before)}"


def _cost(members: Sequence[Failed]) -> str:
    amounts = {f.response: f.amount for f in members}
    known = [amount for amount in amounts.values() if amount is not None]
    if not known:
        return _UNKNOWN
    missing = len(amounts) - len(known)
    return f"{sum(known, Decimal(0)):.4f}" + (f" ({missing} of {len(amounts)} unpriced)" if missing else "")


def _causes(members: Sequence[Failed]) -> str:
    """What people named, else how the search did."""
    named = Counter({f.response: f.root_cause for f in members if f.root_cause}.values())
    found = Counter({f.response: f.retrieval for f in members if f.retrieval}.values())
    parts = [f"{name} {count}" for name, count in sorted(named.items(), key=lambda item: (-item[1], item[0]))]
    search = [f"{name} {count}" for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
    return "; ".join(filter(None, (", ".join(parts), f"search: {', '.join(search)}" if search else ""))) or _UNKNOWN


def _examples(number: int, members: Sequence[Failed], known: Known) -> str:
    """Some responses, one a case, those that have one first. The same ones with words and without."""
    chosen: dict[Any, Failed] = {}
    for failed in sorted(members, key=lambda f: (f.state != "proposed", f.day, f.request_id)):
        chosen.setdefault(failed.case_id or failed.response, failed)
    lines = [f"Cluster {number}:"]
    for failed in list(chosen.values())[:EXAMPLES]:
        case = f", case {failed.case_id}" if failed.case_id else f", {failed.state}: {failed.reason}"
        lines.append(f"\n- `{_code(failed.request_id)}` of {failed.day}{case}")
        if failed.response in known.words:
            question, answer = known.words[failed.response]
            # As code: nothing that somebody wrote is a link, a picture or a heading here.
            lines += [f"{_QUOTE}    asked: {_quoted(question)}", f"{_QUOTE}    answered: {_quoted(answer or '')}"]
    return "\n".join(lines)


def _rates(rates: Sequence[Row], last: date) -> str:
    this = {_rated(row): row for row in rates if row["day"] == last}
    before = {_rated(row): row for row in rates if row["day"] == last - timedelta(days=7)}
    rows = []
    for key, row in sorted(this.items(), key=lambda item: item[0]):
        earlier = before.get(key)
        change = _UNKNOWN
        if row["rate"] is not None and earlier is not None and earlier["rate"] is not None:
            change = _direction(row["low"], row["high"], earlier["low"], earlier["high"])
        rows.append((key[0], key[1] or "all", _rate(row), _rate(earlier), change))
    if not rows:
        return "None are published for this week."
    return _table(("verdict", "feature", "this week (95 %)", "the week before", "change"), rows)


def _rated(row: Row) -> tuple[str, str]:
    return row["verdict"], row["feature"] or ""


def _rate(row: Row | None) -> str:
    if row is None or row["rate"] is None:
        return f"{_UNKNOWN} ({row['method']})" if row is not None else _UNKNOWN
    return f"{row['rate']:.2%} ({row['low']:.2%} to {row['high']:.2%}), {row['n_labelled']:,} judged"


def _open_cases(known: Known, last: date) -> str:
    counts = Counter({(f.case_id, *f.response) for f in (*known.failed, *known.failed_before) if f.case_id})
    recent = Counter(name for name, *_ in counts)
    still = [case for case in known.cases if case.state not in ENDED]
    still.sort(key=lambda case: (case.state == "proposed", -case.age_days(last), _number(case.case_id)))
    rows = [
        (case.case_id, case.feature or "(none)", case.failure, case.state, str(case.age_days(last)),
         f"{recent[case.case_id]:,}", case.changes[-1]["actor"])
        for case in still[:MOST_CASES]
    ]  # fmt: skip
    if not rows:
        return "None."
    rest = f"\n\n{len(still) - MOST_CASES} more are in quality.cases_now." if len(still) > MOST_CASES else ""
    return _table(("case", "feature", "failure", "state", "age, days", "responses in two weeks", "last by"), rows) + rest


def _done(known: Known, first: date, last: date) -> str:
    rows = []
    for case in known.cases:
        for change in case.changes:
            when: datetime = change["happened_at"].astimezone(UTC)
            if first <= when.date() <= last and change["act"] not in ("proposed",):
                version = " ".join(filter(None, (change["prompt_version"], change["model"], change["suite"])))
                rows.append((f"{when:%Y-%m-%d %H:%M}", case.case_id, change["act"], version or "-", change["actor"]))
    if not rows:
        return "Nothing was accepted, fixed, verified or released."
    return _table(("when", "case", "what", "in", "by"), sorted(rows))


def _left_out(known: Known) -> str:
    counts = Counter({(f.reason, f.response) for f in known.failed if f.state != "proposed"})
    by_reason = Counter(reason for reason, _ in counts)
    if not by_reason:
        return "Nothing: each failure belongs to a case."
    return "Failures that are counted above and belong to no case: " + ", ".join(
        f"{count} {reason}" for reason, count in sorted(by_reason.items(), key=lambda item: str(item[0]))
    )


def _share(hits: int, trials: int) -> str:
    if not trials:
        return _UNKNOWN
    low, high = _interval(hits, trials)
    return f"{hits / trials:.2%} ({low:.2%} to {high:.2%})"


def _interval(hits: int, trials: int) -> tuple[float, float]:
    # A complaint may name a request of another day's feature: never more hits than trials.
    low, high = wilson(min(hits, trials), trials)
    return float(low), float(high)


def _direction(low: float, high: float, low_before: float, high_before: float) -> str:
    return "up" if low > high_before else "down" if high < low_before else "no clear change"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)])


def _cell(text: str) -> str:
    return " ".join(text.split()).translate(_MARKS)


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")


def _quoted(text: str) -> str:
    short = " ".join(text.split())
    return short if len(short) <= QUOTED else f"{short[:QUOTED]} ..."


def _number(case_id: str) -> tuple[str, int]:
    return case_id[:10], int(case_id[11:])
