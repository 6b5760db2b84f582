"""A classifier's scores on one test part, in percent."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.measure.contributions import Cells, metrics


def scores(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str], cells: Cells | None = None
) -> dict[str, Any]:
    """Every metric, and ``recall``: that of each class by its name (None where it is not tested).

    ``predicted`` and ``labels``: (N,), rows of ``classes``. ``cells``: under a protocol that hides cells; a metric of
    them is None where none of its images is tested.
    """
    right = predicted == labels
    tested = ((name, right[labels == label]) for label, name in enumerate(classes))
    return {
        **{
            key: 100 * float(metric(predicted, labels, len(classes), cells).mean())
            if metric.about(labels, cells).any()
            else None
            for key, metric in metrics(cells is not None).items()
        },
        "recall": {name: 100 * float(of_class.mean()) if len(of_class) else None for name, of_class in tested},
    }


def mean_scores(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each score over classifiers that were tested on the same part."""

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    return {
        **{key: mean([one[key] for one in found]) for key in found[0] if key != "recall"},
        "recall": {name: mean([one["recall"][name] for one in found]) for name in found[0]["recall"]},
    }
