"""Images without labels beside a source: a folder of the user's, brought to the shape of the labelled ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganaug import store
from ganaug.data import pictures
from ganaug.data.folder import images_below
from ganaug.data.gather import keep_rows
from ganaug.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from ganaug.data.pictures import Shape

IMAGES, TABLE = "unlabelled.npy", "unlabelled.csv"
_COLUMNS = ["file", "sha256"]


@dataclass(frozen=True)
class Unlabelled:
    """What a classifier and a GAN may learn from, but for labels."""

    images: NDArray[np.uint8]  # (N, H, W, C), memory-mapped
    pixels: list[str]  # SHA-256 of each image's pixels


def gather_unlabelled(
    source: Path, shape: Shape, folder: Path, jobs: int, labelled: Collection[str], on_broken: Literal["refuse", "skip"]
) -> list[str]:
    """Write the images below ``source`` into ``folder``. Returns notes of what was left out.

    Images with the pixels of a labelled one (``labelled``: hashes) are left out: it may be one to test on. So are
    copies of one another.
    """
    if not source.is_dir():
        raise UserError(
            f"data.unlabelled: must be a folder of images, got {source}, which "
            f"{'is a file' if source.exists() else 'is not there'}; correct the path, or leave it out"
        )
    files = images_below(source, [])
    if not files:
        raise UserError(f"data.unlabelled: {source} must hold images, found none; add some, or leave it out")
    hashes, broken = pictures.render(files, shape, folder / IMAGES, jobs)
    if broken and on_broken == "refuse":
        pictures.refuse_broken([(str(files[one.row]), one.reason) for one in broken], len(files))
    unreadable = {one.row for one in broken}
    known, kept = set(labelled), []
    for row, pixels in enumerate(hashes):
        if row not in unreadable and pixels not in known:
            known.add(pixels)
            kept.append(row)
    if not kept:
        raise UserError(
            f"data.unlabelled: {source} must hold images that are not among the labelled ones, found none; add "
            "some, or leave it out"
        )
    keep_rows(folder / IMAGES, kept)
    store.write_csv(folder / TABLE, _COLUMNS, [[files[row].as_posix(), hashes[row]] for row in kept])
    twice = len(files) - len(unreadable) - len(kept)
    notes = [f"{len(kept):,} images without labels"]
    if twice:
        notes.append(f"{twice} of {source} have the pixels of a labelled image or of one another: left out")
    if unreadable:
        notes.append(f"{len(unreadable)} of {source} cannot be read: left out")
    return notes


def read_unlabelled(folder: Path, mend: str) -> Unlabelled | None:
    """What ``gather_unlabelled`` wrote; None where there was nothing to write."""
    if not (folder / TABLE).is_file():
        return None
    table = store.read_table(folder / TABLE)
    return Unlabelled(store.read_array(folder / IMAGES, mend), [row["sha256"] for row in table])
