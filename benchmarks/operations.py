"""The same images from fewer operations: what the digits' GAN may leave out, on tuning draws.

    python benchmarks/operations.py [--only NAME ...] [--draws 5] [--jobs 2]

Each candidate is some settings of ``gan`` in place of those of params.yaml. Of each, and of what it is compared with:

operations: those of a training's convolutions and matrix products, lazy penalties among them, as a share of those of
the settings ``before``;
seconds: of the processor, of one training on one thread;
GAN-train: accuracy on the tuning draw's test images of classifiers (two seeds) that learned from 500 generated images
per class alone, along the steps and at the end by draw. Differences are paired by draw, with their 95 % interval.

Trainings are kept in build/operations/, and found again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from limits import Counted
from scipy.stats import t

from ganaug import config, device, seeds, store
from ganaug.classify.arms import arm, batches
from ganaug.classify.fitting import predict, train_classifier
from ganaug.config import Settings
from ganaug.data.prepared import Prepared
from ganaug.gan import watching
from ganaug.gan.loop import pictures
from ganaug.gan.nets.generator import Generator
from ganaug.gan.steps import Training
from ganaug.report.verdict import markdown_table
from ganaug.stages import prepare
from ganaug.stages.project import Project, prepared_now

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "operations"
PER_CLASS, SEEDS, MOMENTS = 500, 2, (0.5, 0.6, 0.8, 1.0)  # of the steps: where images are looked at
BEFORE: dict[str, Any] = {
    "steps": 1500,
    "batch_size": 64,
    "architecture": {"kind": "compact"},
    "generator_lr": 3e-4,
    "discriminator_lr": 3e-4,
}
CHEAP = {"kind": "compact", "last_stride": 2}
LARGER = {
    "architecture": CHEAP,
    "batch_size": 96,
    "steps": 1100,
    "generator_lr": 4e-4,
    "discriminator_lr": 4e-4,
}
CANDIDATES: dict[str, dict[str, Any]] = {
    "before": {},
    "D's last convolution of stride 2": {"architecture": CHEAP},
    "stride 2, 1,700 steps": {"architecture": CHEAP, "steps": 1700},
    "stride 2, batches of 96, 1,100 steps, rates of 4e-4": LARGER,
    "the same, R1 every 8 steps": {**LARGER, "regularisers": [{"kind": "r1", "gamma": 1.0, "every": 8}]},
    "stride 2, D of width 24": {"architecture": CHEAP, "discriminator_width": 24},
    "stride 2, batches of 32, 2,000 steps": {"architecture": CHEAP, "batch_size": 32, "steps": 2000},
    "900 steps, rates of 6e-4 along a cosine": {
        "steps": 900,
        "rate": "cosine",
        "generator_lr": 6e-4,
        "discriminator_lr": 6e-4,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    names = ["before", *(name for name in options.only if name != "before")]
    project = Project(BUILD, settings_of("before"))
    BUILD.mkdir(parents=True, exist_ok=True)
    prepare.prepare(project)
    tasks = [(name, draw) for draw in range(options.draws) for name in names]
    done = joblib.Parallel(options.jobs, batch_size=1)(joblib.delayed(trained)(name, draw) for name, draw in tasks)
    found = {name: [one for (other, _), one in zip(tasks, done, strict=True) if other == name] for name in names}
    shares = {name: operations(name) for name in names}
    columns = ["settings", "GAN-train after steps", "operations", "seconds", "at the end, by draw", "less before's"]
    print(markdown_table(columns, [row(name, found, shares[name] / shares["before"]) for name in names]))


def row(name: str, found: dict[str, list[dict[str, Any]]], share: float) -> list[str]:
    """The candidate's row: its images at the end, by draw, against those of ``before`` at its end."""
    own, before = (np.array([one["gan_train"][-1] for one in found[which]]) for which in (name, "before"))
    seconds = float(np.mean([one["seconds"] for one in found[name]]))
    steps, along = found[name][0]["steps"], np.mean([one["gan_train"] for one in found[name]], axis=0)
    path = ", ".join(f"{step:,}: {mean:.1f}" for step, mean in zip(steps, along, strict=True))
    return [name, path, f"{share:.0%}", f"{seconds:.0f}", " ".join(f"{one:.1f}" for one in own), paired(own - before)]


def paired(differences: Any) -> str:
    """The mean with its 95 % interval."""
    mean, count = float(differences.mean()), len(differences)
    if count < 2 or not differences.any():
        return f"{mean:+.1f}"
    half = float(t.ppf(0.975, count - 1) * differences.std(ddof=1) / count**0.5)
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def settings_of(name: str) -> Settings:
    """Those of the digits, on tuning draws, with the candidate's GAN."""
    raw = config.read(ROOT / "params.yaml")
    raw["protocol"] |= {"draws": "tuning", "trials": 5}
    raw["gan"] |= BEFORE | CANDIDATES[name]
    return config.check(raw)


def trained(name: str, draw: int) -> dict[str, Any]:
    """What came of the candidate on a tuning draw, now or before."""
    settings = settings_of(name)
    key = store.digest(store.canonical({"gan": config.plain(settings.gan), "draw": draw}))[:16]
    if (file := BUILD / f"{key}.json").is_file():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    device.prepare(device.resolve("cpu"))
    prepared = prepared_now(Project(BUILD, settings_of("before")))
    training, spec = of_draw(settings, prepared, draw), settings.gan
    steps = [round(spec.steps * share) for share in MOMENTS]
    result: dict[str, Any] = {"name": name, "draw": draw, "steps": steps, "gan_train": [], "seconds": 0.0}
    began = time.process_time()
    for step in range(1, spec.steps + 1):
        training.step(step)
        if step in steps:
            result["seconds"] += time.process_time() - began
            generator = watching.settled_average(training)
            result["gan_train"].append(gan_train(generator, settings, prepared, draw))
            began = time.process_time()
    store.write_json(file, result)
    print(name, draw, [round(one, 1) for one in result["gan_train"]], flush=True)
    return result


def of_draw(settings: Settings, prepared: Prepared, draw: int) -> Training:
    part = prepared.part(prepared.split(str(draw)).train)
    cpu = device.resolve("cpu")
    seed = seeds.derive(0, "operations", draw)
    return Training(part.images, part.labels, len(prepared.classes), settings.gan, seed, cpu)


def gan_train(generator: Generator, settings: Settings, prepared: Prepared, draw: int) -> float:
    """Accuracy, in per cent, on the draw's test images of what learned from generated ones alone."""
    classes, cpu = len(prepared.classes), device.resolve("cpu")
    made = pictures(generator.cpu(), classes, PER_CLASS, 1)
    pool = made.reshape(-1, *made.shape[2:]), np.repeat(np.arange(classes), PER_CLASS)
    test = prepared.part(prepared.split(str(draw)).test)
    channels, size, _ = prepared.image_shape
    right = []
    for seed in range(SEEDS):
        spec, own = settings.classifier, seeds.derive(seed, "operations")
        batch = batches(arm("none", settings.classify), pool, None, classes, spec.batch_size, own)
        model = train_classifier(batch, spec, channels, classes, size, own, cpu)
        right.append(100 * float((predict(model, test.images, cpu) == test.labels).mean()))
    return float(np.mean(right))


def operations(name: str) -> float:
    """Of all steps of a training."""
    settings = settings_of(name)
    training = of_draw(settings, prepared_now(Project(BUILD, settings_of("before"))), 0)
    cycle = max(one.every for one in settings.gan.regularisers)
    with Counted() as counted:
        for step in range(1, cycle + 1):
            training.step(step)
    return counted.operations / cycle * settings.gan.steps


if __name__ == "__main__":
    main()
