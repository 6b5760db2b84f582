"""What a translator minimises beside its adversarial loss: terms of float images (N, C, H, W), as scalars."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_TEMPERATURE = 0.07  # CUT's


def sameness(moved: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute difference: of a cycle (CycleGAN: Zhu 2017, eq. 2), an identity, a pair (Isola 2017, eq. 3)."""
    return F.l1_loss(moved, wanted)


def difference(one: Tensor, other: Tensor) -> Tensor:
    """The mean absolute difference of each image from the other, (N,)."""
    return (one - other).abs().flatten(1).mean(dim=1)


def monotony(differences: Tensor, targets: Tensor, usual: Tensor) -> Tensor:
    """How much less than half as far as target images two translations of an image are from each other.

    ``differences`` (N,) of two translations of an image to ``targets`` (N,); ``usual`` (conditions,): that of two
    images under each condition. The mean over the targets of relu(usual / 2 - mean difference): only what is too little
    counts, since noise that changes more than it must destroys the image (cf. MSGAN: Mao 2019, eq. 3).
    """
    member = F.one_hot(targets, len(usual)).to(differences.dtype)  # (N, conditions)
    counts = member.sum(dim=0)
    mean = (differences[:, None] * member).sum(dim=0) / counts.clamp(min=1)
    lacking = (usual / 2 - mean).relu() * (counts > 0)
    return lacking.sum() / (counts > 0).sum()


def patch_contrast(queries: Sequence[Tensor], keys: Sequence[Tensor]) -> Tensor:
    """CUT's patch-wise contrast (Park 2020, eq. 3): a patch of a translation tells its place in the source.

    Unit vectors (N, patches, K) of each layer, ``queries`` of the translations and ``keys`` of the sources: the mean
    cross-entropy of finding the patch of the same place among all patches of the source.
    """
    losses = []
    for query, key in zip(queries, keys, strict=True):
        logits = query @ key.detach().transpose(1, 2) / _TEMPERATURE  # (N, patches, patches)
        places = torch.arange(query.shape[1], device=query.device).expand(len(query), -1)
        losses.append(F.cross_entropy(logits.flatten(0, 1), places.flatten()))
    return torch.stack(losses).mean()
