"""Looking at the training of a translator without changing it: rows of its history, snapshots, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug import seeds
from ganaug.gan import health
from ganaug.gan.health import WHAT_HELPS, Alarm, Found
from ganaug.gan.run import Row, read_measures
from ganaug.pixels import to_float, to_pixels
from ganaug.translate import losses
from ganaug.translate.pairs import degrade
from ganaug.translate.steps import MEASURES, Training

# A row of history.csv: None where there is nothing to measure it with.
HISTORY = ("step", *MEASURES, "recognised", "diversity", "augment_probability")
_LOOKED_AT = 64  # sources, at most, per row
_MONOTONOUS = 0.1  # times the difference of two target images
_LOST = 0.5  # of the classes that are still recognised after the way back


def some_sources(training: Training) -> tuple[Tensor, Tensor]:
    """Rows of sources, evenly from all of every target, and their targets, (N,)."""
    share = max(1, _LOOKED_AT // len(training.goals))
    some = [rows[:: max(1, -(-len(rows) // share))] for rows in training.movable]
    targets = training.goals.repeat_interleave(torch.tensor([len(rows) for rows in some], device=training.device))
    return torch.from_numpy(np.concatenate(some)).to(training.device), targets


def one_of_each_class(training: Training, classes: int) -> tuple[Tensor, Tensor]:
    """The row of the first source of each of ``classes``, -1 where there is none, and its target; (classes,)."""
    found: dict[int, tuple[int, int]] = {}
    labels = training.labels.cpu()
    for goal, movable in zip(training.goals.tolist(), training.movable, strict=True):
        for row, label in zip(movable.tolist(), labels[movable].tolist(), strict=True):
            found.setdefault(label, (row, goal))
    chosen = [found.get(label, (-1, int(training.goals[0]))) for label in range(classes)]
    rows, targets = zip(*chosen, strict=True)
    return torch.tensor(rows, device=training.device), torch.tensor(targets, device=training.device)


def sources_of(training: Training, rows: Tensor, seed: int) -> Tensor:
    """The images of ``rows`` as a translator is given them: degraded, by ``seed``, where it learns from pairs."""
    images = to_float(training.images[rows])
    rng = torch.Generator(training.device).manual_seed(seed)
    return degrade(images, training.terms.pairs, rng) if training.terms.pairs else images


@torch.no_grad()
def history_row(training: Training, step: int, rows: Tensor, targets: Tensor) -> Row:
    """The row of HISTORY after ``step`` of ``training``, since the last call.

    ``rows`` of sources and their ``targets``, (N,), are looked at.
    """
    measured = read_measures(training)
    row: Row = {"step": float(step), **{name: measured[name] if training.plays(name) else None for name in MEASURES}}
    seed = seeds.derive(training.seed, "looked at", step)
    rng = torch.Generator(training.device).manual_seed(seed)
    sources = sources_of(training, rows, seed)
    moved = []
    for _ in range(2):
        noise = torch.randn((len(rows), training.generator.noise_size), generator=rng, device=training.device)
        moved.append(training.generator(sources, noise, targets).float())
    row["recognised"] = row["diversity"] = None
    if training.returns and training.recognise is not None:
        said = training.recognise(training.send_back(moved[0], training.conditions[rows])).argmax(dim=1)
        row["recognised"] = float((said == training.labels[rows]).float().mean())
    usual = float(training.usual[targets].mean())
    if training.generator.noise_size and usual > 0:
        row["diversity"] = float(losses.difference(*moved).mean()) / usual
    row["augment_probability"] = float(training.probability) if training.spec.ada else None
    return row


def shown_sources(training: Training, rows: Tensor) -> NDArray[np.uint8]:
    """What ``snapshot`` translates, (N, H, W, C)."""
    images = sources_of(training, rows.clamp(min=0), seeds.derive(training.seed, "snapshot"))
    return to_pixels(images * (rows >= 0)[:, None, None, None])


@torch.no_grad()
def snapshot(training: Training, rows: Tensor, targets: Tensor) -> NDArray[np.uint8]:
    """The translations of ``rows`` to ``targets``, (N, H, W, C), with the same noise at every call; gray for -1."""
    seed = seeds.derive(training.seed, "snapshot")
    rng = torch.Generator(training.device).manual_seed(seed)
    noise = torch.randn((len(rows), training.generator.noise_size), generator=rng, device=training.device)
    moved = training.average(sources_of(training, rows.clamp(min=0), seed), noise, targets)
    return to_pixels(moved * (rows >= 0)[:, None, None, None])


def alarms(history: Sequence[Row], diverged_at: int | None, kept: int, compares: bool) -> list[Alarm]:
    """What is wrong, in plain words, each with what to do; ``history``, ``diverged_at``, ``kept`` and ``compares`` are
    those of health.alarms."""
    found = [*health.of_history(history, diverged_at, kept, compares), *_of_translations(history)]
    return [Alarm(kind, says, WHAT_HELPS[kind]) for kind, says in found]


def _of_translations(history: Sequence[Row]) -> Iterator[Found]:
    last = health.last_rows(history)
    diversity, recognised = health.mean(last, "diversity"), health.mean(last, "recognised")
    if diversity is not None and diversity < _MONOTONOUS:
        yield "no diversity", f"translations of one image differ {diversity:.2f} times as much as two target images do"
    if recognised is not None and recognised < _LOST:
        yield "classes lost", f"only {recognised:.0%} of the images are recognised after the way there and back"


def as_json(history: Sequence[Row], found: Sequence[Alarm]) -> dict[str, Any]:
    """For health.json: what the training ended with, and its alarms. ``copies``: a translation is of its source."""
    last = health.last_rows(history)
    measured = {name: health.mean(last, name) for name in ("diversity", "recognised", "cycle")}
    rounded = {name: None if value is None else round(value, 4) for name, value in measured.items()}
    return {**rounded, "copies": None, "alarms": [asdict(alarm) for alarm in found]}
