"""The formats that images are exported in: one function each, entered in the table at the foot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganaug import store

MANIFEST = "manifest.csv"

# label, images (n, H, W, C) of that class, their numbers (n,)
Chunks = Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64]]]
Made = Iterator[tuple[str, int, int]]  # (file relative to the folder, label, number) of each image, in order
# a folder, the names of the classes, the images, {label: number of images}
Writer = Callable[[Path, Sequence[str], Chunks, Mapping[int, int]], Made]


def _png(folder: Path, classes: Sequence[str], chunks: Chunks, counts: Mapping[int, int]) -> Made:
    """A folder per class, a file per image."""
    digits = max(6, len(str(max(counts.values()) - 1)))
    made, last = 0, -1
    for label, chunk, numbers in chunks:
        if label != last:
            made, last = 0, label
            name = folder_name(classes[label])
            (folder / name).mkdir()
        for image, number in zip(chunk, numbers.tolist(), strict=True):
            file = f"{name}/{made:0{digits}d}.png"
            (folder / file).write_bytes(store.png_bytes(image))
            yield file, label, number
            made += 1


def _npz(folder: Path, classes: Sequence[str], chunks: Chunks, counts: Mapping[int, int]) -> Made:
    """One file with ``images`` (N, H, W, C), ``labels`` (N,) and the names of the ``classes``."""
    made = list(chunks)
    labels = np.concatenate([np.full(len(chunk), label, np.int64) for label, chunk, _ in made])
    images = np.concatenate([chunk for _, chunk, _ in made])
    with (folder / "images.npz").open("wb") as file:
        np.savez_compressed(file, images=images, labels=labels, classes=np.array(classes))
    for label, _, numbers in made:
        yield from (("images.npz", label, number) for number in numbers.tolist())


def folder_name(class_name: str) -> str:
    """The class's name as a folder, with what a path could misread percent-encoded: ``../x`` -> ``..%2Fx``."""
    unsafe = '%/\\:*?"<>|' + "".join(map(chr, range(32)))
    safe = "".join(f"%{ord(letter):02X}" if letter in unsafe else letter for letter in class_name)
    hidden = safe.strip(". ") == "" or safe == MANIFEST
    return safe.replace(".", "%2E") if hidden else safe


FORMATS: dict[str, Writer] = {"png": _png, "npz": _npz}
