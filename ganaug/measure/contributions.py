"""The metrics of a classifier, each as a mean over test images, so that one statistic serves them all.

Each function takes predictions (N,) and labels (N,), both in 0..classes-1, and returns one number per image, (N,).
Their mean is the metric in [0, 1]; their spread is its sampling error over test images.

Metrics of cells (a cell: a class under a condition) are mean recalls over some of the cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

Classes = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """To which cells the test images of a trial belong, under a protocol that hides cells."""

    conditions: Classes  # (N,), of the test images
    targets: Sequence[int]  # the conditions under which trials hide cells
    hidden: Sequence[tuple[int, int]]  # cells (class, condition) that the trial trained without


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


def under_targets(labels: Classes, cells: Cells) -> NDArray[np.bool_]:
    """The test images that were taken under a target condition, (N,)."""
    return np.isin(cells.conditions, list(cells.targets))


def in_hidden(labels: Classes, cells: Cells) -> NDArray[np.bool_]:
    """The test images of the hidden cells, (N,)."""
    among = [(labels == label) & (cells.conditions == condition) for label, condition in cells.hidden]
    return np.asarray(np.any([np.zeros(len(labels), bool), *among], axis=0))


def in_others(labels: Classes, cells: Cells) -> NDArray[np.bool_]:
    """The test images of all other cells, (N,)."""
    return ~in_hidden(labels, cells)


@dataclass(frozen=True)
class Metric:
    """A metric; its key in ``METRICS`` is its name in settings and JSON files.

    A metric of cells is the mean recall over the cells of its images: balanced accuracy with cells for classes.
    """

    words: str  # what the verdict calls it
    contributions: Callable[[Classes, Classes, int], Values]
    is_mean_of_classes: bool  # rare classes weigh as much as the others
    among: Callable[[Classes, Cells], NDArray[np.bool_]] | None = None  # of a metric of cells: the images it is about

    def __call__(self, predicted: Classes, labels: Classes, classes: int, cells: Cells | None = None) -> Values:
        """One number per test image.

        ``predicted`` (N,), or (repeats, N) of classifiers with other initial weights: then their mean, (N,).
        ``labels`` (N,), each of 0..``classes`` - 1. ``cells``: what a metric of cells needs. Images that it is not
        about have no influence: they have the mean.
        """
        about = self.about(labels, cells)
        if self.among and cells:
            number = classes * cells.conditions
            predicted, labels, classes = (
                predicted + number,
                labels + number,
                classes * (int(cells.conditions.max()) + 1),
            )
        each = [self.contributions(one[about], labels[about], classes) for one in np.atleast_2d(predicted)]
        values = np.asarray(np.mean(each, axis=0), np.float64)
        if len(values) == len(labels):
            return values
        spread = np.full(len(labels), values.mean())
        spread[about] += len(labels) / len(values) * (values - values.mean())
        return spread

    def about(self, labels: Classes, cells: Cells | None) -> NDArray[np.bool_]:
        """The test images that it is about, (N,): of ``labels`` (N,) and ``cells``."""
        if self.among is None:
            return np.ones(len(labels), bool)
        if cells is None:
            raise ValueError(f"{self.words} must have cells")
        return self.among(labels, cells)


METRICS = {
    "accuracy": Metric("accuracy", accuracy, is_mean_of_classes=False),
    "balanced_accuracy": Metric("balanced accuracy", balanced_accuracy, is_mean_of_classes=True),
    "macro_f1": Metric("macro-F1", macro_f1, is_mean_of_classes=True),
    "condition_accuracy": Metric("accuracy under the target conditions", balanced_accuracy, False, under_targets),
    "missing_recall": Metric("recall of the hidden cells", balanced_accuracy, False, in_hidden),
    "other_recall": Metric("recall of the other cells", balanced_accuracy, False, in_others),
}


def metrics(hides_cells: bool) -> dict[str, Metric]:
    """Those that there are under a protocol that hides cells, or under one that does not."""
    return {name: one for name, one in METRICS.items() if hides_cells or one.among is None}


def recall_by_cell(predicted: Classes, labels: Classes, conditions: Classes, shape: tuple[int, int]) -> Values:
    """Recall of each cell in [0, 1], NaN where none of its images is tested.

    ``predicted`` (N,) or (repeats, N), ``labels`` and ``conditions`` (N,); ``shape``: (classes, conditions).
    """
    hits = (np.atleast_2d(predicted) == labels).mean(axis=0)
    right, count = np.zeros(shape), np.zeros(shape)
    np.add.at(right, (labels, conditions), hits)
    np.add.at(count, (labels, conditions), 1)
    return np.asarray(np.divide(right, count, out=np.full(shape, np.nan), where=count > 0))


def metric_or(other: str) -> AfterValidator:
    """For a setting of type ``Annotated[str, metric_or("auto")]``: the name of a metric, or this word."""

    def check(name: str) -> str:
        if name not in (names := [other, *METRICS]):
            raise ValueError(f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}")
        return name

    return AfterValidator(check)
