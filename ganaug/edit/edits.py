"""What is done to an inverted image: a way through the latent space, of several steps, and the images on it.

Each way gives frames of all images at once. Points keep a length that the generator was trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.edit.inversion import Inverted, Inverter


@dataclass(frozen=True)
class Frame:
    """One step of a way."""

    title: str
    points: Tensor  # (N, z_dim)
    others: NDArray[np.int64]  # (N,), the classes that it goes to
    share: float = 0.0  # that they have, in 0..1


def between(ones: Inverted, others: Inverted, steps: int) -> list[Frame]:
    """From each of ``ones`` to its one of ``others`` in ``steps``, both ends among them; so does the class."""
    frames = []
    for share in np.linspace(0, 1, steps).tolist():
        mixed = torch.lerp(ones.points, others.points, share)
        # As codes are blended: along the arc, not through the middle, where no latent lies (White 2016).
        wanted = torch.lerp(_lengths(ones.points), _lengths(others.points), share)
        points = mixed * (wanted / _lengths(mixed).clamp(min=1e-12))
        frames.append(Frame(f"{share:.2f}", points, others.labels, share))
    return frames


def to_class(ones: Inverted, label: int, steps: int) -> list[Frame]:
    """The same points, from their own class to ``label`` in ``steps``: the style stays."""
    others = np.full_like(ones.labels, label)
    return [Frame(f"{share:.2f}", ones.points, others, share) for share in np.linspace(0, 1, steps).tolist()]


def along(finder: Inverter, ones: Inverted, direction: Tensor, strengths: Sequence[float]) -> list[Frame]:
    """``strengths`` along a ``direction`` (z_dim,), in standard deviations of a latent, where ``finder`` allows."""
    return [
        Frame(f"{strength:+.2g}", finder.held(ones.points + strength * direction), ones.labels)
        for strength in strengths
    ]


def draw(finder: Inverter, labels: NDArray[np.int64], frames: Sequence[Frame]) -> NDArray[np.uint8]:
    """The images (N, frames, H, W, C) of ``frames`` of images under ``labels`` (N,), by ``finder``'s network."""
    return np.stack([finder.render(one.points, labels, one.others, one.share) for one in frames], axis=1)


def _lengths(points: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(points, dim=1, keepdim=True)
    return found
