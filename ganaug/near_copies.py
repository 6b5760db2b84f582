"""What a near-copy is: one definition, for the alarm of a training, the filter, the report and the model card.

A generated image is a near-copy if it is nearer to some training image than all but 1 % of the training images are to
one another, or equal to one. What is near differs between classes (two honest 1s are closer than an 8 and its copy), so
each distance is taken relative to the usual one of its class: the median distance of the class's training images to
the nearest other training image. Only training images are needed, so a filter can be held to it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SHARE = 0.01  # of the training images that lie as near to another one, by definition
_ROWS, _VALUES = 2048, 4_000_000  # of images at a time: distances of 32 MB between values of 32 MB
_BYTES = 64_000_000  # of pixels at a time
_EXACT = 1024  # products of centred pixels, each at most 2^14, whose sum float32 holds exactly: it holds up to 2^24


class Vectors(Protocol):
    """Images as vectors (N, F): an array, or anything that gives its rows by slices."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Nearest:
    """The training image that is nearest to each of N images."""

    row: NDArray[np.int64]  # (N,), of the training images
    distance: NDArray[np.float64]  # (N,), root mean square difference in the unit of the vectors


def nearest(images: Vectors, others: Vectors, others_are_images: bool = False) -> Nearest:
    """Of each of ``images`` (N, F) the nearest of ``others`` (M, F), M > 0.

    Exact where values are whole numbers, as pixels are. ``others_are_images``: they are the same images in the same
    order, of which the nearest *other* one is looked for; without another, the distance is infinite.
    """
    from sklearn.metrics import euclidean_distances

    count, features = images.shape[0], images.shape[1]
    rows, least = np.zeros(count, np.int64), np.full(count, np.inf)
    are_pixels = images[:1].dtype == others[:1].dtype == np.uint8
    between, values, kind = (_of_pixels, _BYTES, np.uint8) if are_pixels else (euclidean_distances, _VALUES, np.float64)
    step = min(_ROWS, max(1, values // features))  # memory grows neither with the images nor with their size
    for start in range(0, count, step):
        some = images[start : start + step].astype(kind, copy=False)
        here = slice(start, start + len(some))
        for other in range(0, others.shape[0], step):
            distance = between(some, others[other : other + step].astype(kind, copy=False))
            if others_are_images and start == other:
                np.fill_diagonal(distance, np.inf)
            closer = distance.min(axis=1) < least[here]
            rows[here] = np.where(closer, other + distance.argmin(axis=1), rows[here])
            least[here] = np.minimum(least[here], distance.min(axis=1))
    return Nearest(rows, least / np.sqrt(features))


def _of_pixels(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """The distances of images (N, F) to others (M, F), (N, M): the same as in float64, in a third of the time on large
    images, since float32 adds whole numbers up exactly, some of them at a time."""
    squared, of_some, of_others = np.zeros((len(some), len(others))), np.zeros((len(some), 1)), np.zeros(len(others))
    for start in range(0, some.shape[1], _EXACT):
        a, b = (one[:, start : start + _EXACT].astype(np.float32) for one in (some, others))
        a -= 128  # centred, distances are the same
        b -= 128
        squared += a @ b.T
        of_some[:, 0] += np.einsum("ij,ij->i", a, a)
        of_others += np.einsum("ij,ij->i", b, b)
    squared *= -2
    squared += of_some
    squared += of_others
    return np.sqrt(squared, out=squared)


@dataclass(frozen=True)
class Yardstick:
    """How near is too near, from the training images of a split."""

    scale: NDArray[np.float64]  # (classes,), the usual distance in each; NaN where a class has none
    bound: float | None  # relative distances below it are near-copies'; None: too few training images to tell

    @classmethod
    def of(
        cls,
        train: Vectors,
        labels: NDArray[np.int64],
        classes: int,
        unlabelled: Vectors | None = None,
        share: float = SHARE,
    ) -> Yardstick:
        """From the training images ``train`` (N, F) with ``labels`` (N,) in 0..``classes``-1, and ``unlabelled`` ones
        (M, F), which count as neighbours alone. ``share``, 0 to 1: that of the definition.

        An image that is there twice says nothing of how near others may be, nor does the only one of a class, whose
        neighbours are of other classes.
        """
        near = nearest(train, train, others_are_images=True).distance
        if unlabelled is not None and unlabelled.shape[0]:
            near = np.minimum(near, nearest(train, unlabelled).distance)
        several = np.bincount(labels, minlength=classes)[labels] > 1
        near = np.where((near > 0) & np.isfinite(near) & several, near, np.nan)
        by_class = (near[labels == label] for label in range(classes))
        scale = np.array([np.nanmedian(one) if np.isfinite(one).any() else np.nan for one in by_class])
        relative = near / scale[labels]
        known = relative[np.isfinite(relative)]
        return cls(scale, float(np.quantile(known, share)) if len(known) else None)

    def relative(self, distance: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances (N,) to the nearest training image over the usual one of the images' classes, ``labels`` (N,)."""
        return np.asarray(distance / self.scale[labels])

    def is_copy(self, distance: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of N images at these distances to the nearest training image are near-copies, (N,)."""
        is_copy = distance == 0
        if self.bound is not None:
            is_copy |= self.relative(distance, labels) < self.bound  # not true of NaN
        return np.asarray(is_copy)
