"""The verdict and the gate: what the last report says, and whether it passes the rules of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, store
from ganaug.errors import UserError, one_line
from ganaug.measure.rules import Status, judge, of_all
from ganaug.measure.summary import Summary, check
from ganaug.stages.project import Project
from ganaug.stages.split import gan_settings
from ganaug.stages.work import RECIPES

if TYPE_CHECKING:
    from ganaug.measure.baseline import Fall

_RUN = 'run "dvc repro"'


def show_verdict(project: Project, full: bool = False, as_json: bool = False) -> None:
    """Print the answer of the last report as a card, if ``full`` its tables too; or the answer alone ``as_json``."""
    from ganaug.report import answer

    summary = read_summary(project)
    found, page = answer.answer(summary), project.reports / "report.html"
    if as_json:
        print(store.json_text(told(project, summary)), end="")
        return
    from ganaug.report import terminal

    if found:
        terminal.card(found, summary, day(project, summary))
    else:
        print("No arm with GAN images was run.")
    if full:
        print("\n" + terminal.tables(summary, found.gain if found else None) + "\n")
    print(f"report: {one_line(str(page.resolve()))}")


def told(project: Project, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as plain JSON; ``answer`` is None where no arm with GAN images was run."""
    from ganaug.report import answer

    found = answer.answer(summary)
    all_told: dict[str, Any] = {
        "schema": 1,
        "dataset": summary["dataset"]["name"],
        "finished": _finished(project, summary),
    }
    if found is None:
        return {**all_told, "answer": None}
    return {
        **all_told,
        "answer": found.word,
        "title": found.title,
        "arm": found.arm,
        "gain": found.gain,
        "metric": found.metric,
        **_figure(found.figure),
        "smallest_gain": summary["settings"]["report"]["smallest_gain"],
        "needed": found.figure["needed"],
        "reason": found.reason,
        "steps": [asdict(step) for step in found.steps],
        "cautions": list(found.cautions),
    }


def _figure(figure: Mapping[str, Any]) -> dict[str, Any]:
    """``interval`` is None with one trial."""
    interval = None if figure["ci_low"] is None else [figure["ci_low"], figure["ci_high"]]
    return {**{key: figure[key] for key in ("mean", "confidence", "trials")}, "interval": interval}


def _finished(project: Project, summary: Mapping[str, Any]) -> str | None:
    """When the run of ``summary`` ended, if that is known here: ``2026-11-26T04:36:00+00:00``."""
    from ganaug.report.page import stamp

    try:
        found = store.read_json(project.reports / "timings.json", _RUN)
        ended = found["finished"] if found["summary"] == stamp(summary) else None
        return None if ended is None else datetime.fromisoformat(ended).isoformat(timespec="seconds")
    except (UserError, OSError, KeyError, TypeError, ValueError):  # measured times are no part of the result
        return None


def day(project: Project, summary: Mapping[str, Any]) -> str:
    """The day on which the run of ``summary`` ended, ``2026-11-26``; empty where it is not known."""
    return (_finished(project, summary) or "").partition("T")[0]


def gate(project: Project, markdown: bool, baseline: Path | None = None, as_json: bool = False) -> Status:
    """Print each rule of the ``project`` with its figure. A gain that fell against the ``baseline`` is a failure too.

    ``markdown``: for a comment, below the answer; ``as_json``: for programs, with the answer.
    Raises UserError if the summary is of other settings, recipes or tuning draws, or if there are no rules.
    """
    from ganaug.report import answer, card, verdict
    from ganaug.report import markdown as in_markdown

    summary = current_summary(project)
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
    if as_json:
        of_rules = [{**asdict(one), **_figure(summary["gains"][one.gain][one.metric])} for one in judged]
        whole = {
            "schema": 1,
            "status": status,
            "rules": of_rules,
            "falls": [asdict(fall) for fall in falls],
            "notes": notes,
        }
        print(store.json_text({**whole, "verdict": told(project, summary)}), end="")
        return status
    table, inert = (in_markdown.table, in_markdown.inert) if markdown else (verdict.text_table, one_line)
    if markdown:
        if found := answer.answer(summary):
            print(card.answer_card(found, summary, day(project, summary)))
        print(f"### ganaug gate: {said}\n")
    print(table(header, rows))
    lows = [summary["gains"][one.gain][one.metric]["ci_low"] for one in judged]
    if any(one.passed and one.above is not None and low <= one.above for one, low in zip(judged, lows, strict=True)):
        print("\nA rule is tested one-sided at 5 %: it may pass where the two-sided interval just holds its bound.")
    if baseline:
        print(f"\nAgainst {inert(str(baseline))}:" + "\n" * markdown)
        print(table(*_fall_rows(falls)))
        for note in notes:
            print(f"\nNote: {inert(note)}." if markdown else f"note: {note}")
    if not markdown:
        print(f"gate: {said}")
    return status


def _against(project: Project, path: Path) -> tuple[list[Fall], list[str]]:
    """The falls, and what the reader should know of, against an earlier run."""
    from ganaug.measure import baseline

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


def read_summary(project: Project) -> dict[str, Any]:
    """The summary of the last report. Raises UserError if there is none, or it is damaged or of another ganaug."""
    path = project.reports / "summary.json"
    found = store.read_json(path, _RUN)
    recipes = found.get("recipes") if isinstance(found, dict) and found.get("schema") == 1 else None
    if isinstance(recipes, dict) and recipes.get("report") != RECIPES["report"]:
        raise UserError(f'{path}: was made by another ganaug, which reported otherwise; run "ganaug report"')
    summary: dict[str, Any] = check(found, str(path), _RUN, Summary)
    return summary


def current_summary(project: Project) -> dict[str, Any]:
    """The summary of the last report. Raises UserError if it is missing, damaged, or of other settings or recipes."""
    summary = read_summary(project)
    _check_current(project, summary)
    return summary


def measured_settings(project: Project) -> dict[str, Any]:
    """The settings that figures depend on."""
    everything: dict[str, Any] = {**config.plain(project.settings), "gan": gan_settings(project.settings)}
    return {key: value for key, value in everything.items() if key not in ("gate", *config.WHERE)}


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
