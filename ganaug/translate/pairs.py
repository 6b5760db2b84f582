"""Pairs that are made: what a camera, a lens or a sensor would have lost of a sharp image."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganaug import seeds
from ganaug.gan.translation import Pairs
from ganaug.pixels import to_float, to_pixels


def degraded(images: NDArray[np.uint8], sha256: Sequence[str], how: Pairs, number: int, seed: int) -> NDArray[np.uint8]:
    """The ``images`` (N, H, W, C), degraded for translation ``number`` of each. The noise, if that is ``how``, is drawn
    from ``seed``, the image's own ``sha256`` and ``number`` alone."""
    sharp = to_float(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    rngs = (seeds.torch_rng(seed, "pairs", sha, number) for sha in sha256)
    return to_pixels(torch.cat([degrade(one[None], how, rng) for one, rng in zip(sharp, rngs, strict=True)]))


def degrade(images: Tensor, how: Pairs, rng: torch.Generator) -> Tensor:
    """Float images (N, C, H, W) in [-1, 1] -> the same shape, degraded; ``rng``, on their device, draws the noise."""
    side = images.shape[2]
    if how.downscale is not None:
        small = max(1, round(side / how.downscale))
        return _resize(_resize(images, small), side).clamp(-1, 1)
    if how.blur is not None:
        return _blur(images, how.blur)
    assert how.noise is not None
    noise = torch.randn(images.shape, generator=rng, device=images.device)
    return (images + how.noise * noise).clamp(-1, 1)


def _resize(images: Tensor, side: int) -> Tensor:
    """Bicubic, as super-resolution is compared with; smoothed first where it shrinks."""
    return F.interpolate(images, size=(side, side), mode="bicubic", align_corners=False, antialias=True)


def _blur(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian of this standard deviation in pixels, rows and columns one after the other; edges are repeated."""
    radius = min(round(3 * sigma + 0.5), 3 * images.shape[2])
    places = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (places / sigma).square())
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    for weights, pad in ((kernel, (radius, radius, 0, 0)), (kernel.transpose(2, 3), (0, 0, radius, radius))):
        images = F.conv2d(F.pad(images, pad, mode="replicate"), weights, groups=images.shape[1])
    return images
