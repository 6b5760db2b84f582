"""What every filter is: it decides one image at a time which synthetic images are used.

It is fitted on what the generator learned from, and on nothing else; the judge that it fits travels in the generator's
file, so that ``ganaug synth`` makes what was measured. Each is one class in a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug.classify.spec import ClassifierSpec
from ganaug.settings import Spec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Known:
    """What a filter may learn from."""

    images: NDArray[np.uint8]  # (N, H, W, C), of the split's train part
    labels: NDArray[np.int64]  # (N,)
    unlabelled: NDArray[np.uint8]  # (M, H, W, C), that the generator learned from too
    classes: int
    classifier: ClassifierSpec  # of model small-cnn: it must be built again where the user's own code is not
    seed: int
    device: torch.device


@dataclass(frozen=True)
class Judge:
    """What scores images: ``about``, the plain values that it is built from, and its ``tensors``, by name."""

    about: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def check(self, classes: int, image_shape: tuple[int, int, int]) -> None:
        """Raises ValueError unless it judges images of this shape and number of classes: it may be of any file."""
        raise NotImplementedError

    def scores(self, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        """Of images (N, H, W, C) of one class, (N,); more is better."""
        raise NotImplementedError


@dataclass(frozen=True)
class FilterSpec(Spec):
    """What every filter can do. A member adds ``kind``."""

    per_class: ClassVar[bool] = False  # it judges whether an image is of its class, so the GAN must know classes
    learns: ClassVar[bool] = False  # it trains classifiers, so their settings count
    judge: ClassVar[type[Judge]]

    def fit(self, known: Known) -> Judge:
        """The judge of images that this filter makes of what is known. Raises UserError if that is too little."""
        raise NotImplementedError

    def least(self, scores: NDArray[np.float32]) -> float:
        """The score that an image of a class must reach, given those of the class's candidates, (N,), N > 0."""
        raise NotImplementedError
