"""Which presets find every mode: eight Gaussians on a circle, the textbook test of mode collapse (Metz 2017, arXiv
1611.02163; VEEGAN, Srivastava 2017, arXiv 1705.07761; PacGAN, Lin 2018, arXiv 1712.04086), by the pipeline's own loop.

    python benchmarks/modes.py [--seeds 3] [--steps 1500] [--jobs 1] [--into docs/figures]

A point is an image of one pixel and two channels. A sample is good when it lies within three standard deviations of its
nearest mode; a mode is found when at least 20 of 2,500 samples are good ones of it.

Of a preset come the objective, the regularisers, the optimiser with its betas, the discriminator's steps, the schedule
of the rates and the average of the weights. Replaced are the architecture (three dense layers of 64 units, the same for
all), the size of the batch and of the latent, and the conditioning: without labels, the modes must be found unaided.
Presets that differ in nothing else are one row. ACGAN is nothing without labels: its two classes are four neighbouring
modes each. Each preset is trained with its own settings, which are those of images, and with those for points: both
rates 1e-3, the clip of weights 0.1, the weight of WGAN-GP's penalty 0.1 (as its authors have it for points: Gulrajani
2017, gan_toy.py). A seed of them all takes five minutes of one core.
"""

import argparse
import csv
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ganaug import config, device, seeds
from ganaug.gan.architectures import Mlp
from ganaug.gan.augment import DiffAugment
from ganaug.gan.objectives import Minimax, Wasserstein, WassersteinGP
from ganaug.gan.presets import OF_CLASSES
from ganaug.gan.spec import GanSpec
from ganaug.report.verdict import markdown_table

MODES, RADIUS, DEVIATION = 8, 0.75, 0.03  # in units of the square [-1, 1] x [-1, 1]
GOOD_DEVIATIONS, GOOD_SAMPLES = 3, 20
TRAIN_POINTS, SAMPLES = 50_000, 2_500
POINTS_RATE = 1e-3  # of both networks
POINTS_CLIP, POINTS_PENALTY = 0.1, 0.1

Points = NDArray[np.float64]  # (N, 2)


# ------------------------------------------------------------------------------------------------ points and measures


def centres() -> Points:
    """Of the modes, (MODES, 2), the first at angle 0."""
    angles = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def mixture(count: int, rng: np.random.Generator) -> tuple[Points, NDArray[np.int64]]:
    """``count`` points of the mixture, (count, 2), and the mode of each, (count,) in 0..MODES-1."""
    modes = rng.integers(MODES, size=count)
    return centres()[modes] + DEVIATION * rng.standard_normal((count, 2)), modes


def as_images(points: Points) -> NDArray[np.uint8]:
    """Points (N, 2) in [-1, 1] -> images (N, 1, 1, 2). A step of 1/127.5 is a quarter of the standard deviation."""
    return ((points + 1) * 127.5).round().clip(0, 255).astype(np.uint8).reshape(-1, 1, 1, 2)


def _good(points: Points) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of points (N, 2): which are good, (N,), and their nearest modes, (N,)."""
    distances = np.linalg.norm(points[:, None] - centres(), axis=2)  # (N, MODES)
    return distances.min(axis=1) <= GOOD_DEVIATIONS * DEVIATION, distances.argmin(axis=1)


def share_good(points: Points) -> float:
    """Of points (N, 2), 0 to 1. The mixture itself has 1 - exp(-9/2) = 0.989: three deviations in two dimensions."""
    return float(_good(points)[0].mean())


def good_by_mode(points: Points) -> NDArray[np.int64]:
    """How many of the points (N, 2) are good samples of each mode, (MODES,)."""
    good, nearest = _good(points)
    return np.bincount(nearest[good], minlength=MODES)


def modes_found(points: Points) -> int:
    """Modes with at least 20 good samples in 2,500, and as large a share of another number; points (N, 2)."""
    return int((good_by_mode(points) * SAMPLES >= GOOD_SAMPLES * len(points)).sum())


def kl(points: Points) -> float:
    """KL divergence, in nats, of the modes of the good samples from uniform: 0 to log MODES; NaN without a good one."""
    counts = good_by_mode(points)
    if not counts.any():
        return math.nan
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, float((shares * np.log(shares * MODES)).sum()))


# ---------------------------------------------------------------------------------------------------------- the rows


@dataclass(frozen=True)
class Row:
    """A way to train; ``presets`` are all that come to it once the architecture and the labels are replaced."""

    presets: str
    settings: str  # own | for points
    spec: GanSpec

    @property
    def rates(self) -> str:
        of_both = dict.fromkeys((self.spec.generator_lr, self.spec.discriminator_lr))
        return " / ".join(f"{rate:g}" for rate in of_both)

    @property
    def classes(self) -> int:
        return 2 if self.spec.conditioning == "auxiliary" else 1


@dataclass(frozen=True)
class Result:
    """Of one seed. Accuracies are the discriminator's, means over the last fiftieth of the steps."""

    points: Points  # (SAMPLES, 2)
    accuracy_real: float
    accuracy_fake: float
    diverged_at: int | None
    cpu_seconds: float


def rows(steps: int) -> list[Row]:
    """Each preset for points, and then with its own settings; minimax beside them, which no preset has."""
    own = {name: config.check({"gan": {"preset": name}}).gan for name in OF_CLASSES}
    own["gan, minimax"] = replace(own["gan"], objective=Minimax())
    names: dict[tuple[str, GanSpec], list[str]] = {}
    for settings, change in (("for points", for_points), ("own", lambda spec: spec)):
        for name, spec in own.items():
            names.setdefault((settings, of_points(change(spec), steps)), []).append(name)
    return [Row("; ".join(called), settings, spec) for (settings, spec), called in names.items()]


def for_points(spec: GanSpec) -> GanSpec:
    """The settings that points want otherwise than images."""
    objective = spec.objective
    if isinstance(objective, Wasserstein):
        objective = replace(objective, clip=POINTS_CLIP)
    elif isinstance(objective, WassersteinGP):
        objective = replace(objective, penalty=POINTS_PENALTY)
    return replace(spec, generator_lr=POINTS_RATE, discriminator_lr=POINTS_RATE, objective=objective)


def of_points(spec: GanSpec, steps: int) -> GanSpec:
    """The preset's settings with what belongs to images replaced. In float32, so that processors agree."""
    return replace(
        spec,
        preset="default",
        architecture=Mlp(layers=3, pieces=1, dropout=0.0),
        conditioning="auxiliary" if spec.conditioning == "auxiliary" else "none",
        augment=DiffAugment(shift=0.0),
        generator_width=64,
        discriminator_width=64,
        z_dim=2,
        batch_size=256,
        steps=steps,
        precision="float32",
    )


def train(row: Row, seed: int) -> Result:
    import torch

    from ganaug.gan.loop import train_gan

    cpu = torch.device("cpu")
    device.prepare(cpu)
    points, modes = mixture(TRAIN_POINTS, np.random.default_rng(seeds.derive(seed, "points")))
    began = time.process_time()
    trained = train_gan(as_images(points), modes * row.classes // MODES, row.classes, row.spec, seed, cpu)
    seconds = time.process_time() - began
    rng = torch.Generator().manual_seed(seeds.derive(seed, "samples"))
    latents = torch.randn((SAMPLES, trained.generator.z_dim), generator=rng)
    with torch.no_grad():
        samples = trained.generator(latents, torch.arange(SAMPLES) % row.classes)
    last = trained.history[-1]
    return Result(
        samples.view(-1, 2).double().numpy(),
        last["d_accuracy_real"] or 0.0,
        last["d_accuracy_fake"] or 0.0,
        trained.diverged_at,
        seconds,
    )


# ------------------------------------------------------------------------------------------------- table and figure


def table(results: Sequence[tuple[Row, Sequence[Result]]]) -> str:
    """Medians over the seeds, with their range."""

    def over_seeds(values: Sequence[float], form: str) -> str:
        if any(math.isnan(value) for value in values):
            return "no good sample"
        return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"

    lines = [
        (
            row.presets,
            row.settings,
            row.spec.objective.kind,
            row.rates,
            str(row.spec.discriminator_steps),
            over_seeds([modes_found(one.points) for one in of_row], ".0f"),
            over_seeds([100 * share_good(one.points) for one in of_row], ".0f"),
            over_seeds([kl(one.points) for one in of_row], ".2f"),
            f"{sum(one.cpu_seconds for one in of_row) / len(of_row):.0f}",
        )
        for row, of_row in results
    ]
    header = (
        "preset",
        "settings",
        "objective",
        "rates, G / D",
        "D steps",
        f"modes of {MODES}",
        "good, %",
        "KL, nats",
        "CPU s",
    )
    return markdown_table(header, lines)


def write_csv(path: Path, results: Sequence[tuple[Row, Sequence[Result]]]) -> None:
    """A line for each seed of each row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        fixed = (
            "presets",
            "settings",
            "objective",
            "generator_lr",
            "discriminator_lr",
            "discriminator_steps",
            "steps",
            "seed",
        )
        shares = ("modes", "good", "kl", "d_accuracy_real", "d_accuracy_fake", "diverged_at")
        writer.writerow((*fixed, *shares, *(f"good_of_mode_{mode}" for mode in range(MODES))))
        for row, of_row in results:
            spec = row.spec
            for seed, one in enumerate(of_row):
                measured = (share_good(one.points), kl(one.points), one.accuracy_real, one.accuracy_fake)
                set_to = (spec.generator_lr, spec.discriminator_lr, spec.discriminator_steps, spec.steps)
                figures = (modes_found(one.points), *(f"{value:.4f}" for value in measured), one.diverged_at or "")
                by_mode = good_by_mode(one.points).tolist()
                writer.writerow((row.presets, row.settings, spec.objective.kind, *set_to, seed, *figures, *by_mode))


def draw(path: Path, results: Sequence[tuple[Row, Sequence[Result]]], columns: int = 6) -> None:
    """A panel for each row: the samples of the seed whose share of good samples is the median."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.patches import Circle

    dark, gray, green, red = "#2b313b", "#9aa1ad", "#1a7f5a", "#b3402a"
    high = math.ceil(len(results) / columns)
    with mpl.rc_context({"font.family": "sans-serif", "font.size": 9, "text.color": dark}):
        figure = Figure(figsize=(2.5 * columns, 2.95 * high), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08))
        axes: list[Any] = list(figure.subplots(high, columns, squeeze=False).flat)
        for axis in axes:
            axis.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), xticks=[], yticks=[], aspect="equal")
            axis.spines[:].set_color("#dfe3e9")
        for axis, (row, of_row) in zip(axes, results, strict=False):
            points = sorted(of_row, key=lambda one: share_good(one.points))[len(of_row) // 2].points
            good = _good(points)[0]
            for centre in centres():
                radius = GOOD_DEVIATIONS * DEVIATION
                axis.add_patch(Circle((centre[0], centre[1]), radius, fill=False, edgecolor=gray, linewidth=0.9))
            for which, colour in ((~good, red), (good, green)):
                axis.scatter(*points[which].T, s=3, alpha=0.35, color=colour, linewidths=0)
            counts = f"{modes_found(points)} of {MODES} modes, {share_good(points):.0%} good"
            axis.set_title(f"{row.presets}\n", loc="left", fontsize=9.5, fontweight="bold")
            axis.text(0, 1.03, counts, transform=axis.transAxes)
            axis.set_xlabel(
                f"{row.spec.objective.kind}, {row.settings}, rate {row.rates}", loc="left", color="#6b7380", fontsize=8
            )
        for axis in axes[len(results) :]:
            axis.set_visible(False)
        figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500, help="of the generator")
    parser.add_argument("--jobs", type=int, default=1, help="trainings beside one another; -1: one a core")
    parser.add_argument("--into", type=Path, default=Path(__file__).parents[1] / "docs" / "figures")
    options = parser.parse_args()
    began, ways = time.perf_counter(), rows(options.steps)
    jobs = [(row, seed) for row in ways for seed in range(options.seeds)]
    done = joblib.Parallel(options.jobs)(joblib.delayed(train)(row, seed) for row, seed in jobs)
    results = [(row, done[at * options.seeds : (at + 1) * options.seeds]) for at, row in enumerate(ways)]
    options.into.mkdir(parents=True, exist_ok=True)
    write_csv(options.into / "modes.csv", results)
    draw(options.into / "modes.png", results)
    print(f"{MODES} Gaussians, {options.steps:,} generator steps of batch {ways[0].spec.batch_size}, ", end="")
    print(f"median and range of {options.seeds} seeds; {time.perf_counter() - began:.0f} s in all\n")
    print(table(results))


if __name__ == "__main__":
    main()
