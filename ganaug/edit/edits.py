"""What is done to an inverted image: ways through the latent space, of several steps, and the images on them.

Each way gives frames of all images at once. Points keep a length that the generator was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.edit.directions import ganspace, sefa, toward
from ganaug.edit.inversion import Inverted, Inverter
from ganaug.errors import UserError, quoted

_FIRST = 6  # directions that are shown where nothing is asked for
_MOST_STEPS, _STRONGEST = 100, 100.0


@dataclass(frozen=True)
class Asked:
    """What to do with images: one of ``to`` (an image, (H, W, C)), ``to_class`` (an index), ``toward`` (the images of
    two sets, (N, H, W, C)) and ``direction``; or, with none of them, the first directions.

    Directions are those ``by`` which they are found. ``strength``: how far to go along one, in standard deviations of a
    latent. ``steps`` of a way, both ends among them; None: 8, along directions 5. Raises UserError if there are two of
    them, or a number is out of its range.
    """

    to: NDArray[np.uint8] | None = None
    to_class: int | None = None
    toward: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None
    direction: int | None = None
    by: str = "sefa"
    strength: float = 2.0
    steps: int | None = None

    def __post_init__(self) -> None:
        moves = {"to": self.to, "to_class": self.to_class, "toward": self.toward, "direction": self.direction}
        if len(given := [name for name, value in moves.items() if value is not None]) > 1:
            raise UserError(f"{given[1]}: must be the only move, but there is {given[0]} too; leave one out")
        if self.by not in ("sefa", "ganspace"):
            raise UserError(f"by: must be sefa or ganspace, got {quoted(self.by)}; name one of them")
        if not 0 < self.strength <= _STRONGEST:
            raise UserError(f"strength: must be above 0 and at most {_STRONGEST:g}, got {self.strength:g}; 2 is usual")
        if self.steps is not None and not 2 <= self.steps <= _MOST_STEPS:
            raise UserError(f"steps: must be 2 to {_MOST_STEPS}, got {quoted(self.steps)}; ask for that many")


@dataclass(frozen=True)
class Edited:
    """Images that were moved, and what was done."""

    images: NDArray[np.uint8]  # (N, moves, steps, H, W, C)
    moves: list[str]  # such as "sefa-0"
    steps: list[str]  # shares of the way, or strengths
    inverted: Inverted  # where each began


def edit(finder: Inverter, images: NDArray[np.uint8], labels: NDArray[np.int64] | None, asked: Asked) -> Edited:
    """``images`` (N, H, W, C) of the classes ``labels`` (N,) moved as ``asked``; without labels, each is of the class
    whose image comes nearest. ``finder`` inverts them. Raises UserError if there is no such direction."""
    if asked.direction is not None and not 0 <= asked.direction < finder.network.z_dim:
        most = finder.network.z_dim - 1
        raise UserError(f"direction: must be 0 to {most}, got {quoted(asked.direction)}; 0 changes most")
    ones = finder.invert_any(images) if labels is None else finder.invert(images, labels)
    ways = dict(_ways(finder, ones, asked))
    drawn = np.stack([draw(finder, ones.labels, frames) for frames in ways.values()], axis=1)
    return Edited(drawn, list(ways), [frame.title for frame in next(iter(ways.values()))], ones)


def _ways(finder: Inverter, ones: Inverted, asked: Asked) -> Iterator[tuple[str, list[Frame]]]:
    """Each move with its frames."""
    steps = asked.steps or 8
    if asked.to is not None:
        yield "to", between(ones, finder.invert_any(np.repeat(asked.to[None], len(ones.labels), axis=0)), steps)
    elif asked.to_class is not None:
        yield "to-class", between(ones, replace(ones, labels=np.full_like(ones.labels, asked.to_class)), steps)
    elif asked.toward is not None:
        direction = toward(*(finder.invert_any(some).points for some in asked.toward))[0]
        yield "toward", along(finder, ones, direction, np.linspace(0, asked.strength, steps).tolist())
    else:
        numbers = range(min(_FIRST, finder.network.z_dim)) if asked.direction is None else [asked.direction]
        count, strengths = max(numbers) + 1, np.linspace(-asked.strength, asked.strength, asked.steps or 5).tolist()
        found = sefa(finder.network, count) if asked.by == "sefa" else ganspace(finder, count)
        for number in numbers:
            yield f"{asked.by}-{number}", along(finder, ones, found[number], strengths)


@dataclass(frozen=True)
class Frame:
    """One step of a way."""

    title: str
    points: Tensor  # (N, z_dim)
    others: NDArray[np.int64]  # (N,), the classes that it goes to
    share: float = 0.0  # that they have, in 0..1


def between(ones: Inverted, others: Inverted, steps: int) -> list[Frame]:
    """From each of ``ones`` to its one of ``others`` in ``steps``, both ends among them; so does the class. Where the
    points are the same, the style stays."""
    frames = []
    for share in np.linspace(0, 1, steps).tolist():
        mixed = torch.lerp(ones.points, others.points, share)
        # As codes are blended: along the arc, not through the middle, where no latent lies (White 2016).
        wanted = torch.lerp(_lengths(ones.points), _lengths(others.points), share)
        points = mixed * (wanted / _lengths(mixed).clamp(min=1e-12))
        frames.append(Frame(f"{share:.2f}", points, others.labels, share))
    return frames


def along(finder: Inverter, ones: Inverted, direction: Tensor, strengths: Sequence[float]) -> list[Frame]:
    """From ``ones``, ``strengths`` along a ``direction`` (z_dim,), in standard deviations of a latent, held by
    ``finder``."""
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
