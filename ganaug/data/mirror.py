"""May images be mirrored? The images decide: it is wrong for text, digits, and shoes that all face one way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLD_APART = 0.6  # flips are refused above this share of images told from their mirror images; chance is 0.5
_LOST = 0.05  # the most that mirroring may cost of the share of images whose nearest neighbour has their label


@dataclass(frozen=True)
class Mirrored:
    """``told_apart``: how often a linear classifier tells an unseen image from its mirror image; chance is 0.5.

    ``neighbours`` and ``neighbours_mirrored``: how often the nearest other image has the same label, for images as they
    are and mirrored: a mirrored b is a d.
    """

    told_apart: float
    neighbours: float
    neighbours_mirrored: float

    @property
    def flips(self) -> bool:
        """Whether images may be mirrored."""
        return self.told_apart <= _TOLD_APART and self.neighbours_mirrored >= self.neighbours - _LOST

    def reason(self) -> str:
        """Why they may or may not be, for params.yaml."""
        if self.told_apart > _TOLD_APART:
            return f"a linear classifier tells images from their mirror images, {self.told_apart:.0%} right"
        if not self.flips:
            return (
                f"mirrored images lie nearer to other classes: the nearest image has the right label for "
                f"{self.neighbours_mirrored:.0%}, unmirrored {self.neighbours:.0%}"
            )
        return f"mirror images cannot be told from images, {self.told_apart:.0%} right"


def compare_mirrored(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Mirrored:
    """Images (N, H, W, C) uint8. An image and its mirror image are always on one side of the classifier's split."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.neighbors import NearestNeighbors
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    count = len(images)
    plain = images.reshape(count, -1).astype(np.float32)
    turned = images[:, :, ::-1].reshape(count, -1).astype(np.float32)
    both, pair = np.concatenate([plain, turned]), np.tile(np.arange(count), 2)
    is_mirrored = np.repeat([0, 1], count)
    components = min(50, count // 2, plain.shape[1])
    classifier = make_pipeline(PCA(components, random_state=0), StandardScaler(), RidgeClassifier())
    nearest = NearestNeighbors(n_neighbors=2)
    right = []
    # One thread: fast enough, fifteen times as fast as two on cores that are busy, and the same on every machine.
    with threadpool_limits(1), np.errstate(invalid="ignore"):  # PCA of images that are all the same divides by 0
        predicted = cross_val_predict(classifier, both, is_mirrored, groups=pair, cv=GroupKFold(min(5, count)))
        nearest.fit(plain)
        for queries in (plain, turned):
            found = nearest.kneighbors(queries, return_distance=False)
            other = np.where(found[:, 0] == np.arange(count), found[:, 1], found[:, 0])  # not the image itself
            right.append(float((labels[other] == labels).mean()))
    return Mirrored(float((predicted == is_mirrored).mean()), right[0], right[1])
