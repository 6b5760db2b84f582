"""Which classes are taken for which. Pure: predictions in, percentages out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ganaug.evaluate.gains import Tested

if TYPE_CHECKING:
    from numpy.typing import NDArray


def confusion(trials: Sequence[Tested], arm: str, classes: int) -> NDArray[np.float64]:
    """(classes, classes): of the test images of each true class (row), all trials together, the percentage that the arm
    takes for each class (column). Rows add up to 100; NaN where a class is not tested."""
    counts = np.zeros((classes, classes))
    for trial in trials:
        for predicted in np.atleast_2d(trial.predicted[arm]):
            np.add.at(counts, (trial.labels, predicted), 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(100 * counts / counts.sum(axis=1, keepdims=True), np.float64)
