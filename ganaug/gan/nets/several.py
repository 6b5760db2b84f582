"""Several checkpoints as one generator: each image comes from one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganaug.gan.nets.parts import Generator


class Several(Generator):
    """Generators of one kind, taking turns: a self-ensemble (Wang, Zhang and van de Weijer 2016, arXiv 1612.00991).

    Its latents have one number more than theirs, the last, which says whose turn it is. Images of one checkpoint share
    its faults; those of several differ in them.
    """

    def __init__(self, members: Sequence[Generator]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.z_dim = members[0].z_dim + 1

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        turn = torch.special.ndtr(latents[:, -1].float()).clamp(max=1 - 1e-6)  # normal numbers made uniform
        turns = (turn * len(self.members)).long()
        rows = [(turns == number).nonzero().flatten() for number in range(len(self.members))]
        made = [
            member(latents[own, :-1], labels[own]) for member, own in zip(self.members, rows, strict=True) if len(own)
        ]
        return torch.cat(made)[torch.cat(rows).argsort()]


def members_of(tensors: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a ``state_dict``, each member's own, in their order; [] where it is of one generator."""
    own: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if found := re.fullmatch(r"members\.(\d+)\.(.+)", name):
            own.setdefault(int(found[1]), {})[found[2]] = tensor
    return [own[number] for number in sorted(own)]
