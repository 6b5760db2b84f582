"""The figures of docs/explanation: what the generators of the family minimise, and what was gained on each set.

python benchmarks/figures.py                                   # docs/figures/objectives.svg and gains.svg, in seconds
python benchmarks/figures.py --translator examples/conditions  # and translations.png, of a project that has been run

The losses are those of ``ganaug.gan.objectives``; the gains are read from the records of ``benchmarks/gain.py`` and
``benchmarks/conditions.py``, the translations are made by the translator of a trial. Nothing is trained.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ganaug.data.prepared import read_prepared
from ganaug.gan.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    Wasserstein,
)
from ganaug.report.grids import labelled
from ganaug.synth.translator import load_translator

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
STYLE = {"svg.hashsalt": "ganaug", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
LINES = ("#a83a25", "#14704e", "#3563a8", "#805400")
SETS = {
    "digits-5": "digits, 5 per class",
    "digits-10": "digits, 10 per class",
    "digits-tail": "digits, long tail 12 to 3 (macro-F1)",
    "fashion-10": "Fashion-MNIST, 10 per class",
    "fashion-20": "Fashion-MNIST, 20 per class",
    "fashion-50": "Fashion-MNIST, 50 per class",
    "fashion-tail": "Fashion-MNIST, long tail 50 to 5 (macro-F1)",
    "fashion-unlabelled": "Fashion-MNIST, 20 per class and 2,000 unlabelled",
}
CONDITIONS = {"texture": "texture", "hatching": "hatching", "background": "another background"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--translator", type=Path, help="a project of conditions that has been run")
    options = parser.parse_args()
    with rc_context(STYLE):
        write(objectives(), "objectives.svg")
        write(gains(), "gains.svg")
    if options.translator:
        Image.fromarray(translations(options.translator).squeeze()).save(FIGURES / "translations.png")


def write(figure: Figure, name: str) -> None:
    figure.savefig(FIGURES / name, bbox_inches="tight", facecolor="white", metadata={"Date": None})


def objectives() -> Figure:
    """The generator's loss of one image by the discriminator's logit of it, and that loss's slope."""
    shown: dict[str, Objective] = {
        "minimax": Minimax(),
        "non-saturating": NonSaturating(),
        "least squares": LeastSquares(),
        "hinge, Wasserstein": Hinge(),
    }
    assert Hinge().generator_loss(torch.zeros(1), torch.ones(1)) == Wasserstein().generator_loss(
        torch.zeros(1), torch.ones(1)
    )
    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2)
    for (name, objective), colour in zip(shown.items(), LINES, strict=True):
        logits = torch.linspace(-6, 6, 241).requires_grad_()
        losses = torch.stack([objective.generator_loss(torch.zeros(1), logit[None]) for logit in logits])
        (slopes,) = torch.autograd.grad(losses.sum(), logits)
        left.plot(logits.detach(), losses.detach(), label=name, color=colour)
        right.plot(logits.detach(), slopes.abs(), color=colour)
    left.set(title="generator's loss of one generated image", ylim=(-6, 6))
    right.set(title="how strongly it pulls: size of the gradient", ylim=(0, 2))
    for axis in (left, right):
        axis.set_xlabel("discriminator's logit: generated  <  0  <  real")
        axis.axvline(0, color="#c3c8d1", linewidth=0.8, zorder=0)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, frameon=False)
    return figure


def gains() -> Figure:
    """What GAN images added, with 95 % intervals: by set, and where cells are missing."""
    records = {title: _read(f"gain-{name}") for name, title in SETS.items()}
    moved = {title: _read(f"conditions-{name}") for name, title in CONDITIONS.items()}
    figure = Figure(figsize=(9, 5))
    above, below = figure.subplots(2, 1, height_ratios=[len(records), len(moved) + 0.5], gridspec_kw={"hspace": 0.65})
    series = {"gan_vs_none": "over no augmentation", "gan+classical_vs_classical": "over classical augmentation"}
    for (gain, label), colour, offset in zip(series.items(), (LINES[2], LINES[1]), (-0.16, 0.16), strict=True):
        found = {title: one["gains"].get(gain) for title, one in records.items()}
        _forest(above, list(found.values()), colour, offset, label)
    above.set_title("every class has images: what GAN images add, points", loc="left", fontsize=10)
    series = {
        "translate+classical_vs_classical": "over classical augmentation",
        "translate+classical_vs_{rival}": "over the best way without a GAN",
    }
    for (gain, label), colour, offset in zip(series.items(), (LINES[1], LINES[3]), (-0.16, 0.16), strict=True):
        found = [
            one["gains"][gain.format(rival=_rival(name))] for name, one in zip(CONDITIONS, moved.values(), strict=True)
        ]
        _forest(below, [one["condition_accuracy"] for one in found], colour, offset, label)
    below.set_title(
        "five of ten classes lack images under a condition: what translated images add", loc="left", fontsize=10
    )
    for axis, names, under in ((above, list(records), -0.12), (below, list(moved), -0.3)):
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.axvline(0, color="#9aa1ad", linewidth=0.8, zorder=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, under), ncols=2, frameon=False)
    return figure


def _rival(condition: str) -> str:
    """The best way without a GAN, as docs/conditions.md has it."""
    return "paste+classical+masked" if condition == "background" else "strong+masked"


def _forest(axis: Any, found: Sequence[Mapping[str, Any] | None], colour: str, offset: float, label: str) -> None:
    rows = [(y, one) for y, one in enumerate(found) if one]
    means = [one["mean"] for _, one in rows]
    ends = [[one["mean"] - one["ci_low"] for _, one in rows], [one["ci_high"] - one["mean"] for _, one in rows]]
    axis.errorbar(means, [y + offset for y, _ in rows], xerr=ends, fmt="o", color=colour, markersize=4, label=label)


def _read(name: str) -> dict[str, Any]:
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))


def translations(project: Path, each: int = 2) -> NDArray[np.uint8]:
    """Of each class a test image of trial 0, ``each`` translations of it, and a real image under the target, blank
    where there is none. First the classes that the trial learned from under the target, then those that it hid, then
    those that have no image there."""
    prepared = read_prepared(project / "data" / "prepared")
    translator = load_translator(project / "models" / "0" / "generator.safetensors")
    split, (target,), labels = prepared.split("0"), translator.targets, prepared.labels
    assert prepared.conditions is not None
    is_target = prepared.conditions == target
    hidden = {label for label, condition in split.hidden if condition == target}
    seen = {int(label) for label in labels[is_target]}
    order = sorted(range(len(prepared.classes)), key=lambda label: (label not in seen, label in hidden, label))
    test = np.array(split.test)

    def first(label: int, under: bool) -> int | None:
        return next((int(row) for row in test if labels[row] == label and is_target[row] == under), None)

    sources = [row for label in order if (row := first(label, False)) is not None]
    images = prepared.images_of(sources)
    made = translator.translate(images, prepared.condition_names[target], each, device="cpu")  # (N, each, H, W, C)
    real = np.full_like(images, 255)
    for column, label in enumerate(order):
        if (row := first(label, True)) is not None:
            real[column] = prepared.images_of([row])[0]
    names = [prepared.condition_names[1 - target], *(f"translation {number + 1}" for number in range(each)), "real"]
    told = ["learned from" if x in seen - hidden else "hidden" if x in hidden else "no image" for x in order]
    return labelled([images, *made.swapaxes(0, 1), real], names, told, scale_to=56)


if __name__ == "__main__":
    main()
