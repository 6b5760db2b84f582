"""The filter ``agreement``: images that classifiers agree on. Its judge is in jury.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from ganaug.classify.policies import PolicySpec, TrivialAugment
from ganaug.synth.filters import ByRank, Known

if TYPE_CHECKING:
    from ganaug.synth.fitted_filters import Judge


@dataclass(frozen=True, kw_only=True)
class Agreement(ByRank):
    """Keeps the images whose class is most certain to classifiers that each saw a part of the real images.

    Cross-fitted: ``repeats`` times the train part is dealt into ``folds``, and a classifier learns from each fold alone
    under ``policy``. The score is the mean probability of the image's own class, 0 to 1.
    """

    per_class: ClassVar[bool] = True
    kind: Literal["agreement"] = "agreement"
    folds: Annotated[int, Ge(2)] = 2
    repeats: Annotated[int, Ge(1)] = 2
    policy: PolicySpec = field(default_factory=TrivialAugment)

    def fit(self, known: Known) -> Judge:
        from ganaug.synth.jury import Jury

        return Jury.fit(known, self.policy, self.folds, self.repeats)

    @staticmethod
    def empty(about: dict[str, Any]) -> Judge:
        from ganaug.synth.jury import Jury

        return Jury(about)
