"""Progress of a night in the terminal: the steps' own words, one every few seconds, without Dagster's events."""

import logging
import time

import dagster as dg

from resources import terminal

SECONDS_BETWEEN_LINES = 2.0
_DAGSTERS_OWN = "did not yield or return expected outputs"
"""Dagster remarks on each check that had nothing to look at, by name, in the voice of the step."""


class _Progress(logging.Handler):
    """Prints what steps say of their work, at most one line every SECONDS_BETWEEN_LINES."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._printed_at = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        if meta.get("dagster_event") is not None or time.monotonic() - self._printed_at < SECONDS_BETWEEN_LINES:
            return
        said = str(meta.get("orig_message", record.getMessage()))
        if _DAGSTERS_OWN in said:
            return
        self._printed_at = time.monotonic()
        print(f"  {terminal.one_line(said)}", flush=True)


@dg.logger({}, "The steps' own words, now and then, for `make nightly`.")
def progress(init_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("nocturne.progress", logging.INFO)
    logger.addHandler(_Progress())
    return logger
