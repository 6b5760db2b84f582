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
from numpy.typing import NDArray

from ganaug import device as devices
from ganaug import seeds, store
from ganaug.gan.described import DescribedTranslator, check_tensors, outline, typed
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import Pairs
from ganaug.pixels import to_float, to_pixels
from ganaug.translate import networks
from ganaug.translate.steps import build_translator

_CHUNK = 100


@dataclass(frozen=True)
class Translator:
    """A translator that knows the conditions it moves images to, the ``targets`` among ``conditions``."""

    net: networks.Translator
    classes: list[str]
    conditions: list[str]
    targets: list[int]
    image_shape: tuple[int, int, int]  # (channels, height, width)
    description: dict[str, Any]
    pairs: Pairs | None = None  # that it learned from in a project without conditions, whose images are the targets

    def translate(
        self, images: NDArray[np.uint8], sha256: Sequence[str], to: int, number: int, seed: int, device: torch.device
    ) -> NDArray[np.uint8]:
        """The translation ``number`` (0, 1, ...) of each of ``images`` (N, H, W, C) to the condition ``to``, one of the
        targets, computed on ``device``.

        The noise is drawn from ``seed``, ``to``, the image's own ``sha256`` and ``number`` alone.
        """
        devices.place(self.net, device).eval()
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        made = [np.zeros((0, *images.shape[1:]), np.uint8)]
        for start in range(0, len(images), _CHUNK):
            here = slice(start, start + _CHUNK)
            rngs = (seeds.torch_rng(seed, "translation", to, sha, number) for sha in sha256[here])
            noise = torch.stack([torch.randn(self.net.noise_size, generator=rng) for rng in rngs])
            missing = _CHUNK - len(noise)
            sources = torch.cat([to_float(pixels[here]), torch.zeros((missing, *pixels.shape[1:]))])
            noise = torch.cat([noise, noise.new_zeros((missing, noise.shape[1]))])
            sources = sources.to(device, memory_format=torch.channels_last)
            goals = torch.full((_CHUNK,), to, device=device)
            with torch.no_grad():
                made.append(to_pixels(self.net(sources, noise.to(device), goals))[: _CHUNK - missing])
        return np.concatenate(made)


def save_translator(path: Path, net: networks.Translator, description: dict[str, Any]) -> None:
    """Write the weights of ``net`` and their ``description`` in one file at ``path``.

    The description has what a generator's has, and ``conditions``, all their names, and ``targets``, numbers of them.
    """
    store.write_tensors(path, net.state_dict(), description)


def load_translator(path: Path) -> Translator:
    """Read a file that ``save_translator`` wrote. No code of the file is run. Raises UserError if it does not fit."""
    hint = 'train it again ("dvc repro"), or name another file with --model'
    return store.read_from_tensors(path, "a translator of this version of ganaug", hint, _restore)


def _restore(tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> Translator:
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
