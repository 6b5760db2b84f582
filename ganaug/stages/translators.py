"""Training and writing a split's translator: what stage ``train`` does where ``gan.translate`` is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug import device, store
from ganaug.classify.arms import arm
from ganaug.stages.classifiers import fit
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganaug.gan.resume import Keeper
    from ganaug.synth.translator import Translator
    from ganaug.translate.loop import TrainedTranslator

OnLog = Callable[[int, Mapping[str, float | None]], None]
_SHOWN, _EACH = 3, 3  # sources of a class on the sheet of samples, and translations of each to a condition


def train_and_write(
    split: SplitOf, description: dict[str, Any], folder: Path | None, where: torch.device, keeper: Keeper, on_log: OnLog
) -> TrainedTranslator:
    """Train the translator of ``split`` on its train part alone, on the device ``where``, and put what came of it into
    ``folder``, if there is one. ``description``: what the file says of any generator; ``keeper`` of its half-trained
    state; ``on_log`` gets each row of the history."""
    from ganaug.translate.loop import train_translator

    part, data = split.prepared.part(split.rows.train), split.settings.data
    conditions = split.conditions_of(split.rows.train)
    with keeper.watching():
        trained = train_translator(
            part.images,
            part.labels,
            np.zeros_like(part.labels) if conditions is None else conditions,
            len(split.classes),
            split.conditions,
            split.goals,
            split.settings.gan,
            split.gan_seed,
            where,
            on_log,
            recognise=_classifier(split, where),
            keeper=keeper,
        )
    description |= {
        "conditions": split.conditions,
        "targets": split.goals,
        # How other pictures are read.
        "pictures": {"aspect": data.aspect, "background": data.background, "depth": split.prepared.depth},
    }
    if folder is not None:
        _write(split, trained, description, folder)
    return trained


def _classifier(split: SplitOf, where: torch.device) -> nn.Module | None:
    """The classifier that must recognise what comes back: that of the arm ``classical``, weight for weight."""
    spec = split.settings.gan.translate
    if spec is None or not spec.recognises:
        return None
    part = split.prepared.part(split.rows.train)
    classical = arm("classical", split.settings.classify)
    return fit(split, classical, (part.images, part.labels), None, split.classify_seed, where)


def _write(split: SplitOf, trained: TrainedTranslator, description: dict[str, Any], folder: Path) -> None:
    """A split's outputs: the networks, the history, sources beside their translations, and how the training went."""
    from ganaug.report.grids import labelled
    from ganaug.synth.translator import load_translator, save_translator
    from ganaug.translate import watching

    save_translator(folder / "generator.safetensors", trained.translator, description)
    store.write_tensors(folder / "checkpoint.safetensors", trained.checkpoint, description)
    rows = [[row[column] for column in watching.HISTORY] for row in trained.history]
    rounded = [["" if value is None else round(value, 5) for value in row] for row in rows]
    store.write_csv(folder / "history.csv", watching.HISTORY, rounded)
    sheet = dict(_examples(split, load_translator(folder / "generator.safetensors")))
    titles = [title for _ in range(_SHOWN) for title in ("source", *["moved"] * _EACH)]
    store.write_png(folder / "samples.png", labelled(list(sheet.values()), list(sheet), titles))
    steps = [f"step {step:,}" if step else "source" for step, _ in trained.progress]
    store.write_png(folder / "progress.png", labelled([row for _, row in trained.progress], steps, split.classes))
    alarms = watching.alarms(trained.history, trained.diverged_at, trained.step, trained.boundary is None)
    found = {"step": trained.step, "scores": trained.scores, **watching.as_json(trained.history, alarms)}
    store.write_sealed(folder / "health.json", found, [folder / "history.csv"])


def _examples(split: SplitOf, translator: Translator) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Per class and condition, by name: first sources, each before its translations, (N, H, W, C)."""
    where = device.resolve("cpu")
    for label, name in enumerate(split.classes):
        for target, rows in split.sources(label).items():
            sources, hashes = source_images(split, rows[:_SHOWN]), split.prepared.hashes(rows[:_SHOWN])
            made = [translator.translation(sources, hashes, target, number, 0, where) for number in range(_EACH)]
            title = name if len(split.goals) < 2 else f"{name}, {split.conditions[target]}"
            yield title, np.stack([sources, *made], axis=1).reshape(-1, *sources.shape[1:])


def source_images(split: SplitOf, rows: Sequence[int], number: int = 0) -> NDArray[np.uint8]:
    """The images of some rows, (N, H, W, C), as its translator is given them for translation ``number``: in a project
    without conditions degraded, as in the pairs that it learned from."""
    images, spec = split.prepared.images_of(rows), split.settings.gan.translate
    if split.prepared.conditions is not None or spec is None or spec.pairs is None:
        return images
    from ganaug.translate.pairs import degraded

    return degraded(images, split.prepared.hashes(rows), spec.pairs, number, split.settings.synth.seed)
