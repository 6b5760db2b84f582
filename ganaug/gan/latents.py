"""What a generator makes an image from. ``gan.latents`` in params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field

from ganaug.settings import Spec


@dataclass(frozen=True)
class Normal(Spec):
    """Standard normal numbers, as in every published GAN here."""

    kind: Literal["normal"] = "normal"


@dataclass(frozen=True)
class Codes(Spec):
    """A code per training image, learned with G, which must reproduce that image from it (GLO, Bojanowski 2018).

    New images come from between two codes of a class, as SMOTE's do between two images (DeepSMOTE, Dablain 2021), plus
    some noise; D judges those. No training image is forgotten, as may be with normal latents (Inclusive GAN, Yu 2020).
    """

    kind: Literal["codes"] = "codes"
    blend: Annotated[float, Ge(0), Le(0.5)] = 0.3
    """Least weight of the second code, of at most 0.5. 0: near copies."""
    noise: Annotated[float, Ge(0), Le(100)] = 0.8
    """Length of the noise relative to a code's."""
    reconstruction: Annotated[float, Gt(0), Le(1e6)] = 1.0
    """Weight in the generator's loss of the mean error of reproduced images in [-1, 1]."""
    lr: Annotated[float, Gt(0), Le(10)] = 0.01
    """Learning rate of the codes."""


Latents = Annotated[Normal | Codes, Field(discriminator="kind")]
