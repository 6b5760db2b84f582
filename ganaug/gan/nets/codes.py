"""The memory of a generator: a code per training image, and the way from normal numbers to a point between two."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CodeBook(nn.Module):
    """Turns normal numbers and labels into latents between two codes of the label's class.

    One code for each of ``images``, of ``classes``. Latents and codes have the root-mean-square length of normal
    numbers, the root of ``z_dim``. ``blend`` (0 to 0.5): the second's least share; ``noise``: its length over a code's.
    """

    first: Tensor  # (classes,), the row of the class's first code
    count: Tensor  # (classes,)

    def __init__(self, images: int, classes: int, z_dim: int, blend: float, noise: float) -> None:
        super().__init__()
        self.blend, self.noise = blend, noise
        self.rows = nn.Parameter(torch.randn(images, z_dim))
        self.register_buffer("first", torch.zeros(classes, dtype=torch.int64))
        self.register_buffer("count", torch.ones(classes, dtype=torch.int64))

    def assign(self, labels: Tensor) -> Tensor:
        """A code of its class for each image: its row, (N,). ``labels`` (N,)."""
        order = labels.argsort(stable=True)
        self.count.copy_(torch.bincount(labels, minlength=len(self.count)))
        self.first.copy_(self.count.cumsum(0) - self.count)
        return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))

    def of(self, rows: Tensor) -> Tensor:
        """The codes of these rows, (N, z_dim)."""
        return _of_length(self.rows[rows])

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """(N, z_dim) and (N,) -> (N, z_dim)."""
        # The first three numbers, made uniform, choose the codes and the share of each. That they are also part of the
        # noise does no harm: they are three of many.
        chosen = torch.special.ndtr(latents[:, :3].float()).clamp(max=1 - 1e-6)
        first, count = self.first[labels], self.count[labels]
        one, other = (first + (chosen[:, at] * count).long() for at in (0, 1))
        share = self.blend + (0.5 - self.blend) * chosen[:, 2:3]
        between = _of_length(torch.lerp(self.of(one), self.of(other), share))
        return _of_length(between + self.noise * latents)


def _of_length(codes: Tensor) -> Tensor:
    return cast(Tensor, F.normalize(codes.float(), dim=1) * codes.shape[1] ** 0.5)
