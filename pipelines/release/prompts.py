"""`make prompts`: what the manifests of prompts say, and what is wrong with them; ARGS="diff a@v1 a@v2", "show", "sync".

Exit status 1: a manifest has faults. 2: nothing could be done, and the message says why (docs/prompts.md).
"""

from __future__ import annotations

import argparse
import json
import sys

from assets.release.assets import Prompts
from assets.release.manifest_diff import diff
from assets.release.releases import ReleaseError
from pipelines.build import build_resources
from pipelines.make_parser import MakeParser
from pipelines.release.prompt_desk import PromptDesk
from pipelines.release.release_desk import ReleaseDesk, manifest_of
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError
from resources.model_version import RegistryError
from resources.service_seeds import ServiceSeedError

CANNOT = (ClosedDayError, RegistryError, ReleaseError, ServiceSeedError, SettingsError)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = PromptDesk.of(resources["warehouse"], resources["registry"], resources["clock"])
        prompts = desk.prompts()
        print(terminal.lines(act(desk, prompts, options)))
    except CANNOT as error:
        print(f"prompts: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 1 if prompts.faults and options.act in ("lint", "sync") else 0


def act(desk: PromptDesk, prompts: Prompts, options: argparse.Namespace) -> str:
    """Do what the options state; what there is to say. Raises RegistryError, ReleaseError."""
    if options.act == "diff":
        return diff(manifest_of(prompts, options.before), manifest_of(prompts, options.after))
    if options.act == "show":
        return json.dumps(manifest_of(prompts, options.name).content, indent=2, ensure_ascii=False)
    if options.act == "sync":
        return "\n".join([str(ReleaseDesk(desk).work()), *_faults(prompts)])
    lines = [f"{m.name:32} {m.model.name:32} {m.owner or '-':20} {m.what}" for m in prompts.manifests]
    if options.act == "lint":
        lines = _faults(prompts) or [f"{len(prompts.manifests)} manifests, no faults"]
    return "\n".join(lines) or "seeds/prompts holds no manifest"


def _faults(prompts: Prompts) -> list[str]:
    return [str(fault) for fault in prompts.faults]


def _parser() -> argparse.ArgumentParser:
    parser = MakeParser(prog="make prompts", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("lint", help="what is wrong with the manifests of seeds/prompts")
    acts.add_parser("list", help="the versions that there are")
    acts.add_parser("show", help="all that the application is given, as JSON").add_argument("name", help="support-chat@v13")
    compare = acts.add_parser("diff", help="what differs between two versions")
    compare.add_argument("before", help="support-chat@v12")
    compare.add_argument("after", help="support-chat@v13")
    acts.add_parser("sync", help="bring them into the prompt registry, each version once")
    return parser


if __name__ == "__main__":
    sys.exit(main())
