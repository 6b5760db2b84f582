"""A classifier's scores on one test part, from scikit-learn, in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


def mean_scores(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of classifiers that were tested on the same part: the mean of each score."""

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    return {
        **{key: mean([one[key] for one in found]) for key in found[0] if key != "recall"},
        "recall": {name: mean([one["recall"][name] for one in found]) for name in found[0]["recall"]},
    }


def scores(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Accuracy, balanced accuracy, macro-F1, and the recall of each class by its name (None where it is not tested)."""
    import warnings

    from sklearn import metrics

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        balanced = metrics.balanced_accuracy_score(labels, predicted)
    macro_f1 = metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    recall = metrics.recall_score(labels, predicted, labels=range(len(classes)), average=None, zero_division=0)
    tested = set(labels.tolist())
    return {
        "accuracy": 100 * float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": 100 * float(balanced),
        "macro_f1": 100 * float(macro_f1),
        "recall": {
            name: 100 * float(value) if label in tested else None
            for label, (name, value) in enumerate(zip(classes, recall, strict=True))
        },
    }
