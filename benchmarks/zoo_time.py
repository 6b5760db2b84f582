"""Every preset as ``ganaug presets`` has it, against seconds of one core: what its images teach, and when.

    python benchmarks/zoo_time.py [--presets ...] [--seconds 300] [--draws tuning] [--set '{"generator_width": 32}']

100 digits per class (8 pixels), each preset at its own widths, batch and rates, which stay constant here: a schedule
would need to know when the training ends. After 10, 20, 40, 80, 150, 225 and 300 seconds the averaged generator makes
images, a classifier learns from them alone, and its accuracy on real images is GAN-train. Seconds are CPU time of
training steps (time.process_time). All presets are brought to one moment, then to the next; build/zoo-time/ keeps where
each is, so that a run that is stopped, or had fewer ``--seconds``, goes on there. Writes docs/figures/zoo-time.json,
zoo-time.svg and docs/zoo.md at every moment.

``--draws tuning``: other real images for the test, to choose settings by. ``--set``: settings of ``gan:`` over the
preset's. Neither is written to docs.
"""

import argparse
import io
import json
import time
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
from ganaug.gan.steps import Training
from ganaug.gan.watching import settled_average
from ganaug.stages.machine import machine

MOMENTS = (10, 20, 40, 80, 150, 225, 300)  # seconds
CLASSES = 10
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
    for label in range(CLASSES):
        rows = seeds.numpy_rng(0, "split", label).permutation(np.flatnonzero(digits.labels == label))
        train += rows[-PER_CLASS:].tolist() if draws == "report" else rows[TEST + TUNING_TEST :].tolist()
        test += rows[:TEST].tolist() if draws == "report" else rows[TEST : TEST + TUNING_TEST].tolist()
    train, test = sorted(train), sorted(test)
    return (digits.images[train], digits.labels[train]), (digits.images[test], digits.labels[test])


class Curve:
    """A preset's training, from moment to moment; ``points`` has what was found at each."""

    def __init__(self, name: str, draws: str, own: dict[str, Any]) -> None:
        self.name = name
        self.train, self.test = parts(draws)
        self.spec = config.check({"gan": {"preset": name, **own, "rate": "constant"}}).gan
        self.key = {"settings": config.plain(self.spec), "draws": draws}
        self.path = BUILD.parent / "zoo-time" / f"{name}-{store.digest(store.canonical(self.key))[:12]}.json"
        self.points: list[dict[str, float]] = []
        if self.path.is_file():
            self.points = store.read_json(self.path, "")["points"]

    def go_on(self, moment: float) -> None:
        """Train until ``moment``, and look at what is there."""
        kept = self.path.with_suffix(".pt")
        training = Training(*self.train, CLASSES, self.spec, 0, torch.device("cpu"))
        seconds, step = 0.0, 0
        if self.points:
            training.set_state(torch.load(kept, weights_only=True))
            seconds, step = self.points[-1]["seconds"], int(self.points[-1]["steps"])
        while seconds < moment:
            began = time.process_time()
            training.step(step := step + 1)
            seconds += time.process_time() - began
        made = pictures(settled_average(training), CLASSES, MADE, seeds.derive(0, "zoo", int(moment)))
        images = step * self.spec.batch_size * self.spec.discriminator_steps
        taught = gan_train(made, self.test)
        print(f"{self.name:16} {seconds:4.0f} s {step:6} steps {images:8,} images: {taught:.1f}", flush=True)
        self.points.append({"seconds": seconds, "steps": step, "images": images, "gan_train": taught})
        strip(list(made), self.path.with_suffix(".png"))
        torch.save(training.state(), kept)
        store.write_json(self.path, {**self.key, "points": self.points})


def gan_train(made: NDArray[np.uint8], test: Part) -> float:
    """Accuracy in percent, on ``test``, of the digits' own classifier that learned ``made`` (classes, N, H, W, C)."""
    labels = np.arange(len(made)).repeat(made.shape[1])
    learned = classifier(config.load(ROOT / "params.yaml"), (made.reshape(-1, *made.shape[2:]), labels), len(made))
    return 100 * float((predict(learned, test[0], torch.device("cpu")) == test[1]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=presets.OF_CLASSES, default=presets.OF_CLASSES)
    parser.add_argument("--seconds", type=float, default=MOMENTS[-1], help="the last moment")
    parser.add_argument("--draws", choices=("report", "tuning"), default="report")
    parser.add_argument("--set", type=json.loads, default={}, help="settings of gan: over the preset's, as JSON")
    options = parser.parse_args()
    device.prepare(torch.device("cpu"))
    curves = [Curve(name, options.draws, options.set) for name in options.presets]
    for moment in MOMENTS:
        for one in curves:
            reached = one.points[-1]["seconds"] if one.points else 0
            if reached < moment <= options.seconds:
                one.go_on(moment)
            if options.draws == "report" and not options.set:
                publish(one.name, one.points)


def publish(name: str, points: list[dict[str, float]]) -> None:
    """A preset's curve among those of the others: docs/figures/zoo-time.json and zoo-time.svg, and docs/zoo.md."""
    path = FIGURES / "zoo-time.json"
    known = {**(store.read_json(path, "")["presets"] if path.is_file() else {}), name: points}
    curves = {name: known[name] for name in presets.OF_CLASSES if known.get(name)}
    store.write_json(path, {"machine": machine(), "presets": curves})
    drawn = io.StringIO()
    with rc_context(STYLE):
        picture(curves).savefig(drawn, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
    store.write_text(FIGURES / "zoo-time.svg", drawn.getvalue())
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
