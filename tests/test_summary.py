"""What the report says of cells, a class under a condition, and the rules that a summary of them keeps."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from ganaug import config
from ganaug.data.splits import Split
from ganaug.errors import UserError
from ganaug.measure import gains
from ganaug.measure.contributions import Cells
from ganaug.measure.gains import Comparison
from ganaug.measure.summary import Summary, check
from ganaug.stages import report, results
from ganaug.stages.split import SplitOf

LABELS, CONDITIONS = np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
HIDDEN = {"0": [(0, 1)], "1": [(1, 1)]}


def trial(name: str) -> SplitOf:
    """One of two trials that are tested on all but the first image, as far as results read it."""
    splits = {one: Split([0], list(range(1, 8)), hidden=hidden) for one, hidden in HIDDEN.items()}
    prepared = SimpleNamespace(
        conditions=CONDITIONS,
        split=splits.get,
        classes=["cat", "dog"],
        condition_names=["new", "old"],
        cells=lambda rows: np.array([[0, 3], [2, 3]]),
    )
    protocol = SimpleNamespace(hides_cells=True, trial_names=lambda: list(HIDDEN))
    settings = SimpleNamespace(protocol=protocol)
    return cast("SplitOf", SimpleNamespace(prepared=prepared, settings=settings, rows=splits[name]))


def summary() -> dict[str, Any]:
    cells = [results.tested_cells(trial(name)) for name in HIDDEN]
    right = LABELS[1:]
    tested = [gains.Tested(right, {"translate": right, "none": 0 * right}, 4, cells=one) for one in cells]
    comparison, pairs = Comparison(tested, 2, shared_test=False), [("translate", "none")]
    of_pairs = comparison.gain_figures(pairs)
    keys = ("mean", "ci_low", "ci_high", "p_value", "standard_error", "degrees_of_freedom", "confidence", "trials")
    of_classes = comparison.recall_gain_figures(pairs, ["cat", "dog"])
    return {
        "schema": 1,
        "ganaug": "1",
        "recipes": {},
        "dataset": {
            "primary_metric": "condition_accuracy",
            "name": "photos",
            "draws": "report",
            "classes": ["cat", "dog"],
            "train_per_class": None,
            "train_images": {"cat": 2.0, "dog": 2.0},
        },
        "arms": comparison.arm_figures(),
        "gains": {
            gain: {
                metric: {key: figure[key] for key in (*keys, "answer", "needed")} for metric, figure in figures.items()
            }
            for gain, figures in of_pairs.items()
        },
        "recall_gains": {gain: {name: figures[name] for name in figures} for gain, figures in of_classes.items()},
        "fidelity": None,
        "alarms": {},
        "settings": {"protocol": {"kind": "cells"}, "synth": {"balance": "equal"}, "report": {"smallest_gain": 2.0}},
        "cells": report.of_cells(trial("0"), comparison, pairs),
    }


def checked(found: dict[str, Any]) -> Any:
    return check(found, "summary.json", 'run "ganaug report"', Summary)


def test_the_target_conditions_are_those_of_all_trials() -> None:
    assert results.tested_cells(trial("1")) == Cells(pytest.approx(CONDITIONS[1:]), [1], [(1, 1)])
    found = trial("0")
    found.settings.protocol.hides_cells = False  # type: ignore[misc]
    assert results.tested_cells(found) is None


def test_what_a_summary_says_of_cells() -> None:
    found = checked(summary())
    cells = found["cells"]
    assert (cells["conditions"], cells["targets"]) == (["new", "old"], ["old"])
    assert cells["missing"] == [("cat", "new")]
    assert cells["counts"]["dog"] == {"new": 2, "old": 3}
    assert cells["recall"]["none"]["dog"] == {"new": {"seen": 0, "hidden": None}, "old": {"seen": 0, "hidden": 0}}
    assert cells["gains"]["translate_vs_none"]["old"]["mean"] == pytest.approx(50)


def leave_out(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        for key in path[:-1]:
            found = found[key]
        del found[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (leave_out("cells"), "a metric of cells must come with the cells"),
        (leave_out("cells", "recall", "none", "dog"), "every class must have its figures under every condition"),
        (leave_out("cells", "recall", "none", "dog", "old"), "every class must have its figures under every condition"),
        (leave_out("cells", "recall", "none"), "every arm and every gain must be given for the cells too"),
        (leave_out("cells", "gains", "translate_vs_none", "old"), "every gain must be given under every condition"),
        (leave_out("gains", "translate_vs_none", "missing_recall"), "by the metrics of cells too"),
        (lambda found: found["cells"]["missing"].clear(), "missing must be the cells without images"),
        (lambda found: found["cells"]["targets"].append("red"), "targets some of the conditions"),
        (
            lambda found: found["cells"]["gains"]["translate_vs_none"]["old"].update(answer="gain"),
            "the answer of a gain must be that of its interval",
        ),
        (lambda found: found["cells"]["recall"]["none"]["dog"]["old"].update(seen=101), "less than or equal to 100"),
    ],
)
def test_a_summary_of_cells_keeps_its_rules(change: Any, told: str) -> None:
    found = summary()
    change(found)
    with pytest.raises(UserError, match=told):
        checked(found)


def test_metrics_of_cells_need_a_protocol_that_hides_them() -> None:
    cells = {"data": {"source": {"kind": "digits"}}, "report": {"primary_metric": "condition_accuracy"}}
    with pytest.raises(UserError, match=r"report.primary_metric: condition_accuracy needs a protocol that hides cells"):
        config.check(cells)
    rule = {"gain": "gan_vs_none", "metric": "missing_recall", "above": 0.0}
    with pytest.raises(UserError, match=r"gate\[0\].metric: missing_recall needs a protocol that hides cells, got sub"):
        config.check({"gate": [rule]})


def test_the_verdict_is_about_the_accuracy_under_the_conditions_that_lack_classes() -> None:
    learned = {"cat": 10.0, "dog": 40.0}
    assert report.primary_metric("auto", learned, hides_cells=True) == "condition_accuracy"
    assert report.primary_metric("auto", learned, hides_cells=False) == "balanced_accuracy"
    assert report.primary_metric("other_recall", learned, hides_cells=True) == "other_recall"
