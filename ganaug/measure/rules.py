"""The rules of the gate, which gains must pass in CI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from ganaug.errors import UserError
from ganaug.measure.contributions import metric_or
from ganaug.measure.stats import Estimate, holm
from ganaug.settings import Spec

LEVEL = 0.05

Status = Literal["pass", "fail", "cannot tell"]
Bound = Annotated[float, Ge(-1000), Le(1000)]  # percentage points


@dataclass(frozen=True)
class GateRule(Spec):
    """A gain must be shown to be ``above`` a bound, or must not be shown to be below one.

    ``above: 0`` asks for a gain; ``above: -0.5`` asks that no more than half a point is lost (non-inferiority): both
    at a one-sided level of 5 %, Holm-corrected over the rules of this kind. ``not_below: 0`` fails only where harm is
    shown, which needs no large set: where the whole confidence interval lies below the bound. Not Holm-corrected, since
    a correction would hide harm that the report calls a loss. With neither, ``above: 0``.
    """

    gain: str
    """A gain of the report, such as gan_vs_none or gan+classical_vs_classical."""
    above: Bound | None = None
    """Passes where the gain is shown to be above this, in percentage points. 0 where not_below is left out too."""
    not_below: Bound | None = None
    """Fails only where the whole confidence interval of the gain lies below this, in percentage points."""
    metric: Annotated[str, metric_or("primary")] = "primary"
    """The metric. primary: that of the verdict."""

    def __post_init__(self) -> None:
        if self.above is not None and self.not_below is not None:
            raise ValueError("above or not_below, not both: make two rules of it")
        if self.above is None and self.not_below is None:
            object.__setattr__(self, "above", 0.0)


@dataclass(frozen=True)
class Judged:
    """A rule as judged: by which metric, and the mean gain in percentage points. The names are keys of summary.json.

    ``status``: ``fail`` where the data speak against it; ``cannot tell`` where they are too few to say. ``p_holm``: of
    rules with ``above``.
    """

    gain: str
    metric: str
    above: float | None
    not_below: float | None
    mean: float
    p_holm: float | None
    status: Status
    passed: bool


def judge(
    rules: Sequence[GateRule],
    gains: Mapping[str, Mapping[str, Any]],
    primary_metric: str,
    smallest_gain: float = 2.0,
) -> list[Judged]:
    """Each of the ``rules`` against the ``gains`` of a summary, by ``primary_metric`` where a rule names none.

    A rule ``above`` a bound that is not passed fails where the interval rules out that the gain is above the bound by
    ``smallest_gain`` points, or for a bound below 0, that there is no loss. One trial has no p-value: nothing can
    be told by it. Raises UserError if a rule names an unknown gain.
    """
    chosen = []
    for rule in rules:
        metric = metric_of(rule, primary_metric)
        if rule.gain not in gains:
            raise UserError(
                f'gate: a rule must name a gain of the report, got "{rule.gain}"; known: {", ".join(sorted(gains))}'
            )
        figure = gains[rule.gain][metric]
        estimate = Estimate(figure["mean"], figure["standard_error"], figure["degrees_of_freedom"])
        chosen.append((rule, metric, figure, None if rule.above is None else estimate.p_above(rule.above)))
    adjusted = iter(holm([1.0 if p is None else p for rule, *_, p in chosen if rule.above is not None]))
    judged = []
    for rule, metric, figure, p in chosen:
        p_holm = next(adjusted) if rule.above is not None else None
        status = _status(rule, figure, None if p is None else p_holm, smallest_gain)
        known = None if p is None else p_holm
        passed = status == "pass"
        judged.append(Judged(rule.gain, metric, rule.above, rule.not_below, figure["mean"], known, status, passed))
    return judged


def _status(rule: GateRule, figure: Mapping[str, Any], p_holm: float | None, smallest_gain: float) -> Status:
    high = figure["ci_high"]
    if high is None:  # one trial shows nothing, harm neither
        return "cannot tell"
    if rule.not_below is not None:
        return "fail" if high < rule.not_below else "pass"
    if p_holm is not None and p_holm <= LEVEL:
        return "pass"
    assert rule.above is not None
    if figure["ci_low"] > rule.above:  # but for Holm's correction
        return "cannot tell"
    worth_having = rule.above + smallest_gain if rule.above >= 0 else 0.0
    return "fail" if high < worth_having else "cannot tell"


def of_all(judged: Sequence[Judged]) -> Status:
    """What the gate says: a rule that fails outweighs those that cannot be told."""
    found = {one.status for one in judged}
    return "fail" if "fail" in found else "cannot tell" if "cannot tell" in found else "pass"


def metric_of(rule: GateRule, primary_metric: str) -> str:
    """The metric that the rule is about."""
    return primary_metric if rule.metric == "primary" else rule.metric
