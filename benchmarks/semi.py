"""What ways to train bring: FixMatch, SGAN, and a start from the GAN's discriminator. Writes docs/ways.md.

    python benchmarks/semi.py [CASE ...] [--trials N] [--jobs N] [--device cpu]
    python benchmarks/semi.py --tune [WAY ...]
    python benchmarks/semi.py --picture

Each case is one of benchmarks/gain.py with other arms: ``fashion-unlabelled`` has 2,000 images without labels beside 20
per class, the others have none. The pipeline runs whole in build/semi/<case>, from a params.yaml of its own; finished
work of all cases is kept in build/semi/store (or where GANAUG_STORE says) and found again. ``--tune`` runs as many
candidates of each way on the digits' tuning draws, which no reported figure uses, and prints them. ``--picture`` draws
what FixMatch compares. Shortened runs are written nowhere.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import gain
import numpy as np
import torch

from ganaug import config, store
from ganaug.classify.losses import cut_out
from ganaug.classify.policies import Affine
from ganaug.classify.ways import FixMatch
from ganaug.errors import UserError
from ganaug.pixels import to_float, to_pixels
from ganaug.report.grids import labelled
from ganaug.report.verdict import interval, markdown_table
from ganaug.stages import pipeline
from ganaug.stages.project import Project

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "semi"
FIGURES = ROOT / "docs" / "figures"
_ON = "+classical"  # everything is measured on top of the best classical policy
USED = ("pseudo", "fixmatch", "sgan", "gan", "gan+fixmatch", "gan+sgan", "pseudo+fixmatch", "longer")
STARTED = ("gan", "from-discriminator", "from-untrained", "from-rotation", "longer")
CASES = {
    "fashion-unlabelled": USED,
    **dict.fromkeys(("digits-5", "digits-10", "fashion-10", "fashion-20", "fashion-50"), STARTED),
}
# Other numbers than benchmarks/gain.py has: these arms compute some thirty times as much as a plain one.
FEWER = {name: {"trials": 5, "repeats": 1} for name in CASES if name.startswith("fashion")}
# Settings of each way that were compared on tuning draws. Defaults have what was best of it, or as good and published.
CANDIDATES: dict[str, list[dict[str, float]]] = {
    "fixmatch": [
        *({"times": 1, **one} for one in ({}, {"threshold": 0.8}, {"weight": 4}, {"ratio": 7})),
        {},
        {"threshold": 0.8},
    ],
    "sgan": [
        *({"times": 1, **one} for one in ({"weight": 1}, {}, {"weight": 3}, {"weight": 1, "generator_lr": 1e-3})),
        {"weight": 1},
        {},
    ],
    "from-discriminator": [
        {},
        {"body_lr": 0.3},
        {"body_lr": 0.1},
        {"body_lr": 0},
        {"times": 4},
        {"times": 4, "body_lr": 0.3},
    ],
}
_DRAWS = 3


def run(name: str, case: str, arms: list[str], ways: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """The figures of a case's run in the folder ``name``, with other ``arms`` and settings of ``ways``; ``changes``:
    its draws, trials and repeats, images without labels per class, and settings of the GAN."""
    made = gain.project(case, changes.get("draws", "report"), changes.get("trials"))
    settings = made.settings
    unlabelled = changes.get("unlabelled", settings.protocol.unlabelled_per_class)
    raw = config.plain(settings)
    raw["protocol"]["unlabelled_per_class"] = unlabelled
    raw["classify"] |= {"arms": arms, "repeats": changes.get("repeats", settings.classify.repeats)}
    raw["classify"] |= {"ways": ways} if ways else {}
    raw["fidelity"]["enabled"] = False
    raw["gan"] |= changes.get("gan", {})
    root = BUILD / name
    root.mkdir(parents=True, exist_ok=True)
    store.write_json(root / "params.yaml", raw)
    where = {"jobs": changes.get("jobs", 1), "device": changes.get("device", "cpu")}
    project = Project(root, replace(config.load(root / "params.yaml"), **where))
    pipeline.run(project)
    summary = store.read_json(project.reports / "summary.json", "")
    return {
        "trials": summary["dataset"]["trials"],
        "repeats": project.settings.classify.repeats,
        "ganaug": summary["ganaug"],
        "ways": ways,
        "arms": {arm: figures["accuracy"] for arm, figures in summary["arms"].items()},
        "gains": {
            one: {key: figures["accuracy"][key] for key in ("mean", "ci_low", "ci_high", "p_value", "by_trial")}
            for one, figures in summary["gains"].items()
        },
    }


def arms_of(case: str) -> list[str]:
    return ["none", "classical", *(f"{one}{_ON}" for one in CASES[case])]


def tune(way: str) -> None:
    """The candidates of a way over ``classical``, and beside them the plain classifier with as many steps."""
    rows = []
    for number, candidate in enumerate([*CANDIDATES[way], {"longer": 4}]):
        is_longer = "longer" in candidate
        arm = "longer" if is_longer else way
        ways = [] if is_longer or not candidate else [{"kind": way, **candidate}]
        others = ["pseudo+classical"] if way != "from-discriminator" and is_longer else []
        found = run(
            f"tuning-{way}-{number}",
            "digits-5",
            ["classical", f"{arm}{_ON}", *others],
            ways,
            draws="tuning",
            repeats=1,
            trials=_DRAWS,
            **(  # as many as there are; the GAN plays no part
                {} if way == "from-discriminator" else {"unlabelled": 27, "gan": {"steps": 1, "unlabelled": False}}
            ),
        )
        for one in (f"{arm}{_ON}", *others):
            told = ", ".join(f"{key} {value:g}" for key, value in candidate.items()) if one.startswith(way) else ""
            rows.append((f"{one} {told}".strip(), *row(found["gains"][f"{one}_vs_classical"])))
        print(rows[-1], flush=True)
        store.write_json(BUILD / f"tuning-{way}.json", rows)
    print(f"\n## {way}, digits, 5 per class, tuning draws\n")
    print(markdown_table(("arm", "over classical", "95 % interval", "draws"), rows), flush=True)


def picture() -> None:
    """Images without labels, hardly changed and distorted: docs/figures/fixmatch.png."""
    settings = gain.project("fashion-unlabelled", "tuning", None).settings
    way, classical, found = FixMatch(), settings.classify.classical, settings.data.source.load()
    images = torch.from_numpy(np.asarray(found.images[:12]).transpose(0, 3, 1, 2).copy())
    nothing = torch.zeros(len(images), dtype=torch.int64)
    torch.manual_seed(0)
    moved = Affine(rotate_degrees=0, shift=way.shift, scale=0, shear_degrees=0)
    weak = moved.build(images.shape[2], 10)(images, nothing)[0]
    strong = classical.build(images.shape[2], 10)(images, nothing)[0]
    rows = [to_pixels(one) for one in (to_float(images), weak, cut_out(strong, way.cutout))]
    store.write_png(FIGURES / "fixmatch.png", labelled(rows, ["as it is", "hardly changed", "distorted"]))


def row(one: dict[str, Any]) -> tuple[str, str, str]:
    return f"{one['mean']:+.2f}", interval(one), " ".join(f"{value:+.1f}" for value in one["by_trial"])


def tables(found: dict[str, Any]) -> str:
    there = {name: one for name, one in found["gains"].items() if not name.endswith("_vs_none")}
    gains = [(name.replace("_vs_", " over "), *row(one)) for name, one in there.items()]
    return "\n\n".join(
        [
            f"Each trial trains {found['repeats']} classifier{'s' * (found['repeats'] > 1)} an arm.",
            markdown_table(("arm (accuracy, %)", "mean ± sd"), [(k, gain.spread(v)) for k, v in found["arms"].items()]),
            markdown_table(("gain", "points", "95 % interval", "trials"), gains),
        ]
    )


_PREFACE = """# Other ways to train, measured

Written by `python benchmarks/semi.py`. Every arm has the same labelled images in each step, on top of the best
classical policy. A way computes more than the plain arm: `longer` has four times its steps. Settings were chosen on the
digits' tuning draws, which share no image with what is reported here (docs/experiments.md). Gains are in points, with
their 95 % intervals; no interval is corrected for how many of them there are. Fashion-MNIST with 20 and 50 images per
class ran on an NVIDIA H200, digits and 10 per class on a CPU, the arms with images without labels on one or the other
(docs/experiments.md)."""


def document() -> str:
    every = {name: store.read_json(path, "") for name in CASES if (path := FIGURES / f"semi-{name}.json").is_file()}
    parts = [_PREFACE, *(f"## {gain.headline(name, found)}\n\n{tables(found)}" for name, found in every.items())]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"cases: {', '.join(CASES)}; none: all")
    parser.add_argument("--tune", action="store_true", help=f"names are ways: {', '.join(CANDIDATES)}")
    parser.add_argument("--picture", action="store_true", help="draw docs/figures/fixmatch.png, and nothing else")
    parser.add_argument("--trials", type=int, help="instead of the case's own number")
    parser.add_argument("--repeats", type=int, help="classifiers an arm, instead of the case's own number")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or one GPU, such as cuda:1")
    options = parser.parse_args()
    if options.picture:
        picture()
        return
    there = CANDIDATES if options.tune else CASES
    if unknown := [name for name in options.names if name not in there]:
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(there)}")
    os.environ.setdefault("GANAUG_STORE", str(BUILD / "store"))
    asked = {key: value for key in ("trials", "repeats") if (value := getattr(options, key)) is not None}
    for name in options.names or there:
        try:
            if options.tune:
                tune(name)
                continue
            numbers = {**FEWER.get(name, {}), **asked}
            root, where = f"{name}-short" if asked else name, {"jobs": options.jobs, "device": options.device}
            found = run(root, name, arms_of(name), [], **where, **numbers)
        except UserError as error:
            parser.error(f"{name}: {error}")
        print(f"\n## {gain.headline(name, found)}\n\n{tables(found)}", flush=True)
        if not asked:
            store.write_json(FIGURES / f"semi-{name}.json", found)
            store.write_text(ROOT / "docs" / "ways.md", document())


if __name__ == "__main__":
    main()
