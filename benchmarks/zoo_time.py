"""Every preset as ``ganaug presets`` has it, against seconds of one core: what its images teach, and when.

    python benchmarks/zoo_time.py [--presets ...] [--draws tuning] [--set '{"generator_width": 32}']

100 digits per class (8 pixels), each preset at its own widths, batch and rates. After 10, 20, 40, 80, 150, 225 and 300
seconds of training the averaged generator makes images, a classifier learns from them alone, and its accuracy on real
images is GAN-train. Seconds are CPU time of training steps alone (time.process_time). A preset whose rates fall with
the steps is given as many as it makes in the time, so its earlier moments show a schedule that is not over. Writes
docs/figures/zoo-time.json, zoo-time.svg and docs/zoo.md; what a preset with the same settings gave is read back from
build/zoo-time/.

``--draws tuning``: other real images for the test, to choose settings by. ``--set``: settings of ``gan:`` over the
preset's. Neither is written to docs.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from zoo import BUILD, ROOT, classifier, document, strip

from ganaug import config, device, seeds, store
from ganaug.classify.fitting import predict
from ganaug.data.digits import Digits
from ganaug.gan import presets
from ganaug.gan.loop import pictures
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.watching import settled_average

MOMENTS = (10, 20, 40, 80, 150, 225, 300)  # seconds
PER_CLASS, TEST, TUNING_TEST = 100, 60, 30  # real images of a class
MADE = 500  # images per class that the classifier learns from
ENOUGH = 70  # percent: what a preset is asked to reach
FIGURES = ROOT / "docs" / "figures"
COLOURS = ("#1c2430", "#a83a25", "#14704e", "#3563a8", "#805400")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (1, 1.2)))
MARKERS = "osD^vPX<>*"
STYLE = {"svg.hashsalt": "ganaug", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def parts(draws: str) -> tuple[Part, Part]:
    """What the GAN learns from, and real images that it never sees.

    Each class is shuffled as the protocol ``subsets`` does it: the first are the test images of the reported trials,
    then those that settings are tuned on. ``tuning`` touches no image of the reported test.
    """
    digits = Digits().load()
    train, test = [], []
    for label in range(len(digits.classes)):
        rows = seeds.numpy_rng(0, "split", label).permutation(np.flatnonzero(digits.labels == label))
        train += rows[-PER_CLASS:].tolist() if draws == "report" else rows[TEST + TUNING_TEST :].tolist()
        test += rows[:TEST].tolist() if draws == "report" else rows[TEST : TEST + TUNING_TEST].tolist()
    train, test = sorted(train), sorted(test)
    return (digits.images[train], digits.labels[train]), (digits.images[test], digits.labels[test])


def curve(spec: GanSpec, train: Part, test: Part, sheet: Path) -> list[dict[str, float]]:
    """GAN-train at each moment, with the steps and the real images that D has seen by then."""
    classes = len(set(train[1].tolist()))
    training = Training(*train, classes, spec, 0, torch.device("cpu"))
    points: list[dict[str, float]] = []
    seconds, step = 0.0, 0
    for moment in MOMENTS:
        while seconds < moment and step < spec.steps:
            began = time.process_time()
            training.step(step := step + 1)
            seconds += time.process_time() - began
        if points and points[-1]["steps"] == step:
            continue  # its steps are over, or one step is longer than the time between two moments
        made = pictures(settled_average(training), classes, MADE, seeds.derive(0, "zoo", moment))
        images = step * spec.batch_size * spec.discriminator_steps
        points.append({"seconds": seconds, "steps": step, "images": images, "gan_train": gan_train(made, test)})
        print(f"  {seconds:5.0f} s {step:6} steps {images:8,} images: {points[-1]['gan_train']:.1f}", flush=True)
        strip(list(made), sheet)
    return points


def gan_train(made: NDArray[np.uint8], test: Part) -> float:
    """Accuracy in percent, on ``test``, of the digits' own classifier that learned ``made`` (classes, N, H, W, C)."""
    labels = np.arange(len(made)).repeat(made.shape[1])
    learned = classifier(config.load(ROOT / "params.yaml"), (made.reshape(-1, *made.shape[2:]), labels), len(made))
    return 100 * float((predict(learned, test[0], torch.device("cpu")) == test[1]).mean())


def pace(spec: GanSpec, train: Part, window: float = 5.0) -> float:
    """CPU seconds of a step, which decide how many a falling rate is spread over."""
    training = Training(*train, len(set(train[1].tolist())), spec, 0, torch.device("cpu"))
    training.step(1)
    began, steps = time.process_time(), 0
    while time.process_time() - began < window or steps < 3:
        training.step(1 + (steps := steps + 1))
    return (time.process_time() - began) / steps


def measured(name: str, draws: str, own: dict[str, Any]) -> dict[str, Any]:
    """A preset's curve, from build/ where the same settings have one."""
    train, test = parts(draws)
    gan = {"preset": name, **own}
    spec = config.check({"gan": {**gan, "steps": 10**8}}).gan
    key = {"settings": config.plain(spec), "draws": draws}
    path = BUILD.parent / "zoo-time" / f"{name}-{store.digest(store.canonical(key))[:12]}.json"
    if path.is_file():
        return dict(store.read_json(path, ""))
    print(path.stem, own, flush=True)
    if spec.rate != "constant":
        spec = config.check({"gan": {**gan, "steps": round(MOMENTS[-1] / pace(spec, train))}}).gan
    found = {**key, "points": curve(spec, train, test, path.with_suffix(".png"))}
    store.write_json(path, found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=presets.OF_CLASSES, default=presets.OF_CLASSES)
    parser.add_argument("--draws", choices=("report", "tuning"), default="report")
    parser.add_argument("--set", type=json.loads, default={}, help="settings of gan: over the preset's, as JSON")
    options = parser.parse_args()
    device.prepare(torch.device("cpu"))
    found = {name: measured(name, options.draws, options.set) for name in options.presets}
    if options.draws == "report" and not options.set:
        path = FIGURES / "zoo-time.json"
        earlier = store.read_json(path, "") if path.is_file() else {}
        known = {**earlier, **{name: one["points"] for name, one in found.items()}}
        curves = {name: known[name] for name in presets.OF_CLASSES if name in known}
        store.write_json(path, curves)
        with rc_context(STYLE):
            picture(curves).savefig(
                FIGURES / "zoo-time.svg", bbox_inches="tight", facecolor="white", metadata={"Date": None}
            )
        store.write_text(ROOT / "docs" / "zoo.md", document(FIGURES))


def picture(curves: dict[str, list[dict[str, float]]]) -> Figure:
    """GAN-train against seconds, a line per preset with its name at the end; told apart without colour too."""
    figure = Figure(figsize=(8, 5))
    axis = figure.subplots()
    axis.axhline(ENOUGH, color="#c3c8d1", linewidth=0.8, zorder=0)
    ends = {name: points[-1]["gan_train"] for name, points in curves.items()}
    heights = spread(ends, apart=4.2)
    for number, (name, points) in enumerate(curves.items()):
        colour, dashes, marker = COLOURS[number % 5], DASHES[number % 4], MARKERS[number % 10]
        seconds, taught = ([point[key] for point in points] for key in ("seconds", "gan_train"))
        axis.plot(seconds, taught, color=colour, linestyle=dashes, marker=marker, markersize=5, linewidth=1.4)
        axis.annotate(
            f"{name} {ends[name]:.0f}",
            (seconds[-1], ends[name]),
            (360, heights[name]),
            color=colour,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "relpos": (0, 0.5)},
        )
    axis.set_xscale("log")
    axis.set_xticks(MOMENTS, [str(moment) for moment in MOMENTS])
    axis.minorticks_off()
    axis.set(xlabel="seconds of training on one core", ylabel="GAN-train, %", ylim=(0, 100))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def spread(heights: dict[str, float], apart: float) -> dict[str, float]:
    """``heights`` moved so that none is nearer than ``apart`` to the next, in their order, from the top down."""
    placed: dict[str, float] = {}
    limit = 100.0
    for name, height in sorted(heights.items(), key=lambda item: -item[1]):
        placed[name] = limit = min(height, limit)
        limit -= apart
    return placed


if __name__ == "__main__":
    main()
