"""Facts about an objective: what a training step and the regularisers need to know of it, besides its losses."""

from dataclasses import dataclass
from typing import ClassVar

from ganaug.settings import Spec


@dataclass(frozen=True)
class ObjectiveFacts(Spec):
    """What is true of most objectives; a member overrides what differs."""

    pairs: ClassVar[bool] = False  # the generator's loss needs the real logits too, and only differences count
    smooths: ClassVar[bool] = False  # it has a target for real images, which ``real_label`` may soften
    boundary: ClassVar[float | None] = 0.0  # a logit above it says "real"; None: only comparisons mean something
    clip: ClassVar[float | None] = None  # the discriminator's weights stay within +-clip
    gradient_norm: ClassVar[float | None] = None  # at which a penalty of its own holds D's gradients, if it has one
