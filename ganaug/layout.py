"""The memory layout of maps, channels last, where a layer would lose it on the way back."""

import torch
from torch import Tensor, nn


class Flatten(nn.Flatten):
    """Maps (N, C, H, W) -> (N, C * H * W), whose gradient comes back with channels last, as the maps have them.

    In the usual layout, as flattening gives it, an activation takes seven times as long to go back through. The values
    are the same.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """The rows; nothing else changes."""
        if maps.requires_grad:
            maps.register_hook(_channels_last)
        return super().forward(maps)


def _channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
