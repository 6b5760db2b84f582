"""The images of the filler ``edits``: a trial's real images, moved as far as they keep their class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.fillers import Edits
from ganaug.classify.pools import Pool, equally_often
from ganaug.stages.cross_fit import judges
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch

_DIRECTIONS = 8  # the first of SeFa's
_LOST = 0.02  # of the images: how many fewer may be named, of those that are named unmoved


def edited_pool(split: SplitOf, base: str, own: list[int], seed: int, where: torch.device) -> Pool:
    """As many images of each class as there are synthetic ones of ``split``: the rows ``own`` equally often,
    each moved along a direction of the trial's own generator, to either side, at most as far as they keep their class.

    How far that is, is cross-fitted: an image is judged by a classifier that learned the other folds, as the arm
    ``base``, on the device ``where``. ``seed`` is that of all draws.
    """
    import torch

    from ganaug.edit.directions import sefa
    from ganaug.edit.inversion import Inverter
    from ganaug.synth.generator import load_generator

    path = split.project.work.place("train", split.train_key) / "generator.safetensors"
    finder = Inverter(load_generator(path).network, len(split.classes), where, seeds.derive(seed, "edits", "encoder"))
    part = split.prepared.part(own)
    images, labels = part.images, part.labels
    points = finder.invert(images[:], labels).points
    directions = sefa(finder.network, _DIRECTIONS)

    def moved(rows: NDArray[np.int64], which: Any, strengths: Any) -> NDArray[np.uint8]:
        moves = directions[which] * torch.as_tensor(strengths, dtype=torch.float32)[..., None]
        return finder.render(finder.held(points[rows] + moves), labels[rows])

    strengths = np.array(Edits.strengths)
    right = np.zeros((len(strengths), len(directions)))  # images, both ways, that are named as their class
    for judge, judged in judges(split, base, own, seeds.derive(seed, "edits"), where, repeats=1):
        for at in np.ndindex(right.shape):
            for strength in (-strengths[at[0]], strengths[at[0]]):
                right[at] += (judge(moved(judged, at[1], strength)).argmax(axis=1) == labels[judged]).sum()
    kept = np.logical_and.accumulate(right >= right[0] - _LOST * 2 * len(labels))
    allowed = strengths[kept.sum(axis=0) - 1]
    rng, counts = seeds.numpy_rng(seed, "edits"), enumerate(split.synthetic_counts.values())
    rows = np.concatenate([equally_often(np.flatnonzero(labels == label), count, rng) for label, count in counts])
    which = rng.integers(len(directions), size=len(rows))
    return moved(rows, which, rng.uniform(-1, 1, len(rows)) * allowed[which]), labels[rows]
