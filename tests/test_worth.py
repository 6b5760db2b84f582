"""Gains in equivalent labels: read off curves whose answer is known, with intervals that cover it."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import isotonic_regression

from ganaug.evaluate import equivalent_labels as worth
from ganaug.evaluate import gains
from ganaug.evaluate.equivalent_labels import Curve, fold_means, monotone, shared_means, spread_like
from ganaug.evaluate.gains import Comparison, CurvePoint
from ganaug.evaluate.learning_curves import curve_figures, worth_figures

UP = Curve((5.0, 10.0, 20.0), own=0)
DOWN = Curve((5.0, 10.0, 20.0), own=2)
LINE = np.array([[80.0, 84.0, 88.0]])  # 4 points a doubling


def read(curve: Curve, gain: float, scores: np.ndarray = LINE) -> float:
    return float(curve.more_images(scores, np.array([gain]))[0])


# ------------------------------------------------------------------------------------------------------ the curve


@pytest.mark.parametrize(
    ("gain", "images"), [(0.0, 0.0), (4.0, 5.0), (8.0, 15.0), (2.0, 5 * math.sqrt(2) - 5), (6.0, 10 * math.sqrt(2) - 5)]
)
def test_within_the_measured_points(gain: float, images: float) -> None:
    assert read(UP, gain) == pytest.approx(images)


def test_a_loss_is_read_downward() -> None:
    assert read(DOWN, -4.0) == pytest.approx(-10.0)
    assert read(DOWN, -8.0) == pytest.approx(-15.0)
    assert read(DOWN, -6.0) == pytest.approx(10 / math.sqrt(2) - 20)


def test_where_nothing_is_measured_it_goes_on_by_its_slope_as_far_as_on_the_other_side() -> None:
    assert DOWN.reach == (5.0, 80.0)
    assert UP.reach == (1.25, 20.0)
    assert Curve((2.0, 4.0, 6.0), own=1).reach == (2.0, 6.0)
    assert read(DOWN, 4.0) == pytest.approx(20.0)
    assert read(DOWN, 8.0) == pytest.approx(60.0)
    assert read(UP, -4.0) == pytest.approx(-2.5)
    bent = np.array([[80.0, 86.0, 88.0]])  # 4 points a doubling by least squares
    assert read(DOWN, 2.0, bent) == pytest.approx(20 * math.sqrt(2) - 20)


def test_beyond_its_reach_it_is_infinite() -> None:
    assert read(UP, 8.1) == math.inf
    assert read(UP, -8.1) == -math.inf
    assert read(DOWN, 8.1) == math.inf
    assert read(DOWN, -8.1) == -math.inf


def test_a_level_curve_gives_no_gain_for_any_number_of_labels() -> None:
    level = np.array([[80.0, 80.0, 80.0]])
    for curve in (UP, DOWN):
        assert read(curve, 0.0, level) == 0.0
        assert read(curve, 0.1, level) == math.inf
        assert read(curve, -0.1, level) == -math.inf
        assert read(curve, 1e-13, level) == 0.0  # rounding is no gain


def test_of_a_level_stretch_the_nearer_end_counts() -> None:
    assert read(UP, 4.0, np.array([[80.0, 84.0, 84.0]])) == pytest.approx(5.0)
    assert read(DOWN, -4.0, np.array([[84.0, 84.0, 88.0]])) == pytest.approx(-10.0)


def test_a_curve_that_falls_is_noise() -> None:
    assert monotone(np.array([[80.0, 86.0, 84.0]])) == pytest.approx(np.array([[80.0, 85.0, 85.0]]))
    assert read(UP, 5.0, np.array([[80.0, 86.0, 84.0]])) == pytest.approx(5.0)


curves = st.lists(st.floats(0, 100, allow_nan=False), min_size=3, max_size=3).map(lambda row: np.array([row]))
curve_places = st.sampled_from([UP, DOWN, Curve((5.0, 10.0, 20.0), own=1)])


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(0, 100)))
def test_monotone_is_scikit_learns_isotonic_regression(scores: np.ndarray) -> None:
    expected = np.stack([isotonic_regression(row) for row in scores])
    assert monotone(scores) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert (np.diff(monotone(scores)) >= 0).all()


@given(curve_places, curves, st.floats(-20, 20), st.floats(0, 20))
def test_a_larger_gain_is_never_worth_less(curve: Curve, scores: np.ndarray, gain: float, more: float) -> None:
    lower, higher = read(curve, gain, scores), read(curve, gain + more, scores)
    assert lower <= higher + 1e-9
    if abs(gain) > 1e-6:
        assert math.copysign(1, lower) == math.copysign(1, gain) or lower == 0


@given(curve_places, curves, st.floats(-20, 20))
def test_a_worth_lies_within_reach_and_gives_its_gain(curve: Curve, scores: np.ndarray, gain: float) -> None:
    found = read(curve, gain, scores)
    if math.isfinite(found):
        own = curve.images[curve.own]
        low, high = curve.reach
        assert low - 1e-6 <= own + found <= high + 1e-6
        places, heights = curve._whole(monotone(scores))
        at = np.interp(math.log(own + found), places, heights[0])
        start = np.interp(math.log(own), places, heights[0])
        assert at - start == pytest.approx(gain, abs=1e-4) or len(set(heights[0])) < len(places)


# --------------------------------------------------------------------------------------------------- the bootstrap


def test_draws_of_trials_and_images_have_the_spread_of_two_crossed_samples() -> None:
    """Against the mean squares: trials and images each with their unbiased variance, and the rest about three times."""
    rng = np.random.default_rng(0)
    trials, images = 6, 50
    scores = 4 * rng.normal(size=(1, trials, 1)) + 10 * rng.normal(size=(1, 1, images)) + np.zeros((1, trials, images))
    draws = shared_means(scores, None, seed=0, draws=8000)[:, 0]
    expected = scores[0].mean(axis=1).var(ddof=1) / trials + scores[0].mean(axis=0).var(ddof=1) / images
    assert draws.var() == pytest.approx(expected, rel=0.06)
    assert draws.mean() == pytest.approx(scores.mean(), abs=4 * draws.std() / math.sqrt(8000))


def test_all_scores_of_a_draw_have_the_same_trials_and_images() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=(5, 30))
    draws = shared_means(np.stack([one, one + 3.0, 2 * one]), None, seed=4, draws=300)
    assert draws[:, 1] - draws[:, 0] == pytest.approx(np.full(300, 3.0))
    assert draws[:, 2] == pytest.approx(2 * draws[:, 0])
    assert shared_means(one[None], None, 4, 300)[:, 0] == pytest.approx(draws[:, 0])
    assert not np.allclose(shared_means(one[None], None, 5, 300)[:, 0], draws[:, 0])


def test_images_of_one_group_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    patients = rng.normal(size=(1, 3, 10))
    copies = np.repeat(patients, 20, axis=2)
    groups = np.repeat(np.arange(10), 20)
    assert shared_means(copies, groups, 0, 500) == pytest.approx(shared_means(patients, None, 0, 500))
    assert shared_means(copies, None, 0, 2000).std() < 0.8 * shared_means(copies, groups, 0, 2000).std()


@pytest.mark.parametrize("trials", [2, 3, 10])
def test_draws_of_folds_have_the_spread_of_the_paired_t(trials: int) -> None:
    by_trial = np.random.default_rng(trials).normal(size=(1, trials))
    draws = fold_means(by_trial, 0, 20_000)[:, 0]
    assert draws.std() == pytest.approx(by_trial.std(ddof=1) / math.sqrt(trials), rel=0.04)


def test_draws_are_spread_as_widely_as_the_interval_of_the_gain() -> None:
    draws = np.random.default_rng(0).normal(size=4000)
    wider = spread_like(draws, -4.0, 4.0, 0.95)
    assert np.quantile(wider * draws, 0.975) - np.quantile(wider * draws, 0.025) == pytest.approx(8.0)
    assert spread_like(draws, None, None, 0.95) == 1.0
    assert spread_like(np.zeros(10), -4.0, 4.0, 0.95) == 1.0


def test_an_interval_reaches_as_far_as_its_draws_and_says_where_it_knows_no_more() -> None:
    drawn = np.linspace(-1.0, 9.0, 1001)
    low, high = worth.interval(UP.more_images(np.repeat(LINE, 1001, axis=0), drawn), 0.9)
    assert low == pytest.approx(read(UP, -0.51), rel=0.02)
    assert high == math.inf


# ------------------------------------------------------------------------------- from predictions to what is reported

UPWARD, DOWNWARD = (5, 10, 20), (10, 13, 20)  # images per class; a trial has 5, or 20


def comparison(
    seed: int, gain_images: float, *, downward: bool = False, trials: int = 8, images: int = 400, steep: float = 0.35
) -> Comparison:
    """Trials of two classes on one test part. The base arm is right where luck, difficulty and log images add up.

    The arm gan is as good as the base arm with ``gain_images`` more labels per class. ``downward``: the trials have 20.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 2
    difficulty, (sizes, own) = rng.normal(size=images), (DOWNWARD, 20) if downward else (UPWARD, 5)
    tested = []
    for _ in range(trials):
        trial = 0.1 * rng.normal()

        def predicted(labelled: float, trial: float = trial) -> np.ndarray:
            score = 0.3 + steep * math.log(labelled) + trial + difficulty + 0.5 * rng.normal(size=images)
            return np.where(score > 0, labels, 1 - labels)

        curve = [CurvePoint("none", count / own, 2 * count, predicted(count)) for count in sizes if count != own]
        arms = {"none": predicted(own), "gan": predicted(own + gain_images)}
        tested.append(gains.Tested(labels, arms, 2 * own, curve=curve))
    return Comparison(tested, classes=2, shared_test=True)


def reported(of: Comparison, metric: str = "accuracy") -> dict[str, Any]:
    measured = of.gain_figures([("gan", "none")])
    found: dict[str, Any] = worth_figures(of, [("gan", "none")], metric, measured)["gan_vs_none"]
    return found


def number(end: dict[str, float]) -> float:
    return end.get("images", math.inf if "at_least" in end else -math.inf)


@pytest.mark.parametrize(("downward", "more"), [(False, 5.0), (False, 0.0), (True, 10.0), (True, -6.0)])
def test_the_interval_holds_the_labels_that_the_arm_is_worth(downward: bool, more: float) -> None:
    """A simulated learning curve whose truth is known: 95 % intervals cover it in nearly all of 25 runs.

    Also where the curve is extrapolated by its slope, though it bends there: the bend is small next to the interval.
    """
    held = 0
    for seed in range(25):
        found = reported(comparison(seed, more, downward=downward))
        held += number(found["ci_low"]) <= more <= number(found["ci_high"])
        assert number(found["ci_low"]) <= number(found["more_images"]) <= number(found["ci_high"])
    assert held >= 22


def test_a_gain_and_its_worth_have_one_sign_and_one_verdict() -> None:
    for seed in range(10):
        of = comparison(seed, 4.0)
        gain = of.gain_figures([("gan", "none")])["gan_vs_none"]["accuracy"]
        found = reported(of)
        assert np.sign(number(found["more_images"])) == np.sign(gain["mean"])
        if gain["ci_low"] > 0.3:
            assert number(found["ci_low"]) > 0


def test_what_is_reported_with_the_figure() -> None:
    up, down = reported(comparison(1, 5.0)), reported(comparison(1, 5.0, downward=True))
    assert (up["unit"], up["confidence"], up["trials"], up["metric"]) == (
        "labelled images per class",
        0.95,
        8,
        "accuracy",
    )
    assert (up["extrapolated"], up["one_point"]["extrapolated"]) == (False, False)
    assert (down["extrapolated"], down["one_point"]["extrapolated"]) == (True, True)
    assert "measured at 5, 10, 20 real images per class" in up["method"]
    assert "down to 1.25" in up["method"]
    assert "extrapolated by its slope to 40" in down["method"]
    assert 0 < number(up["one_point"]["more_images"]) < 5


def test_ends_beyond_the_curve_are_called_so() -> None:
    far, lost = reported(comparison(2, 200.0)), reported(comparison(2, -4.6, steep=0.6))
    assert far["more_images"] == far["ci_high"] == {"at_least": 15.0}
    assert lost["more_images"] == lost["ci_low"] == {"at_most": -3.75}


def test_one_trial_has_no_interval() -> None:
    found = reported(comparison(3, 5.0, trials=1))
    assert found["ci_low"] is None
    assert found["ci_high"] is None
    assert found["more_images"] is not None


def test_without_points_the_reason_is_told() -> None:
    of = comparison(0, 5.0)
    bare = Comparison([gains.Tested(one.labels, one.predicted, one.train_images) for one in of.trials], 2, True)
    assert reported(bare) == {
        "metric": "accuracy", "more_images": None, "reason": "the train parts are too small for a learning curve",
    }  # fmt: skip


def test_a_point_that_not_every_trial_has_is_left_out() -> None:
    of = comparison(0, 5.0)
    first = of.trials[0]
    short = gains.Tested(first.labels, first.predicted, first.train_images, curve=first.curve[:1])
    found = curve_figures(Comparison([short, *of.trials[1:]], 2, True), ["none"])
    assert [point["images_per_class"] for point in found["none"]] == [5.0, 10.0]


def test_curves_have_mean_and_spread_of_every_metric() -> None:
    of = comparison(0, 5.0)
    points = curve_figures(of, ["none"])["none"]
    assert [point["images_per_class"] for point in points] == [5.0, 10.0, 20.0]
    assert points[0]["accuracy"] == of.arm_figures()["none"]["accuracy"]
    by_trial = [100 * np.mean(one.curve[1].predicted == one.labels) for one in of.trials]
    assert points[2]["accuracy"]["mean"] == pytest.approx(np.mean(by_trial))
    assert points[2]["accuracy"]["sd"] == pytest.approx(np.std(by_trial, ddof=1))
    assert {"balanced_accuracy", "macro_f1"} < set(points[1])


def test_folds_have_a_worth_too() -> None:
    """Test parts of different sizes, each trial's own."""
    of = comparison(0, 20.0, downward=True, trials=5)

    def cut(values: np.ndarray, fold: int) -> np.ndarray:
        return values[fold :: 5 + fold]

    folds = [
        gains.Tested(
            cut(one.labels, fold),
            {name: cut(values, fold) for name, values in one.predicted.items()},
            one.train_images,
            curve=[
                CurvePoint(point.arm, point.multiple, point.train_images, cut(point.predicted, fold))
                for point in one.curve
            ],
        )
        for fold, one in enumerate(of.trials)
    ]
    found = reported(Comparison(folds, 2, shared_test=False))
    assert number(found["ci_low"]) < number(found["more_images"])
    assert "trials with their test images" in found["method"]


def test_the_same_bytes_each_time() -> None:
    assert reported(comparison(5, 5.0)) == reported(comparison(5, 5.0))
    assert worth.DRAWS == 2000
