"""How a run's time, memory and disk grow: by the model of ``ganaug init`` and ``ganaug doctor``, and measured.

python benchmarks/growth.py model      # by images, classes, pixels, trials and arms: steps are timed, the rest computed
python benchmarks/growth.py measured   # said and measured: whole runs of few steps
python benchmarks/growth.py large      # 100 classes x 500 images of 128 pixels in colour: said, and each part's memory
python benchmarks/growth.py counts     # the stages with as many images, of 8 pixels: memory of each

Seconds are the processor's, whoever else uses it, but for the model's, of a run with two processes side by side. Memory
of a run is measured as in pipeline.py (all processes together); of a part, it is the largest resident size of a process
that does that part alone.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import estimate as commands
import numpy as np
import pipeline

from ganaug import config
from ganaug.stages.machine import machine
from ganaug.stages.needs import Sizes, amount, needs
from ganaug.start import estimate
from ganaug.start.estimate import Pace

Shape = tuple[int, int, int]
ARMS = ["classical", "gan+classical", "none", "gan", "placebo"]
MORE = ["smote", "gan+cutmix", "placebo+classical", "gan+affine", "oversample"]
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 28, 28), (3, 64, 64), (3, 128, 128)]
CLASSES, IMAGES, SHAPE = LARGE = 100, 500, (3, 128, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=[*TABLES, *PARTS])
    for name in parser.parse_args().tables:
        if name in PARTS:  # in a process of its own, for ``large``
            began = time.process_time()
            PARTS[name]()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
            print(f"{amount(peak)}, {time.process_time() - began:.0f} s")
            continue
        here, (head, rows) = machine(), TABLES[name]
        print(f"{here['system']}, Python {here['python']}, {here['packages']}, {commands.joblib.cpu_count()} cores")
        print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|")
        for row in rows():
            print(f"| {' | '.join(row)} |", flush=True)


def params(shape: Shape, arms: list[str] = ARMS, folds: int = 5, **few: int) -> dict[str, Any]:
    """As ``ganaug init`` chooses them for a CPU, or with ``few`` steps: gan, classifier; images per class: synth."""
    width = 24 if shape[1] <= 32 else 16
    return {
        "data": {"source": {"kind": "npz", "path": "images.npz"}, "image_size": shape[1]},
        "protocol": {"kind": "cv", "folds": folds, "repeats": 1},
        "gan": {"generator_width": width, "discriminator_width": width, "steps": few.get("gan", 2000)},
        "synth": {"per_class": few.get("synth", 500)},
        "classifier": {"width": 32 if shape[1] <= 16 else 16, "steps": few.get("classifier", 500)},
        "classify": {"arms": arms, "curve": []},
        "device": "cpu",
        "jobs": 2,
    }


def sizes_of(classes: int, images: int, shape: Shape, folds: int = 5) -> Sizes:
    learned = round(images * (1 - 1 / folds))
    return Sizes({str(label): learned for label in range(classes)}, classes * images // folds, classes * images, shape)


def random_images(classes: int, images: int, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(classes), images)
    return np.random.default_rng(0).integers(0, 256, (len(labels), *shape[1:], shape[0]), np.uint8), labels


# ----------------------------------------------------------------------------------------------------------- the model


@cache
def pace(shape: Shape, arms: tuple[str, ...] = tuple(ARMS)) -> Pace:
    """Of two processes, each as fast as one alone; steps take about as long for any number of classes."""
    return replace(timed(params(shape, list(arms)), sizes_of(10, 20, shape)), jobs=2)


def timed(raw: dict[str, Any], sizes: Sizes) -> Pace:
    """Of one process."""
    return estimate.measure_for(config.check({**raw, "jobs": 1}), sizes)


def model() -> Iterator[tuple[str, ...]]:
    """One thing at a time."""

    def row(
        title: str,
        classes: int = 10,
        images: int = 100,
        shape: Shape = (1, 28, 28),
        folds: int = 5,
        arms: list[str] = ARMS,
    ) -> tuple[str, ...]:
        settings, sizes = config.check(params(shape, arms, folds)), sizes_of(classes, images, shape, folds)
        seconds, takes = pace(shape, tuple(arms)).run_seconds(settings, sizes), needs(settings, sizes)
        return title, in_words(seconds), f"{amount(takes.memory)} ({takes.stage})", amount(takes.disk)

    yield row("10 classes x 100 images, 28 px, gray, 5 trials, 5 arms")
    for images in (20, 500, 2000):
        yield row(f"{images} images per class", images=images)
    for classes in (2, 50, 100):
        yield row(f"{classes} classes", classes=classes)
    for shape in SHAPES:
        yield row(f"{shape[1]} px, {'gray' if shape[0] == 1 else 'colour'}", shape=shape)
    for trials in (3, 10, 20):
        yield row(f"{trials} trials", folds=trials)
    for arms in (ARMS[:2], [*ARMS, *MORE]):
        yield row(f"{len(arms)} arms", arms=arms)


def in_words(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.1f} min"


# ------------------------------------------------------------------------------------------------------------ measured

RUNS: dict[str, tuple[int, int, Shape, int]] = {  # classes, images per class, shape, steps of the GAN
    "10 x 20, 8 px, gray": (10, 20, (1, 8, 8), 400),
    "10 x 100, 28 px, gray": (10, 100, (1, 28, 28), 100),
    "10 x 20, 28 px, colour": (10, 20, (3, 28, 28), 100),
    "10 x 20, 64 px, colour": (10, 20, (3, 64, 64), 40),
    "50 x 40, 16 px, colour": (50, 40, (3, 16, 16), 40),
}


def measured() -> Iterator[tuple[str, ...]]:
    """Whole runs, on random images: three folds, and the release."""
    for name, (classes, images, shape, steps) in RUNS.items():
        raw = params(shape, folds=3, gan=steps, classifier=60, synth=100)
        settings, sizes = config.check(raw), sizes_of(classes, images, shape, 3)
        alone = timed(raw, sizes)  # the processor's time is of all processes
        takes = needs(settings, sizes, dvc=False)
        with tempfile.TemporaryDirectory() as temporary:
            folder = written(Path(temporary), raw, classes, images, shape)
            used, peak = run(["run", "--quiet"], folder)
            disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".npz")
        said = (f"{alone.run_seconds(settings, sizes):.0f}", amount(takes.memory), amount(takes.disk))
        pairs = zip(said, (f"{used:.0f}", amount(peak), amount(disk)), strict=True)
        yield f"{name}, {steps} steps", *(figure for pair in pairs for figure in pair)


def written(folder: Path, raw: dict[str, Any], classes: int, images: int, shape: Shape) -> Path:
    pixels, labels = random_images(classes, images, shape)
    np.savez(folder / "images.npz", images=pixels, labels=labels)
    (folder / "params.yaml").write_text(json.dumps(raw))
    return folder


def run(words: list[str], folder: Path) -> tuple[float, int]:
    """The processor's seconds, and the largest memory of all processes together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, peak, _ = pipeline.measured([*commands.COMMAND, *words], folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


# --------------------------------------------------------------------------------------------------------------- large


def large() -> Iterator[tuple[str, ...]]:
    settings, sizes = config.check(params(SHAPE)), sizes_of(*LARGE)
    here = pace(SHAPE)
    takes = needs(settings, sizes)
    yield "said: " + str(takes), in_words(here.run_seconds(settings, sizes))
    yield "- a step of the GAN", f"{here.gan_step:.2f} s"
    yield "- a step of the classifier, arm classical", f"{here.classifier_steps['classical']:.2f} s"
    yield "- an image made; looked at by the classifier", f"{1e3 * here.make:.0f} ms; {1e3 * here.look:.1f} ms"
    yield "- the distance of two images in pixels", f"{1e6 * here.pair:.1f} us"
    trial = replace(here, jobs=1)
    yield "- distances of a generator's images for its health", in_words(trial._health(settings, sizes))
    yield "- distances of a trial's images", in_words(trial._near_copies(sizes, sizes.made(settings)))
    for name, part in PARTS.items():
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=False)
        yield f"measured: {part.__doc__}", done.stdout.strip() or f"exit code {done.returncode}"


def learned() -> tuple[np.ndarray, np.ndarray]:
    return random_images(CLASSES, IMAGES * 4 // 5, SHAPE)


def nothing() -> None:
    """a process with everything imported"""
    import sklearn.metrics  # noqa: F401

    from ganaug.classify.fitting import predict  # noqa: F401
    from ganaug.gan.loop import train_gan  # noqa: F401


def train() -> None:
    """four steps of the GAN on 40,000 images, a row of its history"""
    from ganaug import device
    from ganaug.gan import health, watching
    from ganaug.gan.steps import Training

    where = device.resolve("cpu")
    device.prepare(where)
    gan = Training(*learned(), CLASSES, config.check(params(SHAPE)).gan, 0, where)
    spread = health.real_spread(gan)
    for step in range(1, 5):
        gan.step(step)
    watching.history_row(gan, 1, None, spread)
    watching.settled_average(gan)


def look() -> None:
    """the images that a generator's health is measured on, without their distances"""
    import torch

    from ganaug.gan import health
    from ganaug.stages.train import looked_at

    made = np.zeros((CLASSES, looked_at(CLASSES), *SHAPE[1:], SHAPE[0]), np.uint8)
    health.measure(made, *random_images(CLASSES, 2, SHAPE), torch.ones(CLASSES))


def classify() -> None:
    """four steps of the classifier on 40,000 images, 10,000 predicted"""
    from ganaug import device
    from ganaug.classify.arms import arm, batches
    from ganaug.classify.fitting import predict, train_classifier

    where, settings = device.resolve("cpu"), config.check(params(SHAPE, classifier=4))
    device.prepare(where)
    chosen, spec = arm("classical", settings.classify), settings.classifier
    draw = batches(chosen, learned(), None, CLASSES, spec.batch_size, 0, None)
    model = train_classifier(draw, spec, SHAPE[0], CLASSES, SHAPE[1], 0, where, chosen.policy.attach)
    predict(model, random_images(CLASSES, 20, SHAPE)[0], where)  # the memory grows by the image alone


def smote() -> None:
    """the pool of the arm smote, 10,000 of 8,000 images: a fifth of the classes"""
    from ganaug.classify.filler import Stock
    from ganaug.classify.fillers import FILLERS

    unused: Any = None
    images, labels = learned()
    fifth = labels < CLASSES // 5
    real = images[: fifth.sum()], labels[fifth]
    FILLERS["smote"].pool(Stock(real, [IMAGES] * (CLASSES // 5), 0, unused, unused, unused), unused)


def distances() -> None:
    """fidelity of 50,000 images beside 10,000, by 1,024 features"""
    from ganaug.measure.image_metrics import Sample, fidelity

    rng, names = np.random.default_rng(0), [str(label) for label in range(CLASSES)]
    real, made = np.repeat(np.arange(CLASSES), 100), np.repeat(np.arange(CLASSES), 500)
    features = [rng.normal(size=(len(one), 1024)).astype(np.float32) for one in (real, made)]
    probabilities = rng.dirichlet(np.ones(CLASSES), len(made))
    fidelity(Sample(features[0], real, real), Sample(features[1], made, made), probabilities, names, 0)


PARTS: dict[str, Callable[[], None]] = {
    one.__name__: one for one in (nothing, train, look, classify, smote, distances)
}  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- counts


def counts() -> Iterator[tuple[str, ...]]:
    """One trial and the release of 40,000 and 50,000 images, few steps: what grows with the numbers alone."""
    shape = (1, 8, 8)
    raw = params(shape, ["classical", "gan+classical", "smote"], gan=20, classifier=20)
    raw["protocol"] = {"kind": "subsets", "trials": 1, "train_per_class": 400, "test_per_class": 100}
    with tempfile.TemporaryDirectory() as temporary:
        folder = written(Path(temporary), raw, CLASSES, 2 * IMAGES, shape)
        for words in (["prepare"], ["train"], ["synth", "--all"], ["classify"], ["report"]):
            used, peak = run(words, folder)
            yield f"ganaug {' '.join(words)}", f"{used:.0f} s", amount(peak)


TABLES: dict[str, tuple[tuple[str, ...], Callable[[], Iterator[tuple[str, ...]]]]] = {
    "model": (("changed", "time", "memory, at least", "disk"), model),
    "measured": (
        ("run", "CPU s, said", "measured", "memory, said", "measured", "disk, said", "measured"),
        measured,
    ),
    "large": ((f"{CLASSES} x {IMAGES}, {SHAPE[1]} px, colour", "figure"), large),
    "counts": ((f"{CLASSES} x {IMAGES}, 8 px, gray", "processor", "memory, measured"), counts),
}

if __name__ == "__main__":
    main()
