"""The benchmark of gains: that its scenarios are what their titles say, and what it writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmark import load

from ganaug.stages import prepare
from ganaug.stages.progress import Progress

gain = load("gain")
SMALL: dict[str, Any] = {
    "gan": {"steps": 4, "batch_size": 8, "generator_width": 4, "discriminator_width": 4},
    "classifier": {"steps": 6, "width": 4},
    "synth": {"per_class": 8},
    "device": "cpu",
    "jobs": 1,
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two scenarios of the digits, so short that their figures mean nothing; everything is written below the path."""
    even, tail = (dict(gain.SCENARIOS[name].changes) for name in ("digits-5", "fashion-tail"))
    even["protocol"] = {"trials": 2, "test_per_class": 20}
    tail["protocol"] = {**tail["protocol"], "trials": 2, "train_per_class": 12, "test_per_class": 20}
    shortened = {
        "digits-5": replace(gain.SCENARIOS["digits-5"], changes={**SMALL, **even}),
        "fashion-tail": replace(
            gain.SCENARIOS["fashion-tail"], base=gain.DIGITS, changes={**SMALL, "synth": {"balance": "fill"}, **tail}
        ),
    }
    monkeypatch.setattr(gain, "SCENARIOS", shortened)
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
        said = re.findall(r"(\d+)(?: to (\d+))? a class", scenario.title)[0]
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
    prepare.prepare(made, Progress(tmp_path / "progress"))


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
    assert document.index("digits, 5 a class, 2 trials") < document.index("long tail")
    assert "rare class" in document.partition("long tail")[2]
    assert "rare class" not in document.partition("long tail")[0]


def test_the_readme_has_the_committed_figures() -> None:
    document = (gain.ROOT / "docs" / "gain.md").read_text()
    assert document == gain.document()
    table = re.findall(r"(?:^\|.*\n)+", document, re.M)[0]
    assert table in (gain.ROOT / "README.md").read_text()


def test_the_overview_tells_each_run(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "fashion-tail")
    found = json.loads((small / "docs" / "figures" / "gain-fashion-tail.json").read_text())
    row = gain.overview({"fashion-tail": found}).splitlines()[-1].split(" | ")
    assert row[0] == "| Fashion-MNIST, a long tail of 50 to 5 a class, topped up to 50, 2 trials (macro-F1)"
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
