"""Filling missing cells: what translation brings over every cheap rival. Writes docs/conditions.md.

    python benchmarks/conditions.py [KIND ...] [--draws tuning] [--trials N] [--arms ARM ...]

Fashion-MNIST (Debian's package dataset-fashion-mnist), 20 images per cell; each trial hides five of ten classes under
the rendered condition. The pipeline runs whole in build/conditions/; finished work is kept there and found again.
``--draws tuning`` runs the rivals on draws that no reported figure uses, with test images of their own: the best of
them is what is reported. Only the first 50,000 images are dealt: the recipe was settled on the last 10,000.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ganaug import config, store
from ganaug.data.idx import Idx
from ganaug.errors import UserError
from ganaug.measure.contributions import METRICS
from ganaug.report.answer import answer
from ganaug.report.verdict import interval, markdown_table
from ganaug.stages import pipeline
from ganaug.stages.project import Project

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "conditions"
FIGURES = ROOT / "docs" / "figures"
FASHION = Path("/usr/share/datasets/fashion-mnist")
_USED = 50_000  # of the 60,000 training images
KINDS = ("texture", "hatching", "background", "ink", "low-resolution", "blur", "polarity")
SHOWN = ("condition_accuracy", "missing_recall", "other_recall")
TUNED = [
    "classical",
    "classical+masked",
    *(f"{rival}{masked}" for rival in ("strong", "mixstyle") for masked in ("", "+masked")),
    *(f"{rival}+classical{masked}" for rival in ("histogram", "amplitude", "paste") for masked in ("", "+masked")),
    *(f"{rival}+strong+masked" for rival in ("histogram", "amplitude", "paste")),
    "oracle+classical",
]
TRANSLATED = ["translate+classical", "translate+classical+masked"]
# The best non-GAN rivals of each kind on tuning draws, the best first.
BEST = {
    "hatching": ["strong+masked", "histogram+strong+masked"],
    "texture": ["histogram+strong+masked", "strong+masked"],
    "background": ["paste+classical", "paste+classical+masked"],
}
CONTROLLED = ("hatching",)  # where what the adversarial loss brings is measured


def source() -> Path:
    """The images that are dealt, as an archive."""
    path = BUILD / "fashion-mnist.npz"
    if not path.exists():
        found = Idx(FASHION).load()
        images, official = np.asarray(found.images), found.official_test
        kept = np.flatnonzero(~official)[:_USED]
        path.parent.mkdir(parents=True, exist_ok=True)
        with store.replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                train_images=images[kept],
                train_labels=found.labels[kept],
                test_images=images[official],
                test_labels=found.labels[official],
            )
    return path


def project(kind: str, draws: str, trials: int, arms: list[str]) -> Project:
    translates = any(arm.startswith(("translate", "unadversarial")) for arm in arms)
    raw: dict[str, Any] = {
        "data": {"source": {"kind": "npz", "path": str(source())}, "rendered": {"kinds": [{"kind": kind}]}},
        "protocol": {
            "kind": "cell-draws",
            "trials": trials,
            "train_per_cell": 20,
            "test_per_cell": 100,
            "tuning_test_per_cell": 100,
            "tuning_per_cell": 100,
            "draws": draws,
        },
        "gan": {"preset": "translate"} if translates else {"steps": 1, "generator_width": 4, "discriminator_width": 4},
        "synth": {"per_class": 160},
        "classifier": {"width": 16, "steps": 300, "batch_size": 32, "lr": 3e-3},
        "classify": {
            "arms": arms,
            "classical": {"kind": "rand-augment", "operations": 2, "magnitude": 9, "flip": True},
            "curve": [],
        },
        "fidelity": {"enabled": False},
    }
    return Project(
        BUILD / f"{kind}-{draws}{'' if translates else '-rivals'}", config.check(json.loads(json.dumps(raw)))
    )


def kept(made: Project) -> dict[str, Any]:
    """What the document shows of a run."""
    summary: dict[str, Any] = store.read_json(made.reports / "summary.json", "")
    said = answer(summary)
    return {
        "answer": f"**{said.title}.** {said.reason}" if said else "",
        "trials": summary["dataset"]["trials"],
        "ganaug": summary["ganaug"],
        "arms": {arm: {metric: of_arm[metric] for metric in SHOWN} for arm, of_arm in summary["arms"].items()},
        "gains": {
            gain: {
                metric: {key: of_gain[metric][key] for key in ("mean", "ci_low", "ci_high", "p_value", "by_trial")}
                for metric in SHOWN
            }
            for gain, of_gain in summary["gains"].items()
        },
    }


def tables(found: dict[str, Any]) -> str:
    """The tool's answer, arms and gains."""
    words = [METRICS[metric].words for metric in SHOWN]
    best_first = sorted(found["arms"].items(), key=lambda one: -one[1][SHOWN[0]]["mean"])
    arms = [(f"`{arm}`", *(spread(of_arm[metric]) for metric in SHOWN)) for arm, of_arm in best_first]
    gains = [
        (
            gain.replace("_vs_", " over "),
            *(f"{of_gain[metric]['mean']:+.1f} ({interval(of_gain[metric])})" for metric in SHOWN),
            " ".join(f"{value:+.0f}" for value in of_gain[SHOWN[0]]["by_trial"]),
        )
        for gain, of_gain in found["gains"].items()
        if not gain.endswith("_vs_none")
    ]
    shown = [markdown_table(("arm (%)", *words), arms), markdown_table(("gain (points)", *words, "trials"), gains)]
    return "\n\n".join([found["answer"]] * bool(found["answer"]) + shown)


def spread(one: dict[str, Any]) -> str:
    return f"{one['mean']:.1f}" + (f" ± {one['sd']:.1f}" if one["sd"] is not None else "")


def headline(kind: str, found: dict[str, Any]) -> str:
    return f"{kind}, {found['trials']} trials"


_PREFACE = """# Filling missing cells, by kind of condition

Written by `python benchmarks/conditions.py`. Fashion-MNIST, 20 images of each class as they are and 20 under a rendered
condition, of which each trial hides five classes drawn at random; 100 test images per cell. Every arm trains the same
classifier for as many steps. The rivals were run on tuning draws, which share no image with what is reported, and the
best of each kind is reported beside translation. First comes the tool's own answer. Every trial is shown; gains are in
points with 95 % intervals."""


def document() -> str:
    paths = {kind: FIGURES / f"conditions-{kind}.json" for kind in KINDS}
    every = {kind: store.read_json(path, "") for kind, path in paths.items() if path.is_file()}
    parts = [f"## {headline(kind, found)}\n\n{tables(found)}" for kind, found in every.items()]
    return "\n\n".join([_PREFACE, *parts]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; none: those with a rival")
    parser.add_argument("--draws", choices=("report", "tuning"), default="report")
    parser.add_argument("--trials", type=int, help="instead of 10 (tuning: 3)")
    parser.add_argument("--arms", nargs="+", help="instead of the usual ones")
    options = parser.parse_args()
    tuning = options.draws == "tuning"
    for kind in options.kinds or BEST:
        control = ["unadversarial+classical+masked"] * (kind in CONTROLLED)
        reported = ["classical", "classical+masked", *BEST.get(kind, []), *TRANSLATED, *control, "oracle+classical"]
        arms = options.arms or (TUNED if tuning else list(dict.fromkeys(reported)))
        try:
            made = project(kind, options.draws, options.trials or (3 if tuning else 10), arms)
            made.root.mkdir(parents=True, exist_ok=True)
            pipeline.run(made)
            found = kept(made)
        except UserError as error:
            parser.error(f"{kind}: {error}")
        print(f"\n## {headline(kind, found)}\n\n{tables(found)}", flush=True)
        if not tuning and options.trials is None and options.arms is None:
            store.write_json(FIGURES / f"conditions-{kind}.json", found)
            store.write_text(ROOT / "docs" / "conditions.md", document())


if __name__ == "__main__":
    main()
