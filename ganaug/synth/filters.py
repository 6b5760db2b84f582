"""Filters decide, one image at a time, which synthetic images are good enough to be used (the union is in spec.py).

A filter is fitted on what the generator learned from, and on nothing else, and is saved in the generator's file, so
that ``ganaug synth`` makes what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from ganaug.settings import Spec

if TYPE_CHECKING:
    import torch

    from ganaug.classify.spec import ClassifierSpec
    from ganaug.synth.fitted_filters import Judge


@dataclass(frozen=True)
class Known:
    """What a filter may learn from: the train part of a split."""

    images: NDArray[np.uint8]  # (N, H, W, C)
    labels: NDArray[np.int64]  # (N,) in 0..classes-1
    unlabelled: NDArray[np.uint8]  # (M, H, W, C): images without labels that the GAN learned from too
    classes: int
    classifier: ClassifierSpec  # of model small-cnn: it must be built again where the user's own code is not
    seed: int
    device: torch.device


@dataclass(frozen=True)
class FilterSpec(Spec):
    """The settings of a filter, as ``synth.filters`` in params.yaml has them."""

    per_class: ClassVar[bool] = False  # asks what class an image is of: needs a conditional GAN

    def fit(self, known: Known) -> Judge:
        """What scores images, fitted on ``known``."""
        raise NotImplementedError

    @staticmethod
    def empty(about: dict[str, Any]) -> Judge:
        """A judge like the one that had this ``about``, to load its tensors into."""
        raise NotImplementedError

    def least(self, scores: NDArray[np.float32]) -> float:
        """The score that an image must reach, given the scores (N,) of the candidates of its class."""
        raise NotImplementedError


@dataclass(frozen=True)
class ByRank(FilterSpec):
    """A filter whose scores only rank images: it keeps a share of each class."""

    keep: Annotated[float, Gt(0), Lt(1)] = 0.5

    def least(self, scores: NDArray[np.float32]) -> float:
        return float(np.quantile(scores, 1 - self.keep))
