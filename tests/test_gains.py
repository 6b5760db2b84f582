"""From predictions to arms and gains, on predictions made by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from ganaug.measure import gains
from ganaug.measure.contributions import Cells
from ganaug.measure.gains import Comparison
from ganaug.measure.stats import CELLS, interval_of_share, not_too_certain, two_way

LABELS = np.array([0, 0, 1, 1])
RIGHT = np.array([0, 0, 1, 1])
ONE_WRONG = np.array([0, 0, 1, 0])
TWO_WRONG = np.array([1, 0, 1, 0])
METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
CELL_METRICS = ("condition_accuracy", "missing_recall", "other_recall")


def trial(labels: np.ndarray, train_images: int, **predicted: np.ndarray) -> gains.Tested:
    return gains.Tested(labels, predicted, train_images)


# Two trials on the same four images.
SHARED = Comparison(
    [trial(LABELS, 10, none=TWO_WRONG, gan=RIGHT), trial(LABELS, 10, none=ONE_WRONG, gan=ONE_WRONG)],
    classes=2,
    shared_test=True,
    confidence=0.9,
)
# Three folds of nine images in three classes; class 1 is tested in the first and the last, class 2 in none.
FOLDS = Comparison(
    [
        trial(LABELS, 5, none=TWO_WRONG, gan=RIGHT),
        trial(np.array([0, 0]), 7, none=np.array([0, 1]), gan=np.array([1, 1])),
        trial(np.array([0, 0, 1]), 6, none=np.array([0, 0, 0]), gan=np.array([0, 0, 1])),
    ],
    classes=3,
    shared_test=False,
)


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """Two to five trials of the arms a and b, which guess, on one test part or on several of different sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    shared, classes, trials = draw(st.booleans()), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    tested = []
    labels = rng.integers(0, classes, rng.integers(2, 20))
    for _ in range(trials):
        if not shared:
            labels = rng.integers(0, classes, rng.integers(2, 20))
        a, b = rng.integers(0, classes, (2, len(labels)))
        tested.append(trial(labels, 50, a=a, b=b))
    return Comparison(tested, classes, shared)


def names(comparison: Comparison) -> list[str]:
    return [f"class {label}" for label in range(comparison.classes)]


def all_figures(comparison: Comparison, arm: str, against: str) -> list[dict[str, Any]]:
    """Of every metric and of every class's recall."""
    name = f"{arm}_vs_{against}"
    of_metrics = comparison.gain_figures([(arm, against)])[name]
    of_classes = comparison.recall_gain_figures([(arm, against)], names(comparison))[name]
    return [*of_metrics.values(), *of_classes.values()]


# ------------------------------------------------------------------------------------------------------------ arms


def test_arms_have_mean_and_spread_over_trials_in_percent() -> None:
    figures = SHARED.arm_figures()
    assert list(figures) == ["none", "gan"]
    assert set(figures["gan"]) >= set(METRICS)
    assert figures["none"]["accuracy"] == {"mean": pytest.approx(62.5), "sd": pytest.approx(25 / np.sqrt(2))}
    f1 = [100 * reference.f1_score(LABELS, row, average="macro") for row in (RIGHT, ONE_WRONG)]
    assert figures["gan"]["macro_f1"] == {"mean": pytest.approx(np.mean(f1)), "sd": pytest.approx(np.std(f1, ddof=1))}


def test_arms_of_folds_count_each_fold_once_whatever_its_size() -> None:
    accuracy = [50.0, 50.0, 200 / 3]
    figures = FOLDS.arm_figures()["none"]
    assert figures["accuracy"] == {
        "mean": pytest.approx(np.mean(accuracy)),
        "sd": pytest.approx(np.std(accuracy, ddof=1)),
    }
    balanced = [50.0, 50.0, 50.0]  # over the classes that the fold tests
    assert figures["balanced_accuracy"] == {"mean": pytest.approx(np.mean(balanced)), "sd": pytest.approx(0.0)}


# ----------------------------------------------------------------------------------------------------------- gains


def test_gains_on_a_shared_test_part_by_hand() -> None:
    found = SHARED.gain_figures([("gan", "none")])
    assert list(found) == ["gan_vs_none"]
    figure = found["gan_vs_none"]["accuracy"]
    assert figure["by_trial"] == pytest.approx([50.0, 0.0])
    assert figure["mean"] == pytest.approx(25.0)
    found = 100.0 * np.array([[1, 0, 0, 1], [0, 0, 0, 0]])
    expected = not_too_certain(two_way(found), found, shared_test=True)
    assert expected.standard_error == pytest.approx(100 * np.sqrt(2 * 0.5**2 + 2) / 4)  # two predictions differ
    assert figure["standard_error"] == pytest.approx(expected.standard_error)
    assert figure["degrees_of_freedom"] == pytest.approx(expected.degrees_of_freedom)
    low, high = expected.interval(0.9)
    assert low is not None
    assert high is not None
    assert low < -100
    assert high > 100
    assert (figure["ci_low"], figure["ci_high"]) == (-100.0, 100.0)  # where gains live
    assert (figure["answer"], figure["needed"]) == ("cannot tell", None)
    assert figure["p_value"] == pytest.approx(expected.p_two_sided())
    assert (figure["unit"], figure["confidence"], figure["trials"]) == ("percentage points", 0.9, 2)
    assert "crossed" in figure["method"]


def test_gains_over_folds_by_hand() -> None:
    """By fold 50, -50 and 33.3 points; the mean test part is (4/5 + 2/7 + 3/6) / 3 of its train part."""
    figure = FOLDS.gain_figures([("gan", "none")])["gan_vs_none"]["accuracy"]
    by_trial = [50.0, -50.0, 100 / 3]
    assert figure["by_trial"] == pytest.approx(by_trial)
    assert figure["mean"] == pytest.approx(100 / 9)
    spread = (1 / 3 + (4 / 5 + 2 / 7 + 3 / 6) / 3) * np.var(by_trial, ddof=1)
    assert figure["standard_error"] == pytest.approx(max(np.sqrt(spread), 100 * np.sqrt(4 + 2) / 17))
    assert (figure["degrees_of_freedom"], figure["confidence"], figure["trials"]) == (2, 0.95, 3)
    assert "Nadeau and Bengio" in figure["method"]


@given(comparisons())
def test_gains_are_differences_of_arms_in_every_metric(comparison: Comparison) -> None:
    arms = comparison.arm_figures()
    for metric, figure in comparison.gain_figures([("a", "b")])["a_vs_b"].items():
        assert figure["mean"] == pytest.approx(arms["a"][metric]["mean"] - arms["b"][metric]["mean"])
        assert np.mean(figure["by_trial"]) == pytest.approx(figure["mean"])
        assert figure["ci_low"] <= figure["mean"] <= figure["ci_high"]


@given(comparisons())
def test_turning_a_pair_around_turns_its_figures_around(comparison: Comparison) -> None:
    for there, back in zip(all_figures(comparison, "a", "b"), all_figures(comparison, "b", "a"), strict=True):
        if there["mean"] is None:
            assert back == there
            continue
        assert there["mean"] == pytest.approx(-back["mean"])
        assert there["by_trial"] == pytest.approx([-value for value in back["by_trial"]])
        if there["ci_low"] is not None:
            assert there["ci_low"] == pytest.approx(-back["ci_high"])
            assert there["p_value"] == pytest.approx(back["p_value"])


@given(comparisons())
def test_an_arm_gains_nothing_on_its_twin(comparison: Comparison) -> None:
    twins = [trial(one.labels, 50, a=one.predicted["a"], b=one.predicted["a"].copy()) for one in comparison.trials]
    for figure in all_figures(replace(comparison, trials=twins), "a", "b"):
        assert figure["mean"] in (0.0, None)
        assert set(figure["by_trial"]) <= {0.0}
        if figure["ci_low"] is not None:
            assert -figure["ci_low"] == pytest.approx(figure["ci_high"])  # as sure as so few images allow
            assert figure["ci_high"] > 0
            assert figure["p_value"] == pytest.approx(1.0)


@pytest.mark.parametrize("comparison", [SHARED, FOLDS], ids=["shared", "folds"])
def test_one_trial_has_no_interval(comparison: Comparison) -> None:
    single = replace(comparison, trials=comparison.trials[:1])
    figure = single.gain_figures([("gan", "none")])["gan_vs_none"]["accuracy"]
    assert figure["mean"] == pytest.approx(50.0)
    assert (figure["ci_low"], figure["ci_high"], figure["p_value"], figure["standard_error"]) == (None,) * 4
    assert single.arm_figures()["gan"]["accuracy"]["sd"] is None


# ---------------------------------------------------------------------------------------------------------- recall


def test_recall_gains_on_a_shared_test_part_by_hand() -> None:
    figures = SHARED.recall_gain_figures([("gan", "none")], ["cat", "dog"])["gan_vs_none"]
    assert list(figures) == ["cat", "dog"]
    assert figures["cat"]["by_trial"] == pytest.approx([50.0, 0.0])
    expected = not_too_certain(two_way(found := 100.0 * np.array([[1, 0], [0, 0]])), found, shared_test=True)
    assert figures["cat"]["standard_error"] == pytest.approx(expected.standard_error)


def test_recall_gains_use_the_folds_that_test_the_class() -> None:
    figures = FOLDS.recall_gain_figures([("gan", "none")], ["cat", "dog", "cow"])["gan_vs_none"]
    assert figures["cat"]["by_trial"] == pytest.approx([50.0, -50.0, 0.0])
    assert figures["dog"]["by_trial"] == pytest.approx([50.0, 100.0])
    assert (figures["dog"]["mean"], figures["dog"]["trials"]) == (pytest.approx(75.0), 2)
    assert figures["dog"]["standard_error"] == pytest.approx(100 * np.sqrt(2 + 2) / 3)  # of three images two differ


def test_a_class_that_no_fold_tests_has_no_recall_gain() -> None:
    cow = FOLDS.recall_gain_figures([("gan", "none")], ["cat", "dog", "cow"])["gan_vs_none"]["cow"]
    assert (cow["mean"], cow["ci_low"], cow["ci_high"], cow["p_value"], cow["by_trial"]) == (None, None, None, None, [])
    assert cow["trials"] == 0


@given(comparisons())
def test_recall_gains_are_differences_of_recall(comparison: Comparison) -> None:
    figures = comparison.recall_gain_figures([("a", "b")], names(comparison))["a_vs_b"]
    for label, figure in enumerate(figures.values()):
        testing = [one for one in comparison.trials if label in one.labels]
        recall = [
            [100 * np.mean(one.predicted[arm][one.labels == label] == label) for one in testing] for arm in ("a", "b")
        ]
        assert figure["by_trial"] == pytest.approx([a - b for a, b in zip(*recall, strict=True)])
        assert figure["mean"] == (pytest.approx(np.mean(figure["by_trial"])) if testing else None)


def test_the_mean_recall_of_some_classes_by_hand() -> None:
    figure = FOLDS.mean_recall_gain_figures([("gan", "none")], [1, 2])["gan_vs_none"]
    assert figure["by_trial"] == pytest.approx([50.0, 100.0])  # class 2 is never tested
    labels = np.array([0, 1, 1, 2, 2, 2])
    one = trial(labels, 10, none=np.zeros(6, int), gan=np.array([1, 1, 0, 2, 0, 0]))
    shared = Comparison([one, replace(one, predicted={**one.predicted, "gan": labels})], classes=3, shared_test=True)
    figure = shared.mean_recall_gain_figures([("gan", "none")], [1, 2])["gan_vs_none"]
    assert figure["by_trial"] == pytest.approx([100 * (1 / 2 + 1 / 3) / 2, 100.0])
    absent = shared.mean_recall_gain_figures([("gan", "none")], [])["gan_vs_none"]
    assert (absent["mean"], absent["trials"]) == (None, 0)


@given(comparisons(), st.booleans())
def test_the_mean_recall_of_all_classes_is_balanced_accuracy(comparison: Comparison, grouped: bool) -> None:
    if grouped:
        trials = [replace(one, groups=np.arange(len(one.labels)) // 2) for one in comparison.trials]
        comparison = replace(comparison, trials=trials)
    of_all = comparison.mean_recall_gain_figures([("a", "b")], range(comparison.classes))["a_vs_b"]
    balanced = comparison.gain_figures([("a", "b")])["a_vs_b"]["balanced_accuracy"]
    for key in ("mean", "ci_low", "ci_high", "standard_error", "by_trial"):
        assert of_all[key] == (None if balanced[key] is None else pytest.approx(balanced[key], abs=1e-9))


def test_recall_figures_by_hand() -> None:
    figures = SHARED.recall_figures(["cat", "dog"])
    assert {arm: list(of_arm) for arm, of_arm in figures.items()} == {"none": ["cat", "dog"], "gan": ["cat", "dog"]}
    expected = interval_of_share(two_way(100.0 * np.array([[0, 1], [1, 1]])), 2, 0.9)
    assert figures["none"]["cat"]["mean"] == pytest.approx(75.0)
    assert (figures["none"]["cat"]["ci_low"], figures["none"]["cat"]["ci_high"]) == pytest.approx(expected)
    cow = FOLDS.recall_figures(["cat", "dog", "cow"])["gan"]["cow"]
    assert (cow["mean"], cow["ci_low"], cow["ci_high"]) == (None, None, None)


@given(comparisons())
def test_the_gain_in_recall_is_the_difference_of_two_recalls(comparison: Comparison) -> None:
    recall = comparison.recall_figures(names(comparison))
    gains_ = comparison.recall_gain_figures([("a", "b")], names(comparison))["a_vs_b"]
    for one, gain in gains_.items():
        if gain["mean"] is not None:
            assert gain["mean"] == pytest.approx(recall["a"][one]["mean"] - recall["b"][one]["mean"])
        for figure in (recall["a"][one], recall["b"][one]):
            if figure["ci_low"] is not None:
                assert 0 <= figure["ci_low"] <= figure["mean"] + 1e-9
                assert figure["mean"] - 1e-9 <= figure["ci_high"] <= 100
                assert figure["ci_low"] < figure["ci_high"]


# ----------------------------------------------------------------------------------------------------------- cells

# Three classes under the conditions 0 and 1, the target; each trial tests every cell with two images.
CELL_LABELS = np.tile(np.repeat([0, 1, 2], 2), 2)
CELL_CONDITIONS = np.repeat([0, 1], 6)


def hiding(hidden: list[int], right: list[int]) -> gains.Tested:
    """A trial that hides the cells of those classes; its arm ``a`` recognises all but the target cells that are not
    ``right``, the arm ``b`` no target cell."""
    wrong = (CELL_LABELS + 1) % 3
    a = np.where((CELL_CONDITIONS == 0) | np.isin(CELL_LABELS, right), CELL_LABELS, wrong)
    b = np.where(CELL_CONDITIONS == 0, CELL_LABELS, wrong)
    cells = Cells(CELL_CONDITIONS, [1], [(label, 1) for label in hidden])
    return gains.Tested(CELL_LABELS, {"a": a, "b": b}, 24, cells=cells)


HIDING = Comparison([hiding([0], [0, 1]), hiding([1], [1, 2]), hiding([2], [])], classes=3, shared_test=False)


def test_gains_by_metrics_of_cells_by_hand() -> None:
    found = HIDING.gain_figures([("a", "b")])["a_vs_b"]
    assert list(found) == [*METRICS, *CELL_METRICS]
    assert found["condition_accuracy"]["by_trial"] == pytest.approx([200 / 3, 200 / 3, 0])
    assert found["missing_recall"]["by_trial"] == pytest.approx([100, 100, 0])
    assert found["other_recall"]["by_trial"] == pytest.approx([20, 20, 0])  # one of the other five cells, in two trials
    everything = HIDING.condition_gain_figures([("a", "b")], ["old", "new"])["a_vs_b"]
    assert everything["new"]["mean"] == pytest.approx(400 / 9)
    assert (everything["old"]["mean"], everything["old"]["answer"]) == (0, "cannot tell")
    assert HIDING.arm_figures()["a"]["missing_recall"]["mean"] == pytest.approx(200 / 3)


def test_gains_over_folds_take_trials_and_classes_for_samples() -> None:
    """The recalls under the target, trials by classes: 100 100 0, 0 100 100, 0 0 0; n_test / n_train is 1/2."""
    figure = HIDING.gain_figures([("a", "b")])["a_vs_b"]["condition_accuracy"]
    expected = two_way(np.array([[100.0, 100, 0], [0, 100, 100], [0, 0, 0]]), overlap=0.5)
    assert figure["standard_error"] == pytest.approx(expected.standard_error)
    assert figure["degrees_of_freedom"] == pytest.approx(expected.degrees_of_freedom)
    assert figure["method"] == CELLS
    assert figure["needed"] is None
    shared = replace(HIDING, shared_test=True).gain_figures([("a", "b")])["a_vs_b"]["condition_accuracy"]
    assert shared["mean"] == pytest.approx(figure["mean"])
    assert shared["standard_error"] < figure["standard_error"]  # of a benchmark the classes are given


def test_recalls_of_cells_are_those_of_trials_that_saw_them_and_that_did_not() -> None:
    found = HIDING.cell_recall_figures(["cat", "dog", "cow"], ["old", "new"])["a"]
    assert found["cat"] == {"old": {"seen": 100, "hidden": None}, "new": {"seen": 0, "hidden": 100}}
    assert found["dog"]["new"] == {"seen": 50, "hidden": 100}


def test_arms_that_agree_on_few_hidden_images_may_differ_on_others() -> None:
    """Two hidden images in each of three trials: a gain of zero is known as well as six images allow, not 36."""
    twins = [replace(one, predicted={"a": one.predicted["b"], "b": one.predicted["b"]}) for one in HIDING.trials]
    for shared, images in ((False, 6), (True, 2)):
        figure = replace(HIDING, trials=twins, shared_test=shared).gain_figures([("a", "b")])["a_vs_b"]
        assert figure["missing_recall"]["standard_error"] == pytest.approx(100 * np.sqrt(2) / images)


def test_trials_that_test_no_hidden_image_have_no_say_in_them() -> None:
    untested = hiding([], [0, 1, 2])
    found = replace(HIDING, trials=[*HIDING.trials, untested]).gain_figures([("a", "b")])["a_vs_b"]
    assert found["missing_recall"]["by_trial"] == pytest.approx([100, 100, 0])
    assert found["condition_accuracy"]["trials"] == 4
