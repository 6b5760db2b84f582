"""The calibration benchmark: its simulations have the truth that they claim, and a small run keeps the level."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import calibration
import numpy as np
import pytest
from scipy import stats as scipy_stats

from ganaug.measure.stats import Estimate, two_way

CROSSED = calibration.Crossed("", trials=4, images=80, base=1.5, arm_trial=0.15)
FOLDS = calibration.Folds("", images=60, folds=3, repeats=1)
CELLS = calibration.HiddenCells("few cells", seen=4, trials=4, images=8, folds=2, missing=1)
DRAWS = calibration.CellDraws("few draws", seen=4, trials=4, images=6, missing=0, test_images=8)


def differences(setting: Any, runs: int) -> np.ndarray:
    """(runs, trials, images)"""
    return np.stack(list(setting.differences(runs, np.random.default_rng(3))))


@pytest.mark.parametrize("gain", [0.0, 1.0, 4.0])
def test_trials_have_the_gain_that_is_asked_for(gain: float) -> None:
    by_run = differences(replace(CROSSED, gain=gain), 1500).mean(axis=(1, 2))
    assert by_run.mean() == pytest.approx(gain, abs=4 * by_run.std() / math.sqrt(len(by_run)))


def test_trials_share_what_is_hard_for_one_arm() -> None:
    """Without an arm's own effects on images, images differ by luck alone; with them, by more."""

    def ratio(arm_image: float) -> float:
        found = differences(replace(CROSSED, arm_image=arm_image), 200)
        of_images = found.shape[1] * found.mean(axis=1).var(axis=1, ddof=1)
        return float(of_images.mean() / found.var(axis=1, ddof=1).mean())

    assert ratio(0.0) == pytest.approx(1.0, abs=0.05)
    assert ratio(0.8) > 1.3


@pytest.mark.parametrize("learner", ["centroid", "ridge"])
def test_folds_expect_what_classifiers_then_get(learner: str) -> None:
    """The closed form of a linear classifier's accuracy against its hits on images that it never saw."""
    setting = replace(FOLDS, learner=learner, gain=3.0)
    hits, exact = setting._simulated(400, np.random.default_rng(1), setting._more_distance())
    assert exact.mean() == pytest.approx(3.0, abs=0.6)
    by_run = np.mean([one.mean(axis=1) for one in hits], axis=0)
    assert by_run.mean() == pytest.approx(exact.mean(), abs=4 * by_run.std() / math.sqrt(len(by_run)))


def test_every_image_is_tested_once_a_repeat_in_even_classes() -> None:
    labels = np.arange(60) % 2
    parts = list(replace(FOLDS, repeats=2)._test_parts(np.random.default_rng(0), labels))
    assert np.sum(parts[:3], axis=0).tolist() == [1] * 60
    assert np.sum(parts[3:], axis=0).tolist() == [1] * 60
    assert all(labels[part].mean() == 0.5 for part in parts)


@pytest.mark.parametrize(
    ("setting", "large"), [(CROSSED, 15.0), (replace(FOLDS, images=400, distance=1.0), 15.0)], ids=["crossed", "folds"]
)
def test_a_gain_of_nothing_passes_in_few_runs_and_a_large_one_in_most(setting: Any, large: float) -> None:
    """300 runs: 5 % has a standard error of 1.3 %, so 9 % is three of them above."""
    nothing = calibration.rates(setting, 300)
    assert nothing.passed <= 9
    assert nothing.covered >= 91
    assert calibration.rates(replace(setting, gain=large), 100).passed > 80


def test_a_statistic_that_is_too_sure_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paired t over trials of one test part: it does not know that the images are a sample."""

    def paired_t(differences: np.ndarray) -> Estimate:
        by_trial = differences.mean(axis=1)
        return Estimate(float(by_trial.mean()), float(by_trial.std(ddof=1)) / 2, len(by_trial) - 1.0)

    hard = replace(CROSSED, arm_image=1.0)
    assert calibration.rates(hard, 300).passed <= 9
    monkeypatch.setattr(calibration, "two_way", paired_t)
    assert calibration.rates(hard, 300).passed > 12


def test_two_trials_are_too_few_for_satterthwaite() -> None:
    """Why the two-way statistic has Cochran's quantile."""
    two = replace(CROSSED, trials=2, images=300, arm_trial=0.3)
    before = calibration.rates_by_satterthwaite(two, 1000)
    assert before.passed > 6
    assert before.covered < 92
    assert calibration.rates(two, 1000).covered > 92


def test_satterthwaite_by_hand() -> None:
    """The example of test_stats: mean squares 6, 18 and 2 with 1, 2 and 2 degrees of freedom."""
    estimate = calibration.satterthwaite(np.array([[-1.0, 3.0, 4.0], [1.0, 3.0, 8.0]]))
    assert estimate.degrees_of_freedom == pytest.approx(22**2 / (6**2 / 1 + 18**2 / 2 + 2**2 / 2))
    assert estimate.standard_error == pytest.approx(math.sqrt(22 / 6))


def test_the_interval_of_a_worth_holds_it() -> None:
    """Train parts that lend each other images, as in protocol subsets. By chance 8 of 12 or fewer are 1 in 450."""
    found = calibration.worth_rates(calibration.Labels("", more=2, test_images=100), 12)
    assert found.covered >= 75
    assert found.outside == 0


def test_the_trials_that_a_report_asks_for_do_it() -> None:
    """Of 3 trials that know their spread badly: 3 trials themselves detect such a gain in one run of ten."""
    found = calibration.trials_needed(replace(CROSSED, trials=3, images=400), 60)
    assert found.said
    assert found.detected > 35


def test_passing_is_the_gates_own_one_sided_level() -> None:
    edge = float(scipy_stats.t.isf(0.05, 7))
    assert calibration.passes(Estimate(edge + 1e-6, 1.0, 7.0))
    assert not calibration.passes(Estimate(edge - 1e-6, 1.0, 7.0))
    assert not calibration.passes(two_way(np.zeros((3, 3))))


def test_the_page_has_a_row_for_each_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = {"subsets": [CROSSED, CROSSED], "cv": [replace(FOLDS, title="small folds")]}
    monkeypatch.setattr(calibration, "SETTINGS", few)
    monkeypatch.setattr(calibration, "WORTHS", calibration.WORTHS[:1])
    monkeypatch.setattr(calibration, "NEEDS", calibration.NEEDS[1:2])
    monkeypatch.setattr(calibration, "CELLS", {"cells": [CELLS]})
    monkeypatch.setattr(calibration, "FEW_CLASSES", CELLS)
    monkeypatch.setattr(calibration, "NULLS", {"cell-draws": DRAWS})
    monkeypatch.setattr(sys, "argv", ["calibration.py", "--runs", "20", "--into", str(tmp_path / "out.md")])
    calibration.main()
    page = (tmp_path / "out.md").read_text()
    assert page.count("\n| ") == 2 + 3 + 2 + 1 + 2 + 1 + 2 + 1 + 2 + 1
    assert "| cells | few cells | " in page
    assert "| cv | small folds | " in page
    assert "{" not in page


@pytest.mark.parametrize("setting", [CELLS, DRAWS], ids=["cells", "cell-draws"])
def test_runs_hide_cells_as_their_protocol_does(setting: Any) -> None:
    run = next(setting.comparisons(1, np.random.default_rng(0)))
    hidden = [cell for trial in run.trials for cell in trial.cells.hidden]
    assert {hidden.count((label, 1)) for label in range(4)} == {2}  # by turns
    figures = run.cell_recall_figures(list("abcde")[: setting.classes], ["old", "new"])
    recalls = [figures["a"][name]["new"] for name in "abcd"]
    assert np.mean([of["hidden"] for of in recalls]) < np.mean([of["seen"] for of in recalls])
    assert run.shared_test == (setting is DRAWS)


@pytest.mark.parametrize("setting", [CELLS, DRAWS], ids=["cells", "cell-draws"])
def test_the_level_holds_where_cells_are_hidden(setting: Any) -> None:
    """In 40 runs a rate of 5 % is above 17.5 once in 300."""
    for found in calibration.cell_rates(setting, 40).values():
        assert found.nothing.passed <= 17.5
        assert found.nothing.covered >= 82.5


def test_trials_alone_are_too_sure_of_few_classes() -> None:
    """Ten trials that hide the same three classes in turn. 95 % would be below 90 in 60 runs once in 30."""
    assert calibration.rates_by_trials_alone(calibration.FEW_CLASSES, 60).covered < 90
