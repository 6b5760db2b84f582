"""Augmentation policies, from torchvision where it has them, with magnitudes in proportion to the image.

A policy sees a batch as the training loop draws it and returns what the classifier learns from. Policies that distort
one image at a time work on Pillow images, which is two to four times as fast as tensors at these sizes. ``strong`` and
``mixstyle`` come on top of the classical one: they are what one would try first where conditions change.

``flip`` is False where a policy has it, since a mirrored image is wrong for text, digits and the like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from annotated_types import Ge, Le
from pydantic import Field

from ganaug.settings import Spec

if TYPE_CHECKING:
    from torch import Tensor

    # uint8 images (N, C, H, W) and targets (N,) -> float images in [-1, 1] and targets (N,) or (N, classes).
    Policy = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

    from torch import nn
    from torch.utils.hooks import RemovableHandle

    from ganaug.classify.remembered import Remembered

    Attach = Callable[[nn.Module], list[RemovableHandle]]  # on a network that is about to be trained

# torchvision draws from torch's global generator; arms.batches seeds it for each step and restores it afterwards.


@dataclass(frozen=True, kw_only=True)
class _Member(Spec):
    about: ClassVar[str]  # what it does to each image, for readers of the report: "real images, {about}"
    mixes: ClassVar[bool] = False  # whether it mixes labels
    on_classical: ClassVar[bool] = False  # whether its arm applies the classical policy first

    def build(self, image_size: int, classes: int) -> Policy:
        """The policy for images of ``image_size`` pixels per side and labels in 0..``classes``-1."""
        raise NotImplementedError

    def attach(self, model: nn.Module) -> list[RemovableHandle]:
        """What it changes in the network ``model`` while that is trained."""
        return []


@dataclass(frozen=True, kw_only=True)
class Nothing(_Member):
    """The images as they are."""

    about: ClassVar[str] = "as they are"
    kind: Literal["nothing"] = "nothing"

    def build(self, image_size: int, classes: int) -> Policy:
        return _plain


@dataclass(frozen=True, kw_only=True)
class Affine(_Member):
    """torchvision's RandomAffine: rotation, shift, scale and shear, each uniform."""

    about: ClassVar[str] = "turned, shifted, scaled and sheared at random"
    kind: Literal["affine"] = "affine"
    rotate_degrees: Annotated[float, Ge(0), Le(360)] = 10.0
    """Largest rotation each way, in degrees."""
    shift: Annotated[float, Ge(0), Le(1)] = 0.1
    """Largest shift each way, as a share of the image's side."""
    scale: Annotated[float, Ge(0), Le(0.99)] = 0.1
    """Largest change of size: 0.1 is from 0.9 to 1.1 times."""
    shear_degrees: Annotated[float, Ge(0), Le(80)] = 5.0
    """Largest shear each way, in degrees."""
    flip: bool = False
    """Mirror left to right with probability one half, before the rest."""

    def build(self, image_size: int, classes: int) -> Policy:
        from torchvision.transforms import InterpolationMode, v2

        transform = v2.RandomAffine(
            self.rotate_degrees,
            (self.shift, self.shift),
            (1 - self.scale, 1 + self.scale),
            self.shear_degrees,
            InterpolationMode.BILINEAR,
        )
        return _image_by_image(transform, self.flip)


@dataclass(frozen=True, kw_only=True)
class TrivialAugment(_Member):
    """torchvision's TrivialAugmentWide (Müller and Hutter 2021): one random operation of random strength per image.

    As published it shifts by up to 32 pixels, meant for images of that size and larger; here by up to ``shift``.
    """

    about: ClassVar[str] = "each distorted by one random operation (turned, shifted, darkened, ...)"
    kind: Literal["trivial-augment"] = "trivial-augment"
    shift: Annotated[float, Ge(0), Le(1)] = 0.3
    """Largest shift each way, as a share of the image's side."""
    rotate_degrees: Annotated[float, Ge(0), Le(180)] = 135.0
    """Largest rotation each way, in degrees."""
    flip: bool = False
    """Mirror left to right with probability one half, before the rest."""

    def build(self, image_size: int, classes: int) -> Policy:
        return _remembered(self, image_size)

    def transform(self) -> Any:
        """torchvision's own, of an image."""
        import torch
        from torchvision.transforms import InterpolationMode, v2

        shift, rotate = self.shift, self.rotate_degrees

        def pixels(bins: int, height: int, width: int) -> Tensor:
            return torch.linspace(0.0, shift * width, bins)

        def degrees(bins: int, height: int, width: int) -> Tensor:
            return torch.linspace(0.0, rotate, bins)

        class Scaled(v2.TrivialAugmentWide):
            _AUGMENTATION_SPACE = v2.TrivialAugmentWide._AUGMENTATION_SPACE | {
                "TranslateX": (pixels, True),
                "TranslateY": (pixels, True),
                "Rotate": (degrees, True),
            }

        return Scaled(interpolation=InterpolationMode.BILINEAR)


@dataclass(frozen=True, kw_only=True)
class RandAugment(_Member):
    """torchvision's RandAugment (Cubuk 2020): ``operations`` random operations per image at one strength of 0..30."""

    about: ClassVar[str] = "each distorted by several random operations (turned, shifted, darkened, ...)"
    kind: Literal["rand-augment"] = "rand-augment"
    operations: Annotated[int, Ge(1), Le(100)] = 2
    """Random operations per image."""
    magnitude: Annotated[int, Ge(0), Le(30)] = 9
    """Their strength."""
    flip: bool = False
    """Mirror left to right with probability one half, before the rest."""

    def build(self, image_size: int, classes: int) -> Policy:
        return _remembered(self, image_size)

    def transform(self) -> Any:
        """torchvision's own, of an image."""
        from torchvision.transforms import InterpolationMode, v2

        # Its shifts are in proportion to the image already (at most 45 % of the side).
        return v2.RandAugment(self.operations, self.magnitude, interpolation=InterpolationMode.BILINEAR)


@dataclass(frozen=True, kw_only=True)
class CutMix(_Member):
    """torchvision's CutMix (Yun 2019): a box of another image pasted in, labels mixed by area."""

    about: ClassVar[str] = "each with a box of another one pasted in"
    mixes: ClassVar[bool] = True
    kind: Literal["cutmix"] = "cutmix"
    alpha: Annotated[float, Ge(0.001), Le(1000)] = 1.0
    """Of the beta distribution that the box's share of the image is drawn from."""

    def build(self, image_size: int, classes: int) -> Policy:
        from torchvision.transforms import v2

        return _whole_batch(v2.CutMix(alpha=self.alpha, num_classes=classes))


@dataclass(frozen=True, kw_only=True)
class MixUp(_Member):
    """torchvision's MixUp (Zhang 2018): images and labels blended with those of another image."""

    about: ClassVar[str] = "each blended with another one"
    mixes: ClassVar[bool] = True
    kind: Literal["mixup"] = "mixup"
    alpha: Annotated[float, Ge(0.001), Le(1000)] = 0.2
    """Of the beta distribution that the weight of the other image is drawn from."""

    def build(self, image_size: int, classes: int) -> Policy:
        from torchvision.transforms import v2

        return _whole_batch(v2.MixUp(alpha=self.alpha, num_classes=classes))


@dataclass(frozen=True, kw_only=True)
class Strong(_Member):
    """Another tone, inverted, blurred and noisy: what a change of camera, light or paper may do."""

    about: ClassVar[str] = "as under classical, then with random tone and contrast, inverted, blurred and noisy"
    on_classical: ClassVar[bool] = True
    kind: Literal["strong"] = "strong"
    tone: Annotated[float, Ge(0), Le(3)] = 1.0
    """Largest exponent of a tone curve, as a natural logarithm: 1 is from 0.37 to 2.7."""
    contrast: Annotated[float, Ge(0), Le(1)] = 0.5
    """Largest change of contrast: 0.5 is from 0.5 to 1.5 times."""
    invert: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the images that are inverted."""
    blur: Annotated[float, Ge(0), Le(0.2)] = 0.05
    """Standard deviation of a Gaussian blur, as a share of the side. Each image is blended with its blurred self,
    by a random weight."""
    noise: Annotated[float, Ge(0), Le(1)] = 0.3
    """Largest standard deviation of Gaussian noise; images lie in -1 to 1."""

    def build(self, image_size: int, classes: int) -> Policy:
        import math

        import torch
        from torchvision.transforms.v2 import functional

        sigma = self.blur * image_size
        reach = min(math.ceil(3 * sigma), image_size - 1)  # torchvision mirrors images at their edges

        def apply(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            made, _ = _plain(images, targets)

            def drawn() -> Tensor:
                return torch.rand(len(made), 1, 1, 1)

            made = 2 * ((made + 1) / 2).clamp(0, 1) ** (self.tone * (2 * drawn() - 1)).exp() - 1
            made = made * (1 + self.contrast * (2 * drawn() - 1))
            made = torch.where(drawn() < self.invert, -made, made)
            if reach:
                blurred = functional.gaussian_blur(made, [2 * reach + 1, 1], [sigma])  # one axis, then the other
                blurred = functional.gaussian_blur(blurred, [1, 2 * reach + 1], [sigma])
                made = made + drawn() * (blurred - made)
            made = made + self.noise * drawn() * torch.randn_like(made)
            return made.clamp(-1, 1), targets

        return apply


@dataclass(frozen=True, kw_only=True)
class MixStyle(_Member):
    """Mean and deviation of each channel blended with those of another image, in the network's first two blocks
    (Zhou 2021); in the images themselves, where a network has no known blocks."""

    about: ClassVar[str] = (
        "as under classical, with the style of others mixed in by the network's first layers (MixStyle)"
    )
    on_classical: ClassVar[bool] = True
    kind: Literal["mixstyle"] = "mixstyle"
    alpha: Annotated[float, Ge(0.001), Le(1000)] = 0.1
    """Of the beta distribution that the weight of the other image is drawn from."""
    probability: Annotated[float, Ge(0), Le(1)] = 0.5
    """How often a batch is mixed."""

    def build(self, image_size: int, classes: int) -> Policy:
        return _plain

    def attach(self, model: nn.Module) -> list[RemovableHandle]:
        from ganaug.classify.networks import early_blocks

        blocks = early_blocks(model)
        if not blocks:
            return [model.register_forward_pre_hook(lambda _model, inputs: (self.mixed(inputs[0]), *inputs[1:]))]
        return [block.register_forward_hook(lambda _block, _inputs, output: self.mixed(output)) for block in blocks]

    def mixed(self, features: Tensor) -> Tensor:
        """Features or images (N, C, H, W) with the style of others, as often as the settings say. Content keeps its
        gradient; styles have none, as published."""
        import torch

        if float(torch.rand(())) >= self.probability:
            return features
        deviation, mean = (one.detach() for one in torch.var_mean(features, dim=(2, 3), keepdim=True, correction=0))
        deviation = (deviation + 1e-6).sqrt()
        # Drawn on the CPU: the same on every device.
        weight = torch.distributions.Beta(self.alpha, self.alpha).sample((len(features), 1, 1, 1)).to(features)
        other = torch.randperm(len(features)).to(features.device)

        def blend(style: Tensor) -> Tensor:
            return weight * style + (1 - weight) * style[other]

        return (features - mean) / deviation * blend(deviation) + blend(mean)


@dataclass(frozen=True)
class OnTop(Spec):
    """The policy ``then`` on images that ``first`` has distorted."""

    first: PolicySpec
    then: PolicySpec

    @property
    def kind(self) -> str:
        """That of the policy on top."""
        return self.then.kind

    def build(self, image_size: int, classes: int) -> Policy:
        """The policy for images of ``image_size`` pixels per side and labels in 0..``classes``-1."""
        first, then = self.first.build(image_size, classes), self.then.build(image_size, classes)

        def apply(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            import torch

            from ganaug.pixels import to_pixels

            images, targets = first(images, targets)
            return then(torch.from_numpy(to_pixels(images)).permute(0, 3, 1, 2), targets)

        return apply

    def attach(self, model: nn.Module) -> list[RemovableHandle]:
        """What both change in the network ``model`` while that is trained."""
        return [*self.first.attach(model), *self.then.attach(model)]


PolicySpec = Annotated[
    Nothing | Affine | TrivialAugment | RandAugment | CutMix | MixUp | Strong | MixStyle, Field(discriminator="kind")
]

POLICIES: dict[str, Any] = {  # by name, without Nothing
    member.kind: member for member in get_args(get_args(PolicySpec)[0]) if member is not Nothing
}


def _plain(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    from ganaug.pixels import to_float

    return to_float(images), targets


@lru_cache(maxsize=2)
def _memory(policy: TrivialAugment | RandAugment, image_size: int) -> Remembered:
    from ganaug.classify.remembered import Remembered

    return Remembered(policy.transform(), image_size, policy.flip)


def _remembered(policy: TrivialAugment | RandAugment, image_size: int) -> Policy:
    """One memory for all arms of the process."""

    def apply(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        made = _memory(policy, image_size)(images.permute(0, 2, 3, 1).numpy())
        return _plain(torch.from_numpy(made).permute(0, 3, 1, 2), targets)

    return apply


def _image_by_image(transform: Callable[[Any], Any], flip: bool) -> Policy:
    if flip:
        from torchvision.transforms import v2

        transform = v2.Compose([v2.RandomHorizontalFlip(), transform])

    def apply(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        import torch
        from PIL import Image

        pixels = images.permute(0, 2, 3, 1).numpy()
        mode_l = pixels.shape[3] == 1
        done = [transform(Image.fromarray(image[:, :, 0] if mode_l else image)) for image in pixels]
        out = torch.from_numpy(np.stack([np.asarray(image) for image in done]).reshape(pixels.shape))
        return _plain(out.permute(0, 3, 1, 2), targets)

    return apply


def _whole_batch(transform: Callable[[Tensor, Tensor], Any]) -> Policy:
    def apply(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        mixed, soft = transform(*_plain(images, targets))
        return mixed, soft

    return apply
