"""Metrics as means over images: equal to scikit-learn's, and with the right influence of each image."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from ganaug import config
from ganaug.evaluate import gains
from ganaug.evaluate.contributions import METRICS, Metric, accuracy, balanced_accuracy, macro_f1
from ganaug.evaluate.scores import scores

CLASSES = 5
labelled = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=40)


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
    for metric in METRICS.values():
        values = metric(predicted, labels, CLASSES)
        assert values.shape == labels.shape
        assert values.dtype == np.float64
        assert np.isfinite(values).all()


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_perfect_classifier_scores_one_with_no_spread(name: str) -> None:
    labels = np.repeat(np.arange(CLASSES), 4)
    assert METRICS[name](labels, labels, CLASSES) == pytest.approx(np.ones(len(labels)))


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
    for metric in METRICS.values():
        both = metric(repeats, labels, 2)
        assert both == pytest.approx((metric(repeats[0], labels, 2) + metric(repeats[1], labels, 2)) / 2)
