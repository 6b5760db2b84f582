"""Images without labels: a folder of the user's, converted to the shape of the labelled images."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ganaug import store
from ganaug.data import pictures
from ganaug.data.folder import file_names, images_below, no_images
from ganaug.data.gather import keep_rows
from ganaug.data.losses import losses
from ganaug.data.pictures import Shape, depth_of
from ganaug.data.source import check_links
from ganaug.errors import UserError
from ganaug.values import Sha256

IMAGES, TABLE = "unlabelled.npy", "unlabelled.csv"
_COLUMNS = ["file", "sha256"]


class _Row(TypedDict):
    file: str
    sha256: Sha256


@dataclass(frozen=True)
class Unlabelled:
    """The images of a folder without labels. In ``Prepared`` their rows follow the labelled ones."""

    images: NDArray[np.uint8]  # (N, H, W, C), memory-mapped
    pixels: list[str]  # SHA-256 of each image's pixels


def gather_unlabelled(
    source: Path, shape: Shape, folder: Path, jobs: int, labelled: Collection[str], on_broken: Literal["refuse", "skip"]
) -> list[str]:
    """Write the images below ``source``, in ``shape``, into ``folder``, with ``jobs`` processes. Returns notes.

    Images with the pixels of a labelled one (``labelled``: hashes) are left out, as it may be a test image; so are
    copies of one another. ``on_broken``: whether an unreadable image is an error. Raises UserError if there are none.
    """
    if not source.is_dir():
        raise UserError(
            f"data.unlabelled: must be a folder of images, got {source}, which "
            f"{'is a file' if source.exists() else 'is not there'}; correct the path, or leave it out"
        )
    others: list[Path] = []
    files = images_below(source, others)
    names, left_out = file_names(source, files), file_names(source, others)
    if not files:
        found = no_images(source) or "found none; add some"
        raise UserError(f"data.unlabelled: {source} must hold images, {found}, or leave it out")
    check_links([source])
    looks = pictures.look_at(files, jobs, shape.largest_mib)
    shape = replace(shape, depth=shape.depth or depth_of(looks))  # of a deeper image it is said that it is one
    done = pictures.render(files, shape, folder / IMAGES, jobs)
    hashes, broken = done.hashes, done.broken
    if broken and on_broken == "refuse":
        pictures.refuse_broken([(names[row], why) for row, why in broken.items()], len(files), "data.unlabelled")
    first = {hashes[row]: row for row in reversed(range(len(hashes))) if row not in broken}  # of each set of copies
    kept = sorted(first[pixels] for pixels in first.keys() - set(labelled))
    if not kept:
        raise UserError(
            f"data.unlabelled: {source} must hold images that are not among the labelled ones, found none; add "
            "some, or leave it out"
        )
    keep_rows(folder / IMAGES, kept)
    store.write_csv(folder / TABLE, _COLUMNS, [[names[row], hashes[row]] for row in kept])
    twice = len(files) - len(broken) - len(kept)
    notes = [f"{len(kept):,} images without labels"]
    notes += [f"Of {source}: {line}" for line in losses(files, names, looks, done, shape, jobs)]
    if twice:
        notes.append(f"{twice} of {source} have the pixels of a labelled image or of one another: left out")
    if broken:
        notes.append(f"{len(broken)} of {source} cannot be read: left out, such as {names[min(broken)]}")
    if others:
        notes.append(
            f"{len(others)} of {source} are hidden, links to folders or not images: left out, such as {left_out[0]}"
        )
    return notes


def read_unlabelled(folder: Path, hint: str) -> Unlabelled | None:
    """What ``gather_unlabelled`` wrote, or None. Raises UserError, with ``hint``, if it is damaged."""
    if not (folder / TABLE).is_file():
        return None
    hashes = [row["sha256"] for row in store.read_table(folder / TABLE, hint, _Row)]
    images = store.read_array(folder / IMAGES, hint)
    if len(images) != len(hashes):
        raise UserError(
            f"{folder}: {IMAGES} must hold the {len(hashes):,} images of {TABLE}, got {len(images):,}; {hint}"
        )
    return Unlabelled(images, hashes)
