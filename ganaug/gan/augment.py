"""Differentiable augmentation (Zhao 2020): what the discriminator sees, of real and of fake images, in both steps.

The discriminator memorises few images, but not if it sees each through a new random distortion. The gradient passes
through it, and real and fake are distorted alike, so that the generator still learns the images as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from ganaug.settings import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Uniform = Callable[[float], Tensor]


@dataclass(frozen=True)
class DiffAugment(Spec):
    """The largest distortion of each kind; 0 leaves it out. Each image draws its own, uniformly (Zhao 2020)."""

    shift: Annotated[float, Ge(0), Le(1)] = 0.125
    """Largest shift each way, as a share of the image's side, in whole pixels."""
    rotate_degrees: Annotated[float, Ge(0), Le(360)] = 0.0
    """Largest rotation each way, in degrees."""
    scale: Annotated[float, Ge(0), Le(10)] = 0.0
    """Largest change of size: 0.2 is from 1/1.2 to 1.2 times."""
    shear: Annotated[float, Ge(0), Le(10)] = 0.0
    """Largest shear each way, as the tangent of the angle."""
    brightness: Annotated[float, Ge(0), Le(10)] = 0.0
    """The most that is added or taken away; the images' range is 2 wide."""
    contrast: Annotated[float, Ge(0), Le(10)] = 0.0
    """Largest change of contrast: 0.5 is from 0.5 to 1.5 times the distance from the image's mean."""
    saturation: Annotated[float, Ge(0), Le(10)] = 0.0
    """Largest change of saturation: 1 is from gray to twice a channel's distance from the pixel's mean."""
    cutout: Annotated[float, Ge(0), Le(1)] = 0.0
    """Side of a square that is set to middle gray, as a share of the image's."""
    flip: bool = False
    """Mirror left to right, half of the time; wrong for text, digits and anything with a handedness."""

    @property
    def does_nothing(self) -> bool:
        """Whether every distortion is 0."""
        return self == DiffAugment(shift=0.0)

    def __call__(
        self, images: Tensor, rng: torch.Generator, probability: Tensor | None = None, mirrored: bool = False
    ) -> Tensor:
        """Float images in [-1, 1], (N, C, H, W) -> the same shape. ``rng`` lives on the images' device.

        ``probability``, a scalar in 0..1: how often each kind distorts an image (ADA). ``mirrored``: what comes in from
        outside is the image's mirror image instead of black.
        """
        import torch

        # All at once: a training of small images waits for the number of operations, not for their size.
        numbers = self._numbers(images.shape[1], probability is not None)
        drawn = torch.rand((numbers, len(images)), generator=rng, device=images.device)
        rows = zip(drawn.unbind(), (drawn * 2 - 1).unbind(), strict=True)

        def anywhere(limit: float) -> Tensor:
            return next(rows)[1] * limit

        def happens() -> Tensor | None:  # to each image; None: to all
            return None if probability is None else (next(rows)[0] < probability).float()

        def uniform(limit: float) -> Tensor:
            value, to = anywhere(limit), happens()
            return value if to is None else value * to

        if self.contrast > 0:
            mean = images.mean(dim=(1, 2, 3), keepdim=True)
            images = (images - mean) * (1 + uniform(self.contrast)).view(-1, 1, 1, 1) + mean
        if self.brightness > 0:
            images = images + uniform(self.brightness).view(-1, 1, 1, 1)
        if self.saturation > 0 and images.shape[1] > 1:
            mean = images.mean(dim=1, keepdim=True)
            images = (images - mean) * (1 + uniform(self.saturation)).view(-1, 1, 1, 1) + mean
        if self._warps:
            images = self._warp(images, uniform, anywhere, happens(), mirrored)
        if self.cutout > 0:
            images = self._cut(images, anywhere, happens())
        return images

    @property
    def _warps(self) -> bool:
        return bool(self.shift or self.rotate_degrees or self.scale or self.shear or self.flip)

    def _numbers(self, channels: int, adaptive: bool) -> int:
        """How many numbers an image draws; with ADA each kind, shifts as one, draws one more."""
        of_colour = (self.contrast > 0) + (self.brightness > 0) + (self.saturation > 0 and channels > 1)
        of_place, of_cut = (5 + self.flip) * self._warps, 2 * (self.cutout > 0)
        kinds = of_colour + (4 + self.flip) * self._warps + (self.cutout > 0)
        return of_colour + of_place + of_cut + adaptive * kinds

    def _warp(
        self, images: Tensor, uniform: Uniform, anywhere: Uniform, shifted: Tensor | None, mirrored: bool
    ) -> Tensor:
        """One affine resampling for all the geometric kinds. What comes in from outside is mirrored or black (-1)."""
        import torch
        from torch.nn import functional as F

        height, width = images.shape[2:]
        angle, shear, log_size = (
            uniform(limit) for limit in (math.radians(self.rotate_degrees), self.shear, math.log(1 + self.scale))
        )
        rows = [torch.ones_like(angle), torch.zeros_like(angle), torch.zeros_like(angle), torch.ones_like(angle)]
        if self.rotate_degrees or self.shear or self.scale:
            size = torch.exp(log_size)
            cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
            rows = [cos, shear * cos - sin, sin, shear * sin + cos]
        if self.flip:  # where the draw is negative; where ADA skips the image, it is 0
            mirror = 1 - 2 * (uniform(1.0) < 0).float()
            rows[:2] = [mirror * rows[0], mirror * rows[1]]
        # grid_sample asks where each output pixel comes from, on axes that run from -1 to 1: a side is 2 long.
        shift_x, shift_y = (
            ((shift if shifted is None else shift * shifted) * side).round() * 2 / side  # both ways or neither
            for shift, side in ((anywhere(self.shift), width), (anywhere(self.shift), height))
        )
        rows = [*rows[:2], shift_x, *rows[2:], shift_y]
        grid = F.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(images.shape), align_corners=False)
        if mirrored:
            return F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
        return F.grid_sample(images.float() + 1, grid, align_corners=False) - 1

    def _cut(self, images: Tensor, anywhere: Uniform, cut: Tensor | None) -> Tensor:
        """A square with its centre anywhere in the image, clipped at the image's edge."""
        import torch

        height, width = images.shape[2:]
        centre_y, centre_x = (anywhere(0.5) + 0.5) * height, (anywhere(0.5) + 0.5) * width
        y = torch.arange(height, device=images.device) + 0.5 - centre_y[:, None]  # (N, H)
        x = torch.arange(width, device=images.device) + 0.5 - centre_x[:, None]
        rows, columns = y.abs() <= self.cutout * height / 2, x.abs() <= self.cutout * width / 2
        inside = rows[:, None, :, None] & columns[:, None, None, :]
        return images.masked_fill(inside if cut is None else inside & (cut > 0).view(-1, 1, 1, 1), 0.0)


@dataclass(frozen=True)
class Ada(Spec):
    """Adaptive discriminator augmentation (Karras 2020): the probability rises while D is sure of the real images.

    r = E[sign(D(real))] is held at ``target``: 0 means no overfitting, 1 complete overfitting.
    """

    target: Annotated[float, Ge(0), Le(1)] = 0.6
    """How sure of real images the discriminator may be: 0 means no overfitting, 1 complete overfitting."""
    interval: Annotated[int, Ge(1), Le(10_000)] = 4
    """Steps between two adjustments of the probability."""
    speed_images: Annotated[float, Ge(1), Le(1e12)] = 500_000.0
    """Real images in which the probability gets from 0 to 1 at full speed."""

    def adjusted(self, probability: Tensor, sign: Tensor, images: int) -> Tensor:
        """The probability after ``images`` more, whose mean sign was ``sign``; scalars that stay on the device."""
        import torch

        return (probability + torch.sign(sign - self.target) * (images / self.speed_images)).clamp(0.0, 1.0)
