"""The base of all generators."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ganaug.gan.nets.codes import CodeBook


class Generator(nn.Module):
    """Latents (N, z_dim), standard normal, and labels (N,) -> images (N, channels, size, size) in [-1, 1].

    With ``codes`` the latents first choose a point between two of those.
    """

    z_dim: int

    def __init__(self) -> None:
        super().__init__()
        self.codes: CodeBook | None = None

    def __call__(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.codes is not None:
            latents = self.codes(latents, labels)
        return cast(Tensor, super().__call__(latents, labels))

    def recall(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Images from the codes of these rows themselves, (N,)."""
        assert self.codes is not None
        return cast(Tensor, super().__call__(self.codes.of(rows), labels))
