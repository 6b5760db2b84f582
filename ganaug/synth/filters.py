"""The filters: which synthetic images are good enough to be used, decided one image at a time.

Each is one class here, with its settings as ``synth.filters`` of params.yaml has them. It is fitted on what the
generator learned from, and on nothing else, and travels in the generator's file, so that ``ganaug synth`` makes what
was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from ganaug.classify.policies import PolicySpec, TrivialAugment
from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.synth.judges import Judge, Known


@dataclass(frozen=True)
class FilterSpec(Spec):
    """What every filter can do. ``least`` is given the scores of a class's candidates, (N,)."""

    def fit(self, known: Known) -> Judge:
        """The judge of images that this filter makes of what is known."""
        raise NotImplementedError

    def least(self, scores: NDArray[np.float32]) -> float:
        """The score that an image of the class must reach."""
        raise NotImplementedError


@dataclass(frozen=True)
class _ByRank(FilterSpec):
    """A filter whose scores mean something beside one another only: it keeps a share of each class."""

    keep: Annotated[float, Gt(0), Lt(1)] = 0.5

    def least(self, scores: NDArray[np.float32]) -> float:
        import numpy as np

        return float(np.quantile(scores, 1 - self.keep))


@dataclass(frozen=True, kw_only=True)
class Agreement(_ByRank):
    """Keeps the images that classifiers, which each saw a part of the real images, are surest to be of their class.

    Cross-fitted: ``repeats`` times the train part is dealt into ``folds``, and a classifier learns from each fold alone
    under ``policy``. The score is the mean probability of the image's own class, 0 to 1.
    """

    kind: Literal["agreement"] = "agreement"
    folds: Annotated[int, Ge(2)] = 2
    repeats: Annotated[int, Ge(1)] = 2
    policy: PolicySpec = field(default_factory=TrivialAugment)

    def fit(self, known: Known) -> Judge:
        from ganaug.synth.judges import Jury

        return Jury.fit(known, self.policy, self.folds, self.repeats)


@dataclass(frozen=True, kw_only=True)
class Support(_ByRank):
    """Keeps the images that lie well within the real images of their class: realism (Kynkaanniemi 2019, section 4.3).

    The score is the largest ratio, over real images of the class, of the distance to its ``neighbours``-th nearest
    image of the class to its distance from the image; 1 and more is inside. In the features of a classifier that
    learned from the train part.
    """

    kind: Literal["support"] = "support"
    neighbours: Annotated[int, Ge(1)] = 3
    policy: PolicySpec = field(default_factory=TrivialAugment)  # that the classifier learns under

    def fit(self, known: Known) -> Judge:
        from ganaug.synth.judges import Realism

        return Realism.fit(known, self.policy, self.neighbours)


@dataclass(frozen=True, kw_only=True)
class Critic(_ByRank):
    """Keeps the images that the GAN's own discriminator finds most real, as Azadi 2019 rejects, but by a threshold."""

    kind: Literal["critic"] = "critic"

    def fit(self, known: Known) -> Judge:
        from ganaug.synth.judges import Critique

        return Critique.fit(known)


@dataclass(frozen=True, kw_only=True)
class Copies(FilterSpec):
    """Drops the images that are nearer to a real one than all but ``percentile`` % of real ones are to one another.

    The distance is that of pixels, under a random projection: projections of the train part travel in the generator's
    file, never its images. This is for variety, and no privacy.
    """

    kind: Literal["copies"] = "copies"
    percentile: Annotated[float, Ge(0), Le(50)] = 1.0

    def fit(self, known: Known) -> Judge:
        from ganaug.synth.judges import Distance

        return Distance.fit(known, self.percentile)

    def least(self, scores: NDArray[np.float32]) -> float:
        return 1.0  # scores are in units of that distance


Filter = Annotated[Agreement | Support | Critic | Copies, Field(discriminator="kind")]
