"""Cells: a class under a condition (a camera, a scanner, a light). A missing cell is one without images."""

import numpy as np
from numpy.typing import NDArray


def cell_counts(
    labels: NDArray[np.int64], conditions: NDArray[np.int64] | None, classes: int, names: int
) -> NDArray[np.int64]:
    """(classes, names): the images of each cell, from ``labels`` (N,) and ``conditions`` (N,) of so many names.

    Without ``conditions`` there are no cells.
    """
    counts = np.zeros((classes, names), np.int64)
    if conditions is not None:
        np.add.at(counts, (labels, conditions), 1)
    return counts


def targets(counts: NDArray[np.int64]) -> list[int]:
    """The conditions to move images to, from the images of each cell (classes, conditions): those that lack a class.

    Where no cell is missing: all but the condition with the most images, the first of them.
    """
    lacking = np.flatnonzero((counts == 0).any(axis=0))
    if len(lacking) or not counts.shape[1]:
        return [int(condition) for condition in lacking]
    most = int(counts.sum(axis=0).argmax())
    return [condition for condition in range(counts.shape[1]) if condition != most]
