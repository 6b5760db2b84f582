"""A training shown by DVCLive as it goes: asked for by name, and nothing else changes for it."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml
from expect import refused
from stages import TINY_GAN, run
from test_pipeline import artifacts, project

from ganaug.stages import live


class Live:
    """As much of DVCLive's as is used."""

    made: list["Live"]

    def __init__(self, folder: str, **options: Any) -> None:
        self.folder, self.options, self.rows, self.step = folder, options, list[dict[str, float]](), 0
        self.made.append(self)
        self.row: dict[str, float] = {}

    def log_metric(self, name: str, value: float) -> None:
        self.row[name] = value

    def sync(self) -> None:
        self.rows.append({"step": self.step, **self.row})
        self.row = {}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Live]:
    """Every Live that is made."""
    module = ModuleType("dvclive")
    module.__spec__ = sys.__spec__
    Live.made = []
    module.Live = Live  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dvclive", module)
    return Live.made


def test_the_history_of_the_splits_asked_for_is_shown_and_nothing_else_changes(
    tmp_path: Path, made: list[Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, shown = (project(tmp_path / name, gan=TINY_GAN) for name in ("quiet", "shown"))
    run(quiet, "prepare", "train")
    assert made == []
    monkeypatch.setenv("GANAUG_LIVE", "release, 1")
    run(shown, "prepare", "train")
    assert {one.folder for one in made} == {str(shown.root / "dvclive" / name) for name in ("release", "1")}
    for one in made:
        assert [row["step"] for row in one.rows] == [1, 2]
        assert {"d_loss", "g_loss"} <= set(one.rows[0])
        assert None not in one.rows[0].values()
        assert one.options == {"resume": False, "save_dvc_exp": False, "dvcyaml": False}
        assert parse_yaml(Path(one.folder, "dvc.yaml").read_text(), "")["metrics"] == ["metrics.json"]
    assert artifacts(shown) == artifacts(quiet)


def test_what_a_stopped_training_showed_stays(
    tmp_path: Path, made: list[Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANAUG_LIVE", "all")
    live.shown(tmp_path, "0", True)(7, {"step": 7.0, "d_loss": 0.5, "augment_probability": None})
    assert made[0].options["resume"] is True
    assert made[0].rows == [{"step": 7, "d_loss": 0.5}]


def test_what_cannot_be_shown_is_refused_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    live.check(["0", "release"])
    monkeypatch.setenv("GANAUG_LIVE", "true")
    with refused("GANAUG_LIVE: must be splits (0, release) or all, got", '"true"', "unset it"):
        live.check(["0", "release"])
    monkeypatch.setenv("GANAUG_LIVE", "release")
    monkeypatch.setitem(sys.modules, "dvclive", None)
    with refused("dvclive must be installed for GANAUG_LIVE", 'pip install "ganaug[live]"'):
        live.check(["0", "release"])
