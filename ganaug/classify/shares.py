"""``share: auto``: how much of each batch a filler's images take, chosen inside the train part, nothing included."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES = (0.0, 0.25, 0.5)
REPEATS = 3  # classifiers a share, of unlike initial weights


def best_share(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> tuple[float, dict[str, float]]:
    """The share to use, and the balanced accuracy in percent that each reached.

    ``right`` (REPEATS, len(SHARES), images): whether a classifier was right about an image of ``labels`` (images,) that
    neither it nor the GAN had seen. The share that did best, but nothing unless it beats nothing by more than one
    standard error, of images and of initial weights (the rule of one standard error of Breiman 1984, sec. 3.4.3).
    With few images that is thin evidence, which keeps from a great harm more than from a small one: in simulations with
    10 to 100 images a share that changes nothing is chosen in some 20 % of trials, one that costs three points in 5 %.
    """
    import numpy as np

    counts = np.bincount(labels)
    weights = len(labels) / (np.count_nonzero(counts) * counts[labels])  # every class counts alike
    scores = right * weights
    means = scores.mean(axis=(0, 2))
    best = int(means.argmax())  # of equals the smallest
    ahead = scores[:, best] - scores[:, 0]  # (repeats, images)
    error = np.inf
    if len(labels) > 1:
        error = float(np.hypot(*(ahead.mean(axis=axis).std(ddof=1) / ahead.shape[1 - axis] ** 0.5 for axis in (0, 1))))
    chosen = SHARES[best] if ahead.mean() > error else 0.0
    return chosen, {f"{share:g}": round(100 * float(mean), 3) for share, mean in zip(SHARES, means, strict=True)}
