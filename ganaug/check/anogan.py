"""How far an image is from what a GAN can make: f-AnoGAN's score (Schlegl 2019, eq. 5)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug import device as devices
from ganaug import store
from ganaug.classify.fitting import chunks
from ganaug.edit.inversion import Inverter
from ganaug.gan.build import build_discriminator
from ganaug.gan.described import AGAIN, check_tensors, describe, outline, typed
from ganaug.gan.nets.discriminator import Discriminator
from ganaug.gan.nets.generator import Generator
from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float

_KAPPA = 1.0  # weight of the features, as published
_AT_ONCE = 32


def scores(
    generator: Generator,
    discriminator: Discriminator,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    device: torch.device,
) -> NDArray[np.float64]:
    """Of ``images`` (N, H, W, C) as of ``labels`` (N,), some of the ``classes``: the mean squared distance from the
    nearest image that the ``generator`` is found to make, in pixels and in what the ``discriminator`` sees, on
    ``device``."""
    nearest = Inverter(generator, classes, device).invert(images, labels).images
    devices.place(discriminator, device).eval()
    (pixels, features), (made, of_made) = (_seen(discriminator, one, labels, device) for one in (images, nearest))
    apart = [(one - other).square().flatten(1).mean(dim=1) for one, other in ((pixels, made), (features, of_made))]
    return np.asarray((apart[0] + _KAPPA * apart[1]).double().numpy())


@torch.no_grad()
def _seen(
    discriminator: Discriminator, images: NDArray[np.uint8], labels: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Images in [-1, 1], and the features that D judges them by."""
    pixels = torch.cat([to_float(some) for some in chunks(images, _AT_ONCE)])
    inputs = discriminator.label if discriminator.conditioning == "concat" else None
    features = [
        discriminator.body(some.to(device), inputs(of.to(device)) if inputs else None).float().cpu()
        for some, of in zip(pixels.split(_AT_ONCE), torch.from_numpy(labels).split(_AT_ONCE), strict=True)
    ]
    return pixels, torch.cat(features)


def read_discriminator(path: Path) -> Discriminator:
    """That of the checkpoint at ``path``. No code of the file is run. Raises UserError if it holds none."""

    def restore(tensors: dict[str, Tensor], description: dict[str, Any]) -> Discriminator:
        about, own = describe(description), "discriminator."
        theirs = {name.removeprefix(own): one for name, one in tensors.items() if name.startswith(own)}
        build = partial(build_discriminator, typed(GanSpec, about.gan), len(about.classes), about.shape)
        check_tensors(theirs, outline(build, len(theirs)))
        network = build()
        network.load_state_dict(theirs)
        return network

    return store.read_from_tensors(path, "a checkpoint of this version of ganaug", AGAIN, restore)
