"""The settings of a translator: ``gan.translate`` in params.yaml. Its networks and training are in ganaug/translate/.

A translator is a GAN whose generator takes an image and moves it to another condition (a camera, a scanner, a light);
the class stays. What it shares with every GAN (steps, objective, regularisers, rates, precision) stands in ``gan``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from ganaug.settings import Spec


@dataclass(frozen=True)
class Pairs(Spec):
    """How the source of each pair is made of a sharp image: one of these."""

    downscale: Annotated[int, Ge(2), Le(16)] | None = None
    """Super-resolution: images shrunk by this factor and enlarged again."""
    blur: Annotated[float, Gt(0), Le(16)] | None = None
    """Deblurring: images under a Gaussian blur of this standard deviation, in pixels."""
    noise: Annotated[float, Gt(0), Le(2)] | None = None
    """Denoising: images under Gaussian noise of this standard deviation; images lie in -1 to 1."""

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.downscale, self.blur, self.noise)) != 1:
            raise ValueError("one of downscale, blur and noise")


@dataclass(frozen=True)
class TranslateSpec(Spec):
    """What a translator is made of and what it minimises; a weight of 0 leaves a term out."""

    back: Literal["light", "same", "two-way", "none"] = "light"
    """The way back that a cycle takes: a small network of its own; the generator itself, asked for the condition of the
    source (StarGAN, Choi 2018); a generator as large, with a discriminator of its own (CycleGAN, Zhu 2017); or none
    (CUT, Park 2020, with contrast in its place)."""
    adversarial: Annotated[float, Ge(0), Le(1000)] = 1.0
    """Weight of the adversarial loss. 0: no discriminator: the control that shows what the GAN adds."""
    by_class: bool = True
    """Whether a translation is judged as one of its class: the discriminator is shown the classes that are under the
    target and elsewhere, too, and says for each apart what is real. So nothing turns a class that the target lacks into
    another. Without: it is shown all classes, and told none."""
    cycle: Annotated[float, Ge(0), Le(1000)] = 0.5
    """Weight of the L1 distance of a source from itself, there and back."""
    identity: Annotated[float, Ge(0), Le(1000)] = 0.2
    """Weight of the L1 distance of a source from what the way back makes of it as it is."""
    recognition: Annotated[float, Ge(0), Le(1000)] = 0.3
    """Weight of the cross-entropy by which a classifier of the sources still sees the class after the way back."""
    diversity: Annotated[float, Ge(0), Le(1000)] = 4.0
    """Weight of the penalty on translations of one image that differ less than half as much as target images do."""
    contrast: Annotated[float, Ge(0), Le(1000)] = 0.0
    """Weight of the patch-wise contrastive loss between source and translation (CUT, Park 2020, eq. 3)."""
    reconstruction: Annotated[float, Ge(0), Le(1000)] = 100.0
    """Weight of the L1 distance from the true target, where there are pairs (pix2pix, Isola 2017)."""
    noise: Annotated[int, Ge(0), Le(5)] = 3
    """Maps of noise that the translator takes beside the image, each of half the side of the one before. 0: it makes
    one translation of an image."""
    blocks: Annotated[int, Ge(0), Le(64)] = 2
    """Residual blocks of the translator."""
    scales: Annotated[int, Ge(1), Le(4)] = 1
    """Discriminators, each on images of half the side of the one before (pix2pixHD, Wang 2018)."""
    strides: Annotated[int, Ge(1), Le(4)] = 2
    """Strided layers of the discriminator: it judges patches of 12, 22, 42 or 82 pixels. Too few see no object, so that
    a bright one may become ground; of whole images it would turn the classes that a target lacks into others."""
    pairs: Pairs | None = None
    """Pairs that are made of the target's own images, to learn the way back from what made them."""

    @property
    def judges_classes(self) -> bool:
        """Whether a translation is judged as one of its class: a pair is of one class anyway."""
        return self.by_class and self.pairs is None

    @property
    def recognises(self) -> bool:
        """Whether a classifier has a say: it judges what comes back, so it takes a way back."""
        return self.recognition > 0 and self.back != "none" and self.pairs is None
