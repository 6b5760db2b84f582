"""A classifier's scores on one test part, from scikit-learn, in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


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
