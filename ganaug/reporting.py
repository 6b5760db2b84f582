"""The report stage, the verdict and the gate: trials in, summary and page out. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import __version__, config, store
from ganaug.classify.arms import arm, gain_pairs
from ganaug.data.prepared import Prepared
from ganaug.data.protocols import RELEASE
from ganaug.errors import UserError
from ganaug.evaluate.gate import Judged, judge
from ganaug.pipeline import Project, classify_key, prepared_now, read_synthetic, train_key
from ganaug.work import RECIPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RUN = 'run "dvc repro"'


def report(project: Project) -> str:
    """Write summary.json, metrics.json, report.html and the tables of plots. Returns verdict and path."""
    from ganaug.evaluate.gains import arm_figures, gain_figures
    from ganaug.report import page, verdict

    settings, prepared = project.settings, prepared_now(project)
    trials = _read_trials(project, prepared)
    labels, predictions = _read_predictions(project, [trial["trial"] for trial in trials])
    classes, metric = len(prepared.classes), settings.report.primary_metric
    gains = gain_figures(predictions, labels, classes, gain_pairs(settings.classify.arms), settings.report.confidence)
    summary: dict[str, Any] = {
        "schema": 1,
        "ganaug": __version__,
        "recipes": RECIPES,
        "dataset": {
            "name": settings.data.source.title(),
            "classes": prepared.classes,
            "image_shape": list(prepared.image_shape),
            "protocol": settings.protocol.kind,
            "draws": settings.protocol.draws,
            "trials": len(trials),
            "train_per_class": settings.protocol.train_per_class,
            "test_images": len(labels),
            "primary_metric": metric,
        },
        "arms": arm_figures(predictions, labels, classes),
        "gains": gains,
        "gate": [_as_json(judged) for judged in judge(settings.gate, gains, metric)],
        "settings": _measured_settings(project),
    }
    histories = _histories(project)
    store.write_json(project.reports / "summary.json", summary)
    store.write_json(project.reports / "metrics.json", _metrics(summary))
    _write_plot_tables(project.reports / "plots", summary, trials, histories)
    html = page.render(summary, trials, histories, _examples(project, prepared), _yaml(summary["settings"]))
    store.write_text(project.reports / "report.html", html)
    store.write_json(project.reports / "timings.json", _timings(project, prepared))
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
    for sentence in verdict.sentences(summary):
        print(sentence)
    print(f"report: {(project.reports / 'report.html').resolve()}")


def gate(project: Project, markdown: bool) -> bool:
    """Print each rule with its figure; True when all pass."""
    from ganaug.report import verdict

    summary = _read_summary(project)
    _check_current(project, summary)
    if summary["dataset"]["draws"] == "tuning":
        raise UserError('protocol.draws: must be report for the gate, got tuning; set it and run "dvc repro"')
    if not project.settings.gate:
        raise UserError("params.yaml: gate must list at least one rule, got none; add {gain: gan_vs_none, above: 0.0}")
    judged = judge(project.settings.gate, summary["gains"], summary["dataset"]["primary_metric"])
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
    passed = all(one.passed for one in judged)
    if markdown:
        print(f"### ganaug gate: {'pass' if passed else 'fail'}\n")
        print(verdict.markdown_table(header, rows))
        print("\n" + "\n".join(verdict.sentences(summary)))
    else:
        print(verdict.text_table(header, rows))
        print(f"gate: {'pass' if passed else 'fail'}")
    return passed


# ------------------------------------------------------------------------------------------------------ reading


def _read_summary(project: Project) -> dict[str, Any]:
    summary: dict[str, Any] = store.read_json(project.reports / "summary.json", _RUN)
    if not isinstance(summary, dict) or summary.get("schema") != 1:
        raise UserError(f"{project.reports / 'summary.json'}: must be a summary of schema 1; {_RUN}")
    return summary


def _measured_settings(project: Project) -> dict[str, Any]:
    """The settings that figures depend on."""
    everything: dict[str, Any] = config.plain(project.settings)
    return {key: value for key, value in everything.items() if key not in ("gate", "device", "jobs")}


def _check_current(project: Project, summary: dict[str, Any]) -> None:
    """Nothing old is judged as new: neither figures of other settings nor those of an earlier recipe."""
    path = project.reports / "summary.json"
    now = _measured_settings(project)
    changed = [key for key in now if summary["settings"].get(key) != now[key]]
    if changed:
        raise UserError(f"{path}: was made with other settings of {', '.join(changed)} than params.yaml has; {_RUN}")
    if summary["recipes"] != RECIPES:
        raise UserError(
            f'{path}: was made by ganaug {summary["ganaug"]}, which computed it otherwise; run "dvc repro -f"'
        )


def _read_trials(project: Project, prepared: Prepared) -> list[dict[str, Any]]:
    names = project.settings.protocol.trial_names()
    if not any(project.trials.glob("*.json")):
        raise UserError(f'{project.trials}: must hold trials, but has none; run "ganaug classify" (or "dvc repro")')
    mend = 'run "ganaug classify" (or "dvc repro")'
    trials = [store.read_json(project.trials / f"{name}.json", mend) for name in names]
    for trial in trials:
        for name in project.settings.classify.arms:
            now = classify_key(project, prepared, trial["trial"], arm(name, project.settings.classify))
            if trial["keys"].get(name) != now:
                raise UserError(
                    f"{project.trials}: arm {name} of trial {trial['trial']} is missing or of other settings "
                    f"or images than there are now; {mend}"
                )
    return trials


def _read_predictions(project: Project, trials: list[str]) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Labels (test images,) and each arm's predictions (trials, test images): all trials share the test part."""
    import numpy as np

    tables = [store.read_table(project.trials / f"{trial}.predictions.csv") for trial in trials]
    labels = np.array([int(row["label"]) for row in tables[0]], np.int64)
    arms: dict[str, NDArray[np.int64]] = {
        name: np.array([[int(row[name]) for row in table] for table in tables], np.int64)
        for name in project.settings.classify.arms
    }
    return labels, arms


def _histories(project: Project) -> dict[str, list[dict[str, float]]]:
    """GAN histories, the release's last."""
    names = [*project.settings.protocol.trial_names(), RELEASE]
    return {
        name: [{key: float(value) for key, value in row.items()} for row in store.read_table(path)]
        for name in names
        if (path := project.models / name / "history.csv").is_file()
    }


def _examples(
    project: Project, prepared: Prepared, count: int = 10
) -> list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Real images that the released generator learned from, and its first images, of every class."""
    from ganaug.report.images import grid

    part = prepared.part(prepared.split(RELEASE).train)
    images, labels = read_synthetic(project, prepared, RELEASE)
    return [
        (name, grid([part.images[part.labels == label][:count]]), grid([images[labels == label][:count]]))
        for label, name in enumerate(prepared.classes)
    ]


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
    folder: Path, summary: dict[str, Any], trials: list[dict[str, Any]], histories: dict[str, list[dict[str, float]]]
) -> None:
    """What ``dvc plots show`` draws."""
    metric, classes = summary["dataset"]["primary_metric"], summary["dataset"]["classes"]
    arms = list(summary["arms"])
    with store.replacing(folder) as part:
        store.write_csv(
            part / "arms.csv",
            ["trial", "arm", metric],
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
            [
                [one, name, sum(trial["arms"][name]["recall"][one] for trial in trials) / len(trials)]
                for one in classes
                for name in arms
            ],
        )
        rows = [[split, *row.values()] for split, history in histories.items() for row in history]
        columns = next((list(history[0]) for history in histories.values() if history), ["step"])
        store.write_csv(part / "history.csv", ["split", *columns], rows)


def _timings(project: Project, prepared: Prepared) -> dict[str, Any]:
    """Measured seconds: the one file that differs from run to run, so it is kept out of DVC's cache."""
    work, protocol = project.work, project.settings.protocol
    arms = [arm(name, project.settings.classify) for name in project.settings.classify.arms]
    return {
        "train": {name: work.timing("train", train_key(project, prepared, name)) for name in protocol.names()},
        "classify": {
            trial: {one.name: work.timing("classify", classify_key(project, prepared, trial, one)) for one in arms}
            for trial in protocol.trial_names()
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
