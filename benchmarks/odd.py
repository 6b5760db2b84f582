"""What finds odd images and wrong labels, and whether it pays to clean them: digits and Fashion-MNIST.

    python benchmarks/odd.py [--sets digits fashion-mnist] [--draws 10] [--seconds 60] [--jobs 1] [--device cpu]

Each draw has 50 images per class; one in twenty is made odd: its label flipped to another class, the image replaced by
one of the other set (brought to the same size), or corrupted (noise, blur, a covered part, in turn). Every method gives
each image a score; told are the area under its ROC curve and how many of its 20 surest are odd, with 95 % confidence
intervals over draws.

- confident learning: cleanlab's, of classifiers that learned other folds (``ganaug check`` for labels)
- self-confidence: of the label, by one classifier that learned all images
- features: distance to the 10 nearest, in what the classifiers of other folds see, over what is usual for the class
- unsure: one minus the largest probability of these classifiers
- features and unsure: their product (``ganaug check`` for images)
- pixels: distance to the 10 nearest in pixels
- f-AnoGAN: under the image's label, by the GAN of the set's project, that learned the other half of the images in
  ``--seconds`` of one core's time (0: left out), with ``--device cuda`` as many of the core that drives the GPU

Classifiers that learn each draw as it is, without what is flagged, without as many at random and under the labels that
are suggested are then tested on images that are in no draw's faults. ``--jobs`` draws and faults are measured side by
side. Results are kept in build/odd/, so that a run that was stopped goes on.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from ganaug import config, device, seeds, store, workers
from ganaug.check.anogan import scores
from ganaug.check.judge import judge
from ganaug.classify.arms import Arm, ClassifySpec, arm, batches
from ganaug.classify.filler import Stock
from ganaug.classify.fitting import predict, probabilities, train_classifier
from ganaug.classify.neighbours import distances
from ganaug.classify.pools import Pool
from ganaug.classify.spec import ClassifierSpec
from ganaug.data.digits import Digits
from ganaug.data.idx import Idx
from ganaug.data.splits import Items
from ganaug.edit.inversion import Inverter
from ganaug.gan.nets.discriminator import Features
from ganaug.gan.steps import Training
from ganaug.gan.watching import settled_average
from ganaug.report.verdict import markdown_table
from ganaug.stages.machine import machine

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "odd"
CLASSES, PER_CLASS, TEST, SHARE = 10, 50, 60, 0.05
FAULTS = ("none", "flipped", "foreign", "corrupted")
ARMS = ("classical", "cleaned+classical", "dropped+classical", "relabelled+classical")
GAINS = [("cleaned", "classical"), ("cleaned", "dropped"), ("relabelled", "classical"), ("relabelled", "dropped")]
Array = NDArray[Any]


def images_of(name: str) -> Pool:
    """All of a set that is used."""
    found = (Digits() if name == "digits" else Idx(Path("/usr/share/datasets/fashion-mnist"))).load()
    images = np.asarray(found.images)
    return images[:20_000], found.labels[:20_000]


def resized(images: Array, side: int) -> Array:
    """(N, H, W, 1) to ``side`` pixels."""
    pictures = (Image.fromarray(one[..., 0]).resize((side, side), Image.Resampling.BILINEAR) for one in images)
    return np.stack([np.asarray(one)[..., None] for one in pictures])


def corrupted(image: Array, kind: int, rng: np.random.Generator) -> Array:
    """Noise, a blur, or a black square of half the side."""
    side = len(image)
    if kind == 0:
        return np.clip(image + rng.normal(0, 60, image.shape), 0, 255).astype(np.uint8)
    if kind == 1:
        return gaussian_filter(image, (side / 8, side / 8, 0))
    top, left = rng.integers(0, side - side // 2 + 1, 2)
    covered = image.copy()
    covered[top : top + side // 2, left : left + side // 2] = 0
    return covered


def drawn(name: str, fault: str, draw: int) -> tuple[Pool, Array, Pool]:
    """(images and labels with faults, which have one, images to test on)."""
    images, labels = images_of(name)
    rows = [seeds.numpy_rng(0, "odd", label).permutation(np.flatnonzero(labels == label)) for label in range(CLASSES)]
    rng = seeds.numpy_rng(draw, "odd", fault)
    test = np.concatenate([one[:TEST] for one in rows])
    chosen = np.concatenate([rng.permutation(one[TEST:])[:PER_CLASS] for one in rows])
    own, said = images[chosen].copy(), labels[chosen].copy()
    odd = rng.permutation(len(own))[: round(SHARE * len(own)) if fault != "none" else 0]
    if fault == "flipped":
        said[odd] = (said[odd] + rng.integers(1, CLASSES, len(odd))) % CLASSES
    if fault == "foreign":
        others = images_of("fashion-mnist" if name == "digits" else "digits")[0]
        own[odd] = resized(others[rng.permutation(len(others))[: len(odd)]], own.shape[1])
    if fault == "corrupted":
        own[odd] = [corrupted(own[row], place % 3, rng) for place, row in enumerate(odd.tolist())]
    return (own, said), np.isin(np.arange(len(own)), odd), (images[test], labels[test])


def learner(real: Pool, where: torch.device) -> Callable[[Arm, Pool | None, NDArray[np.int64], int], torch.nn.Module]:
    """Trains the classifier that ``ganaug init`` chooses."""
    side = real[0].shape[1]
    spec = ClassifierSpec(width=32 if side <= 16 else 16, steps=300 if side <= 16 else 500)

    def learn(chosen: Arm, filling: Pool | None, rows: NDArray[np.int64], seed: int) -> torch.nn.Module:
        draw = batches(chosen, (real[0][rows], real[1][rows]), filling, CLASSES, spec.batch_size, seed)
        return train_classifier(draw, spec, 1, CLASSES, side, seed, where)

    return learn


def by_gan(name: str, real: Pool, seconds: float, draw: int, where: torch.device) -> Array:
    """f-AnoGAN's score of each image, by the GAN of the other half."""
    path = ROOT / ("params.yaml" if name == "digits" else "examples/fashion-mnist/params.yaml")
    spec = replace(config.load(path).gan, rate="constant")
    images, labels = real
    half = seeds.numpy_rng(draw, "half").permutation(len(labels)) % 2
    found = np.zeros(len(labels))
    for side in (0, 1):
        training = Training(images[half != side], labels[half != side], CLASSES, spec, draw, where)
        step, began = 0, time.process_time()
        while time.process_time() - began < seconds:
            training.step(step := step + 1)
        inverter = Inverter(settled_average(training), CLASSES, where)
        own = np.flatnonzero(half == side)
        for some in np.array_split(own, -(-len(own) // 100)):
            found[some] = scores(inverter, Features(training.discriminator), images[some], labels[some])
    return found


def measured(name: str, fault: str, draw: int, seconds: float, where: torch.device) -> dict[str, Any]:
    """Of one draw: {method: its figures} and {arm: accuracy, percent}."""
    real, odd, test = drawn(name, fault, draw)
    images, labels = real
    pixels = [store.digest(one) for one in images]
    items = Items(labels, pixels, np.zeros(len(labels), bool), [str(label) for label in range(CLASSES)])
    learn, every, classical = learner(real, where), np.arange(len(labels)), arm("classical", ClassifySpec())
    judged = judge(images, items, lambda rows, seed: learn(classical, None, rows, seed), where)
    doubts = judged.doubts
    assert doubts is not None
    unsure = 1 - judged.probabilities.max(axis=1)
    said = probabilities(learn(classical, None, every, draw), images, where)
    flat = images.reshape(len(images), -1).astype(np.float32)
    found: dict[str, Array] = {
        "confident learning": doubts.score,
        "self-confidence": 1 - said[every, labels],
        "features": judged.distance,
        "unsure": unsure,
        "features and unsure": judged.unlike,
        "pixels": distances(flat, flat, same=True),
    }
    if seconds and odd.any():
        found["f-AnoGAN"] = by_gan(name, real, seconds, draw, where)
    flagged = {"label": doubts.flagged, "unlike": judged.unlike > 1}
    stock = Stock(real, [0] * CLASSES, draw, *[_none] * 3, doubts=lambda: doubts)  # type: ignore[arg-type]
    accuracy = {}
    for one in ARMS:
        chosen = arm(one, ClassifySpec())
        right = predict(learn(chosen, chosen.pool(stock), every, draw), test[0], where) == test[1]
        accuracy[one.removesuffix("+classical")] = 100 * float(right.mean())
    methods = {
        method: {"auroc": float(roc_auc_score(odd, score)), "at_20": int(odd[np.argsort(-score)[:20]].sum())}
        for method, score in found.items()
        if odd.any()
    }
    flags = {kind: [int(one.sum()), int((one & odd).sum())] for kind, one in flagged.items()}
    return {"odd": int(odd.sum()), "methods": methods, "flagged": flags, "accuracy": accuracy}


def kept(name: str, fault: str, draw: int, seconds: float, on: str) -> dict[str, Any]:
    """As ``measured``, of an earlier run if there was one."""
    path = BUILD / f"{name}-{fault}-{draw}-{seconds:g}.json"
    if not path.is_file():
        began, where = time.process_time(), device.resolve(on)
        device.prepare(where)
        store.write_json(path, measured(name, fault, draw, seconds, where))
        print(f"{name} {fault} {draw}: {time.process_time() - began:.0f} s", flush=True)
    found: dict[str, Any] = store.read_json(path, "")
    return found


def _none(*_: object) -> Any:
    raise AssertionError("nothing else is asked for")


def interval(values: list[float], places: int = 3) -> str:
    """``0.912 (0.890 to 0.934)``"""
    from scipy.stats import t

    mean, count = np.mean(values), len(values)
    if count < 2:
        return f"{mean:.{places}f}"
    reach = t.ppf(0.975, count - 1) * np.std(values, ddof=1) / count**0.5
    return f"{mean:.{places}f} ({mean - reach:.{places}f} to {mean + reach:.{places}f})"


def tables(name: str, runs: Mapping[str, list[dict[str, Any]]]) -> str:
    """Of one set: the methods, what was flagged, and the arms."""
    faults = [fault for fault in FAULTS if fault != "none" and runs[fault]]
    methods = list(runs[faults[0]][0]["methods"])
    rows = [
        (method, *(interval([run["methods"][method][key] / scale for run in runs[fault]]) for fault in faults
                   for key, scale in (("auroc", 1), ("at_20", 20))))
        for method in methods
    ]  # fmt: skip
    header = ("method", *(f"{fault}: {what}" for fault in faults for what in ("AUROC", "precision at 20")))
    flags = [
        (fault, *("{:.1f}, of which {:.1f} odd".format(*np.mean([run["flagged"][kind] for run in runs[fault]], axis=0))
                  for kind in ("label", "unlike")))
        for fault in FAULTS if runs[fault]
    ]  # fmt: skip
    gains = [
        (fault, *(interval([run["accuracy"][one] - run["accuracy"][other] for run in runs[fault]], 1)
                  for one, other in GAINS))
        for fault in FAULTS if runs[fault]
    ]  # fmt: skip
    return "\n\n".join(
        [
            f"{name}, draws: {len(runs[faults[0]])}",
            markdown_table(header, rows),
            markdown_table(("fault", "labels flagged", "images flagged"), flags),
            markdown_table(("gain, points", *(f"{one} over {other}" for one, other in GAINS)), gains),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=("digits", "fashion-mnist"), default=["digits", "fashion-mnist"])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60, help="of one core, for each of a draw's two GANs; 0: none")
    parser.add_argument("--jobs", type=int, default=1, help="draws and faults at once")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or one GPU, such as cuda:1")
    options = parser.parse_args()
    every = [(name, fault, draw) for draw in range(options.draws) for name in options.sets for fault in FAULTS]
    calls = [(*one, options.seconds, options.device) for one in every]
    runs: dict[str, dict[str, list[Any]]] = {name: {fault: [] for fault in FAULTS} for name in options.sets}
    for (name, fault, _), found in zip(every, workers.run(options.jobs, kept, calls), strict=True):
        runs[name][fault].append(found)
    print("\n\n".join([*(tables(name, runs[name]) for name in options.sets), str(machine())]))


if __name__ == "__main__":
    main()
