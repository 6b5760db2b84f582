"""The metrics of a classifier, each as a mean over test images, so that one statistic serves them all.

Each function takes predictions (N,) and labels (N,), both in 0..classes-1, and returns one number per image, (N,).
Their mean is the metric in [0, 1]; their spread is its sampling error over test images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

Classes = NDArray[np.int64]
Values = NDArray[np.float64]


def accuracy(predicted: Classes, labels: Classes, classes: int) -> Values:
    """1 where an image's class is predicted right, else 0."""
    return np.asarray(predicted == labels, np.float64)


def balanced_accuracy(predicted: Classes, labels: Classes, classes: int) -> Values:
    """Recall averaged over the classes present, plus each image's influence: its distance from that recall."""
    counts = np.bincount(labels, minlength=classes)
    hits = (predicted == labels).astype(np.float64)
    recall = np.bincount(labels, hits, minlength=classes) / np.maximum(counts, 1)
    present = np.count_nonzero(counts)
    influence = len(labels) * (hits - recall[labels]) / (present * counts[labels])
    return np.asarray(recall.sum() / present + influence, np.float64)


def macro_f1(predicted: Classes, labels: Classes, classes: int) -> Values:
    """F1 averaged over the classes present in labels or predictions, plus each image's influence on it.

    F1 of a class is 2 s / (p + r) with s hits, p predictions and r labels of it: a ratio of sums. Its influence
    function (the delta method) is n (2 hit - F1 (predicted + labelled)) / (p + r), which sums to zero over the images.
    """
    one_hot = np.eye(classes)
    is_predicted, is_label = one_hot[predicted], one_hot[labels]  # (N, classes)
    hits = is_predicted * is_label
    total = (is_predicted + is_label).sum(axis=0)
    present = total > 0
    f1 = 2 * hits.sum(axis=0)[present] / total[present]
    both = (is_predicted + is_label)[:, present]
    influence = len(labels) * (2 * hits[:, present] - f1 * both) / total[present]
    return np.asarray(f1.mean() + influence.mean(axis=1), np.float64)


@dataclass(frozen=True)
class Metric:
    """A metric; its key in ``METRICS`` is its name in settings and JSON files."""

    words: str  # what the verdict calls it
    contributions: Callable[[Classes, Classes, int], Values]
    is_mean_of_classes: bool  # rare classes weigh as much as the others

    def __call__(self, predicted: Classes, labels: Classes, classes: int) -> Values:
        """``predicted`` (N,), or (repeats, N) of classifiers with other initial weights: then their mean, (N,)."""
        each = [self.contributions(one, labels, classes) for one in np.atleast_2d(predicted)]
        return np.asarray(np.mean(each, axis=0), np.float64)


METRICS = {
    "accuracy": Metric("accuracy", accuracy, is_mean_of_classes=False),
    "balanced_accuracy": Metric("balanced accuracy", balanced_accuracy, is_mean_of_classes=True),
    "macro_f1": Metric("macro-F1", macro_f1, is_mean_of_classes=True),
}


def metric_or(other: str) -> AfterValidator:
    """For a setting of type ``Annotated[str, metric_or("auto")]``: the name of a metric, or this word."""

    def check(name: str) -> str:
        if name not in (names := [other, *METRICS]):
            raise ValueError(f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}")
        return name

    return AfterValidator(check)
