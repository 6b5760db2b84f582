"""Regularisers: what restrains the discriminator beside its objective. Which go together is said in combinations.py.

Three kinds: ``penalises`` (a term of the discriminator's loss), ``shapes`` (a change of the network), and the softened
target of label smoothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import Field

from ganaug.settings import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Judged:
    """One discriminator step: images (N, C, H, W) that require a gradient where a penalty takes slopes, logits (N,)."""

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    discriminate: Callable[[Tensor], Tensor]  # images, with the step's labels -> logits
    rng: torch.Generator
    real_average: Tensor  # of logits, over the steps before; scalars
    fake_average: Tensor
    step: int  # 1..steps


def _squared_slopes(logits: Tensor, images: Tensor) -> Tensor:
    """|d logit / d image|^2 of each image, (N,); itself differentiable."""
    import torch

    (slopes,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slopes.square().flatten(1).sum(dim=1)


@dataclass(frozen=True)
class RegulariserSpec(Spec):
    """What every regulariser has."""

    slopes: ClassVar[bool] = False  # takes the slope of each image's logit: float32, and no look at other images
    every: ClassVar[int] = 1  # steps from one penalty to the next, each so many times as large

    def is_due(self, step: int) -> bool:
        return step % self.every == 0

    def penalty(self, judged: Judged) -> Tensor:
        """The term of the discriminator's loss, a scalar."""
        return judged.real_logits.new_zeros(())


@dataclass(frozen=True, kw_only=True)
class R1(RegulariserSpec):
    """Zero-centred penalty on real images (Mescheder 2018, eq. 9): gamma/2 E|dD/dx|^2 damps D around the data."""

    kind: Literal["r1"] = "r1"
    gamma: Annotated[float, Gt(0)] = 0.05
    every: Annotated[int, Ge(1)] = 1  # type: ignore[misc]  # steps; lazily (Karras 2020, appendix B): a setting here
    slopes: ClassVar[bool] = True

    def penalty(self, judged: Judged) -> Tensor:
        return self.every * self.gamma / 2 * _squared_slopes(judged.real_logits, judged.real).mean()


@dataclass(frozen=True, kw_only=True)
class R2(RegulariserSpec):
    """The same on generated images (Mescheder 2018, eq. 10)."""

    kind: Literal["r2"] = "r2"
    gamma: Annotated[float, Gt(0)] = 0.05
    every: Annotated[int, Ge(1)] = 1  # type: ignore[misc]
    slopes: ClassVar[bool] = True

    def penalty(self, judged: Judged) -> Tensor:
        return self.every * self.gamma / 2 * _squared_slopes(judged.fake_logits, judged.fake).mean()


@dataclass(frozen=True, kw_only=True)
class OneCentred(RegulariserSpec):
    """One-centred penalty (Gulrajani 2017, eq. 3): weight E(|dD/dx| - 1)^2, x anywhere between a real and a fake."""

    kind: Literal["one-centred"] = "one-centred"
    weight: Annotated[float, Gt(0)] = 10.0
    slopes: ClassVar[bool] = True

    def penalty(self, judged: Judged) -> Tensor:
        import torch

        real, fake = judged.real.detach(), judged.fake.detach()
        place = torch.rand((len(real), 1, 1, 1), generator=judged.rng, device=real.device, dtype=real.dtype)
        between = torch.lerp(fake, real, place).requires_grad_()
        squared = _squared_slopes(judged.discriminate(between), between)
        # The root's own slope is infinite at 0.
        return self.weight * ((squared + 1e-12).sqrt() - 1).square().mean()


@dataclass(frozen=True, kw_only=True)
class LeCam(RegulariserSpec):
    """LeCam (Tseng 2021, eq. 4): real logits stay near the average of the fake ones, and the other way round."""

    kind: Literal["lecam"] = "lecam"
    weight: Annotated[float, Gt(0)] = 0.3
    decay: Annotated[float, Ge(0), Lt(1)] = 0.99  # of the averages, a step
    from_step: Annotated[int, Ge(1)] = 1000  # before it the averages only gather

    def penalty(self, judged: Judged) -> Tensor:
        if judged.step < self.from_step:
            return judged.real_logits.new_zeros(())
        real = (judged.real_logits - judged.fake_average).square().mean()
        fake = (judged.fake_logits - judged.real_average).square().mean()
        return self.weight * (real + fake)


@dataclass(frozen=True, kw_only=True)
class SpectralNorm(RegulariserSpec):
    """Every weight of D divided by its largest singular value (Miyato 2018): D is 1-Lipschitz, layer by layer."""

    kind: Literal["spectral-norm"] = "spectral-norm"


@dataclass(frozen=True, kw_only=True)
class MinibatchDiscrimination(RegulariserSpec):
    """D sees how near each image is to the others of its batch (Salimans 2016, section 3.2): a collapse shows."""

    kind: Literal["minibatch-discrimination"] = "minibatch-discrimination"
    kernels: Annotated[int, Ge(1)] = 50
    dims: Annotated[int, Ge(1)] = 5  # of each kernel


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(RegulariserSpec):
    """One-sided label smoothing (Salimans 2016, section 3.4): real images have a target below 1, fakes still 0."""

    kind: Literal["label-smoothing"] = "label-smoothing"
    real_label: Annotated[float, Gt(0.5), Lt(1)] = 0.9


Regulariser = Annotated[
    R1 | R2 | OneCentred | LeCam | SpectralNorm | MinibatchDiscrimination | LabelSmoothing,
    Field(discriminator="kind"),
]
