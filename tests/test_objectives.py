"""The contract of every objective, and the known values of each."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganaug.gan.objectives import Hinge, NonSaturating, Objective, Relativistic

MEMBERS = get_args(get_args(Objective)[0])
every = pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)
logits = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=6)


def both(seed: int = 0, count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    real, fake = 3 * torch.randn(2, count, generator=rng, dtype=torch.float64)
    return real.requires_grad_(), fake.requires_grad_()


def test_the_union_is_not_empty_and_its_kinds_differ() -> None:
    assert {Hinge, NonSaturating, Relativistic} <= set(MEMBERS)
    assert len({kind().kind for kind in MEMBERS}) == len(MEMBERS)


@every
def test_losses_are_finite_scalars_with_finite_gradients(kind: Any) -> None:
    for scale in (0.0, 1.0, 1e4):
        for loss in (kind().discriminator_loss, kind().generator_loss):
            real, fake = both()
            value = loss(real * scale, fake * scale)
            assert value.shape == ()
            assert value.isfinite()
            value.backward()
            assert fake.grad is not None
            assert fake.grad.isfinite().all()


@every
def test_the_discriminator_gains_by_telling_real_from_fake(kind: Any) -> None:
    objective, ones = kind(), torch.ones(4)
    losses = [float(objective.discriminator_loss(gap * ones, -gap * ones)) for gap in (-2.0, -0.5, 0.0, 0.5, 0.9)]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == len(losses)


@every
def test_the_generator_gains_by_raising_the_fakes(kind: Any) -> None:
    objective, real = kind(), torch.zeros(4)
    losses = [float(objective.generator_loss(real, torch.full((4,), logit))) for logit in (-3.0, -1.0, 0.0, 1.0, 3.0)]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == len(losses)


@every
def test_each_player_pushes_in_its_own_direction(kind: Any) -> None:
    real, fake = (one.detach().clamp(-0.9, 0.9).requires_grad_() for one in both(seed=3))
    to_real, to_fake = torch.autograd.grad(kind().discriminator_loss(real, fake), (real, fake))
    assert (to_real < 0).all()
    assert (to_fake > 0).all()
    (to_fake,) = torch.autograd.grad(kind().generator_loss(real.detach(), fake), (fake,))
    assert (to_fake < 0).all()


@every
def test_gradients_are_the_slopes(kind: Any) -> None:
    real, fake = both(seed=1)
    assert torch.autograd.gradcheck(kind().discriminator_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda one: kind().generator_loss(real.detach(), one), (fake,))


@every
def test_the_mean_is_over_the_batch(kind: Any) -> None:
    real, fake = (one.detach() for one in both(seed=2))
    for loss in (kind().discriminator_loss, kind().generator_loss):
        assert float(loss(real.repeat(3), fake.repeat(3))) == pytest.approx(float(loss(real, fake)))


@every
def test_only_pairing_objectives_look_at_the_real_logits_of_the_generator(kind: Any) -> None:
    """Where ``pairs`` is False the loop passes a zero in the place of the real logits."""
    real, fake = (one.detach() for one in both(seed=4))
    same = float(kind().generator_loss(real, fake)) == float(kind().generator_loss(torch.zeros(()), fake))
    assert same != kind.pairs


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 1.0, 0.0, -1.0]), torch.tensor([-3.0, -1.0, 0.5, 2.0])
    assert float(Hinge().discriminator_loss(real, fake)) == pytest.approx((0 + 0 + 1 + 2) / 4 + (0 + 0 + 1.5 + 3) / 4)
    assert float(Hinge().generator_loss(real, fake)) == pytest.approx(-(-3 - 1 + 0.5 + 2) / 4)


def test_hinge_stops_at_its_margin() -> None:
    one = torch.ones(3)
    assert float(Hinge().discriminator_loss(one, -one)) == 0
    real, fake = torch.tensor([1.5, 4.0], requires_grad=True), torch.tensor([-1.5, -4.0], requires_grad=True)
    Hinge().discriminator_loss(real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert not real.grad.any()
    assert not fake.grad.any()


def test_non_saturating_at_zero() -> None:
    zero = torch.zeros(5)
    assert float(NonSaturating().discriminator_loss(zero, zero)) == pytest.approx(2 * math.log(2))
    assert float(NonSaturating().generator_loss(zero, zero)) == pytest.approx(math.log(2))


@given(logits)
def test_non_saturating_is_binary_cross_entropy(values: list[float]) -> None:
    from torch.nn import functional as F

    real, fake = torch.tensor(values), torch.tensor(values[::-1]) / 2
    entropy = F.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
    assert float(NonSaturating().discriminator_loss(real, fake)) == pytest.approx(float(expected), rel=1e-5)
    expected = entropy(fake, torch.ones_like(fake))
    assert float(NonSaturating().generator_loss(real, fake)) == pytest.approx(float(expected), rel=1e-5)


def test_the_generator_still_learns_where_the_fakes_are_plain() -> None:
    """The saturating loss has no slope there; this one's slope is -1."""
    fake = torch.tensor([-30.0], requires_grad=True)
    NonSaturating().generator_loss(torch.zeros(1), fake).backward()
    assert float(fake.grad) == pytest.approx(-1.0)


@given(logits, st.floats(-5, 5, width=32))
def test_relativistic_sees_only_differences(values: list[float], shift: float) -> None:
    real, fake = torch.tensor(values), torch.tensor(values[::-1])
    loss = Relativistic().discriminator_loss(real, fake)
    assert float(Relativistic().discriminator_loss(real + shift, fake + shift)) == pytest.approx(float(loss), abs=1e-4)
    assert float(Relativistic().generator_loss(fake, real)) == pytest.approx(float(loss), abs=1e-5)
    assert float(Relativistic().discriminator_loss(real, real)) == pytest.approx(math.log(2))
    assert float(Relativistic().generator_loss(real, real)) == pytest.approx(math.log(2))
