"""The downstream classifier."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Images (N, channels, size, size) in [-1, 1] -> logits (N, classes).

    Blocks of ``depth`` times convolution, batch normalisation and ReLU, with 2x2 max pooling between them until the
    side is under eight; channels double with each block, up to four times ``width``; then one linear layer on the whole
    map (a mean over it cost 3 to 5 points on the digits, whose strokes have their places).
    """

    def __init__(self, channels: int, classes: int, image_size: int, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side, ins, outs = image_size, channels, width
        while True:
            for _ in range(depth):
                layers += [nn.Conv2d(ins, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs), nn.ReLU()]
                ins = outs
            if side < 8:
                break
            layers.append(nn.MaxPool2d(2))
            side, outs = side // 2, min(outs * 2, 4 * width)
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(outs * side**2, classes)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.features(images).flatten(1)))
