"""Every preset through the pipeline at equal time on one core: which GAN to use on a small set. Writes docs/zoo.md.

    python benchmarks/zoo.py [--sets digits fashion-mnist] [--presets ...] [--trials N] [--seconds S] [--per-class N]

Each preset trains for as many steps as ``seconds`` of one core allow (timed alone, before), with the widths, the batch
and the variation of real images of the set's own params.yaml, so that what differs is the method: its networks,
objective, regularisers, conditioning, rates, and what its discriminator sees. Finished trainings are kept in build/zoo/
and found again. Beside the gains of the pipeline's own arms it measures, by trial:

GAN-train: the accuracy on real test images of a classifier that learned from generated images alone (recall, in a way).
GAN-test: the accuracy on generated images of a classifier that learned from the trial's real test images (precision).
KID: the kernel distance of generated and real test images in that classifier's features (Binkowski 2018), times 1,000.
"""

import argparse
import importlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from ganaug import config, device, seeds, store
from ganaug.classify.arms import arm, batches, gain_pairs
from ganaug.classify.features import look
from ganaug.classify.fitting import predict, train_classifier
from ganaug.config import Settings
from ganaug.data.prepared import Prepared
from ganaug.data.subsets import Subsets
from ganaug.gan import presets
from ganaug.gan.steps import Training
from ganaug.measure.gains import Comparison, Tested
from ganaug.report.grids import grid
from ganaug.report.verdict import interval, markdown_table
from ganaug.stages import classify, prepare, synth, train
from ganaug.stages.project import Project, prepared_now
from ganaug.stages.split import SplitOf

ROOT = Path(__file__).parents[1]
SETS = {  # name -> (folder of its params.yaml, trials, seconds of one core)
    "digits": (ROOT, 3, 40.0),
    "fashion-mnist": (ROOT / "examples" / "fashion-mnist", 1, 240.0),
}
SHARED = ("generator_width", "discriminator_width", "batch_size", "vary")  # settings of the set, not of the method
ARMS = ("none", "classical", "gan", "gan+classical")
BUILD = ROOT / "build" / "zoo"


def settings_of(base: Settings, raw: dict[str, Any], name: str, trials: int, steps: int) -> Settings:
    """The set's settings with a preset's GAN. ``default`` is the GAN of the set's own params.yaml."""
    own = raw.get("gan", {})
    shared = {key: value for key, value in config.plain(base.gan).items() if key in SHARED}
    if name != "default" and presets.PRESETS[name].values["architecture"]["kind"] == "mlp":
        shared = {key: value for key, value in shared.items() if not key.endswith("_width")}  # dense: other units
    gan = {**own, "steps": steps} if name == "default" else {"preset": name, **shared, "steps": steps}
    changed = {
        **raw,
        "gan": gan,
        "protocol": {**raw["protocol"], "trials": trials},
        "classify": {**raw["classify"], "arms": list(ARMS), "curve": []},
        "fidelity": {"enabled": False},  # measured below, by a judge that saw more
        "gate": [],
        "device": "cpu",
        "jobs": 1,
    }
    return config.check(changed)


def pace(settings: Settings, prepared: Prepared) -> float:
    """Seconds of one step on one core: the best of five windows, since other work only ever slows a step down."""
    part = prepared.part(prepared.split("0").train)
    training = Training(part.images, part.labels, len(prepared.classes), settings.gan, 0, torch.device("cpu"))
    every = math.lcm(
        *(getattr(one, "every", 1) for one in settings.gan.regularisers)
    )  # lazy ones are due in some steps
    done, windows = 0, []
    for _ in range(6):
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < 1 or steps % every:
            done, steps = done + 1, steps + 1
            training.step(done)
        windows.append((time.perf_counter() - began) / steps)
    return min(windows[1:])


def run(project: Project, trial: str) -> dict[str, Any]:
    """One preset on one trial: the stages, then what they do not measure."""
    train.train(project, trial)
    synth.synth_all(project, trial)
    classify.classify(project, trial)
    prepared = prepared_now(project)
    stacked, labels = synth.synthetic_pool(SplitOf(project, trial, prepared))
    images = stacked[:]
    test = prepared.part(prepared.split(trial).test)
    learned = classifier(project.settings, (images, labels), len(prepared.classes))
    judge = classifier(project.settings, (test.images, test.labels), len(prepared.classes))
    cpu = device.resolve("cpu")
    return {
        "gan_train": 100 * float((predict(learned, test.images, cpu) == test.labels).mean()),
        "gan_test": 100 * float((predict(judge, images, cpu) == labels).mean()),
        "kid": 1000 * kid(*(torch.from_numpy(look(judge, some, cpu).features) for some in (test.images, images))),
        "predictions": _predictions(project, trial),
        "health": store.read_json(project.models / trial / "health.json", ""),
    }


def classifier(settings: Settings, pool: tuple[NDArray[np.uint8], NDArray[np.int64]], classes: int) -> Any:
    """The set's own classifier, trained on these images (N, H, W, C) and labels alone."""
    device.prepare(device.resolve("cpu"))
    spec, seed = settings.classifier, seeds.derive(0, "zoo")
    draw = batches(arm("none", settings.classify), pool, None, classes, spec.batch_size, seed)
    _, _, size, channels = pool[0].shape
    return train_classifier(draw, spec, channels, classes, size, seed, device.resolve("cpu"))


def kid(real: torch.Tensor, made: torch.Tensor) -> float:
    """The unbiased squared maximum mean discrepancy under the cubic kernel; equal counts, features of unit scale."""
    from torchmetrics.image.kid import poly_mmd

    count = min(len(real), len(made))
    scale = real.std()
    pick = torch.Generator().manual_seed(0)
    real, made = (one[torch.randperm(len(one), generator=pick)[:count]] / scale for one in (real, made))
    return float(poly_mmd(real.double(), made.double()))


def _predictions(project: Project, trial: str) -> dict[str, list[int]]:
    table = store.read_table(project.trials / f"{trial}.predictions.csv")
    return {name: [int(row[name]) for row in table] for name in ("label", *ARMS)}


def gains(results: list[dict[str, Any]], classes: int, train_images: int, confidence: float) -> dict[str, Any]:
    tested = []
    for result in results:
        columns = {name: np.array(values, np.int64) for name, values in result["predictions"].items()}
        tested.append(Tested(columns.pop("label"), columns, train_images, None))
    comparison = Comparison(tested, classes, True, confidence, len(tested))
    figures = comparison.gain_figures(gain_pairs(ARMS))
    return {name: figures[name]["accuracy"] for name in ("gan_vs_none", "gan+classical_vs_classical")}


@dataclass(frozen=True)
class Plan:
    """What is trained on one set."""

    name: str
    presets: list[str]
    trials: int
    seconds: float
    per_class: int | None = None  # the set's own if none is given

    @property
    def folder(self) -> Path:
        return BUILD / (self.name if self.per_class is None else f"{self.name}-{self.per_class}")

    def raw(self) -> dict[str, Any]:
        from ruamel.yaml import YAML

        raw = json.loads(json.dumps(YAML(typ="safe", pure=True).load(SETS[self.name][0] / "params.yaml")))
        if self.per_class is not None:
            raw["protocol"]["train_per_class"] = self.per_class
        return raw

    def steps(self, preset: str) -> int:
        return int(store.read_json(self._steps_file(preset), "time the presets first")["steps"])

    def _steps_file(self, preset: str) -> Path:
        return self.folder / f"{preset}-{self.seconds:g}s.json"

    def project(self, preset: str, steps: int) -> Project:
        """A folder of its own, with the prepared data and the kept work of them all."""
        root, shared = self.folder / preset, self.prepared
        for link, target in ((root / ".ganaug", self.folder / "work"), (root / "data" / "prepared", shared.prepared)):
            target.mkdir(parents=True, exist_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(os.path.relpath(target, link.parent))
        return Project(root, self._settings(preset, steps))

    @property
    def prepared(self) -> Project:
        """Where the images are prepared, once for all."""
        return Project(self.folder / "all", self._settings("default", 1))

    def _settings(self, preset: str, steps: int) -> Settings:
        raw = self.raw()
        return settings_of(config.check(raw), raw, preset, self.trials, steps)

    def time(self) -> None:
        """How many steps each preset makes in the seconds; kept, so that a second run finds the same trainings."""
        prepare.prepare(self.prepared)
        device.prepare(device.resolve("cpu"))
        for preset in self.presets:
            if not self._steps_file(preset).is_file():
                step = pace(self.project(preset, 100).settings, prepared_now(self.prepared))
                store.write_json(self._steps_file(preset), {"steps": max(1, round(self.seconds / step))})


def zoo(plan: Plan, figures: Path) -> dict[str, Any]:
    """All presets on one set; two at a time, each on one core."""
    names, trials = plan.presets, plan.trials
    projects = {preset: plan.project(preset, plan.steps(preset)) for preset in names}
    prepared = prepared_now(plan.prepared)
    tasks = [(preset, str(trial)) for preset in names for trial in range(trials)]
    work = importlib.import_module("zoo").run  # by its name; a script's own goes by value, and torch.classes with it
    done = joblib.Parallel(2, batch_size=1)(joblib.delayed(work)(projects[preset], trial) for preset, trial in tasks)
    results = {
        preset: [one for (other, _), one in zip(tasks, done, strict=True) if other == preset] for preset in names
    }
    for preset in names:
        generated = synth.read_synthetic(SplitOf(projects[preset], "0", prepared))
        strip(generated, figures / f"zoo-{plan.name}-{preset}.png")
    part = prepared.part(prepared.split("0").train)
    real = [part.images[part.labels == label] for label in range(len(prepared.classes))]
    strip(real, figures / f"zoo-{plan.name}-real.png")
    summary = {}
    for preset, found in results.items():
        spec = projects[preset].settings.gan
        images = spec.steps * spec.batch_size * spec.discriminator_steps
        summary[preset] = {
            "steps": spec.steps,
            "images": images,
            "images_per_second": images / plan.seconds,  # of one core, with the other idle
            "gains": gains(found, len(prepared.classes), len(part.images), plan.prepared.settings.report.confidence),
            "results": [
                {
                    **{key: one[key] for key in ("gan_train", "gan_test", "kid")},
                    "diversity": one["health"]["diversity"],
                    "alarms": [alarm["kind"] for alarm in one["health"]["alarms"]],
                }
                for one in found
            ],
        }
    return summary


def strip(by_class: Sequence[NDArray[np.uint8]], path: Path, rows: int = 3) -> None:
    """The first images of each class (N, H, W, C), a column per class, not chosen."""
    store.write_png(path, grid([np.stack([images[row] for images in by_class]) for row in range(rows)]))


def table(found: dict[str, Any]) -> str:
    """``found`` as the JSON file of a set has it."""
    header = (
        "preset",
        "GAN-train",
        "GAN-test",
        "KID",
        "over none",
        "over classical",
        "images a second",
        "seen",
        "alarms",
    )
    rows = [
        (
            preset,
            *(f"{np.mean([result[key] for result in one['results']]):.1f}" for key in ("gan_train", "gan_test", "kid")),
            *(f"{gain['mean']:+.1f} ({interval(gain)})" for gain in one["gains"].values()),
            f"{one['images_per_second']:,.0f}",
            f"{one['images']:,}",
            ", ".join(sorted({alarm for result in one["results"] for alarm in result["alarms"]})) or "none",
        )
        for preset, one in found.items()
    ]
    return markdown_table(header, rows)


_PREFACE = """# The zoo: every preset at equal time

Written by `make zoo`. Each preset trained for as many steps as fit into the same seconds of one core, with the widths,
the batch and the variation of real images of the set's own `params.yaml`; the trials are reported ones, which no
setting was tuned on. GAN-train: accuracy of a classifier that learned from generated images alone. GAN-test: accuracy,
on generated images, of one that learned from the test images. KID, times 1,000, in that one's features. Gains in points
of accuracy, with their 95 % intervals: `gan` over `none`, `gan+classical` over `classical`. Seen: real images shown to
the discriminator. A preset whose images vary as `vary` says (digits shifted by a pixel) has a lower GAN-test, since the
test images do not. On digits, `wgan`, `wgan-gp`, `sngan-projection` and `r3gan` were run again later, at the rates that
they have now and in batches of 96, where `params.yaml` said 64 before; on Fashion-MNIST the first three have a fifth of
those rates."""


def ranked(found: dict[str, Any], gain: str, count: int = 3) -> str:
    """The first few presets by their mean gain."""
    order = sorted(found, key=lambda preset: found[preset]["gains"][gain]["mean"], reverse=True)
    return ", ".join(f"{preset} ({found[preset]['gains'][gain]['mean']:+.1f})" for preset in order[:count])


def over_sets(runs: dict[str, Any], gain: str) -> dict[str, float]:
    """{preset: its mean gain, every set counted once} of those that ran on all sets, the best first."""
    found = [run_of["presets"] for run_of in runs.values()]
    means = {
        preset: float(np.mean([one[preset]["gains"][gain]["mean"] for one in found]))
        for preset in found[0]
        if all(preset in one for one in found)
    }
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def which(runs: dict[str, Any]) -> str:
    """The presets by their mean gains over the sets."""
    over_none, on_top = (over_sets(runs, gain) for gain in ("gan_vs_none", "gan+classical_vs_classical"))
    told = (", ".join(f"{preset} {mean:+.2f}" for preset, mean in means.items()) for means in (over_none, on_top))
    trials = ", ".join(f"{run_of['trials']} of {name}" for name, run_of in runs.items())
    return (
        "\n## Which one\n\nMean gains over the sets, each counted once (trials: {}): a measure settled on after the "
        "runs were seen.\n\n- Over `none`: {}.\n- Over `classical`: {}.\n\nDifferences of a few tenths are chance: the "
        "intervals below say how little so few trials know."
    ).format(trials, *told)


def over_time(found: dict[str, Any]) -> str:
    """What zoo_time.py found, as its JSON file has it: its picture and its table."""

    def at(points: list[dict[str, float]], seconds: float) -> str:
        near = [one for one in points if 0.9 * seconds <= one["seconds"] <= 1.1 * seconds]
        return f"{near[-1]['gan_train']:.1f}" if near else "-"

    moments = (40, 80, 150, 225, 300)
    rows = [
        (name, *(at(points, moment) for moment in moments), f"{points[-1]['steps']:,}", f"{points[-1]['images']:,}")
        for name, points in found["presets"].items()
    ]
    header = ("preset", *(f"{moment} s" for moment in moments), "steps", "images seen")
    where = f"{found['machine']['processor']}, torch {found['machine']['packages']['torch']}"
    return f"{_OVER_TIME.format(where)}\n\n{markdown_table(header, rows)}"


_OVER_TIME = """
## Against time: 100 digits a class, each preset as `ganaug presets` has it

Written by `python benchmarks/zoo_time.py`: GAN-train against seconds of one core, with each preset's own widths, batch
and rates, which stay constant here (`sngan-projection` and `r3gan` lower them with the steps elsewhere). Seconds are
CPU time of training alone ({}, with other work beside it). 500 generated images per class teach the classifier; 60 real
ones per class, which no GAN saw and no setting was chosen by, test it. One training each: differences of three points
are chance. A dash: not trained so long yet.

![GAN-train against seconds of one core, a line per preset](figures/zoo-time.svg)"""


def document(figures: Path) -> str:
    """docs/zoo.md, from what the last run of each set found."""
    paths = {name: figures / f"zoo-{name}.json" for name in SETS}
    runs = {name: store.read_json(path, "") for name, path in paths.items() if path.is_file()}
    parts = [_PREFACE]
    if len(runs) > 1:
        parts.append(which(runs))
    for name, run_of in runs.items():
        found = run_of["presets"]
        over_none, on_top = (ranked(found, gain) for gain in ("gan_vs_none", "gan+classical_vs_classical"))
        parts += [
            f"\n## {name}: {run_of['train_per_class']} images a class, {run_of['seconds']:g} seconds of one core\n",
            f"Trials: {run_of['trials']}. The largest gains over `none`: {over_none}; over `classical`: {on_top}.\n",
            table(found),
            "\nThree images of each class, the first ones of trial 0, not chosen:\n",
            "| | |\n|---|---|",
            f"| real | ![real images](figures/zoo-{name}-real.png) |",
            *(f"| {preset} | ![{preset}](figures/zoo-{name}-{preset}.png) |" for preset in found),
        ]
    curves = figures / "zoo-time.json"
    if curves.is_file():
        parts.append(over_time(store.read_json(curves, "")))
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--presets", nargs="+", choices=presets.OF_CLASSES, default=presets.OF_CLASSES)
    parser.add_argument("--trials", type=int, help="instead of the set's own number")
    parser.add_argument("--seconds", type=float, help="of one core, instead of the set's own")
    parser.add_argument("--per-class", type=int, help="train images a class, instead of the set's own")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", help="zoo.md and figures/")
    options = parser.parse_args()
    plans = []
    for name in options.sets:
        _, trials, seconds = SETS[name]
        trials, seconds = options.trials or trials, options.seconds or seconds
        plans.append(Plan(name, options.presets, trials, seconds, options.per_class))
    for plan in plans:
        plan.time()
    figures = options.into / "figures"
    for plan in plans:
        found = zoo(plan, figures)
        protocol = plan.prepared.settings.protocol
        assert isinstance(protocol, Subsets)
        about = {"train_per_class": protocol.train_per_class, "trials": plan.trials, "seconds": plan.seconds}
        path = figures / f"zoo-{plan.name}.json"
        earlier = store.read_json(path, "") if path.is_file() else {}
        if all(earlier.get(key) == value for key, value in about.items()):  # presets that were not asked for stay
            known = {**earlier["presets"], **found}
            found = {name: known[name] for name in presets.OF_CLASSES if name in known}
        store.write_json(path, {**about, "presets": found})
        print(f"\n{plan.name}\n\n{table(found)}", flush=True)
        store.write_text(options.into / "zoo.md", document(figures))


if __name__ == "__main__":
    main()
