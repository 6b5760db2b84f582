"""The rules of the gate, which gains must pass in CI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Le

from ganaug.errors import UserError
from ganaug.evaluate.contributions import metric_or
from ganaug.evaluate.stats import Estimate, holm
from ganaug.settings import Spec

LEVEL = 0.05


@dataclass(frozen=True)
class GateRule(Spec):
    """Passes when the gain is above the bound at a one-sided level of 5 %, Holm-corrected over all rules.

    ``above: 0`` asks for a gain; ``above: -0.5`` asks that no more than half a point is lost (non-inferiority).
    """

    gain: str
    above: Annotated[float, Ge(-1000), Le(1000)] = 0.0  # percentage points
    metric: Annotated[str, metric_or("primary")] = "primary"


@dataclass(frozen=True)
class Judged:
    """A rule as judged: by which metric, and the mean gain in percentage points. The names are keys of summary.json."""

    gain: str
    metric: str
    above: float
    mean: float
    p_holm: float | None
    passed: bool


def judge(rules: Sequence[GateRule], gains: Mapping[str, Mapping[str, Any]], primary_metric: str) -> list[Judged]:
    """Each rule against the ``gains`` of a summary. One trial gives no p-value, so nothing passes on it.

    Raises UserError if a rule names an unknown gain.
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
        chosen.append((rule, metric, estimate.mean, estimate.p_above(rule.above)))
    adjusted = holm([1.0 if p is None else p for *_, p in chosen])
    return [
        Judged(rule.gain, metric, rule.above, mean, None if p is None else p_holm, p is not None and p_holm <= LEVEL)
        for (rule, metric, mean, p), p_holm in zip(chosen, adjusted, strict=True)
    ]


def metric_of(rule: GateRule, primary_metric: str) -> str:
    """The metric that the rule is about."""
    return primary_metric if rule.metric == "primary" else rule.metric
