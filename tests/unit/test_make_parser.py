"""What a command behind `make` says of its usage can be typed as it stands."""

from __future__ import annotations

import pytest

from pipelines.make_parser import MakeParser


def test_a_usage_line_is_what_a_person_types(capsys: pytest.CaptureFixture[str]) -> None:
    parser = MakeParser(prog="make model", description="What serves.")
    promote = parser.add_subparsers(dest="act", required=True).add_parser("promote", help="make a version champion")
    promote.add_argument("model")
    promote.add_argument("--reason", required=True, help="why, in so many words that the line would be broken in the middle")
    with pytest.raises(SystemExit):
        parser.parse_args(["promote"])
    told = capsys.readouterr().err
    assert told.startswith('usage: make model ARGS="promote --reason REASON model"\nmake model promote: error: ')
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    usage, blank, purpose, *_ = capsys.readouterr().out.splitlines()
    assert (usage, blank, purpose) == ('usage: make model ARGS="{promote} ..."', "", "What serves.")
