"""The labels that teachers give to images without labels, for a split's GAN to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganaug import seeds, store
from ganaug.stages.classifiers import teachers
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch

    from ganaug.classify.pools import Pool

_ROWS, _LABELS = "rows.npy", "labels.npy"


def labelled_by_teachers(split: SplitOf, where: torch.device) -> Pool:
    """Those of a split's images without labels that teachers are sure of, (N, H, W, C), and their labels, (N,).

    The teachers are of the arm ``classical``; they learn from what the GAN has labels of, nothing that is held out."""
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
    return images[store.read_array(place / _ROWS, "", np.int64, 1)], store.read_array(place / _LABELS, "", np.int64, 1)
