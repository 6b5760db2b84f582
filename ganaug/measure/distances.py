"""Distances between the distributions of generated and real features: KID and FID; and the inception score.

Pure: features in, numbers out. None is comparable between encoders.
"""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]  # (N, F)
Labels = NDArray[np.int64]  # (N,)
Kernel = NDArray[np.float64]  # (N, N)

SUBSETS, LARGEST_SUBSET = 50, 1000  # Binkowski 2018 draws 100 subsets of 1,000 images


def kid(real: Features, made: Features, labels: Labels, rng: np.random.Generator) -> tuple[float | None, float | None]:
    """Kernel inception distance: (mean, standard deviation) over subsets of half the images, 1,000 at most.

    The squared maximum mean discrepancy under the kernel (x.y / F + 1)^3 (Binkowski 2018, eq. 4), unbiased at any size:
    its mean is zero where both are samples of one distribution, so it may be negative. ``real`` and ``made`` (N, F):
    row i of both is of class ``labels[i]``. ``rng`` draws the subsets. Classes with one image are left out: there is no
    other image of the class to pair it with.
    """
    kept = np.flatnonzero(np.bincount(labels)[labels] > 1)
    real, made, labels = real[kept], made[kept], labels[kept]
    if not len(labels):
        return None, None
    within_real, within_made, across = _kernel(real, real), _kernel(made, made), _kernel(real, made)
    share = min(0.5, LARGEST_SUBSET / len(labels))
    by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = [max(2, round(share * len(rows))) for rows in by_class]
    values = []
    for _ in range(SUBSETS if sum(sizes) < len(labels) else 1):
        a, b = (
            np.concatenate([rng.choice(rows, size, replace=False) for rows, size in zip(by_class, sizes, strict=True)])
            for _ in range(2)
        )
        values.append(_mmd(within_real[np.ix_(a, a)], within_made[np.ix_(b, b)], across[np.ix_(a, b)], labels[a]))
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _kernel(first: Features, second: Features) -> Kernel:
    """The cubic kernel of every pair."""
    near = first.astype(np.float64) @ second.T.astype(np.float64) / first.shape[1] + 1
    return np.asarray(near * near * near)  # faster than NumPy's ** 3


def _mmd(real: Kernel, made: Kernel, across: Kernel, labels: Labels) -> float:
    """From the kernels of n and n images of these classes, without the pairs of an image with itself.

    Both sets have each class equally often, so the pairs must too: an image of a class has n_c - 1 partners, and each
    pair counts n_c / (n_c - 1) times. Without that, two halves of one set come out below zero.
    """
    counts = np.bincount(labels)
    weight = np.where(labels[:, None] == labels, (counts / np.maximum(counts - 1, 1))[labels], 1.0)
    np.fill_diagonal(weight, 0)
    return float((weight * (real + made)).mean() - 2 * across.mean())


def fid(real: Features, made: Features) -> float | None:
    """Frechet distance of two Gaussians with the features' means and covariances (Heusel 2017). Both (N, F), any N.

    |m - n|^2 + Tr(A + B - 2 (A B)^(1/2)). With A = X'X and B = Y'Y the last trace is the sum of the singular values of
    X Y', whose side is the smaller of the numbers of images and of features: no large covariance matrix is built. They
    are computed as roots of eigenvalues, three times as fast and accurate to 1e-8 of the largest.
    """
    from scipy.linalg import eigvalsh

    if min(len(real), len(made)) < 2:
        return None
    x, y = _centred(real), _centred(made)
    apart = real.mean(axis=0, dtype=np.float64) - made.mean(axis=0, dtype=np.float64)
    across = _reduced(x) @ _reduced(y).T
    root_trace = np.sqrt(eigvalsh(across @ across.T).clip(min=0)).sum()
    return float(apart @ apart + (x**2).sum() + (y**2).sum() - 2 * root_trace)


def _centred(features: Features) -> NDArray[np.float64]:
    """X with X'X the covariance."""
    wide = features.astype(np.float64)
    return np.asarray((wide - wide.mean(axis=0)) / np.sqrt(len(wide) - 1))


def _reduced(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same X'X with at most as many rows as columns."""
    return np.asarray(np.linalg.qr(x, mode="r")) if len(x) > x.shape[1] else x


def inception_score(probabilities: NDArray[np.floating]) -> float:
    """exp of the mean KL divergence of p(class | image) from p(class) (Salimans 2016): 1 to the number of classes.

    ``probabilities`` (N, classes) of generated images. High where each image is clearly of one class and all classes
    occur. Real images play no part.
    """
    from scipy.special import rel_entr

    p = probabilities.astype(np.float64)
    return float(np.exp(rel_entr(p, p.mean(axis=0)).sum(axis=1).mean()))
