"""``ganaug.fit``: a generator from arrays, trained as ``ganaug train --split release`` trains a project's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from ganaug import config
from ganaug import device as devices
from ganaug import store as files
from ganaug.api.arrays import checked
from ganaug.api.visit import visiting
from ganaug.config import Settings
from ganaug.data.gather import Looked, gather
from ganaug.data.labelled import Labelled, check_counts
from ganaug.data.pictures import look_at
from ganaug.data.prepared import write_prepared
from ganaug.data.splits import RELEASE, Split
from ganaug.errors import UserError, quoted
from ganaug.stages.project import Project, prepared_with
from ganaug.stages.workspaces import existing

if TYPE_CHECKING:
    from ganaug.synth.generator import Generator

_SIDES = (8, 128)  # pixels


def fit(
    images: ArrayLike,
    labels: Any,
    *,
    preset: str = "default",
    steps: int = 3000,
    seed: int = 0,
    store: str | Path | None = None,
    gan: Mapping[str, Any] | None = None,
    device: devices.DeviceName = "auto",
) -> Generator:
    """A generator of the classes of ``images``, trained on all of them.

    ``images``: (N, H, W) or (N, H, W, C), uint8 or floats in 0..1, squares of 8 to 128 pixels, gray or RGB; ``labels``:
    (N,), whole numbers or text, at least two classes of at least 3 images each. ``preset``: a GAN that ``ganaug
    presets`` lists, trained for so many ``steps``; ``gan``: other settings of ``gan:`` in params.yaml, such as
    ``{"augment": {"flip": True}}``; ``device`` as there. ``seed`` is ``protocol.seed`` of a project: the same arrays
    and settings give the weights of its split ``release``, on one machine's CPU the same bytes. Nothing is filtered.

    ``store``: a folder for what is half done and done. A call that was stopped or killed goes on from there when it is
    made again, and one that was finished is read back. Left out: nothing is kept.

    Raises UserError if the arrays or the settings cannot be used.
    """
    pixels, rows, classes = checked(images, labels)
    check_counts(rows, classes, "labels")
    _check_square(pixels.shape[1:3])
    settings = _settings(pixels.shape[1], seed, {"preset": preset, "steps": steps}, gan or {}, device)
    if store is not None and not existing(Path(store)).is_dir():
        raise UserError(f"store: must be a folder, or a new one in a folder, got {quoted(str(store))}; name another")
    if store is not None and (Path(store) / "params.yaml").exists():
        raise UserError(f"store: must be a folder of fit's own, but {quoted(str(store))} holds a project; name another")
    found = Labelled(
        classes, pixels, rows, [f"images[{row}]" for row in range(len(rows))], np.zeros(len(rows), np.bool_)
    )
    kept = tempfile.TemporaryDirectory(prefix="ganaug-") if store is None else nullcontext(store)
    with kept as folder:
        return _trained(Project(Path(folder).resolve(), settings), found)


def _check_square(shape: tuple[int, ...]) -> None:
    height, width = shape
    if height != width or not _SIDES[0] <= height <= _SIDES[1]:
        raise UserError(
            f"images: must be squares of {_SIDES[0]} to {_SIDES[1]} pixels per side, got {height} high and {width} "
            "wide; crop or pad them to squares, then resize, such as with PIL.Image.resize((32, 32))"
        )


def _settings(size: int, seed: Any, named: dict[str, Any], gan: Mapping[str, Any], where: str) -> Settings:
    """Checked, of a project that would do the same; ``named`` arguments stand for keys of ``gan`` too."""
    if twice := [name for name in named if name in gan]:
        raise UserError(f"gan: must leave out {twice[0]}, which is an argument of its own, got both; give it once")
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in {**named, **gan}.items()}
    if isinstance(plain.get("init_from"), str | Path):  # workers may run in another folder
        plain["init_from"] = str(Path(plain["init_from"]).absolute())
    raw = {
        "data": {"source": {"kind": "npz", "path": "images.npz"}, "image_size": size},
        "protocol": {"kind": "cv", "seed": seed.item() if isinstance(seed, np.generic) else seed},
        "gan": plain,
        "classify": {"arms": ["none"]},
        "device": where,
    }
    settings = config.check(raw, "ganaug.fit")
    if settings.gan.translate is not None:
        raise UserError(
            f"preset: must make images of classes, got {quoted(named['preset'])}, which moves images between conditions"
            "; name another, or have ganaug.evaluate(..., conditions=...) train a translator"
        )
    return settings


def _trained(project: Project, found: Labelled) -> Generator:
    from ganaug.stages.train import train
    from ganaug.synth.load import load

    waits = f"fit: another call is at work in {project.root}; waiting for it"
    with visiting(), project.alone("fit", waits):
        with files.replacing(project.prepared, folder=True) as folder:
            looked = Looked(found, look_at(found.images, 1))
            data = gather(project.settings.data, folder / "images.npy", 1, looked=looked)
            whole = Split(list(range(len(found.labels))), [])
            write_prepared(folder, prepared_with(project), data, {RELEASE: whole})
        train(project, RELEASE)
        return cast("Generator", load(project.generator(RELEASE)))
