"""The gate passes what the figures bear, and nothing else."""

from typing import Any

import pytest
from expect import refused
from scipy.stats import t

from ganaug.measure.rules import GateRule, judge, of_all
from ganaug.measure.stats import Estimate, interval_of_gain


def figure(mean: float, standard_error: float | None, freedom: float | None = 9.0) -> dict[str, Any]:
    low, high = interval_of_gain(Estimate(mean, standard_error, freedom), 0.95)
    errors = {"standard_error": standard_error, "degrees_of_freedom": freedom}
    return {"mean": mean, "ci_low": low, "ci_high": high, **errors}


def gains(**figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {"accuracy": one, "macro_f1": figure(-5.0, 0.1)} for name, one in figures.items()}


def with_p(p: float, freedom: float = 9.0) -> dict[str, Any]:
    """A gain whose one-sided p-value above 0 is ``p``."""
    return figure(float(t.isf(p, freedom)), 1.0, freedom)


def test_a_clear_gain_passes_and_a_loss_fails() -> None:
    found = gains(up=figure(2.7, 0.5), down=figure(-2.7, 0.5))
    assert [one.passed for one in judge([GateRule("up")], found, "accuracy")] == [True]
    assert [one.passed for one in judge([GateRule("down")], found, "accuracy")] == [False]


def test_p_values_are_one_sided_and_the_level_is_five_percent() -> None:
    just_in, just_out = (judge([GateRule("a")], gains(a=with_p(p)), "accuracy")[0] for p in (0.049, 0.051))
    assert (just_in.passed, just_out.passed) == (True, False)
    assert just_in.p_holm == pytest.approx(0.049)


def test_holm_counts_over_all_rules() -> None:
    rules = [GateRule("a"), GateRule("b")]
    both = judge(rules, gains(a=with_p(0.03), b=with_p(0.03)), "accuracy")
    assert [one.passed for one in both] == [False, False]
    assert [one.p_holm for one in both] == pytest.approx([0.06, 0.06])
    assert judge(rules[:1], gains(a=with_p(0.03)), "accuracy")[0].passed
    stepped = judge(rules, gains(a=with_p(0.04), b=with_p(0.02)), "accuracy")
    assert [one.passed for one in stepped] == [True, True]


def test_non_inferiority_allows_a_small_loss() -> None:
    found = gains(a=figure(-0.1, 0.15))
    assert not judge([GateRule("a", above=0.0)], found, "accuracy")[0].passed
    assert judge([GateRule("a", above=-0.5)], found, "accuracy")[0].passed


def test_a_gain_that_is_not_certainly_above_its_bound_fails() -> None:
    assert not judge([GateRule("a", above=2.5)], gains(a=figure(2.7, 0.5)), "accuracy")[0].passed


@pytest.mark.parametrize(
    ("rule", "mean", "error", "status"),
    [
        (GateRule("a"), 2.7, 0.5, "pass"),
        (GateRule("a"), -2.7, 0.5, "fail"),  # a loss
        (GateRule("a"), 0.1, 0.5, "fail"),  # a gain of 2 points is ruled out
        (GateRule("a"), 0.1, 2.0, "cannot tell"),
        (GateRule("a", above=1.0), 1.1, 0.5, "fail"),
        (GateRule("a", above=1.0), 1.1, 1.5, "cannot tell"),
        (GateRule("a", above=-1.0), -0.5, 0.5, "cannot tell"),
        (GateRule("a", above=-1.0), -1.5, 0.5, "fail"),  # a loss is shown
        (GateRule("a", not_below=0.0), 0.1, 2.0, "pass"),
        (GateRule("a", not_below=0.0), -1.0, 0.5, "pass"),
        (GateRule("a", not_below=0.0), -1.5, 0.5, "fail"),
        (GateRule("a", not_below=-1.0), -1.5, 0.5, "pass"),
    ],
)
def test_what_cannot_be_told_is_neither_pass_nor_fail(rule: GateRule, mean: float, error: float, status: str) -> None:
    (one,) = judge([rule], gains(a=figure(mean, error)), "accuracy")
    assert (one.status, one.passed) == (status, status == "pass")


def test_of_one_trial_nothing_is_told_no_harm_either() -> None:
    rules = [GateRule("a"), GateRule("a", not_below=0.0)]
    assert [one.status for one in judge(rules, gains(a=figure(-50.0, None, None)), "accuracy")] == [
        "cannot tell",
        "cannot tell",
    ]


def test_harm_that_the_report_calls_a_loss_is_never_hidden_by_a_correction() -> None:
    """However many rules there are; and they take nothing from those that ask for a gain."""
    names = [f"g{number}" for number in range(20)]
    found = gains(**dict.fromkeys(names, figure(-1.2, 0.5)), up=with_p(0.04))
    judged = judge([*(GateRule(name, not_below=0.0) for name in names), GateRule("up")], found, "accuracy")
    assert {one.status for one in judged[:-1]} == {"fail"}
    assert (judged[-1].status, judged[-1].p_holm) == ("pass", pytest.approx(0.04))


def test_a_failure_outweighs_what_cannot_be_told() -> None:
    found = gains(loss=figure(-2.7, 0.5), gain=figure(2.7, 0.5), wide=figure(0.0, 5.0))
    judged = {name: judge([GateRule(name)], found, "accuracy")[0] for name in found}
    assert of_all([judged["gain"]]) == "pass"
    assert of_all([judged["gain"], judged["wide"]]) == "cannot tell"
    assert of_all([judged["wide"], judged["loss"], judged["gain"]]) == "fail"


def test_a_rule_has_one_bound() -> None:
    assert GateRule("a").above == 0.0
    with pytest.raises(ValueError, match="not both"):
        GateRule("a", above=0.0, not_below=0.0)


def test_one_trial_never_passes() -> None:
    found = gains(a=figure(99.0, None, None), b=with_p(1e-9))
    one, other = judge([GateRule("a", above=-100.0), GateRule("b")], found, "accuracy")
    assert (one.passed, one.p_holm, one.mean) == (False, None, 99.0)
    assert other.passed


def test_a_rule_names_its_metric_or_takes_the_primary_one() -> None:
    found = gains(a=figure(2.7, 0.5))
    by_default, named = judge([GateRule("a"), GateRule("a", metric="macro_f1")], found, "accuracy")
    assert (by_default.metric, by_default.passed) == ("accuracy", True)
    assert (named.metric, named.passed) == ("macro_f1", False)


def test_an_unknown_gain_is_refused_with_those_that_are_known() -> None:
    with refused("gan_vs_nothing", "classical_vs_none", "gan_vs_none"):
        judge([GateRule("gan_vs_nothing")], gains(gan_vs_none=with_p(0.01), classical_vs_none=with_p(0.5)), "accuracy")


def test_results_keep_the_order_of_the_rules() -> None:
    found = gains(a=with_p(0.5), b=with_p(0.001), c=with_p(0.2))
    assert [one.gain for one in judge([GateRule(name) for name in "cab"], found, "accuracy")] == ["c", "a", "b"]
