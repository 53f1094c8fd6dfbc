"""Planted drift: each incident changes what its truth says, by as much, in its segment and days, and nothing else.

What is drawn for a request does not depend on incidents, so a world with one is compared, request by request, with the same
world without it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from assets.release.deployments import parse_deployments
from resources.language import language_stages, prepare
from resources.warehouse import connect
from simulator.__main__ import main
from simulator.catalogue import FEATURE_CODES, FEATURES, MODELS, TOKEN_COLUMNS
from simulator.dialogue import TOPICS
from simulator.dirt import NO_DIRT
from simulator.documents import handbook
from simulator.drift_incidents import Drift, LanguageSwitch, LengthShift, NewPromptVersion, ProviderSwitch, TopicSurge
from simulator.fragments import prompt_version
from simulator.incidents import Incident
from simulator.languages import LanguageError, languages, parse
from simulator.plans import DRIFT_DAYS, DRIFTS_APART, PLANS, REFERENCE_DAYS, SIZES, calm_plan, drift_plan
from simulator.seasons import Season, luck
from simulator.traffic import simulate

DAY, DAYS, REQUESTS, SEED = date(2026, 11, 3), 2, 4000, 3
START, END = datetime(2026, 11, 4, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)
SUPPORT = {"feature": "support_chat"}
Request = dict[str, Any]
Requests = dict[str, Request]
Told = dict[str, Any]


def made(folder: Path, *incidents: Incident, texts: bool = True, days: int = DAYS, **more: Any) -> tuple[Requests, Told]:
    """All requests of a world without dirt, by id, and its ground truth. Conversations end with their file: one a day."""
    arguments: Request = {"dirt": NO_DIRT, "plain": True, "incidents": incidents, "texts": texts, "files_per_day": 1} | more
    for _ in simulate(folder / "landing", folder / "truth", DAY, days, REQUESTS, SEED, **arguments):
        pass
    lines = [line for path in sorted((folder / "landing").rglob("part-*")) for line in path.read_bytes().splitlines()]
    found = {record["request_id"]: record for record in map(json.loads, lines)}
    assert len(found) == len(lines), "an id stands twice"
    return found, json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Requests, dict[str, str]]:
    folder = tmp_path_factory.mktemp("quiet")
    return made(folder)[0], topics_asked(folder)


def topics_asked(folder: Path) -> dict[str, str]:
    """By request, the topic of the document that answers it, where one does."""
    topic = {document.id: document.topic for document in handbook().documents}
    lines = [line for path in (folder / "truth" / "answers").iterdir() for line in path.read_text("utf-8").splitlines()]
    return {a["request_id"]: topic[a["document_id"]] for a in map(json.loads, lines) if a["document_id"] in topic}


def changed(quiet: Requests, found: Requests, truth: Told, incident: Drift) -> Requests:
    """The requests that are not as they are without the incident: of its days and its segment alone."""
    assert found.keys() == quiet.keys()
    # What was answered is repeated in the later turns of a conversation, whoever answers them.
    different = {key: r for key, r in found.items() if r | {"history_text": ""} != quiet[key] | {"history_text": ""}}
    (told,) = truth["incidents"]
    assert different and told["requests_touched"] >= len(different)
    assert (told["segment_kind"], told["segment"]) == incident.segment
    assert told["shows_in"] and set(told["found_by"]) == {f"drift.{shown['family']}" for shown in told["shows_in"]}
    ((key, name),) = incident.scope.items()
    assert incident.segment == ("model" if key == "request_model" else key, found_as(name))
    assert all(r[key] == name and START <= datetime.fromisoformat(r["ts"]) < END for r in different.values())
    return different


def found_as(name: str) -> str:
    return {model.name: model.response_name for model in MODELS}.get(name, name)


def tokens(request: Request) -> int:
    return sum(request.get(c, 0) for c in TOKEN_COLUMNS if c.startswith(("uncached", "cache")))


def test_a_topic_gains_as_many_points_as_planted_and_all_others_keep_their_proportions(
    quiet: tuple[Requests, dict[str, str]], tmp_path: Path
) -> None:
    surge = TopicSurge("surge", START, END, SUPPORT, 0.25, topic="coffee")
    found, truth = made(tmp_path, surge)
    changed(quiet[0], found, truth, surge)
    (told,) = truth["incidents"]
    assert told["to"] - told["from"] == pytest.approx(0.25)

    def shares(topics: dict[str, str], day: date) -> dict[str, float]:
        rows = [r for r in found.values() if r["feature"] == "support_chat" and r["ts"].startswith(str(day))]
        counted = Counter(topics[r["request_id"]] for r in rows if r["request_id"] in topics)
        return {topic: counted[topic] / counted.total() for topic in TOPICS}

    before, after = (shares(topics, START.date()) for topics in (quiet[1], topics_asked(tmp_path)))
    # Whole conversations turn, some of nine requests: a few hundred draws, and as much chance.
    assert after["coffee"] - before["coffee"] == pytest.approx(0.25, abs=0.06)
    for topic in set(TOPICS) - {"coffee"}:
        assert after[topic] == pytest.approx(before[topic] * (1 - told["share"]), abs=0.05)
    assert shares(quiet[1], DAY) == shares(topics_asked(tmp_path), DAY)


def test_a_share_of_users_changes_the_language_of_what_they_ask_and_are_told(
    quiet: tuple[Requests, dict[str, str]], tmp_path: Path
) -> None:
    switch = LanguageSwitch("switch", START, END, SUPPORT, 0.3, language="fr")
    found, truth = made(tmp_path, switch)
    different = changed(quiet[0], found, truth, switch)
    users = {(r["tenant"], r["user_id"]) for r in different.values() if "user_id" in r}
    asked = [r for r in found.values() if r["feature"] == "support_chat" and r["ts"] >= str(START.date())]
    of_them = [r for r in asked if (r["tenant"], r.get("user_id")) in users]
    assert {r["request_id"] for r in of_them} <= different.keys(), "who changed, changed in every request"
    everybody = {(r["tenant"], r["user_id"]) for r in asked if "user_id" in r}
    assert len(users) / len(everybody) == pytest.approx(0.3, abs=0.08)
    french = [fact.question for facts in languages()["fr"].facts.values() for fact in facts]
    assert all(any(question in r["prompt_text"] for question in french) for r in different.values())


@pytest.mark.parametrize(("part", "size"), [("prompt", 0.5), ("answer", 0.4)])
def test_lengths_shift_by_as_many_standard_deviations_as_planted(
    part: str, size: float, quiet: tuple[Requests, dict[str, str]], tmp_path: Path
) -> None:
    shift = LengthShift("longer", START, END, SUPPORT, size, part=part)  # type: ignore[arg-type]
    found, truth = made(tmp_path, shift)
    different = changed(quiet[0], found, truth, shift)
    measure = tokens if part == "prompt" else lambda request: request.get("output_tokens", 0)
    text = "prompt_text" if part == "prompt" else "output_text"
    usual = [r for r in quiet[0].values() if r["feature"] == "support_chat" and measure(r) > 0]
    spread = np.std([np.log(measure(r)) for r in usual])
    pairs = [(r, quiet[0][key]) for key, r in different.items() if measure(r) > 0 and not r.get("response_cache_hit")]
    steps = [np.log(measure(now) / measure(before)) / spread for now, before in pairs]
    assert np.mean(steps) == pytest.approx(size, rel=0.15)
    assert truth["incidents"][0]["to"] == pytest.approx(np.exp(size * spread), rel=0.05)
    longer = [len(now[text]) / len(before[text]) for now, before in pairs if text in before and len(before[text]) < 5000]
    assert np.median(longer) == pytest.approx(shift.factor, rel=0.1)


def test_another_model_behind_the_same_name_answers_shorter_sooner_and_in_its_own_style(
    quiet: tuple[Requests, dict[str, str]], tmp_path: Path
) -> None:
    switch = ProviderSwitch("switch", START, END, {"request_model": "gemini-2.5-flash"}, 0.6)
    found, truth = made(tmp_path, switch)
    different = changed(quiet[0], found, truth, switch)
    names = ("request_model", "response_model", "provider", "region", "prompt_version", "error_class", "finish_reason")
    assert all(r.get(n) == quiet[0][key].get(n) for key, r in different.items() for n in names)
    answered = {key: r for key, r in different.items() if r.get("output_tokens", 0) > 20}
    assert answered
    for key, request in answered.items():
        before = quiet[0][key]
        assert request["output_tokens"] == pytest.approx(before["output_tokens"] * 0.6, abs=1)
        for name in {"model_ms", "latency_ms", "time_to_first_token_ms"} & before.keys():
            assert request[name] == pytest.approx(before[name] * switch.pace, abs=0.11)
        if "reported_cost_usd" in before:
            assert request["reported_cost_usd"] < before["reported_cost_usd"]
    terse = [r["output_text"].count("\n- ") == 1 for r in answered.values() if "output_text" in r]
    assert np.mean(terse) == pytest.approx(0.8, abs=0.06)
    assert not any(r.get("output_text", "").startswith("- ") for r in quiet[0].values())


def test_a_new_prompt_version_is_declared_for_an_hour_and_changes_length_warmth_and_refusals(
    quiet: tuple[Requests, dict[str, str]], tmp_path: Path
) -> None:
    release = NewPromptVersion("rewritten", START, END, SUPPORT, 1.5, refused_share=0.1)
    found, truth = made(tmp_path, release)
    different = changed(quiet[0], found, truth, release)
    (told,) = truth["incidents"]
    assert {r["prompt_version"] for r in different.values()} == {told["to"]} == {release.prompt_version}
    assert told["from"] == prompt_version(START.date(), FEATURE_CODES["support_chat"]) != told["to"]
    models = {key: r for key, r in different.items() if "output_tokens" in r and not r.get("response_cache_hit")}
    refused = {key for key, r in models.items() if r.get("error_code") == "refusal"} - {
        key for key, r in quiet[0].items() if r.get("error_code") == "refusal"
    }
    assert len(refused) / len(models) == pytest.approx(0.1, abs=0.03)
    pairs = [(r, quiet[0][key]) for key, r in models.items() if key not in refused and "error_class" not in r]
    longer = [now["output_tokens"] / before["output_tokens"] for now, before in pairs]
    assert np.median(longer) == pytest.approx(1.5, abs=0.02)
    assert np.median([len(r["output_text"]) - len(before["output_text"]) for r, before in pairs if "output_text" in r]) > 80
    example = yaml.safe_load((tmp_path / "truth" / "deployments_example.yml").read_text(encoding="utf-8"))
    (entry,) = parse_deployments(example).values()
    assert (entry["starts_at"], entry["ends_at"]) == (START, START + timedelta(hours=1))


def test_days_without_an_incident_are_the_same_byte_for_byte_and_a_calm_world_repeats_itself(tmp_path: Path) -> None:
    later = datetime(2026, 11, 5, tzinfo=UTC)
    surge = TopicSurge("surge", later, later + timedelta(days=1), SUPPORT, 0.3)

    def files(folder: Path, *incidents: Incident, plan: Any = None) -> dict[str, bytes]:
        for _ in simulate(
            folder / "l", folder / "t", DAY, 3, 800, SEED, texts=True, plain=True, dirt=NO_DIRT, incidents=plan or incidents
        ):  # fmt: skip
            pass
        landing = folder / "l"
        return {path.relative_to(landing).as_posix(): path.read_bytes() for path in sorted(landing.rglob("part-*"))}

    def of_days(found: dict[str, bytes], *days: str) -> Iterable[tuple[str, bytes]]:
        return sorted((name, said) for name, said in found.items() if any(day in name for day in days))

    plain, with_surge = files(tmp_path / "plain"), files(tmp_path / "surge", surge)
    assert of_days(plain, "11-03", "11-04") == of_days(with_surge, "11-03", "11-04")
    assert of_days(plain, "11-05") != of_days(with_surge, "11-05")
    first, second = (files(tmp_path / name, plan=calm_plan) for name in ("first", "second"))
    assert first == second != plain


def test_holidays_have_half_the_traffic_month_ends_more_and_volume_grows() -> None:
    begin = datetime(2026, 8, 1, tzinfo=UTC)
    holiday = date(2026, 8, 20)
    season = Season("season", begin, begin + timedelta(days=70), {}, 0.0, holidays=(holiday,), growth=0.02)
    usual = season.volume(SEED, date(2026, 8, 19))
    on_holiday, month_end = season.volume(SEED, holiday), season.volume(SEED, date(2026, 8, 31))
    late = season.volume(SEED, date(2026, 9, 30) - timedelta(days=7))
    assert usual is not None and on_holiday is not None and month_end is not None and late is not None
    assert on_holiday == pytest.approx(usual / 2, rel=0.01)
    assert month_end[1] / usual[1] == pytest.approx(1.25, rel=0.05) and month_end[0] / usual[0] == pytest.approx(1, rel=0.05)
    assert late[0] / usual[0] == pytest.approx(1.02**5, rel=0.001)
    assert season.volume(SEED, date(2026, 12, 24)) is None


def test_the_luck_of_days_has_variance_one_and_remembers_the_day_before() -> None:
    days = np.array([luck(SEED, DAY + timedelta(days=number), 0, 12) for number in range(600)])
    assert days.std() == pytest.approx(1, abs=0.05)
    assert np.mean([np.corrcoef(column[1:], column[:-1])[0, 1] for column in days.T]) == pytest.approx(0.4, abs=0.04)


def test_a_holiday_halves_what_is_landed(tmp_path: Path) -> None:
    holiday = DAY + timedelta(days=1)
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    season = Season("season", begin, begin + timedelta(days=30), {}, 0.0, holidays=(holiday,))
    _, truth = made(tmp_path, season, texts=False)
    first, second = (truth["days"][str(day)]["requests"] for day in (DAY, holiday))
    assert second / first == pytest.approx(0.5, abs=0.05)


def test_the_language_guess_knows_what_customers_speak() -> None:
    said = [(code, f"{o} {f.question}".strip())
            for code, language in languages().items()
            for facts in language.facts.values() for f in facts for o in language.phrases["opening"]]  # fmt: skip
    con = connect()
    try:
        prepare(con)
        select = "select * from (values " + ", ".join("(?, ?)" for _ in said) + ") as said (code, text)"
        for stage in language_stages("guess", "text"):
            select = f"select *, {stage} from ({select}) as staged"
        rows = con.execute(select, [value for pair in said for value in pair]).fetchall()
    finally:
        con.close()
    right = Counter(row[0] for row in rows if row[0] == row[-1])
    of_all = Counter(code for code, _ in said)
    assert all(right[code] / of_all[code] > 0.9 for code in of_all), (right, of_all)


def test_the_plan_of_drifts_begins_after_its_reference_and_each_size_has_the_same() -> None:
    fewest = REFERENCE_DAYS + 5 * DRIFTS_APART
    plans = [drift_plan(DAY, fewest, size) for size in SIZES]
    for plan in plans:
        planted = [incident for incident in plan if isinstance(incident, Drift) and incident.as_truth()["found_by"]]
        assert [type(incident) for incident in planted] == [
            TopicSurge, LanguageSwitch, LengthShift, ProviderSwitch, NewPromptVersion,
        ]  # fmt: skip
        assert planted[0].start.date() == DAY + timedelta(days=REFERENCE_DAYS)
        assert all(incident.end - incident.start == timedelta(days=DRIFT_DAYS) for incident in planted)
    assert [i.name for i in plans[0]] == [i.name for i in plans[2]]
    assert not any(incident.as_truth()["found_by"] for incident in calm_plan(DAY, 60))
    with pytest.raises(ValueError, match=f"{fewest} days or more"):
        drift_plan(DAY, fewest - 1)


def test_what_shows_in_words_alone_is_refused_without_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path / "l"), "--truth", str(tmp_path / "t"), "--first-day", "2026-11-01", "--days", "91"]
    assert main([*arguments, "--plan", "drift"]) == 2
    assert "simulate with texts" in capsys.readouterr().err
    assert set(PLANS) >= {"drift", "calm"}


@pytest.mark.parametrize("text", ["- delivery-01 | {1} | Wann?", "# de\n- nowhere-01 | {1} | Was?", "# de\nHallo", "# de"])
def test_a_line_of_languages_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(LanguageError, match=r"languages\.md"):
        parse(text)


def test_every_feature_that_talks_has_a_mix_of_topics_of_its_own(quiet: tuple[Requests, dict[str, str]]) -> None:
    asked: dict[str, Counter[str]] = {feature.name: Counter() for feature in FEATURES}
    for key, topic in quiet[1].items():
        asked[quiet[0][key]["feature"]][topic] += 1
    talks = [asked[name] for name in ("support_chat", "doc_search", "summaries")]
    assert all(len(topics) >= 11 for topics in talks)
    assert len({topics.most_common(1)[0][0] for topics in talks}) == 3
