"""The user's own pictures, read as a generator's or a translator's training images were."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ganaug import store
from ganaug.data.pictures import Aspect, Shape, depth_of, look_at, parse_background, render
from ganaug.errors import UserError, quoted
from ganaug.gan.described import typed
from ganaug.synth.folder_names import folder_name


@dataclass(frozen=True)
class HowRead:
    """How pictures become a network's input, as its file says it: what its training images went through."""

    aspect: Aspect = "pad"
    background: str = "black"
    depth: Annotated[int, Ge(8), Le(16)] | None = None  # of the bits of 16-bit pixels; None: there were none


def shape_of(description: Mapping[str, Any], image_shape: tuple[int, int, int]) -> Shape:
    """What pictures become for a network of ``image_shape`` (channels, height, width), by its file's ``description``;
    what that does not say is as in HowRead. Raises UserError if it makes no sense."""
    channels, size, _ = image_shape
    try:
        said: HowRead = typed(HowRead, description.get("pictures") or {})
        return Shape(size, 1 if channels == 1 else 3, said.aspect, parse_background(said.background), said.depth)
    except (ValueError, AttributeError):
        raise UserError("the model must say how pictures are read, but does not; train it again") from None


def check_new(out: Path) -> None:
    """Raises UserError unless the folder ``out`` is new or empty."""
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise UserError(f"--out: must be a new or an empty folder, but {out} holds something; name another")


def read(pictures: list[Path], shape: Shape, array: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """The ``pictures`` in ``shape``, (N, H, W, C), in the file ``array``, and the SHA-256 of the pixels of each.

    Raises UserError if one cannot be read.
    """
    looks = look_at(pictures, 1)
    broken: dict[int, str] = {row: look.broken for row, look in enumerate(looks) if look.broken}
    if shape.depth is None:  # all 16 bits then: to go by the brightest pixel would make pictures depend on each other
        broken |= {
            row: f"{depth} of its 16 bits are in use, and the training images had 8 in all, so its white is unknown"
            for row, depth in enumerate(depth_of([look]) for look in looks)
            if depth and depth < 16
        }
    done = None if broken else render(pictures, shape, array, 1)
    for row, reason in (done.broken if done else broken).items():
        name = quoted(str(pictures[row]), 200)
        raise UserError(f"{name}: must be a readable picture, but {reason}; correct it, or leave it out")
    assert done is not None
    return store.read_array(array, ""), done.hashes


def places(pictures: Sequence[Path]) -> list[str]:
    """Where what is made of each picture goes, below an output folder, without an ending: as the ``pictures`` lie below
    the folder that they share. Raises UserError if two would go to one place."""
    whole = [Path(os.path.normpath(path.absolute())) for path in pictures]  # no folder called ".."
    top = os.path.commonpath([path.parent for path in whole])
    found, seen = [], dict[str, Path]()
    for path in whole:
        parts = path.relative_to(top).with_suffix("").parts
        place = "/".join(map(folder_name, parts))
        other = seen.setdefault(place.casefold(), path)
        if other != path:
            raise UserError(
                f"{quoted(str(path), 200)}: pictures must differ by more than the ending of their names, but there is "
                f"{quoted(str(other), 200)} too; rename one"
            )
        found.append(place)
    return found
