# Every command of the project. `make` alone lists them; ARGS="..." is passed on, NOCTURNE_* comes from the environment.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export HF_HUB_OFFLINE := 1
export DAGSTER_DISABLE_TELEMETRY := yes
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PY := .venv/bin/python
EXTRA := $(if $(GPU)$(wildcard .venv/installed-gpu),gpu,cpu)
STAMP := .venv/installed-$(EXTRA)
PYTHON_3_11 := $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP) ## install the pinned set into .venv, once (GPU=1: FAISS for CUDA)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON_3_11)" || { echo "setup: neither python3.11 nor python3 is Python 3.11; install it and run make setup again" >&2; exit 2; }
	@test -x $(PY) || $(PYTHON_3_11) -m venv .venv
	@$(PY) -m pipelines.doctor $(EXTRA) && echo "installing the pinned set into .venv (minutes, the first time)"
	@$(PY) -m pip install -qq -c constraints.txt -e '.[$(EXTRA),dev]' && touch $@

doctor: ## is this installation fit for a night, and what to do where it is not (ARGS=--json)
	@test -x $(PY) || { echo "doctor: nothing is installed yet; run make setup" >&2; exit 1; }
	@$(PY) -W ignore -m pipelines.doctor $(ARGS)

nightly: setup ## one whole night: land, compute what is stale, publish (an empty landing folder gets sample traffic)
	@$(PY) -W ignore -m pipelines.nightly $(ARGS)

dev: setup ## the Dagster UI and its daemon on http://127.0.0.1:3000
	@$(PY) -W ignore -m pipelines.dev $(ARGS)

test: setup ## all tests but the long proofs
	@$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

proof: setup ## the long proofs: every crash point, every race
	@$(PY) -m pytest -q -m proof $(ARGS)

check: setup ## lint, layers and types
	@.venv/bin/ruff check . && .venv/bin/mypy

bench: setup ## claims about speed, against named baselines
	@$(PY) -W ignore -m benchmarks.nightly $(ARGS)

bench-drift: setup ## drift tests beside Evidently, which has .venv/bench for itself (benchmarks/README.md)
	@test -x .venv/bench/bin/evidently || { $(PY) -m venv .venv/bench && grep -v '^pandas==' constraints.txt > .venv/bench/constraints.txt && .venv/bench/bin/pip install -qq -c .venv/bench/constraints.txt evidently==0.7.23 pandas==2.3.3; }
	@$(PY) -W ignore -m benchmarks.drift $(ARGS)

bench-pages: setup ## the pages over ten million requests in a Chromium, beside plain DuckDB (ARGS="--cache FOLDER --write")
	@$(PY) -W ignore -m benchmarks.pages $(ARGS)

rotate-key: setup ## make pseudonyms with a new key from now on; earlier ones stay for look-ups (docs/keys.md)
	@$(PY) -W ignore -m pipelines.governance.rotate_key

check-source: setup ## how a log file would land: FILE=my.jsonl, with FORMAT=otlp (left out: the one that fits), or SOURCE=
	@test -n "$(FILE)" || { echo "usage: make check-source FILE=my.jsonl [FORMAT=otlp] (or SOURCE=gateway)" >&2; exit 2; }
	@$(PY) -W ignore -m pipelines.check_source "$(FILE)" $(if $(SOURCE),--source $(SOURCE),$(if $(FORMAT),--format $(FORMAT)))

audit: setup ## known vulnerabilities of the pinned packages, by the package index or a clone of advisories: ADVISORIES=folder
	@test -n "$(ADVISORIES)" -o -x .venv/audit/bin/pip-audit || { $(PY) -m venv .venv/audit && .venv/audit/bin/pip install -qq -c constraints.txt pip-audit==2.10.1; }
	@$(PY) -m pipelines.governance.audit $(if $(ADVISORIES),--advisories "$(ADVISORIES)",.venv/audit/bin/pip-audit)

alerts: setup ## alerts that are open (ARGS="--all": all of them)
	@$(PY) -W ignore -m pipelines.service.alert list $(ARGS)

ack: setup ## you look at an alert, so that it does not escalate: ALERT=5c57e844
	@test -n "$(ALERT)" || { echo "usage: make ack ALERT=5c57e844 (make alerts names them)" >&2; exit 2; }
	@$(PY) -W ignore -m pipelines.service.alert $(ARGS) ack "$(ALERT)"

outcome: setup ## what an alert turned out to be: ALERT=5c57e844 IS=incident, expected or noise
	@test -n "$(ALERT)" -a -n "$(IS)" || { echo "usage: make outcome ALERT=5c57e844 IS=incident (or expected, or noise)" >&2; exit 2; }
	@$(PY) -W ignore -m pipelines.service.alert $(ARGS) outcome "$(ALERT)" "$(IS)"

incident: setup ## write down what happens to an incident: ARGS="open --alert 5c57e844", "resolve 2026-11-10-1", "list" (docs/alerts.md)
	@$(PY) -W ignore -m pipelines.service.incident $(ARGS)

gameday: setup ## simulated weeks with planted incidents through schedules and sensors: what is found, when (ARGS="--weeks 2 --seed 7")
	@$(PY) -W ignore -m pipelines.gameday $(ARGS)

probe: setup ## ask the golden prompts of tonight that are not asked yet (seeds/probes.yml; ARGS=--check asks nothing)
	@$(PY) -W ignore -m pipelines.drift.probe $(ARGS)

judge: setup ## ask an LLM about the answers that it has not judged yet (seeds/judge.yml; ARGS=--check asks nothing)
	@$(PY) -W ignore -m pipelines.quality.judge $(ARGS)

label-queue: setup ## draw the responses that people are asked to judge, and write their files (docs/labelling.md)
	@$(PY) -W ignore -m pipelines.quality.label queue

labelling: setup ## the page where people judge answers, on http://127.0.0.1:3001 (docs/labelling.md)
	@$(PY) -W ignore -m pipelines.quality.labelling_page $(ARGS)

pages: setup ## executive, on-call, debug and SQL pages on http://127.0.0.1:3002 (docs/pages.md; ARGS="--port 3005")
	@$(PY) -W ignore -m pipelines.pages.show_pages $(ARGS)

screenshots: setup ## pictures of the pages for the documentation, by a Chromium of this machine
	@$(PY) -W ignore -m pipelines.pages.screenshots $(ARGS)

import-labels: setup ## take what people said: files in the home's labelling/inbox
	@$(PY) -W ignore -m pipelines.quality.label import

cases: setup ## failures become evaluation cases: ARGS="accept 2026-11-10-3 --kind answerable", "fixed ...", "list" (docs/eval-cases.md)
	@$(PY) -W ignore -m pipelines.release.eval_cases $(or $(ARGS),propose)

review: setup ## the review of last week (WEEK=2026-W46), or ARGS="monthly", "quarterly", "list", "done weekly/... --note '...'"
	@$(PY) -W ignore -m pipelines.governance.review $(if $(ARGS),$(ARGS),weekly $(WEEK))

index: setup ## read the knowledge base and release its indexes (seeds/knowledge.yml; ARGS="rollback main", "--accept main")
	@$(PY) -W ignore -m pipelines.retrieval.index $(ARGS)

tune: setup ## decide what is trained, train it, judge, promote: ARGS="--check", "--kind retriever --now", "list", "cancel 1f2e"
	@$(PY) -W ignore -m pipelines.tuning.tune $(ARGS)

train-detector: setup ## train the detector of hallucinations on the labels so far (docs/quality.md)
	@$(PY) -W ignore -m pipelines.quality.train_detector

model: setup ## registered models and who is champion: ARGS="list", "promote embedder 3", "rollback embedder" (docs/registry.md)
	@$(PY) -W ignore -m pipelines.tuning.model $(or $(ARGS),list)

approve: setup ## what waits for a person; WHAT=tuning/embedder/<candidate> ARGS="--reason '...'" lets it go live (--refuse: not)
	@$(PY) -W ignore -m pipelines.governance.approve $(if $(WHAT),"$(WHAT)") $(ARGS)

evals: setup ## what evaluation suites cover, and what they lack: ARGS=support for one (docs/evaluations.md)
	@$(PY) -W ignore -m pipelines.release.evals $(ARGS)

gate: setup ## may a version be released? ARGS="support@v13", "--check", "--junit gate.xml" (docs/evaluations.md)
	@$(PY) -W ignore -m pipelines.release.gate $(ARGS)

replay: setup ## an incident's requests, asked of a candidate: ARGS="support@v13 --incident 2026-11-09-1"
	@$(PY) -W ignore -m pipelines.release.replay $(ARGS)

deployment: setup ## state a deployment: ARGS="start v13 --what 'shorter answers' --minutes 30", "finish v13", "list"
	@$(PY) -W ignore -m pipelines.release.deployment $(ARGS)

prompts: setup ## what prompt manifests say: ARGS="lint" (what is wrong), "diff a@v1 a@v2", "sync" (docs/prompts.md)
	@$(PY) -W ignore -m pipelines.release.prompts $(or $(ARGS),list)

release: setup ## what is live: ARGS="promote a@v2 --reason '...'", "rollback a --reason '...'", "list" (docs/releases.md)
	@$(PY) -W ignore -m pipelines.release.release $(or $(ARGS),list)

backup: setup ## the whole warehouse as one set: TO=/backups (or TO=x.tar.zst), KEYS_TO=/safe; ARGS="--keep 7"
	@test -n "$(TO)" || { echo "usage: make backup TO=/backups [KEYS_TO=/safe] [ARGS=\"--keep 7\"]" >&2; exit 2; }
	@$(PY) -W ignore -m pipelines.governance.backup --to "$(TO)" $(if $(KEYS_TO),--keys-to "$(KEYS_TO)") $(ARGS)

restore: setup ## a set becomes a warehouse in empty folders: FROM=/backups/nocturne-..., KEYS_FROM=/safe
	@test -n "$(FROM)" || { echo "usage: make restore FROM=/backups/nocturne-... [KEYS_FROM=/safe]" >&2; exit 2; }
	@$(PY) -W ignore -m pipelines.governance.restore --from "$(FROM)" $(if $(KEYS_FROM),--keys-from "$(KEYS_FROM)") $(ARGS)

maintain: setup ## what the schedule does every day: close days by retention, remove what nobody needs (docs/retention.md)
	@$(PY) -W ignore -m pipelines.governance.maintain_now

docs: setup ## write the pages that are made: the analysts' guide, configuration, lineage, differences between formats
	@$(PY) -m pipelines.pages.guide

.PHONY: gameday pages screenshots doctor evals replay gate prompts release model approve help setup alerts ack outcome incident probe judge label-queue labelling import-labels cases review index tune train-detector deployment nightly dev test proof check rotate-key check-source bench bench-drift bench-pages audit backup restore maintain docs
