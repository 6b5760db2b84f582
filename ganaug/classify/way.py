"""What every way to train is: the base of all, and what they have to work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Le

from ganaug.classify.filler import Keys
from ganaug.classify.policies import PolicySpec
from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ganaug.classify.pools import Pool
    from ganaug.classify.spec import ClassifierSpec

    More = Callable[[int], Tensor]  # the step -> what is added to the loss of its labelled images


@dataclass(frozen=True)
class Lesson:
    """What a way has to work with in one training; networks get initial weights from torch's global random state."""

    way: Way
    spec: ClassifierSpec
    real: Pool
    unlabelled: NDArray[np.uint8]  # (N, H, W, C), of which there may be none; none, where the way uses none
    classical: PolicySpec  # what classify.classical says
    shape: tuple[int, int, int]  # (channels, height, width)
    classes: int
    seed: int
    device: torch.device
    generator: Callable[[], Any]  # of the GAN's settings, untrained, which knows no classes
    body: Callable[[bool], Any]  # of the GAN's discriminator, trained or not: images (N, C, H, W) -> (N, ``features``)


@dataclass(frozen=True, kw_only=True)
class Way(Spec):
    """A member adds ``kind``, by which its arms are called: ``kind``, ``kind+classical``, ``gan+kind`` and so on."""

    about: ClassVar[str]  # how the classifier learns, for readers of the report: no capital, no full stop
    unlabelled: ClassVar[str] = ""  # images without labels are "used", where there are any, or "needed"
    distorts: ClassVar[bool] = False  # it distorts these as classify.classical says, which then must not mix any
    lends: ClassVar[bool] = False  # the classifier is the GAN's discriminator with a new last layer
    trained: ClassVar[bool] = False  # ... which has learned to tell real images from fake ones
    rivals: ClassVar[tuple[str, ...]] = ()  # fillers and ways that it is compared with on the same policy

    times: Annotated[float, Ge(0.1), Le(1000)] = 1.0
    """Steps, as a multiple of classifier.steps."""

    def network(self, lesson: Lesson) -> nn.Module:
        """What is trained: images (N, C, H, W) in [-1, 1] -> logits (N, classes)."""
        channels, size, _ = lesson.shape
        return lesson.spec.build(channels, lesson.classes, size)

    def groups(self, model: nn.Module, lr: float) -> list[dict[str, Any]]:
        """The parameters of ``model``, with their learning rates where these are not ``lr``."""
        return [{"params": list(model.parameters())}]

    def begin(self, model: nn.Module, lesson: Lesson) -> More | None:
        """What each step adds to the loss; None: nothing."""
        return None

    def depends_on(self, keys: Keys) -> Any:
        """What it depends on besides its own settings and the train part, as plain JSON values."""
        return None

    @property
    def effort(self) -> float:
        """The time that a training takes, about, in that of one without the way."""
        return self.times
