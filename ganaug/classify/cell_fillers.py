"""The fillers that show classes under conditions that lack them.

``translate`` is what is measured: the translations of a GAN. The others decide whether it was needed: cheap ways to
make an image look as if it was taken under a target condition, the same translator without its adversarial loss, and
the true images, which no cheaper way can beat. All make images of every class, not of the missing cells alone:
otherwise what is made would say which class it is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify import moves
from ganaug.classify.filler import Filler, FillerSettings, Keys, Stock
from ganaug.classify.pools import Images, Pool, equally_often
from ganaug.errors import UserError, quoted

_FIX = "give each image its condition, or leave the arm out"


class _OfCells(Filler):
    cells = True
    shares = (1 / 3, 1 / 3)
    augment = True


class Translate(_OfCells):
    """The synthetic images, which a translator made of images under other conditions."""

    name = "translate"
    of_translator = True
    about = "real images translated by a GAN to conditions that lack some class"
    is_gan = True
    per_class = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        return stock.synthetic()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return keys.synth_key


class Unadversarial(_OfCells):
    """What the same translator makes when it is trained without its adversarial loss."""

    name = "unadversarial"
    of_translator = True
    about = "real images as the same translator makes them without its adversarial loss: what then is left of the gain"
    per_class = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        if stock.unadversarial is None:
            raise UserError(f"classify.arms: {self.name} needs a translator, but there is none; set gan.translate")
        return stock.unadversarial()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return keys.unadversarial_key


class Oracle(_OfCells):
    """The real images of the cells that the trial hid: what photographing them would bring."""

    name = "oracle"
    about = "true images of what the trial hid: the most that filling it can bring"
    hidden = True

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        if stock.truth is None:
            raise UserError(
                f"classify.arms: {self.name} needs images that trials hide, but none are; leave the arm out"
            )
        return stock.truth()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return keys.truth_digest

    def share(self, asked: float | None, on_policy: bool, by_counts: bool) -> float | None:
        return asked  # by the counts: they are real images like the others


class Swap(_OfCells):
    """Real images moved to each target condition, with the looks of images that were taken under it.

    As many of each class as there are synthetic ones, in equal parts under each target; those of a class are of its
    images under other conditions, each used equally often. The references are drawn at random.
    """

    per_class = True

    @abstractmethod
    def move(
        self, sources: NDArray[np.uint8], references: NDArray[np.uint8], settings: FillerSettings
    ) -> NDArray[np.uint8]:
        """``sources`` with the looks of ``references``, pair by pair; all (N, H, W, C)."""

    def movable(self, images: Images) -> NDArray[np.bool_]:
        """(N,): which of ``images`` (N, H, W, C) can be moved."""
        return np.ones(len(images), bool)

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        images, labels = stock.real
        if stock.conditions is None:
            raise UserError(f"classify.arms: {self.name} needs conditions, but the images have none; {_FIX}")
        usable = self.movable(images)
        made, whose = [images[:0]], [labels[:0]]
        for label, target, rows in dealt(labels, stock.conditions, stock.targets, stock.counts, stock.seed, usable):
            under = np.flatnonzero(stock.conditions == target)
            chosen = seeds.numpy_rng(stock.seed, self.name, label, target).choice(under, len(rows))
            made.append(self.move(images[rows], images[chosen], settings))
            whose.append(np.full(len(rows), label, np.int64))
        return np.concatenate(made), np.concatenate(whose)

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {"counts": dict(keys.synthetic_counts), "targets": list(keys.targets)}


class Histogram(Swap):
    """The gray levels, or each colour's, of a target image."""

    name = "histogram"
    about = "real images with the gray levels, or the levels of each colour, of an image under the target condition"

    def move(
        self, sources: NDArray[np.uint8], references: NDArray[np.uint8], settings: FillerSettings
    ) -> NDArray[np.uint8]:
        return moves.match_histograms(sources, references)


class Amplitude(Swap):
    """Fourier domain adaptation: the low frequencies of a target image (Yang 2020)."""

    name = "amplitude"
    about = "real images with the low frequencies of an image under the target condition (FDA)"

    def move(
        self, sources: NDArray[np.uint8], references: NDArray[np.uint8], settings: FillerSettings
    ) -> NDArray[np.uint8]:
        return moves.swap_amplitudes(sources, references, settings.beta)

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {**super().depends_on(keys, settings), "beta": settings.beta}


class Paste(Swap):
    """The object cut from its plain ground and laid over a target image. What cannot be cut is not used."""

    name = "paste"
    about = "objects cut from their plain ground and laid over an image under the target condition"

    def move(
        self, sources: NDArray[np.uint8], references: NDArray[np.uint8], settings: FillerSettings
    ) -> NDArray[np.uint8]:
        return moves.paste(sources, references)

    def movable(self, images: Images) -> NDArray[np.bool_]:
        return moves.parted(images[:])

    def check(
        self, real: Pool, names: Sequence[str], conditions: NDArray[np.int64] | None, targets: Sequence[int]
    ) -> None:
        images, labels = real
        sources = ~np.all([conditions == target for target in targets], axis=0)
        usable = self.movable(images)
        for label in np.unique(labels[sources]):
            own = sources & (labels == label)
            if not usable[own].any():
                raise UserError(
                    f"classify.arms: {self.name} must cut the object of some image of each class from a plain ground, "
                    f"but cannot in any of {own.sum()} of class {quoted(names[label])}; leave the arm out"
                )


CELL_FILLERS: tuple[Filler, ...] = (Translate(), Unadversarial(), Histogram(), Amplitude(), Paste(), Oracle())


def dealt(
    labels: NDArray[np.int64],
    conditions: NDArray[np.int64],
    targets: Sequence[int],
    counts: Sequence[int],
    seed: int,
    usable: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """(label, target, rows): which images are moved to which of the ``targets``, ``counts[label]`` of each class.

    ``labels`` and ``conditions`` are those of the train part, (N,), as is ``usable``: which of them may be moved; all,
    if left out. A class's count is dealt evenly to the targets under which the train part has images and for which
    there is an image of the class elsewhere; of those, each comes floor or ceil(count / images) times, drawn by
    ``seed``. A class that is only under one target can be moved to others alone, or to none.
    """
    may = np.ones(len(labels), bool) if usable is None else usable
    seen = [target for target in targets if (conditions == target).any()]
    for label, count in enumerate(counts):
        sources = {target: np.flatnonzero((labels == label) & (conditions != target) & may) for target in seen}
        reached = [target for target in seen if len(sources[target])]
        for position, target in enumerate(reached):
            part = count // len(reached) + (position < count % len(reached))
            yield label, target, equally_often(sources[target], part, seeds.numpy_rng(seed, "deal", label, target))
