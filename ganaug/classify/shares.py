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

    ``right`` (len(SHARES), REPEATS, images): whether a classifier was right about an image of ``labels`` (images,) that
    neither it nor the GAN had seen. The share that did best, but nothing unless it beats nothing by more than one
    standard error over the images: where the evidence is thin, no harm is done (the rule of one standard error of
    Breiman 1984, sec. 3.4.3).
    """
    import numpy as np

    counts = np.bincount(labels)
    weights = len(labels) / (np.count_nonzero(counts) * counts[labels])  # every class counts alike
    scores = right.mean(axis=1) * weights  # (shares, images)
    means = scores.mean(axis=1)
    best = int(means.argmax())  # of equals the smallest
    ahead = scores[best] - scores[0]
    error = ahead.std(ddof=1) / len(ahead) ** 0.5 if len(ahead) > 1 else np.inf
    chosen = SHARES[best] if ahead.mean() > error else 0.0
    return chosen, {f"{share:g}": round(100 * float(mean), 3) for share, mean in zip(SHARES, means, strict=True)}
