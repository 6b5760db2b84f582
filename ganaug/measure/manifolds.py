"""Whether generated images lie where real ones do, and everywhere they do: precision, recall, density, coverage.

A manifold is the union of balls around its images; a ball's radius is the distance to the k-th nearest other image.
Pure: features in, numbers out. Memory does not grow with the square of the number of images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaug.measure.distances import Features

NEIGHBOURS = 5  # k, as in Naeem 2020
_WORKING_MEMORY = 64  # MiB, of distances at a time


@dataclass(frozen=True)
class Manifold:
    """``precision``, ``recall``: Kynkaanniemi 2019, eq. 1 and 2; ``density``, ``coverage``: Naeem 2020, eq. 3 and 4."""

    precision: float  # share of generated images in some real image's ball
    recall: float  # share of real images in some generated image's ball
    density: float  # real balls that a generated image lies in, over k; about 1 for real images, not bounded by it
    coverage: float  # share of real images' balls that hold a generated image
    neighbours: int


def manifold(real: Features, made: Features) -> Manifold | None:
    """``real`` and ``made`` (N, F), equally many; k is 5, or N - 1 where that is less. None for one image."""
    from sklearn.metrics import pairwise_distances_chunked

    count = len(real)
    k = min(NEIGHBOURS, count - 1)
    if k < 1 or len(made) != count:
        return None
    real_radius, made_radius = _radii(real, k), _radii(made, k)
    is_precise, real_balls, start = 0, 0, 0
    recalled, covered = np.zeros(count, bool), np.zeros(count, bool)
    for distance in pairwise_distances_chunked(made, real, working_memory=_WORKING_MEMORY):
        in_real = distance <= real_radius  # (some of the generated, real)
        is_precise += int(in_real.any(axis=1).sum())
        real_balls += int(in_real.sum())
        covered |= in_real.any(axis=0)
        recalled |= (distance <= made_radius[start : start + len(distance), None]).any(axis=0)
        start += len(distance)
    return Manifold(
        precision=is_precise / count,
        recall=float(recalled.mean()),
        density=real_balls / (k * count),
        coverage=float(covered.mean()),
        neighbours=k,
    )


def _radii(images: Features, k: int) -> NDArray[np.floating]:
    """The distance of each image to its k-th nearest other one, (N,)."""
    from sklearn.metrics import pairwise_distances_chunked

    def kth(distance: NDArray[np.floating], _start: int) -> NDArray[np.floating]:
        return np.partition(distance, k, axis=1)[:, k]  # the image itself, at 0, comes first

    return np.concatenate(list(pairwise_distances_chunked(images, reduce_func=kth, working_memory=_WORKING_MEMORY)))
