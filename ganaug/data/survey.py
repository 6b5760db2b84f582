"""A first look at a labelled image set: what is in it, and what is wrong with it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug.data import pictures
from ganaug.data.gather import Gathered, Looked, gather, look
from ganaug.data.mirror import Mirrored, compare_mirrored
from ganaug.data.pictures import Aspect
from ganaug.data.sources import SourceSpec
from ganaug.data.spec import DataSpec
from ganaug.errors import UserError

NEAR_BITS = 4  # of 64: the most in which the perceptual hashes of near-duplicates differ
NEAR_CORRELATION = 0.98  # least, of their pixels: the hash alone finds a twin for one in ten digits of 8x8 pixels
_SAME_RATIO = 1.05  # aspect ratios within this factor count as equal


@dataclass(frozen=True)
class Survey:
    """``data`` holds every image that can be read, in the shape that suits the set."""

    data: Gathered
    spec: DataSpec  # source and shape
    counts: dict[str, int]  # {class: images}
    sizes: dict[tuple[int, int], int]  # {(width, height): images}, the most common first
    duplicates: list[list[str]]  # files of the same pixels
    conflicts: list[list[str]]  # those of them with more than one label
    near: list[tuple[str, str]]  # files that look alike and are not duplicates
    mirrored: Mirrored

    @property
    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, 1 or 3), memory-mapped."""
        return self.data.images()[..., : 1 if self.spec.channels == "gray" else 3]


def survey(source: SourceSpec, folder: Path, jobs: int, largest: int, on_done: Callable[[int, int], None]) -> Survey:
    """Read all images of ``source`` into ``folder``, at most ``largest`` pixels per side.

    ``jobs`` processes; ``on_done`` gets the images done and in all.
    """
    looked = look(source, jobs)
    size = min(largest, pictures.nearest_size(looked.readable))
    ratios = [one.width / one.height for one in looked.readable]
    aspect: Aspect = "squeeze" if max(ratios) <= _SAME_RATIO * min(ratios) else "pad"  # squeezing distorts all equally
    spec, data = _gathered(DataSpec(source, size, aspect=aspect, on_broken="skip"), looked, folder, jobs, on_done)
    images, labels = data.images(), data.found.labels
    gray = images.shape[3] == 1 or all(_is_gray(images[start : start + 512]) for start in range(0, len(images), 512))
    spec = replace(spec, channels="gray" if gray else "rgb", on_broken="refuse")
    sizes = Counter((one.width, one.height) for one in data.looks)
    files, alike = data.found.files, _rows_by_pixels(data.pixels)
    same = [rows for rows in alike if len(rows) > 1]
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(np.flatnonzero(~data.found.official_test))[:2000])  # no flips by the test part
    return Survey(
        data=data,
        spec=spec,
        counts=dict(zip(data.found.classes, np.bincount(labels).tolist(), strict=True)),
        sizes=dict(sizes.most_common()),
        duplicates=[[files[row] for row in rows_] for rows_ in same],
        conflicts=[[files[row] for row in rows_] for rows_ in same if len(set(labels[rows_])) > 1],
        near=[(files[one], files[other]) for one, other in near_pairs(images, [rows_[0] for rows_ in alike])],
        mirrored=compare_mirrored(images[rows][..., : 1 if gray else 3], labels[rows]),
    )


def _gathered(
    spec: DataSpec, looked: Looked, folder: Path, jobs: int, on_done: Callable[[int, int], None]
) -> tuple[DataSpec, Gathered]:
    """On black; on white if that shows images of which nothing can be seen on black."""
    lost: dict[str, int] = {}
    for background in ("black", "white", "black"):
        spec = replace(spec, background=background)
        try:
            data = gather(spec, folder / "images.npy", jobs, on_done, looked)
        except UserError as error:
            if pictures.LOST not in str(error) or background in lost:
                raise
            lost[background] = len(looked.looks)
            continue
        count = sum(reason == pictures.LOST for _, reason in data.broken)
        if background in lost or count == 0 or (background == "white" and count < lost["black"]):
            break
        lost[background] = count
    return spec, data


def _is_gray(images: NDArray[np.uint8]) -> bool:
    return bool((images[..., 0] == images[..., 1]).all() and (images[..., 1] == images[..., 2]).all())


def _rows_by_pixels(pixels: Sequence[str]) -> list[list[int]]:
    """The rows of every different image, in their order."""
    rows: dict[str, list[int]] = {}
    for row, pixel_hash in enumerate(pixels):
        rows.setdefault(pixel_hash, []).append(row)
    return list(rows.values())


def near_pairs(images: NDArray[np.uint8], rows: Sequence[int], most: int = 1000) -> list[tuple[int, int]]:
    """At most ``most`` pairs of ``rows`` that look alike, by perceptual hash (pHash: lowest frequencies) and pixels."""
    hashes = _perceptual_hashes(images, rows)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(hashes), 256):
        block = hashes[start : start + 256]
        distances = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        first, second = np.nonzero(distances <= NEAR_BITS)
        ahead = np.flatnonzero(second > first)[: 10 * most]
        candidates = [(rows[first[one] + start], rows[second[one] + start]) for one in ahead]
        pairs += [(a, b) for a, b in candidates if _correlation(images[a], images[b]) >= NEAR_CORRELATION]
        if len(pairs) >= most:
            break
    return pairs[:most]


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Correlation of the pixels, blind to brightness and contrast; 0 for an image of one colour."""
    a, b = (image.astype(np.float64).ravel() - image.mean() for image in (first, second))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread else 0.0


def _perceptual_hashes(images: NDArray[np.uint8], rows: Sequence[int]) -> NDArray[np.uint64]:
    """A hash of 64 bits for each of ``rows``."""
    import imagehash

    out = np.empty(len(rows), np.uint64)
    for position, row in enumerate(rows):
        image = images[row]
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        bits = imagehash.phash(picture).hash.reshape(-1)
        out[position] = np.packbits(bits).view(">u8")[0]
    return out
