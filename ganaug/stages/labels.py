"""The labels that teachers give to images without labels, for a split's GAN to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganaug import seeds, store
from ganaug.errors import UserError
from ganaug.stages.classifiers import teachers
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch

    from ganaug.classify.pools import Pool

_ROWS, _LABELS = "rows.npy", "labels.npy"
_AGAIN = 'remove its folder, and run "ganaug train" again'


def labelled_by_teachers(split: SplitOf, where: torch.device) -> Pool:
    """Those of a split's images without labels that teachers are sure of, (N, H, W, C), and their labels, (N,).

    The teachers are of the arm ``classical``; they learn from what the GAN has labels of, nothing that is held out.
    Raises UserError if what an earlier run kept of them is damaged.
    """
    from ganaug.classify.fillers import sure_of

    assert split.labels_key is not None
    images = split.prepared.images_of(split.gan_unlabelled)

    def make(folder: Path) -> None:
        part, seed = split.prepared.part(split.learned), seeds.derive(split.gan_seed, "labels")
        teach = teachers(split, "classical", (part.images, part.labels), seed, where)
        sure, labels = sure_of(split.settings.classify.pseudo, images, teach)
        store.write_array(folder / _ROWS, sure)
        store.write_array(folder / _LABELS, labels)

    place = split.project.work.once("labels", split.labels_key, make, f"split {split.name}")
    sure, labels = (store.read_array(place / name, _AGAIN, np.int64, 1) for name in (_ROWS, _LABELS))
    for path, values, end in ((_ROWS, sure, len(images)), (_LABELS, labels, len(split.prepared.classes))):
        if len(sure) != len(labels) or not ((values >= 0) & (values < end)).all():
            raise UserError(
                f"{place / path}: must hold a number of 0 to {end - 1} for each image, but does not; {_AGAIN}"
            )
    return images[sure], labels
