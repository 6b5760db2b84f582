"""How far an image is from what a GAN can make: f-AnoGAN's score (Schlegl 2019, eq. 5)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganaug.edit.inversion import Inverter
from ganaug.pixels import to_float

_KAPPA = 1.0  # weight of the features, as published


def scores(
    inverter: Inverter, features: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of ``images`` (N, H, W, C) as of ``labels`` (N,): the mean squared distance from the nearest image that the
    ``inverter`` finds, in pixels and in the ``features`` of the discriminator: images (N, C, H, W) -> (N, F)."""
    both = (images, inverter.invert(images, labels).images)
    pixels = [to_float(torch.from_numpy(one.transpose(0, 3, 1, 2).copy())).to(inverter.device) for one in both]
    with torch.no_grad():
        seen = [features.to(inverter.device).eval()(one) for one in pixels]
    apart = [(one - other).square().flatten(1).mean(dim=1) for one, other in (pixels, seen)]
    return np.asarray((apart[0] + _KAPPA * apart[1]).double().cpu().numpy())
