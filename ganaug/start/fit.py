"""A run that fits the time: what it takes on is given up in an order that costs the answer least."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ganaug.data.pictures import SIZES
from ganaug.start.choose import GAN, Limits, Scope

_FEWEST_TRIALS = 3  # the interval of two says nothing
_Cut = dict[str, Any]  # changes of a scope


def fitted(seconds: Callable[[Scope], float], size: int, minutes: float, limits: Limits = GAN) -> Scope:
    """What a run on images of ``size`` can take on in ``minutes``; ``seconds``: how long one takes that takes on that.
    ``limits``: of its GAN.

    What does not fit is cut, the cheapest first; then what a later cut has made needless is taken back, the dearest
    first. The GAN gets the steps that are left.
    """
    full, cuts, time = Scope(size, limits.enough), _cuts(size, limits), 60 * minutes
    taken = next((cuts[:count] for count in range(len(cuts)) if seconds(_without(cuts[:count], full)) <= time), cuts)
    for cut in taken[::-1]:
        others = [one for one in taken if one is not cut]
        if seconds(_without(others, full)) <= time:
            taken = others
    scope = _without(taken, full)
    needed = seconds(scope)
    step = (seconds(replace(scope, steps=2 * scope.steps)) - needed) / scope.steps
    steps = int((scope.steps + (time - needed) / step) // 100 * 100)
    return replace(scope, steps=max(limits.fewest, min(limits.most, steps)))


def _without(cuts: Sequence[_Cut], scope: Scope) -> Scope:
    for cut in cuts:
        scope = replace(scope, **cut)
    return scope


def _cuts(size: int, limits: Limits) -> list[_Cut]:
    """In the order of what they cost the answer, the cheapest first."""
    smaller = [{"size": side} for side in (size // 2, size // 4) if side in SIZES and side >= limits.smallest]
    return [
        {"curve": False},
        {"slow": False},
        {"repeats": 1},
        {"controls": False},
        {"steps": limits.fewest},
        {"trials": _FEWEST_TRIALS},
        {"alone": False},
        *smaller,  # last: the images that are made are smaller then too
    ]
