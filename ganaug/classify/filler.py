"""What every filler is: the base of all fillers, and what their pools are made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import NDArray

from ganaug.classify.mislabelled import Doubts
from ganaug.classify.pools import Pool, Teach
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


class FillerSettings(Protocol):
    """What the settings say of an arm's filler."""

    @property
    def base(self) -> str:
        """The arm without it."""

    @property
    def pseudo(self) -> PseudoLabels:
        """Of the filler ``pseudo``."""

    @property
    def beta(self) -> float:
        """Of the filler ``amplitude``: the largest frequency that it swaps, in cycles per image, over the side."""


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
    edited: Callable[[], Pool] | None = None  # the real images moved in the latent space of the trial's generator
    doubts: Callable[[], Doubts] | None = None  # of the real images' labels, by classifiers that did not learn them


class Keys(Protocol):
    """What stands for a trial's images and networks in the keys of finished work: nothing of it reads an image."""

    @property
    def train_key(self) -> str:
        """Of its generator."""

    @property
    def synth_key(self) -> str:
        """Of its synthetic images."""

    @property
    def synthetic_counts(self) -> Mapping[str, int]:
        """{class: synthetic images}"""

    @property
    def unlabelled_digest(self) -> str:
        """Of its images without labels."""

    @property
    def groups_digest(self) -> str:
        """Of the groups of its train part; empty where there are none."""

    @property
    def untrained(self) -> Mapping[str, Any]:
        """Of the GAN's networks before they are trained."""

    @property
    def targets(self) -> Sequence[int]:
        """The conditions that images are moved to."""

    @property
    def truth_digest(self) -> str:
        """Of the real images of the cells that it hid."""

    @property
    def unadversarial_key(self) -> str:
        """Of the images of its translator that was trained without an adversarial loss."""


class Filler(ABC):
    """What every filler says of itself. Its arms are called ``name``, ``name+classical`` and so on."""

    name: ClassVar[str]
    about: ClassVar[str]  # what it adds to the real images, for readers of the report: no capital, no full stop
    is_gan: ClassVar[bool] = False  # its images are the GAN's: what gains, learning curves and rivals are about
    per_class: ClassVar[bool] = False  # it follows the synthetic images of each class, so the GAN must know classes
    unlabelled: ClassVar[bool] = False  # it needs images without labels
    of_translator: ClassVar[bool] = False  # its images are a translator's
    cells: ClassVar[bool] = False  # it needs the conditions of the images: it fills classes under conditions
    hidden: ClassVar[bool] = False  # it needs a protocol that hides cells
    shares: ClassVar[tuple[float, float]] = (0.5, 0.25)  # of each batch where settings say nothing: alone, on a policy
    augment: ClassVar[bool] = False  # whether the policy distorts its images too, whatever settings say
    cross_fits: ClassVar[bool] = False  # it asks classifiers that learned other folds of the train part
    replaces: ClassVar[bool] = False  # its images take the place of the real ones: batches hold nothing else
    control: ClassVar[str] = ""  # the filler that its arms are compared with, besides those without one

    @abstractmethod
    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        """Its images, of what is in ``stock``. Raises UserError if there is too little to make them of."""

    def check(  # noqa: B027, most can always
        self, real: Pool, names: Sequence[str], conditions: NDArray[np.int64] | None, targets: Sequence[int]
    ) -> None:
        """Raises UserError if it cannot make images of some class of a trial's ``real`` ones: asked before anything is
        trained. ``names`` of the classes; ``conditions`` (N,) and ``targets`` as in a stock."""

    @abstractmethod
    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        """What its images depend on besides the train part and its conditions, as plain JSON values."""

    def share(self, asked: float | None, on_policy: bool, by_counts: bool) -> float | None:
        """Its share of each batch; None: what the numbers of images give. ``asked`` is the setting, if there is one;
        ``on_policy``: on top of classical augmentation; ``by_counts``: synthetic images top classes up."""
        if self.replaces:
            return 1.0
        if asked is None and not by_counts:
            return self.shares[on_policy]
        return asked

    def teachers(self, pseudo: PseudoLabels) -> int:
        """The classifiers that it trains in a trial, besides the arm's own."""
        return 0
