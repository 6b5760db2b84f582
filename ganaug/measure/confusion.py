"""Which classes are confused with which. Pure: predictions in, percentages out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganaug.measure.gains import Tested


def confusion(trials: Sequence[Tested], arm: str, classes: int) -> NDArray[np.float64]:
    """(classes, classes): the percentage of each true class's test images (row), over all trials, that ``arm`` predicts
    as each class (column). Rows add up to 100; NaN where a class is not tested."""
    counts = np.zeros((classes, classes))
    for trial in trials:
        for predicted in np.atleast_2d(trial.predicted[arm]):
            np.add.at(counts, (trial.labels, predicted), 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(100 * counts / counts.sum(axis=1, keepdims=True), np.float64)
