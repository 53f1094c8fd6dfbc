"""`make nightly`: one whole night in this process, with what it found and where to look.

The same jobs, planner and warehouse as the schedule and the sensors; runs are recorded in the same Dagster instance.
Exit status 1: a step failed, a check of a contract failed, or a file could not be typed. 2: it could not start, or the disk
let it down between two steps. What Great Expectations finds in the rows once they are published is told, and changes no
exit status.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from assets.expectations import due
from assets.governance.assets import WAITING_TAG
from pipelines.build import build_defs, build_resources, with_defaults
from pipelines.clock import WallClock
from pipelines.drift.probe_desk import ProbeDesk
from pipelines.drift.probe_runs import PROBE
from pipelines.ending import end
from pipelines.jobs import COMPUTE, LAND, PUBLISH, VALIDATE
from pipelines.pages.report_runs import REPORT
from pipelines.pages.report_runs import due as report_due
from pipelines.planner import Plan, make_plan
from pipelines.quality.judge_desk import JudgeDesk
from pipelines.quality.judge_runs import JUDGE
from pipelines.quality.label_inbox import LabelInbox
from pipelines.quality.label_runs import ASK, IMPORT, pending
from pipelines.release.prompt_desk import PromptDesk
from pipelines.release.prompt_runs import SYNC
from pipelines.retrieval.index_runs import INDEX
from pipelines.retrieval.knowledge_desk import KnowledgeDesk
from pipelines.run_troubles import troubles_of
from pipelines.runs import DIGEST_TAG, Runs
from pipelines.sample_traffic import is_new, make_sample
from pipelines.seed_reading import FAULTY_SEED, night_readers
from pipelines.service.alert_board import Board, board
from pipelines.service.alert_desk import AlertDesk
from pipelines.service.alert_runs import ALERT
from pipelines.settings import Settings, SettingsError
from pipelines.summary import print_night
from pipelines.tuning.tuning_desk import TuningDesk
from pipelines.tuning.tuning_runs import KINDS_TAG, TUNING
from resources import disk_trouble, terminal
from resources.contracts import ContractError, contracts
from resources.keyring import KeyringError
from resources.landing_area import LandingError
from resources.process_mark import process_mark
from resources.validation import ValidationRecord
from resources.warehouse_resource import PROCESS_TAG, WarehouseResource

COULD_NOT_START = (*FAULTY_SEED, ContractError, KeyringError, LandingError, SettingsError)
MAX_ROUNDS = 3
"""Plans in one night: a second one is needed only when rows land while the first is computed."""


@dataclass
class Night:
    """What one night did. `failures` are sentences for a person; the night goes on after each.

    `board`: the alerts that stand, and what is wrong with the channels that they go to.
    `doubts`: what was found in rows that readers see already, or None where nothing was validated.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    doubts: list[str] | None = None
    commits: int = 0
    manifest: int = 0
    is_published: bool = False
    plan: Plan = field(default_factory=Plan)
    landed: dict[str, Any] = field(default_factory=dict)
    board: Board = field(default_factory=Board)


class NightRun:
    """One night over one warehouse, with the jobs of `build_defs`."""

    def __init__(self, settings: Settings, say: Any = print, resources: Mapping[str, Any] | None = None):
        self.settings = settings
        self.say = say
        self.resources = with_defaults(resources or build_resources(settings))
        self.warehouse: WarehouseResource = self.resources["warehouse"]
        self.clock: WallClock = self.resources["clock"]
        self.repository = build_defs(self.resources).get_repository_def()
        self.night = Night()

    def read_seeds(self) -> None:
        """Read what people edit before anything is done with it. Raises the error that says what is wrong where."""
        for read in night_readers(self.resources).values():
            read()

    def run(self, instance: dg.DagsterInstance) -> Night:
        """Land, compute what is stale, publish, alert; then tune, which takes hours. Raises nothing that Dagster reports."""
        runs = Runs(instance, COMPUTE)
        for run_id in runs.bury_the_dead():
            self.say(f"run {run_id[:8]} was killed earlier; its days are planned again")
        before = self._versions()
        self._wait_until_settled()
        self._land(instance)
        self._probe(instance)
        self._read_labels(instance)
        self._compute(instance, runs)
        self._ask_for_labels(instance, runs)
        self._judge(instance)
        self._index(instance, runs)
        self._sync_prompts(instance)
        self._publish(instance)
        self._alert(instance)
        if self.tune(instance):
            self._publish(instance)
            self._alert(instance)
        manifest = self.warehouse.publisher().manifest()
        self.night.failures += [f"{day}: {reason}" for day, reason in {**manifest["behind"], **manifest["waiting"]}.items()]
        self.night.commits = sum(version - before[name] for name, version in self._versions().items())
        return self.night

    def validate(self, instance: dg.DagsterInstance) -> None:
        """Put what was published, and has changed, before Great Expectations. It holds nothing back."""
        started = time.perf_counter()
        inputs = due(contracts(), self.warehouse.publisher())
        if inputs is not None:
            self.say("validating what readers see")
            self.night.doubts = []
            self._execute(VALIDATE, instance, {DIGEST_TAG: inputs}, self.night.doubts, only_errors=False)
        elif known := ValidationRecord(self.settings.home).validated(passed=False):
            self.night.doubts = [f"rows of {table} break its contract, as before" for table in known]
        self.night.seconds["validate"] = time.perf_counter() - started

    def report(self, instance: dg.DagsterInstance) -> None:
        """Make the report of what readers see, where there is none yet."""
        started = time.perf_counter()
        inputs = report_due(self.warehouse)
        if inputs is not None:
            self.say("writing the report")
            self._execute(REPORT, instance, {DIGEST_TAG: inputs})
            self.night.seconds["report"] = time.perf_counter() - started

    def _versions(self) -> dict[str, int]:
        store = self.warehouse.store()
        stored = [name for name, c in store.contracts.items() if c.kind not in ("view", "projection")]
        return {name: store.newest(name).version for name in stored}

    def _wait_until_settled(self) -> None:
        moving = [path for path in self.warehouse.landing().waiting() if not self.clock.is_settled(path)]
        if moving:
            self.say(f"waiting {self.clock.settle_seconds:g} s for {len(moving)} new files to settle")
            time.sleep(self.clock.settle_seconds)

    def _land(self, instance: dg.DagsterInstance) -> None:
        started = time.perf_counter()
        waiting = len(self.warehouse.landing().waiting())
        self.say(f"landing {waiting} new files" if waiting else "landing: no new files")
        result = self._execute(LAND, instance, {})
        if result is not None:
            for event in result.get_asset_materialization_events():
                if event.asset_key == dg.AssetKey(["logs", "files"]):
                    metadata = event.materialization.metadata
                    self.night.landed = {key: value.value for key, value in metadata.items()}
        self.night.seconds["land"] = time.perf_counter() - started

    def _probe(self, instance: dg.DagsterInstance) -> None:
        """Ask the golden prompts before what they say is computed. An endpoint that does not answer fails no night."""
        started = time.perf_counter()
        if ProbeDesk.of(self.warehouse, self.clock).is_due():
            Runs(instance, PROBE).bury_the_dead()
            self.say("asking the golden prompts")
            self._execute(PROBE, instance, {})
            self.night.seconds["probe"] = time.perf_counter() - started

    def _read_labels(self, instance: dg.DagsterInstance) -> None:
        """Take what people said before it is computed with."""
        if LabelInbox.of(self.warehouse, self.clock).pending():
            Runs(instance, IMPORT).bury_the_dead()
            self.say("reading labels")
            self._execute(IMPORT, instance, {})

    def _ask_for_labels(self, instance: dg.DagsterInstance, runs: Runs) -> None:
        """Draw from days that have their scores, and compute what reads the draw."""
        if (inputs := pending(self.warehouse, self.clock)) is not None:
            Runs(instance, ASK).bury_the_dead()
            self.say("drawing responses to label")
            self._execute(ASK, instance, {DIGEST_TAG: inputs})
            self._compute(instance, runs)

    def _judge(self, instance: dg.DagsterInstance) -> None:
        """Ask an LLM about what was drawn, where one is declared. One that does not answer fails no night."""
        started = time.perf_counter()
        due = JudgeDesk.of(self.warehouse, self.clock).look()
        if due.why:
            self.say(f"the judge is left out: {due.why}")
        if due.inputs is not None:
            Runs(instance, JUDGE).bury_the_dead()
            self.say("asking the judge")
            self._execute(JUDGE, instance, {DIGEST_TAG: due.inputs})
            self.night.seconds["judge"] = time.perf_counter() - started

    def _index(self, instance: dg.DagsterInstance, runs: Runs) -> None:
        """Bring the knowledge base and its indexes up to date, where there is one, and judge searches by what it is now
        known to have been."""
        started = time.perf_counter()
        if not self._knowledge().is_off():
            Runs(instance, INDEX).bury_the_dead()
            self.say("reading the knowledge base")
            self._execute(INDEX, instance, {})
            self.night.seconds["index"] = time.perf_counter() - started
            self._compute(instance, runs)

    def _sync_prompts(self, instance: dg.DagsterInstance) -> None:
        """Bring the prompt registry up to date, where it is used. One that does not answer fails nothing else."""
        started = time.perf_counter()
        if PromptDesk.of(self.warehouse, self.resources["registry"], self.clock).is_used():
            Runs(instance, SYNC).bury_the_dead()
            self.say("looking at the prompt registry")
            self._execute(SYNC, instance, {})
            self.night.seconds["prompts"] = time.perf_counter() - started

    def tune(self, instance: dg.DagsterInstance, kinds: Sequence[str] = ()) -> bool:
        """Decide what is trained (of `kinds`, if given), and take candidates further; a new embedder's indexes follow.
        False: nothing is enabled, or under way."""
        started, desk = time.perf_counter(), self._tuning()
        if desk.is_off():
            return False
        Runs(instance, TUNING).bury_the_dead()
        self.say("tuning models")
        before = desk.champion()
        self._execute(TUNING, instance, {KINDS_TAG: ",".join(kinds)})
        self.night.seconds["tuning"] = time.perf_counter() - started
        if desk.champion() != before:
            self._index(instance, Runs(instance, COMPUTE))
        return True

    def _tuning(self) -> TuningDesk:
        return TuningDesk.of(self.warehouse, self.resources["embedder"], self.resources["registry"], self.clock)

    def _knowledge(self) -> KnowledgeDesk:
        return KnowledgeDesk.of(self.warehouse, self.resources["embedder"], self.clock)

    def _compute(self, instance: dg.DagsterInstance, runs: Runs) -> None:
        started = time.perf_counter()
        store, due = self.warehouse.store(), self.clock.last_due_day()
        tried: set[str] = set()
        for _ in range(MAX_ROUNDS):
            self.night.plan = make_plan(store, due, runs)
            ranges = [r for r in self.night.plan.ranges if r.inputs_digest not in tried]
            if not ranges:
                break
            for days in ranges:
                tried.add(days.inputs_digest)
                self.say(f"computing {days.first} to {days.last} ({(days.last - days.first).days + 1} days; {days.why})")
                self._execute(COMPUTE, instance, days.tags)
        else:
            self.night.plan = make_plan(store, due, runs)
        self.night.seconds["compute"] = self.night.seconds.get("compute", 0.0) + time.perf_counter() - started

    def _publish(self, instance: dg.DagsterInstance) -> None:
        started = time.perf_counter()
        publisher, due = self.warehouse.publisher(), self.clock.last_due_day()
        inputs = publisher.due(due, self.night.plan.waiting)
        if inputs is not None:
            self.say("publishing")
            self.night.is_published = True
            self._execute(PUBLISH, instance, {DIGEST_TAG: inputs, WAITING_TAG: self.night.plan.waiting_tag})
        self.night.manifest = publisher.current_number()
        self.night.seconds["publish"] = self.night.seconds.get("publish", 0.0) + time.perf_counter() - started

    def _alert(self, instance: dg.DagsterInstance) -> None:
        """Raise what readers can see now, send what is due, and show readers that it was."""
        started = time.perf_counter()
        desk = AlertDesk.of(self.warehouse, self.clock)
        inputs = desk.pending() if self.night.manifest else None
        if inputs is not None:
            self.say("raising alerts")
            self._execute(ALERT, instance, {DIGEST_TAG: inputs})
        if self.night.manifest:
            self.night.board = board(desk)
        self.night.seconds["alert"] = time.perf_counter() - started
        if inputs is not None:
            self._publish(instance)

    def _execute(
        self,
        job: str,
        instance: dg.DagsterInstance,
        tags: Mapping[str, str],
        failures: list[str] | None = None,
        only_errors: bool = True,
    ) -> Any:
        """The run's result, None where it failed; what went wrong is added to `failures`, the night's own by default."""
        failures = self.night.failures if failures is None else failures
        run_id = str(uuid4())
        result = self.repository.get_job(job).execute_in_process(
            instance=instance,
            run_id=run_id,
            # From its first moment: a run that is killed before its first step must be known as dead, too.
            tags={**tags, PROCESS_TAG: process_mark(run_id)},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "INFO"}}} if _verbose() else {"progress": {}}},
        )
        failures += troubles_of(result, job, only_errors)
        return result if result.success else None


def _verbose() -> bool:
    return "-v" in sys.argv or "--verbose" in sys.argv


def main(arguments: list[str] | None = None) -> int:
    """The command line of `make nightly`."""
    parser = argparse.ArgumentParser(prog="make nightly", description=__doc__)
    parser.add_argument("--no-sample", action="store_true", help="leave an empty landing folder empty")
    parser.add_argument("--report", type=Path, help="write the seconds of each part, commits and failures to this JSON file")
    parser.add_argument("--no-validation", action="store_true", help="leave out what Great Expectations says of the result")
    parser.add_argument("-v", "--verbose", action="store_true", help="show Dagster's own log")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    logging.getLogger("dagster").setLevel(logging.INFO if options.verbose else logging.CRITICAL)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        settings.prepare_instance()
        with settings.lock():
            if settings.is_own_landing and not options.no_sample and is_new(settings):
                make_sample(settings)
                # Renamed in whole by this very process: there is nothing to wait for.
                settings = replace(settings, settle_seconds=0.0)
        run = NightRun(settings, say=lambda text: print(terminal.lines(text), flush=True))
        run.read_seeds()
        with settings.instance() as instance:
            night = run.run(instance)
            if night.manifest and not options.no_validation:
                run.validate(instance)
            if night.manifest:
                run.report(instance)
    except COULD_NOT_START as error:
        print(f"nightly: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    except Exception as error:
        trouble = disk_trouble.explain(str(error))
        if trouble is None:
            raise
        print(f"nightly: {trouble}", file=sys.stderr)
        return 2
    night.seconds["whole"] = time.perf_counter() - started
    if options.report:
        report = {"seconds": night.seconds, "commits": night.commits, "failures": night.failures, "manifest": night.manifest}
        options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if not night.manifest:
        for failure in night.failures:
            print(f"nightly: {terminal.lines(failure)}", file=sys.stderr)
        return 1
    print_night(night, run.warehouse, run.clock.last_due_day())
    return 1 if night.failures else 0


if __name__ == "__main__":
    end(main())
