"""Distances between the distributions of generated and real features: KID and FID; and the inception score.

Pure: features in, numbers out. None is comparable between encoders.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]  # (N, F)
Labels = NDArray[np.int64]  # (N,)
Kernel = NDArray[np.floating]  # (N, N)

SUBSETS, LARGEST_SUBSET = 50, 1000  # Binkowski 2018 draws 100 subsets of 1,000 images
_ROWS = 1000  # images at a time


def kid(real: Features, made: Features, labels: Labels, rng: np.random.Generator) -> tuple[float | None, float | None]:
    """Kernel inception distance: (mean, standard deviation) over subsets of half the images, 1,000 at most.

    The squared maximum mean discrepancy under the kernel (x.y / F + 1)^3 (Binkowski 2018, eq. 4), unbiased at any size:
    its mean is zero where both are samples of one distribution, so it may be negative. ``real`` and ``made`` (N, F):
    row i of both is of class ``labels[i]``. ``rng`` draws the subsets. Classes with one image are left out: there is no
    other image of the class to pair it with.
    """
    by_class = [np.flatnonzero(labels == label) for label, count in enumerate(np.bincount(labels)) if count > 1]
    count = sum(map(len, by_class))
    if not count:
        return None, None
    share = min(0.5, LARGEST_SUBSET / count)
    sizes = [max(2, round(share * len(rows))) for rows in by_class]
    # Subsets of few images have most pairs in common. Of more, memory is that of one subset, and products keep the
    # features' own precision: float32 moves a KID of 0.01 by 1e-9.
    shared = _kernels(real.astype(np.float64), made.astype(np.float64)) if len(real) <= 2 * LARGEST_SUBSET else None
    values = []
    for _ in range(SUBSETS if sum(sizes) < count else 1):
        a, b = (
            np.concatenate([rng.choice(rows, size, replace=False) for rows, size in zip(by_class, sizes, strict=True)])
            for _ in range(2)
        )
        if shared is None:
            kernels = _kernels(real[a], made[b])
        else:
            kernels = shared[0][np.ix_(a, a)], shared[1][np.ix_(b, b)], shared[2][np.ix_(a, b)]
        values.append(_mmd(*kernels, sizes))
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _kernels(real: Features, made: Features) -> tuple[Kernel, Kernel, Kernel]:
    """The cubic kernel of every pair: within each set, and across."""
    return _kernel(real, real), _kernel(made, made), _kernel(real, made)


def _kernel(first: Features, second: Features) -> Kernel:
    near = first @ second.T  # of an array with itself half the work, which NumPy knows
    near /= first.shape[1]
    near += 1
    cube: Kernel = near * near  # faster than NumPy's ** 3
    cube *= near
    return cube


def _mmd(real: Kernel, made: Kernel, across: Kernel, sizes: Sequence[int]) -> float:
    """From the kernels of n and n images, so many of each class, class by class."""
    return _mean_of_pairs(real, sizes) + _mean_of_pairs(made, sizes) - 2 * float(across.mean(dtype=np.float64))


def _mean_of_pairs(kernel: Kernel, sizes: Sequence[int]) -> float:
    """Of the images of one set, without the pairs of an image with itself.

    Both sets have each class equally often, so the pairs must too: an image of a class has n_c - 1 partners, and each
    pair counts n_c / (n_c - 1) times. Without that, two halves of one set come out below zero.
    """
    total = _sum_of_pairs(kernel)
    for first, last in pairwise(np.cumsum([0, *sizes])):
        total += _sum_of_pairs(kernel[first:last, first:last]) / (last - first - 1)
    return total / len(kernel) ** 2


def _sum_of_pairs(kernel: Kernel) -> float:
    return float(kernel.sum(dtype=np.float64) - kernel.trace(dtype=np.float64))


def fid(real: Features, made: Features) -> float | None:
    """Frechet distance of two Gaussians with the features' means and covariances (Heusel 2017). Both (N, F), any N.

    |m - n|^2 + Tr(A + B - 2 (A B)^(1/2)). With A = X'X and B = Y'Y the last trace is the sum of the singular values of
    X Y', whose side is the smaller of the numbers of images and of features. They are computed as roots of eigenvalues,
    three times as fast and accurate to 1e-8 of the largest.
    """
    from scipy.linalg import eigvalsh

    if min(len(real), len(made)) < 2:
        return None
    x, y = _root_of_covariance(real), _root_of_covariance(made)
    apart = real.mean(axis=0, dtype=np.float64) - made.mean(axis=0, dtype=np.float64)
    across = x @ y.T
    root_trace = np.sqrt(eigvalsh(across @ across.T).clip(min=0)).sum()
    return float(apart @ apart + (x**2).sum() + (y**2).sum() - 2 * root_trace)


def _root_of_covariance(features: Features) -> NDArray[np.float64]:
    """X with X'X the covariance of (N, F), and at most F rows; its memory does not grow with N."""
    from scipy.linalg.lapack import dpstrf

    count, width = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    if count <= width:
        return np.asarray((features - mean) / np.sqrt(count - 1))
    covariance = np.zeros((width, width))
    for start in range(0, count, _ROWS):
        centred = features[start : start + _ROWS] - mean
        covariance += centred.T @ centred
    # Cholesky's factor with pivots, which a covariance of features that are never active has too.
    upper, pivots, rank, _ = dpstrf(covariance / (count - 1))
    root = np.zeros((rank, width))
    root[:, pivots - 1] = np.triu(upper[:rank])
    return root


def inception_score(probabilities: NDArray[np.floating]) -> float:
    """exp of the mean KL divergence of p(class | image) from p(class) (Salimans 2016): 1 to the number of classes.

    ``probabilities`` (N, classes) of generated images. High where each image is clearly of one class and all classes
    occur. Real images play no part.
    """
    from scipy.special import rel_entr

    p = probabilities.astype(np.float64)
    return float(np.exp(rel_entr(p, p.mean(axis=0)).sum(axis=1).mean()))
