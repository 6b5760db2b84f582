"""Between uint8 pixels as they are stored and the float images that networks see."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_float(pixels: Tensor) -> Tensor:
    """uint8 images -> float32 in [-1, 1], of the same shape."""
    return pixels.float() / 127.5 - 1


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """Float images in [-1, 1], (N, C, H, W) -> uint8 on the CPU, (N, H, W, C)."""
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
