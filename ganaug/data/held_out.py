"""An inner fold: images of a train part that are held out of a training, to evaluate it."""

from collections.abc import Sequence

import numpy as np

from ganaug import seeds
from ganaug.data.prepared import Prepared


def inner_fold(prepared: Prepared, rows: Sequence[int], share: float, seed: int) -> tuple[list[int], list[int]]:
    """(rows kept, rows held out), sorted: about ``share`` (0..1) of each class in ``rows`` of ``prepared`` is held out.

    Of two images of a class one is held out; a class never loses its last image. Images of a group or of equal pixels
    stay together. ``seed`` decides which.
    """
    if not share:
        return sorted(rows), []
    index = np.asarray(sorted(rows), np.int64)
    labels = prepared.labels[index]
    bound = prepared.items(index.tolist()).bound()
    counts = np.bincount(labels, minlength=len(prepared.classes))
    wanted = np.where(counts > 1, np.maximum(1, np.round(share * counts)), 0)
    held = np.zeros_like(counts)
    out = np.zeros(len(index), bool)
    for unit in seeds.numpy_rng(seed, "inner fold").permutation(np.unique(bound)):
        of_unit = np.bincount(labels[bound == unit], minlength=len(counts))
        if ((held + of_unit <= wanted) | (of_unit == 0)).all():
            held += of_unit
            out |= bound == unit
    return index[~out].tolist(), index[out].tolist()
