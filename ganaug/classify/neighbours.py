"""How far images are from others: the mean distance to the nearest of them, in what a classifier sees or in pixels."""

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
SHARE = 0.01  # of the images that one compares with, which are as unlike the others, by definition


def distances(vectors: NDArray[np.float32], others: NDArray[np.float32], same: bool = False) -> NDArray[np.float64]:
    """Of ``vectors`` (N, F) to the nearest of ``others`` (M, F), M > 1: one minus the cosine, the mean over NEIGHBOURS.

    ``same``: they are the same images in the same order, none of which is its own neighbour. A cosine, since the length
    of what a classifier sees says how sure it is: far smaller for images of something else.
    """
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    count = min(NEIGHBOURS, len(others) - same)
    with threadpool_limits(1):
        near = NearestNeighbors(n_neighbors=count, metric="cosine", n_jobs=1).fit(others)
        found, _ = near.kneighbors(None if same else vectors)
    return np.asarray(found.mean(axis=1), np.float64)
