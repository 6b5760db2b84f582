"""Transfer: a training that begins with another one's weights, even where the classes differ.

A tensor with an entry per class (a table's row, a column of a label's input) takes, for every new class, the old entry
of the class of that name, or else the mean of all old entries.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ganaug import store
from ganaug.errors import UserError, one_line
from ganaug.gan.build import CODES, build_discriminator, build_generator
from ganaug.gan.described import check_tensors, describe, outline
from ganaug.gan.steps import Training

_HINT = "name a generator.safetensors or checkpoint.safetensors that ganaug wrote, or leave gan.init_from out"
SCREEN = "filter."  # the prefix of the tensors of a generator's filters, which are not taken over
_DECIDE = ("architecture", "conditioning", "z_dim", "generator_width")  # the shapes of a generator
_DECIDE_WHOLE = ("discriminator_width", "regularisers")  # ... and of the discriminator too


@dataclass(frozen=True)
class Start:
    """What ``gan.init_from`` holds; ``classes`` are the new ones, in their order."""

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any]
    classes: Sequence[str]

    @property
    def saw(self) -> set[str]:
        """Hashes of the images that the weights have learned from."""
        return set(self.description["train_images_sha256"])

    def give(self, training: Training) -> None:
        """Put the weights in: of the generator and its average, and of the discriminator where the file has one.

        Raises UserError if the file's networks have other shapes.
        """
        spec, shape = training.spec, describe(self.description).shape
        if shape != (wanted := tuple(training.images.shape[1:])):
            raise UserError(f"gan.init_from: images must be of shape {wanted}, got {shape}; {_HINT}")
        if self.description["gan"].get("conditioning") != spec.conditioning:
            self._refuse("another conditioning")  # its shapes may be the same by chance
        generator = partial(build_generator, spec, image_shape=shape)
        self._put(training.average, "average." if self._is_whole else "", generator)
        self._put(training.generator, "generator." if self._is_whole else "", generator)
        if self._is_whole:
            self._put(training.discriminator, "discriminator.", partial(build_discriminator, spec, image_shape=shape))

    @property
    def _is_whole(self) -> bool:
        """A checkpoint, with all three networks."""
        return any(name.startswith("generator.") for name in self.tensors)

    def _put(self, net: nn.Module, prefix: str, build: Callable[[int], nn.Module]) -> None:
        """Into ``net``, the tensors of this prefix; ``build`` makes such a network of a number of classes."""
        old = list(self.description["classes"])
        sizes = len(old), len(old) + 1
        tensors = {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}
        theirs, one_more = (outline(partial(build, classes), len(net.state_dict())) for classes in sizes)
        tensors, theirs, one_more = (_without_codes(one) for one in (tensors, theirs, one_more))
        try:
            check_tensors(tensors, theirs)
        except ValueError as error:
            self._refuse(error)
        dims = _class_dims(theirs, one_more)
        for name, value in _without_codes(net.state_dict()).items():
            given = tensors[name]
            value.copy_(_for_classes(given, *dims[name], old, self.classes) if name in dims else given)

    def _refuse(self, reason: object) -> NoReturn:
        gan, keys = self.description["gan"], _DECIDE + (_DECIDE_WHOLE if self._is_whole else ())
        theirs = ", ".join(f"{key} {one_line(str(gan.get(key)), 100)}" for key in keys)
        raise UserError(f"gan.init_from: {self.path} does not fit: it is of {theirs}; set the same ({reason}); {_HINT}")


def read_start(path: Path, classes: Sequence[str]) -> Start:
    """What ``path`` holds, for a training of these ``classes``. Raises UserError if it does not say what it is of."""

    def build(tensors: dict[str, Tensor], description: dict[str, Any]) -> Start:
        if any(description.get(key) is None for key in ("classes", "image_shape", "gan", "train_images_sha256")):
            raise UserError(f"gan.init_from: {path} must say what it is of, but does not; {_HINT}")
        describe(description)
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(SCREEN)}
        return Start(path, own, description, classes)

    return store.read_from_tensors(path, "a generator or a checkpoint that ganaug wrote", _HINT, build)


def _without_codes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if not name.startswith(CODES)}


def _class_dims(now: Mapping[str, Tensor], one_more: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """(dimension, entries per class) of each tensor that grows with the number of classes, as one more class shows.

    Spectral normalisation's vector of a convolution has as many entries per class as the kernel has pixels.
    """
    found: dict[str, tuple[int, int]] = {}
    for name, value in now.items():
        sizes = zip(value.shape, one_more[name].shape, strict=True)
        found.update((name, (dim, more - size)) for dim, (size, more) in enumerate(sizes) if more > size)
    return found


def _for_classes(value: Tensor, dim: int, each: int, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """``value``'s last entries along ``dim``, ``each`` per old class, rearranged for the new ones."""
    rest, *of_old = value.split([value.shape[dim] - each * len(old), *[each] * len(old)], dim=dim)
    mean = torch.stack(of_old).mean(dim=0)
    return torch.cat([rest, *(of_old[old.index(name)] if name in old else mean for name in new)], dim=dim)
