"""The images of the filler ``edits``: a trial's real images, moved as far as they keep their class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.fillers import Edits
from ganaug.classify.pools import Pool, equally_often
from ganaug.stages.classifiers import teachers
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch

    from ganaug.edit.inversion import Inverted, Inverter

_DIRECTIONS = 8  # the first of SeFa's
_STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0)  # standard deviations of a latent
_LOST = 0.02  # of the images: how many fewer may be named, of those that are named unmoved


def edited_pool(split: SplitOf, base: str, real: Pool, seed: int, where: torch.device) -> Pool:
    """As many images of each class as there are synthetic ones of ``split``: each image of ``real`` equally often, on
    either side of it along one of the directions of the trial's own generator, at most as far as ``strengths`` allow.

    Classifiers learn as the arm ``base``, on the device ``where``; ``seed`` is that of all draws.
    """
    from ganaug.edit.directions import sefa
    from ganaug.edit.inversion import Inverter
    from ganaug.synth.generator import load_generator

    path = split.project.work.place("train", split.train_key) / "generator.safetensors"
    finder = Inverter(load_generator(path).network, len(split.classes), where, seeds.derive(seed, "edits", "encoder"))
    images, labels = real
    ones = finder.invert(images[:], labels)
    directions = sefa(finder.network, _DIRECTIONS).numpy()
    allowed = strengths(split, base, real, finder, ones, directions, seed, where)
    rng = seeds.numpy_rng(seed, "edits")
    counts = enumerate(split.synthetic_counts.values())
    rows = np.concatenate([equally_often(np.flatnonzero(labels == label), count, rng) for label, count in counts])
    which = rng.integers(len(directions), size=len(rows))
    moves = rng.uniform(-1, 1, len(rows)) * allowed[which]
    return _moved(finder, ones, rows, directions[which], moves), labels[rows]


def strengths(
    split: SplitOf,
    base: str,
    real: Pool,
    finder: Inverter,
    ones: Inverted,
    directions: NDArray[np.float32],
    seed: int,
    where: torch.device,
) -> NDArray[np.float64]:
    """How far along each of ``directions`` (K, z_dim) images keep their class: (K,), 0 where they do not.

    Cross-fitted: an image of ``real``, which ``finder`` found at its one of ``ones``, is judged by a classifier that
    learned the other folds of it, as the arm ``base`` of ``split`` from ``seed`` on the device ``where``.
    """
    images, labels = real
    right = np.zeros((len(_STRENGTHS) + 1, len(directions)))
    for fold, (learned, judged) in enumerate(_folds(labels, seed)):
        part = images[learned], labels[learned]
        judge = teachers(split, base, part, seeds.derive(seed, "edits", "fold", fold), where)(0)
        for level, strength in enumerate((0.0, *_STRENGTHS)):
            for number, direction in enumerate(directions if strength else directions[:1]):
                for side in (-strength, strength):
                    moved = _moved(finder, ones, judged, direction[None], np.full(len(judged), side))
                    named = judge(moved).argmax(axis=1) == labels[judged]
                    right[level, slice(None) if not strength else number] += named.sum()
    kept = np.logical_and.accumulate(right[1:] >= right[0] - _LOST * 2 * len(labels), axis=0)
    return np.asarray(np.array([0.0, *_STRENGTHS])[kept.sum(axis=0)])


def _folds(labels: NDArray[np.int64], seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(rows to learn, rows to judge), as even over the classes as can be."""
    rng, fold = seeds.numpy_rng(seed, "edits", "folds"), np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % Edits.folds
    for one in np.unique(fold):
        yield np.flatnonzero(fold != one), np.flatnonzero(fold == one)


def _moved(
    finder: Inverter,
    ones: Inverted,
    rows: NDArray[np.int64],
    directions: NDArray[np.float32],
    strengths: NDArray[np.float64],
) -> NDArray[np.uint8]:
    import torch

    moves = torch.from_numpy((directions * strengths[:, None]).astype(np.float32))
    return finder.render(finder.held(ones.points[rows] + moves), ones.labels[rows])
