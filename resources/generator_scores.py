"""What generators make of the examples of a frozen set, measured in a process of its own (trainers/score_generator.py)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resources.contracts import REPO
from resources.process_group import end_group
from resources.training_spec import QUIET

COLUMNS = pa.schema([
    ("example_id", pa.string()), ("feature", pa.string()), ("group", pa.string()), ("model", pa.string()),
    ("nll", pa.float64()), ("rejected_nll", pa.float64()), ("prefers_chosen", pa.bool_()), ("tokens", pa.int64()),
    ("seconds", pa.float64()),
])  # fmt: skip
"""A row is an example under a model, `candidate` or `champion`; `nll` in nats a token. No text."""


_SECONDS_TO_STOP = 10.0


class GeneratorScoresError(RuntimeError):
    """Generators that could not be measured; says why."""


class ScoringOverdueError(GeneratorScoresError):
    """A measurement that did not end in time, and was ended."""


def generator_scores(
    base: Path, candidate: Path, champion: Path | None, examples: Path, environment: Mapping[str, str],
    most_tokens: int = 1_024, most_seconds: float = 7_200.0,
) -> pa.Table:
    """COLUMNS of each example under the candidate's adapter, and the champion's, or the base model where there is none.

    `examples`: a Parquet file of the layout of a dataset `sft` or `preferences`. `environment`: all variables that the
    process sees (resources/trainer.py: passed_on). Raises GeneratorScoresError; of those ScoringOverdueError where it takes
    longer than `most_seconds`.
    """
    for adapter in (candidate, champion):
        if adapter is not None and not (adapter / "adapter_model.safetensors").is_file():
            raise GeneratorScoresError(f"{adapter} has no adapter_model.safetensors: it is no adapter that was trained here")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "values.parquet"
        given = {"base": base, "candidate": candidate, "champion": champion, "examples": examples, "out": out}
        named = [word for name, path in given.items() if path is not None for word in (f"--{name}", str(path))]
        log = Path(folder) / "log.txt"
        with log.open("wb") as words:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "trainers.score_generator", *named, "--max-tokens", str(most_tokens)],
                cwd=REPO, env={**environment, **QUIET}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words,
                start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait(most_seconds)
            except subprocess.TimeoutExpired:
                end_group(process, _SECONDS_TO_STOP)
                raise ScoringOverdueError(
                    f"generators were not measured within {most_seconds / 3600:g} hours, and the measurement was ended"
                ) from None
            except BaseException:
                end_group(process, _SECONDS_TO_STOP)
                raise
        if status:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            why = (lines or [f"exit status {status}"])[-1]
            raise GeneratorScoresError(f"generators could not be measured: {why[:500]}")
        return pq.read_table(out)
