"""Whether a generator repeats its training images: how near its images are to them, compared with unseen real images.

Pure: distances in, numbers out. What is near differs between classes, so each distance is divided by the median
distance of unseen real images of its class to the training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds

EXPECTED = 0.01  # the share of unseen real images that count as near-copies, by definition
_ROWS, _VALUES = 2048, 4_000_000  # of images at a time: distances of 32 MB between values of 32 MB
_MOST_DRAWS = 10

NOTE = (
    "Finds copies that are near in pixels or features; a shifted or recoloured copy may pass. That none are found is "
    "no guarantee of privacy: treat the images as what they are, derived from the training images."
)


@dataclass(frozen=True)
class Kind:
    """Images of one kind: training, held-out real, or generated ones."""

    vectors: NDArray[Any]  # (N, F): pixels or features
    labels: NDArray[np.int64]  # (N,)


@dataclass(frozen=True)
class Nearest:
    """The training image nearest to each of N images."""

    row: NDArray[np.int64]  # (N,), of the training images
    distance: NDArray[np.float64]  # (N,), root mean square difference in the unit of the vectors


@dataclass(frozen=True)
class Memorisation:
    """``figures``: ``overall`` and ``classes`` of a trial's JSON file; the rest is per generated image."""

    figures: dict[str, Any]
    nearest: Nearest
    relative: NDArray[np.float64]  # (N,), its relative distance; NaN where its class has no held-out image
    is_copy: NDArray[np.bool_]  # (N,)


def memorisation(
    train: Kind, held_out: Kind, made: Kind, classes: Sequence[str], seed: int, unlabelled: NDArray[Any] | None = None
) -> Memorisation:
    """How near the images of ``made`` are to the training images (of any class), compared with ``held_out`` real ones.

    ``train`` and ``unlabelled`` (M, F): the training images with and without labels; the rows of ``nearest`` count
    through both. A near-copy is nearer to a training image, relative to its class, than 99 % of the held-out images
    are, or equal to it. A single name in ``classes`` is that of a generator without labels: it has no figures per
    class. ``seed``: of the draws of held-out images.
    """
    learned = train.vectors if unlabelled is None else np.concatenate([train.vectors, unlabelled])
    near_made, near_held_out = (nearest(kind.vectors, learned) for kind in (made, held_out))
    per_class = (near_held_out.distance[held_out.labels == label] for label in range(len(classes)))
    scale = np.array([(float(np.median(some)) if len(some) else 0.0) or np.nan for some in per_class])
    of_made, of_held_out = near_made.distance / scale[made.labels], near_held_out.distance / scale[held_out.labels]
    known = of_held_out[np.isfinite(of_held_out)]
    bound = float(np.quantile(known, EXPECTED)) if len(known) else None
    is_copy = near_made.distance == 0
    if bound is not None:
        is_copy |= of_made < bound  # not true of NaN
    overall = {
        **_figures(of_made, of_held_out, is_copy),
        "near_copy_below": bound,
        "drawn_to_train": drawn_to_train(train, held_out, made, seeds.numpy_rng(seed, "draws")),
    }
    by_class = {}
    for label, name in enumerate(classes if len(classes) > 1 else ()):
        mine = made.labels == label
        by_class[name] = _figures(of_made[mine], of_held_out[held_out.labels == label], is_copy[mine])
    return Memorisation({"overall": overall, "classes": by_class}, near_made, of_made, is_copy)


def nearest(images: NDArray[Any], others: NDArray[Any]) -> Nearest:
    """The nearest of ``others`` (M, F) to each of ``images`` (N, F). Exact for whole numbers such as pixels."""
    from sklearn.metrics import euclidean_distances

    rows = np.zeros(len(images), np.int64)
    least = np.full(len(images), np.inf)
    step = min(_ROWS, max(1, _VALUES // images.shape[1]))  # memory grows neither with the images nor with their size
    for start in range(0, len(images), step):
        some = images[start : start + step].astype(np.float64)
        here = slice(start, start + len(some))
        for other in range(0, len(others), step):
            distance = euclidean_distances(some, others[other : other + step].astype(np.float64))
            closer = distance.min(axis=1) < least[here]
            rows[here] = np.where(closer, other + distance.argmin(axis=1), rows[here])
            least[here] = np.minimum(least[here], distance.min(axis=1))
    return Nearest(rows, least / np.sqrt(images.shape[1]))


def drawn_to_train(train: Kind, held_out: Kind, made: Kind, rng: np.random.Generator) -> float | None:
    """The share of images of ``made`` nearer to those of ``train`` than to as many of ``held_out`` of the same classes.

    0.5: the generator knows the classes, not the images. 1: it knows the training images alone. That smooth images are
    nearer to everything plays no part, since both distances are of one image. The mean over disjoint draws by ``rng``
    of held-out images; None where a class has fewer of those than training images (as in cross-validation).
    """
    sizes = np.bincount(train.labels)
    spare = np.bincount(held_out.labels, minlength=len(sizes))[: len(sizes)]
    draws = min([_MOST_DRAWS, *(spare[sizes > 0] // sizes[sizes > 0]).tolist()])
    if draws < 1 or not len(made.vectors):
        return None
    order = [rng.permutation(np.flatnonzero(held_out.labels == label)) for label in range(len(sizes))]
    shares, to_train = [], nearest(made.vectors, train.vectors)
    for draw in range(draws):
        rows = np.concatenate([one[draw * size : (draw + 1) * size] for one, size in zip(order, sizes, strict=True)])
        unseen = nearest(made.vectors, held_out.vectors[rows]).distance
        shares.append(float((to_train.distance < unseen).mean() + (to_train.distance == unseen).mean() / 2))
    return float(np.mean(shares))


def _figures(
    made: NDArray[np.float64], held_out: NDArray[np.float64], is_copy: NDArray[np.bool_]
) -> dict[str, float | int | None]:
    """From the relative distances of generated and held-out images. The test "generated images are nearer" is Mann and
    Whitney's, as in Meehan 2020; it treats images as independent."""
    from scipy.stats import mannwhitneyu

    a, b = made[np.isfinite(made)], held_out[np.isfinite(held_out)]
    both = len(a) > 0 and len(b) > 0
    test = mannwhitneyu(a, b, alternative="less", method="asymptotic") if both else None
    return {
        "distance_ratio": float(np.median(a)) if both else None,  # of the medians: that of held-out images is 1
        "nearer": 1 - float(test.statistic) / (len(a) * len(b)) if test else None,  # share of pairs; 0.5: alike
        "p_nearer": float(test.pvalue) if test else None,
        "near_copies": int(is_copy.sum()),
        "near_copies_share": float(is_copy.mean()) if len(is_copy) else None,
    }
