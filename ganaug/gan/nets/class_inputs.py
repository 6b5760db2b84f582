"""How labels enter networks: class tables, one-hot vectors, class-conditional norms, and how much they count."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.gan.conditioning import Conditioning


class Labelled(nn.Module):
    """A layer that labels enter. ``strength`` 0: as if every image were of all classes at once; 1: of its own.

    The ramp from 0 to 1 is Transitional-cGAN's (Shahbazi 2022): GANs of small sets collapse if labels count at once.
    """

    strength: float = 1.0

    def ramped(self, rows: Tensor, everyone: Tensor) -> Tensor:
        """``rows`` (N, F), one per image, moved towards ``everyone`` (F,), their mean over classes."""
        return rows if self.strength >= 1 else torch.lerp(everyone.expand_as(rows), rows, self.strength)


def set_label_strength(net: nn.Module, strength: float) -> None:
    """Set ``strength``, in 0..1, of all the net's labelled layers."""
    for module in net.modules():
        if isinstance(module, Labelled):
            module.strength = strength


class ClassTable(Labelled):
    """A learned row per class."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(classes, features)

    def forward(self, labels: Tensor) -> Tensor:
        """(N,) -> (N, features)."""
        return self.ramped(self.rows(labels), self.rows.weight.mean(dim=0))


class OneHot(Labelled):
    """One-hot vectors, as CGAN gives them to both networks (Mirza and Osindero 2014)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, labels: Tensor) -> Tensor:
        """(N,) -> (N, classes)."""
        rows = F.one_hot(labels, self.classes).float()
        return self.ramped(rows, rows.new_full((self.classes,), 1 / self.classes))


class ClassLogits(Labelled):
    """The classes that D says."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, classes)

    def forward(self, features: Tensor) -> Tensor:
        """(N, features) -> logits (N, classes)."""
        return cast(Tensor, self.layer(features))


class Latent(nn.Module):
    """A generator's input: latents (N, ``z_dim``) and labels (N,) in 0..``classes``-1.

    Of the ``conditioning``, ``concat`` and ``auxiliary`` join the label to the latent; ``projection`` joins a learned
    row of it if ``table`` is set (the label also enters the norms there); ``none`` is the latent alone.
    """

    def __init__(self, z_dim: int, classes: int, conditioning: Conditioning, table: bool) -> None:
        super().__init__()
        self.label: nn.Module | None = None
        self.features = z_dim
        if conditioning in ("concat", "auxiliary"):
            self.label, self.features = OneHot(classes), z_dim + classes
        elif conditioning == "projection" and table:
            self.label, self.features = ClassTable(classes, z_dim), 2 * z_dim

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Both joined, (N, features)."""
        return latents if self.label is None else torch.cat([latents, self.label(labels)], dim=1)


class Norm(nn.Module):
    """Batch normalisation; under ``projection`` its scale and shift are learned per class
    (de Vries 2017; Miyato and Koyama 2018)."""

    def __init__(self, channels: int, classes: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.by_class = conditioning == "projection"
        self.norm = nn.BatchNorm2d(channels, affine=not self.by_class)
        if self.by_class:
            self.scale, self.shift = ClassTable(classes, channels), ClassTable(classes, channels)
            nn.init.ones_(self.scale.rows.weight)
            nn.init.zeros_(self.shift.rows.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """Maps (N, C, H, W), of the same shape."""
        maps = self.norm(maps)
        if self.by_class:
            scale, shift = (table(labels)[:, :, None, None].to(maps.dtype) for table in (self.scale, self.shift))
            maps = torch.addcmul(shift, maps, scale)  # one pass, in the maps' own precision
        return maps
