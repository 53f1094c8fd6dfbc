"""What is sent on behalf of a version: the settings of its manifest, and no second cap beside theirs."""

from __future__ import annotations

from typing import Any

import pytest
from prompt_house import manifest

from assets.release.manifest import parse_manifest
from pipelines.release.eval_versions import Version
from resources.release_seed import EvalEndpoint


@pytest.mark.parametrize("endpoint_name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("setting", ["max_tokens", "max_completion_tokens"])
def test_one_cap_on_tokens_is_sent_and_it_is_the_manifests(endpoint_name: str, setting: str) -> None:
    model: dict[str, Any] = {"provider": "openai", "name": "m", "settings": {setting: 600}}
    made = parse_manifest(manifest(model=model), "support.yml")
    endpoint = EvalEndpoint("main", "http://127.0.0.1", "m", max_tokens=300, max_tokens_name=endpoint_name)
    caps = {key: value for key, value in Version("v", endpoint, made).of([], 1).items() if key.startswith("max_")}
    assert caps == {setting: 600}
    plain = Version("v", endpoint).of([], 1)
    assert plain[endpoint_name] == 300
