"""The keyring: made once, kept private, missed when it is gone, and the same in SQL as in Python."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.keyring import KEY_FILE, Keyring, KeyringError
from resources.warehouse import connect


def test_a_new_keyring_is_private_and_stays_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = Keyring.open(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert Keyring.open(folder, expect_key_id=made.key_id) == made
    assert made.key.hex() not in repr(made)


def test_racing_processes_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({k.key for k in pool.map(lambda _: Keyring.open(tmp_path / "keys"), range(16))}) == 1


def test_a_lost_key_is_an_error_not_a_new_key(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match=r"0badc0de.*Restore the keys folder"):
        Keyring.open(tmp_path / "keys", expect_key_id="0badc0de")
    assert not (tmp_path / "keys" / KEY_FILE).exists()


def test_another_installation_s_key_is_an_error(tmp_path: Path) -> None:
    Keyring.open(tmp_path / "keys")
    with pytest.raises(KeyringError, match="made with key 0badc0de"):
        Keyring.open(tmp_path / "keys", expect_key_id="0badc0de")


@pytest.mark.parametrize("damage", ["", "{}", "[]", "flip"])
def test_a_damaged_key_is_an_error_that_quotes_no_key(tmp_path: Path, damage: str) -> None:
    key = Keyring.open(tmp_path / "keys").key.hex()
    path = tmp_path / "keys" / KEY_FILE
    flipped = path.read_text().replace(key, ("0" if key[0] != "0" else "1") + key[1:])
    path.write_text(flipped if damage == "flip" else damage)
    with pytest.raises(KeyringError, match="damaged") as raised:
        Keyring.open(tmp_path / "keys")
    assert key[1:] not in str(raised.value)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Keyring.open(tmp_path / "keys")
    (tmp_path / "keys" / KEY_FILE).chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring.open(tmp_path / "keys")


@pytest.mark.parametrize("value", ["", "u1", "Zoë 王", "x" * 5000])
def test_sql_composes_the_same_token_from_the_pads(tmp_path: Path, value: str) -> None:
    keyring = Keyring.open(tmp_path / "keys")
    inner, outer = keyring.pads()
    row = connect().execute(
        "select $key_id || '.' || left(sha256($outer || unhex(sha256($inner || encode('user:' || $value)))), 32)",
        {"key_id": keyring.key_id, "inner": inner, "outer": outer, "value": value},
    ).fetchone()  # fmt: skip
    assert row == (keyring.token("user", value),)
    assert keyring.token("tenant", value) != keyring.token("user", value)
