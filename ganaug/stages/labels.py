"""What a split's GAN learns from images without labels: which they are, and what teachers say they show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganaug import config, seeds, store
from ganaug.data.prepared import Prepared
from ganaug.gan.unlabelled import Ignored
from ganaug.stages.classifiers import teachers
from ganaug.stages.held import gan_seed, kept_and_held
from ganaug.stages.project import Project

if TYPE_CHECKING:
    import torch

    from ganaug.classify.pools import Pool

_ROWS, _LABELS = "rows.npy", "labels.npy"


def rows_without_labels(project: Project, prepared: Prepared, name: str) -> list[int]:
    """The images without labels that a split's GAN learns from, or is told about by teachers."""
    if isinstance(project.settings.gan.unlabelled, Ignored):
        return []
    return prepared.unlabelled_rows(prepared.split(name))


def labels_key(project: Project, prepared: Prepared, name: str) -> str | None:
    """Of the labels that a split's GAN takes those images to have; None where it takes none."""
    settings, rows = project.settings, rows_without_labels(project, prepared, name)
    if not settings.gan_has_teachers or not rows:
        return None
    on = {
        "classifier": [config.plain(settings.classifier), settings.classifier.code_digest()],
        "policy": config.plain(settings.classify.classical),
        "pseudo": config.plain(settings.classify.pseudo),
        "images": prepared.digest(kept_and_held(project, prepared, name)[0]),
        "unlabelled": prepared.hashes(rows),
        "classes": prepared.classes,
        "seed": gan_seed(project, name),
    }
    return project.work.key("labels", on)


def labelled_by_teachers(project: Project, prepared: Prepared, name: str, where: torch.device) -> Pool:
    """Those of a split's images without labels that teachers are sure of, (N, H, W, C), and what they say, (N,).

    The teachers are of the arm ``classical``; they learn from what the GAN has labels of, nothing that is held out.
    """
    from ganaug.classify.fillers import sure_of

    key = labels_key(project, prepared, name)
    assert key is not None
    images = prepared.images_of(rows_without_labels(project, prepared, name))

    def make(folder: Path) -> None:
        part, seed = prepared.part(kept_and_held(project, prepared, name)[0]), gan_seed(project, name)
        teach = teachers(
            project, prepared, "classical", (part.images, part.labels), seeds.derive(seed, "labels"), where
        )
        sure, labels = sure_of(project.settings.classify.pseudo, images, teach)
        store.write_array(folder / _ROWS, sure)
        store.write_array(folder / _LABELS, labels)

    place = project.work.once("labels", key, make, f"split {name}")
    return images[store.read_array(place / _ROWS, "")], store.read_array(place / _LABELS, "")
