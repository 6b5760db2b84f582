"""From a generator to images: image i of a class is the same whatever number is asked for.

Each image's latent comes from a random generator of its own, and images go through the network in chunks of one fixed
size, the last one padded, since convolutions round differently at another batch size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from ganaug import device as devices
from ganaug import seeds, store
from ganaug.errors import UserError
from ganaug.settings import Spec
from ganaug.synth.filters import Copies, Filter

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from ganaug.gan.nets.generator import Generator
    from ganaug.synth.screen import Screen

CHUNK = 100
_PATIENCE = 10_000  # candidates in a row that no filter lets through: then there is no hope
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
    filters: tuple[Filter, ...] = ()  # which images are used, in the order in which they are asked
    drop_copies: bool = False  # the filter copies, with its defaults, before the others

    def __post_init__(self) -> None:
        kinds = [one.kind for one in self.screening()]
        if len(set(kinds)) < len(kinds):
            raise ValueError("filters of different kinds (drop_copies is one of kind copies)")

    def screening(self) -> tuple[Filter, ...]:
        """All filters, in their order."""
        return (Copies(), *self.filters) if self.drop_copies else self.filters

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
    screen: Screen | None = None  # its filters

    @property
    def accepted(self) -> list[float]:
        """The share of each class's candidates that the filters let through, measured when they were fitted."""
        screening = self.description.get("screening")
        return screening["accepted"] if screening else [1.0] * len(self.classes)

    def images(
        self, label: int, count: int, seed: int, device: torch.device
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """``count`` images of class ``label`` that pass the filters, in chunks (at most CHUNK, H, W, C), and numbers.

        An image's number says which candidate it is; without filters: 0, 1, 2 and so on.
        """
        import numpy as np

        found, last = 0, 0
        for turn, candidates in enumerate(self._candidates(label, seed, device) if count else ()):
            good = np.ones(CHUNK, np.bool_) if self.screen is None else self.screen.passes(candidates, label)
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

    def candidates(self, label: int, count: int, seed: int, device: torch.device) -> NDArray[np.uint8]:
        """(count, H, W, C): the first images of a class as they come, whatever the filters say of them."""
        import numpy as np

        chunks = itertools.islice(self._candidates(label, seed, device), -(-count // CHUNK))
        return np.concatenate(list(chunks))[:count]

    def _candidates(self, label: int, seed: int, device: torch.device) -> Iterator[NDArray[np.uint8]]:
        """Without end, in chunks (CHUNK, H, W, C)."""
        import torch

        from ganaug.pixels import to_pixels

        devices.place(self.generator, device).eval()
        labels = torch.full((CHUNK,), label, device=device)
        for start in itertools.count(step=CHUNK):
            latents = torch.stack(
                [
                    torch.randn(self.generator.z_dim, generator=seeds.torch_rng(seed, "image", label, index))
                    for index in range(start, start + CHUNK)
                ]
            )
            with torch.no_grad():
                images = to_pixels(self.generator(latents.to(device), labels))
            yield images


def save_generator(path: Path, generator: Generator, description: dict[str, Any], screen: Screen | None = None) -> None:
    """Weights, filters and all that is needed to use them, in one file."""
    from ganaug.gan.transfer import SCREEN

    filters = screen.state_dict() if screen is not None else {}
    tensors = {**generator.state_dict(), **{f"{SCREEN}{name}": tensor for name, tensor in filters.items()}}
    store.write_tensors(path, tensors, description)


def load_sampler(path: Path) -> Sampler:
    """Read a file that ``save_generator`` wrote. No code of the file is run."""
    from pydantic import TypeAdapter, ValidationError

    from ganaug.gan.build import restore_generator
    from ganaug.gan.spec import GanSpec
    from ganaug.gan.transfer import SCREEN
    from ganaug.synth.screen import Screen

    mend = 'run "dvc repro" to train one, or name another file with --model'
    tensors, description = store.read_tensors(path, mend)
    try:
        spec = TypeAdapter(GanSpec).validate_python(description["gan"])
        channels, height, width = description["image_shape"]
        of_screen = {name: tensors.pop(name) for name in list(tensors) if name.startswith(SCREEN)}
        generator = restore_generator(spec, len(description["classes"]), (channels, height, width), tensors)
        screen, screening = None, description.get("screening")
        if screening:
            screen = Screen.build(screening["judges"], spec, len(description["classes"])).eval()
            screen.load_state_dict({name.removeprefix(SCREEN): tensor for name, tensor in of_screen.items()})
    except (KeyError, ValueError, TypeError, RuntimeError, ValidationError) as error:
        first_line = str(error).splitlines()[0]
        raise UserError(
            f"{path}: must be a generator of this version of ganaug, but does not fit it ({first_line}); {mend}"
        ) from None
    return Sampler(generator, description["classes"], (channels, height, width), description, screen)
