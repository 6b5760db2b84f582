"""Synthetic images for torch's DataLoader: a dataset of a fixed length, and an endless stream.

Images are PIL images, or what ``transform`` makes of one, as those of torchvision's own datasets are: the transform of
an ImageFolder fits both. Labels are ints.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from ganaug import device as devices
from ganaug import seeds, space
from ganaug.errors import UserError, quoted
from ganaug.synth.class_names import by_index, counts_by_index
from ganaug.synth.generator import Generator, load_generator

Item = tuple[Any, int]  # (image, label), as torchvision's datasets give it
Transform = Callable[[Any], Any]
_DRAWN = 1000  # labels of a stream that are drawn at a time


class SyntheticDataset(Dataset[Item]):
    """Synthetic images as a dataset of a fixed length, with the attributes of torchvision's ImageFolder.

    Image i of a class is image i of that class of ``ganaug synth`` with the same ``seed``. All are made here, once,
    and held as uint8 in one tensor, which the workers of a DataLoader share however they are started: made in the
    workers, every worker would make them, again in every epoch, and none could use a GPU. For more images than fit
    the memory, see SyntheticStream.

    ``generator``: a file of one, or a Generator. ``per_class``: how many of every class, or {name or index: number};
    the items are in its order. ``transform`` gets a PIL image. ``device`` makes the images, as in params.yaml.
    ``classes``, ``class_to_idx`` and ``targets`` are as in ImageFolder.
    """

    def __init__(
        self,
        generator: str | Path | Generator,
        per_class: int | Mapping[str | int, int] = 500,
        transform: Transform | None = None,
        seed: int = 0,
        device: devices.DeviceName = "auto",
    ) -> None:
        opened = opened_generator(generator)
        every: list[str | int] = list(range(len(opened.classes)))
        asked = per_class if isinstance(per_class, Mapping) else dict.fromkeys(every, per_class)
        counts = counts_by_index(asked, opened.classes, "per_class")
        self._images = made(opened, counts, seed, device)
        self.classes = opened.classes
        self.class_to_idx = {name: label for label, name in enumerate(opened.classes)}
        self.targets = [label for label, count in counts.items() for _ in range(count)]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Item:
        return _shown(self._images[index].numpy(), self.transform), self.targets[index]


class SyntheticStream(IterableDataset[Item]):
    """Synthetic images without end, classes drawn at random, in flat memory: nothing is kept.

    Every worker of a DataLoader makes images of its own: without workers, and in the first, those of ``ganaug synth``
    with the same ``seed``, in the others those of seeds derived from it. What comes, and in which order, depends on
    the seed and the number of workers alone. Each pass starts from the first image; ``set_epoch`` makes it another.
    Processes that train together each need a seed of their own.

    ``generator``: a file of one, or a Generator. ``proportions``: {class name or index: weight}, left out: all alike.
    ``transform`` gets a PIL image. ``device`` makes the images, as in params.yaml; a worker that was forked can use no
    GPU.
    """

    def __init__(
        self,
        generator: str | Path | Generator,
        proportions: Mapping[str | int, float] | None = None,
        transform: Transform | None = None,
        seed: int = 0,
        device: devices.DeviceName = "cpu",
    ) -> None:
        self._generator = opened_generator(generator)
        self.classes = self._generator.classes
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.transform = transform
        self.seed = seed
        self._device = devices.resolve(device)
        self._epoch = shared_epoch()
        alike: dict[str | int, float] = dict.fromkeys(range(len(self.classes)), 1.0)
        weights = by_index(alike if proportions is None else proportions, self.classes, "proportions")
        numbers = [float(one) if isinstance(one, Real) else math.nan for one in weights.values()]
        total = math.fsum(numbers)
        if not 0 < total < math.inf or min(numbers) < 0:
            raise UserError(
                f"proportions: must be numbers of 0 or more, not all of them 0, got {quoted(proportions)}; such as "
                f"{{{quoted(self.classes[0])}: 3}} for this class alone"
            )
        self._labels, self._shares = list(weights), np.array(numbers) / total

    def set_epoch(self, epoch: int) -> None:
        """The next pass gives the images of this ``epoch``: 0 before the first call. Workers that persist hear it."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Item]:
        worker, epoch = get_worker_info(), int(self._epoch)
        purpose = (epoch, worker.id if worker else 0)
        seed = seeds.derive(self.seed, "stream", *purpose) if any(purpose) else self.seed
        rng = seeds.numpy_rng(seed, "stream", "labels")
        images = {label: self._images(label, seed) for label in self._labels}
        while True:
            for row in rng.choice(len(self._labels), _DRAWN, p=self._shares).tolist():
                label = self._labels[row]
                yield _shown(next(images[label]), self.transform), label

    def _images(self, label: int, seed: int) -> Iterator[NDArray[np.uint8]]:
        chunks = self._generator.images(label, sys.maxsize, seed, self._device)
        while True:
            with devices.lent(self._device):  # only while images are made: the training that uses them has its threads
                chunk, _ = next(chunks)
            yield from chunk


def opened_generator(given: str | Path | Generator) -> Generator:
    """The generator itself, or that of the file."""
    return given if isinstance(given, Generator) else load_generator(Path(given))


def made(generator: Generator, counts: Mapping[int, int], seed: int, device: devices.DeviceName) -> Tensor:
    """Images of the ``generator``, (N, H, W, C), uint8, on the CPU, in the order of ``counts`` {label: number}.

    ``seed`` is that of the latents; ``device`` as in params.yaml. Raises UserError if they cannot fit the memory.
    """
    channels, height, width = generator.image_shape
    total = sum(counts.values())
    space.check_memory(
        total * channels * height * width, space.memory(), f"per_class: {total:,} images", "ask for fewer per class"
    )
    images = torch.empty((total, height, width, channels), dtype=torch.uint8)
    where, done = devices.resolve(device), 0
    with devices.lent(where):
        for label, count in counts.items():
            for chunk, _ in generator.images(label, count, seed, where):
                images[done : done + len(chunk)] = torch.from_numpy(chunk)
                done += len(chunk)
    return images


def as_pil(image: NDArray[np.uint8]) -> Image.Image:
    """An image (H, W, C) as PIL has it: gray (mode L) where C is 1, else RGB."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def shared_epoch() -> Tensor:
    """In shared memory: workers that persist through epochs have a copy of the dataset, and see the same number."""
    epoch = torch.zeros((), dtype=torch.int64)
    epoch.share_memory_()
    return epoch


def _shown(image: NDArray[np.uint8], transform: Transform | None) -> Any:
    return transform(as_pil(image)) if transform else as_pil(image)
