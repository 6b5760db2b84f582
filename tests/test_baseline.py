"""Comparison with an earlier run: a fall is reported, possible chance is not, what cannot be compared is refused."""

import copy
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from ganaug.errors import UserError
from ganaug.measure.baseline import Cells, Fall, Run, compare, notes, read, refuse_unlike
from ganaug.measure.rules import GateRule
from ganaug.measure.stats import Estimate

A, B = GateRule("a"), GateRule("b", above=-1.0)


def figure(mean: float, error: float | None = 0.5, freedom: float | None = 9.0) -> dict[str, Any]:
    return {"mean": mean, "standard_error": error, "degrees_of_freedom": freedom, "unit": "percentage points"}


def summary(**gains: dict[str, Any]) -> dict[str, Any]:
    """As summary.json has it, as far as a comparison needs it, and some more."""
    return {
        "schema": 1,
        "ganaug": "0.1.0",
        "recipes": {"report": 3},
        "dataset": {
            "name": "digits",
            "classes": ["cat", "dog"],
            "protocol": "subsets",
            "draws": "report",
            "trials": 10,
            "train_images": {"cat": 5.0, "dog": 5.0},
            "test_images": 600,
            "primary_metric": "accuracy",
        },
        "gains": {name: {"accuracy": one, "macro_f1": figure(7.0)} for name, one in gains.items()},
        "alarms": {},
    }


PLAIN = read(summary(), "new.json")


def run(**gains: dict[str, Any]) -> Run:
    """As ``read`` gives it."""
    keys = ("mean", "standard_error", "degrees_of_freedom")
    figures = {name: Estimate(*(one[key] for key in keys)) for name, one in gains.items()}
    both = {name: {"accuracy": one, "macro_f1": Estimate(7.0, 0.5, 9.0)} for name, one in figures.items()}
    return replace(PLAIN, gains=both)


def test_a_run_is_read_from_its_summary() -> None:
    assert read(summary(a=figure(1.0), b=figure(2.0, None, None)), "") == run(a=figure(1.0), b=figure(2.0, None, None))


def falls(now: float | Run, before: float | Run, *rules: GateRule) -> list[Fall]:
    one, other = (value if isinstance(value, Run) else run(a=figure(value)) for value in (now, before))
    return compare(rules or (A,), one, other)


def test_a_clear_fall_is_told_with_both_figures() -> None:
    (fall,) = falls(0.5, 4.0)
    assert fall == Fall("a", "accuracy", 4.0, 0.5, fall.p_holm, True)
    assert fall.p_holm is not None
    assert fall.p_holm < 0.001


def test_a_rise_a_small_fall_and_no_change_are_not() -> None:
    for now, before in ((4.0, 0.5), (3.9, 4.0), (4.0, 4.0)):
        (fall,) = falls(now, before)
        assert not fall.fell
    (same,) = falls(4.0, 4.0)
    assert same.p_holm == pytest.approx(0.5)


def test_the_level_is_one_sided_five_percent_of_welchs_t() -> None:
    """Standard errors 0.5 and 0.5 of 9 degrees of freedom each: 0.7071 with 18."""
    edge = float(scipy_stats.t.isf(0.05, 18)) * math.sqrt(0.5)
    assert [falls(-edge - step, 0.0)[0].fell for step in (-1e-3, 1e-3)] == [False, True]


def test_holm_counts_the_gains_that_both_runs_have() -> None:
    """A p-value of 0.03 in one gain, none in the other; then a third that the earlier run had not."""
    edge = float(scipy_stats.t.isf(0.03, 18)) * math.sqrt(0.5)
    now, before = run(a=figure(-edge), b=figure(1.0), c=figure(0.0)), run(a=figure(0.0), b=figure(1.0))
    alone, both = compare((A,), now, before), compare((A, B), now, before)
    assert (alone[0].p_holm, alone[0].fell) == (pytest.approx(0.03), True)
    assert (both[0].p_holm, both[0].fell) == (pytest.approx(0.06), False)
    with_new = compare((A, GateRule("c")), now, before)
    assert with_new[0].fell
    assert with_new[1] == Fall("c", "accuracy", None, 0.0, None, False)


def test_two_rules_of_one_gain_are_one_comparison() -> None:
    assert len(falls(1.0, 4.0, A, GateRule("a", above=-0.5), GateRule("a", metric="accuracy"))) == 1
    assert [fall.metric for fall in falls(1.0, 4.0, A, GateRule("a", metric="macro_f1"))] == ["accuracy", "macro_f1"]


def test_the_primary_metric_is_that_of_now() -> None:
    told = summary(a=figure(1.0))
    told["dataset"]["primary_metric"] = "macro_f1"
    assert compare((A,), read(told, ""), run(a=figure(1.0)))[0].metric == "macro_f1"


def test_of_one_trial_nothing_is_said() -> None:
    (fall,) = falls(run(a=figure(-50.0)), run(a=figure(9.0, None, None)))
    assert (fall.before, fall.p_holm, fall.fell) == (9.0, None, False)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 3))
def test_a_gain_that_is_larger_now_never_turns_into_a_fall(now: float, before: float, more: float) -> None:
    lower, higher = falls(now, before)[0], falls(now + more, before)[0]
    assert lower.p_holm is not None
    assert higher.p_holm is not None
    assert higher.p_holm >= lower.p_holm - 1e-12
    assert lower.fell or not higher.fell


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_runs_of_one_truth_fall_rarely_and_more_rarely_where_they_share_test_images(shared: float) -> None:
    """Means of 10 trials; ``shared`` is the correlation that common test images bring."""
    rng = np.random.default_rng(8)
    fell, runs = 0, 800
    for _ in range(runs):
        common = rng.normal()
        draws = [math.sqrt(shared) * common + math.sqrt(1 - shared) * rng.normal() for _ in range(2)]
        errors = [math.sqrt(rng.chisquare(9) / 9) for _ in range(2)]
        now, before = (run(a=figure(mean, error)) for mean, error in zip(draws, errors, strict=True))
        fell += compare((A,), now, before)[0].fell
    assert 100 * fell / runs <= (7 if shared == 0 else 1)


# ------------------------------------------------------------------------------------------------------ other files


def test_what_is_no_summary_is_refused() -> None:
    for value, parts in (
        ([1], ("schema 1, got None",)),
        ({"schema": 2}, ("schema 1, got 2", "name the reports/summary.json")),
        ({"schema": 1}, ("old.json: dataset must be",)),
        ({**summary(a=figure(1.0)), "gains": {"a": {"accuracy": {"mean": 1.0}}}}, ("gains.a.accuracy.standard_error",)),
        ({**summary(), "gains": {"a": {"accuracy": figure(math.nan)}}}, ("gains.a.accuracy.mean", "finite")),
    ):
        with refused("old.json", *parts):
            read(value, "old.json")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("name", "MNIST", 'data set "digits", got "MNIST"'),
        ("classes", ["cat", "yak"], "classes"),
        ("protocol", "cv", 'protocol "subsets", got "cv"'),
        ("draws", "tuning", 'draws "report", got "tuning"'),
    ],
)
def test_runs_of_something_else_are_refused(key: str, value: Any, told: str) -> None:
    other = summary(a=figure(1.0))
    other["dataset"][key] = value
    with refused("old.json: must be of the " + told):
        refuse_unlike(run(a=figure(1.0)), read(other, "old.json"), "old.json")


def test_many_classes_are_one_short_line() -> None:
    other = summary(a=figure(1.0))
    other["dataset"]["classes"] = [f"class {label}" for label in range(500)]
    with pytest.raises(UserError, match=re.escape("...")) as caught:
        refuse_unlike(run(a=figure(1.0)), read(other, "old.json"), "old.json")
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_what_may_be_compared_all_the_same_is_noted() -> None:
    now = summary(a=figure(1.0))
    assert notes(read(now, ""), read(copy.deepcopy(now), "")) == []
    other = copy.deepcopy(now)
    other["dataset"] |= {"trials": 3, "test_images": 500}
    other["recipes"] = {"report": 2}
    told = notes(read(now, ""), read(other, ""))
    assert told == [
        "trials of the earlier run: 3; now: 10",
        "test images of the earlier run: 500; now: 600",
        "the earlier run was computed differently, by ganaug 0.1.0",
    ]
    refuse_unlike(read(now, ""), read(other, ""), "")


def test_runs_that_hide_cells_under_other_conditions_are_refused() -> None:
    now = replace(run(a=figure(1.0)), cells=Cells(["new"]))
    refuse_unlike(now, replace(now, cells=Cells(["new"])), "old.json")
    with refused("old.json: must hide cells under ['new'], got ['night']"):
        refuse_unlike(now, replace(now, cells=Cells(["night"])), "old.json")
    assert read({**summary(), "cells": {"targets": ["new"], "conditions": ["new", "old"]}}, "").cells == Cells(["new"])
