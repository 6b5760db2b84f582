"""The gains that the documentation quotes: the pipeline on sets of several sizes. Writes docs/gain.md.

    python benchmarks/gain.py [SCENARIO ...] [--draws tuning] [--trials N]

Each scenario is the digits' or the Fashion-MNIST example's own params.yaml with a few changes, run whole (prepare,
train, synth, classify, report) in build/gain/; finished work is kept there and found again. ``--draws tuning`` runs it
on as many draws as there are that no reported figure uses, with test images of their own, and prints its figures;
they and shortened runs are written nowhere.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganaug import config, store
from ganaug.errors import UserError
from ganaug.measure.contributions import METRICS
from ganaug.report import verdict
from ganaug.report.verdict import interval, markdown_table
from ganaug.stages import pipeline
from ganaug.stages.project import Project

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "gain"
FIGURES = ROOT / "docs" / "figures"
DIGITS, FASHION = ROOT, ROOT / "examples" / "fashion-mnist"
ARMS = ["none", "classical", "gan", "gan+classical", "placebo", "placebo+classical", "smote", "smote+classical"]


@dataclass(frozen=True)
class Scenario:
    title: str
    base: Path  # the folder of its params.yaml
    changes: dict[str, Any] = field(default_factory=dict)
    metric: str = "accuracy"


SCENARIOS = {
    "digits-5": Scenario("digits, 5 per class", DIGITS, {"protocol": {"trials": 10}, "classify": {"repeats": 3}}),
    "digits-10": Scenario(
        "digits, 10 per class",
        DIGITS,
        {
            "protocol": {"trials": 5, "train_per_class": 10, "test_per_class": 59},  # the scarcest has 174
            "classify": {"repeats": 3},
        },
    ),
    "fashion-10": Scenario("Fashion-MNIST, 10 per class", FASHION, {"protocol": {"trials": 5, "train_per_class": 10}}),
    "fashion-20": Scenario("Fashion-MNIST, 20 per class", FASHION, {"protocol": {"trials": 10}}),
    "fashion-50": Scenario("Fashion-MNIST, 50 per class", FASHION, {"protocol": {"trials": 5, "train_per_class": 50}}),
    "fashion-unlabelled": Scenario(
        "Fashion-MNIST, 20 per class and 2,000 without labels",
        FASHION,
        {
            "protocol": {"trials": 5, "unlabelled_per_class": 200},
            "classify": {"arms": ["none", "classical", "pseudo+classical", "gan+classical", "smote+classical"]},
        },
    ),
    "digits-tail": Scenario(
        "digits, a long tail of 12 to 3 per class, topped up to 12",
        DIGITS,
        {
            "protocol": {"trials": 5, "train_per_class": 12, "test_per_class": 47, "imbalance": 4.0},
            "synth": {"balance": "fill"},
            "classify": {"repeats": 3},
        },
        "macro_f1",
    ),
    "fashion-tail": Scenario(
        "Fashion-MNIST, a long tail of 50 to 5 per class, topped up to 50",
        FASHION,
        {"protocol": {"trials": 5, "train_per_class": 50, "imbalance": 10.0}, "synth": {"balance": "fill"}},
        "macro_f1",
    ),
}


def project(name: str, draws: str, trials: int | None) -> Project:
    from ruamel.yaml import YAML

    scenario = SCENARIOS[name]
    raw = YAML(typ="safe", pure=True).load(scenario.base / "params.yaml")
    changes: dict[str, Any] = {"classify": {"arms": ARMS, "curve": [], "repeats": 2}, "gate": []}
    for change in (changes, scenario.changes, {"protocol": {"draws": draws}}):
        for key, value in change.items():
            raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
    protocol = raw["protocol"]
    there_are = protocol["tuning_per_class"] // protocol["train_per_class"] if draws == "tuning" else protocol["trials"]
    protocol["trials"] = min(trials or there_are, there_are)
    return Project(BUILD / f"{name}-{draws}", config.check(json.loads(json.dumps(raw))))


def kept(name: str, made: Project) -> dict[str, Any]:
    """What the document shows of a run."""
    summary: dict[str, Any] = store.read_json(made.reports / "summary.json", "")
    metric = SCENARIOS[name].metric
    return {
        "metric": metric,
        "repeats": made.settings.classify.repeats,
        "trials": summary["dataset"]["trials"],
        "ganaug": summary["ganaug"],
        "arms": {arm: figures[metric] for arm, figures in summary["arms"].items()},
        "gains": {
            gain: {key: figures[metric][key] for key in ("mean", "ci_low", "ci_high", "p_value", "by_trial")}
            for gain, figures in summary["gains"].items()
        },
        "gan_train": summary["fidelity"]["gan_train"],
        "rare": verdict.rare_rows(summary) if verdict.rare_classes(summary) else None,
    }


def headline(name: str, found: dict[str, Any]) -> str:
    return f"{SCENARIOS[name].title}, {found['trials']} trials"


def tables(found: dict[str, Any]) -> str:
    """Arms, gains, and the recall of rare classes."""
    arms = [(arm, spread(one)) for arm, one in found["arms"].items()]
    gains = [
        (
            gain.replace("_vs_", " over "),
            f"{one['mean']:+.2f}",
            interval(one),
            " ".join(f"{value:+.1f}" for value in one["by_trial"]),
        )
        for gain, one in found["gains"].items()
    ]
    parts = [
        f"Each trial trains {found['repeats']} classifiers an arm. GAN-train: {spread(found['gan_train'])}.",
        markdown_table((f"arm ({METRICS[found['metric']].words}, %)", "mean ± sd"), arms),
        markdown_table(("gain", "points", "95 % interval", "trials"), gains),
    ]
    if found["rare"]:
        parts.append(markdown_table(*found["rare"]))
    return "\n\n".join(parts)


def spread(one: dict[str, Any]) -> str:
    return f"{one['mean']:.1f}" + (f" ± {one['sd']:.1f}" if one["sd"] is not None else "")


_PREFACE = """# What GAN images bring, by set and size

Written by `make benchmark-gain`. Every arm trains the same classifier for as many steps on the same real images;
`smote` and `placebo` stand in the place of GAN images, as many of each class. Policies and recipes were settled on
tuning draws, which share no image with what is reported here (docs/experiments.md). Every trial is shown. Gains are in
points, with their 95 % intervals; no interval is corrected for how many of them there are."""


_SHORT = ("gan_vs_none", *(f"{filler}+classical_vs_classical" for filler in ("gan", "placebo", "smote", "pseudo")))


def overview(every: dict[str, dict[str, Any]]) -> str:
    """A row for each scenario that was run: ``every`` {its name: what was kept of it}."""
    rows = []
    for name, found in every.items():
        gains = (found["gains"].get(gain) for gain in _SHORT)
        told = (f"{one['mean']:+.2f} ({interval(one)})" if one else "" for one in gains)
        metric = "" if found["metric"] == "accuracy" else f" ({METRICS[found['metric']].words})"
        rows.append((f"{headline(name, found)}{metric}", spread(found["arms"]["classical"]), *told))
    return markdown_table(("set", "`classical`, %", *(gain.replace("_vs_", " over ") for gain in _SHORT)), rows)


def document() -> str:
    paths = {name: FIGURES / f"gain-{name}.json" for name in SCENARIOS}
    every = {name: store.read_json(path, "") for name, path in paths.items() if path.is_file()}
    parts = [f"{_PREFACE}\n\n{overview(every)}"]
    parts += [f"## {headline(name, found)}\n\n{tables(found)}" for name, found in every.items()]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; none: all")
    parser.add_argument("--draws", choices=("report", "tuning"), default="report")
    parser.add_argument("--trials", type=int, help="instead of the scenario's own number")
    options = parser.parse_args()
    if unknown := [name for name in options.scenarios if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    for name in options.scenarios or SCENARIOS:
        try:
            made = project(name, options.draws, options.trials)
            made.root.mkdir(parents=True, exist_ok=True)
            pipeline.run(made)
            found = kept(name, made)
        except UserError as error:
            parser.error(f"{name}: {error}")
        print(f"\n## {headline(name, found)}\n\n{tables(found)}", flush=True)
        if options.draws == "report" and options.trials is None:
            store.write_json(FIGURES / f"gain-{name}.json", found)
            store.write_text(ROOT / "docs" / "gain.md", document())


if __name__ == "__main__":
    main()
