"""From a generator to images: image i of a class is the same whatever number is asked for.

Each image's latent comes from a random generator of its own, and images go through the network in chunks of one fixed
size, the last one padded, since convolutions round differently at another batch size.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ganaug import device as devices
from ganaug import seeds, store
from ganaug.data.arrays import pixels_of
from ganaug.data.pictures import fit_pixels
from ganaug.edit.edits import Asked, Edited, edit
from ganaug.edit.inversion import Inverter
from ganaug.errors import UserError
from ganaug.gan.build import restore_generator
from ganaug.gan.described import AGAIN, describe, typed
from ganaug.gan.nets.generator import Generator as Network
from ganaug.gan.spec import GanSpec
from ganaug.gan.transfer import SCREEN
from ganaug.pixels import to_pixels
from ganaug.synth.class_names import counts_by_index, find_class
from ganaug.synth.fitted_filters import FittedFilters
from ganaug.synth.user_pictures import shape_of

CHUNK = 100
_PATIENCE = 10_000  # candidates in a row that no filter lets through: then there is no hope


@dataclass(frozen=True)
class Generator:
    """A trained class-conditional generator that knows its classes: ``ganaug.load``, ``ganaug.fit``."""

    network: Network
    classes: list[str]
    image_shape: tuple[int, int, int]  # (channels, height, width)
    description: dict[str, Any]
    filters: FittedFilters | None = None
    told: ClassVar[tuple[str, ...]] = ()  # what a manifest says of each image besides; of a translation more (moved.py)

    @property
    def accepted(self) -> list[float]:
        """The share of each class's candidates that the filters let through, measured when they were fitted."""
        screening = self.description.get("screening")
        return screening["accepted"] if screening else [1.0] * len(self.classes)

    def images(
        self, label: int, count: int, seed: int, device: torch.device, first: int = 0
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """``count`` images of the class ``label`` that pass the filters, in chunks (at most CHUNK, H, W, C), and their
        numbers (N,), on ``device``; ``seed`` is that of the latents, ``first`` the number to begin with.

        An image's number says which candidate it is; without filters: 0, 1, 2 and so on. Raises UserError if the
        filters let nothing through for long.
        """
        found, last, start = 0, first, first // CHUNK
        for turn, candidates in enumerate(self._candidates(label, seed, device, start) if count else (), start):
            good = np.ones(CHUNK, np.bool_) if self.filters is None else self.filters.passes(candidates, label)
            if turn == start:
                good[: first % CHUNK] = False
            rows = np.flatnonzero(good)[: count - found]
            if len(rows):
                last = turn * CHUNK + int(rows[-1])
                yield candidates[rows], turn * CHUNK + rows
            found += len(rows)
            if found == count:
                return
            if (turn + 1) * CHUNK - last > _PATIENCE:
                raise UserError(
                    f"synth.filters: must let images of every class through, but after {found:,} of class "
                    f"{self.classes[label]} none of {_PATIENCE:,} passed; loosen them, or train the GAN longer"
                )

    def sample(
        self, counts: Mapping[str | int, int], seed: int = 0, device: devices.DeviceName = "auto"
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images (N, H, W, C), uint8, of the classes in ``counts``, by name or index, in its order, and labels (N,).

        They are those that ``ganaug synth`` writes with the same ``seed``. ``device``: as in params.yaml. Raises
        UserError if there is no such class, a number is none, or the filters let nothing through for long.
        """
        where = devices.resolve(device)
        wanted = counts_by_index(counts, self.classes, "counts")
        empty = np.zeros((0, *self.image_shape[1:], self.image_shape[0]), np.uint8)
        with devices.lent(where):
            made = [chunk for label, count in wanted.items() for chunk, _ in self.images(label, count, seed, where)]
        labels = np.repeat(np.array(list(wanted), np.int64), list(wanted.values()))
        return np.concatenate([empty, *made]), labels

    def edit(
        self,
        images: ArrayLike,
        classes: Sequence[str | int] | None = None,
        to: ArrayLike | None = None,
        to_class: str | int | None = None,
        direction: int | None = None,
        toward: tuple[ArrayLike, ArrayLike] | None = None,
        by: str = "sefa",
        strength: float = 2.0,
        steps: int | None = None,
        seed: int = 0,
        device: devices.DeviceName = "auto",
    ) -> Edited:
        """Real ``images`` (N, H, W) or (N, H, W, C) found in the latent space and moved there: what ``ganaug edit``
        makes of the same pixels.

        ``classes``: the name or index of each; left out: the class whose image comes nearest. One of ``to`` (an image
        to go to), ``to_class`` (a class), ``direction`` (0 changes most) and ``toward`` (images without and with an
        attribute) says where; none of them: along the first directions. Those are ``by`` SeFa or GANSpace, ``strength``
        standard deviations each way. ``steps`` of a way; left out: 8, along directions 5. ``seed`` of the encoder;
        ``device``: as in params.yaml. The result has ``images`` (N, moves, steps, H, W, C), uint8, ``moves`` and
        ``steps``, what they are called, and ``inverted``: where each image began, with its ``errors``. Raises UserError
        if the images are no such array, or there is no such class, direction or step.
        """
        shape, where = shape_of(self.description, self.image_shape), devices.resolve(device)

        def fitted(given: ArrayLike) -> NDArray[np.uint8]:
            return np.stack([fit_pixels(image, shape) for image in pixels_of(given)])

        pixels = fitted(images)
        if classes is not None and len(classes) != len(pixels):
            raise UserError(f"classes: must be one for each of {len(pixels)} images, got {len(classes)}; name each")
        labels = [find_class(one, self.classes, "classes")[0] for one in classes or ()]
        asked = Asked(
            None if to is None else fitted(np.asarray(to)[None])[0],
            None if to_class is None else find_class(to_class, self.classes, "to_class")[0],
            None if toward is None else (fitted(toward[0]), fitted(toward[1])),
            *(direction, by, strength, steps),
        )
        with devices.lent(where):
            finder = Inverter(self.network, len(self.classes), where, seed)
            return edit(finder, pixels, np.array(labels) if labels else None, asked)

    def save(self, path: str | Path) -> None:
        """Write the generator with all that it needs to the file ``path``, which ``ganaug.load`` reads."""
        save_generator(Path(path), self.network, self.description, self.filters)

    def makes(self, label: int) -> bool:
        """Whether it can make images of the class ``label``: of any."""
        return True

    def about(self, label: int, number: int) -> tuple[str, ...]:
        """A value for each of ``told``."""
        return ()

    def made_of(self, label: int) -> list[str]:
        """The SHA-256 of each image that those of the class ``label`` are made of: none."""
        return []

    def candidates(self, label: int, count: int, seed: int, device: torch.device) -> NDArray[np.uint8]:
        """The first ``count`` images (count, H, W, C) of the class ``label``, before any filter, made on ``device``.

        ``seed`` is that of the latents.
        """
        chunks = itertools.islice(self._candidates(label, seed, device), -(-count // CHUNK))
        return np.concatenate(list(chunks))[:count]

    def _candidates(
        self, label: int, seed: int, device: torch.device, first_chunk: int = 0
    ) -> Iterator[NDArray[np.uint8]]:
        """Without end, in chunks (CHUNK, H, W, C)."""
        devices.place(self.network, device).eval()
        labels = torch.full((CHUNK,), label, device=device)
        for start in itertools.count(first_chunk * CHUNK, CHUNK):
            rngs = (seeds.torch_rng(seed, "image", label, index) for index in range(start, start + CHUNK))
            latents = torch.stack([torch.randn(self.network.z_dim, generator=rng) for rng in rngs])
            with torch.no_grad():
                images = to_pixels(self.network(latents.to(device), labels))
            yield images


def save_generator(
    path: Path, network: Network, description: dict[str, Any], filters: FittedFilters | None = None
) -> None:
    """Write the weights of ``network``, its fitted ``filters`` and their ``description`` in one file at ``path``."""
    tensors = dict(network.state_dict())
    if filters is not None:
        tensors |= {f"{SCREEN}{name}": tensor for name, tensor in filters.tensors.items()}
    store.write_tensors(path, tensors, description)


def load_generator(path: Path) -> Generator:
    """Read a file that ``save_generator`` wrote. No code of the file is run. Raises UserError if it does not fit."""
    return store.read_from_tensors(path, "a generator of this version of ganaug", AGAIN, restore)


def restore(tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> Generator:
    """The generator of a file's ``tensors`` and their ``description``."""
    about = describe(description)
    of_filters = {name.removeprefix(SCREEN): tensors.pop(name) for name in list(tensors) if name.startswith(SCREEN)}
    network = restore_generator(typed(GanSpec, about.gan), len(about.classes), about.shape, tensors)
    filters = None
    if about.screening:
        filters = FittedFilters.restore(about.screening.judges, of_filters, len(about.classes), about.shape)
    return Generator(network, about.classes, about.shape, description, filters)
