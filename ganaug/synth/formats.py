"""The formats that images are exported in: one function each, entered in the table at the foot."""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganaug.errors import is_printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # label, images (n, H, W, C) of that class, their numbers (n,)
    Chunks = Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64]]]
    Made = Iterator[tuple[str, int, int]]  # (file relative to the folder, label, number) of each image, in order
    # a folder, the names of the classes, the images, {label: number of images}
    Writer = Callable[[Path, Sequence[str], Chunks, Mapping[int, int]], Made]
    # the file, the shape of an image, how many images follow one another of each class
    Reader = Callable[[Path, tuple[int, ...], Sequence[int]], Iterator[NDArray[np.uint8]]]

MANIFEST, _NPZ = "manifest.csv", "images.npz"
# How a format may name its files, in a folder per class or none: by numbers, or ``images``, as no user would.
WRITTEN = r"^(?:[^/]*[^/.][^/]*/)?(?:images|[0-9][0-9-]*)\.[a-z0-9]+$"

_AT_ONCE = 1024  # images that are read at a time
_UNSAFE = '%/\\:*?"<>|'
_LONGEST = 255  # bytes of a file's name
_HIDDEN = ".ganaug-"
_PORTS = (f"{port}{number}" for port in ("COM", "LPT") for number in "123456789¹²³")
_DEVICES = {"CON", "CONIN$", "CONOUT$", "PRN", "AUX", "NUL", *_PORTS}  # Windows has no files of these names


def _png(folder: Path, classes: Sequence[str], chunks: Chunks, counts: Mapping[int, int]) -> Made:
    """A folder per class, a file per image."""
    from ganaug import store  # not above: the command line lists the formats in its help

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
    """One file with ``images`` (N, H, W, C), ``labels`` (N,) and the names of the ``classes``.

    As numpy.savez_compressed writes it, but chunk by chunk: the images are never in memory together.
    """
    import numpy as np

    labels = np.repeat(np.array(list(counts), np.int64), list(counts.values()))
    with zipfile.ZipFile(folder / _NPZ, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            for number, (label, chunk, numbers) in enumerate(chunks):
                if number == 0:
                    shape = (len(labels), *chunk.shape[1:])
                    header = {"descr": chunk.dtype.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(member, header)
                member.write(chunk.tobytes())
                yield from ((_NPZ, label, one) for one in numbers.tolist())
        for name, array in (("labels", labels), ("classes", np.array(classes))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _from_npz(path: Path, shape: tuple[int, ...], counts: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """What ``_npz`` wrote: images of ``shape`` (H, W, C), the first so many of ``counts``, then the next, in pieces."""
    import numpy as np

    with zipfile.ZipFile(path) as archive, archive.open("images.npy") as member:
        np.lib.format.read_magic(member)
        found, _, dtype = np.lib.format.read_array_header_1_0(member)
        if found != (sum(counts), *shape) or dtype != np.uint8:
            raise ValueError(f"it holds {dtype}{found}, not uint8{(sum(counts), *shape)}")
        for count in counts:
            for start in range(0, count, _AT_ONCE):
                images = min(_AT_ONCE, count - start)
                read = member.read(images * math.prod(shape))
                yield np.frombuffer(read, np.uint8).reshape(images, *shape)


def folder_name(class_name: str) -> str:
    """The class's name as a folder, with what a path could misread percent-encoded: ``../x`` -> ``..%2Fx``.

    A name that is too long for a file system loses its end to a hash of it.
    """
    safe = "".join(
        _encoded(letter) if letter in _UNSAFE or not is_printable(letter) else letter for letter in class_name
    )
    if safe.strip(". ") == "" or safe.lower() == MANIFEST:
        safe = safe.replace(".", "%2E")
    if safe[-1:] in (".", " "):  # Windows drops them
        safe = safe[:-1] + _encoded(safe[-1])
    if safe.lower().startswith(_HIDDEN) or safe.partition(".")[0].rstrip().upper() in _DEVICES:
        safe = _encoded(safe[:1]) + safe[1:]
    whole = safe.encode("utf-8", "surrogatepass")
    if len(whole) <= _LONGEST:
        return safe
    end = "%" + hashlib.sha256(whole).hexdigest()[:16]
    return whole[: _LONGEST - len(end)].decode("utf-8", "ignore") + end


def _encoded(letter: str) -> str:
    return f"%{ord(letter):02X}"


FORMATS: dict[str, Writer] = {"png": _png, "npz": _npz}
READERS: dict[str, Reader] = {"npz": _from_npz}  # of formats with all classes in one file, which is added to by a copy
