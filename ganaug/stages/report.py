"""The report stage, the verdict and the gate: trials in, summary and page out. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import __version__, config, store
from ganaug.classify.arms import ARMS, gain_pairs
from ganaug.data.prepared import Prepared
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError
from ganaug.evaluate.rules import Judged, judge
from ganaug.stages.classify import arms_of, classify_key, repeat_name, runs_of
from ganaug.stages.fidelity import fidelity_key, read_fidelity, read_nearest
from ganaug.stages.labels import rows_without_labels
from ganaug.stages.project import Project, prepared_now
from ganaug.stages.synth import read_acceptance, read_synthetic
from ganaug.stages.train import gan_settings, generated_classes, train_key
from ganaug.stages.work import RECIPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.evaluate.baseline import Fall
    from ganaug.evaluate.gains import Tested
    from ganaug.report.page import Neighbours

_RECALL = ("mean", "ci_low", "ci_high", "p_value", "trials")  # of a class: method and unit are those of the gains
_RUN = 'run "dvc repro"'
History = list[dict[str, float | None]]  # rows of history.csv


def report(project: Project) -> str:
    """Write summary, metrics, page, model card and the tables of plots. Returns the verdict and where the page is."""
    from ganaug.evaluate.gains import Comparison
    from ganaug.evaluate.learning_curves import curve_figures, worth_figures
    from ganaug.report import card, fidelity_tables, page, verdict

    settings, prepared = project.settings, prepared_now(project)
    protocol = settings.protocol
    trials = _read_trials(project, prepared)
    tested = _read_predictions(project, prepared, trials)
    rows = [row for trial in trials for row in prepared.split(trial["trial"]).test]
    comparison = Comparison(
        tested,
        len(prepared.classes),
        protocol.shared_test,
        settings.report.confidence,
        len(rows) / len(set(rows)),
        protocol.seed,
    )
    pairs = gain_pairs(settings.classify.arms)
    learned = _train_images(prepared, [trial["trial"] for trial in trials])
    metric = _primary_metric(settings.report.primary_metric, learned)
    gains = comparison.gain_figures(pairs)
    curve_arms = settings.classify.curve_arms
    on_curves = [
        (one.name, one.base) for one in arms_of(settings) if one.filler and one.filler.is_gan and one.base in curve_arms
    ]
    least, most = min(learned.values()), max(learned.values())
    histories, health, faithful = _histories(project), _health(project), read_fidelity(project, prepared)
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
            "train_per_class": round(least) if most - least < 1 else None,
            "train_images": learned,
            "unlabelled_images": _unlabelled(project, prepared, trials[0]["trial"]),  # every trial's
            "test_images": len(set(rows)),
            "primary_metric": metric,
        },
        "arms": comparison.arm_figures(),
        "recall": comparison.recall_figures(prepared.classes),
        "gains": gains,
        "shares": _chosen_shares(trials),
        "curve": curve_figures(comparison, curve_arms),
        "worth": worth_figures(comparison, on_curves, metric, gains),
        "recall_gains": {
            gain: {name: {key: figure[key] for key in _RECALL} for name, figure in figures.items()}
            for gain, figures in comparison.recall_gain_figures(pairs, prepared.classes).items()
        },
        "gate": [_as_json(judged) for judged in judge(settings.gate, gains, metric)],
        "acceptance": _acceptance(project, prepared),
        "fidelity": fidelity_tables.summarise(faithful),
        "alarms": {split: [alarm["kind"] for alarm in found["alarms"]] for split, found in health.items()},
        "settings": _measured_settings(project),
    }
    if rare := verdict.rare_classes(summary):
        labels = [prepared.classes.index(name) for name in rare]
        found = comparison.mean_recall_gain_figures(pairs, labels)
        summary["rare_recall_gains"] = {gain: {key: figure[key] for key in _RECALL} for gain, figure in found.items()}
    summary["confusion"] = _confusion(tested, verdict.spoken(summary), len(prepared.classes))
    store.write_json(project.reports / "summary.json", summary)
    store.write_json(project.reports / "metrics.json", _metrics(summary))
    _write_plot_tables(project.reports / "plots", summary, trials, histories)
    examples, neighbours = _examples(project, prepared), _neighbours(project, prepared) if faithful else None
    html = page.render(summary, trials, histories, health, examples, faithful, neighbours, _yaml(summary["settings"]))
    store.write_text(project.reports / "report.html", html)
    store.write_text(project.reports / "MODEL_CARD.md", card.render(summary))
    measured = {"summary": page.stamp(summary), **_timings(project, prepared)}
    store.write_json(project.reports / "timings.json", measured)
    # The page reads them from a script: it may not open another file, and must not change with the clock itself.
    store.write_text(project.reports / "timings.js", f"showRun({json.dumps(measured)});\n")
    return "\n".join([*verdict.sentences(summary), f"report: {project.reports / 'report.html'}"])


def show_verdict(project: Project) -> None:
    """The last report's arms and gains as a small table, and where the page is."""
    from ganaug.report import verdict

    summary = _read_summary(project)
    print(
        verdict.text_table((f"arm ({summary['dataset']['primary_metric']}, %)", "mean ± sd"), verdict.arm_rows(summary))
    )
    print()
    print(verdict.text_table(("gain (points)", "mean", "interval", "p", ""), verdict.gain_rows(summary)))
    print()
    if verdict.rare_classes(summary):
        print(verdict.text_table(*verdict.rare_rows(summary)))
        print()
    for sentence in verdict.sentences(summary):
        print(sentence)
    print(f"report: {(project.reports / 'report.html').resolve()}")


def gate(project: Project, markdown: bool, baseline: Path | None = None) -> bool:
    """Print each rule with its figure; True when all pass, and none of their gains fell against ``baseline``."""
    from ganaug.report import verdict

    summary = _read_summary(project)
    _check_current(project, summary)
    if summary["dataset"]["draws"] == "tuning":
        raise UserError('protocol.draws: must be report for the gate, got tuning; set it and run "dvc repro"')
    if not project.settings.gate:
        raise UserError("params.yaml: gate must list at least one rule, got none; add {gain: gan_vs_none, above: 0.0}")
    judged = judge(project.settings.gate, summary["gains"], summary["dataset"]["primary_metric"])
    against = _against(project, summary, baseline) if baseline else None
    header = ("gain", "metric", "points", "interval", "must be above", "p (Holm)", "")
    rows = [
        (
            one.rule.gain,
            one.metric,
            f"{one.mean:+.2f}",
            verdict.interval(summary["gains"][one.rule.gain][one.metric]),
            f"{one.rule.above:g}",
            verdict.p_value(one.p_holm),
            "pass" if one.passed else "FAIL",
        )
        for one in judged
    ]
    passed = all(one.passed for one in judged) and not (against and any(fall.fell for fall in against.falls))
    table = verdict.markdown_table if markdown else verdict.text_table
    if markdown:
        print(f"### ganaug gate: {'pass' if passed else 'fail'}\n")
    print(table(header, rows))
    if against:
        print(f"\nAgainst {against.name}:" + "\n" * markdown)
        print(table(*_fall_rows(against.falls)))
        for note in against.notes:
            print(f"\nNote: {note}." if markdown else f"note: {note}")
    if markdown:
        print("\n" + "\n".join(verdict.sentences(summary)))
    else:
        print(f"gate: {'pass' if passed else 'fail'}")
    return passed


@dataclass(frozen=True)
class _Against:
    """An earlier run beside this one."""

    name: str
    falls: list[Fall]
    notes: list[str]


def _against(project: Project, summary: dict[str, Any], path: Path) -> _Against:
    from ganaug.evaluate import baseline

    name = str(path)
    now = baseline.read(summary, str(project.reports / "summary.json"))
    before = baseline.read(store.read_json(path, "name the summary.json of an earlier run"), name)
    baseline.refuse_unlike(now, before, name)
    return _Against(name, baseline.compare(project.settings.gate, now, before), baseline.notes(now, before))


def _fall_rows(falls: list[Fall]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    from ganaug.report import verdict

    return ("gain", "metric", "before", "now", "change", "p of a fall (Holm)", ""), [
        (
            fall.gain,
            fall.metric,
            "none" if fall.before is None else f"{fall.before:+.2f}",
            f"{fall.now:+.2f}",
            "unknown" if fall.before is None else f"{fall.now - fall.before:+.2f}",
            verdict.p_value(fall.p_holm),
            "FELL" if fall.fell else "no fall shown" if fall.p_holm is not None else "not compared",
        )
        for fall in falls
    ]


# ------------------------------------------------------------------------------------------------------ reading


def _read_summary(project: Project) -> dict[str, Any]:
    summary: dict[str, Any] = store.read_json(project.reports / "summary.json", _RUN)
    if not isinstance(summary, dict) or summary.get("schema") != 1:
        raise UserError(f"{project.reports / 'summary.json'}: must be a summary of schema 1; {_RUN}")
    if "recall_gains" not in summary:
        raise UserError(f"{project.reports / 'summary.json'}: was made by an earlier ganaug; {_RUN}")
    return summary


def _measured_settings(project: Project) -> dict[str, Any]:
    """The settings that figures depend on."""
    everything: dict[str, Any] = {**config.plain(project.settings), "gan": gan_settings(project.settings)}
    return {key: value for key, value in everything.items() if key not in ("gate", "device", "jobs")}


def _check_current(project: Project, summary: dict[str, Any]) -> None:
    """Nothing old is judged as new: neither figures of other settings nor those of an earlier recipe."""
    path = project.reports / "summary.json"
    if summary["recipes"] != RECIPES:  # first: a setting that is new with a recipe is no change that DVC would see
        raise UserError(
            f'{path}: was made by ganaug {summary["ganaug"]}, which computed it otherwise; run "dvc repro -f"'
        )
    now = _measured_settings(project)
    changed = [key for key in now if summary["settings"].get(key) != now[key]]
    if changed:
        raise UserError(f"{path}: was made with other settings of {', '.join(changed)} than params.yaml has; {_RUN}")


def _read_trials(project: Project, prepared: Prepared) -> list[dict[str, Any]]:
    names = project.settings.protocol.trial_names()
    if not any(project.trials.glob("*.json")):
        raise UserError(f'{project.trials}: must hold trials, but has none; run "ganaug classify" (or "dvc repro")')
    mend = 'run "ganaug classify" (or "dvc repro")'
    trials = [store.read_json(project.trials / f"{name}.json", mend) for name in names]
    for trial in trials:
        for run in runs_of(project, prepared, trial["trial"]):
            if trial["keys"].get(run.name) != classify_key(project, prepared, trial["trial"], run):
                raise UserError(
                    f"{project.trials}: arm {run.name} of trial {trial['trial']} is missing or of other settings "
                    f"or images than there are now; {mend}"
                )
    return trials


def _read_predictions(project: Project, prepared: Prepared, trials: list[dict[str, Any]]) -> list[Tested]:
    import numpy as np

    from ganaug.evaluate.gains import CurvePoint, Tested

    tested: list[Tested] = []
    for trial in trials:
        table = store.read_table(project.trials / f"{trial['trial']}.predictions.csv")
        labels = np.array([int(row["label"]) for row in table], np.int64)
        repeats = range(project.settings.classify.repeats)
        columns = {
            title: np.array([[int(row[repeat_name(title, repeat)]) for row in table] for repeat in repeats], np.int64)
            for title in (*project.settings.classify.arms, *trial["curve"])
        }
        curve = [
            CurvePoint(point["arm"], point["multiple"], point["train_images"], columns.pop(name))
            for name, point in trial["curve"].items()
        ]
        split = prepared.split(trial["trial"])
        names = prepared.groups and [prepared.groups[row] for row in split.test]
        groups = np.unique(names, return_inverse=True)[1] if names else None
        tested.append(Tested(labels, columns, len(split.train), groups, curve))
    return tested


def _confusion(tested: Sequence[Tested], gains: Iterable[str], classes: int) -> dict[str, Any]:
    """{arm: percentages, a row for each true class}, of the first gain that the verdict speaks of; None: not tested."""
    from ganaug.evaluate.confusion import confusion

    arms = next((gain.split("_vs_") for gain in gains), [])
    return {
        arm: [
            [None if value != value else round(value, 3) for value in row]
            for row in confusion(tested, arm, classes).tolist()
        ]
        for arm in arms
    }


def _acceptance(project: Project, prepared: Prepared) -> dict[str, Any]:
    """{class: the share of its images that the filters let through, of each trial's generator and of the release's};
    None for a class that needed no images. Empty without filters."""
    if not project.settings.synth.screening():
        return {}
    *trials, release = [read_acceptance(project, name) for name in _generators(project)]
    return {
        name: {"trials": [one.get(name) for one in trials], "release": release.get(name)}
        for name in generated_classes(project.settings, prepared)
    }


def _unlabelled(project: Project, prepared: Prepared, trial: str) -> int:
    """The images without labels that anything learned from."""
    if any(filler.unlabelled for name in project.settings.classify.arms if (filler := ARMS[name][0])):
        return len(prepared.unlabelled_rows(prepared.split(trial)))
    return len(rows_without_labels(project, prepared, trial))


def _chosen_shares(trials: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """{arm: the share that each trial chose} of the arms whose share is auto."""
    return {name: [trial["shares"][name]["chosen"] for trial in trials] for name in trials[0].get("shares", {})}


def _train_images(prepared: Prepared, trials: list[str]) -> dict[str, float]:
    """{class: images in the train part}, the mean over trials."""
    counts = [prepared.counts(prepared.split(trial).train) for trial in trials]
    return {name: round(sum(count[name] for count in counts) / len(counts), 2) for name in prepared.classes}


def _primary_metric(asked: str, learned: dict[str, float]) -> str:
    if asked != "auto":
        return asked
    return "balanced_accuracy" if max(learned.values()) >= 2 * min(learned.values()) else "accuracy"


def _histories(project: Project) -> dict[str, History]:
    """GAN histories, the release's last. None where a column has no figure."""
    return {
        name: [
            {key: float(value) if value else None for key, value in row.items()}
            for row in store.read_table(project.models / name / "history.csv")
        ]
        for name in _generators(project)
    }


def _health(project: Project) -> dict[str, dict[str, Any]]:
    """What the training stage found of each split's generator."""
    return {name: store.read_json(project.models / name / "health.json", _RUN) for name in _generators(project)}


def _generators(project: Project) -> list[str]:
    names = [*project.settings.protocol.trial_names(), RELEASE]
    for name in names:
        if not (project.models / name).is_dir():
            raise UserError(f"{project.models / name}: must hold a generator, but is missing; {_RUN}")
    return names


def _neighbours(project: Project, prepared: Prepared, pairs: int = 12, columns: int = 10) -> Neighbours:
    """The generated images nearest to training images, of all trials, and the first ones of the first trial."""
    import numpy as np

    from ganaug.report.grids import grid
    from ganaug.report.page import Neighbours, Pair

    classes = generated_classes(project.settings, prepared)
    trials = project.settings.protocol.trial_names()
    tables = {trial: read_nearest(project, trial) for trial in trials}

    def couple(trial: str, rows: list[dict[str, str]]) -> NDArray[np.uint8]:
        """Generated images above the training images next to them."""
        made = [project.synth / trial / f"{classes.index(row['class'])}.npy" for row in rows]
        images = [store.read_array(path, _RUN)[int(row["index"])] for path, row in zip(made, rows, strict=True)]
        near = prepared.images_of([int(row["train_row"]) for row in rows])
        return grid([np.stack(images), near], scale_to=48)

    def nearness(found: tuple[str, dict[str, str]]) -> tuple[bool, float]:
        return found[1]["near_copy"] != "1", float(found[1]["relative"] or "inf")

    everything = sorted(((trial, row) for trial, table in tables.items() for row in table), key=nearness)
    first = tables[trials[0]]
    by_class = {name: [row for row in first if row["class"] == name][:columns] for name in classes}
    return Neighbours(
        nearest=[Pair(couple(trial, [row]), *_told(trial, row)) for trial, row in everything[:pairs]],
        first=[(name, couple(trials[0], rows)) for name, rows in by_class.items() if rows],
        trial=trials[0],
    )


def _told(trial: str, row: dict[str, str]) -> tuple[str, str, bool]:
    """Of a row of nearest.csv: which image, how near, whether it is a near-copy."""
    near = f"{float(row['distance']):.1f} levels"
    if row["relative"]:
        near += f", {float(row['relative']):.2f} of usual"
    return f"class {row['class']}, trial {trial}", near, row["near_copy"] == "1"


def _examples(
    project: Project, prepared: Prepared, count: int = 10
) -> list[tuple[str, NDArray[np.uint8], NDArray[np.uint8] | None]]:
    """Real images that the released generator learned from, and its first images, of every class."""
    import numpy as np

    from ganaug.report.grids import grid

    rows = np.array(prepared.split(RELEASE).train)
    synthetic, drawn = read_synthetic(project, prepared, RELEASE)
    examples = []
    classes = generated_classes(project.settings, prepared)
    labels = prepared.labels[rows] if classes == prepared.classes else np.zeros(len(rows), np.int64)
    for label, name in enumerate(classes):
        real = prepared.part(rows[labels == label][:count].tolist()).images
        made = synthetic[drawn == label][:count]
        examples.append((name, grid([real]), grid([made]) if len(made) else None))
    return examples


# ------------------------------------------------------------------------------------------------------ writing


def _as_json(judged: Judged) -> dict[str, Any]:
    return {
        "gain": judged.rule.gain,
        "metric": judged.metric,
        "above": judged.rule.above,
        "mean": judged.mean,
        "p_holm": judged.p_holm,
        "passed": judged.passed,
    }


def _metrics(summary: dict[str, Any]) -> dict[str, Any]:
    """The few figures that ``dvc metrics show`` compares."""
    metric = summary["dataset"]["primary_metric"]
    return {
        metric: {name: figures[metric]["mean"] for name, figures in summary["arms"].items()},
        "gain": {
            name: {key: figures[metric][key] for key in ("mean", "ci_low", "ci_high", "p_value")}
            for name, figures in summary["gains"].items()
        },
    }


def _write_plot_tables(
    folder: Path, summary: dict[str, Any], trials: list[dict[str, Any]], histories: dict[str, History]
) -> None:
    """What ``dvc plots show`` draws."""
    metric, classes = summary["dataset"]["primary_metric"], summary["dataset"]["classes"]
    arms = list(summary["arms"])
    with store.replacing(folder) as part:
        store.write_csv(
            part / "arms.csv",
            ["trial", "arm", "score"],
            [[trial["trial"], name, trial["arms"][name][metric]] for trial in trials for name in arms],
        )
        store.write_csv(
            part / "gains.csv",
            ["gain", "points", "ci_low", "ci_high"],
            [
                [name, *(figures[metric][key] for key in ("mean", "ci_low", "ci_high"))]
                for name, figures in summary["gains"].items()
            ],
        )
        store.write_csv(
            part / "recall.csv",
            ["class", "arm", "recall"],
            [[one, name, summary["recall"][name][one]["mean"]] for one in classes for name in arms],
        )
        rows = [
            [split, *("" if value is None else value for value in row.values())]
            for split, history in histories.items()
            for row in history
        ]
        columns = next((list(history[0]) for history in histories.values() if history), ["step"])
        store.write_csv(part / "history.csv", ["split", *columns], rows)


def _timings(project: Project, prepared: Prepared) -> dict[str, Any]:
    """Measured seconds, which differ from run to run: kept out of DVC's cache, and out of every other file."""
    work, protocol = project.work, project.settings.protocol
    return {
        "train": {name: work.timing("train", train_key(project, prepared, name)) for name in protocol.names()},
        "classify": {
            trial: {
                run.name: work.timing("classify", classify_key(project, prepared, trial, run))
                for run in runs_of(project, prepared, trial)
            }
            for trial in protocol.trial_names()
        },
        "fidelity": {
            trial: work.timing("fidelity", fidelity_key(project, prepared, trial))
            for trial in (protocol.trial_names() if project.settings.fidelity.enabled else ())
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
