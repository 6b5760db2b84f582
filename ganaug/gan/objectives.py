"""Objectives: what the discriminator and the generator minimise, given the discriminator's logits.

A logit is positive where the discriminator says "real". Both losses are means over the batch, as scalars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganaug.settings import Spec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Hinge(Spec):
    """Hinge objective (Lim and Ye 2017; Miyato 2018, eq. 16-17): D stops pushing where a logit is beyond its margin."""

    kind: Literal["hinge"] = "hinge"
    pairs: ClassVar[bool] = False  # the generator's loss needs the real logits too

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake.mean()


@dataclass(frozen=True, kw_only=True)
class NonSaturating(Spec):
    """Binary cross-entropy, G against the label "real" (Goodfellow 2014, section 3: maximise log D(G(z)))."""

    kind: Literal["non-saturating"] = "non-saturating"
    pairs: ClassVar[bool] = False

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.softplus(-fake).mean()


@dataclass(frozen=True, kw_only=True)
class Relativistic(Spec):
    """Relativistic pairing (Jolicoeur-Martineau 2018): each fake is judged against a real image of its class."""

    kind: Literal["relativistic"] = "relativistic"
    pairs: ClassVar[bool] = True

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.softplus(fake - real).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.softplus(real - fake).mean()


Objective = Annotated[Hinge | NonSaturating | Relativistic, Field(discriminator="kind")]
