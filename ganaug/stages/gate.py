"""The verdict and the gate: what the last report says, and whether it passes the rules of params.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, store
from ganaug.errors import UserError, one_line
from ganaug.evaluate.rules import Status, judge, of_all
from ganaug.evaluate.summary import Summary, check
from ganaug.stages.project import Project
from ganaug.stages.split import gan_settings
from ganaug.stages.work import RECIPES

if TYPE_CHECKING:
    from ganaug.evaluate.baseline import Fall

_RUN = 'run "dvc repro"'


def show_verdict(project: Project) -> None:
    """The last report's arms and gains as a small table, and where the page is."""
    from ganaug.report import verdict

    summary = _read_summary(project)
    arms = (f"arm ({summary['dataset']['primary_metric']}, %)", "mean ± sd")
    print(verdict.text_table(arms, verdict.arm_rows(summary)) + "\n")
    print(verdict.text_table(("gain (points)", "mean", "interval", "p", ""), verdict.gain_rows(summary)) + "\n")
    if verdict.rare_classes(summary):
        print(verdict.text_table(*verdict.rare_rows(summary)) + "\n")
    for sentence in verdict.sentences(summary):
        print(sentence)
    print(f"report: {one_line(str((project.reports / 'report.html').resolve()))}")


def gate(project: Project, markdown: bool, baseline: Path | None = None) -> Status:
    """Print each rule with its figure. A gain of theirs that fell against the ``baseline`` is a failure too.

    Raises UserError if the summary is of other settings, recipes or tuning draws, or if there are no rules.
    """
    from ganaug.report import markdown as in_markdown
    from ganaug.report import verdict

    summary = _read_summary(project)
    _check_current(project, summary)
    if summary["dataset"]["draws"] == "tuning":
        raise UserError('protocol.draws: must be report for the gate, got tuning; set it and run "dvc repro"')
    if not project.settings.gate:
        raise UserError("params.yaml: gate must list at least one rule, got none; add {gain: gan_vs_none, above: 0.0}")
    settings = project.settings
    judged = judge(settings.gate, summary["gains"], summary["dataset"]["primary_metric"], settings.report.smallest_gain)
    falls, notes = _against(project, baseline) if baseline else ([], [])
    header = ("gain", "metric", "points", "interval", "must be", "p (Holm)", "")
    rows = [
        (
            one.gain,
            one.metric,
            f"{one.mean:+.2f}",
            verdict.interval(summary["gains"][one.gain][one.metric]),
            f"above {one.above:g}" if one.not_below is None else f"not below {one.not_below:g}",
            verdict.p_value(one.p_holm) if one.not_below is None else "",
            {"pass": "pass", "fail": "FAIL", "cannot tell": "cannot tell yet"}[one.status],
        )
        for one in judged
    ]
    status = "fail" if any(fall.fell for fall in falls) else of_all(judged)
    said = {"pass": "pass", "fail": "fail", "cannot tell": "cannot tell yet"}[status]
    table, inert = (in_markdown.table, in_markdown.inert) if markdown else (verdict.text_table, one_line)
    if markdown:
        print(f"### ganaug gate: {said}\n")
    print(table(header, rows))
    if baseline:
        print(f"\nAgainst {inert(str(baseline))}:" + "\n" * markdown)
        print(table(*_fall_rows(falls)))
        for note in notes:
            print(f"\nNote: {inert(note)}." if markdown else f"note: {note}")
    if markdown:
        print("\n" + "\n".join(verdict.sentences(summary)))
    else:
        print(f"gate: {said}")
    return status


def _against(project: Project, path: Path) -> tuple[list[Fall], list[str]]:
    """The falls, and what the reader should know of, against an earlier run."""
    from ganaug.evaluate import baseline

    name, own = str(path), project.reports / "summary.json"
    now = baseline.read(store.read_json(own, _RUN), str(own))
    before = baseline.read(store.read_json(path, "name the summary.json of an earlier run"), name)
    baseline.refuse_unlike(now, before, name)
    return baseline.compare(project.settings.gate, now, before), baseline.notes(now, before)


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


def _read_summary(project: Project) -> dict[str, Any]:
    path = project.reports / "summary.json"
    found = store.read_json(path, _RUN)
    recipes = found.get("recipes") if isinstance(found, dict) and found.get("schema") == 1 else None
    if isinstance(recipes, dict) and recipes.get("report") != RECIPES["report"]:
        raise UserError(f'{path}: was made by another ganaug, which reported otherwise; run "ganaug report"')
    summary: dict[str, Any] = check(found, str(path), _RUN, Summary)
    return summary


def measured_settings(project: Project) -> dict[str, Any]:
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
    now = measured_settings(project)
    changed = [key for key in now if summary["settings"].get(key) != now[key]]
    if changed:
        raise UserError(f"{path}: was made with other settings of {', '.join(changed)} than params.yaml has; {_RUN}")
