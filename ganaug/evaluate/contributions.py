"""Metrics as means over test images, so that one statistic serves them all.

Each function takes predictions and labels and returns one number an image, (N,), whose mean is the metric and whose
spread is the metric's sampling error over test images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[np.int64]
Values = NDArray[np.float64]


def accuracy(predicted: Classes, labels: Classes, classes: int) -> Values:
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


def over_repeats(metric: Callable[..., Values], predicted: Classes, labels: Classes, classes: int) -> Values:
    """``predicted``: (N,), or (repeats, N) of classifiers whose initial weights differ: then their mean, (N,)."""
    return np.asarray(np.mean([metric(one, labels, classes) for one in np.atleast_2d(predicted)], axis=0), np.float64)


METRICS = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1}
