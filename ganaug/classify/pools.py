"""Pools of images that batches are drawn from, and the fillers that make them (the members are in fillers.py)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from ganaug.classify.images import Images
from ganaug.settings import Spec

# uint8 images (N, H, W, C) and their labels (N,)
Pool = tuple[Images, NDArray[np.int64]]
# A teacher's number -> a classifier that it trains: uint8 images (N, H, W, C) -> probabilities (N, classes)
Teach = Callable[[int], Callable[[Images], NDArray[np.float32]]]


@dataclass(frozen=True)
class PseudoLabels(Spec):
    """The filler ``pseudo``: images without labels, labelled by the mean of what ``teachers`` predict (Lee 2013).

    Teachers learn from the real images, as the arm without its filler does. Images that they are less sure of are left
    out.
    """

    teachers: Annotated[int, Ge(1)] = 4
    confidence: Annotated[float, Ge(0), Lt(1)] = 0.8  # minimum probability of the likeliest class


@dataclass(frozen=True)
class Stock:
    """What a pool can be made of. Only the fillers that need ``synthetic`` or ``unlabelled`` call them."""

    real: Pool
    counts: Sequence[int]  # [label]: number of synthetic images of each class
    seed: int
    teach: Teach
    synthetic: Callable[[], Pool]
    unlabelled: Callable[[], Images]


@dataclass(frozen=True)
class Keys:
    """What a filler's images can depend on, as it enters the key of kept work."""

    synthetic: str  # key of the split's synthetic images
    counts: dict[str, int]  # {class: number of synthetic images}
    unlabelled: str  # digest of the images without labels


class Filler(ABC):
    """What takes a share of each batch."""

    name: ClassVar[str]
    per_class: ClassVar[bool]  # makes as many images of each class as there are synthetic ones: a conditional GAN
    unlabelled: ClassVar[bool]  # needs images without labels
    is_gan: ClassVar[bool] = False  # its images are the GAN's: what gains, learning curves and rivals are about

    @abstractmethod
    def pool(self, stock: Stock, spec: PseudoLabels) -> Pool:
        """The images that the share is drawn from."""

    @abstractmethod
    def depends_on(self, keys: Keys, spec: PseudoLabels, base: str) -> Any:
        """Plain JSON: what its images depend on besides the train part. ``base`` names the arm without the filler."""

    def share(self, asked: float | None, on_policy: bool, by_counts: bool) -> float | None:
        """Its share of each batch, 0 to 1; None: that of its pool among all images.

        ``asked``: the setting, if there is one; ``on_policy``: next to a policy; ``by_counts``: images top classes up.
        """
        if asked is not None or by_counts:
            return asked
        return 0.25 if on_policy else 0.5

    def teachers(self, spec: PseudoLabels) -> int:
        """Further classifiers that it trains in a trial."""
        return 0
