"""Directions of the latent space in which a generator's images change most, or toward an attribute: unit vectors.

Each (K, z_dim), the strongest first, its largest number positive: which end is which has no meaning.
"""

from typing import cast

import torch
from torch import Tensor, nn

from ganaug import seeds
from ganaug.edit.inversion import Inverter
from ganaug.gan.nets.generator import Generator

_SAMPLES = 1000  # that principal components are of
_RIDGE = 1e-3  # of the points' variance: codes may span fewer dimensions than there are


def sefa(network: Generator, count: int) -> Tensor:
    """The ``count`` directions that move the output of ``network``'s first layer most: eigenvectors of A^T A, where A
    is that layer's weight (SeFa: Shen and Zhou 2021, eq. 5)."""
    layers: list[nn.Module] = []
    kinds = nn.Linear | nn.ConvTranspose2d
    hooks = [
        module.register_forward_hook(lambda module, _, __: layers.append(module))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    zeros = next(network.parameters()).new_zeros(1, network.z_dim)
    with torch.no_grad():
        network.forward(zeros, zeros[:, 0].long())
    for hook in hooks:
        hook.remove()
    weight = cast(Tensor, layers[0].weight).detach().double().cpu()
    by_input = weight if isinstance(layers[0], nn.ConvTranspose2d) else weight.T  # the label's inputs come last
    matrix = by_input[: network.z_dim].flatten(1).T  # (outputs, z_dim)
    return _unit(torch.linalg.svd(matrix, full_matrices=False)[2])[:count]


def ganspace(finder: Inverter, count: int, seed: int = 0) -> Tensor:
    """The ``count`` directions of the principal components of ``finder``'s images, sampled from ``seed``, by regression
    of points on components (GANSpace: Harkonen 2020, section 2.3, with the image as the layer).

    At a linear first layer, components are SeFa's directions. Classes differ most, so each is centred on its own mean.
    """
    rng = seeds.torch_rng(seed, "ganspace")
    labels = torch.arange(_SAMPLES) % finder.classes
    points = finder.drawn(torch.randn((_SAMPLES, finder.network.z_dim), generator=rng), labels.numpy())
    with torch.no_grad():
        images = finder.in_chunks(finder.network.forward, points, labels).flatten(1)
    points, images = (_centred(one.double(), labels) for one in (points, images))
    scores = torch.linalg.svd(images, full_matrices=False)[0][:, :count]
    # Each component regressed on all dimensions of the points: the direction along which it grows.
    spread = points.T @ points
    spread += torch.eye(len(spread), dtype=spread.dtype) * _RIDGE * spread.diagonal().mean()
    return _unit(torch.linalg.solve(spread, points.T @ scores).T)


def toward(ones: Tensor, others: Tensor) -> Tensor:
    """From the mean of points ``ones`` (N, z_dim) to that of ``others`` (M, z_dim): (1, z_dim), unlike the rest with a
    meaning of its sign."""
    difference = others.mean(dim=0) - ones.mean(dim=0)
    return nn.functional.normalize(difference[None], dim=1)


def _unit(rows: Tensor) -> Tensor:
    rows = nn.functional.normalize(rows, dim=1)
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    return (rows * largest.sign()).float()


def _centred(rows: Tensor, labels: Tensor) -> Tensor:
    rows = rows.clone()
    for label in labels.unique().tolist():
        rows[labels == label] -= rows[labels == label].mean(dim=0)
    return rows
