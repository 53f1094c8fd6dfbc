"""docs/configuration.md: every setting, made from where each is defined.

Environment variables from pipelines/settings.py, commands and their variables from the Makefile, the keys of seeds from the
comment that opens each seed, Dagster's from deploy/dagster.local.yaml. `make docs` writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.settings import INSTANCE_YAML, SETTINGS
from resources.contracts import REPO, SEEDS

PAGE = REPO / "docs" / "configuration.md"
_TARGET = re.compile(r"^([a-z-]+):[^#\n]*## (.+)\n((?:\t.*\n)*)", re.MULTILINE)
_VARIABLE = re.compile(r"\$\(([A-Z][A-Z_0-9]+)\)")
_OF_THE_MAKEFILE = frozenset({"PY", "EXTRA", "STAMP", "MAKEFILE_LIST", "PYTHON_3_11", "SHELL"})
_PAGES = re.compile(r"\((\w[\w-]*\.md)\)")
INTRODUCTION = """# Configuration

Four places hold everything that can be set: the environment, the command line of `make`, the seeds (files under
[warehouse/seeds](../warehouse/seeds), which a person edits and git keeps), and the Dagster instance. `make doctor` says
whether they fit this machine, and names a variable that is misspelt; a key of a seed that nobody reads stops the night.

*This page is made by `make docs` from the code, the Makefile and the seeds; edit those.*

## The environment

| variable | where it is not set | what it is |
|---|---|---|
"""
BEHIND_THE_TABLE = """
Relative folders are below the checkout. Two warehouses live side by side when both `NOCTURNE_HOME` and `NOCTURNE_DATA`
differ.

Libraries read variables of their own: `DAGSTER_HOME` (another folder, or another instance, than the home's), `AWS_*`,
`GOOGLE_APPLICATION_CREDENTIALS` and `AZURE_STORAGE_*` (credentials of the landing place: [landing.md](landing.md)),
`MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` ([registry.md](registry.md)). Addresses of channels and keys of
endpoints stand in variables, too: which ones, `notify.yml`, `judge.yml`, `probes.yml` and `release.yml` say by name.

## Commands

`make` alone lists the commands. Variables stand behind the command: `make check-source FILE=my.jsonl`. `ARGS="..."` is
passed on to the program as it is; `ARGS=--help` shows what that takes.

| command | variables | what it does |
|---|---|---|
"""
SEEDS_INTRODUCTION = """
## Seeds

A seed is read anew by each night; there is nothing to restart. A faulty one stops the night before it begins, with the
file, the key and what it takes. A key that a file does not name has the value that its comment gives as left out. What
follows is each file's own comment, and what it holds as delivered. Three folders have pages of their own: `slos/`
([slos.md](slos.md)), `prompts/` ([prompts.md](prompts.md)) and `evals/` ([evaluations.md](evaluations.md)); `gitleaks/`
holds that project's rules for secrets ([redaction.md](redaction.md)).
"""
DAGSTER_INTRODUCTION = """
## The Dagster instance

`make nightly` and `make dev` put [deploy/dagster.local.yaml](../deploy/dagster.local.yaml) into `$NOCTURNE_HOME/dagster`
once, and leave it alone from then on: edit it there. Where `DAGSTER_HOME` names another instance, that one's own
configuration holds.
"""
_SHOWN_LINES = 12
"""Longer contents of a seed are not repeated: the file has them."""


def commands(makefile: str) -> list[tuple[str, list[str], str]]:
    """(command, its variables, what it does), in the Makefile's order."""
    return [
        (name, list(dict.fromkeys(v for v in _VARIABLE.findall(recipe) if v not in _OF_THE_MAKEFILE)), told)
        for name, told, recipe in _TARGET.findall(makefile)
    ]


def seed_comment(text: str) -> str:
    """The comment that opens a seed, without its marks."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" ").rstrip())
    return "\n".join(lines)


def configuration() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for name, setting in SETTINGS.items():
        meaning = _PAGES.sub(r"([\1](\1))", setting.meaning)
        parts.append(f"| `{name}` | {setting.default} | {meaning} |\n")
    parts.append(BEHIND_THE_TABLE)
    for name, variables, told in commands((REPO / "Makefile").read_text(encoding="utf-8")):
        named = ", ".join(f"`{variable}`" for variable in variables)
        parts.append(f"| `make {name}` | {named} | {told} |\n")
    parts.append(SEEDS_INTRODUCTION)
    parts += [_seed(path) for path in sorted(SEEDS.glob("*.yml"))]
    parts += [DAGSTER_INTRODUCTION, f"\n```yaml\n{INSTANCE_YAML.read_text(encoding='utf-8').strip()}\n```\n"]
    return "".join(parts)


def _seed(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    comment = seed_comment(text)
    rest = text.splitlines()[len(comment.splitlines()) :] if comment else text.splitlines()
    shown = "\n".join(rest).strip()
    if len(rest) > _SHOWN_LINES:
        shown = ""
    example = f"\n```yaml\n{shown}\n```\n" if shown else ""
    link = f"[warehouse/seeds/{path.name}](../warehouse/seeds/{path.name})"
    return f"\n### {path.name}\n\n{link}\n\n```\n{comment}\n```\n{example}"
