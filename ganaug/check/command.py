"""``ganaug check photos/ --against PROJECT --out check/``: which images are odd, as a page and a table."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
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
from ganaug.classify.mislabelled import CLASSIFIERS, check_installed
from ganaug.config import Settings
from ganaug.data.source import PathSource
from ganaug.data.splits import RELEASE, Items
from ganaug.data.survey import survey
from ganaug.errors import UserError, one_line
from ganaug.stages.classifiers import discriminator_body
from ganaug.stages.cross_fit import learner
from ganaug.stages.progress import counting
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf
from ganaug.start.choose import choose
from ganaug.start.init import LARGEST, source_of

if TYPE_CHECKING:
    import torch
    from torch import nn

_BY_GAN = 32  # images of which the GAN is asked, and as many of the project to compare with


def check(path: Path, against: Path | None, allow: float | None, out: Path, reads: Any) -> bool:
    """Judge the images at ``path`` by those of the project ``against``, or by one another; say what was found, write
    it into the folder ``out``. Whether no larger share than ``allow`` is flagged.

    ``reads``: keywords of ``source_of``. Raises UserError if an option, the images or the project cannot be used.
    """
    if allow is not None and not 0 <= allow <= 1:
        raise UserError(f"--allow: must be a share of the images, 0 to 1, got {allow:g}; 0.05 allows one in twenty")
    check_free(out)
    source, where = source_of(path, **reads, name="PHOTOS"), device.resolve("auto")
    with tempfile.TemporaryDirectory() as folder:
        if against is None:
            found = _by_themselves(source, Path(folder), where)
        else:
            found = _by_project(source, against, Path(folder), where)
        found.write(out, one_line(str(path)))
    print(found.said(one_line(str(path)), one_line(str(out))))
    return allow is None or bool(found.flagged.mean() <= allow)


def _by_themselves(source: Any, folder: Path, where: torch.device) -> Found:
    check_installed()
    with counting(f"reading the images in {one_line(str(source.path))}") as on_done:
        seen = survey(source, folder, joblib.cpu_count(), LARGEST[where.type], on_done)
    named = {"kind": source.kind, "path": str(source.path)}
    settings = choose(seen, named, where.type, joblib.cpu_count()).settings
    items = seen.data.items()
    order = np.lexsort((np.array(items.pixels), items.labels))  # of files' names, nothing may depend
    own, images = seen.data.found.kept(order.tolist()), np.array(seen.images[order])
    pixels = [items.pixels[row] for row in order]
    items = Items(own.labels, pixels, np.zeros(len(pixels), bool), own.classes, own.groups)
    return Found(own.files, images, own.labels, own.classes, _judged(images, items, settings, where))


def _by_project(source: PathSource, root: Path, folder: Path, where: torch.device) -> Found:
    if not (root / "params.yaml").is_file():
        raise UserError(f"--against: must be a project's folder, but {root} has no params.yaml; name one")
    release = SplitOf(Project(root.resolve(), config.load(root / "params.yaml")), RELEASE)
    prepared, settings = release.prepared, release.settings
    files, images, labels = photos.read(source, prepared, settings, folder / "photos.npy")
    if labels is not None:
        check_installed()
    items = prepared.items(range(len(prepared.labels)))
    with contextlib.chdir(root):  # a classifier of the project's own is a module there
        judged = _judged(prepared.images, items, settings, where, images, labels)
    found = Found(files, images, labels, prepared.classes, judged)
    return replace(found, gan=_by_gan(release, found, where))


def _judged(images: NDArray[np.uint8], items: Items, settings: Settings, where: torch.device, *given: Any) -> Judged:
    learn, done = learner(images, items.labels, settings, where), itertools.count(1)
    with counting("training classifiers") as on_done:

        def fitted(rows: NDArray[np.int64], seed: int) -> nn.Module:
            model = learn(rows, seed)
            on_done(next(done), CLASSIFIERS)
            return model

        return judge(images, items, fitted, where, *given)


def _by_gan(release: SplitOf, found: Found, where: torch.device) -> dict[int, float]:
    """{row: f-AnoGAN's score} of the surest, where there is a generator of classes of these settings; 1: the median of
    its project's own images."""
    file = release.project.generator(RELEASE)
    if release.translates or not file.is_file():
        return {}
    from ganaug.check.anogan import scores
    from ganaug.edit.inversion import Inverter
    from ganaug.synth.generator import load_generator

    generator, prepared = load_generator(file), release.prepared
    if generator.description.get("key") != release.train_key:
        return {}
    rows = found.order()[:_BY_GAN]
    usual = seeds.numpy_rng(0, "check").permutation(len(prepared.labels))[:_BY_GAN]
    labels = np.concatenate([found.judged.likeliest[rows], prepared.labels[usual]]) * release.is_conditional
    images = np.concatenate([found.images[rows], prepared.images[usual]])
    inverter = Inverter(generator.network, len(generator.classes), where)
    said = scores(inverter, discriminator_body(release, True), images, labels)
    return dict(zip(rows.tolist(), (said[: len(rows)] / np.median(said[len(rows) :])).tolist(), strict=True))
