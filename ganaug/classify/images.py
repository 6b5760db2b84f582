"""Images that are read row by row: an array, a memory-mapped file, or anything that gives rows on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


class Images(Protocol):
    """uint8 images (N, H, W, C). Any array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


def gather(images: Images, rows: NDArray[np.int64]) -> Tensor:
    """The images at ``rows`` (n,): a contiguous uint8 tensor (n, C, H, W). No other row is read."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2)))


def in_chunks(images: Images, size: int) -> Iterator[Tensor]:
    """All images in order, at most ``size`` at a time, as ``gather`` gives them; of no images one empty chunk."""
    for start in range(0, max(1, len(images)), size):
        yield gather(images, np.arange(start, min(start + size, len(images))))
