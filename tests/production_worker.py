"""A code location as small as one can be, for tests of an instance: each run writes lines into the file that it is given,
under the name of the run that was asked for, which a retry keeps."""

import os
import time
from pathlib import Path

import dagster as dg

LINES = Path(os.environ["WORKER_LINES"])


def say(text: str) -> None:
    """Append a line, whole."""
    with LINES.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    asked_for = context.run.root_run_id or context.run_id
    say(f"began {asked_for}")
    time.sleep(float(context.run.tags.get("seconds", "0")))
    say(f"ended {asked_for}")


@dg.job
def short() -> None:
    work()


defs = dg.Definitions(jobs=[short], executor=dg.in_process_executor)
