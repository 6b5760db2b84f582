"""What ways to train add to a classifier's loss, and how their images are drawn and distorted."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from ganaug.classify.pools import Images


def consistency(said: Tensor, asked: Tensor, threshold: float) -> Tensor:
    """FixMatch's loss of images without labels (Sohn 2020, eq. 4), of logits (N, K): the cross-entropy of ``asked`` at
    the class that is likeliest in ``said``, of the images where that reaches ``threshold``, over the number of all."""
    sure, likeliest = said.detach().softmax(dim=1).max(dim=1)
    return (F.cross_entropy(asked, likeliest, reduction="none") * (sure >= threshold)).mean()


def real_or_fake(real: Tensor, fake: Tensor) -> Tensor:
    """What a discriminator minimises beside classes, of logits (N, K): -log D of ``real`` and -log(1 - D) of ``fake``
    images, where D = Z / (Z + 1) and Z is the sum of exp over the classes (Salimans 2016, section 5)."""
    of_real, of_fake = real.logsumexp(dim=1), fake.logsumexp(dim=1)
    return (F.softplus(of_real) - of_real).mean() + F.softplus(of_fake).mean()


def cut_out(images: Tensor, largest: float) -> Tensor:
    """``images`` (N, C, S, S) in [-1, 1], in each a gray square anywhere, of a side from 0 to ``largest`` of theirs."""
    side = images.shape[2]
    half, down, right = torch.rand(3, len(images), 1) * side
    rows, columns = ((torch.arange(side) + 0.5 - centre).abs() < half * largest / 2 for centre in (down, right))
    return images.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0.0)


def drawn(images: Images, count: int, rng: torch.Generator) -> Tensor:
    """``count`` of the ``images`` (N, H, W, C), as uint8 (``count``, C, H, W), drawn by ``rng``."""
    rows = torch.randint(len(images), (count,), generator=rng).numpy()
    return torch.from_numpy(np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2)))


def placed(images: Tensor, device: torch.device) -> Tensor:
    """The images on the device, as classifiers take them."""
    return images.to(device, memory_format=torch.channels_last)


@contextmanager
def unnoticed(model: nn.Module) -> Iterator[None]:
    """Within it, batch normalisation in ``model`` keeps no statistics of what passes."""
    norms = [(one, one.momentum) for one in model.modules() if isinstance(one, _BatchNorm)]
    for norm, _ in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in norms:
            norm.momentum = momentum
