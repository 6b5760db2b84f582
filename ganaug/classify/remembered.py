"""torchvision's automatic policies on the few images of a small set, each (image, operation, strength) computed once.

torchvision takes some 130 microseconds for an image of 8 pixels a side, most of them to look at its own input and to
reckon strengths anew, which is most of a small classifier's step. Here the same numbers are drawn and the same
operations of torchvision are applied, so that the pixels are the same; what an operation made of an image is kept, also
for the other arms that the process trains.
"""

from __future__ import annotations

from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torchvision.transforms import v2

_KEPT_BYTES = 2**24  # of remembered images, in each process
_OVERHEAD = 400  # bytes that one of them takes besides its pixels
_OF_PIXELS = ("Identity", "Brightness", "Posterize", "Solarize")  # what they do depends on a pixel's value alone
_RAMP = bytes(range(256))


class Remembered:
    """RandAugment or TrivialAugmentWide, ``policy``, of square images with ``side`` pixels; ``flip``: mirrored before,
    half of the time. Draws from torch's global generator, as torchvision does."""

    def __init__(self, policy: v2.RandAugment | v2.TrivialAugmentWide, side: int, flip: bool) -> None:
        self.policy, self.side, self.flip = policy, side, flip
        self.operations = getattr(policy, "num_ops", 1)
        self.strength: int | None = getattr(policy, "magnitude", None)  # None: drawn for each image
        space = policy._AUGMENTATION_SPACE
        self.names = list(space)
        # Of each operation: its strengths, if it has any, and whether it goes both ways.
        self.space = {
            name: (_listed(of(policy.num_magnitude_bins, side, side)), both) for name, (of, both) in space.items()
        }
        self._table = cache(partial(self._applied, _RAMP, "L", (256, 1)))
        self._made = lru_cache(max(1, _KEPT_BYTES // (side**2 + _OVERHEAD)))(self._make)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 images (N, ``side``, ``side``, C), C 1 or 3 -> the same shape, each distorted."""
        mode = "L" if pixels.shape[3] == 1 else "RGB"
        made = b"".join(self._distorted(image.tobytes(), mode) for image in pixels)
        return np.frombuffer(bytearray(made), np.uint8).reshape(pixels.shape)

    def _distorted(self, image: bytes, mode: str) -> bytes:
        if self.flip and torch.rand(()).item() < 0.5:
            image = self._made(image, mode, "flip", 0.0)
        for _ in range(self.operations):
            name = self.names[int(torch.randint(len(self.names), ()))]
            strengths, both_ways = self.space[name]
            strength = 0.0
            if strengths is not None:
                at = int(torch.randint(len(strengths), ())) if self.strength is None else self.strength
                strength = strengths[at]
                if both_ways and torch.rand(()).item() <= 0.5:
                    strength *= -1
            if name in _OF_PIXELS:
                image = image.translate(self._table(name, strength))
            else:
                image = self._made(image, mode, name, strength)
        return image

    def _make(self, image: bytes, mode: str, name: str, strength: float) -> bytes:
        return self._applied(image, mode, (self.side, self.side), name, strength)

    def _applied(self, image: bytes, mode: str, size: tuple[int, int], name: str, strength: float) -> bytes:
        picture: Any = Image.frombytes(mode, size, image)
        if name == "flip":
            return ImageOps.mirror(picture).tobytes()
        policy = self.policy
        made: Any = policy._apply_image_or_video_transform(
            picture, name, strength, interpolation=policy.interpolation, fill=policy._fill
        )
        return bytes(made.tobytes())


def _listed(strengths: Any) -> list[float] | None:
    return None if strengths is None else [float(one) for one in strengths]
