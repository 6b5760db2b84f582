"""Regularisers: what restrains the discriminator in addition to its objective.

Most are a term of its loss, some change the network, and label smoothing softens a target. Each says which objectives
it does not go with; rules that involve other settings too are in combinations.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from ganaug.gan.facts import ObjectiveFacts
from ganaug.settings import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Judged:
    """One discriminator step: images (N, C, H, W) that require gradients where a penalty takes any, logits (N,)."""

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    discriminate: Callable[[Tensor], Tensor]  # images, with the step's labels -> logits
    rng: torch.Generator
    real_average: Tensor  # of logits, over the steps before; scalars
    fake_average: Tensor
    step: int  # 1..steps


def _squared_gradients(logits: Tensor, images: Tensor) -> Tensor:
    """|d logit / d image|^2 of each image, (N,); itself differentiable."""
    import torch

    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradients.square().flatten(1).sum(dim=1)


@dataclass(frozen=True)
class RegulariserSpec(Spec):
    """What every regulariser has. A member adds ``kind`` and what it does."""

    # Where it holds the norm of D's gradient at each image: takes float32 and logits that depend on that image alone.
    gradient_norm: ClassVar[float | None] = None
    looks_at_batch: ClassVar[bool] = False  # makes D's logits depend on the other images of the batch
    rescales: ClassVar[bool] = False  # divides D's weights by their norm
    every: ClassVar[int] = 1  # steps from one penalty to the next, each so many times as large
    decay: ClassVar[float | None] = None  # per step, of the averages of logits that the penalty needs
    real_label: ClassVar[float | None] = None  # the softened target of real images

    def refuses(self, objective: ObjectiveFacts) -> str | None:
        """Why it does not go with the objective; None where it does."""
        if self.gradient_norm is None or objective.gradient_norm is None:
            return None
        if self.gradient_norm == objective.gradient_norm:
            return "which has such a penalty built in"
        return f"whose own penalty holds gradient norms at {objective.gradient_norm:g}, not {self.gradient_norm:g}"

    @property
    def nearness(self) -> tuple[int, int] | None:
        """Kernels and dims of the MinibatchFeatures that D is built with; None where it has none."""
        return None

    def is_due(self, step: int) -> bool:
        """Whether the penalty is part of the loss of this step, 1..steps."""
        return step % self.every == 0

    def penalty(self, judged: Judged) -> Tensor:
        """The term of the discriminator's loss, a scalar."""
        return judged.real_logits.new_zeros(())

    def change(self, discriminator: nn.Module) -> None:
        """Change the untrained network."""


@dataclass(frozen=True, kw_only=True)
class R1(RegulariserSpec):
    """Zero-centred penalty on real images (Mescheder 2018, eq. 9): gamma/2 E|dD/dx|^2 damps D around the data."""

    kind: Literal["r1"] = "r1"
    gamma: Annotated[float, Gt(0), Le(1e6)] = 0.05
    """Weight of the penalty."""
    every: Annotated[int, Ge(1), Le(10_000)] = 1  # type: ignore[misc]
    """Steps from one penalty to the next, each so many times as large (lazy: Karras 2020, appendix B)."""
    gradient_norm: ClassVar[float | None] = 0.0

    def penalty(self, judged: Judged) -> Tensor:
        return self.every * self.gamma / 2 * _squared_gradients(judged.real_logits, judged.real).mean()


@dataclass(frozen=True, kw_only=True)
class R2(RegulariserSpec):
    """The same on generated images (Mescheder 2018, eq. 10)."""

    kind: Literal["r2"] = "r2"
    gamma: Annotated[float, Gt(0), Le(1e6)] = 0.05
    """Weight of the penalty."""
    every: Annotated[int, Ge(1), Le(10_000)] = 1  # type: ignore[misc]
    """Steps from one penalty to the next, each so many times as large (lazy: Karras 2020, appendix B)."""
    gradient_norm: ClassVar[float | None] = 0.0

    def penalty(self, judged: Judged) -> Tensor:
        return self.every * self.gamma / 2 * _squared_gradients(judged.fake_logits, judged.fake).mean()


@dataclass(frozen=True, kw_only=True)
class OneCentred(RegulariserSpec):
    """One-centred penalty (Gulrajani 2017, eq. 3): weight E(|dD/dx| - 1)^2, x anywhere between a real and a fake."""

    kind: Literal["one-centred"] = "one-centred"
    weight: Annotated[float, Gt(0), Le(1e6)] = 10.0
    """Weight of the penalty."""
    gradient_norm: ClassVar[float | None] = 1.0

    def refuses(self, objective: ObjectiveFacts) -> str | None:
        return super().refuses(objective) if objective.clip is None else "which clips weights to the same end"

    def penalty(self, judged: Judged) -> Tensor:
        import torch

        real, fake = judged.real.detach(), judged.fake.detach()
        place = torch.rand((len(real), 1, 1, 1), generator=judged.rng, device=real.device, dtype=real.dtype)
        between = torch.lerp(fake, real, place).requires_grad_()
        squared = _squared_gradients(judged.discriminate(between), between)
        # The root's own gradient is infinite at 0.
        return self.weight * ((squared + 1e-12).sqrt() - 1).square().mean()


@dataclass(frozen=True, kw_only=True)
class LeCam(RegulariserSpec):
    """LeCam (Tseng 2021, eq. 4): real logits stay near the average of the fake ones, and the other way round."""

    kind: Literal["lecam"] = "lecam"
    weight: Annotated[float, Gt(0), Le(1e6)] = 0.3
    """Weight of the penalty."""
    decay: Annotated[float, Ge(0), Lt(1)] = 0.99  # type: ignore[misc]
    """Decay of the averages of logits, per step."""
    from_step: Annotated[int, Ge(1), Le(10**8)] = 1000
    """The first step with a penalty; before it the averages only gather."""

    def refuses(self, objective: ObjectiveFacts) -> str | None:
        return "which compares logits, so that they have no level of their own" if objective.pairs else None

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
    rescales: ClassVar[bool] = True

    def refuses(self, objective: ObjectiveFacts) -> str | None:
        return "which clips the weights that this would rescale" if objective.clip is not None else None

    def change(self, discriminator: nn.Module) -> None:
        from torch import nn
        from torch.nn.utils.parametrizations import spectral_norm

        for module in [one for one in discriminator.modules() if isinstance(one, nn.Conv2d | nn.Linear | nn.Embedding)]:
            spectral_norm(module)  # algorithm 1


@dataclass(frozen=True, kw_only=True)
class MinibatchDiscrimination(RegulariserSpec):
    """D sees how near each image is to the others of its batch (Salimans 2016, section 3.2): a collapse shows."""

    kind: Literal["minibatch-discrimination"] = "minibatch-discrimination"
    kernels: Annotated[int, Ge(1), Le(1024)] = 50
    """Features that say how near an image is to the others."""
    dims: Annotated[int, Ge(1), Le(256)] = 5
    """Dimensions of each kernel, in which nearness is measured."""
    looks_at_batch: ClassVar[bool] = True

    @property
    def nearness(self) -> tuple[int, int]:
        return self.kernels, self.dims

    def refuses(self, objective: ObjectiveFacts) -> str | None:
        needs = "whose own penalty needs logits that depend on one image alone"
        return None if objective.gradient_norm is None else needs


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(RegulariserSpec):
    """One-sided label smoothing (Salimans 2016, section 3.4): real images have a target below 1, fakes still 0."""

    kind: Literal["label-smoothing"] = "label-smoothing"
    real_label: Annotated[float, Gt(0.5), Lt(1)] = 0.9  # type: ignore[misc]
    """The discriminator's target for real images."""

    def refuses(self, objective: ObjectiveFacts) -> str | None:
        return None if objective.smooths else "which has no target for real images that could be softened"


Regulariser = Annotated[
    R1 | R2 | OneCentred | LeCam | SpectralNorm | MinibatchDiscrimination | LabelSmoothing,
    Field(discriminator="kind"),
]
