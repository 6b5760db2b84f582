"""From images to their translations: the same image gives the same translations in whatever company.

The noise of each comes from a random generator of its own, and images go through the network in chunks of one fixed
size, the last one padded, since convolutions round differently at another batch size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ganaug import device as devices
from ganaug import seeds, store
from ganaug.data.arrays import pixels_of
from ganaug.data.pictures import Shape, fit_pixels
from ganaug.errors import UserError, one_line, quoted
from ganaug.gan.described import AGAIN, DescribedTranslator, check_tensors, outline, typed
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import Pairs
from ganaug.pixels import to_float, to_pixels
from ganaug.synth.user_pictures import shape_of
from ganaug.translate import networks
from ganaug.translate.steps import build_translator

_CHUNK = 100


@dataclass(frozen=True)
class Translator:
    """A translator that knows the conditions it moves images to, ``targets`` among ``conditions``: ``ganaug.load``."""

    network: networks.Translator
    classes: list[str]
    conditions: list[str]
    targets: list[int]
    image_shape: tuple[int, int, int]  # (channels, height, width)
    description: dict[str, Any]
    pairs: Pairs | None = None  # that it learned from in a project without conditions, whose images are the targets

    def translate(
        self,
        images: ArrayLike,
        to: str | None = None,
        n: int = 1,
        seed: int = 0,
        device: devices.DeviceName = "auto",
    ) -> NDArray[np.uint8]:
        """Translations (N, n, H, W, C), uint8, of each of ``images`` (N, H, W) or (N, H, W, C) to the condition ``to``,
        ``n`` of each: those that ``ganaug translate`` makes of the same pixels with the same ``seed``.

        Images are uint8, or floats in 0..1, of any size: they become what the training images became. ``to`` left out:
        the only condition that it knows. ``device``: as in params.yaml. Raises UserError if the images are no such
        array, or it does not know the condition.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UserError(f"n: must be a whole number of at least 1, got {quoted(n)}; ask for that many")
        target, where, shape = self.target(to, "to"), devices.resolve(device), self.shape
        pixels = np.stack([fit_pixels(image, shape) for image in pixels_of(images)])
        sha256 = [store.digest(image) for image in pixels]
        with devices.lent(where):
            return np.stack([self.translation(pixels, sha256, target, k, seed, where) for k in range(n)], axis=1)

    def target(self, asked: str | None, option: str) -> int:
        """The number of the condition that was ``asked`` for by an ``option``; left out: the only one that there is.

        Raises UserError if it does not move images there.
        """
        known = {self.conditions[target]: target for target in self.targets}
        listed = one_line(", ".join(known), 1000)
        if asked is None and len(known) > 1:
            raise UserError(f"{option}: must be named, since the translator knows several: {listed}; name one of them")
        if asked is not None and asked not in known:
            raise UserError(f"{option}: must be one of {listed}, got {quoted(asked)}; name one of them")
        return known[asked] if asked is not None else next(iter(known.values()))

    @property
    def shape(self) -> Shape:
        """What pictures become before they are translated: what the training images became. Raises UserError if the
        file does not say it."""
        return shape_of(self.description, self.image_shape)

    def translation(
        self, images: NDArray[np.uint8], sha256: Sequence[str], to: int, number: int, seed: int, device: torch.device
    ) -> NDArray[np.uint8]:
        """The translation ``number`` (0, 1, ...) of each of ``images`` (N, H, W, C) to the condition ``to``, one of the
        targets, computed on ``device``.

        The noise is drawn from ``seed``, ``to``, the image's own ``sha256`` and ``number`` alone.
        """
        devices.place(self.network, device).eval()
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        made = [np.zeros((0, *images.shape[1:]), np.uint8)]
        for start in range(0, len(images), _CHUNK):
            here = slice(start, start + _CHUNK)
            rngs = (seeds.torch_rng(seed, "translation", to, sha, number) for sha in sha256[here])
            noise = torch.stack([torch.randn(self.network.noise_size, generator=rng) for rng in rngs])
            missing = _CHUNK - len(noise)
            sources = torch.cat([to_float(pixels[here]), torch.zeros((missing, *pixels.shape[1:]))])
            noise = torch.cat([noise, noise.new_zeros((missing, noise.shape[1]))])
            sources = sources.to(device, memory_format=torch.channels_last)
            goals = torch.full((_CHUNK,), to, device=device)
            with torch.no_grad():
                made.append(to_pixels(self.network(sources, noise.to(device), goals))[: _CHUNK - missing])
        return np.concatenate(made)


def save_translator(path: Path, net: networks.Translator, description: dict[str, Any]) -> None:
    """Write the weights of ``net`` and their ``description`` in one file at ``path``.

    The description has what a generator's has, and ``conditions``, all their names, and ``targets``, numbers of them.
    """
    store.write_tensors(path, net.state_dict(), description)


def load_translator(path: Path) -> Translator:
    """Read a file that ``save_translator`` wrote. No code of the file is run. Raises UserError if it does not fit."""
    return store.read_from_tensors(path, "a translator of this version of ganaug", AGAIN, restore)


def restore(tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> Translator:
    """The translator of a file's ``tensors`` and their ``description``."""
    about: DescribedTranslator = typed(DescribedTranslator, description)
    spec: GanSpec = typed(GanSpec, about.gan)
    if spec.translate is None:
        raise ValueError("it makes images of classes and moves none: it is a generator, not a translator")

    def build() -> networks.Translator:
        return build_translator(spec, about.shape, about.targets, len(about.conditions))

    check_tensors(tensors, outline(build, len(tensors)))
    net = build()
    net.load_state_dict(tensors)
    pairs = spec.translate.pairs if len(about.conditions) == 1 else None
    return Translator(net.eval(), about.classes, about.conditions, about.targets, about.shape, description, pairs)
