"""``ganaug check photos/ --against PROJECT --out check/``: which images are odd, as a page and a table."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ganaug import config, device, seeds
from ganaug.check import photos
from ganaug.check.found import Found, check_free
from ganaug.check.judge import Judged, judge
from ganaug.check.photos import Photos
from ganaug.classify.arms import arm, batches
from ganaug.classify.mislabelled import CLASSIFIERS, check_installed
from ganaug.config import Settings
from ganaug.data.splits import RELEASE, Items
from ganaug.data.survey import survey
from ganaug.errors import UserError, one_line
from ganaug.stages.progress import counting
from ganaug.stages.project import Project, prepared_now
from ganaug.start.choose import choose
from ganaug.start.init import LARGEST, source_of

if TYPE_CHECKING:
    import torch
    from torch import nn

_BY_GAN = 32  # images of which the GAN is asked, and as many of the project to compare with


def check(
    path: Path,
    against: Path | None,
    allow: float | None,
    out: Path,
    nested: bool,
    columns: Mapping[str, Any],
    conditions: str | None,
) -> bool:
    """Judge the images at ``path`` by those of the project ``against``, or by one another; say what was found, and write
    a page and a table into the folder ``out``. Whether no larger share than ``allow`` is flagged.

    ``nested``, ``columns`` and ``conditions`` as ``ganaug init`` takes them. Raises UserError if an option, the images
    or the project cannot be used.
    """
    if allow is not None and not 0 <= allow <= 1:
        raise UserError(f"--allow: must be a share of the images, 0 to 1, got {allow:g}; 0.05 allows one in twenty")
    check_free(out)
    source = source_of(path, nested, columns, conditions, "PHOTOS")
    where = device.resolve("auto")
    with tempfile.TemporaryDirectory() as folder:
        if against is None:
            found = _by_themselves(source, Path(folder), where)
        else:
            found = _by_project(source, against, Path(folder), where)
        found.write(out, one_line(str(path)))
    print(found.said(one_line(str(path)), one_line(str(out))))
    return allow is None or found.share <= allow


def _by_themselves(source: Any, folder: Path, where: torch.device) -> Found:
    check_installed()
    with counting(f"reading the images in {one_line(str(source.path))}") as on_done:
        seen = survey(source, folder, joblib.cpu_count(), LARGEST[where.type], on_done)
    named = {"kind": source.kind, "path": str(source.path)}
    settings = choose(seen, named, where.type, joblib.cpu_count()).settings
    items, files = seen.data.items(), seen.data.found.files
    order = np.lexsort((np.array(items.pixels), items.labels))  # not by names, or they would deal the folds
    groups = [items.groups[row] for row in order] if items.groups else None
    labels, pixels = items.labels[order], [items.pixels[row] for row in order]
    images = seen.images[order]
    judged = _judged(images, Items(labels, pixels, np.zeros(len(order), bool), items.classes, groups), settings, where)
    return Found([files[row] for row in order], images, items.classes, labels, judged)


def _by_project(source: Any, root: Path, folder: Path, where: torch.device) -> Found:
    params = root / "params.yaml"
    if not params.is_file():
        raise UserError(f"--against: must be a project's folder, but {params} is not there; name one, or leave it out")
    project = Project(root, config.load(params))
    prepared = prepared_now(project)
    given = photos.read(source, prepared, project.settings, folder / "photos.npy")
    if given.labels is not None:
        check_installed()
    items = prepared.items(range(len(prepared.labels)))
    judged = _judged(prepared.images, items, project.settings, where, given)
    found = Found(given.files, given.images, prepared.classes, given.labels, judged)
    return replace(found, gan=_by_gan(project, found, where))


def _judged(
    images: NDArray[np.uint8], items: Items, settings: Settings, where: torch.device, given: Photos | None = None
) -> Judged:
    from ganaug.classify.fitting import train_classifier

    chosen, spec = arm("classical", settings.classify), settings.classifier
    classes, (size, _, channels) = len(items.classes), images.shape[1:]
    with counting("training classifiers") as on_done:
        done = itertools.count(1)

        def fitted(rows: NDArray[np.int64], seed: int) -> nn.Module:
            draw = batches(chosen, (images[rows], items.labels[rows]), None, classes, spec.batch_size, seed)
            model = train_classifier(draw, spec, channels, classes, size, seed, where, chosen.policy.attach)
            on_done(next(done), CLASSIFIERS)
            return model

        if given is None:
            return judge(images, items, fitted, where)
        return judge(images, items, fitted, where, given.images, given.labels)


def _by_gan(project: Project, found: Found, where: torch.device) -> dict[int, float]:
    """{row: f-AnoGAN's score, 1: the usual one of the project's images} of the first images, where the project has a
    generator of classes."""
    file = project.generator(RELEASE)
    if project.settings.gan.translate is not None or not file.is_file():
        return {}
    from ganaug.check.anogan import read_discriminator, scores
    from ganaug.synth.generator import load_generator

    generator, discriminator = load_generator(file), read_discriminator(file.with_name("checkpoint.safetensors"))
    prepared, rows = prepared_now(project), found.order()[:_BY_GAN]
    others = seeds.numpy_rng(0, "check").permutation(len(prepared.labels))[:_BY_GAN]
    labels = np.concatenate([found.judged.likeliest[rows], prepared.labels[others]])
    if generator.classes != prepared.classes:  # it learned without labels
        labels = np.zeros_like(labels)
    images = np.concatenate([found.images[rows], prepared.images[others]])
    said = scores(generator.network, discriminator, images, labels, len(generator.classes), where)
    usual = np.median(said[len(rows) :])
    return dict(zip(rows.tolist(), (said[: len(rows)] / usual).tolist(), strict=True))
