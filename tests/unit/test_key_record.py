"""A change of the key: what lands afterwards has new pseudonyms, old ones are still found, and a lost key is missed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from core import declare_tenants, priced
from retention_house import RetentionHouse, said

from pipelines.governance.rotate_key import main as rotate_key_command
from resources import audit
from resources.key_record import open_keyring, rotate_key
from resources.keyring import KEY_FILE, Keyring, KeyringError


def test_after_a_change_of_key_people_are_new_and_tenants_keep_their_name(tmp_path: Path) -> None:
    house = RetentionHouse(tmp_path)
    priced(house)
    house.deliver("1.jsonl", [said("r1", "11-01") | {"user_id": "anna"}])
    declare_tenants(house, "acme-corp")
    house.night()
    before = open_keyring(house.store, house.now)
    after = rotate_key(house.store, house.now)
    assert after.retired == (before,) and after.tokens("user", "anna") == [k.token("user", "anna") for k in (after, before)]
    house.deliver("2.jsonl", [said("r2", "11-01") | {"user_id": "anna"}])
    declare_tenants(house, "acme-corp")
    house.night()
    rows = house.ask("select request_id, tenant, user_token from logs.requests order by 1")
    assert rows == [("r1", "acme-corp", before.token("user", "anna")), ("r2", "acme-corp", after.token("user", "anna"))]
    assert [(e["action"], e["subject"]) for e in audit.entries(house.store) if e["action"].startswith("key_")] == [
        ("key_created", before.key_id),
        ("key_rotated", after.key_id),
    ]
    assert house.is_quiet()


def test_the_ring_stays_private_and_each_change_adds_one_key(tmp_path: Path) -> None:
    house = RetentionHouse(tmp_path)
    first = open_keyring(house.store, house.now)
    second, third = rotate_key(house.store, house.now), rotate_key(house.store, house.now)
    assert third.key_ids == [first.key_id, second.key_id, third.key_id]
    assert stat.S_IMODE((house.store.state / "keys" / KEY_FILE).stat().st_mode) == 0o600
    assert all(key.key.hex() not in repr(third) for key in (first, second, third))
    assert open_keyring(house.store, house.now) == third


@pytest.mark.parametrize("arguments", [["--help"], ["extra"]])
def test_asking_for_help_changes_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NOCTURNE_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit):
        rotate_key_command(arguments)
    assert "usage: make rotate-key" in "".join(capsys.readouterr())
    assert not list(tmp_path.iterdir())


def test_the_loss_of_an_earlier_key_is_an_error_too(tmp_path: Path) -> None:
    house = RetentionHouse(tmp_path)
    first = open_keyring(house.store, house.now)
    rotate_key(house.store, house.now)
    path = house.store.state / "keys" / KEY_FILE
    ring = json.loads(path.read_bytes())
    path.write_text(json.dumps({"keys": ring["keys"][1:]}), encoding="utf-8")
    with pytest.raises(KeyringError, match=f"made with key {first.key_id}. Restore the keys folder"):
        open_keyring(house.store, house.now)


def test_a_ring_from_before_the_change_is_an_error_once_rows_have_the_new_key(tmp_path: Path) -> None:
    house = RetentionHouse(tmp_path)
    open_keyring(house.store, house.now)
    path = house.store.state / "keys" / KEY_FILE
    old = path.read_bytes()
    new = rotate_key(house.store, house.now)
    path.write_bytes(old)
    with pytest.raises(KeyringError, match=f"made with key {new.key_id}"):
        rotate_key(house.store, house.now)
    assert path.read_bytes() == old


def test_a_key_file_of_one_key_is_a_ring_of_one(tmp_path: Path) -> None:
    ring = Keyring.open(tmp_path / "keys")
    path = tmp_path / "keys" / KEY_FILE
    (entry,) = json.loads(path.read_bytes())["keys"]
    path.write_text(json.dumps(entry), encoding="utf-8")
    assert Keyring.open(tmp_path / "keys", ring.key_id) == ring
    assert Keyring.rotate(tmp_path / "keys").retired == (ring,)


def test_an_empty_ring_is_damaged_and_not_replaced(tmp_path: Path) -> None:
    Keyring.open(tmp_path / "keys")
    (tmp_path / "keys" / KEY_FILE).write_text('{"keys": []}', encoding="utf-8")
    with pytest.raises(KeyringError, match="damaged"):
        Keyring.open(tmp_path / "keys")


def test_words_and_keys_can_be_read_by_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = RetentionHouse(tmp_path)
    priced(house)
    house.deliver("1.jsonl", [said("r1", "11-01")])
    staged: list[tuple[str, int]] = []

    def look(name: str) -> None:
        if name == "land.staged":
            folders = [*house.area().stages.iterdir()]
            staged.extend((path.suffix, stat.S_IMODE(path.stat().st_mode)) for path in folders)

    monkeypatch.setattr("resources.landing.failpoint", look)
    house.night()
    assert staged == [("", 0o700)]
    assert stat.S_IMODE((house.store.data / "logs" / "texts").stat().st_mode) == 0o700
    assert stat.S_IMODE((house.store.state / "keys").stat().st_mode) == 0o700
    published = house.ask("select column_name from duckdb_columns() where schema_name = 'logs' and table_name = 'texts'")
    assert ("text",) not in published and ("request_id",) in published
