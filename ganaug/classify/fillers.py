"""The fillers: what takes a share of each batch. Each makes the pool of images that the share is drawn from.

``gan`` is what is measured; the others are what it must be measured against. ``placebo`` and ``smote`` make as many
images of a class as there are synthetic ones, so that two arms differ in what the images are and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Lt

from ganaug import seeds
from ganaug.errors import UserError
from ganaug.settings import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ganaug.classify.arms import Arm

    # uint8 images (N, H, W, C) and their labels (N,)
    Pool = tuple[NDArray[np.uint8], NDArray[np.int64]]
    # A teacher's number -> a classifier that it trains: uint8 images (N, H, W, C) -> probabilities (N, classes)
    Teach = Callable[[int], Callable[[NDArray[np.uint8]], NDArray[np.float32]]]


@dataclass(frozen=True)
class PseudoLabels(Spec):
    """The filler ``pseudo``: images without labels, labelled by the mean of what ``teachers`` say (Lee 2013).

    Teachers learn from the real images as the arm without its filler does. Images of which they are less sure are left
    out.
    """

    teachers: Annotated[int, Ge(1)] = 4
    confidence: Annotated[float, Ge(0), Lt(1)] = 0.8  # probability of the likeliest class, at least


@dataclass(frozen=True)
class Stock:
    """What the pools of one trial are made of."""

    real: Pool
    counts: Sequence[int]  # [label]: the synthetic images of each class
    seed: int
    synthetic: Pool | None = None
    unlabelled: NDArray[np.uint8] | None = None  # (N, H, W, C)
    teach: Teach | None = None


def filling(chosen: Arm, stock: Stock) -> Pool | None:
    """The pool of the arm's filler, or None without one."""
    return FILLERS[chosen.filler](chosen, stock) if chosen.filler else None


def _gan(chosen: Arm, stock: Stock) -> Pool | None:
    """The synthetic images."""
    return stock.synthetic


def _pseudo(chosen: Arm, stock: Stock) -> Pool:
    """Images without labels, under those that teachers are sure of."""
    import numpy as np

    assert stock.unlabelled is not None
    assert stock.teach is not None
    sure, labels = sure_of(chosen.pseudo, stock.unlabelled, stock.teach)
    return np.ascontiguousarray(stock.unlabelled[sure]), labels


def sure_of(spec: PseudoLabels, images: NDArray[np.uint8], teach: Teach) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of those images (N, H, W, C) that teachers are sure of, and the class of each."""
    import numpy as np

    said = np.mean([teach(number)(images) for number in range(spec.teachers)], axis=0)
    sure = np.flatnonzero(said.max(axis=1) >= spec.confidence)
    if not len(sure):
        raise UserError(
            f"classify.pseudo.confidence: teachers must be so sure of some image, but of {len(said)} none reaches "
            f"{spec.confidence:g}; lower it, or do without pseudo-labels"
        )
    return sure, said[sure].argmax(axis=1)


def _placebo(chosen: Arm, stock: Stock) -> Pool:
    """The train part's own images again, as many of a class as there are synthetic ones.

    It must show no gain, but for that of evening out the classes where their counts do that.
    """
    return _again("placebo", stock.real, stock.counts, stock.seed)


def _oversample(chosen: Arm, stock: Stock) -> Pool:
    """The train part's own images again, as many of a class as it lacks of the largest one.

    What imbalanced-learn's RandomOverSampler adds, but with every image of a class added equally often.
    """
    import numpy as np

    sizes = np.bincount(stock.real[1], minlength=len(stock.counts))
    return _again("oversample", stock.real, (sizes.max() - sizes).tolist(), stock.seed)


def _smote(chosen: Arm, stock: Stock) -> Pool:
    """SMOTE (Chawla 2002): each image a random point of the line from one of its class to one of its 5 nearest.

    imbalanced-learn's, on pixels. Nearest is meant within the class.
    """
    import numpy as np
    from imblearn.over_sampling import SMOTE
    from threadpoolctl import threadpool_limits

    images, labels = stock.real
    made = [images[:0]]
    for label, count, rows in _wanted("smote", labels, stock.counts, at_least=2):
        flat = images[rows].reshape(len(rows), -1).astype(np.float32)
        with_other = np.concatenate([flat, np.zeros_like(flat[:1])])  # it asks for a second class, and leaves it alone
        smote = SMOTE(
            sampling_strategy={1: len(rows) + count},
            k_neighbors=min(5, len(rows) - 1),
            random_state=seeds.derive(stock.seed, "smote", label) % 2**32,
        )
        with threadpool_limits(1):  # which of two equally near images counts as nearer depends on the threads
            points, _ = smote.fit_resample(with_other, [1] * len(rows) + [0])
        made.append(np.rint(points[len(with_other) :]).astype(np.uint8).reshape(-1, *images.shape[1:]))
    return np.concatenate(made), np.repeat(np.arange(len(stock.counts)), stock.counts)


FILLERS: dict[str, Callable[[Arm, Stock], Pool | None]] = {
    "gan": _gan,
    "pseudo": _pseudo,
    "placebo": _placebo,
    "oversample": _oversample,
    "smote": _smote,
}


def _again(name: str, real: Pool, counts: Sequence[int], seed: int) -> Pool:
    """``counts[label]`` of the real images of each class, each floor or ceil(count / size) times."""
    import numpy as np

    images, labels = real
    chosen = [np.zeros(0, np.int64)]
    for label, count, rows in _wanted(name, labels, counts, at_least=1):
        times, rest = divmod(count, len(rows))
        once_more = seeds.numpy_rng(seed, name, label).permutation(rows)[:rest]
        chosen += [np.tile(rows, times), once_more]
    picked = np.concatenate(chosen)
    return images[picked], labels[picked]


def _wanted(
    name: str, labels: NDArray[np.int64], counts: Sequence[int], at_least: int
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """(label, count, rows of ``labels``) of each class of which images are wanted."""
    import numpy as np

    for label, count in enumerate(counts):
        rows = np.flatnonzero(labels == label)
        if count and len(rows) < at_least:
            raise UserError(
                f"classify.arms: {name} must have at least {at_least} image{'s' * (at_least > 1)} of a class in every "
                f"train part to add to it, got {len(rows)} of class {label}; label more of them, or leave the arm out"
            )
        if count:
            yield label, count, rows
