"""The settings of the downstream classifier, as ``classifier:`` in params.yaml has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Le

from ganaug.settings import Spec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ClassifierSpec(Spec):
    """Every arm trains this classifier with these settings, which were tuned for the arm ``none``."""

    model: Literal["small-cnn"] = "small-cnn"
    width: Annotated[int, Ge(1)] = 32
    depth: Annotated[int, Ge(1)] = 1  # convolutions a block
    steps: Annotated[int, Ge(1)] = 300
    batch_size: Annotated[int, Ge(2)] = 64
    lr: Annotated[float, Gt(0)] = 2e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    label_smoothing: Annotated[float, Ge(0), Le(1)] = 0.0

    def build(self, channels: int, classes: int, image_size: int) -> nn.Module:
        from ganaug.classify.networks import SmallCNN

        return SmallCNN(channels, classes, image_size, self.width, self.depth)
