"""What a game day says at its end: a line for everything that was planted, and every false alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.gameday.verdict import Alarm, Played
from resources import terminal

UNDECLARED = "drift.config"
"""Something came into use that nobody declared: the simulated shop releases prompts and indexes so, and it is true."""


@dataclass(frozen=True)
class GameDay:
    """A world that was played: what was planted, every alert that somebody would have been told, failures of runs."""

    first_day: date
    days: int
    incidents: tuple[Played, ...]
    alarms: tuple[Alarm, ...]
    failures: tuple[str, ...]
    runs: int
    seconds: float

    @property
    def missed(self) -> list[Played]:
        """What a rule has to find, and none did."""
        return [played for played in self.incidents if _has_to_be_found(played) and played.found_by is None]

    @property
    def false_alarms(self) -> list[Alarm]:
        return [alarm for alarm in self.alarms if alarm.caused_by is None and alarm.rule != UNDECLARED]

    @property
    def exit_status(self) -> int:
        """1: something was missed, or a run failed, so that nobody knows what else would have been found."""
        return 1 if self.missed or self.failures else 0

    @property
    def undeclared(self) -> int:
        """Tickets that only say that a new version is in use."""
        return sum(alarm.caused_by is None and alarm.rule == UNDECLARED for alarm in self.alarms)


def print_game_day(game: GameDay) -> None:
    """The table, the false alarms and the sum of it."""
    for line in lines(game):
        print(terminal.one_line(line), flush=True)


def lines(game: GameDay) -> Iterator[str]:
    """The same, line by line."""
    row = "{:<26} {:<18} {:<12} {:<24} {:>9}  {}".format
    yield row("planted", "kind", "day", "found by", "after", "told")
    for played in game.incidents:
        incident = played.incident
        begun = f"{incident.start:%m-%d %H:%M}"
        found = played.found_by or ("MISSED" if _has_to_be_found(played) else "(need not be)")
        after = "" if played.after_hours is None else f"{played.after_hours:.1f} h"
        yield row(incident.name, type(incident).__name__, begun, found, after, _told(played)).rstrip()
    yield ""
    wrong, news = len(game.false_alarms), game.undeclared
    yield f"{wrong} false alarms in {game.days} nights; {news} tickets say that a new version is in use"
    yield from (f"  {a.first_seen:%m-%d %H:%M} {a.severity} {a.rule}: {a.title}" for a in game.false_alarms)
    wanted = [played for played in game.incidents if _has_to_be_found(played)]
    hits = len(wanted) - len(game.missed)
    yield f"{hits} of {len(wanted)} that have to be found were; {game.runs} runs, {game.seconds:.0f} s"
    yield from (f"  missed: {played.incident.name}, which {_finders(played)} should find" for played in game.missed)
    if game.missed:
        yield "  rules keep still below a least cost and a least number of requests: more a day (--requests) show more"
    yield from (f"  failed: {failure}" for failure in game.failures)


def _has_to_be_found(played: Played) -> bool:
    return bool(played.incident.as_truth()["found_by"])


def _finders(played: Played) -> str:
    return " or ".join(played.incident.as_truth()["found_by"])


def _told(played: Played) -> str:
    """After how long somebody could be told, and how urgently."""
    if played.alarm is None or played.alarm.raised_at is None:
        return ""
    hours = (played.alarm.raised_at - played.incident.start) / timedelta(hours=1)
    return f"{played.alarm.severity}, {hours:.0f} h after"
