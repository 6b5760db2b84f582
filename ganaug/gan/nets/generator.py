"""The base of all generators."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from ganaug.gan.conditioning import Conditioning
from ganaug.gan.nets.codes import CodeBook


@dataclass(frozen=True)
class GeneratorShape:
    """What a generator is built for."""

    z_dim: int
    classes: int
    channels: int  # of the images
    image_size: int  # their side in pixels
    width: int  # channels at the full image size
    conditioning: Conditioning


class Generator(nn.Module):
    """Latents (N, z_dim), standard normal, and labels (N,) -> images (N, channels, size, size) in [-1, 1].

    With ``codes`` the latents first choose a point between two of those.
    """

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.codes: CodeBook | None = None

    def __call__(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.codes is not None:
            latents = self.codes(latents, labels)
        return cast(Tensor, super().__call__(latents, labels))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """The architecture's own part, after the codes."""
        raise NotImplementedError

    def recall(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Images from the codes of these rows themselves, (N,)."""
        assert self.codes is not None
        return cast(Tensor, super().__call__(self.codes.of(rows), labels))
