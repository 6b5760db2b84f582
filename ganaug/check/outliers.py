"""How far images are from others: the mean distance to the nearest of them, in what a classifier sees or in pixels."""

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
_FAR = 3.0  # Tukey's fence of what is far out, in interquartile ranges


def distances(
    images: NDArray[np.float32], others: NDArray[np.float32], same: bool = False, metric: str = "cosine"
) -> NDArray[np.float64]:
    """Of vectors ``images`` (N, F) to the nearest of ``others`` (M, F), M > 1: the mean over NEIGHBOURS, (N,).

    ``same``: they are the same images in the same order, none of which is its own neighbour. ``metric``: as
    scikit-learn calls it.
    """
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    count = min(NEIGHBOURS, len(others) - same)
    with threadpool_limits(1):
        near = NearestNeighbors(n_neighbors=count, metric=metric, n_jobs=1).fit(others)
        found, _ = near.kneighbors(None if same else images)
    return np.asarray(found.mean(axis=1), np.float64)


def fence(usual: NDArray[np.float64]) -> float:
    """The distance from which on an image is far out of those at ``usual`` distances (N,): Tukey's fence, on their
    logarithms, since distances are skewed."""
    logs = np.log(np.maximum(usual, 1e-12))
    low, high = np.quantile(logs, [0.25, 0.75])
    return float(np.exp(high + _FAR * (high - low)))
