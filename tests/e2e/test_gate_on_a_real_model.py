"""The release gate against a language model that a server of others serves: `transformers serve`, over HTTP on loopback.

The weights are random, so that no answer is true; what is real is the protocol, the tokens that are counted, and that a
version whose settings cut answers off is told from one whose do not.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from eval_house import EvalHouse
from house import price
from training_house import make_generator

from assets.quality.eval_case import KINDS, EvalCase
from assets.release.release_gate import BLOCKED, PASSED
from pipelines.release.release_gate_desk import Asked, ReleaseGateDesk
from resources.contracts import SEEDS

CHAT = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {% endfor %}assistant :"
CASES = 15
PATIENCE_S = 240


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a model called `tiny` answers."""
    folder = tmp_path_factory.mktemp("served")
    (make_generator(folder / "tiny") / "chat_template.jinja").write_text(CHAT, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "tiny", "--host", "127.0.0.1"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("wb") as log, subprocess.Popen(
        [*command, "--port", str(port), "--device", "cpu"], cwd=folder, env=environment, stdout=log, stderr=log
    ) as server:  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server, folder / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def test_the_gate_asks_a_served_model_and_blocks_the_version_whose_answers_are_cut_off(
    tmp_path: Path, base_url: str
) -> None:
    house = EvalHouse(tmp_path / "house")
    # Too few cases for a loss of 5 points: what is shown is the way through a real server, not the size of a suite.
    rules = {"unseen_loss": 0.3, "latency_p95_ms": None}
    house.declare(base_url, runs={"at_once": 2}, rules=rules, model="tiny", key_env=None, timeout_s=60)
    house.set_prices([price("tiny@main", 1.0)])
    checks = {"regex": [r"^\S+ \S+ \S+$"]}
    house.write_suite([
        EvalCase(f"q{i}", KINDS[i % len(KINDS)], f"what is the dax{i}", must_not=("secret",), checks=checks)
        for i in range(CASES)
    ])  # fmt: skip
    for version, tokens in (("v1", 3), ("v2", 3), ("v3", 2)):
        model = {"provider": "acme", "name": "tiny", "settings": {"temperature": 0.0, "max_tokens": tokens}}
        more = {} if version == "v1" else {"rollback_to": "v1"}
        house.write_prompt(version, "what is the {{question}}" if version == "v2" else "{{question}}", model=model, **more)
    (house.seeds / "features.yml").write_text("features: {}\n", encoding="utf-8")
    shutil.copy(SEEDS / "owners.yml", house.seeds)
    (house.seeds / "slos").mkdir()
    verdicts = {name: ReleaseGateDesk(house.desk()).judge(Asked(name), "ana").verdict for name in ("chat@v2", "chat@v3")}
    assert {name: one.outcome for name, one in verdicts.items()} == {"chat@v2": PASSED, "chat@v3": BLOCKED}, verdicts
    rows = house.runs()
    assert len(rows) == 3 * CASES and {row["answered_model"] for row in rows} == {"tiny@main"}
    assert {(row["version"], row["output_tokens"]) for row in rows} == {("chat@v1", 3), ("chat@v2", 3), ("chat@v3", 2)}
    assert all(row["cost_usd"] == Decimal(row["input_tokens"] + 4 * row["output_tokens"]) / 10**6 for row in rows)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and server.poll() is None:
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not begin: {log.read_text(encoding='utf-8')[-2000:]}")
