"""One question to a real server that answers, hangs, lies or sends elsewhere: what becomes of it, and of the key."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from probe_target import KEY, Provider, completion, provider

from assets.drift.probe_scores import is_refusal
from resources.chat_client import ATTEMPTS, ERROR_CLASSES, ChatClient, Reply
from resources.chat_endpoint import ChatEndpoint, EndpointError

BODY = {"model": "large", "messages": [{"role": "user", "content": "6 * 7?"}]}


class Clock:
    """Real time, with pauses that are written down and not waited for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        yield running


def ask(at: Provider, clock: Clock | None = None, within_s: float = 600, **endpoint: Any) -> Reply:
    clock = clock or Clock()
    settings = {"timeout_s": 5.0, "requests_per_minute": 6000.0} | endpoint
    declared = ChatEndpoint("main", settings.pop("base_url", at.base_url), "large", **settings)
    with ChatClient(declared, KEY, clock.sleep, clock.monotonic) as client:
        return client.ask(BODY, clock.monotonic() + within_s)


def test_an_answer_is_told_with_its_facts(at: Provider) -> None:
    reply = ask(at)
    assert (reply.error_class, reply.text, reply.finish_reason, reply.http_status) == (None, "42", "stop", 200)
    assert (reply.model, reply.system_fingerprint, reply.input_tokens, reply.output_tokens) == ("large", "fp_1", 12, 3)
    assert reply.latency_ms is not None and 0 < reply.latency_ms < 5000
    assert at.keys == [f"Bearer {KEY}"] and at.got == [BODY]


def test_a_model_other_than_the_one_asked_for_is_told_as_it_calls_itself(at: Provider) -> None:
    at.extra = {"model": "small-2", "system_fingerprint": None, "usage": {"prompt_tokens": "9", "completion_tokens": True}}
    reply = ask(at)
    assert (reply.model, reply.system_fingerprint, reply.input_tokens, reply.output_tokens) == ("small-2", None, None, None)


def test_a_refusal_that_the_provider_declares_is_an_answer(at: Provider) -> None:
    declined = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    at.plan = [
        completion(BODY, "", choices=[{"message": declined, "finish_reason": "stop"}]),
        completion(BODY, "", choices=[{"message": {"content": None}, "finish_reason": "content_filter"}]),
    ]
    said, filtered = ask(at), ask(at)
    assert (said.text, said.says_refused, said.error_class) == ("I can't help with that.", True, None)
    assert (filtered.text, filtered.says_refused, filtered.error_class) == ("", True, None)


def test_an_answer_that_is_cut_within_a_character_is_an_answer(at: Provider) -> None:
    """Half an emoji, as JSON escapes it: no encoding has it, and no search of an answer takes it."""
    at.plan = [completion(BODY, "\ud83d is the answer: 42")]
    reply = ask(at)
    assert (reply.error_class, reply.text) == (None, "? is the answer: 42")
    assert reply.text is not None and not is_refusal(reply.text, reply.says_refused)


def test_too_many_requests_waits_as_long_as_it_is_told(at: Provider) -> None:
    clock = Clock()
    at.plan = [(429, {"Retry-After": "7"}), (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), 503]
    reply = ask(at, clock)
    assert (reply.text, reply.attempts) == ("42", 4)
    assert [pause for pause in clock.slept if pause >= 1] == [7, 4, 16]


@pytest.mark.parametrize("pause", ["3600", "9" * 400])
def test_a_server_that_wants_an_hour_is_not_waited_for(at: Provider, pause: str) -> None:
    at.always = (429, {"Retry-After": pause})
    reply = ask(at)
    assert (reply.error_class, reply.http_status, reply.attempts) == ("rate_limited", 429, 1)


def test_a_pause_that_ends_after_the_nights_bound_is_not_begun(at: Provider) -> None:
    at.always = 500
    clock = Clock()
    assert ask(at, clock, within_s=3).attempts == 2
    assert sum(clock.slept) < 3


@pytest.mark.parametrize(
    ("act", "error_class", "attempts"),
    [
        (500, "server_error", ATTEMPTS),
        (401, "unauthorised", 1),
        (403, "unauthorised", 1),
        (404, "bad_request", 1),
        (204, "no_answer", 1),
        ("hang up", "connection_lost", ATTEMPTS),
        (b"<html>", "not_json", 1),
        (b"\xff\xfe{", "not_json", 1),
        (b"[" * 100_000, "not_json", 1),
        (b"[]", "no_answer", 1),
        ({"choices": []}, "no_answer", 1),
        ({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}, "no_answer", 1),
        ({"choices": [{"message": "hello"}]}, "no_answer", 1),
        ({"choices": {"0": 1}}, "no_answer", 1),
        ("huge", "too_large", 1),
    ],
)
def test_what_is_no_answer_has_a_class_and_no_words(at: Provider, act: Any, error_class: str, attempts: int) -> None:
    at.always = act
    reply = ask(at)
    assert (reply.error_class, reply.attempts, reply.text) == (error_class, attempts, None)
    assert error_class in ERROR_CLASSES and len(at.got) == attempts


@pytest.mark.parametrize("act", ["hang", "drip"])
def test_a_server_that_hangs_or_drips_is_left_when_time_is_over(at: Provider, act: str) -> None:
    at.plan = [act]
    begun = time.monotonic()
    reply = ask(at, timeout_s=0.4)
    assert (reply.text, reply.attempts) == ("42", 2), "the next attempt is on a new connection"
    assert time.monotonic() - begun < 4, "it would be 6 s"


def test_nobody_there_is_no_connection() -> None:
    with provider() as gone:
        pass
    assert ask(gone).error_class == "no_connection"


def test_a_redirect_takes_neither_the_question_nor_the_key_elsewhere(at: Provider) -> None:
    with provider() as thief:
        for status in (301, 302, 307, 308):
            at.plan = [(status, {"Location": f"{thief.base_url}/chat/completions"})]
            assert ask(at).error_class == "redirected"
        assert thief.got == [] and thief.keys == []


def test_a_certificate_that_nobody_vouches_for_gets_no_key(tmp_path: Path) -> None:
    with provider(self_signed(tmp_path)) as posing:
        reply = ask(posing)
        assert (reply.error_class, reply.attempts) == ("bad_certificate", 1)
        assert posing.got == [] and posing.keys == []


def test_the_key_is_in_no_log_no_name_and_no_fact(
    at: Provider, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    at.extra = {"model": f"Bearer {KEY}", "system_fingerprint": KEY}
    reply = ask(at)
    at.plan = [401, (500, {"X-Echo": "no"}), b"not json"]
    others = [ask(at, requests_per_minute=6000.0) for _ in range(2)]
    declared = ChatEndpoint("main", at.base_url, "large")
    shown = [repr(ChatClient(declared, KEY, time.sleep, time.monotonic)), repr(reply), *map(repr, others), caplog.text]
    assert KEY not in "".join(shown)
    assert reply.model == "Bearer (key)"


def test_a_server_that_echoes_the_key_in_its_answer_does_not_put_it_into_files(at: Provider) -> None:
    at.extra = {"choices": [{"message": {"content": f"You sent Bearer {KEY}."}, "finish_reason": "stop"}]}
    assert ask(at).text == "You sent Bearer (key)."
    clock = Clock()
    with ChatClient(ChatEndpoint("main", at.base_url, "large"), "sent", clock.sleep, clock.monotonic) as client:
        assert client.ask(BODY, clock.monotonic() + 60).text == f"You sent Bearer {KEY}."


def test_a_count_of_tokens_that_no_answer_has_is_unknown(at: Provider) -> None:
    at.extra = {"usage": {"prompt_tokens": 10**9, "completion_tokens": 10**9 + 1}}
    reply = ask(at)
    assert (reply.input_tokens, reply.output_tokens) == (10**9, None)


def test_a_netrc_of_somebody_elses_key_is_not_asked(
    at: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password elsewhere\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    clock = Clock()
    with ChatClient(ChatEndpoint("main", at.base_url, "large"), None, clock.sleep, clock.monotonic) as client:
        assert client.ask(BODY, clock.monotonic() + 60).text == "42"
    assert at.keys == [None]


def test_no_more_is_asked_a_minute_than_is_declared(at: Provider) -> None:
    clock = Clock()
    declared = ChatEndpoint("main", at.base_url, "large", requests_per_minute=20.0)
    with ChatClient(declared, None, clock.sleep, clock.monotonic) as client:
        for _ in range(4):
            client.ask(BODY, clock.monotonic() + 600)
    assert 6 < sum(clock.slept) <= 9, "less by what the requests themselves took"


def test_what_is_sent_is_what_is_declared() -> None:
    plain = ChatEndpoint("main", "http://127.0.0.1", "large").chat("Hi", "Be brief")
    assert plain == {
        "model": "large", "stream": False, "temperature": 0.0, "max_tokens": 256,
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
    }  # fmt: skip
    other = ChatEndpoint(
        "main", "http://127.0.0.1", "large", temperature=None, seed=7, max_tokens_name="max_completion_tokens"
    ).chat("Hi", "Be brief")
    assert other.keys() == {"model", "stream", "seed", "max_completion_tokens", "messages"}


def test_a_key_that_is_none_is_not_shown_in_the_error() -> None:
    endpoint = ChatEndpoint("main", "https://llm.example", "large", key_env="PROBE_KEY")
    assert endpoint.key({"PROBE_KEY": f" {KEY}\n"}) == KEY
    with pytest.raises(EndpointError, match="the environment variable PROBE_KEY holds no key"):
        endpoint.key({})
    with pytest.raises(EndpointError) as caught:
        endpoint.key({"PROBE_KEY": f"{KEY}\nsecond"})
    assert "something else than one key" in str(caught.value) and KEY not in str(caught.value)


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that its own key signed, and that key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    held = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + held)
    return path


def test_tools_that_are_called_are_named_where_tools_were_offered(at: Provider) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "issue_refund", "arguments": "{}"}}, "?", {"function": 3}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    at.always = {"model": "large", "choices": [choice], "usage": usage}
    clock = Clock()
    with ChatClient(ChatEndpoint("main", at.base_url, "large"), None, clock.sleep, clock.monotonic) as client:
        offered = client.ask({**BODY, "tools": [{"type": "function", "function": {"name": "issue_refund"}}]}, 1e12)
        not_offered = client.ask(BODY, 1e12)
    assert (offered.error_class, offered.text, offered.calls, offered.cached_tokens) == (None, "", ("issue_refund",), 8)
    assert not_offered.error_class == "no_answer"
