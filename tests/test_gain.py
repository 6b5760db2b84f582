"""The benchmark of gains: that its scenarios are what their titles say, and what it writes."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import gain
import pytest
import semi
from stages import run as run_stages

from ganaug import store
from ganaug.classify.arms import gain_pairs
from ganaug.stages.project import Project

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")


def figure(*of: str) -> dict[str, Any]:
    """A figure of its own for each name."""
    mean = crc32(" ".join(of).encode()) % 1000 / 100
    return {"mean": mean, "sd": 1.0, "ci_low": mean - 1, "ci_high": mean + 1, "p_value": 0.1, "by_trial": [mean] * 2}


def measured(made: Project) -> None:
    """In the place of a run: a summary of its shape, with made-up figures."""
    settings, classes = made.settings, [str(digit) for digit in range(10)]
    pairs = [f"{arm}_vs_{base}" for arm, base in gain_pairs(settings.classify.arms)]
    counts = settings.protocol.train_counts(10)
    summary = {
        "ganaug": "0.1.0",
        "dataset": {
            "trials": settings.protocol.trials,
            "train_images": dict(zip(classes, map(float, counts), strict=True)),
        },
        "arms": {arm: {metric: figure(arm, metric) for metric in METRICS} for arm in settings.classify.arms},
        "gains": {pair: {metric: figure(pair, metric) for metric in METRICS} for pair in pairs},
        "recall_gains": {pair: {name: figure(pair, name) for name in classes} for pair in pairs},
        "fidelity": {"gan_train": figure("gan_train")},
        "settings": {"synth": {"balance": settings.synth.balance}},
    }
    store.write_json(made.reports / "summary.json", summary)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two scenarios that are not run; everything is written below the path."""
    monkeypatch.setattr(gain, "SCENARIOS", {name: gain.SCENARIOS[name] for name in ("digits-5", "fashion-tail")})
    monkeypatch.setattr(gain, "pipeline", SimpleNamespace(run=measured))
    monkeypatch.setattr(gain, "ROOT", tmp_path)
    monkeypatch.setattr(gain, "BUILD", tmp_path / "build")
    monkeypatch.setattr(gain, "FIGURES", tmp_path / "docs" / "figures")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["gain.py", *words])
    gain.main()


def test_scenarios_are_what_their_titles_say() -> None:
    for name, scenario in gain.SCENARIOS.items():
        protocol = gain.project(name, "report", None).settings.protocol
        counts = protocol.train_counts(10)
        said = re.findall(r"(\d+)(?: to (\d+))? (?:a|per) class", scenario.title)[0]
        assert counts[0] == int(said[0])
        assert counts[-1] == int(said[1] or said[0])
        assert protocol.trials >= 5
        assert protocol.unlabelled_per_class == (200 if "without labels" in scenario.title else 0)


@pytest.mark.parametrize("name", ["digits-5", "digits-10", "digits-tail"])
@pytest.mark.parametrize("draws", ["report", "tuning"])
def test_the_digits_have_enough_images(name: str, draws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gain, "BUILD", tmp_path)
    made = gain.project(name, draws, None)
    made.root.mkdir(parents=True)
    run_stages(made, "prepare")


def test_every_table_has_smote_and_the_best_classical_policy() -> None:
    for name in gain.SCENARIOS:
        assert {"classical", "gan+classical", "smote+classical"} <= set(
            gain.project(name, "report", None).settings.classify.arms
        )


def test_it_writes_what_it_prints(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "digits-5")
    run(monkeypatch, "fashion-tail")
    document, printed = (small / "docs" / "gain.md").read_text(), capsys.readouterr().out
    for name in gain.SCENARIOS:
        found = json.loads((small / "docs" / "figures" / f"gain-{name}.json").read_text())
        summary = json.loads((small / "build" / f"{name}-report" / "reports" / "summary.json").read_text())
        metric = {"digits-5": "accuracy", "fashion-tail": "macro_f1"}[name]
        assert found["arms"]["gan"] == summary["arms"]["gan"][metric]
        gains = summary["gains"]["gan+classical_vs_smote+classical"]
        assert found["gains"]["gan+classical_vs_smote+classical"]["mean"] == gains[metric]["mean"]
        assert gain.tables(found) in document
        assert gain.tables(found) in printed
    assert document.index(f"{gain.SCENARIOS['digits-5'].title}, 10 trials") < document.index("long tail")
    assert "rare class" in document.partition("long tail")[2]
    assert "rare class" not in document.partition("long tail")[0]


def test_the_page_is_of_the_committed_figures() -> None:
    assert (gain.ROOT / "docs" / "gain.md").read_text() == gain.document()
    assert (gain.ROOT / "docs" / "ways.md").read_text() == semi.document()


def test_the_overview_tells_each_run(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "fashion-tail")
    found = json.loads((small / "docs" / "figures" / "gain-fashion-tail.json").read_text())
    row = gain.overview({"fashion-tail": found}).splitlines()[-1].split(" | ")
    assert row[0] == f"| {gain.SCENARIOS['fashion-tail'].title}, 5 trials (macro-F1)"
    gains = found["gains"]
    assert row[2].startswith(f"{gains['gan_vs_none']['mean']:+.2f} (")
    assert row[6].strip(" |") == ""  # no arm of pseudo-labels there
    assert row[5].startswith(f"{gains['smote+classical_vs_classical']['mean']:+.2f} (")


def test_tuning_draws_are_printed_and_not_written(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "digits-5", "--draws", "tuning", "--trials", "1")
    assert "gan+classical over classical" in capsys.readouterr().out
    assert not (small / "docs").exists()
    run(monkeypatch, "digits-5", "--trials", "1")  # nor a run that is shorter than the scenario's own
    assert not (small / "docs").exists()
    with pytest.raises(SystemExit):
        run(monkeypatch, "digits-6")
