"""Benchmarks in the IDX format: MNIST and the sets that share its file names."""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ganaug.data.labelled import Labelled, rows_by_value
from ganaug.data.source import PathSource
from ganaug.errors import UserError


@dataclass(frozen=True)
class Idx(PathSource):
    """A folder of IDX files, plain or gzipped, under MNIST's own names (MNIST, Fashion-MNIST, KMNIST, EMNIST)."""

    kind: Literal["idx"] = "idx"
    classes: tuple[str, ...] = ()
    """Names in the order of the label values. Left out: the values themselves."""

    def title(self) -> str:
        return self.path.name or "idx"

    def load(self) -> Labelled:
        train_images, train_labels = self._part("train")
        test_images, test_labels = self._part("t10k")
        if train_images.shape[1:] != test_images.shape[1:]:
            raise UserError(
                f"{self.path}: train and test images must have one size, got {train_images.shape[1:]} and "
                f"{test_images.shape[1:]}; use the files of one data set"
            )
        count = len(train_labels)
        classes, labels = rows_by_value(np.concatenate([train_labels, test_labels]), self.classes)
        files = [f"train[{row}]" for row in range(count)] + [f"t10k[{row}]" for row in range(len(test_labels))]
        images = np.concatenate([train_images, test_images])[..., np.newaxis]
        return Labelled(classes, images, labels, files, official_test=np.arange(len(labels)) >= count)

    def _part(self, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images_path = self._find(f"{part}-images", "idx3-ubyte")
        labels_path = self._find(f"{part}-labels", "idx1-ubyte")
        for path, dimensions in ((images_path, 3), (labels_path, 1)):
            self._check_fits(path, 2 * math.prod(_shape(path, dimensions)))  # train and test parts are joined
        images, labels = read_idx(images_path, dimensions=3), read_idx(labels_path, dimensions=1)
        if len(images) != len(labels):
            raise UserError(
                f"{labels_path}: must have one label for each image, got {len(labels)} labels and "
                f"{len(images)} images; use the two files of one data set"
            )
        return images, labels

    def _find(self, stem: str, kind: str) -> Path:
        """EMNIST's files carry a prefix, such as ``emnist-letters-``; some mirrors write ``.idx3`` for ``-idx3``."""
        if not self.path.is_dir():
            raise UserError(
                f"data.source.path: must be a folder of IDX files, got {self.path}, which is not there; set it to the "
                "folder that holds train-images-idx3-ubyte.gz and its three companions"
            )
        found = sorted(path for end in ("", ".gz") for path in self.path.glob(f"*{stem}[-.]{kind}{end}"))
        if not found:
            raise UserError(
                f"{self.path}: must hold {stem}-{kind} or {stem}-{kind}.gz, found neither; add the file or correct "
                "data.source.path"
            )
        sets = {path.name.split(stem)[0] for path in found}
        if len(sets) > 1:
            raise UserError(
                f"{self.path}: must hold the files of one data set, found {len(sets)} that end in {stem}-{kind} "
                f"({', '.join(path.name for path in found)}); move the others to another folder"
            )
        return found[0]


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(
            f"{path}: must be a whole IDX file, but cannot be read ({error}); fetch the file again"
        ) from None


def _shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """The sizes in the header: magic number 0x08, then the number of dimensions and each size, big-endian."""
    with _reading(path) as file:
        head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(
            f"{path}: must be an IDX file of unsigned bytes in {dimensions} dimensions, but starts with "
            f"{head[:4].hex() or 'nothing'}; fetch the file again"
        )
    return struct.unpack(f">{dimensions}I", head[4:])


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes. No more of it is read than its header promises.

    Returns as many ``dimensions``. Raises UserError if the file is not whole.
    """
    shape, data = _shape(path, dimensions), bytearray()
    expected = math.prod(shape)
    with _reading(path) as file:
        file.read(4 + 4 * dimensions)
        while len(data) <= expected and (chunk := file.read(min(1 << 20, expected + 1 - len(data)))):
            data += chunk
    if len(data) != expected:
        found = "more" if len(data) > expected else f"{len(data)}"
        raise UserError(f"{path}: its header promises {expected} bytes, but {found} follow; fetch the file again")
    return np.frombuffer(data, np.uint8).reshape(shape)
