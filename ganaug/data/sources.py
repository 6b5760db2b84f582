"""Where labelled images come from: the named benchmarks, and the union of all sources at the foot."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ganaug.data.folder import Folder
from ganaug.data.labelled import Labelled
from ganaug.data.npz import Npz
from ganaug.data.table import Table
from ganaug.errors import UserError
from ganaug.settings import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Digits(Spec):
    """scikit-learn's handwritten digits: 1,797 scans of 8x8 pixels, part of the installed package."""

    kind: Literal["digits"] = "digits"

    def title(self) -> str:
        return "digits"

    def watched(self) -> list[Path]:
        """Paths that the pipeline depends on."""
        return []

    def load(self) -> Labelled:
        import numpy as np
        from sklearn.datasets import load_digits

        raw = load_digits()
        images = np.round(raw.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]  # the scans count 0..16
        files = [f"digits[{row}]" for row in range(len(images))]
        classes = [str(name) for name in raw.target_names]
        return Labelled(classes, images, raw.target.astype(np.int64), files, np.zeros(len(images), bool))


@dataclass(frozen=True)
class Idx(Spec):
    """A folder of IDX files, plain or gzipped, under MNIST's own names (MNIST, Fashion-MNIST, KMNIST, EMNIST)."""

    path: Path
    kind: Literal["idx"] = "idx"
    classes: tuple[str, ...] = ()  # names in the order of the label values; left out: the values themselves

    def title(self) -> str:
        return self.path.name or "idx"

    def watched(self) -> list[Path]:
        return [self.path]

    def load(self) -> Labelled:
        import numpy as np

        train_images, train_labels = self._part("train")
        test_images, test_labels = self._part("t10k")
        if train_images.shape[1:] != test_images.shape[1:]:
            raise UserError(
                f"{self.path}: train and test images must have one size, got {train_images.shape[1:]} and "
                f"{test_images.shape[1:]}; use the files of one data set"
            )
        labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
        values = np.unique(labels)
        names = [str(name) for name in (self.classes or values)]
        if len(names) != len(values) or len(set(names)) != len(names):
            raise UserError(
                f"data.source.classes: must name each of the {len(values)} label values, got {len(set(names))} "
                "different names; add or remove names, or leave the key out"
            )
        count = len(train_labels)
        files = [f"train[{row}]" for row in range(count)] + [f"t10k[{row}]" for row in range(len(test_labels))]
        return Labelled(
            classes=names,
            images=np.concatenate([train_images, test_images])[..., np.newaxis],
            labels=np.searchsorted(values, labels).astype(np.int64),
            files=files,
            official_test=np.arange(len(labels)) >= count,
        )

    def _part(self, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images_path = self._find(f"{part}-images", "idx3-ubyte")
        labels_path = self._find(f"{part}-labels", "idx1-ubyte")
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
        found = sorted(
            path
            for separator in "-."
            for suffix in ("", ".gz")
            for path in self.path.glob(f"*{stem}{separator}{kind}{suffix}")
        )
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


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes (magic number 0x08, then the number of dimensions and each size, big-endian)."""
    import numpy as np

    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(
            f"{path}: must be a whole IDX file, but cannot be read ({error}); fetch the file again"
        ) from None
    head = 4 + 4 * dimensions
    if len(data) < head or data[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(
            f"{path}: must be an IDX file of unsigned bytes in {dimensions} dimensions, but starts with "
            f"{data[:4].hex() or 'nothing'}; fetch the file again"
        )
    shape = struct.unpack(f">{dimensions}I", data[4:head])
    expected = math.prod(shape)
    if len(data) - head != expected:
        raise UserError(
            f"{path}: its header promises {expected} bytes, but {len(data) - head} follow; fetch the file again"
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


# torchvision's classification sets of one small image size with a train and a test part.
TORCHVISION = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "QMNIST", "USPS")


@dataclass(frozen=True)
class Torchvision(Spec):
    """A torchvision data set by its class name, such as KMNIST or CIFAR10: read from ``root``, downloaded if absent."""

    name: str
    kind: Literal["torchvision"] = "torchvision"
    root: Path = Path("data/raw")
    download: bool = True

    def title(self) -> str:
        return self.name

    def watched(self) -> list[Path]:
        return []

    def load(self) -> Labelled:
        import numpy as np
        from torchvision import datasets

        if self.name not in TORCHVISION:
            raise UserError(
                f'data.source.name: must be a torchvision data set with a train and a test part, got "{self.name}"; '
                f"known: {', '.join(TORCHVISION)}"
            )
        try:
            factory = getattr(datasets, self.name)
            parts = [factory(self.root, train=train, download=self.download) for train in (True, False)]
        except (RuntimeError, OSError) as error:
            first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"{self.name}: must be in {self.root} or reachable for download, but {first_line}; connect to a "
                "network or put its files there"
            ) from None
        images = [self._pixels([part[row][0] for row in range(len(part))]) for part in parts]
        labels = np.concatenate([np.array([part[row][1] for row in range(len(part))], np.int64) for part in parts])
        count = len(images[0])
        values = np.unique(labels)
        names = [str(name) for name in getattr(parts[0], "classes", values)]
        files = [f"train[{row}]" for row in range(count)] + [f"test[{row}]" for row in range(len(labels) - count)]
        return Labelled(names, np.concatenate(images), labels, files, np.arange(len(labels)) >= count)

    def _pixels(self, pictures: Sequence[object]) -> NDArray[np.uint8]:
        import numpy as np

        sizes = {getattr(picture, "size", None) for picture in pictures}
        if len(sizes) != 1:
            raise UserError(f"{self.name}: images must have one size, got {len(sizes)} sizes; choose another data set")
        pixels = np.stack([np.asarray(picture) for picture in pictures]).astype(np.uint8)
        return pixels[..., np.newaxis] if pixels.ndim == 3 else pixels


SourceSpec = Annotated[Digits | Idx | Torchvision | Folder | Table | Npz, Field(discriminator="kind")]
