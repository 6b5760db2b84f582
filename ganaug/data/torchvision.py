"""Benchmarks that torchvision reads or downloads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.data.labelled import Labelled
from ganaug.data.source import Source
from ganaug.errors import UserError, one_line

# torchvision's classification sets of one small image size with a train and a test part.
TORCHVISION = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "QMNIST", "USPS")


@dataclass(frozen=True)
class Torchvision(Source):
    """A torchvision data set by its class name, such as KMNIST or CIFAR10: read from ``root``, downloaded if absent.

    CIFAR10 and CIFAR100 are pickles, and reading a pickle may run code: torchvision opens them only if they have the
    MD5 that it knows, which someone who can write to ``root`` may get round: let nobody else write there.
    """

    name: str
    """The data set's class in torchvision.datasets, such as KMNIST."""
    kind: Literal["torchvision"] = "torchvision"
    root: Path = Path("data/raw")
    """The folder that it is read from."""
    download: bool = True
    """Whether to download it where it is absent."""

    def title(self) -> str:
        return self.name

    def load(self) -> Labelled:
        from torchvision import datasets

        if self.name not in TORCHVISION:
            raise UserError(
                f'data.source.name: must be a torchvision data set with a train and a test part, got "{self.name}"; '
                f"known: {', '.join(TORCHVISION)}"
            )
        try:
            factory = getattr(datasets, self.name)
            parts = [factory(self.root, train=train, download=self.download) for train in (True, False)]
        except Exception as error:  # a damaged file may make torchvision raise anything
            first_line = one_line(str(error).partition("\n")[0], 200) or type(error).__name__
            raise UserError(
                f"{self.name}: must be in {self.root} or reachable for download, but {first_line}; connect to a "
                "network or put its files there"
            ) from None
        images = [self._pixels([part[row][0] for row in range(len(part))]) for part in parts]
        labels = np.concatenate([np.array([part[row][1] for row in range(len(part))], np.int64) for part in parts])
        count = len(images[0])
        names = [str(name) for name in getattr(parts[0], "classes", range(10))]
        if not 0 <= labels.min() <= labels.max() < len(names):
            raise UserError(
                f"{self.name}: labels must be of 0 to {len(names) - 1}, got {labels.min()} to {labels.max()}; "
                f"its files in {self.root} are damaged: remove them, to have them downloaded again"
            )
        files = [f"train[{row}]" for row in range(count)] + [f"test[{row}]" for row in range(len(labels) - count)]
        return Labelled(names, np.concatenate(images), labels, files, np.arange(len(labels)) >= count)

    def _pixels(self, pictures: Sequence[object]) -> NDArray[np.uint8]:
        sizes = {getattr(picture, "size", None) for picture in pictures}
        if len(sizes) != 1:
            raise UserError(f"{self.name}: images must have one size, got {len(sizes)} sizes; choose another data set")
        pixels = np.stack([np.asarray(picture) for picture in pictures]).astype(np.uint8)
        return pixels[..., np.newaxis] if pixels.ndim == 3 else pixels
