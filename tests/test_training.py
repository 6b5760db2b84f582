"""The state of a training and its steps: how often each network learns, what steers it, and that it can go on."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import config
from ganaug.gan.presets import OF_CLASSES
from ganaug.gan.run import read_measures
from ganaug.gan.steps import Training

CPU = torch.device("cpu")
SMALL = {
    "batch_size": 6,
    "z_dim": 4,
    "generator_width": 4,
    "discriminator_width": 4,
    "steps": 8,
    "precision": "float32",
}


@cache
def data(size: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (15, size, size, 1), np.uint8)
    return images, np.arange(15, dtype=np.int64) % 3


def training(size: int = 8, seed: int = 0, labels: np.ndarray | None = None, **changes: Any) -> Training:
    raw: dict[str, Any] = {"gan": {**SMALL, **changes}}
    if changes.get("conditioning") == "none":
        raw["classify"] = {"arms": ["classical"]}
    images, own = data(size)
    return Training(images, own if labels is None else labels, 3, config.check(raw).gan, seed, CPU)


def weights(one: Training) -> dict[str, Tensor]:
    nets = {"generator": one.generator, "discriminator": one.discriminator, "average": one.average}
    return {f"{of}.{name}": value.clone() for of, net in nets.items() for name, value in net.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def steps(one: Training, first: int, last: int) -> Training:
    for number in range(first, last + 1):
        one.step(number)
    return one


def test_a_training_holds_the_images_once() -> None:
    """On a CPU those that it was given, unless others may not write to them."""
    images, labels = np.zeros((6, 8, 8, 3), np.uint8), np.arange(6) % 3
    gan = Training(images, labels, 3, config.check({"gan": SMALL}).gan, 0, CPU)
    assert gan.images.is_contiguous(memory_format=torch.channels_last)
    assert np.shares_memory(gan.images.numpy(), images)
    images.flags.writeable = False
    assert not np.shares_memory(gan.on_device(images, labels)[0].numpy(), images)


# ------------------------------------------------------------------------------------------------------- how often


@pytest.mark.parametrize("often", [1, 2, 5])
def test_the_discriminator_learns_so_often_for_each_step_of_the_generator(
    often: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = training(discriminator_steps=often)
    order: list[str] = []
    for name, optimizer in (("D", one.optimizer_d), ("G", one.optimizer_g)):
        plain = optimizer.step

        def counted(plain: Any = plain, name: str = name) -> None:
            order.append(name)
            plain()

        monkeypatch.setattr(optimizer, "step", counted)
    steps(one, 1, 3)
    assert order == (["D"] * often + ["G"]) * 3
    assert one.measured.tolist() == [3 * often, 3]


def test_each_network_learns_in_its_own_step_alone() -> None:
    one = training()
    before = weights(one)
    batch = one.draw()
    one.step_discriminator(1, batch, one.generate(batch).detach())
    after = weights(one)
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert any(name.startswith("discriminator.") for name in moved)
    parameters = {f"generator.{name}" for name, _ in one.generator.named_parameters()}
    assert not moved & parameters
    one.step_generator(batch, one.generate(batch))
    learned = {name for name, _ in one.discriminator.named_parameters()}
    assert all(torch.equal(one.discriminator.state_dict()[name], after[f"discriminator.{name}"]) for name in learned)
    assert any(not torch.equal(one.generator.state_dict()[name[10:]], after[name]) for name in parameters)
    assert all(parameter.requires_grad for parameter in one.discriminator.parameters())


# ------------------------------------------------------------------------------------------------------ wasserstein


def test_the_weights_of_a_wasserstein_critic_are_clipped() -> None:
    """With a large rate, some of them lie on the bound itself."""
    one = training(16, preset="wgan", discriminator_lr=0.5, objective={"clip": 0.02})
    batch = one.draw()
    one.step_discriminator(1, batch, one.generate(batch).detach())
    for name, parameter in one.discriminator.named_parameters():
        assert float(parameter.detach().abs().max()) <= float(torch.tensor(0.02)), name
    flat = torch.cat([parameter.detach().flatten() for parameter in one.discriminator.parameters()])
    assert int((flat.abs() == torch.tensor(0.02)).sum()) > len(flat) / 2
    assert not bool((one.generator.to_image.weight.abs() <= 0.02).all())  # type: ignore[union-attr,operator]


def test_the_weights_of_others_are_not_clipped() -> None:
    one = training(16, preset="wgan", objective={"kind": "hinge"}, discriminator_lr=0.5)
    steps(one, 1, 1)
    assert float(torch.cat([some.detach().flatten() for some in one.discriminator.parameters()]).abs().max()) > 0.1


@pytest.mark.parametrize("objective", ["wasserstein-gp", "relativistic"])
def test_built_in_penalties_reach_the_loss(objective: str) -> None:
    one = training(objective={"kind": objective}, regularisers=[])
    steps(one, 1, 1)
    assert read_measures(one)["d_penalty"] > 0


# --------------------------------------------------------------------------------------------------------- the first


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_step_is_the_objective_of_the_logits_that_the_networks_gave(name: str) -> None:
    """Losses of the first steps, from the logits alone; labels and images are the step's own."""
    one = training(16, preset=name, discriminator_steps=1)
    seen: list[tuple[Tensor, Tensor, Tensor | None]] = []
    one.discriminator.register_forward_hook(
        lambda net, given, made: seen.append(
            (given[1], made[0].detach().double(), None if made[1] is None else made[1].detach())
        )
    )
    one.step(1)
    measured = read_measures(one)
    if len(seen[0][1]) == 12:
        (labels, logits, said), after = seen[0], seen[1:]
        assert torch.equal(labels[:6], labels[6:])
        real, fake = logits.chunk(2)
        halves = said.chunk(2) if said is not None else None
    else:
        (labels, real, of_real), (_, fake, of_fake), *after = seen
        halves = (of_real, of_fake) if of_real is not None and of_fake is not None else None
    loss = one.spec.objective.discriminator_loss(real, fake)
    if halves:
        loss = loss + F.cross_entropy(halves[0], labels[:6]) + F.cross_entropy(halves[1], labels[:6])
    assert (halves is not None) == (name == "acgan")
    assert measured["d_loss"] == pytest.approx(float(loss), rel=1e-5, abs=1e-6)
    assert measured["d_logit_real"] == pytest.approx(float(real.mean()), rel=1e-4, abs=1e-6)
    assert measured["d_logit_fake"] == pytest.approx(float(fake.mean()), rel=1e-4, abs=1e-6)
    # A gradient penalty looks at D once more, between the steps.
    of_generator, paired = (after[-2], after[-1][1]) if one.spec.objective.pairs else (after[-1], torch.zeros(()))
    expected = float(one.spec.objective.generator_loss(paired, of_generator[1]))
    assert measured["g_loss"] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_an_auxiliary_classifier_adds_its_cross_entropy_to_both_losses() -> None:
    """Without D's score, the class alone moves both networks; without strength, it moves neither."""
    moved: dict[bool, tuple[float, float]] = {}
    for ramped in (False, True):
        one = training(
            conditioning="auxiliary", regularisers=[], **({"ramp": {"begin": 0.9, "end": 1.0}} if ramped else {})
        )
        nn.init.zeros_(one.discriminator.score.weight)
        one.optimizer_d.param_groups[0]["lr"] = one.optimizer_g.param_groups[0]["lr"] = 0.0
        one.set_strength(1)
        batch = one.draw()
        fake = one.generate(batch)
        one.step_discriminator(1, batch, fake)
        body = [parameter.grad for parameter in one.discriminator.body.parameters()]
        one.step_generator(batch, fake)
        made = [parameter.grad for parameter in one.generator.parameters()]
        moved[ramped] = (
            max(float(grad.abs().max()) for grad in body if grad is not None),
            max(float(grad.abs().max()) for grad in made if grad is not None),
        )
        assert one.discriminator.class_strength == (0.0 if ramped else 1.0)
    assert min(moved[False]) > 1e-6
    assert moved[True] == (0.0, 0.0)


# ------------------------------------------------------------------------------------------------------------ labels


def test_without_conditioning_labels_play_no_part() -> None:
    own = data(8)[1]
    results = [
        weights(steps(training(conditioning=conditioning, labels=labels), 1, 3))
        for conditioning in ("none", "projection")
        for labels in (own, own[::-1].copy())
    ]
    assert equal(results[0], results[1])
    assert not equal(results[2], results[3])


@pytest.mark.parametrize("conditioning", ["concat", "projection", "auxiliary"])
def test_a_ramp_brings_the_labels_in_on_its_schedule(conditioning: str) -> None:
    """Until the begin, labels change nothing of what the generator makes; from the end on, all that they say."""
    one = training(conditioning=conditioning, ramp={"begin": 0.25, "end": 0.75}, steps=8)
    found = []
    for number in range(1, 9):
        one.step(number)
        kinds = {
            module.strength
            for net in (one.generator, one.discriminator)
            for module in net.modules()
            if hasattr(module, "strength")
        }
        found.append(kinds)
    assert found == [{0.0}, {0.0}, {0.0}, {0.25}, {0.5}, {0.75}, {1.0}, {1.0}]


def test_under_a_ramp_labels_say_nothing_at_first() -> None:
    own = data(8)[1]
    ramp = {"begin": 0.5, "end": 1.0}
    early, later = [], []
    for labels in (own, own[::-1].copy()):
        one = training(ramp=ramp, labels=labels, conditioning="concat", regularisers=[])
        early.append(one.generate(steps(one, 1, 2).draw()))
        later.append(one.generate(steps(one, 3, 6).draw()))
    torch.testing.assert_close(early[0], early[1], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(later[0], later[1], rtol=1e-3, atol=1e-3)


# --------------------------------------------------------------------------------------------------------------- ada


def sure(one: Training, logit: float) -> None:
    """D says ``logit`` of every image, and learns nothing."""
    with torch.no_grad():
        for parameter in one.discriminator.parameters():
            parameter.zero_()
        one.discriminator.score.bias.fill_(logit)
    one.optimizer_d.step = lambda: None  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize(("objective", "boundary"), [("non-saturating", 0.0), ("least-squares", 0.5)])
def test_ada_rises_where_the_discriminator_is_sure_of_real_images_and_falls_elsewhere(
    objective: str, boundary: float
) -> None:
    one = training(
        objective={"kind": objective}, regularisers=[], ada={"interval": 2, "speed_images": 120, "target": 0.6}
    )
    sure(one, boundary + 0.2)
    found = [float(steps(one, number, number).probability) for number in range(1, 7)]
    assert found == pytest.approx([0, 0.1, 0.1, 0.2, 0.2, 0.3], abs=1e-6)  # 12 images of 120 between two adjustments
    assert one.signs.tolist() == [0, 0]
    sure(one, boundary - 0.2)
    found = [float(steps(one, number, number).probability) for number in range(7, 15)]
    assert found == pytest.approx([0.3, 0.2, 0.2, 0.1, 0.1, 0, 0, 0], abs=1e-6)


def test_ada_is_what_decides_whether_images_are_distorted() -> None:
    one = training(ada={}, augment={"shift": 0.0, "brightness": 0.5})
    seen = torch.rand(200, 1, 8, 8)
    assert torch.equal(one.distort(seen), seen)
    one.probability.fill_(1.0)
    assert (one.distort(seen) != seen).flatten(1).any(dim=1).all()
    always = training(augment={"shift": 0.0, "brightness": 0.5})
    assert (always.distort(seen) != seen).flatten(1).any(dim=1).all()


# ----------------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {}) for name in OF_CLASSES),
        ("default", {"ada": {"interval": 2, "speed_images": 60}}),
        ("default", {"ramp": {"begin": 0.1, "end": 0.9}, "rate": "cosine"}),
        ("dcgan", {"regularisers": [{"kind": "lecam", "from_step": 2}, {"kind": "minibatch-discrimination"}]}),
        ("gan", {"optimizer": "rmsprop", "regularisers": [{"kind": "label-smoothing"}, {"kind": "r1"}]}),
    ],
)
def test_a_training_that_goes_on_is_one_that_never_stopped(name: str, changes: dict[str, Any]) -> None:
    """Weights, averages and statistics are the same to the bit, in a process whose random state is another."""
    values = {"preset": name, "discriminator_steps": 2, **changes}
    whole = steps(training(16, **values), 1, 3)
    state = whole.state()
    steps(whole, 4, 6)
    torch.manual_seed(12345)
    other = training(16, **values)
    assert not equal(weights(other), weights(whole))
    other.set_state(state)
    steps(other, 4, 6)
    assert equal(weights(other), weights(whole))
    assert all(torch.equal(getattr(other, part), getattr(whole, part)) for part in ("probability", "logit_averages"))
    assert read_measures(other) == read_measures(whole)
    third = training(16, **values)  # what was kept did not change meanwhile
    third.set_state(state)
    assert equal(weights(steps(third, 4, 6)), weights(whole))


def test_dropout_draws_for_each_step_anew_and_not_from_the_global_state() -> None:
    one, other = training(preset="gan"), training(preset="gan")
    assert one.has_dropout
    before = torch.get_rng_state()
    steps(one, 1, 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    steps(other, 1, 2)
    assert equal(weights(one), weights(other))
    masks = []
    for number in (1, 2):
        with one._own_dropout(number):
            masks.append(F.dropout(torch.ones(200)))
    assert not torch.equal(*masks)


def test_the_rate_follows_its_schedule() -> None:
    for rate, expected in (
        ("constant", [1.0] * 4),
        ("linear", [1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5 + 0.5 * math.cos(math.pi * share / 4) for share in range(4)]),
    ):
        one = training(rate=rate, steps=4, generator_lr=1e-3, discriminator_lr=2e-3)
        for number, share in enumerate(expected, 1):
            one.set_rate(number)
            assert one.optimizer_g.param_groups[0]["lr"] == pytest.approx(1e-3 * share, rel=1e-9)
            assert one.optimizer_d.param_groups[0]["lr"] == pytest.approx(2e-3 * share, rel=1e-9)


def test_the_optimizer_has_its_settings() -> None:
    adam = training(beta1=0.4, beta2=0.8).optimizer_d
    assert isinstance(adam, torch.optim.Adam)
    assert adam.param_groups[0]["betas"] == (0.4, 0.8)
    rms = training(optimizer="rmsprop", beta2=0.8).optimizer_g
    assert isinstance(rms, torch.optim.RMSprop)
    assert (rms.param_groups[0]["alpha"], rms.param_groups[0]["momentum"]) == (0.8, 0)


@pytest.mark.parametrize("half_life", [0, 50])
def test_the_average_has_its_half_life_in_images(half_life: int) -> None:
    """After the start, when a twentieth of the images seen is above it, the old weights count half after so many."""
    one = training(ema_half_life_images=half_life)
    with torch.no_grad():
        for parameter in one.average.parameters():
            parameter.zero_()
        for parameter in one.generator.parameters():
            parameter.fill_(1.0)
    one.update_average(1000)
    expected = 1 - 0.5 ** (6 / half_life) if half_life else 1.0
    for parameter in one.average.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, expected))
