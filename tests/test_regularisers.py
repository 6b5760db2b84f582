"""Regularisers: closed forms on simple critics, slopes against a second formulation, and what reaches a training."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganaug.gan.build import build_discriminator
from ganaug.gan.nets.discriminator import MinibatchFeatures
from ganaug.gan.objectives import OBJECTIVES, LeastSquares, NonSaturating
from ganaug.gan.regularisers import (
    R1,
    R2,
    Judged,
    LabelSmoothing,
    LeCam,
    MinibatchDiscrimination,
    OneCentred,
    Regulariser,
    SpectralNorm,
)
from ganaug.gan.run import read_measures
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training

SHAPE = (2, 3, 3)  # channels, height, width
PIXELS = math.prod(SHAPE)
Critic = Callable[[Tensor], Tensor]
MEMBERS = get_args(get_args(Regulariser)[0])
every = pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)


def images(count: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, *SHAPE, generator=rng, dtype=torch.float64)


def judged(critic: Critic, seed: int = 0, count: int = 5, **others: Any) -> Judged:
    real, fake = images(count, seed).requires_grad_(), (1 + images(count, seed + 1)).requires_grad_()
    values: dict[str, Any] = {
        "real": real,
        "fake": fake,
        "real_logits": critic(real),
        "fake_logits": critic(fake),
        "discriminate": critic,
        "rng": torch.Generator().manual_seed(seed),
        "real_average": torch.tensor(0.7, dtype=torch.float64),
        "fake_average": torch.tensor(-0.4, dtype=torch.float64),
        "step": 1000,
    }
    return Judged(**{**values, **others})


def between(one: Judged, seed: int = 0) -> Tensor:
    """The places that the one-centred penalty draws."""
    place = torch.rand((len(one.real), 1, 1, 1), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (one.fake + place * (one.real - one.fake)).detach()


def linear(norm: float) -> tuple[Critic, Tensor]:
    weights = images(1, 9).flatten()
    weights = (norm * weights / weights.norm()).requires_grad_()
    return lambda some: some.flatten(1) @ weights + 3, weights


def quadratic() -> tuple[Critic, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(4)
    matrix = torch.randn(PIXELS, PIXELS, generator=rng, dtype=torch.float64)
    matrix, offset = (matrix + matrix.T) / 5, torch.randn(PIXELS, generator=rng, dtype=torch.float64)

    def critic(some: Tensor) -> Tensor:
        pixels = some.flatten(1)
        return 0.5 * torch.einsum("ni,ij,nj->n", pixels, matrix, pixels) + pixels @ offset

    return critic, matrix, offset


def value(penalty: Tensor) -> float:
    assert penalty.shape == ()
    return float(penalty.detach())


# --------------------------------------------------------------------------------------------------- every regulariser


@every
def test_a_penalty_is_a_finite_number_with_finite_slopes(kind: Any) -> None:
    """Only members that say so may take gradients at the images."""
    torch.manual_seed(3)
    critic = Small().double()
    others: dict[str, Any] = {}
    if kind.gradient_norm is None:
        real, fake = images(5, 0), images(5, 1)
        others = {"real": real, "fake": fake, "real_logits": critic(real), "fake_logits": critic(fake)}
    penalty = kind().penalty(judged(critic, **others))
    assert value(penalty) >= 0
    assert penalty.isfinite()
    if penalty.requires_grad:
        slopes = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True)
        assert all(one.isfinite().all() for one in slopes if one is not None)


@every
def test_a_training_with_it_goes_on_and_can_be_repeated(kind: Any) -> None:
    found = []
    for _ in range(2):
        training = gan_training(objective=LeastSquares(), regularisers=(kind(),))
        training.step(1)
        training.step(2)
        found.append(training.discriminator.state_dict())
        assert all(math.isfinite(one) for one in read_measures(training).values())
    assert all(torch.equal(one, found[1][name]) for name, one in found[0].items())


@every
def test_what_does_not_go_together_is_said_in_words(kind: Any) -> None:
    reasons = [kind().refuses(objective) for objective in OBJECTIVES]
    assert None in reasons
    assert all(reason is None or reason.startswith(("which ", "whose ")) for reason in reasons)


# ------------------------------------------------------------------------------------------------------ closed forms


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_penalties_of_a_linear_critic_are_its_known_slope(norm: float) -> None:
    critic, weights = linear(norm)
    one = judged(critic)
    assert value(OneCentred(weight=7.0).penalty(one)) == pytest.approx(7 * (norm - 1) ** 2, rel=1e-6, abs=1e-12)
    assert value(R1(gamma=0.4).penalty(one)) == pytest.approx(0.2 * norm**2, rel=1e-9)
    assert value(R2(gamma=0.4).penalty(one)) == pytest.approx(0.2 * norm**2, rel=1e-9)
    for regulariser, expected in (
        (OneCentred(weight=7.0), 14 * (norm - 1) * weights / norm),
        (R1(gamma=0.4), 0.4 * weights),
        (R2(gamma=0.4), 0.4 * weights),
    ):
        (slopes,) = torch.autograd.grad(regulariser.penalty(judged(critic)), weights)
        torch.testing.assert_close(slopes, expected.detach(), rtol=1e-6, atol=1e-10)


def test_penalties_of_a_quadratic_critic_are_its_known_slopes() -> None:
    critic, matrix, offset = quadratic()
    one = judged(critic)

    def lengths(some: Tensor) -> Tensor:
        return (some.detach().flatten(1) @ matrix + offset).norm(dim=1)

    real, fake = lengths(one.real), lengths(one.fake)
    assert value(R1(gamma=0.3).penalty(one)) == pytest.approx(0.15 * float((real**2).mean()), rel=1e-9)
    assert value(R2(gamma=0.3).penalty(one)) == pytest.approx(0.15 * float((fake**2).mean()), rel=1e-9)
    assert value(R1(gamma=0.3).penalty(one)) != pytest.approx(value(R2(gamma=0.3).penalty(one)), rel=0.01)
    middle = lengths(between(one))
    found = value(OneCentred(weight=2.0).penalty(one))
    assert found == pytest.approx(2 * float(((middle - 1) ** 2).mean()), rel=1e-9)


def test_the_one_centred_penalty_looks_between_each_real_and_the_fake_beside_it() -> None:
    looked_at: list[Tensor] = []
    critic, _ = linear(2.0)

    def watched(some: Tensor) -> Tensor:
        looked_at.append(some.detach())
        return critic(some)

    one = judged(critic, count=50, discriminate=watched)
    OneCentred().penalty(one)
    (places,) = looked_at
    shares = ((places - one.fake) / (one.real - one.fake)).detach().flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares), rtol=1e-6, atol=1e-6)
    assert 0 <= float(shares.min()) < 0.1
    assert 0.9 < float(shares.max()) <= 1
    assert len(shares[:, 0].unique()) == 50


def test_a_flat_critic_has_finite_slopes() -> None:
    """The norm has no slope of its own at 0."""
    weights = torch.zeros(PIXELS, dtype=torch.float64, requires_grad=True)
    penalty = OneCentred(weight=5.0).penalty(judged(lambda some: some.flatten(1) @ weights))
    assert value(penalty) == pytest.approx(5.0, rel=1e-5)
    (slopes,) = torch.autograd.grad(penalty, weights)
    assert slopes.isfinite().all()


# --------------------------------------------------------------------- slopes by the critic's weights, a second way


class Small(nn.Module):
    """Smooth, so that the second derivatives are there."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(PIXELS, 6), nn.Linear(6, 1)

    def forward(self, some: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(some.flatten(1)))).squeeze(1)


@pytest.mark.parametrize("kind", ["r1", "r2", "one-centred", "lecam"])
def test_slopes_by_the_weights_are_those_of_torch_func(kind: str) -> None:
    torch.manual_seed(3)
    critic = Small().double()
    one = judged(critic)
    weights = dict(critic.named_parameters())
    regulariser: Any = {
        "r1": R1(gamma=0.3),
        "r2": R2(gamma=0.3),
        "one-centred": OneCentred(weight=4.0),
        "lecam": LeCam(weight=0.8),
    }[kind]

    def logit(values: dict[str, Tensor], image: Tensor) -> Tensor:
        return torch.func.functional_call(critic, values, (image[None],))[0]

    def jacobian(values: dict[str, Tensor], some: Tensor) -> Tensor:
        by_image = torch.func.vmap(torch.func.jacrev(logit, argnums=1), in_dims=(None, 0))
        return by_image(values, some).flatten(1)

    def second(values: dict[str, Tensor]) -> Tensor:
        real, fake = one.real.detach(), one.fake.detach()
        if kind == "r1":
            return 0.15 * jacobian(values, real).pow(2).sum() / len(real)
        if kind == "r2":
            return 0.15 * jacobian(values, fake).pow(2).sum() / len(fake)
        if kind == "one-centred":
            return 4.0 * (torch.linalg.vector_norm(jacobian(values, between(one)), dim=1) - 1).pow(2).mean()
        logits = [torch.func.vmap(logit, in_dims=(None, 0))(values, some) for some in (real, fake)]
        return 0.8 * ((logits[0] + 0.4).pow(2).mean() + (logits[1] - 0.7).pow(2).mean())

    penalty = regulariser.penalty(one)
    found = torch.autograd.grad(penalty, list(weights.values()), allow_unused=True)
    expected = torch.func.grad(second)({name: tensor.detach() for name, tensor in weights.items()})
    assert value(penalty) == pytest.approx(value(second(weights)), rel=1e-9)
    for slopes, (name, other) in zip(found, expected.items(), strict=True):
        # The last bias moves no slope: autograd leaves it out.
        torch.testing.assert_close(torch.zeros_like(other) if slopes is None else slopes, other, rtol=1e-6, atol=1e-10)
        assert (other.abs().sum() > 0) == (name != "last.bias" or kind == "lecam")


def test_only_the_gradient_penalties_take_slopes() -> None:
    kinds = [R1, R2, OneCentred, LeCam, SpectralNorm, MinibatchDiscrimination, LabelSmoothing]
    assert [kind.kind for kind in kinds if kind.gradient_norm is not None] == ["r1", "r2", "one-centred"]
    critic, _ = linear(2.0)
    for kind in (SpectralNorm, MinibatchDiscrimination, LabelSmoothing):
        assert value(kind().penalty(judged(critic))) == 0


# ------------------------------------------------------------------------------------------------------------- lecam


def test_lecam_by_hand() -> None:
    logits: dict[str, Any] = {
        "real_logits": torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64),
        "fake_logits": torch.tensor([-1.0, 0.0, 0.5], dtype=torch.float64),
    }
    one = judged(lambda some: some.flatten(1).sum(1), **logits)
    by_hand = (1.4**2 + 2.4**2 + 4.4**2) / 3 + (1.7**2 + 0.7**2 + 0.2**2) / 3
    assert value(LeCam(weight=0.3).penalty(one)) == pytest.approx(0.3 * by_hand, rel=1e-9)
    assert value(LeCam(weight=0.3, from_step=1000).penalty(one)) > 0
    assert value(LeCam(weight=0.3, from_step=1001).penalty(one)) == 0


def gan_training(**changes: Any) -> Training:
    values = {
        "steps": 8,
        "batch_size": 6,
        "z_dim": 4,
        "generator_width": 4,
        "discriminator_width": 4,
        "regularisers": (),
        "precision": "float32",
        **changes,
    }
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    return Training(pixels, np.arange(12, dtype=np.int64) % 3, 3, GanSpec(**values), 0, torch.device("cpu"))


def test_lecam_in_a_training_follows_its_averages() -> None:
    """The averages are over the steps before, so that the first penalised step sees those of the steps until then."""
    lecam = LeCam(weight=0.5, decay=0.8, from_step=4)
    training = gan_training(regularisers=(lecam,))
    seen: list[Tensor] = []
    training.discriminator.register_forward_hook(lambda net, given, made: seen.append(made[0].detach().double()))
    real_average = fake_average = 0.0
    for number in range(1, 8):
        seen.clear()
        training.step(number)
        real, fake = seen[0].chunk(2)  # the step of the generator comes after
        penalty = read_measures(training)["d_penalty"]
        expected = 0.5 * float((real - fake_average).square().mean() + (fake - real_average).square().mean())
        assert penalty == pytest.approx(expected if number >= 4 else 0, rel=1e-4)
        assert (penalty > 0) == (number >= 4)
        real_average += 0.2 * (float(real.mean()) - real_average)
        fake_average += 0.2 * (float(fake.mean()) - fake_average)
        assert training.logit_averages.tolist() == pytest.approx([real_average, fake_average], rel=1e-4)


# ----------------------------------------------------------------------------------------------------- spectral norm


@pytest.mark.parametrize("conditioning", ["concat", "projection", "auxiliary"])
@pytest.mark.parametrize("architecture", ["compact", "mlp", "dcgan", "resnet"])
def test_every_weight_has_a_largest_singular_value_of_one(architecture: str, conditioning: str) -> None:
    from ganaug import config

    regularisers = [{"kind": "spectral-norm"}, {"kind": "minibatch-discrimination", "kernels": 3, "dims": 2}]
    chosen = {"architecture": {"kind": architecture}, "conditioning": conditioning, "regularisers": regularisers}
    spec = config.check({"gan": {**chosen, "discriminator_width": 4}}).gan
    torch.manual_seed(0)
    judge = build_discriminator(spec, 3, (1, 16, 16)).train()
    weighted = [module for module in judge.modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding)]
    with torch.no_grad():
        for module in weighted:
            module.parametrizations.weight.original.mul_(7.0)  # type: ignore[union-attr]
        for module in weighted * 150:
            assert module.weight is not None  # in training, each look is a step of the power iteration
        judge.eval()
        norms = [float(torch.linalg.svdvals(module.weight.flatten(1))[0]) for module in weighted]
    assert norms == pytest.approx([1.0] * len(norms), abs=1e-3)
    assert any(isinstance(module, nn.Embedding) for module in weighted) == (conditioning == "projection")


def test_without_spectral_norm_weights_are_as_they_are() -> None:
    spec = GanSpec(regularisers=(), discriminator_width=4)
    judge = build_discriminator(spec, 3, (1, 8, 8))
    assert not [name for name, _ in judge.named_parameters() if "original" in name]


# ------------------------------------------------------------------------------------------ minibatch discrimination


def nearness(features: Tensor, kernels: int, dims: int) -> tuple[Tensor, MinibatchFeatures]:
    """Weights and features are multiples of 1/8, which float32 adds and multiplies without an error."""
    part = MinibatchFeatures(features.shape[1], kernels, dims).double()
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        part.map.weight.copy_(torch.randint(-3, 4, part.map.weight.shape, generator=rng) / 8)
    return part(features).detach(), part


def test_nearness_is_the_double_sum() -> None:
    features = torch.randint(-6, 7, (5, 4), generator=torch.Generator().manual_seed(1)).double() / 8
    found, part = nearness(features, kernels=3, dims=2)
    weights = part.map.weight.detach().numpy().reshape(3, 2, 4)
    expected = np.zeros((5, 3))
    for image in range(5):
        for kernel in range(3):
            for other in range(5):
                if other != image:
                    apart = weights[kernel] @ (features[image] - features[other]).numpy()
                    expected[image, kernel] += math.exp(-sum(abs(number) for number in apart))
    assert found.shape == (5, part.features) == (5, 7)
    assert torch.equal(found[:, :4], features)
    np.testing.assert_allclose(found[:, 4:].numpy(), expected, rtol=1e-6)


def test_a_collapsed_batch_is_nearer_than_a_varied_one() -> None:
    varied = torch.randint(-16, 17, (6, 4), generator=torch.Generator().manual_seed(1)).double()
    same, _ = nearness(varied[:1].expand(6, -1), kernels=8, dims=3)
    other, _ = nearness(varied, kernels=8, dims=3)
    np.testing.assert_allclose(same[:, 4:].numpy(), 5.0, rtol=1e-6)  # all the others, at no distance
    assert float(other[:, 4:].mean()) < 1
    assert (other[:, 4:] >= 0).all()


def test_the_settings_of_minibatch_discrimination_reach_the_network() -> None:
    spec = GanSpec(regularisers=(MinibatchDiscrimination(kernels=7, dims=2),), discriminator_width=4)
    judge = build_discriminator(spec, 3, (1, 8, 8))
    assert judge.nearness is not None
    assert judge.nearness.map.weight.shape == (14, judge.body.features)
    assert judge.score.weight.shape == (1, judge.body.features + 7)
    assert judge.mixes_batch


# ---------------------------------------------------------------------------------------------------- label smoothing


def first_measures(**changes: Any) -> dict[str, float]:
    training = gan_training(**changes)
    training.step(1)
    return read_measures(training)


def test_label_smoothing_reaches_the_discriminators_loss_and_no_other() -> None:
    """Of a cross-entropy, the label t takes t - 1 times the mean real logit off; weights and draws are the same."""
    hard = first_measures(objective=NonSaturating())
    soft = first_measures(objective=NonSaturating(), regularisers=(LabelSmoothing(real_label=0.8),))
    assert soft["d_logit_real"] == hard["d_logit_real"]
    gap = 0.2 * hard["d_logit_real"]
    assert abs(gap) > 1e-3
    assert soft["d_loss"] - hard["d_loss"] == pytest.approx(gap, abs=1e-6)
    assert soft["d_penalty"] == 0


def test_label_smoothing_of_least_squares_moves_its_target() -> None:
    hard = first_measures(objective=LeastSquares())
    soft = first_measures(objective=LeastSquares(), regularisers=(LabelSmoothing(real_label=0.8),))
    expected = 0.5 * (0.8**2 - 1) + 0.2 * hard["d_logit_real"]
    assert soft["d_loss"] - hard["d_loss"] == pytest.approx(expected, abs=1e-6)


def test_penalties_reach_the_discriminators_gradient() -> None:
    """A penalty alone moves weights: with it and without, the first step differs."""
    kinds: tuple[tuple[Regulariser, ...], ...] = ((), (R1(gamma=5.0),), (R2(gamma=5.0),), (OneCentred(weight=5.0),))
    found = [first_measures(objective=NonSaturating(), regularisers=kind) for kind in kinds]
    assert len({one["d_gradient"] for one in found}) == len(kinds)
    assert [one["d_penalty"] > 0 for one in found] == [False, True, True, True]
    assert len({round(one["d_loss"], 5) for one in found}) == 1


def test_regularisers_are_read_with_their_defaults() -> None:
    assert replace(R1(), gamma=1.0) == R1(gamma=1.0)
    assert (LeCam().weight, LeCam().decay, LeCam().from_step) == (0.3, 0.99, 1000)
    assert (MinibatchDiscrimination().kernels, MinibatchDiscrimination().dims) == (50, 5)
    assert LabelSmoothing().real_label == 0.9
    assert OneCentred().weight == 10.0


@pytest.mark.parametrize("kind", [R1, R2])
def test_a_lazy_penalty_comes_every_so_often_and_is_so_many_times_as_large(kind: Any) -> None:
    critic, _ = linear(2.0)
    one = judged(critic)
    assert value(kind(gamma=0.4, every=4).penalty(one)) == pytest.approx(4 * value(kind(gamma=0.4).penalty(one)))
    spec = replace(
        GanSpec(steps=8, batch_size=4, z_dim=2, generator_width=2, discriminator_width=2),
        objective=NonSaturating(),
        regularisers=(kind(gamma=0.4, every=4),),
    )
    training = Training(np.zeros((6, 8, 8, 1), np.uint8), np.arange(6) % 3, 3, spec, 0, torch.device("cpu"))
    penalties = []
    for step in range(1, 9):
        training.step(step)
        penalties.append(read_measures(training)["d_penalty"])
    assert [penalty > 0 for penalty in penalties] == [False, False, False, True] * 2
