"""The judge of the filter ``copies``: how far an image is from the nearest real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug import seeds
from ganaug.synth.filters import Known
from ganaug.synth.fitted_filters import Judge, floats

_PROJECTED = 256  # dimensions: distances hold within some 6 % (Johnson and Lindenstrauss)


class Distance(Judge):
    """How far the nearest real image is, in units of a distance between real images."""

    real: Tensor  # (images, projected)
    unit: Tensor

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__(about)
        self.register_buffer("real", torch.zeros(about["images"], about["projected"]))
        self.register_buffer("unit", torch.zeros(()))

    @classmethod
    @torch.no_grad()
    def fit(cls, known: Known, percentile: float) -> Distance:
        """The unit is the ``percentile``-th, 0 to 50, of the distances from a real image to its nearest other one."""
        images = floats(np.concatenate([known.images, known.unlabelled]))
        about = {"images": len(images), "pixels": images[0].numel(), "seed": known.seed}
        judge = cls({**about, "projected": min(_PROJECTED, images[0].numel())})
        judge.real = judge._projected(images)
        apart = torch.cdist(judge.real, judge.real).fill_diagonal_(float("inf")).amin(dim=1)
        judge.unit = torch.quantile(apart, percentile / 100)
        return judge

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return torch.cdist(self._projected(images), self.real).amin(dim=1) / self.unit.clamp(min=1e-12)

    def _projected(self, images: Tensor) -> Tensor:
        pixels, dims = self.about["pixels"], self.about["projected"]
        if dims == pixels:
            return images.flatten(1)
        rng = seeds.torch_rng(self.about["seed"], "projection")
        matrix = torch.randn((pixels, dims), generator=rng) / dims**0.5
        return torch.matmul(images.flatten(1), matrix)
