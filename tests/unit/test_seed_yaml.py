"""Seeds: a slip of the pen is told with its file and line, and never quietly resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.capture import CaptureError
from resources.capture import load as load_capture
from resources.seed_yaml import SeedYamlError, read_seed
from resources.sources import SourceError
from resources.sources import load as load_sources


def seed(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "seed.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "seed.yml names 'a' twice, in line 3"),
        ("list:\n  - {mode: off, mode: full}\n", "seed.yml names 'mode' twice, in line 2"),
        ("a:\n\t- b\n", "seed.yml is not YAML"),
        ("since: 2026-13-01\n", "seed.yml is not YAML: month must be in 1..12"),
        ("a: 1\ncontent: {{question}}\n", 'a key that is no text, in line 2; quote {{...}}: "{{question}}"'),
        ("? [a, b]\n: 1\n", "a key that is no text, in line 1"),
        ("a: !!int ''\n", "seed.yml is not YAML"),
        ("- " * 100_000 + "x", "nested more than 100 levels deep, in line 1"),
        ("a: " + "{b: " * 200 + "}" * 200, "nested more than 100 levels deep, in line 1"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SeedYamlError) as raised:
        read_seed(seed(tmp_path, text))
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_yaml_is_read_as_ever(tmp_path: Path) -> None:
    assert read_seed(seed(tmp_path, "a: &x {b: [1, 2]}\nc: *x\n")) == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    assert read_seed(seed(tmp_path, "")) is None


def test_a_source_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="names 'gateway' twice"):
        load_sources(seed(tmp_path, "sources:\n  gateway: {format: canonical}\n  gateway: {format: otlp}\n"))


def test_a_rule_for_a_source_that_is_not_declared_keeps_nothing_open(tmp_path: Path) -> None:
    text = "capture:\n  - {source: gatewy, mode: off}\n  - {mode: full}\n"
    with pytest.raises(CaptureError, match="rule 1 names source gatewy, which sources"):
        load_capture(seed(tmp_path, text), ["gateway"])
