"""A channel that takes a message, refuses it or keeps silent; and that its address is shown nowhere."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from http_target import TOKEN, http_target

from resources.contracts import SEEDS
from resources.notifier import Delivery, Notifier
from resources.notify_seed import NotifyError, load_notify
from resources.service_seeds_owners import load_owners


def sent(address: str) -> Delivery:
    return Notifier({"oncall": address}).send("oncall", "page", "what is wrong", "where to look")


def test_a_message_arrives_whole_and_once() -> None:
    with http_target() as target:
        assert sent(target.address) == Delivery("sent")
        assert [(m["title"], m["message"], m["type"]) for m in target.got] == [("what is wrong", "where to look", "failure")]


@pytest.mark.parametrize("status", [500, 503, 429, 404, 302])
def test_a_refusal_is_a_failure_and_is_not_repeated_by_the_library(status: int) -> None:
    with http_target() as target:
        target.answers = [status]
        assert sent(target.address) == Delivery("failed", f"HTTP {status}")
        assert target.got == []


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        ("silent", "no answer in time"),
        ("hang up", "the connection was lost before an answer"),
        (502, "HTTP 502"),
        (504, "HTTP 504"),
    ],
)
def test_a_message_that_may_have_arrived_is_no_failure(answer: int | str, note: str) -> None:
    with http_target() as target:
        target.answers = [answer]
        assert sent(target.address) == Delivery("unconfirmed", note)


def test_a_server_that_is_not_there_is_a_failure() -> None:
    with http_target() as target:
        address = target.address
    assert sent(address) == Delivery("failed", "no connection")
    assert sent(f"json://no-such-host.invalid/{TOKEN}") == Delivery("failed", "no connection")


def test_a_service_that_reached_one_of_two_rooms_is_not_tried_again() -> None:
    """One address of some services is several requests: once the first was taken, a second try would be a second message."""
    with http_target() as target:
        target.answers = [200, 500]
        port = target.server.server_address[1]
        address = f"mmost://127.0.0.1:{port}/{'a' * 24}?channels=one,two"
        delivery = Notifier({"oncall": address}).send("oncall", "page", "t", "b")
        assert (delivery.act, len(target.got)) == ("unconfirmed", 1)


def test_an_address_that_nobody_understands_says_so_and_does_not_show_it() -> None:
    assert sent(f"no-such-service://{TOKEN}") == Delivery("failed", "Apprise does not understand the address")


def test_the_token_is_in_no_log_of_any_level_and_in_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    with http_target() as target:
        target.answers = [200, 500, "hang up"]
        address = target.address
        said = [repr(sent(address)) for _ in range(3)]
    said += [repr(sent(address)), repr(sent(f"nonsense://{TOKEN}")), repr(Notifier({"oncall": address}))]
    assert TOKEN not in "".join(said) + caplog.text
    logging.getLogger("urllib3.connectionpool").debug("heard again")
    assert "heard again" in caplog.text, "only while a message is sent"


# the seed


def test_every_channel_of_the_shipped_owners_is_declared() -> None:
    channels = load_notify(SEEDS / "notify.yml").channels
    owners = load_owners(SEEDS / "owners.yml")
    assert {name for o in owners for name in (o.channel, o.backup_channel)} <= channels.keys()


def test_an_address_comes_from_the_variable_or_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    seed = tmp_path / "notify.yml"
    seed.write_text("channels: {a: {env: CHANNEL_A}, b: {file: keys/b.url}, c: {env: CHANNEL_C}}\n", encoding="utf-8")
    held = tmp_path / "home" / "keys" / "b.url"
    held.parent.mkdir(parents=True)
    held.write_text(f"# on call\njson://host/{TOKEN}\n", encoding="utf-8")
    held.chmod(0o600)
    declared = load_notify(seed)
    found = declared.addresses({"CHANNEL_A": "json://a"}, tmp_path / "home")
    assert found == {"a": "json://a", "b": f"json://host/{TOKEN}"}
    held.chmod(0o644)
    with pytest.raises(NotifyError, match="chmod 600") as caught:
        declared.addresses({}, tmp_path / "home")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"channels: {{a: 'slack://{TOKEN}'}}", "and never the address itself"),
        (f"channels: {{a: {{env: 'slack://{TOKEN}'}}}}", "the name of a variable, and never the address"),
        (f"channels: {{a: 'slack://{TOKEN}'}}", "one of env and file"),
        ("channels: {a: {env: A, file: b}}", "one of env and file"),
        ("channels: [a]\n", "channels maps names"),
        (f"channels: {{a: {{env: slack://{TOKEN}", "is not YAML"),
        ("channels: {}\nlook_back_days: 0\n", "look_back_days"),
        ("channels: {}\npages_open_incidents: 1\n", "true or false"),
        ("channel: {}\n", "is a mapping with"),
    ],
)
def test_a_slip_in_the_seed_is_named_and_an_address_in_it_is_not_repeated(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "notify.yml").write_text(text, encoding="utf-8")
    with pytest.raises(NotifyError, match=says) as caught:
        load_notify(tmp_path / "notify.yml")
    assert TOKEN not in str(caught.value)


def test_two_addresses_for_one_channel_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notify.yml").write_text("channels: {a: {env: A}}\n", encoding="utf-8")
    with pytest.raises(NotifyError, match="several addresses"):
        load_notify(tmp_path / "notify.yml").addresses({"A": "json://x\njson://y"}, tmp_path)
