"""Objectives: what the discriminator and the generator minimise, given the discriminator's logits.

A logit is higher where the discriminator says "real"; of a Wasserstein critic it is a score without a zero. Losses are
means over the batch, as scalars. What else restrains the discriminator is in regularisers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from annotated_types import Ge, Gt, Le
from pydantic import Field

from ganaug.gan.facts import ObjectiveFacts
from ganaug.gan.regularisers import R1, R2, OneCentred, Regulariser

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ObjectiveSpec(ObjectiveFacts):
    """What every objective has. A member adds ``kind`` and the two losses."""

    def built_in(self) -> tuple[Regulariser, ...]:
        """The regularisers that are part of the objective as published."""
        return ()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """A scalar, of the logits (N,) of real and of generated images."""
        raise NotImplementedError

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """A scalar, of the same; ``real`` matters only where the objective ``pairs``."""
        raise NotImplementedError


def _softplus(logits: Tensor) -> Tensor:
    from torch.nn import functional as F

    return F.softplus(logits)


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    # -t log s(x) - (1 - t) log(1 - s(x)), with log s(x) = x - softplus(x)
    return (_softplus(logits) - target * logits).mean()


class _CrossEntropy(ObjectiveSpec):
    """D's binary cross-entropy (Goodfellow 2014, eq. 1); its logits are log odds of "real"."""

    smooths: ClassVar[bool] = True

    def discriminator_loss(self, real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
        return _cross_entropy(real, real_label) + _cross_entropy(fake, 0.0)


@dataclass(frozen=True, kw_only=True)
class Minimax(_CrossEntropy):
    """The zero-sum game as written (Goodfellow 2014, eq. 1): G minimises log(1 - D(G(z))).

    Its gradient vanishes where D is sure of the fakes: here to show that, not to be used.
    """

    kind: Literal["minimax"] = "minimax"

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return -_cross_entropy(fake, 0.0)


@dataclass(frozen=True, kw_only=True)
class NonSaturating(_CrossEntropy):
    """Binary cross-entropy, G against the label "real" (Goodfellow 2014, section 3: maximise log D(G(z)))."""

    kind: Literal["non-saturating"] = "non-saturating"

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return _cross_entropy(fake, 1.0)


@dataclass(frozen=True, kw_only=True)
class LeastSquares(ObjectiveSpec):
    """Squares instead of logarithms, real 1 and fake 0 (Mao 2017, eq. 9): G still learns from fakes that fool D."""

    kind: Literal["least-squares"] = "least-squares"
    smooths: ClassVar[bool] = True
    boundary: ClassVar[float | None] = 0.5

    def discriminator_loss(self, real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
        return 0.5 * (real - real_label).square().mean() + 0.5 * fake.square().mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (fake - 1).square().mean()


class _Critic(ObjectiveSpec):
    """The difference of mean scores: an estimate of the Wasserstein-1 distance, if the critic is 1-Lipschitz."""

    boundary: ClassVar[float | None] = None

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake.mean()


@dataclass(frozen=True, kw_only=True)
class Wasserstein(_Critic):
    """WGAN (Arjovsky 2017, algorithm 1): clipping the weights makes the critic Lipschitz for some constant."""

    kind: Literal["wasserstein"] = "wasserstein"
    clip: Annotated[float, Gt(0), Le(100)] = 0.01  # type: ignore[misc]
    """The critic's weights stay between minus and plus this."""


@dataclass(frozen=True, kw_only=True)
class WassersteinGP(_Critic):
    """WGAN-GP (Gulrajani 2017, eq. 3): a penalty holds the critic's gradient norm near 1 between real and fake."""

    kind: Literal["wasserstein-gp"] = "wasserstein-gp"
    penalty: Annotated[float, Gt(0), Le(1e6)] = 10.0
    """Weight of the gradient penalty."""
    gradient_norm: ClassVar[float | None] = OneCentred.gradient_norm

    def built_in(self) -> tuple[Regulariser, ...]:
        return (OneCentred(weight=self.penalty),)


@dataclass(frozen=True, kw_only=True)
class Hinge(ObjectiveSpec):
    """Hinge objective (Lim and Ye 2017; Miyato 2018, eq. 16-17): D ignores logits beyond their margin."""

    kind: Literal["hinge"] = "hinge"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return (1 - real).relu().mean() + (1 + fake).relu().mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake.mean()


@dataclass(frozen=True, kw_only=True)
class Relativistic(ObjectiveSpec):
    """Relativistic pairing (Jolicoeur-Martineau 2018) with R1 and R2 (R3GAN: Huang 2024, eq. 2 and section 2.3).

    Each fake is judged against a real image of its class. ``gamma`` 0: the pairing alone.
    """

    kind: Literal["relativistic"] = "relativistic"
    gamma: Annotated[float, Ge(0), Le(1e6)] = 0.05
    """Weight of R1 and R2; 0: the pairing alone."""
    pairs: ClassVar[bool] = True
    boundary: ClassVar[float | None] = None
    gradient_norm: ClassVar[float | None] = R1.gradient_norm  # also where ``gamma`` is 0, which is its own setting

    def built_in(self) -> tuple[Regulariser, ...]:
        return (R1(gamma=self.gamma), R2(gamma=self.gamma)) if self.gamma else ()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return _softplus(fake - real).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return _softplus(real - fake).mean()


Objective = Annotated[
    Minimax | NonSaturating | LeastSquares | Wasserstein | WassersteinGP | Hinge | Relativistic,
    Field(discriminator="kind"),
]
OBJECTIVES: tuple[Objective, ...] = tuple(member() for member in get_args(get_args(Objective)[0]))  # with defaults
