"""Metrics as means over images: equal to scikit-learn's, and with the right influence of each image."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from ganaug import config
from ganaug.measure import gains
from ganaug.measure.contributions import METRICS, Cells, Metric, accuracy, balanced_accuracy, macro_f1, recall_by_cell
from ganaug.measure.scores import scores

CLASSES = 5
NO_CELLS = ("accuracy", "balanced_accuracy", "macro_f1")
labelled = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=40)


def cells_of(labels: np.ndarray) -> Cells:
    """Images under two conditions in turn; the first image's cell is hidden, whatever its condition."""
    conditions = np.arange(len(labels)) % 2
    return Cells(conditions, [0, 1][: len(labels)], [(int(labels[0]), 0)])


def split(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    predicted, labels = zip(*pairs, strict=True)
    return np.array(predicted, np.int64), np.array(labels, np.int64)


@given(labelled)
def test_means_are_scikit_learns_scores(pairs: list[tuple[int, int]]) -> None:
    predicted, labels = split(pairs)
    assert accuracy(predicted, labels, CLASSES).mean() == pytest.approx(reference.accuracy_score(labels, predicted))
    with warnings.catch_warnings():  # a class that is predicted but not there
        warnings.simplefilter("ignore")
        balanced = reference.balanced_accuracy_score(labels, predicted)
    assert balanced_accuracy(predicted, labels, CLASSES).mean() == pytest.approx(balanced)
    f1 = reference.f1_score(labels, predicted, average="macro", zero_division=0)
    assert macro_f1(predicted, labels, CLASSES).mean() == pytest.approx(f1, abs=1e-12)


@given(labelled)
def test_one_number_an_image(pairs: list[tuple[int, int]]) -> None:
    predicted, labels = split(pairs)
    cells = cells_of(labels)
    for metric in METRICS.values():
        if not metric.about(labels, cells).any():
            continue
        values = metric(predicted, labels, CLASSES, cells)
        assert values.shape == labels.shape
        assert values.dtype == np.float64
        assert np.isfinite(values).all()


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_perfect_classifier_scores_one_with_no_spread(name: str) -> None:
    labels = np.repeat(np.arange(CLASSES), 4)
    assert METRICS[name](labels, labels, CLASSES, cells_of(labels)) == pytest.approx(np.ones(len(labels)))


def test_balanced_accuracy_by_hand() -> None:
    """Recalls 2/3 and 1, mean 5/6; an image moves it by n / (2 n_class) times its distance from its class's recall."""
    values = balanced_accuracy(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), 2)
    assert values == pytest.approx([5 / 6 + 2 / 9, 5 / 6 + 2 / 9, 5 / 6 - 4 / 9, 5 / 6])


def test_the_spread_of_balanced_accuracy_is_its_sampling_error() -> None:
    """Against the standard deviation over many test sets of unequal classes."""
    rng = np.random.default_rng(3)
    recall = np.array([0.9, 0.6, 0.4])
    scores, errors = [], []
    for _ in range(600):
        labels = rng.choice(3, 300, p=[0.7, 0.2, 0.1])
        predicted = np.where(rng.random(300) < recall[labels], labels, (labels + 1) % 3)
        values = balanced_accuracy(predicted, labels, 3)
        scores.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(len(values)))
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.1)


def test_macro_f1_influence_is_the_jackknifes() -> None:
    """An image's value minus the mean is its influence: what leaving it out takes from the score, times n - 1."""
    rng = np.random.default_rng(5)
    count = 4000
    labels = rng.choice(3, count, p=[0.6, 0.3, 0.1])
    predicted = np.where(rng.random(count) < 0.7, labels, rng.integers(0, 3, count))
    values = macro_f1(predicted, labels, 3)
    everything = reference.f1_score(labels, predicted, average="macro")
    some = rng.choice(count, 60, replace=False)
    left_out = [reference.f1_score(np.delete(labels, row), np.delete(predicted, row), average="macro") for row in some]
    jackknife = (count - 1) * (everything - np.array(left_out))
    assert (values - values.mean())[some] == pytest.approx(jackknife, abs=0.02)
    assert np.abs(jackknife).max() > 0.5  # the tolerance is small next to the influences


def test_macro_f1_spread_is_its_sampling_error() -> None:
    """The standard error that the values give is the spread of the score over fresh test sets."""
    rng = np.random.default_rng(6)
    runs, count = 800, 300
    scores, errors = [], []
    for _ in range(runs):
        labels = rng.choice(3, count, p=[0.5, 0.3, 0.2])
        predicted = np.where(rng.random(count) < 0.75, labels, rng.integers(0, 3, count))
        values = macro_f1(predicted, labels, 3)
        scores.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(count))
    assert np.mean(errors) == pytest.approx(np.std(scores, ddof=1), rel=0.1)


def test_a_metric_is_one_entry_from_which_all_others_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    def errors(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
        return np.asarray(predicted != labels, np.float64)

    monkeypatch.setitem(METRICS, "error_rate", Metric("error rate", errors, is_mean_of_classes=False))
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert scores(predicted, labels, ["a", "b"])["error_rate"] == 25.0
    comparison = gains.Comparison(
        [gains.Tested(labels, {"none": predicted, "gan": labels}, 4)] * 2, 2, shared_test=True
    )
    assert comparison.gain_figures([("gan", "none")])["gan_vs_none"]["error_rate"]["mean"] == -25.0
    rule = {"gain": "gan_vs_none", "metric": "error_rate"}
    settings = config.check({"report": {"primary_metric": "error_rate"}, "gate": [rule]})
    assert (settings.report.primary_metric, settings.gate[0].metric) == ("error_rate", "error_rate")


def test_repeats_count_by_their_mean() -> None:
    labels, repeats = np.array([0, 1, 1]), np.array([[0, 1, 0], [1, 1, 1]])
    cells = cells_of(labels)
    for metric in METRICS.values():
        both = metric(repeats, labels, 2, cells)
        each = [metric(one, labels, 2, cells) for one in repeats]
        assert both == pytest.approx(np.mean(each, axis=0))


# Two classes under the conditions 0 and 1, the target; the cell (class 1, condition 1) is hidden.
LABELS = np.array([0, 0, 1, 0, 0, 0, 1, 1])
PREDICTED = np.array([0, 1, 1, 0, 1, 1, 1, 0])
CONDITIONS = np.array([0, 0, 0, 1, 1, 1, 1, 1])
HIDES = Cells(CONDITIONS, [1], [(1, 1)])


def test_metrics_of_cells_by_hand() -> None:
    """Recalls: 1/2 and 1 under condition 0, 1/3 and 1/2 under condition 1, whose last one is hidden."""
    found = scores(PREDICTED, LABELS, ["a", "b"], HIDES)
    assert found["condition_accuracy"] == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)
    assert found["missing_recall"] == pytest.approx(50)
    assert found["other_recall"] == pytest.approx(100 * (1 / 2 + 1 + 1 / 3) / 3)
    recalls = recall_by_cell(PREDICTED, LABELS, CONDITIONS, (3, 2))
    assert recalls[:2] == pytest.approx(np.array([[1 / 2, 1 / 3], [1, 1 / 2]]))
    assert np.isnan(recalls[2]).all()
    repeats = np.stack([PREDICTED, LABELS])
    assert recall_by_cell(repeats, LABELS, CONDITIONS, (2, 2)) == pytest.approx((recalls[:2] + 1) / 2)


def test_images_of_other_cells_have_no_influence() -> None:
    values = METRICS["missing_recall"](PREDICTED, LABELS, 2, HIDES)
    assert values == pytest.approx([0.5] * 6 + [0.5 + 8 / 2 * 0.5, 0.5 - 8 / 2 * 0.5])
    predicted = np.where(CONDITIONS == 1, PREDICTED, 1 - PREDICTED)  # all others wrong
    assert METRICS["condition_accuracy"](predicted, LABELS, 2, HIDES) == pytest.approx(
        METRICS["condition_accuracy"](PREDICTED, LABELS, 2, HIDES)
    )


def test_the_spread_of_the_accuracy_under_a_condition_is_its_sampling_error() -> None:
    rng = np.random.default_rng(3)
    recall, found, errors = np.array([[0.9, 0.6], [0.8, 0.3]]), [], []
    for _ in range(400):
        labels, conditions = rng.choice(2, 300, p=[0.7, 0.3]), rng.choice(2, 300, p=[0.6, 0.4])
        predicted = np.where(rng.random(300) < recall[labels, conditions], labels, 1 - labels)
        values = METRICS["condition_accuracy"](predicted, labels, 2, Cells(conditions, [1], [(0, 1)]))
        found.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(300))
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.1)


def test_without_hidden_cells_there_are_no_metrics_of_them() -> None:
    assert set(scores(PREDICTED, LABELS, ["a", "b"])) == {*NO_CELLS, "recall"}
    none_tested = Cells(CONDITIONS, [1], [(0, 2)])
    assert scores(PREDICTED, LABELS, ["a", "b"], none_tested)["missing_recall"] is None
