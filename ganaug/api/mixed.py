"""Real and synthetic images in one dataset: every real one, and a share of synthetic ones."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ganaug import seeds
from ganaug.api.datasets import shared_epoch
from ganaug.errors import UserError, one_line, quoted


class Mixed(Dataset[tuple[Any, Any]]):
    """What ``mix`` gives: all real items in their order, then synthetic ones; shuffling is the DataLoader's."""

    def __init__(
        self,
        real: Sequence[Any],
        synthetic: Sequence[Any],
        rows: Sequence[int],
        count: int,
        labels: Mapping[int, int],
        dtype: torch.dtype | None,
    ) -> None:
        """``rows`` of ``synthetic`` in the order in which epochs show them, ``count`` in each, after all of ``real``;
        ``labels``: {synthetic: real}, where they differ; ``dtype`` of labels, where these are tensors."""
        self.real, self.synthetic = real, synthetic
        self._rows, self._count = rows, count
        self._labels, self._dtype = labels, dtype
        self._epoch = shared_epoch()

    def set_epoch(self, epoch: int) -> None:
        """Show the synthetic images of this ``epoch``: 0 before the first call. Workers that persist hear it."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.real) + self._count

    def __getitem__(self, index: int) -> Any:
        index = range(len(self))[index]  # an IndexError beyond the end
        if index < len(self.real):
            return self.real[index]
        turn = int(self._epoch) * self._count + index - len(self.real)
        image, label = self.synthetic[self._rows[turn % len(self._rows)]]
        number = self._labels.get(int(label), int(label))
        return image, number if self._dtype is None else torch.tensor(number, dtype=self._dtype)


def mix(
    real_dataset: Dataset[Any],
    synthetic: Dataset[Any],
    share: float = 0.25,
    seed: int = 0,
    classes: Sequence[str] | None = None,
) -> Mixed:
    """All items of ``real_dataset``, each once, and so many of ``synthetic`` that these are the ``share`` of all.

    Synthetic items are taken in a random order of ``seed``; with ``set_epoch`` each epoch shows the next ones, and all
    are shown equally often. Their labels become those of ``real_dataset`` by the class names, where both have
    ``classes``; else labels are taken as they are. ``classes`` names those of ``real_dataset``, in the order of its
    labels, where it does not itself, or names them differently.

    Raises UserError if a class is unknown to ``real_dataset``, ``synthetic`` has too few items, or one batch cannot
    hold both.
    """
    real, made = _sized("real_dataset", real_dataset), _sized("synthetic", synthetic)
    if not isinstance(share, Real) or not 0 <= share < 1:
        raise UserError(f"share: must be 0 or more and less than 1, got {quoted(share)}; 0.25 is one image of four")
    count = round(float(share) * len(real) / (1 - float(share)))
    if count > len(made):
        raise UserError(
            f"synthetic: must have {count:,} images, for a share of {share} beside {len(real):,} real ones, got "
            f"{len(made):,}; make more (per_class=), or lower share"
        )
    label = _checked_alike(real[0], made[0])
    rows = seeds.numpy_rng(seed, "mix").permutation(len(made)).tolist()
    dtype = label.dtype if isinstance(label, Tensor) else None
    return Mixed(real, made, rows, count, _renumbered(made, classes or _names(real)), dtype)


def _sized(name: str, dataset: Any) -> Sequence[Any]:
    """The ``dataset``, which has a length and items."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or len(dataset) == 0:
        raise UserError(
            f"{name}: must be a dataset with a length and items, got {quoted(type(dataset).__name__)} without; an "
            "endless one cannot be mixed, a ganaug.SyntheticDataset can"
        )
    found: Sequence[Any] = dataset
    return found


def _names(dataset: Any) -> list[str] | None:
    """The names of the classes that a dataset has, or the one that it is a subset of."""
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    found: Iterable[Any] | None = getattr(dataset, "classes", None)
    return None if found is None else [str(name) for name in found]


def _renumbered(synthetic: Any, real: Sequence[str] | None) -> dict[int, int]:
    """{synthetic label: real label} by the names ``real``; empty where names are unknown."""
    names = _names(synthetic)
    if names is None or real is None:
        return {}
    for name in dict.fromkeys(names[label] for label in getattr(synthetic, "targets", range(len(names)))):
        if name not in real:
            raise UserError(
                f"synthetic: its classes must be among those of real_dataset, {one_line(', '.join(real), 300)}, got "
                f"{quoted(name)}; say what the generator calls them, in the order of their labels: classes=[...]"
            )
    return {label: real.index(name) for label, name in enumerate(names) if name in real}


def _checked_alike(real: Any, synthetic: Any) -> Any:
    """The label of the item ``real``. Raises UserError if a DataLoader cannot put these items into one batch."""
    for name, item in (("real_dataset", real), ("synthetic", synthetic)):
        if not isinstance(item, tuple | list) or len(item) != 2 or not _is_label(item[1]):
            raise UserError(
                f"{name}: must have items (image, label) with a whole number as label, got {quoted(item, 200)}; wrap "
                "it in a dataset that gives them so"
            )
    ours, theirs = _kind(real[0]), _kind(synthetic[0])
    if ours != theirs:
        raise UserError(
            f"synthetic: its images must be as those of real_dataset, {ours}, got {theirs}; make them so with the "
            "transform= of ganaug.SyntheticDataset"
        )
    return real[1]


def _is_label(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.is_floating_point() and not value.is_complex()
    return isinstance(value, Integral)


def _kind(image: Any) -> str:
    """Images of one kind fit into one batch."""
    if isinstance(image, Tensor):
        return f"{str(image.dtype).removeprefix('torch.')} tensors {tuple(image.shape)}"
    if isinstance(image, np.ndarray):
        return f"{image.dtype} arrays {image.shape}"
    if isinstance(image, Image.Image):
        return f"PIL images of mode {image.mode}, {image.height}x{image.width}"
    return f"of type {type(image).__name__}"
