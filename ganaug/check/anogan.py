"""How far an image is from what a GAN can make: f-AnoGAN's score (Schlegl 2019, eq. 5)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug import store
from ganaug.edit.inversion import Inverter
from ganaug.gan.build import build_discriminator
from ganaug.gan.described import AGAIN, describe, typed
from ganaug.gan.nets.discriminator import Discriminator
from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float

_KAPPA = 1.0  # weight of the features, as published


@torch.no_grad()
def scores(
    inverter: Inverter, discriminator: Discriminator, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of ``images`` (N, H, W, C) as of ``labels`` (N,): the mean squared distance from the nearest image that the
    ``inverter`` finds, in pixels and in the features of the ``discriminator``."""
    network = discriminator.to(inverter.device).eval()
    entering = network.label if network.conditioning == "concat" else None
    label = entering(torch.from_numpy(labels).to(inverter.device)) if entering else None
    with torch.enable_grad():
        made = inverter.invert(images, labels).images
    pixels = [
        to_float(torch.from_numpy(one.transpose(0, 3, 1, 2).copy())).to(inverter.device) for one in (images, made)
    ]
    of_pixels, of_features = (
        (one - other).square().flatten(1).mean(dim=1)
        for one, other in (pixels, [network.body(one, label) for one in pixels])
    )
    return np.asarray((of_pixels + _KAPPA * of_features).double().cpu().numpy())


def read_discriminator(path: Path) -> Discriminator:
    """That of the checkpoint at ``path``. No code of the file is run. Raises UserError if it holds none."""

    def restore(tensors: dict[str, Tensor], description: dict[str, Any]) -> Discriminator:
        about, own = describe(description), "discriminator."
        network = build_discriminator(typed(GanSpec, about.gan), len(about.classes), about.shape)
        network.load_state_dict({name.removeprefix(own): one for name, one in tensors.items() if name.startswith(own)})
        return network

    return store.read_from_tensors(path, "a checkpoint of this version of ganaug", AGAIN, restore)
