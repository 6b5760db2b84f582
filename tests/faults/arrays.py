"""Readers of images in arrays: IDX files, those of torchvision, NPZ archives."""

import gzip
import io
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug.data.idx import Idx
from ganaug.data.npz import Npz
from ganaug.data.torchvision import Torchvision

from .mutations import MARK, Code, damaged
from .reader import Reader
from .sources import in_turn, noise, prepared


def idx_file(array: NDArray[np.uint8]) -> bytes:
    """As the IDX format has it."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_files(classes: int) -> dict[str, bytes]:
    """The four files of a benchmark under MNIST's names."""
    images, labels, count = noise(5 * classes, 8, 8), np.arange(5 * classes, dtype=np.uint8) % classes, 3 * classes
    return {
        "train-images-idx3-ubyte": idx_file(images[:count]),
        "train-labels-idx1-ubyte": idx_file(labels[:count]),
        "t10k-images-idx3-ubyte": idx_file(images[count:]),
        "t10k-labels-idx1-ubyte": idx_file(labels[count:]),
    }


def changed_idx(rng: random.Random, data: bytes) -> bytes:
    """Another header, another number of items, nothing, no items, or damaged bytes."""
    way = rng.randrange(8)
    if way == 0:
        at = rng.randrange(16)
        return data[:at] + bytes([rng.choice([0, 1, 2, 3, 8, 9, 11, 255, rng.randrange(256)])]) + data[at + 1 :]
    if way == 1:
        return data[:4] + struct.pack(">I", rng.choice([0, 1, 6, 4, 2**31, 2**32 - 1])) + data[8:]
    if way == 2:
        return b""
    if way == 3:
        return data[:4] + bytes(4 * data[3])
    return damaged(rng, data)


class IdxFiles(Reader):
    """The source ``idx``: plain and gzipped files under MNIST's names."""

    name = "idx"
    classes = 2
    names_of_classes: ClassVar[Sequence[list[str]]] = (
        [],
        [],
        ["a", "b"],
        ["a", "a"],
        ["a"],
        ["<script>", "x\ny"],
        ["", "b"],
    )

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        self.files = idx_files(self.classes)

    def whole(self) -> tuple[dict[str, bytes], list[str]]:
        return self.files, []

    def make(self, rng: random.Random) -> tuple[dict[str, bytes], list[str]]:
        files = dict(self.files)
        for name in rng.sample(sorted(files), rng.choice([1, 1, 1, 2, 4])):
            data, way = changed_idx(rng, files.pop(name)), rng.random()
            if way < 0.4:
                data, name = gzip.compress(data, 1, mtime=0), f"{name}.gz"
                data = damaged(rng, data) if rng.random() < 0.6 else data
            elif way < 0.5:
                others = [f"emnist-{name}", name.replace("-idx", ".idx"), f"{name}.gz", f"a\nb{name}", name[:-1]]
                name = rng.choice(others)
            files[name] = data
        return files, rng.choice(self.names_of_classes)

    def read(self, made: tuple[dict[str, bytes], list[str]]) -> None:
        files, classes = made
        folder = Path("set")
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        prepared(Idx(folder, classes=tuple(classes)))


class TorchvisionFiles(IdxFiles):
    """The source ``torchvision``: the raw files of a set that is there already."""

    name = "torchvision"
    classes = 10  # MNIST's, whose names torchvision has
    names_of_classes = ([],)

    def read(self, made: tuple[dict[str, bytes], list[str]]) -> None:
        folder = Path("raw", "MNIST", "raw")
        folder.mkdir(parents=True)
        for name, data in made[0].items():
            (folder / name).write_bytes(data)
        prepared(Torchvision("MNIST", root=Path("raw"), download=False))


_LABELS: list[tuple[Any, Any]] = [
    ("a\nb", "<b>"), (b"\xff\xfe", b"ok"), ("x" * 150, "y"), ("A", "a"), ("../x", "y"), ("", "y"), ("a", "b\0"),
]  # fmt: skip

# What is done to one of the arrays.
_ARRAYS: list[Callable[[random.Random, NDArray[Any]], NDArray[Any]]] = [
    lambda rng, a: a.astype(rng.choice(["f4", "f8", ">i8", "u8", "i1", "?", "c16", "M8[s]", "O", "U5", "S5", "V8"])),
    lambda rng, a: a[:0],
    lambda rng, a: a[:1],
    lambda rng, a: a.reshape(-1),
    lambda rng, a: a[..., None, None],
    lambda rng, a: np.asfortranarray(a),
    lambda rng, a: a[::-1],
    lambda rng, a: np.array([Code()] * len(a), object),
    lambda rng, a: np.zeros((len(a), 0, 8), np.uint8),
    lambda rng, a: np.zeros((len(a), 8, 8, rng.choice([0, 1, 2, 3, 4, 1000])), np.uint8),
    lambda rng, a: np.zeros((len(a), 5000, 1), np.uint8),
    lambda rng, a: np.full(len(a), 2**64 - 1, np.uint64) - np.arange(len(a), dtype=np.uint64) % np.uint64(2),
    lambda rng, a: np.full(len(a), np.nan),
    lambda rng, a: np.zeros(len(a), [("x", "i4"), ("y", "f8")]),
    lambda rng, a: np.array(7),
    lambda rng, a: np.array("x" * 200),
    lambda rng, a: np.array(in_turn(*rng.choice(_LABELS), count=len(a))),
]
_NAMES = ["../evil", "x", "val_images", "val_labels", "images", "a" * 300, "train_images2"]
_HEADERS = [
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 8, 8), }",
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8), }",
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (3000000000,), }",
    b"{'descr': '|V99999999999', 'fortran_order': False, 'shape': (), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': [('a','O')], 'fortran_order': False, 'shape': (1,), }",
    b"__import__('os').system('touch \"$" + MARK.encode() + b"\"')",
    b"(" * 3000,
]
_PACKED = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def npy_file(array: NDArray[Any]) -> bytes:
    """As ``numpy.save`` writes it."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


class NpzArchive(Reader):
    """The source ``npz``."""

    name = "npz"

    def arrays(self, parts: bool) -> dict[str, NDArray[Any]]:
        images, labels = noise(16, 8, 8), np.arange(16) % 2
        if not parts:
            return {"images": images, "labels": labels}
        train: dict[str, NDArray[Any]] = {"train_images": images[:12], "train_labels": labels[:12, None]}
        return train | {"test_images": images[12:], "test_labels": labels[12:, None]}

    def whole(self) -> bytes:
        return self._archive({name: npy_file(array) for name, array in self.arrays(True).items()}, zipfile.ZIP_STORED)

    def make(self, rng: random.Random) -> bytes:
        arrays = self.arrays(rng.random() < 0.6)
        for _ in range(rng.choice([0, 1, 1, 2])):
            name = rng.choice(sorted(arrays))
            try:
                arrays[name] = rng.choice(_ARRAYS)(rng, np.atleast_1d(arrays[name]))
            except (TypeError, ValueError):  # there is no such array of these values
                continue
            if rng.random() < 0.15:
                arrays[rng.choice(_NAMES)] = arrays.pop(name)
        files, way = {name: npy_file(array) for name, array in arrays.items()}, rng.random()
        if way < 0.2:
            files = {name: self._changed(rng, data) for name, data in files.items()}
        archive = self._archive(files, rng.choice(_PACKED), twice=rng.random() < 0.05)
        return damaged(rng, archive) if way > 0.6 else archive

    def _changed(self, rng: random.Random, data: bytes) -> bytes:
        """A member with another header, or damaged."""
        if rng.random() < 0.5:
            return damaged(rng, data) if rng.random() < 0.3 else data
        header = rng.choice(_HEADERS) + b"\n"
        content = pickle.dumps(Code()) if b"O" in header else data[128:]
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content

    def _archive(self, files: dict[str, bytes], packed: int, twice: bool = False) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", packed) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that are there twice
            for name, data in [*files.items()] * (2 if twice else 1):
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data, packed)
        return out.getvalue()

    def read(self, made: bytes) -> None:
        path = Path("set.npz")
        path.write_bytes(made)
        prepared(Npz(path))
