"""warehouse/seeds/prompts/*.yml: the files of prompt manifests, read and not judged.

What a file says is assets/release/manifest.py's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resources.seed_yaml import SeedYamlError, read_seed

PROMPTS_FOLDER = "prompts"


def read_prompt_files(seeds: Path) -> tuple[dict[str, Any], list[str]]:
    """({file name: its content}, what is wrong with files that are no YAML), in the order of names. No folder: nothing."""
    found, faults = {}, []
    for path in sorted((seeds / PROMPTS_FOLDER).glob("*.yml")):
        try:
            found[path.name] = read_seed(path)
        except SeedYamlError as error:
            faults.append(str(error))
    return found, faults
