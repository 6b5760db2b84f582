"""Pools of images that batches are drawn from, and what labels more of them."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """uint8 images (N, H, W, C): an array, or anything that reads the rows that are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)"""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]: ...


Pool = tuple[Images, NDArray[np.int64]]  # images and their labels (N,)
# A teacher's number -> a classifier that it trains: uint8 images (N, H, W, C) -> probabilities (N, classes)
Teach = Callable[[int], Callable[[NDArray[np.uint8]], NDArray[np.float32]]]


def at_once(side: int, most: int = 1024) -> int:
    """How many images with ``side`` pixels are looked at together, ``most`` or fewer: memory grows with pixels."""
    return max(1, min(most, 2**22 // side**2))


def equally_often(rows: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` of the ``rows``, each floor or ceil(count / rows) times; ``rng`` draws which come once more."""
    times, rest = divmod(count, len(rows))
    return np.concatenate([np.tile(rows, times), rng.permutation(rows)[:rest]])
