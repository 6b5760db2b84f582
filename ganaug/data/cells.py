"""Cells: a class under a condition (a camera, a scanner, a light). A missing cell is one without images."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def cell_counts(
    labels: NDArray[np.int64], conditions: NDArray[np.int64] | None, classes: int, names: int
) -> NDArray[np.int64]:
    """(``classes``, ``names``): the images of each cell, from ``labels`` (N,) and ``conditions`` (N,) of so many names.

    Without ``conditions`` there are no cells.
    """
    counts = np.zeros((classes, names), np.int64)
    if conditions is not None:
        np.add.at(counts, (labels, conditions), 1)
    return counts


def in_cells(
    labels: NDArray[np.int64], conditions: NDArray[np.int64] | None, cells: Iterable[tuple[int, int]]
) -> NDArray[np.bool_]:
    """(N,): whether an image, of ``labels`` and ``conditions`` (N,), is in one of the ``cells`` (class, condition)."""
    found = np.zeros(len(labels), bool)
    if conditions is not None:
        for label, condition in cells:
            found |= (labels == label) & (conditions == condition)
    return found


def targets(counts: NDArray[np.int64]) -> list[int]:
    """The conditions to move images to, from the images of each cell (classes, conditions): those that lack a class.

    Where no cell is missing: all but the condition with the most images, the first of them.
    """
    lacking = np.flatnonzero((counts == 0).any(axis=0))
    if len(lacking) or not counts.shape[1]:
        return [int(condition) for condition in lacking]
    most = int(counts.sum(axis=0).argmax())
    return [condition for condition in range(counts.shape[1]) if condition != most]


def hidden_sets(
    counts: NDArray[np.int64], enough: NDArray[np.bool_], hide: float, rngs: Iterable[np.random.Generator]
) -> Iterator[list[tuple[int, int]]]:
    """The cells (class, condition) that each trial hides, a trial for each of ``rngs``; empty if no cell can be hidden.

    By the images' ``counts`` (classes, conditions), each target loses the share ``hide`` of the cells seen there: at
    least one. Those that were hidden least often come first, so that all are hidden about equally often, and one more
    trial leaves the others as they were. A cell is hidden only if it has ``enough`` images, and both its class and its
    condition another cell with enough that is not hidden.
    """
    seen, quota = (counts > 0).sum(axis=0), np.zeros(counts.shape[1], np.int64)
    for target in targets(counts):
        quota[target] = min(enough[:, target].sum() - 1, max(1, round(hide * seen[target])))
    times = np.zeros(counts.shape, np.int64)
    for rng in rngs:
        left, wanted = enough.copy(), quota.copy()
        while (can := left & (wanted > 0) & (left.sum(axis=1, keepdims=True) > 1)).any():
            cells = np.argwhere(can)
            cell = tuple(cells[np.lexsort((rng.random(len(cells)), times[can]))[0]])
            left[cell] = False
            wanted[cell[1]] -= 1
        hidden = enough & ~left
        times += hidden
        yield [(int(label), int(condition)) for label, condition in np.argwhere(hidden)]
