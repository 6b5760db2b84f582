"""Whether a generator repeats its training images: how near its images are to them, compared with unseen real images.

Pure: distances in, numbers out. What a near-copy is, and which unit distances have, is said in near_copies.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.near_copies import Nearest, Vectors, Yardstick, nearest

_MOST_DRAWS = 10

NOTE = (
    "Finds copies that are near in pixels or features; a shifted or recoloured copy may pass. That none are found is "
    "no guarantee of privacy: treat the images as what they are, derived from the training images."
)


@dataclass(frozen=True)
class Kind:
    """Images of one kind: training, held-out real, or generated ones."""

    vectors: Vectors  # (N, F): pixels or features
    labels: NDArray[np.int64]  # (N,)


@dataclass(frozen=True)
class Memorisation:
    """``figures``: ``overall`` and ``classes`` of a trial's JSON file; the rest is per generated image."""

    figures: dict[str, Any]
    nearest: Nearest
    relative: NDArray[np.float64]  # (N,), its relative distance; NaN where its class has no usual distance
    is_copy: NDArray[np.bool_]  # (N,)


def memorisation(
    train: Kind, held_out: Kind, made: Kind, classes: Sequence[str], seed: int, unlabelled: NDArray[Any] | None = None
) -> Memorisation:
    """How near the images of ``made`` are to the training images (of any class), compared with ``held_out`` real ones.

    ``train`` and ``unlabelled`` (M, F): the training images with and without labels; the rows of ``nearest`` count
    through both. A single name in ``classes`` is that of a generator without labels: it has no figures per class.
    ``seed``: of the draws of held-out images.
    """
    several = unlabelled is not None and len(unlabelled)  # else nothing is copied
    learned = np.concatenate([train.vectors[:], unlabelled]) if several else train.vectors
    yardstick = Yardstick.of(train.vectors, train.labels, len(classes), unlabelled)
    near_made, near_held_out = (nearest(kind.vectors, learned) for kind in (made, held_out))
    of_made = yardstick.relative(near_made.distance, made.labels)
    of_held_out = yardstick.relative(near_held_out.distance, held_out.labels)
    is_copy = yardstick.is_copy(near_made.distance, made.labels)
    is_near = yardstick.is_copy(near_held_out.distance, held_out.labels)
    overall = {
        **_figures(of_made, of_held_out, is_copy, is_near),
        "near_copy_below": yardstick.bound,
        "drawn_to_train": drawn_to_train(train, held_out, made, seeds.numpy_rng(seed, "draws")),
    }
    by_class = {}
    for label, name in enumerate(classes if len(classes) > 1 else ()):
        mine, theirs = made.labels == label, held_out.labels == label
        by_class[name] = _figures(of_made[mine], of_held_out[theirs], is_copy[mine], is_near[theirs])
    return Memorisation({"overall": overall, "classes": by_class}, near_made, of_made, is_copy)


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
    made: NDArray[np.float64], held_out: NDArray[np.float64], is_copy: NDArray[np.bool_], is_near: NDArray[np.bool_]
) -> dict[str, float | int | None]:
    """From the relative distances of generated and held-out images, and which of either are near-copies. The test
    "generated images are nearer" is Mann and Whitney's, as in Meehan 2020; it treats images as independent."""
    from scipy.stats import mannwhitneyu

    a, b = made[np.isfinite(made)], held_out[np.isfinite(held_out)]
    both = len(a) > 0 and len(b) > 0
    test = mannwhitneyu(a, b, alternative="less", method="asymptotic") if both else None
    return {
        "distance_ratio": float(np.median(a) / np.median(b)) if both else None,
        "nearer": 1 - float(test.statistic) / (len(a) * len(b)) if test else None,  # share of pairs; 0.5: alike
        "p_nearer": float(test.pvalue) if test else None,
        "near_copies": int(is_copy.sum()),
        "near_copies_share": float(is_copy.mean()) if len(is_copy) else None,
        "held_out_near_copies_share": float(is_near.mean()) if len(is_near) else None,  # what honest images show
    }
