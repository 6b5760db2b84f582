"""From a generator to images: image i of a class is the same whatever number is asked for.

Each image's latent comes from a random generator of its own, and images go through the network in chunks of one fixed
size, the last one padded, since convolutions round differently at another batch size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from ganaug import device as devices
from ganaug import seeds, store
from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from ganaug.gan.nets.parts import Generator

CHUNK = 100
Balance = Literal["none", "equal", "fill"]


@dataclass(frozen=True)
class SynthSpec(Spec):
    """How many synthetic images each class gets, and the seed of their latents.

    ``balance`` says how, given the images of each class in the train part. ``equal``: ``per_class`` of each. ``none``:
    in the proportions of the train part, ``per_class`` on the average. ``fill``: what the class lacks of the largest
    (``per_class`` plays no part).
    """

    per_class: Annotated[int, Ge(1)] = 500
    balance: Balance = "equal"
    seed: int = 0

    def counts(self, train: Mapping[str, int]) -> dict[str, int]:
        """{class: synthetic images} from {class: images of the train part}."""
        if self.balance == "fill":
            largest = max(train.values())
            return {name: largest - count for name, count in train.items()}
        if self.balance == "equal":
            return dict.fromkeys(train, self.per_class)
        mean = sum(train.values()) / len(train)
        return {name: max(1, round(self.per_class * count / mean)) for name, count in train.items()}


@dataclass(frozen=True)
class Sampler:
    """A generator that knows what it makes."""

    generator: Generator
    classes: list[str]
    image_shape: tuple[int, int, int]  # (channels, height, width)
    description: dict[str, Any]

    def images(self, label: int, count: int, seed: int, device: torch.device) -> Iterator[NDArray[np.uint8]]:
        """``count`` images of class ``label``, in chunks (at most CHUNK, H, W, C)."""
        import torch

        from ganaug.pixels import to_pixels

        devices.place(self.generator, device).eval()
        labels = torch.full((CHUNK,), label, device=device)
        for start in range(0, count, CHUNK):
            latents = torch.stack(
                [
                    torch.randn(self.generator.z_dim, generator=seeds.torch_rng(seed, "image", label, index))
                    for index in range(start, start + CHUNK)
                ]
            )
            with torch.no_grad():
                yield to_pixels(self.generator(latents.to(device), labels))[: count - start]


def save_generator(path: Path, generator: Generator, description: dict[str, Any]) -> None:
    """Weights and all that is needed to use them, in one file."""
    store.write_tensors(path, generator.state_dict(), description)


def load_sampler(path: Path) -> Sampler:
    """Read a file that ``save_generator`` wrote. No code of the file is run."""
    from pydantic import TypeAdapter, ValidationError

    from ganaug.errors import UserError
    from ganaug.gan.build import build_generator
    from ganaug.gan.spec import GanSpec

    mend = 'run "dvc repro" to train one, or name another file with --model'
    tensors, description = store.read_tensors(path, mend)
    try:
        spec = TypeAdapter(GanSpec).validate_python(description["gan"])
        channels, height, width = description["image_shape"]
        generator = build_generator(spec, len(description["classes"]), (channels, height, width))
        generator.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError, ValidationError) as error:
        first_line = str(error).splitlines()[0]
        raise UserError(
            f"{path}: must be a generator of this version of ganaug, but does not fit it ({first_line}); {mend}"
        ) from None
    return Sampler(generator.eval(), description["classes"], (channels, height, width), description)
