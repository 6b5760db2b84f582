"""All images in one NumPy archive."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.synth.format import Chunks, Made

_NPZ = "images.npz"
_AT_ONCE = 1024  # images that are read at a time


def write_npz(folder: Path, classes: Sequence[str], chunks: Chunks, counts: Mapping[int, int]) -> Made:
    """One file in ``folder`` with ``images`` (N, H, W, C), ``labels`` (N,) and the names of the ``classes``.

    As numpy.savez_compressed writes it, but in the ``chunks`` that come, ``counts`` of each label: they are
    never in memory together.
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


def read_npz(path: Path, shape: tuple[int, ...], counts: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """What ``write_npz`` wrote: images of ``shape`` (H, W, C), the first so many of ``counts``, then the next, in
    pieces."""
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
