"""Objectives: one contract for all of them, each against a formula of its own, and what each is at its optimum."""

import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, special, stats
from torch import Tensor
from torch.nn import functional as F

from ganaug.gan.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    Relativistic,
    Wasserstein,
    WassersteinGP,
)
from ganaug.gan.regularisers import R1, R2, OneCentred

Array = NDArray[np.float64]

MEMBERS = get_args(get_args(Objective)[0])
every = pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)
cross_entropies = pytest.mark.parametrize("kind", [Minimax, NonSaturating], ids=lambda kind: kind.__name__)
logits = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=6)
INF = math.inf

# How far each loss pushes: D's real logits up to the first, its fake ones down to the second, G's fakes up to the
# third. What comes after is said by BEYOND.
TARGETS = {
    "minimax": (INF, -INF, INF),
    "non-saturating": (INF, -INF, INF),
    "least-squares": (1.0, 0.0, 1.0),
    "wasserstein": (INF, -INF, INF),
    "wasserstein-gp": (INF, -INF, INF),
    "hinge": (1.0, -1.0, INF),
    "relativistic": (INF, -INF, INF),
}
BEYOND = {"least-squares": "back", "hinge": "rest"}
with_answers = pytest.mark.parametrize(
    "kind", [kind for kind in MEMBERS if kind.kind in TARGETS], ids=lambda kind: kind.__name__
)


def both(seed: int = 0, count: int = 7) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    real, fake = 3 * torch.randn(2, count, generator=rng, dtype=torch.float64)
    return real.requires_grad_(), fake.requires_grad_()


def slope(loss: Callable[[Tensor], Tensor], at: float) -> float:
    place = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(loss(place), place)
    return float(found)


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


# ---------------------------------------------------------------------------------------------------------- contract


def test_every_objective_has_known_answers_and_a_kind_of_its_own() -> None:
    """A new one must bring a line of TARGETS and one of FORMULAS."""
    assert len({kind().kind for kind in MEMBERS}) == len(MEMBERS)
    assert {kind().kind for kind in MEMBERS} == set(TARGETS) == set(FORMULAS)


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


@with_answers
@pytest.mark.parametrize("away", [6.0, 2.0, 0.5, 0.01])
def test_each_player_pushes_towards_its_target_and_no_further(kind: Any, away: float) -> None:
    objective = kind()
    for_real, for_fake, for_generator = TARGETS[objective.kind]
    for target, sign, loss in (
        (for_real, 1, lambda logit: objective.discriminator_loss(logit, one(-0.3))),
        (for_fake, -1, lambda logit: objective.discriminator_loss(one(0.3), logit)),
        (for_generator, 1, lambda logit: objective.generator_loss(one(0.3), logit)),
    ):
        if math.isinf(target):
            assert sign * slope(loss, away) < 0
            assert sign * slope(loss, -away) < 0
            continue
        assert sign * slope(loss, target - sign * away) < 0
        beyond = sign * slope(loss, target + sign * away)
        assert beyond > 0 if BEYOND[objective.kind] == "back" else beyond == 0


@with_answers
def test_losses_fall_all_the_way_to_the_target(kind: Any) -> None:
    objective = kind()
    for_real, for_fake, for_generator = TARGETS[objective.kind]
    path = np.linspace(-4, 0, 9)
    reach_real, reach_fake, reach = min(for_real, 4.0), max(for_fake, -4.0), min(for_generator, 4.0)
    lower = [float(objective.discriminator_loss(one(reach_real + way), one(reach_fake - way))) for way in path]
    assert (np.diff(lower) < 0).all()
    lower = [float(objective.generator_loss(one(0.0), one(reach + way))) for way in path]
    assert (np.diff(lower) < 0).all()


@every
def test_a_boundary_is_where_real_and_fake_cannot_be_told_apart(kind: Any) -> None:
    """With equal logits for both, D's loss rests at the boundary; without one, it rests wherever the logits are."""
    objective = kind()

    def alike(logit: Tensor) -> Tensor:
        return objective.discriminator_loss(logit, logit)

    if objective.boundary is None:
        assert [slope(alike, at) for at in (-3.0, 0.0, 2.0)] == [0.0] * 3
        real, fake = (value.detach() for value in both(seed=5))
        moved = objective.discriminator_loss(real + 2.5, fake + 2.5)
        assert float(moved) == pytest.approx(float(objective.discriminator_loss(real, fake)), rel=1e-9)
    else:
        assert slope(alike, objective.boundary) == pytest.approx(0, abs=1e-12)
        assert slope(alike, objective.boundary + 3) > 0
        assert slope(alike, objective.boundary - 3) < 0


@every
def test_gradients_are_the_slopes(kind: Any) -> None:
    real, fake = both(seed=1)
    assert torch.autograd.gradcheck(kind().discriminator_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda some: kind().generator_loss(real.detach(), some), (fake,))


@every
def test_the_mean_is_over_the_batch(kind: Any) -> None:
    real, fake = (some.detach() for some in both(seed=2))
    for loss in (kind().discriminator_loss, kind().generator_loss):
        assert float(loss(real.repeat(3), fake.repeat(3))) == pytest.approx(float(loss(real, fake)), rel=1e-9)


@every
def test_only_pairing_objectives_look_at_the_real_logits_of_the_generator(kind: Any) -> None:
    """Where ``pairs`` is False the loop passes a zero in the place of the real logits."""
    real, fake = (some.detach() for some in both(seed=4))
    same = float(kind().generator_loss(real, fake)) == float(kind().generator_loss(torch.zeros(()), fake))
    assert same != kind.pairs


@every
def test_a_target_can_be_softened_only_where_there_is_one(kind: Any) -> None:
    real, fake = (some.detach() for some in both(seed=6))
    if not kind.smooths:
        with pytest.raises(TypeError, match="real_label"):
            kind().discriminator_loss(real, fake, real_label=0.9)
        return
    plain, hard, soft = (
        float(kind().discriminator_loss(real, fake, **options)) for options in ({}, {"real_label": 1.0}, SOFT)
    )
    assert plain == hard != soft


SOFT = {"real_label": 0.9}


def test_what_is_built_in() -> None:
    for kind in (Minimax, NonSaturating, LeastSquares, Wasserstein, Hinge):
        assert kind().built_in() == ()
    assert WassersteinGP(penalty=3.0).built_in() == (OneCentred(weight=3.0),)
    assert Relativistic(gamma=0.2).built_in() == (R1(gamma=0.2), R2(gamma=0.2))
    assert Relativistic(gamma=0.0).built_in() == ()
    clips = {kind().kind: kind().clip for kind in MEMBERS if kind().clip is not None}
    assert clips == {"wasserstein": 0.01}


# ------------------------------------------------------------------------------- each against a formula of its own

# Losses and slopes (of the sum over the batch), in numpy: d_loss, d_loss by real, by fake, g_loss, g_loss by fake.
sigmoid = special.expit
FORMULAS: dict[str, tuple[Callable[[Array, Array], Array], ...]] = {
    "minimax": (
        lambda real, fake: -special.log_expit(real).mean() - special.log_expit(-fake).mean(),
        lambda real, fake: -sigmoid(-real),
        lambda real, fake: sigmoid(fake),
        lambda real, fake: special.log_expit(-fake).mean(),
        lambda real, fake: -sigmoid(fake),
    ),
    "non-saturating": (
        lambda real, fake: -special.log_expit(real).mean() - special.log_expit(-fake).mean(),
        lambda real, fake: -sigmoid(-real),
        lambda real, fake: sigmoid(fake),
        lambda real, fake: -special.log_expit(fake).mean(),
        lambda real, fake: -sigmoid(-fake),
    ),
    "least-squares": (
        lambda real, fake: (((real - 1) ** 2).mean() + (fake**2).mean()) / 2,
        lambda real, fake: real - 1,
        lambda real, fake: fake,
        lambda real, fake: ((fake - 1) ** 2).mean() / 2,
        lambda real, fake: fake - 1,
    ),
    "hinge": (
        lambda real, fake: np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(),
        lambda real, fake: np.where(real < 1, -1.0, 0.0),
        lambda real, fake: np.where(fake > -1, 1.0, 0.0),
        lambda real, fake: -fake.mean(),
        lambda real, fake: -np.ones_like(fake),
    ),
    "relativistic": (
        lambda real, fake: -special.log_expit(real - fake).mean(),
        lambda real, fake: -sigmoid(fake - real),
        lambda real, fake: sigmoid(fake - real),
        lambda real, fake: -special.log_expit(fake - real).mean(),
        lambda real, fake: -sigmoid(real - fake),
    ),
}
FORMULAS["wasserstein"] = FORMULAS["wasserstein-gp"] = (
    lambda real, fake: fake.mean() - real.mean(),
    lambda real, fake: -np.ones_like(real),
    lambda real, fake: np.ones_like(fake),
    lambda real, fake: -fake.mean(),
    lambda real, fake: -np.ones_like(fake),
)


@with_answers
@pytest.mark.parametrize("seed", range(3))
def test_values_and_slopes_are_the_formula(kind: Any, seed: int) -> None:
    real, fake = both(seed, count=40)
    numbers = real.detach().numpy(), fake.detach().numpy()
    d_loss, by_real, by_fake, g_loss, by_fake_of_g = (formula(*numbers) for formula in FORMULAS[kind().kind])
    loss = kind().discriminator_loss(real, fake)
    slopes = torch.autograd.grad(loss, (real, fake))
    assert float(loss.detach()) == pytest.approx(float(d_loss), rel=1e-9)
    np.testing.assert_allclose(slopes[0].numpy(), by_real / 40, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(slopes[1].numpy(), by_fake / 40, rtol=1e-9, atol=1e-15)
    loss = kind().generator_loss(real.detach(), fake)
    (slope_of_g,) = torch.autograd.grad(loss, (fake,))
    assert float(loss.detach()) == pytest.approx(float(g_loss), rel=1e-9)
    np.testing.assert_allclose(slope_of_g.numpy(), by_fake_of_g / 40, rtol=1e-9, atol=1e-15)


@cross_entropies
@given(logits, st.floats(0.55, 1.0))
def test_cross_entropies_are_torchs_with_any_label(kind: Any, values: list[float], label: float) -> None:
    real, fake = torch.tensor(values, dtype=torch.float64), torch.tensor(values[::-1], dtype=torch.float64) / 2
    entropy = F.binary_cross_entropy_with_logits
    to_real, to_fake = entropy(real, torch.full_like(real, label)), entropy(fake, torch.zeros_like(fake))
    expected = pytest.approx(float(to_real + to_fake), rel=1e-9)
    assert float(kind().discriminator_loss(real, fake, real_label=label)) == expected
    sign, target = (-1, 0.0) if kind is Minimax else (1, 1.0)
    expected = pytest.approx(sign * float(entropy(fake, torch.full_like(fake, target))), rel=1e-9)
    assert float(kind().generator_loss(real, fake)) == expected


@given(logits, st.floats(0.55, 1.0))
def test_a_softened_label_is_where_least_squares_rests(values: list[float], label: float) -> None:
    real, fake = torch.full((4,), label, dtype=torch.float64), torch.tensor(values, dtype=torch.float64)
    found = LeastSquares().discriminator_loss(real, fake, real_label=label)
    assert float(found) == pytest.approx(float(0.5 * (fake**2).mean()), rel=1e-9, abs=1e-15)


def test_a_softened_label_is_what_a_cross_entropy_discriminator_says() -> None:
    """Against label t alone, the resting logit is log(t / (1 - t))."""
    at = math.log(0.9 / 0.1)
    loss = NonSaturating().discriminator_loss
    assert slope(lambda logit: loss(logit, one(-1.0), real_label=0.9), at) == pytest.approx(0, abs=1e-12)
    assert slope(lambda logit: loss(logit, one(-1.0), real_label=0.9), at + 1) > 0


@given(logits, st.floats(-5, 5, width=32))
def test_relativistic_sees_only_differences(values: list[float], shift: float) -> None:
    real, fake = torch.tensor(values, dtype=torch.float64), torch.tensor(values[::-1], dtype=torch.float64)
    loss = float(Relativistic().discriminator_loss(real, fake))
    assert float(Relativistic().discriminator_loss(real + shift, fake + shift)) == pytest.approx(loss, rel=1e-9)
    assert float(Relativistic().generator_loss(fake, real)) == pytest.approx(loss, rel=1e-9)
    assert float(Relativistic().discriminator_loss(real, real)) == pytest.approx(math.log(2), rel=1e-9)
    entropy = F.binary_cross_entropy_with_logits(real - fake, torch.ones_like(real))
    assert loss == pytest.approx(float(entropy), rel=1e-9)


def test_relativistic_judges_each_fake_against_the_real_image_beside_it() -> None:
    real, fake = (some.detach() for some in both(seed=9))
    assert float(Relativistic().discriminator_loss(real, fake)) != pytest.approx(
        float(Relativistic().discriminator_loss(real.flip(0), fake)), rel=1e-3
    )


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 1.0, 0.0, -1.0]), torch.tensor([-3.0, -1.0, 0.5, 2.0])
    assert float(Hinge().discriminator_loss(real, fake)) == pytest.approx((0 + 0 + 1 + 2) / 4 + (0 + 0 + 1.5 + 3) / 4)
    assert float(Hinge().generator_loss(real, fake)) == pytest.approx(-(-3 - 1 + 0.5 + 2) / 4)


def test_hinge_has_its_kinks_at_its_margins_and_nowhere_else() -> None:
    """One-sided slopes from differences: they jump by 1 at the margin, and nowhere else."""
    step = 2.0**-20

    def jump(loss: Callable[[Tensor], Tensor], at: float) -> float:
        before, here, after = (float(loss(one(at + way))) for way in (-step, 0.0, step))
        return (after - here) / step - (here - before) / step

    def of_real(logit: Tensor) -> Tensor:
        return Hinge().discriminator_loss(logit, one(-2.0))

    def of_fake(logit: Tensor) -> Tensor:
        return Hinge().discriminator_loss(one(2.0), logit)

    places = np.arange(-24, 25) / 8
    assert {at: jump(of_real, at) for at in places if jump(of_real, at)} == {1.0: pytest.approx(1.0)}
    assert {at: jump(of_fake, at) for at in places if jump(of_fake, at)} == {-1.0: pytest.approx(1.0)}


def test_minimax_saturates_where_the_fakes_are_plain_and_non_saturating_does_not() -> None:
    for logit, saturating, lively in ((-30.0, 0.0, -1.0), (0.0, -0.5, -0.5), (30.0, -1.0, 0.0)):
        assert slope(lambda fake: Minimax().generator_loss(one(0), fake), logit) == pytest.approx(saturating, abs=1e-9)
        assert slope(lambda fake: NonSaturating().generator_loss(one(0), fake), logit) == pytest.approx(
            lively, abs=1e-9
        )
    real, fake = (some.detach() for some in both(seed=8))
    assert float(Minimax().generator_loss(real, fake)) == pytest.approx(
        -float(Minimax().discriminator_loss(one(1e3), fake)), rel=1e-9
    )


# ---------------------------------------------------------------------- optimal discriminators of two known densities

X = np.linspace(-14, 14, 4001)
P, Q = stats.norm.pdf(X, 0.0, 1.0), stats.norm.pdf(X, 1.5, 0.7)


def expected(objective: Any, scores: Tensor, silent_real: float, silent_fake: float) -> Tensor:
    """D's expected loss, when real images have the density P and fakes Q, of one score for each place of X.

    A loss is a part of the real logits and a part of the fake ones; the other part is 0 at its silent logit.
    """
    real = torch.func.vmap(lambda logit: objective.discriminator_loss(logit[None], one(silent_fake)))(scores)
    fake = torch.func.vmap(lambda logit: objective.discriminator_loss(one(silent_real), logit[None]))(scores)
    return torch.trapezoid(torch.from_numpy(P) * real + torch.from_numpy(Q) * fake, torch.from_numpy(X))


def at_optimum(objective: Any, scores: Array, silent_real: float, silent_fake: float) -> tuple[float, Array]:
    """The expected loss, and its slopes relative to the densities."""
    places = torch.tensor(scores, requires_grad=True)
    loss = expected(objective, places, silent_real, silent_fake)
    (slopes,) = torch.autograd.grad(loss, places)
    return float(loss.detach()), slopes.numpy() / ((P + Q) * (X[1] - X[0]))


@cross_entropies
def test_the_best_logit_is_the_log_ratio_and_measures_jensen_shannon(kind: Any) -> None:
    """Goodfellow 2014, theorem 1: the loss is then 2 log 2 - 2 JSD."""
    loss, slopes = at_optimum(kind(), stats.norm.logpdf(X, 0.0, 1.0) - stats.norm.logpdf(X, 1.5, 0.7), 1e4, -1e4)
    np.testing.assert_allclose(slopes, 0, atol=1e-8)

    def divergence(x: float) -> float:
        p, q = stats.norm.pdf(x, 0.0, 1.0), stats.norm.pdf(x, 1.5, 0.7)
        return 0.5 * special.rel_entr(p, (p + q) / 2) + 0.5 * special.rel_entr(q, (p + q) / 2)

    jensen_shannon = integrate.quad(divergence, -14, 14, epsabs=1e-12, limit=200)[0]
    assert loss == pytest.approx(2 * math.log(2) - 2 * jensen_shannon, rel=1e-6)


def test_the_best_score_of_least_squares_is_the_share_of_the_real() -> None:
    """Mao 2017, eq. 5, with a 0 and b 1."""
    loss, slopes = at_optimum(LeastSquares(), P / (P + Q), 1.0, 0.0)
    np.testing.assert_allclose(slopes, 0, atol=1e-8)
    assert loss == pytest.approx(0.5 * np.trapezoid(P * Q / (P + Q), X), rel=1e-9)


def test_the_best_score_of_hinge_is_a_sign_and_measures_total_variation() -> None:
    best = torch.from_numpy(np.sign(P - Q))
    loss = float(expected(Hinge(), best, 2.0, -2.0))
    assert loss == pytest.approx(2 * np.trapezoid(np.minimum(P, Q), X), rel=1e-9)
    rng = torch.Generator().manual_seed(0)
    for size in (0.1, 1.0, 3.0):
        other = best + size * torch.randn(len(X), generator=rng, dtype=torch.float64)
        assert float(expected(Hinge(), other, 2.0, -2.0)) > loss


@pytest.mark.parametrize("kind", [Wasserstein, WassersteinGP], ids=lambda kind: kind.__name__)
def test_the_best_critic_of_a_shift_measures_its_length(kind: Any) -> None:
    """The Wasserstein-1 distance of a sample and its shifted copy is the shift; the critic -x is 1-Lipschitz."""
    sample = np.random.default_rng(0).normal(size=500)
    distance = stats.wasserstein_distance(sample, sample + 1.5)
    loss = kind().discriminator_loss(torch.from_numpy(-sample), torch.from_numpy(-(sample + 1.5)))
    assert -float(loss) == pytest.approx(distance, rel=1e-9)
    assert distance == pytest.approx(1.5, rel=1e-9)
