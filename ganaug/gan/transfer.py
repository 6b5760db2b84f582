"""Transfer: a training that begins with another one's weights, also where the classes are others.

A tensor with an entry for each class (a table's row, a column of a label's input) takes, for every new class, the old
entry of the class of that name, or else the mean of all old entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaug import store
from ganaug.errors import UserError
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.gan.training import Training

_MEND = "name a generator.safetensors or checkpoint.safetensors that ganaug wrote, or leave gan.init_from out"
_DECIDE = ("architecture", "conditioning", "z_dim", "generator_width")  # the shapes of a generator


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
        return set(self.description.get("train_images_sha256", []))

    def give(self, training: Training) -> None:
        """Put the weights in: of the generator and its average, and of the discriminator where the file has one."""
        spec, shape = training.spec, tuple(self.description["image_shape"])
        if shape != (training.images.shape[1], *training.images.shape[2:]):
            raise UserError(
                f"gan.init_from: images must be of shape {tuple(training.images.shape[1:])}, got {shape}; {_MEND}"
            )
        whole = any(name.startswith("generator.") for name in self.tensors)
        of_generator = self._part("average." if whole else "")
        self._put(training.average, of_generator, lambda classes: build_generator(spec, classes, shape))
        self._put(
            training.generator,
            self._part("generator.") if whole else of_generator,
            lambda classes: build_generator(spec, classes, shape),
        )
        if whole:
            self._put(
                training.discriminator,
                self._part("discriminator."),
                lambda classes: build_discriminator(spec, classes, shape),
            )

    def _part(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}

    def _put(self, net: nn.Module, tensors: dict[str, Tensor], build: Callable[[int], nn.Module]) -> None:
        old = list(self.description["classes"])
        dims = _class_dims(build, len(self.classes))
        state = net.state_dict()
        for name, value in state.items():
            given = tensors.get(name)
            if given is not None and name in dims:
                given = _for_classes(given, dims[name], old, self.classes)
            if given is None or given.shape != value.shape:
                raise UserError(f"gan.init_from: {self.path} does not fit: {self._why()}; {_MEND}")
            value.copy_(given)

    def _why(self) -> str:
        theirs = self.description["gan"]
        return "it is of " + ", ".join(f"{key} {theirs.get(key)}" for key in _DECIDE) + "; set the same"


def read_start(path: Path, classes: Sequence[str]) -> Start:
    tensors, description = store.read_tensors(path, _MEND)
    if not {"classes", "image_shape", "gan"} <= set(description):
        raise UserError(f"gan.init_from: {path} must say what it is of, but does not; {_MEND}")
    return Start(path, tensors, description, classes)


def _class_dims(build: Callable[[int], nn.Module], classes: int) -> dict[str, int]:
    """The dimension of each tensor that grows with the number of classes: found by building the net with one more."""
    with torch.random.fork_rng(devices=[]):
        now, more = build(classes).state_dict(), build(classes + 1).state_dict()
    found: dict[str, int] = {}
    for name, value in now.items():
        grown = [dim for dim in range(value.ndim) if value.shape[dim] != more[name].shape[dim]]
        if grown:
            found[name] = grown[0]
    return found


def _for_classes(value: Tensor, dim: int, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """``value``'s last entries along ``dim``, one for each old class, rearranged for the new ones."""
    rest, of_old = value.split([value.shape[dim] - len(old), len(old)], dim=dim)
    mean = of_old.mean(dim=dim, keepdim=True)
    rows = [of_old.narrow(dim, old.index(name), 1) if name in old else mean for name in new]
    return torch.cat([rest, *rows], dim=dim)
