"""From predictions to arms and gains, on predictions made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from ganaug.evaluate.gains import arm_figures, gain_figures
from ganaug.evaluate.stats import two_way

LABELS = np.array([0, 0, 1, 1])
RIGHT = np.array([0, 0, 1, 1])
ONE_WRONG = np.array([0, 0, 1, 0])
TWO_WRONG = np.array([1, 0, 1, 0])


@pytest.fixture
def predictions() -> dict[str, np.ndarray]:
    return {"none": np.stack([TWO_WRONG, ONE_WRONG]), "gan": np.stack([RIGHT, ONE_WRONG])}


def test_arms_have_mean_and_spread_over_trials_in_percent(predictions: dict[str, np.ndarray]) -> None:
    figures = arm_figures(predictions, LABELS, 2)
    assert list(figures) == ["none", "gan"]
    assert set(figures["gan"]) == {"accuracy", "balanced_accuracy", "macro_f1"}
    assert figures["none"]["accuracy"] == {"mean": pytest.approx(62.5), "sd": pytest.approx(25 / np.sqrt(2))}
    f1 = [100 * reference.f1_score(LABELS, row, average="macro") for row in predictions["gan"]]
    assert figures["gan"]["macro_f1"] == {"mean": pytest.approx(np.mean(f1)), "sd": pytest.approx(np.std(f1, ddof=1))}


def test_gains_by_hand(predictions: dict[str, np.ndarray]) -> None:
    gains = gain_figures(predictions, LABELS, 2, [("gan", "none")], 0.9)
    assert list(gains) == ["gan_vs_none"]
    figure = gains["gan_vs_none"]["accuracy"]
    assert figure["by_trial"] == pytest.approx([50.0, 0.0])
    assert figure["mean"] == pytest.approx(25.0)
    expected = two_way(100.0 * np.array([[1, 0, 0, 1], [0, 0, 0, 0]]))
    assert figure["standard_error"] == pytest.approx(expected.standard_error)
    assert (figure["ci_low"], figure["ci_high"]) == pytest.approx(expected.interval(0.9))
    assert figure["p_value"] == pytest.approx(expected.p_two_sided())
    assert (figure["unit"], figure["confidence"], figure["trials"]) == ("percentage points", 0.9, 2)
    assert "crossed" in figure["method"]


def test_gains_are_differences_of_arms_in_every_metric() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 50)
    predictions = {name: rng.integers(0, 4, (3, 50)) for name in ("none", "classical", "gan")}
    arms = arm_figures(predictions, labels, 4)
    gains = gain_figures(predictions, labels, 4, [("gan", "none"), ("classical", "gan")], 0.95)
    for pair, (name, against) in {"gan_vs_none": ("gan", "none"), "classical_vs_gan": ("classical", "gan")}.items():
        for metric, figure in gains[pair].items():
            assert figure["mean"] == pytest.approx(arms[name][metric]["mean"] - arms[against][metric]["mean"])
            assert np.mean(figure["by_trial"]) == pytest.approx(figure["mean"])
            assert figure["ci_low"] < figure["mean"] < figure["ci_high"]


def test_turning_a_pair_around_turns_its_figures_around() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 40)
    predictions = {name: rng.integers(0, 3, (4, 40)) for name in ("a", "b")}
    gains = gain_figures(predictions, labels, 3, [("a", "b"), ("b", "a")], 0.95)
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        there, back = gains["a_vs_b"][metric], gains["b_vs_a"][metric]
        assert there["mean"] == pytest.approx(-back["mean"])
        assert there["ci_low"] == pytest.approx(-back["ci_high"])
        assert there["p_value"] == pytest.approx(back["p_value"])


def test_an_arm_gains_nothing_on_its_twin() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 30)
    arm = rng.integers(0, 3, (5, 30))
    gains = gain_figures({"a": arm, "b": arm.copy()}, labels, 3, [("a", "b")], 0.95)
    for figure in gains["a_vs_b"].values():
        assert (figure["mean"], figure["ci_low"], figure["ci_high"], figure["p_value"]) == (0.0, 0.0, 0.0, 1.0)
        assert figure["by_trial"] == [0.0] * 5


def test_one_trial_has_no_interval(predictions: dict[str, np.ndarray]) -> None:
    single = {name: rows[:1] for name, rows in predictions.items()}
    figure = gain_figures(single, LABELS, 2, [("gan", "none")], 0.95)["gan_vs_none"]["accuracy"]
    assert figure["mean"] == pytest.approx(50.0)
    assert (figure["ci_low"], figure["ci_high"], figure["p_value"], figure["standard_error"]) == (None,) * 4
    assert arm_figures(single, LABELS, 2)["gan"]["accuracy"]["sd"] is None
