"""The settings of the downstream classifier, as ``classifier:`` in params.yaml has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator

from ganaug.classify import user_model
from ganaug.settings import Spec

if TYPE_CHECKING:
    from torch import nn


def _known(model: str) -> str:
    name = r"[^\W\d]\w*"
    is_own = re.fullmatch(rf"{name}(\.{name})*:{name}", model) and ".py:" not in model  # a file's name is a likely slip
    if model not in ("small-cnn", "resnet18") and not is_own:
        raise ValueError("small-cnn, resnet18 or package.module:factory (a function of your own)")
    return model


@dataclass(frozen=True)
class ClassifierSpec(Spec):
    """Every arm trains this classifier with these settings; the defaults were tuned for small-cnn in the arm ``none``.

    ``package.module:factory`` is a function of the user's, found from the project's folder:
    (channels, classes) -> a torch.nn.Module that maps float images (N, channels, size, size) in [-1, 1] to
    logits (N, classes). It makes a new module at each call, with initial weights from torch's global generator, which
    is seeded before.
    """

    model: Annotated[str, AfterValidator(_known)] = "small-cnn"
    """small-cnn, resnet18 (He 2016), or package.module:factory, a function of your own."""
    weights: str | None = None
    """Pretrained weights of resnet18 by torchvision's name, such as DEFAULT. Left out: random ones."""
    width: Annotated[int, Ge(1), Le(2048)] = 32
    """small-cnn: channels of the first block."""
    depth: Annotated[int, Ge(1), Le(32)] = 1
    """small-cnn: convolutions per block."""
    steps: Annotated[int, Ge(1), Le(10**8)] = 300
    """Steps of AdamW (Loshchilov 2019), the same in every arm."""
    batch_size: Annotated[int, Ge(2), Le(65_536)] = 64
    """Images per step."""
    lr: Annotated[float, Gt(0), Le(10)] = 2e-3
    """Learning rate at the first step; it falls along half a cosine."""
    weight_decay: Annotated[float, Ge(0), Le(100)] = 1e-2
    """Weight decay of AdamW."""
    label_smoothing: Annotated[float, Ge(0), Le(1)] = 0.0
    """How much of each target is spread over all classes (Szegedy 2016)."""

    def __post_init__(self) -> None:
        _known(self.model)  # again, for settings that are made in code
        if self.weights is not None and self.model != "resnet18":
            raise ValueError("of model resnet18 where it has weights: no other model comes with pretrained ones")

    @property
    def is_own(self) -> bool:
        """Whether the model is a function of the user's."""
        return ":" in self.model

    def code_path(self) -> Path | None:
        """The source file of the user's module, relative where it is in the project; None for a built-in model."""
        return user_model.locate(self.model) if self.is_own else None

    def code_digest(self) -> str | None:
        """The SHA-256 of that file. Nothing of it is executed; modules that it imports are not counted in."""
        return user_model.digest(self.model) if self.is_own else None

    def build(self, channels: int, classes: int, image_size: int) -> nn.Module:
        """A new network with initial weights from torch's global random state.

        Images (N, ``channels``, ``image_size``, ``image_size``) -> logits (N, ``classes``).
        """
        if self.is_own:
            return user_model.build(self.model, channels, classes, image_size)
        from ganaug.classify import networks

        if self.model == "small-cnn":
            return networks.SmallCNN(channels, classes, image_size, self.width, self.depth)
        if self.weights is None:
            return networks.resnet18(channels, classes, image_size)
        return networks.pretrained_resnet18(classes, image_size, self.weights)
