"""What redaction must keep off the disk is searched for on the disk, byte by byte, after a whole night through Dagster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from byte_scan import searched

from resources.contracts import REPO
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


def test_no_canary_is_anywhere_but_in_the_landing_folder(tmp_path: Path) -> None:
    landing = tmp_path / "landing" / "gateway"
    landing.mkdir(parents=True)
    (landing / "a.jsonl").write_text("".join(f"{line}\n" for line in lines()))
    environment = os.environ | {
        "NOCTURNE_HOME": str(tmp_path / "home"), "NOCTURNE_DATA": str(tmp_path / "data"),
        "NOCTURNE_LANDING": str(tmp_path / "landing"), "NOCTURNE_NOW": "2026-11-01T03:00:00", "NOCTURNE_SETTLE_SECONDS": "0",
        "DAGSTER_HOME": str(tmp_path / "home" / "dagster"),
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "-v"]
    night = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    assert "published" in night.stdout, night.stdout + night.stderr

    store = Store(tmp_path / "data", tmp_path / "home")
    ((texts, redacted),) = store.rows(f"select count(*), count(redactions) from ({store.scan_all('logs.texts')})")
    assert (texts, redacted) == (45, 45), "the words of five requests were kept, and each had something to redact"

    said = (night.stdout + night.stderr).encode()
    found = {
        f"{path.relative_to(tmp_path)}: {canary}"
        for path, content in [(tmp_path / "output", said), *searched(tmp_path / "home"), *searched(tmp_path / "data")]
        for canary in (*CANARIES.values(), WORD)
        if canary.encode() in content
    }
    assert found == set()
