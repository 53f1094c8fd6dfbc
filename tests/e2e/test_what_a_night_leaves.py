"""What a whole night of `make nightly` leaves on the disk: no word that redaction must keep off, and nothing open to others.

One night in a process of its own, with everything switched on, is looked at from both sides.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from byte_scan import searched
from killing import REPO

from resources.contracts import contracts
from resources.store import Store

TS = "2026-10-31T10:00:00Z"
CAPTURED_TENANT = "larkspur-retail"
"""A tenant whose words the shipped capture.yml keeps."""
CANARIES = {
    "mail": "canary.person.7731@example.com",
    "card": "4929 7226 5379 7141",
    "iban": "GB33BUKB20201555555555",
    "token": "ghp_" + "c4n4RyC4n4rYc4N4ryCANARY0123456789ab",
    "ssn": "536-22-8145",
}
WORD = "qzcanarywordzq"
"""No pattern knows it: it must stay out wherever no word may be kept, or the line could not be read."""


def lines() -> Iterator[str]:
    everything = " ".join(CANARIES.values())
    base = {"ts": TS, "tenant": CAPTURED_TENANT, "provider": "openai", "request_model": "gpt-4o-mini", "user_id": WORD}
    for number, (kind, canary) in enumerate(CANARIES.items()):
        yield json.dumps(base | {
            "request_id": f"r{number}", "prompt_text": f"my {kind} is {canary}, thanks", "output_text": f"I noted {canary}.",
            "system_text": f"key {canary}", "history_text": everything,
            "retrievals": [{"document_id": "d1", "document_text": everything}],
            "tool_calls": [{"tool_name": "send", "arguments_text": json.dumps({"to": canary}), "result_text": everything,
                            "approver_id": CANARIES["mail"]}],
            "feedback": [{"feedback_kind": "comment", "comment_text": everything, "correction_text": canary}],
        })  # fmt: skip
        # In facts: a name, an id, a tag.
        yield json.dumps(base | {
            "request_id": canary, "feature": f"feature {canary}", "error_code": canary, "trace_id": canary,
            "attributes": {"channel": canary, "secret": everything},
        })  # fmt: skip
        # In what cannot be landed: a bad value, a key, no JSON, cut off.
        yield json.dumps(base | {"latency_ms": f"{WORD} {everything}"})
        yield json.dumps(base | {"request_model": {canary: everything, WORD: 1}, WORD: WORD})
        yield f"{everything} {WORD}"
        yield json.dumps(base | {"prompt_text": f"{everything} {WORD}"})[:-20]
        # Where capture is off.
        yield json.dumps({"ts": TS, "tenant": WORD, "prompt_text": f"{everything} {WORD}", "output_text": WORD})


READ, WRITE, ENTER = 4, 2, 1
SECRETS = ("keys", "staging", "spill", "landing", "dagster", "validation", "data_docs")


def others(path: Path) -> int:
    """What somebody in the group or in neither may do, as bits."""
    mode = stat.S_IMODE(path.lstat().st_mode)
    return (mode >> 3 | mode) & 0o7


def open_to_others(root: Path, right: int) -> set[Path]:
    """Files and folders below `root` with a right for others on them, and a way in through every folder above them."""
    found = {root} if others(root) & right else set()
    if others(root) & ENTER:
        for path in root.iterdir():
            if path.is_dir() and not path.is_symlink():
                found |= open_to_others(path, right)
            elif not path.is_symlink() and others(path) & right:
                found.add(path)
    return found


def test_what_others_may_open_is_found(tmp_path: Path) -> None:
    shut, wide = tmp_path / "shut", tmp_path / "wide"
    for folder, mode in ((shut, 0o700), (wide, 0o711)):
        folder.mkdir()
        (folder / "file").touch()
        (folder / "file").chmod(0o604)
        folder.chmod(mode)
    tmp_path.chmod(0o755)
    assert open_to_others(tmp_path, READ) == {tmp_path, wide / "file"}


@dataclass(frozen=True)
class Left:
    """The folders of a night that has ended, and all that it printed."""

    home: Path
    data: Path
    said: str


NIGHTLY, HASHED = ("-m", "pipelines.nightly"), (str(REPO / "tests" / "hashed_night.py"),)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((0o000, HASHED), id="any umask"),
        pytest.param((0o027, NIGHTLY), id="a strict umask and the real model", marks=pytest.mark.proof),
        pytest.param((0o000, NIGHTLY), id="any umask and the real model", marks=pytest.mark.proof),
    ],
)
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """A first night that furnishes the home and is killed, and the one after it; whatever the umask."""
    umask, nightly = request.param
    root = tmp_path_factory.mktemp("night")
    home, data = root / "home", root / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "DAGSTER_"))}
    environment |= {
        "NOCTURNE_HOME": str(home), "NOCTURNE_DATA": str(data), "NOCTURNE_NOW": "2026-11-01T03:00:00",
        "NOCTURNE_SETTLE_SECONDS": "0", "PYTHONPATH": str(REPO),
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", *nightly, "--no-sample", "-v"]
    said = ""
    for failpoint in ("reference.opened", None):
        killed = {"NOCTURNE_FAILPOINT": failpoint} if failpoint else {}
        night = subprocess.run(
            command, cwd=REPO, env=environment | killed, umask=umask, capture_output=True, text=True, check=False
        )
        assert night.returncode in ((-9,) if failpoint else (0, 1)), night.stdout + night.stderr
        said += night.stdout + night.stderr
        # The folder that a team puts its logs into, as the killed night made it.
        (home / "landing" / "gateway").mkdir(exist_ok=True)
        (home / "landing" / "gateway" / "a.jsonl").write_text("".join(f"{line}\n" for line in lines()), encoding="utf-8")
    assert "published" in said, said
    return Left(home, data, said)


def test_no_canary_is_anywhere_but_in_the_landing_folder(left: Left) -> None:
    store = Store(left.data, left.home)
    ((texts, redacted),) = store.rows(f"select count(*), count(redactions) from ({store.scan_all('logs.texts')})")
    assert (texts, redacted) == (45, 45), "the words of five requests were kept, and each had something to redact"

    landing = left.home / "landing"
    stored = [(path, content) for path, content in searched(left.home) if landing not in path.parents]
    assert len({path.parent for path, _ in stored}) > 10
    contents = [(left.home / "output", left.said.encode()), *stored, *searched(left.data)]
    found = {
        f"{path.relative_to(left.home.parent)}: {canary}"
        for path, content in contents
        for canary in (*CANARIES.values(), WORD)
        if canary.encode() in content
    }
    assert found == set()


def test_what_is_not_for_analysts_is_its_owners_alone(left: Left) -> None:
    home, data = left.home, left.data
    assert open_to_others(home, READ | WRITE | ENTER) == set()
    # Each of them is shut by itself: a home that its owner opened opens none of them.
    home.chmod(0o755)
    assert {path.name for path in home.iterdir() if path.is_dir() and others(path)} == set()
    assert {name for name in SECRETS if not (home / name).is_dir()} == set()
    assert [path for path in (home / "keys").rglob("*") if others(path)] == []
    with_words = {c.name for c in contracts().values() if any(column.class_ == "text" for column in c.columns)}
    assert "logs.texts" in with_words
    assert {n for n in with_words if (f := data / Path(*n.split("."))).exists() and others(f)} == set()
    assert (data / "logs" / "texts" / "_delta_log").is_dir()
    assert open_to_others(data, WRITE) == set()
    readable = open_to_others(data, READ)
    assert {data / "_published" / "warehouse-1.duckdb", data} <= readable
    assert any(path.suffix == ".parquet" and "requests" in path.parts for path in readable)
