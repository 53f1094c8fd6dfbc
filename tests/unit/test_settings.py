"""The environment: what cannot be used is named, and nothing is begun with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.build import build_resources
from pipelines.nightly import main
from pipelines.settings import REPO, Settings, SettingsError, sensor_seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOCTURNE_NOW", "yesterday"),
        ("NOCTURNE_NOW", "@/there/is/no/such/file"),
        ("NOCTURNE_SETTLE_SECONDS", "abc"),
        ("NOCTURNE_MEMORY_LIMIT", "lots"),
        ("NOCTURNE_EMBEDDER_DTYPE", "bf16"),
        ("NOCTURNE_EMBEDDER_DEVICE", "gpu"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}='{value}' cannot be used; it takes "):
        Settings.from_environment()


def test_a_present_in_a_file_moves_under_a_process_that_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    present = tmp_path / "now"
    present.write_text("2026-11-10T03:00:00\n", encoding="ascii")
    monkeypatch.setenv("NOCTURNE_NOW", f"@{present}")
    clock = build_resources(Settings.from_environment())["clock"]
    assert clock.last_due_day() == date(2026, 11, 9)
    present.write_text("2026-11-12T05:00:00+02:00", encoding="ascii")
    assert clock.now() == datetime(2026, 11, 12, 3, tzinfo=UTC)


def test_sensors_look_sooner_in_a_rehearsal_and_never_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOCTURNE_SENSOR_SECONDS", raising=False)
    assert sensor_seconds(60) == 60
    monkeypatch.setenv("NOCTURNE_SENSOR_SECONDS", "30")
    assert (sensor_seconds(60), sensor_seconds(15)) == (30, 15)
    monkeypatch.setenv("NOCTURNE_SENSOR_SECONDS", "0")
    with pytest.raises(SettingsError, match="it takes a whole number of seconds, 1 or more"):
        sensor_seconds(60)


def test_folders_are_below_the_checkout_or_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOCTURNE_HOME", "elsewhere")
    monkeypatch.setenv("NOCTURNE_DATA", str(tmp_path))
    monkeypatch.delenv("NOCTURNE_LANDING", raising=False)
    settings = Settings.from_environment()
    assert (settings.home, settings.data) == (REPO / "elsewhere", tmp_path)
    assert settings.landing == REPO / "elsewhere" / "landing"


def test_a_number_format_or_device_of_the_embedder_is_taken_only_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOCTURNE_EMBEDDER_DTYPE", "NOCTURNE_EMBEDDER_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    embedder = build_resources(Settings.from_environment())["embedder"]
    assert (embedder.dtype, embedder.device) == ("float32", "cpu")
    monkeypatch.setenv("NOCTURNE_EMBEDDER_DTYPE", "bfloat16")
    monkeypatch.setenv("NOCTURNE_EMBEDDER_DEVICE", "cuda:1")
    embedder = build_resources(Settings.from_environment())["embedder"]
    assert (embedder.dtype, embedder.device) == ("bfloat16", "cuda:1")


@dataclass(frozen=True)
class Ended:
    """How `make nightly` ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def nightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`make nightly` over folders below `tmp_path`."""

    def run(**environment: str) -> Ended:
        folders = {"NOCTURNE_HOME": str(tmp_path / "home"), "NOCTURNE_DATA": str(tmp_path / "data")}
        for name, value in {**folders, "DAGSTER_HOME": str(tmp_path / "dagster"), **environment}.items():
            monkeypatch.setenv(name, value)
        return Ended(main([]), *capfd.readouterr())

    return run


@pytest.mark.parametrize(
    ("name", "is_file", "says"),
    [
        ("NOCTURNE_LANDING", False, "is no folder; name the folder that holds your sources"),
        ("NOCTURNE_LANDING", True, "is no folder"),
        ("NOCTURNE_DATA", True, "cannot be made"),
    ],
)
def test_a_night_does_not_begin_in_a_folder_that_is_not_there(
    nightly: Callable[..., Ended], tmp_path: Path, name: str, is_file: bool, says: str
) -> None:
    """A misspelt landing folder must not be filled with sample traffic, nor a night end as if nothing had come."""
    path = tmp_path / "misspelt"
    if is_file:
        path.write_text("not a folder", encoding="utf-8")
    ended = nightly(**{name: str(path)})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"nightly: {name}: ")
    assert says in ended.stderr
    assert not path.is_dir()


def test_the_landing_place_may_be_a_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    monkeypatch.setenv("NOCTURNE_LANDING", "memory://logs")
    settings = Settings.from_environment()
    assert (settings.landing_url, settings.is_own_landing) == ("memory://logs", False)
    assert build_resources(settings)["warehouse"].landing_dir == "memory://logs"


def test_a_night_does_not_begin_with_a_landing_url_that_holds_a_secret(nightly: Callable[..., Ended]) -> None:
    ended = nightly(NOCTURNE_LANDING="s3://key:Zq-Secret-Qz@bucket/logs")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("nightly: NOCTURNE_LANDING: the landing URL s3://bucket/logs was given with a user")
    assert "Zq-Secret" not in ended.stderr


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://ada:Zq-Secret-Qz@mlflow.example:5000", "MLFLOW_TRACKING_PASSWORD"),
        ("https://mlflow.example?token=Zq-Secret-Qz", "MLFLOW_TRACKING_PASSWORD"),
        ("postgresql://ada:Zq-Secret-Qz@db/mlflow", "takes the address of a server"),
        ("mlflow.example:5000", "takes the address of a server"),
    ],
)
def test_the_registry_is_a_server_whose_address_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch, uri: str, says: str
) -> None:
    """It is shown in the UI, as other settings are."""
    monkeypatch.setenv("NOCTURNE_MLFLOW_URI", uri)
    with pytest.raises(SettingsError, match=says) as refused:
        Settings.from_environment()
    assert "Zq-Secret" not in str(refused.value)
    monkeypatch.setenv("NOCTURNE_MLFLOW_URI", "https://mlflow.example:5000/")
    assert build_resources(Settings.from_environment())["registry"].uri == "https://mlflow.example:5000"
