"""Do edited images keep their class? Held-out real images of a finished project, inverted into each trial's generator
and moved; a classifier that learned other real images, none of the trial's train or test part, says what they are.

    python benchmarks/edit.py FOLDER [--images 10] [--trials 10]
    python benchmarks/edit.py --arms [--draws tuning] [--trials N]

FOLDER is read only. A row for each way to move: how many images are still named as their class (as the other one, of
moves to a class) and how far their pixels are from where they began, of 0 to 1. Random directions are what the others
are measured against. ``--arms``: what the filler ``edits`` gains on digits beside GAN images, SMOTE and the placebo, as
benchmarks/gain.py runs it, in build/gain/.
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import gain
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from ganaug import device, seeds
from ganaug.classify.arms import arm
from ganaug.classify.fitting import probabilities
from ganaug.edit.directions import ganspace, sefa
from ganaug.edit.edits import along, between, draw
from ganaug.edit.inversion import Inverted, Inverter
from ganaug.report.verdict import markdown_table
from ganaug.stages import pipeline
from ganaug.stages.classifiers import fit
from ganaug.stages.machine import machine
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf, open_splits
from ganaug.synth.generator import load_generator

CPU, DIRECTIONS, STRENGTHS, JUDGED_BY = torch.device("cpu"), 8, (1.0, 2.0, 4.0), 200  # images of a class at most
Figures = dict[str, tuple[float, float]]  # {move: (share named, mean change)}
gain.SCENARIOS["digits-5-edits"] = gain.Scenario(
    "digits, 5 per class, with edits",
    gain.DIGITS,
    {
        "protocol": {"trials": 10},
        "classify": {
            "arms": [
                "none", "classical", "gan", "gan+classical", "edits", "edits+classical", "placebo",
                "placebo+classical", "smote", "smote+classical",
            ],
            "curve": [],
            "repeats": 1,
        },
    },
)  # fmt: skip


def some(labels: NDArray[np.int64], rows: list[int], most: int) -> list[int]:
    """The first ``most`` of each class."""
    return [row for label in np.unique(labels) for row in [one for one in rows if labels[one] == label][:most]]


def measured(trial: SplitOf, images: int) -> Figures:
    labels, rows = trial.prepared.labels, trial.rows
    seen = {*rows.train, *rows.test, *rows.spare}
    others = some(labels, [row for row in range(len(labels)) if row not in seen], JUDGED_BY)
    part = trial.prepared.part(others)
    classical = arm("classical", trial.settings.classify)
    judge = fit(trial, classical, (part.images, part.labels), None, trial.seed("edits", "judge"), CPU)
    held = trial.prepared.part(some(labels, rows.test, images))
    real, of = np.array(held.images), held.labels

    def named(some: NDArray[np.uint8], wanted: NDArray[np.int64]) -> float:
        return float((probabilities(judge, some, CPU).argmax(axis=1) == wanted).mean())

    began = time.process_time()
    network = load_generator(trial.project.models / trial.name / "generator.safetensors").network
    finder = Inverter(network, len(trial.classes), CPU)
    ones = finder.invert(real, of)
    print(f"trial {trial.name}: {len(real)} images in {time.process_time() - began:.0f} s of CPU", flush=True)
    found: Figures = {"real, unchanged": (named(real, of), 0.0)}
    found["inverted"] = named(ones.images, of), float(ones.errors.mean())
    rng = seeds.torch_rng(0, "edits", trial.name)
    random = torch.nn.functional.normalize(torch.randn(DIRECTIONS, network.z_dim, generator=rng), dim=1)
    sets = {"sefa": sefa(network, DIRECTIONS), "ganspace": ganspace(finder, DIRECTIONS), "random": random}
    for name, directions in sets.items():
        for strength in STRENGTHS:
            moved = [draw(finder, of, along(finder, ones, one, [-strength, strength])) for one in directions]
            each = [image for both in moved for image in np.moveaxis(both, 1, 0)]
            shares, changes = zip(*((named(one, of), apart(one, ones)) for one in each), strict=True)
            found[f"{name}, {strength:g}"] = float(np.mean(shares)), float(np.mean(changes))
    goal = (of + 1) % len(trial.classes)
    other = draw(finder, of, between(ones, replace(ones, labels=goal), 2))[:, 1]
    found["to the next class"] = named(other, goal), apart(other, ones)
    return found


def apart(images: NDArray[np.uint8], ones: Inverted) -> float:
    return float(np.abs(images.astype(np.float32) - ones.images).mean() / 255)


def spread(values: list[float], unit: float, digits: int) -> str:
    """The mean over trials, with its 95 % t interval."""
    mean = np.mean(values) * unit
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5 * unit
    return f"{mean:.{digits}f} ({mean - half:.{digits}f} to {mean + half:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of a finished project")
    parser.add_argument("--images", type=int, default=10, help="held-out images of each class")
    parser.add_argument("--trials", type=int, help="at most so many")
    parser.add_argument("--arms", action="store_true")
    parser.add_argument("--draws", choices=("report", "tuning"), default="report")
    options = parser.parse_args()
    device.prepare(CPU)
    if options.arms:
        made = gain.project("digits-5-edits", options.draws, options.trials)
        made.root.mkdir(parents=True, exist_ok=True)
        pipeline.run(made)
        print(f"{gain.tables(gain.kept('digits-5-edits', made))}\n\n{machine()}")
        return
    os.chdir(options.folder)
    splits = open_splits(Project.here())
    trials = [one for one in splits if one.name in one.settings.protocol.trial_names()][: options.trials]
    every = [measured(trial, options.images) for trial in trials]
    rows = [
        (move, spread([one[move][0] for one in every], 100, 1), spread([one[move][1] for one in every], 1, 3))
        for move in every[0]
    ]
    print(f"\n{markdown_table(('move, standard deviations', 'named, %', 'change of pixels'), rows)}\n\n{machine()}")


if __name__ == "__main__":
    main()
