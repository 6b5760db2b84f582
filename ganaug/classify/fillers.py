"""The fillers: what takes a share of each batch. Each makes the pool of images that the share is drawn from.
Those that need conditions are in cell_fillers.py, those that clean the labels in cleaning.py; all are in ``FILLERS``.

``gan`` is what is measured; the others are what it must be measured against. ``placebo`` and ``smote`` make as many
images per class as there are synthetic ones, so that two arms differ in what the images are and in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.cell_fillers import CELL_FILLERS
from ganaug.classify.cleaning import CLEANING
from ganaug.classify.filler import Filler, FillerSettings, Keys, PseudoLabels, Stock
from ganaug.classify.mislabelled import FOLDS
from ganaug.classify.pools import Pool, Teach, equally_often
from ganaug.errors import UserError


class Gan(Filler):
    """The synthetic images."""

    name = "gan"
    about = "GAN images in a share of each batch"
    is_gan = True
    per_class = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        return stock.synthetic()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return keys.synth_key


class Pseudo(Filler):
    """Images without labels, under those that teachers are sure of."""

    name = "pseudo"
    about = "images without labels, under the labels that classifiers of the real ones are sure of"
    unlabelled = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        images = stock.unlabelled()
        sure, labels = sure_of(settings.pseudo, images, stock.teach)
        return images[sure], labels

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {"unlabelled": keys.unlabelled_digest, "pseudo": asdict(settings.pseudo), "base": settings.base}

    def share(self, asked: float | None, on_policy: bool, by_counts: bool) -> float | None:
        return asked or 0.5  # its images are real

    def teachers(self, pseudo: PseudoLabels) -> int:
        return pseudo.teachers


class Placebo(Filler):
    """The train part's own images again, as many per class as there are synthetic ones.

    It must show no gain, except for that of evening out the classes where the counts do that.
    """

    name = "placebo"
    about = "the trial's own real images again, in the numbers of the GAN images: a control, which must show no gain"
    per_class = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        return _again(self.name, stock.real, stock.counts, stock.seed)

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return dict(keys.synthetic_counts)


class Oversample(Filler):
    """The train part's own images again, as many per class as it lacks of the largest one.

    What imbalanced-learn's RandomOverSampler adds, but with every image of a class added equally often.
    """

    name = "oversample"
    about = "the trial's own real images again, until every class has as many as the largest"

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        sizes = np.bincount(stock.real[1], minlength=len(stock.counts))
        return _again(self.name, stock.real, (sizes.max() - sizes).tolist(), stock.seed)

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return None

    def share(self, asked: float | None, on_policy: bool, by_counts: bool) -> float | None:
        return asked


class Smote(Filler):
    """SMOTE (Chawla 2002): each image a random point of the line from one of its class to one of its 5 nearest.

    imbalanced-learn's, on pixels. The nearest are looked for within the class.
    """

    name = "smote"
    about = "blends of two neighbouring real images of a class (SMOTE), in the numbers of the GAN images"
    per_class = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        from imblearn.over_sampling import SMOTE
        from threadpoolctl import threadpool_limits

        images, labels = stock.real
        made, done = np.empty((sum(stock.counts), *images.shape[1:]), np.uint8), 0
        for label, count, rows in _wanted(self.name, labels, stock.counts, at_least=2):
            flat = images[rows].reshape(len(rows), -1).astype(np.float32)
            with_other = np.concatenate([flat, np.zeros_like(flat[:1])])  # it asks for a second class, and leaves it
            smote = SMOTE(
                sampling_strategy={1: len(rows) + count},
                k_neighbors=min(5, len(rows) - 1),
                random_state=seeds.derive(stock.seed, "smote", label) % 2**32,
            )
            with threadpool_limits(1):  # which of two equally near images counts as nearer depends on the threads
                points, _ = smote.fit_resample(with_other, [1] * len(rows) + [0])
            made[done : done + count] = np.rint(points[len(with_other) :]).reshape(-1, *images.shape[1:])
            done += count
        return made, np.repeat(np.arange(len(stock.counts)), stock.counts)

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return dict(keys.synthetic_counts)


class Edits(Filler):
    """Real images moved along directions of the latent space of the trial's GAN, as far as they keep their class.

    How far that is, classifiers say that learned other images of the trial.
    """

    name = "edits"
    about = "real images moved in the GAN's latent space, as far as classifiers of other images still name their class"
    is_gan = True
    per_class = True
    cross_fits = True
    strengths: ClassVar = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0)  # standard deviations of a latent; none first

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        if stock.edited is None:
            raise UserError("classify.arms: edits needs a generator of classes, but there is none; leave the arm out")
        return stock.edited()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        own = {"generator": keys.train_key, "counts": dict(keys.synthetic_counts)}
        return own | {"base": settings.base, "groups": keys.groups_digest, "strengths": [*self.strengths]}

    def teachers(self, pseudo: PseudoLabels) -> int:
        return FOLDS


FILLERS: dict[str, Filler] = {
    filler.name: filler
    for filler in (Gan(), Pseudo(), Placebo(), Oversample(), *CELL_FILLERS, Edits(), *CLEANING, Smote())
}


def sure_of(spec: PseudoLabels, images: NDArray[np.uint8], teach: Teach) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of those images (N, H, W, C) that teachers are sure of, and the class of each. Raises UserError if none."""
    said = np.mean([teach(number)(images) for number in range(spec.teachers)], axis=0)
    sure = np.flatnonzero(said.max(axis=1) >= spec.confidence)
    if not len(sure):
        raise UserError(
            f"classify.pseudo.confidence: teachers must be that sure of some image, but none of {len(said)} reaches "
            f"{spec.confidence:g}; lower it, or do without pseudo-labels"
        )
    return sure, said[sure].argmax(axis=1)


def _again(name: str, real: Pool, counts: Sequence[int], seed: int) -> Pool:
    """``counts[label]`` of the real images of each class, each floor or ceil(count / size) times."""
    images, labels = real
    chosen = [np.zeros(0, np.int64)]
    for label, count, rows in _wanted(name, labels, counts, at_least=1):
        chosen.append(equally_often(rows, count, seeds.numpy_rng(seed, name, label)))
    picked = np.concatenate(chosen)
    return images[picked], labels[picked]


def _wanted(
    name: str, labels: NDArray[np.int64], counts: Sequence[int], at_least: int
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """(label, count, rows of ``labels``) of each class of which images are wanted."""
    for label, count in enumerate(counts):
        rows = np.flatnonzero(labels == label)
        if count and len(rows) < at_least:
            raise UserError(
                f"classify.arms: {name} must have at least {at_least} image{'s' * (at_least > 1)} per class in every "
                f"train part to add to it, got {len(rows)} of class {label}; label more of them, or leave the arm out"
            )
        if count:
            yield label, count, rows
