"""A project's own images moved to another condition, as ``ganaug synth --condition`` exports them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.data.prepared import Item, Prepared, read_prepared
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError, quoted

if TYPE_CHECKING:
    import torch

    from ganaug.synth.translator import Translator

PREPARED = Path("data/prepared")
_AT_ONCE = 500  # images that are read at a time


@dataclass(frozen=True)
class Moved:
    """What a ``translator`` makes of the release's train part in ``prepared``: images under the condition ``target``.

    It gives images of a class as a generator does: image i is translation i div n of source i mod n, of the class's n
    images under other conditions in their order.
    """

    translator: Translator
    prepared: Prepared
    target: int
    told: ClassVar[tuple[str, ...]] = ("condition", "source")  # what a manifest says of each image besides

    @property
    def classes(self) -> list[str]:
        """The classes, as the translator's file has them."""
        return self.translator.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.translator.image_shape

    @property
    def description(self) -> dict[str, Any]:
        """What the translator's file says."""
        return self.translator.description

    @property
    def accepted(self) -> list[float]:
        """Nothing is filtered."""
        return [1.0] * len(self.classes)

    def makes(self, label: int) -> bool:
        """Whether the class ``label`` has images under another condition, to be moved."""
        return bool(self._rows(label))

    def sources(self, label: int) -> list[int]:
        """The rows of ``prepared`` that the images of the class ``label`` are made of. Raises UserError if it has none
        under another condition."""
        rows = self._rows(label)
        if not rows:
            name, condition = quoted(self.classes[label]), quoted(self.translator.conditions[self.target])
            raise UserError(
                f"--class: must have images under another condition than {condition}, which are moved there, but "
                f"{name} has none; name other classes"
            )
        return rows

    def _rows(self, label: int) -> list[int]:
        rows = np.array(self.prepared.split(RELEASE).train)
        kept = self.prepared.labels[rows] == label
        if self.prepared.conditions is not None:
            kept &= self.prepared.conditions[rows] != self.target
        return [int(row) for row in rows[kept]]

    def images(
        self, label: int, count: int, seed: int, device: torch.device, first: int = 0
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """``count`` images of the class ``label`` in chunks (N, H, W, C), and their numbers (N,), made on ``device``;
        ``seed`` is that of the noise, ``first`` the number to begin with."""
        from ganaug.translate.pairs import degraded

        rows, end = self.sources(label), first + count
        while first < end:
            number, place = divmod(first, len(rows))
            some = rows[place : place + min(_AT_ONCE, end - first)]
            pictures, hashes = self.prepared.images_of(some), self.prepared.hashes(some)
            if self.translator.pairs:
                pictures = degraded(pictures, hashes, self.translator.pairs, number, seed)
            made = self.translator.translation(pictures, hashes, self.target, number, seed, device)
            yield made, np.arange(first, first + len(some))
            first += len(some)

    def about(self, label: int, number: int) -> tuple[str, str]:
        """(condition, the source's file) of image ``number`` of the class ``label``."""
        rows = self.sources(label)
        return self.translator.conditions[self.target], self._files[rows[number % len(rows)]]

    def made_of(self, label: int) -> list[str]:
        """The SHA-256 of each source of the class ``label``."""
        return self.prepared.hashes(self.sources(label))

    @cached_property
    def _files(self) -> list[str]:
        items: list[Item] = store.read_table(self.prepared.folder / "items.csv", kind=Item)
        return [item["file"] for item in items]


def moved(translator: Translator, model: Path, condition: str | None) -> Moved:
    """The images of the project here, which the ``translator`` of the file ``model`` moves to ``condition``.

    Raises UserError if that is unknown, or the images are of other classes, conditions or shape.
    """
    target = translator.target(condition, "--condition")
    prepared = read_prepared(PREPARED)
    names = prepared.condition_names or translator.conditions
    if (prepared.classes, names, prepared.image_shape) != (
        translator.classes,
        translator.conditions,
        translator.image_shape,
    ):
        raise UserError(
            f"{PREPARED}: must hold images of the classes, conditions and shape that {model} knows, but holds others; "
            "run it in the translator's project"
        )
    return Moved(translator, prepared, target)
