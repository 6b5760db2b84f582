"""The fillers: what takes a share of each batch. Each makes the pool of images that the share is drawn from.

``gan`` is what is measured; the others are what it must be measured against. ``placebo`` and ``smote`` make as many
images per class as there are synthetic ones, so that two arms differ in what the images are and in nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.pools import Pool, Teach
from ganaug.errors import UserError
from ganaug.settings import Spec


@dataclass(frozen=True)
class PseudoLabels(Spec):
    """The filler ``pseudo``: images without labels, labelled by the mean prediction of ``teachers`` (Lee 2013).

    Teachers learn from the real images as the arm without its filler does. What they are less sure of is left out.
    """

    teachers: Annotated[int, Ge(1), Le(100)] = 4
    """Classifiers whose mean prediction labels an image."""
    confidence: Annotated[float, Ge(0), Lt(1)] = 0.8
    """Probability of the likeliest class that an image must reach to be used."""


@dataclass(frozen=True)
class Stock:
    """What the pools of one trial are made of; what can be called is read or made only if it is."""

    real: Pool
    counts: Sequence[int]  # [label]: the synthetic images of each class
    seed: int
    teach: Teach
    synthetic: Callable[[], Pool]
    unlabelled: Callable[[], NDArray[np.uint8]]  # (N, H, W, C)
    conditions: NDArray[np.int64] | None = None  # (N,), of the real images, where there are conditions
    targets: Sequence[int] = ()  # conditions that lack some class: what fillers of cells move images to
    truth: Callable[[], Pool] | None = None  # real images of the cells that the trial hid
    unadversarial: Callable[[], Pool] | None = None  # what the translator makes, trained without its adversarial loss


class Keys(Protocol):
    """What stands for a trial's images in the keys of finished work: nothing of it reads an image."""

    @property
    def synth_key(self) -> str:
        """Of its synthetic images."""

    @property
    def synthetic_counts(self) -> Mapping[str, int]:
        """{class: synthetic images}"""

    @property
    def unlabelled_digest(self) -> str:
        """Of its images without labels."""


class Filler(ABC):
    """What every filler says of itself. Its arms are called ``name``, ``name+classical`` and so on."""

    name: ClassVar[str]
    about: ClassVar[str]  # what it adds to the real images, for readers of the report: no capital, no full stop
    is_gan: ClassVar[bool] = False  # its images are the GAN's: what gains, learning curves and rivals are about
    per_class: ClassVar[bool] = False  # it follows the synthetic images of each class, so the GAN must know classes
    unlabelled: ClassVar[bool] = False  # it needs images without labels

    @abstractmethod
    def pool(self, stock: Stock, pseudo: PseudoLabels) -> Pool:
        """Its images, of what is in ``stock``. Raises UserError if there is too little to make them of."""

    @abstractmethod
    def depends_on(self, keys: Keys, pseudo: PseudoLabels, base: str) -> Any:
        """What its images depend on besides the train part, as plain JSON values; ``base`` is the arm without it."""

    def share(self, asked: float | None, on_policy: bool, by_counts: bool) -> float | None:
        """Its share of each batch; None: what the numbers of images give. ``asked`` is the setting, if there is one;
        ``on_policy``: on top of classical augmentation; ``by_counts``: synthetic images top classes up."""
        if asked is None and not by_counts:
            return 0.25 if on_policy else 0.5
        return asked

    def teachers(self, pseudo: PseudoLabels) -> int:
        """The classifiers that it trains in a trial, besides the arm's own."""
        return 0


class Gan(Filler):
    """The synthetic images."""

    name = "gan"
    about = "GAN images in a share of each batch"
    is_gan = True
    per_class = True

    def pool(self, stock: Stock, pseudo: PseudoLabels) -> Pool:
        return stock.synthetic()

    def depends_on(self, keys: Keys, pseudo: PseudoLabels, base: str) -> Any:
        return keys.synth_key


class Pseudo(Filler):
    """Images without labels, under those that teachers are sure of."""

    name = "pseudo"
    about = "images without labels, under the labels that classifiers of the real ones are sure of"
    unlabelled = True

    def pool(self, stock: Stock, pseudo: PseudoLabels) -> Pool:
        images = stock.unlabelled()
        sure, labels = sure_of(pseudo, images, stock.teach)
        return images[sure], labels

    def depends_on(self, keys: Keys, pseudo: PseudoLabels, base: str) -> Any:
        return {"unlabelled": keys.unlabelled_digest, "pseudo": asdict(pseudo), "base": base}

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

    def pool(self, stock: Stock, pseudo: PseudoLabels) -> Pool:
        return _again(self.name, stock.real, stock.counts, stock.seed)

    def depends_on(self, keys: Keys, pseudo: PseudoLabels, base: str) -> Any:
        return dict(keys.synthetic_counts)


class Oversample(Filler):
    """The train part's own images again, as many per class as it lacks of the largest one.

    What imbalanced-learn's RandomOverSampler adds, but with every image of a class added equally often.
    """

    name = "oversample"
    about = "the trial's own real images again, until every class has as many as the largest"

    def pool(self, stock: Stock, pseudo: PseudoLabels) -> Pool:
        sizes = np.bincount(stock.real[1], minlength=len(stock.counts))
        return _again(self.name, stock.real, (sizes.max() - sizes).tolist(), stock.seed)

    def depends_on(self, keys: Keys, pseudo: PseudoLabels, base: str) -> Any:
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

    def pool(self, stock: Stock, pseudo: PseudoLabels) -> Pool:
        from imblearn.over_sampling import SMOTE
        from threadpoolctl import threadpool_limits

        images, labels = stock.real
        made = [images[:0]]
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
            made.append(np.rint(points[len(with_other) :]).astype(np.uint8).reshape(-1, *images.shape[1:]))
        return np.concatenate(made), np.repeat(np.arange(len(stock.counts)), stock.counts)

    def depends_on(self, keys: Keys, pseudo: PseudoLabels, base: str) -> Any:
        return dict(keys.synthetic_counts)


FILLERS: dict[str, Filler] = {filler.name: filler for filler in (Gan(), Pseudo(), Placebo(), Oversample(), Smote())}


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
        times, rest = divmod(count, len(rows))
        once_more = seeds.numpy_rng(seed, name, label).permutation(rows)[:rest]
        chosen += [np.tile(rows, times), once_more]
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
