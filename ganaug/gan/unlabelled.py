"""How a GAN learns from images without labels, where there are any. ``gan.unlabelled`` in params.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Lt
from pydantic import Field

from ganaug.settings import Spec


@dataclass(frozen=True)
class Pseudo(Spec):
    """As of the class that classifiers are sure of, which learned from what the GAN has labels of (Lee 2013).

    The classifiers are those of the arm ``classical``, as ``classify.pseudo`` sets them up; images that they are not
    sure of are left out. A GAN that learns no labels learns from all of them.
    """

    kind: Literal["pseudo"] = "pseudo"


@dataclass(frozen=True)
class Joint(Spec):
    """The discriminator sees them as real images of all classes at once."""

    kind: Literal["joint"] = "joint"
    share: Annotated[float, Gt(0), Lt(1)] = 0.5  # of D's real images


@dataclass(frozen=True)
class Ignored(Spec):
    """Not at all."""

    kind: Literal["ignored"] = "ignored"


UnlabelledUse = Annotated[Pseudo | Joint | Ignored, Field(discriminator="kind")]
