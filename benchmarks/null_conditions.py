"""The null control of the protocols that hide cells: conditions that differ in nothing must show no gain.

    python benchmarks/null_conditions.py [--runs 200] [--jobs 8] [--protocol cells]

Each run draws digits, calls each image's condition "old" or "new" at random, takes the images of half of the classes
under "new" away, and goes through the whole pipeline: classifiers, swaps, masks and translators are real. What is told
are the runs whose answer is "gain": a two-sided interval of 95 % gives that in 2.5 % of runs where nothing is gained.
The hidden classes have fewer images here, as every missing cell makes them. A mask or a filler evens that out: it gains
recall of the hidden cells at the cost of the others, and truly so. By condition_accuracy, which the verdict goes by,
nothing is to be gained. The last line counts the answers of the reports.
"""

import argparse
import json
import logging
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits

from ganaug import config
from ganaug.measure.contributions import METRICS
from ganaug.report.answer import answer
from ganaug.report.verdict import markdown_table
from ganaug.stages import pipeline
from ganaug.stages.project import Project

PER_CELL = 10
NOISE = 80.0  # standard deviation, of gray levels of 0 to 255: so that classifiers err
ARMS = ["classical", "classical+masked", "histogram+classical", "histogram+classical+masked"]
TRANSLATED = ["translate+classical", "translate+classical+masked"]
PROTOCOLS: dict[str, dict[str, Any]] = {
    "cells": {"kind": "cells", "folds": 5, "repeats": 1},
    "cell-draws": {
        "kind": "cell-draws", "trials": 5, "train_per_cell": 10, "test_per_cell": 20, "tuning_per_cell": 0,
        "tuning_test_per_cell": 0,
    },
}  # fmt: skip


def settings(protocol: str, images: Path, seed: int, steps: int, arms: list[str]) -> dict[str, Any]:
    """What params.yaml would hold."""
    translates = not set(TRANSLATED).isdisjoint(arms)
    return {
        "data": {"source": {"kind": "npz", "path": str(images)}},
        "protocol": {**PROTOCOLS[protocol], "seed": seed},
        "gan": {"preset": "translate", "steps": steps} if translates else {"steps": 1},
        "synth": {"per_class": 2 * PER_CELL},
        "classifier": {"steps": 2 * steps, "batch_size": 32, "width": 8},
        "classify": {"arms": arms, "curve": []},
        "fidelity": {"enabled": False},
        "device": "cpu",
        "jobs": 1,
    }


def write_images(path: Path, protocol: str, rng: np.random.Generator) -> None:
    """Digits whose conditions are drawn. Under ``cells``, five of the ten classes are under "old" alone."""
    digits = load_digits()
    images, labels = digits.images * 255 / 16, digits.target
    images = (images + NOISE * rng.normal(size=images.shape)).clip(0, 255).astype(np.uint8)
    kept: list[int] = []
    conditions: list[str] = []
    for label, seen in zip(rng.permutation(10), [True] * 5 + [protocol == "cell-draws"] * 5, strict=True):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if protocol == "cells":
            rows = rows[: PER_CELL * (1 + seen)]
        kept += rows.tolist()
        conditions += (["old", "new"] * len(rows))[: len(rows)] if seen else ["old"] * len(rows)
    np.savez(path, train_images=images[kept], train_labels=labels[kept], train_conditions=np.array(conditions))


def run(protocol: str, seed: int, steps: int, arms: list[str]) -> dict[str, Any]:
    """The summary of one run."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(folder / "images.npz", protocol, np.random.default_rng(seed))
        checked = config.check(settings(protocol, folder / "images.npz", seed, steps, arms))
        pipeline.run(Project(folder, checked))
        found: dict[str, Any] = json.loads((folder / "reports" / "summary.json").read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--protocol", choices=sorted(PROTOCOLS), default="cells")
    parser.add_argument("--steps", type=int, default=100, help="of the translator; the classifier takes twice as many")
    parser.add_argument("--without-translation", action="store_true", help="only the arms without a GAN")
    options = parser.parse_args()
    arms, began = ARMS + TRANSLATED * (not options.without_translation), time.perf_counter()
    calls = (joblib.delayed(run)(options.protocol, seed, options.steps, arms) for seed in range(options.runs))
    summaries: list[dict[str, Any]] = joblib.Parallel(options.jobs, verbose=1)(calls)
    told: dict[str, Counter[str]] = {}
    means: dict[str, list[float]] = {}
    for summary in summaries:
        for gain, figures in summary["gains"].items():
            means.setdefault(gain, []).append(figures["condition_accuracy"]["mean"])
            told.setdefault(gain, Counter()).update(key for key, one in figures.items() if one["answer"] == "gain")
    rows = [
        (gain, f"{np.mean(means[gain]):+.1f}", *(str(counts[key]) for key in METRICS)) for gain, counts in told.items()
    ]
    print(f"{options.runs} runs, protocol {options.protocol}, {time.perf_counter() - began:.0f} s")
    most = int(stats.binom.ppf(0.99, options.runs, 0.025))
    print(f"runs that answer gain, by metric; where nothing is gained, {most} or fewer in 99 of 100 such counts\n")
    print(markdown_table(("gain", "mean, condition_accuracy", *METRICS), rows))
    answers = Counter(found.word for summary in summaries if (found := answer(summary)))
    print("\nanswers of the report: " + ", ".join(f"{word} {count}" for word, count in answers.most_common()))


if __name__ == "__main__":
    main()
