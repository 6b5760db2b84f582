"""A source of labelled images as ``prepare`` goes through it, and pixels for one."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.cross_validation import CrossValidation
from ganaug.data.gather import gather
from ganaug.data.holdout import Holdout
from ganaug.data.prepared import read_prepared, write_prepared
from ganaug.data.sources import SourceSpec
from ganaug.data.spec import DataSpec

from .reader import Wrong


def prepared(source: SourceSpec, size: int = 8) -> None:
    """All that ``prepare`` does of a source, and what it wrote read back. Raises Wrong if that differs."""
    source.watched()
    folder = Path("prepared")
    folder.mkdir()
    data = gather(DataSpec(source, size), folder / "images.npy", 1)
    items = data.items()
    protocol = Holdout(trials=1) if items.official_test.any() else CrossValidation(folds=2, repeats=1)
    write_prepared(folder, {}, data, protocol.splits(items))
    again, found = read_prepared(folder), data.found
    same = {
        "classes": again.classes == list(found.classes),
        "images": len(again.images) == len(found.files),
        "hashes": again.pixels == data.pixels,
        "labels": again.labels.tolist() == found.labels.tolist(),
        "groups": again.groups == found.groups,
    }
    if not all(same.values()):
        raise Wrong(f"what was written is read back with other {', '.join(key for key in same if not same[key])}")


def noise(*shape: int) -> NDArray[np.uint8]:
    """Random pixels, the same at each call."""
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def in_turn(*values: Any, count: int) -> list[Any]:
    """``values`` over and over, as a list of ``count``."""
    return [values[row % len(values)] for row in range(count)]
