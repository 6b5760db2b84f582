"""Types of the values in files, for ``store``'s readers: what is sure of them before anything is computed or shown."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated, Any

from annotated_types import Interval, MinLen
from pydantic import AfterValidator, FiniteFloat, StringConstraints

_MOST = 10**12  # far beyond any figure, and nothing that is computed from such numbers overflows

Number = Annotated[FiniteFloat, Interval(ge=-_MOST, le=_MOST)]
Positive = Annotated[FiniteFloat, Interval(ge=0, le=_MOST)]
Share = Annotated[FiniteFloat, Interval(ge=0, le=1)]
Count = Annotated[int, Interval(ge=0, le=_MOST)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


def _distinct(values: Sequence[Hashable]) -> Sequence[Hashable]:
    if len(set(values)) < len(values):
        raise ValueError("each must be there once")
    return values


Names = Annotated[list[Annotated[str, MinLen(1)]], MinLen(1), AfterValidator(_distinct)]


def with_keys(*names: str) -> AfterValidator:
    """For a type ``Annotated[dict[...], with_keys("a", "b")]``: a dictionary that has these keys, and maybe others."""

    def check(found: Mapping[str, Any]) -> Mapping[str, Any]:
        missing = [name for name in names if name not in found]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return found

    return AfterValidator(check)
