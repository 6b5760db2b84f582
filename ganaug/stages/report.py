"""The report stage: trials in, summary, page and model card out. Imports no torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import __version__, store
from ganaug.classify.arms import gain_pairs
from ganaug.data.cell_draws import CellDraws
from ganaug.data.splits import RELEASE
from ganaug.data.subsets import Subsets
from ganaug.errors import UserError
from ganaug.log import log
from ganaug.measure.rules import judge
from ganaug.stages import results, sheets
from ganaug.stages.fidelity import fidelity_key, read_fidelity
from ganaug.stages.gate import measured_settings
from ganaug.stages.project import Project
from ganaug.stages.runs import Run, arms_of, runs_of
from ganaug.stages.split import SplitOf, open_splits
from ganaug.stages.work import RECIPES

if TYPE_CHECKING:
    from ganaug.measure.gains import Comparison, Tested

_RECALL = (
    "mean",
    "ci_low",
    "ci_high",
    "p_value",
    "trials",
    "answer",
)  # per class: method and unit are those of the gains


def report(project: Project) -> str:
    """Write summary, metrics, page, model card and plots. Returns the verdict and where the page is."""
    from ganaug.measure.gains import Comparison
    from ganaug.measure.learning_curves import curve_figures, worth_figures
    from ganaug.report import card, fidelity_tables, page, tables, verdict

    log.info("report: statistics, plots and the page ...")
    settings, splits = project.settings, {split.name: split for split in open_splits(project)}
    release, prepared, protocol = splits[RELEASE], splits[RELEASE].prepared, settings.protocol
    trials = [splits[name] for name in protocol.trial_names()]
    runs = {trial.name: runs_of(trial) for trial in trials}
    _check_shared_test(trials)
    with project.alone("trials"):  # so that none is replaced meanwhile
        found = results.read_trials(project, runs)
        tested = [results.read_predictions(split, trial) for split, trial in zip(trials, found, strict=True)]
    rows = [row for trial in trials for row in trial.rows.test]
    comparison = Comparison(
        tested,
        len(prepared.classes),
        protocol.shared_test,
        settings.report.confidence,
        len(rows) / len(set(rows)),
        settings.report.smallest_gain,
    )
    pairs = gain_pairs(settings.classify.arms)
    learned = _train_images(trials)
    metric = primary_metric(settings.report.primary_metric, learned, protocol.hides_cells)
    gains = comparison.gain_figures(pairs)
    curve_arms = settings.classify.curve_arms
    on_curves = [
        (one.name, one.base)
        for one in arms_of(settings)
        # No number of images of the cells that are there fills those that are missing.
        if one.filler and one.filler.is_gan and not one.way and one.base in curve_arms and not protocol.hides_cells
    ]
    least, most = min(learned.values()), max(learned.values())
    generators = [*trials, release]
    histories, health = results.histories(generators), results.health(generators)
    faithful = read_fidelity(trials)
    summary: dict[str, Any] = {
        "schema": 1,
        "ganaug": __version__,
        "recipes": RECIPES,
        "dataset": {
            "name": settings.data.source.title(),
            "classes": prepared.classes,
            "image_shape": list(prepared.image_shape),
            "protocol": protocol.kind,
            "protocol_text": protocol.describe(),
            "draws": protocol.draws,
            "trials": len(trials),
            "most_trials": _most_trials(trials, release),
            "train_per_class": round(least) if most - least < 1 else None,
            "train_images": learned,
            "unlabelled_images": _unlabelled(trials[0]),  # every trial's
            "test_images": len(set(rows)),
            "primary_metric": metric,
        },
        "arms": comparison.arm_figures(),
        "recall": comparison.recall_figures(prepared.classes),
        "gains": gains,
        "curve": curve_figures(comparison, curve_arms),
        "worth": worth_figures(comparison, on_curves, metric, gains),
        "recall_gains": {
            gain: {name: {key: figure[key] for key in _RECALL} for name, figure in figures.items()}
            for gain, figures in comparison.recall_gain_figures(pairs, prepared.classes).items()
        },
        "gate": [asdict(one) for one in judge(settings.gate, gains, metric, settings.report.smallest_gain)],
        "acceptance": results.acceptance(trials, release),
        "fidelity": fidelity_tables.summarise(faithful),
        "alarms": {split: [alarm["kind"] for alarm in found["alarms"]] for split, found in health.items()},
        "settings": measured_settings(project),
    }
    if protocol.hides_cells:
        summary["cells"] = of_cells(release, comparison, pairs)
    if rare := verdict.rare_classes(summary):
        labels = [prepared.classes.index(name) for name in rare]
        summary["rare_recall_gains"] = {
            gain: {key: figure[key] for key in _RECALL}
            for gain, figure in comparison.mean_recall_gain_figures(pairs, labels).items()
        }
    summary["confusion"] = _confusion(tested, verdict.spoken(summary), len(prepared.classes))
    html = page.render(
        summary,
        found,
        histories,
        health,
        sheets.examples(release),
        faithful,
        sheets.neighbours(trials) if faithful else None,
        _yaml(summary["settings"]),
        sheets.read_directions(release),
    )
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    measured = {"summary": page.stamp(summary), "finished": finished, **_timings(project, generators, runs)}
    files = {
        "summary.json": store.json_text(summary),
        "metrics.json": store.json_text(tables.metrics(summary)),
        "report.html": html,
        "MODEL_CARD.md": card.render(summary),
        "timings.json": store.json_text(measured),
        # The page reads them from a script: it may not open another file, and must not change with the clock itself.
        "timings.js": f"showRun({json.dumps(measured)});\n",
    }
    _publish(project, files, partial(tables.write_plots, summary=summary, trials=found, histories=histories))
    return "\n".join([*verdict.sentences(summary), f"report: {project.reports / 'report.html'}"])


def _publish(project: Project, files: Mapping[str, str], write_plots: Callable[[Path], None]) -> None:
    """Write ``files``, by name, and the folder of plots, all of one run: nothing old goes before all is on the disk.

    The first, the summary, is put in place last: after a kill in between, what ``ganaug gate`` judges is whole and of
    an earlier report; DVC, for which the stage has not ended, and ``ganaug report`` write all again.
    """
    with project.alone("reports"), ExitStack() as parts:  # what is entered first is put in place last
        for name, text in files.items():
            part = parts.enter_context(store.replacing(project.reports / name))
            part.write_text(text, encoding="utf-8")
        write_plots(parts.enter_context(store.replacing(project.reports / "plots", folder=True)))


def _check_shared_test(trials: Sequence[SplitOf]) -> None:
    """Raises UserError if trials of one test part have several."""
    if trials[0].settings.protocol.shared_test and len({tuple(trial.rows.test) for trial in trials}) > 1:
        raise UserError(
            f"{trials[0].project.prepared / 'splits'}: all trials of protocol {trials[0].settings.protocol.kind} must "
            'have the same test part, but theirs differ; run "ganaug prepare" (or "dvc repro")'
        )


def _confusion(tested: Sequence[Tested], gains: Iterable[str], classes: int) -> dict[str, Any]:
    """{arm: percentages, a row for each true class}, of the first gain that the verdict speaks of; None: not tested."""
    from ganaug.measure.confusion import confusion

    arms = next((gain.split("_vs_") for gain in gains), [])
    return {
        arm: [
            [None if value != value else round(value, 3) for value in row]
            for row in confusion(tested, arm, classes).tolist()
        ]
        for arm in arms
    }


def _unlabelled(trial: SplitOf) -> int:
    """The number of images without labels that anything learned from."""
    parts = [part for one in arms_of(trial.settings) for part in (one.filler, one.way) if part]
    return len(trial.unlabelled if any(part.unlabelled for part in parts) else trial.gan_unlabelled)


def _most_trials(trials: Sequence[SplitOf], release: SplitOf) -> int | None:
    """How many trials there are images for, about; None where all trials use the same ones."""
    protocol, prepared = release.settings.protocol, release.prepared
    labels = prepared.labels.tolist()
    if isinstance(protocol, Subsets):
        places: list[Any] = labels  # each class is dealt apart
        apart = protocol.tuning_per_class + protocol.unlabelled_per_class  # for tuning draws
        counts = dict(enumerate(protocol.train_counts(len(prepared.classes))))
    elif isinstance(protocol, CellDraws) and prepared.conditions is not None:
        places = list(zip(labels, prepared.conditions.tolist(), strict=True))  # and here each cell
        apart = protocol.tuning_per_cell + protocol.tuning_test_per_cell
        counts = dict.fromkeys(places, protocol.train_per_cell)
    else:
        return None
    if protocol.draws == "tuning":
        return None
    dealt = [split.rows for split in (*trials, release)]
    used = {row for rows in dealt for row in (*rows.train, *rows.test, *rows.spare, *rows.unlabelled, *rows.truth)}
    seen, left = {prepared.pixels[row] for row in used}, Counter[Any]()
    for row, (place, pixels) in enumerate(zip(places, prepared.pixels, strict=True)):
        if row not in used and pixels not in seen:
            seen.add(pixels)
            left[place] += 1
    return len(trials) + min(max(0, left[place] - apart) // count for place, count in counts.items())


def _train_images(trials: Sequence[SplitOf]) -> dict[str, float]:
    """{class: images in the train part}, the mean over trials."""
    counts = [trial.prepared.counts(trial.rows.train) for trial in trials]
    return {name: round(sum(count[name] for count in counts) / len(counts), 2) for name in counts[0]}


def of_cells(release: SplitOf, comparison: Comparison, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """By cell, a class under a condition: the images that ``release`` learns from, recalls and gains."""
    classes, conditions = release.prepared.classes, release.prepared.condition_names
    counts = release.prepared.cells(release.rows.train).tolist()
    targets = {condition for trial in comparison.trials if trial.cells for condition in trial.cells.targets}
    return {
        "conditions": conditions,
        "targets": [conditions[condition] for condition in sorted(targets)],
        "counts": {name: dict(zip(conditions, row, strict=True)) for name, row in zip(classes, counts, strict=True)},
        "missing": [
            [name, condition]
            for name, row in zip(classes, counts, strict=True)
            for condition, count in zip(conditions, row, strict=True)
            if not count
        ],
        "recall": comparison.cell_recall_figures(classes, conditions),
        "gains": comparison.condition_gain_figures(pairs, conditions),
    }


def primary_metric(asked: str, learned: Mapping[str, float], hides_cells: bool) -> str:
    """The metric that the verdict is about; ``asked``: what the settings say; ``learned``: {class: images}."""
    if asked != "auto":
        return asked
    if hides_cells:
        return "condition_accuracy"
    return "balanced_accuracy" if max(learned.values()) >= 2 * min(learned.values()) else "accuracy"


def _timings(project: Project, generators: Sequence[SplitOf], runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Measured seconds, which differ from run to run: kept out of DVC's cache, and out of every other file."""
    work, trials = project.work, [split for split in generators if split.name in runs]
    return {
        "train": {split.name: work.timing("train", split.train_key) for split in generators},
        "classify": {
            name: {run.name: work.timing("classify", run.key) for run in of_trial} for name, of_trial in runs.items()
        },
        "fidelity": {
            trial.name: work.timing("fidelity", fidelity_key(trial))
            for trial in (trials if project.settings.fidelity.enabled else ())
        },
    }


def _yaml(value: Any) -> str:
    import io

    from ruamel.yaml import YAML

    out = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(value, out)
    return out.getvalue()
