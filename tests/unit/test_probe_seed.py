"""probes.yml: what is kept, what is refused with which words; and that no key ever stands in a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from probe_target import KEY

from resources.contracts import SEEDS
from resources.probe_seed import PROBES_FILE, ProbeSeed, ProbeSeedError, load_probes, series_of

MAIN = {"base_url": "https://llm.example/v1", "model": "large", "key_env": "PROBE_KEY"}
PROMPTS = {"sum": {"prompt": "6 * 7?", "expect": {"numeric": 42}}}


def seed(tmp_path: Path, prompts: Any = PROMPTS, **endpoints: Any) -> ProbeSeed:
    path = tmp_path / PROBES_FILE
    path.write_text(yaml.safe_dump({"endpoints": endpoints, "prompts": prompts}))
    return load_probes(path)


def test_what_is_shipped_asks_nobody_anything() -> None:
    shipped = load_probes(SEEDS / PROBES_FILE)
    assert shipped.endpoints == {} and len(shipped.prompts) >= 20


def test_without_the_file_nothing_is_asked(tmp_path: Path) -> None:
    assert load_probes(tmp_path / PROBES_FILE) == ProbeSeed()


def test_what_is_left_out_of_an_endpoint_has_a_value(tmp_path: Path) -> None:
    main = seed(tmp_path, main=MAIN).endpoints["main"]
    assert (main.temperature, main.max_tokens, main.repeats, main.requests_per_minute) == (0.0, 256, 3, 30.0)
    assert seed(tmp_path, main=MAIN | {"temperature": None}).endpoints["main"].temperature is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": KEY}, "main has unknown keys key; allowed: accepted, base_url, key_env"),
        ({"key_env": f"sk-{KEY}"}, "key_env names an environment variable, in capitals; it is never the key itself"),
        ({"base_url": None}, "main needs an address such as `base_url: https://api.example.com/v1`"),
        ({"base_url": "ftp://llm.example"}, "main needs an address"),
        ({"base_url": f"https://user:{KEY}@llm.example"}, "without user, password, query or fragment"),
        ({"base_url": f"https://llm.example?key={KEY}"}, "without user, password, query"),
        ({"base_url": "https://llm.example:http/v1"}, "main needs an address"),
        ({"base_url": "http://llm.example/v1"}, "a key does not travel over http; write https"),
        ({"model": ""}, "main needs the model to ask for"),
        ({"temperature": "cold"}, "temperature is a number from 0 to 2, or null to leave it out; not 'cold'"),
        ({"temperature": float("nan")}, "temperature is a number from 0 to 2"),
        ({"max_tokens": 1.5}, "max_tokens is a whole number from 1 to 100000; not 1.5"),
        ({"max_tokens_name": "tokens"}, "max_tokens_name is one of max_tokens, max_completion_tokens"),
        ({"repeats": 0}, "repeats is a whole number from 1 to 20; not 0"),
        ({"repeats": True}, "repeats is a whole number"),
        ({"timeout_s": 0}, "timeout_s is a number of seconds, up to 600; not 0"),
        ({"requests_per_minute": None}, "requests_per_minute is a number up to 6000; not None"),
        ({"tokens_a_night": -1}, "tokens_a_night is a whole number from 1; not -1"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ProbeSeedError) as caught:
        seed(tmp_path, main=MAIN | change)
    assert said in str(caught.value) and KEY not in str(caught.value)


def test_plain_http_is_for_this_machine_or_without_a_key(tmp_path: Path) -> None:
    local = {name: MAIN | {"base_url": f"http://{host}:8000/v1"} for name, host in
             (("a", "127.0.0.1"), ("b", "localhost"), ("c", "[::1]"))}  # fmt: skip
    keyless = {"base_url": "http://vllm.internal:8000/v1", "model": "large"}
    assert len(seed(tmp_path, **local, d=keyless).endpoints) == 4


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ({}, "names endpoints and no prompts"),
        ({"sum": {}}, "sum needs a prompt: the words that are sent"),
        ({"sum": {"prompt": 42}}, "quote what YAML reads as something else"),
        ({"sum": {"prompt": "x" * 20_001}}, "longer than 20,000 characters"),
        ({"sum": {"prompt": "?", "system": " "}}, "sum needs a system"),
        ({"sum": {"prompt": "?", "expects": {}}}, "unknown keys expects; allowed: expect, prompt, system"),
        ({"sum": {"prompt": "?", "expect": 42}}, "expect is a mapping"),
        ({"Sum up": {"prompt": "?"}}, "a name is lower-case letters"),
        ({12: {"prompt": "?"}}, "a name is lower-case letters"),
        (["sum"], "prompts is a mapping"),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_refused(tmp_path: Path, prompts: Any, said: str) -> None:
    with pytest.raises(ProbeSeedError, match=said):
        seed(tmp_path, prompts, main=MAIN)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / PROBES_FILE
    for text, said in (("- a\n", "is a mapping of endpoints"), ("a: [", "is not YAML"), ("x: {}", "nothing else")):
        path.write_text(text)
        with pytest.raises(ProbeSeedError, match=said):
            load_probes(path)


def test_an_edit_of_question_setting_or_expectation_begins_a_new_series(tmp_path: Path) -> None:
    def series(change: dict[str, Any], **endpoint: Any) -> str:
        found = seed(tmp_path, {"sum": PROMPTS["sum"] | change}, main=MAIN | endpoint)
        return series_of(found.endpoints["main"], found.prompts["sum"])

    before = series({})
    edits = [series({"prompt": "6 * 8?"}), series({"system": "Think"}), series({"expect": {"numeric": 48}})]
    edits += [series({}, model="small"), series({}, temperature=1), series({}, max_tokens=9), series({}, seed=3)]
    edits.append(series({}, accepted="2026-11-20"))
    assert len({before, *edits}) == 9
    assert series({}, repeats=9, timeout_s=3, requests_per_minute=1, base_url="https://other.example/v1") == before
