"""The training loop: the same arguments give the same bytes, the average is usable, rates and history are as told."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from ganaug.gan.augment import Ada, DiffAugment
from ganaug.gan.loop import Trained, train_gan
from ganaug.gan.objectives import Hinge, Objective
from ganaug.gan.regularisers import R1, R2, LeCam, OneCentred, SpectralNorm
from ganaug.gan.run import Row
from ganaug.gan.spec import GanSpec, Ramp
from ganaug.gan.steps import MEASURES, Training
from ganaug.gan.watching import HISTORY

CPU = torch.device("cpu")
SPEC = GanSpec(
    steps=6,
    batch_size=8,
    z_dim=4,
    generator_width=4,
    discriminator_width=4,
    objective=Hinge(),
    regularisers=(SpectralNorm(),),
)


def data(count: int = 12, side: int = 8, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, channels), np.uint8)
    return images, np.arange(count, dtype=np.int64) % 3


def trained(spec: GanSpec = SPEC, seed: int = 0, **others: Any) -> Trained:
    images, labels = data()
    return train_gan(images, labels, 3, spec, seed, CPU, **others)


def tensors(named: Mapping[str, torch.Tensor]) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in named.items()}


def state(result: Trained) -> dict[str, bytes]:
    return tensors(result.generator.state_dict())


def figure(row: Row, column: str) -> float:
    value = row[column]
    assert value is not None
    return value


@pytest.fixture(scope="module")
def once() -> Trained:
    return trained()


def test_the_same_arguments_give_the_same_bytes(once: Trained) -> None:
    torch.manual_seed(99)  # what else was drawn does not matter
    again = trained()
    assert state(again) == state(once)
    assert again.history == once.history
    assert [step for step, _ in again.progress] == [step for step, _ in once.progress]
    assert all((one == other).all() for (_, one), (_, other) in zip(again.progress, once.progress, strict=True))


def test_another_seed_gives_other_weights(once: Trained) -> None:
    other = state(trained(seed=1))
    changed = {name for name, value in state(once).items() if other[name] != value}
    assert {"seed_map.weight", "to_image.weight", "latent.label.rows.weight"} <= changed


def test_every_setting_of_training_reaches_a_step() -> None:
    changes: list[dict[str, Any]] = [
        {"generator_lr": 1e-3},
        {"discriminator_lr": 1e-3},
        {"beta1": 0.5},
        {"beta2": 0.9},
        {"augment": DiffAugment(shift=0.4)},
        {"rate": "cosine"},
        {"ema_half_life_images": 1.0},
        {"batch_size": 9},
    ]
    kinds = [kind for kind in get_args(get_args(Objective)[0]) if kind is not Hinge]
    changes += [{"objective": kind(), "regularisers": ()} for kind in kinds]
    changes += [{"regularisers": ()}, {"optimizer": "rmsprop"}, {"discriminator_steps": 2}, {"rate": "linear"}]
    changes += [{"vary": DiffAugment(shift=0.3)}, {"ramp": Ramp(0.3, 0.9)}, {"ada": Ada(interval=1, speed_images=50.0)}]
    changes += [{"conditioning": kind} for kind in ("none", "concat", "auxiliary")]
    changes += [{"regularisers": (*SPEC.regularisers, one)} for one in (R1(), R2(), OneCentred(), LeCam(from_step=2))]
    results = []
    for change in [{}, *changes]:
        one = Training(*data(), 3, replace(SPEC, **change), 0, CPU)
        for number in (1, 2, 3):
            one.step(number)
        results.append(tuple(sorted(tensors(one.average.state_dict()).items())))
    assert len(set(results)) == len(results)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    trained(replace(SPEC, steps=2))
    assert torch.equal(torch.get_rng_state(), before)


def test_history_has_its_columns_and_ends_with_the_last_step(once: Trained) -> None:
    assert [row["step"] for row in once.history] == [1, 2, 3, 4, 5, 6]
    unknown = {"d_gap_held_out", "d_gap_fake", "augment_probability"}  # nothing is held out, and there is no ADA
    for row in once.history:
        assert tuple(row) == HISTORY
        assert {column for column, value in row.items() if value is None} == unknown
        assert all(math.isfinite(figure(row, column)) for column in HISTORY if column not in unknown)
        assert 0 <= figure(row, "d_accuracy_real") <= 1
        assert 0 <= figure(row, "d_accuracy_fake") <= 1
        assert figure(row, "d_gradient") > 0
        assert figure(row, "g_gradient") > 0
        assert figure(row, "diversity") > 0
        assert row["d_penalty"] == 0  # spectral normalisation is none
    few = trained(replace(SPEC, steps=7), log_rows=2)
    assert [row["step"] for row in few.history] == [3, 6, 7]


def test_history_is_the_mean_since_the_last_row(once: Trained) -> None:
    halves = trained(log_rows=2).history
    for column in MEASURES:
        expected = [np.mean([figure(row, column) for row in once.history[start : start + 3]]) for start in (0, 3)]
        assert [row[column] for row in halves] == pytest.approx(expected, abs=1e-5)


def test_what_a_row_looks_at_is_of_its_own_step(once: Trained) -> None:
    """Diversity is no mean: a row has the same one, however many rows there are."""
    halves = trained(log_rows=2).history
    assert [row["diversity"] for row in halves] == [once.history[step - 1]["diversity"] for step in (3, 6)]


def test_held_out_images_and_ada_fill_their_columns() -> None:
    spec = replace(SPEC, ada=Ada(target=0.0, interval=1, speed_images=80.0))
    result = trained(spec, held_out=data(6))
    for row in result.history:
        assert all(math.isfinite(figure(row, column)) for column in HISTORY)
    probabilities = [figure(row, "augment_probability") for row in result.history]
    moves = np.diff([0.0, *probabilities])
    assert all(
        abs(move) == pytest.approx(0.1) or now in (0.0, 1.0) for move, now in zip(moves, probabilities, strict=True)
    )
    assert len(set(probabilities)) > 1


def test_held_out_images_only_measure(once: Trained) -> None:
    watched = trained(held_out=data(6))
    assert state(watched) == state(once)
    learned = [name for name in once.checkpoint if "norm.running_" not in name and "num_batches" not in name]
    assert len(learned) > 20
    assert all(torch.equal(watched.checkpoint[name], once.checkpoint[name]) for name in learned)
    same = [column for column in HISTORY if not column.startswith("d_gap")]
    assert [[row[one] for one in same] for row in watched.history] == [
        [row[one] for one in same] for row in once.history
    ]


def test_the_gap_to_the_train_images_themselves_is_nearly_none() -> None:
    """All train images fit into one look, so that the mean logit of the two halves of the gap is the same."""
    plain = replace(SPEC, augment=DiffAugment(0.0))
    for row in trained(plain, held_out=data()).history:
        assert row["d_gap_held_out"] == pytest.approx(0.0, abs=1e-5)
        assert abs(figure(row, "d_gap_fake")) > 1e-4


def test_the_checkpoint_has_all_three_networks(once: Trained) -> None:
    nets = {name.split(".")[0] for name in once.checkpoint}
    assert nets == {"generator", "discriminator", "average"}
    for name, weights in once.generator.named_parameters():
        assert torch.equal(once.checkpoint[f"average.{name}"], weights)
        assert once.checkpoint[f"generator.{name}"].shape == weights.shape
    assert once.step == SPEC.steps
    assert once.diverged_at is None
    assert once.scores == []


def test_on_log_hears_of_each_row() -> None:
    heard: list[tuple[int, Row]] = []
    result = trained(on_log=lambda step, row: heard.append((step, row)))
    assert [row for _, row in heard] == result.history
    assert [step for step, _ in heard] == [row["step"] for row in result.history]


def test_snapshots_show_one_image_a_class_and_change(once: Trained) -> None:
    steps, images = zip(*once.progress, strict=True)
    every = SPEC.steps // 5
    assert list(steps) == list(range(every, SPEC.steps + 1, every))
    assert all(image.shape == (3, 8, 8, 1) and image.dtype == np.uint8 for image in images)
    assert (images[0] != images[-1]).any()


def test_snapshots_do_not_change_the_training(once: Trained) -> None:
    assert state(trained(snapshots=1, log_rows=1)) == state(once)


def test_the_average_has_measured_statistics(once: Trained) -> None:
    norms = [module for module in once.generator.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert norm.num_batches_tracked == 20
        assert norm.running_var is not None
        assert not torch.allclose(norm.running_var, torch.ones_like(norm.running_var))
    assert not once.generator.training
    assert all(tensor.device == CPU for tensor in once.generator.state_dict().values())


def test_statistics_are_those_of_the_averaged_weights(once: Trained) -> None:
    """In evaluation the first norm's output has about mean 0 and variance 1 before scale and shift."""
    made = once.generator
    latents, labels = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0)), torch.arange(4000) % 3
    seen: list[torch.Tensor] = []
    hook = made.norms[0].norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        made(latents, labels)
    hook.remove()
    (normed,) = seen
    assert normed.mean(dim=(0, 2, 3)).abs().max() < 0.1
    assert (normed.var(dim=(0, 2, 3)) - 1).abs().max() < 0.15


def test_it_learns_a_data_set_of_two_plain_classes() -> None:
    """Black images of class 0 and white ones of class 1: the class decides the brightness."""
    images = np.zeros((8, 8, 8, 1), np.uint8)
    images[4:] = 255
    spec = replace(SPEC, steps=80, batch_size=16, generator_lr=2e-3, discriminator_lr=2e-3, augment=DiffAugment(0))
    made = train_gan(images, np.repeat([0, 1], 4), 2, spec, 0, CPU, snapshots=1, log_rows=1).generator
    latents = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        black, white = (made(latents, torch.full((20,), label)).mean() for label in (0, 1))
    assert float(black) < -0.3
    assert float(white) > 0.3


def rates(rate: str, steps: int) -> list[tuple[float, float]]:
    images, labels = data()
    training = Training(images, labels, 3, replace(SPEC, rate=rate, steps=steps), 0, CPU)
    found = []
    for step in range(1, steps + 1):
        training.set_rate(step)
        found.append((training.optimizer_g.param_groups[0]["lr"], training.optimizer_d.param_groups[0]["lr"]))
    return found


def test_a_constant_rate_stays() -> None:
    assert rates("constant", 5) == [(SPEC.generator_lr, SPEC.discriminator_lr)] * 5


def test_a_linear_rate_falls_evenly() -> None:
    assert [generator for generator, _ in rates("linear", 4)] == pytest.approx(
        [SPEC.generator_lr * factor for factor in (1.0, 0.75, 0.5, 0.25)]
    )


def test_a_cosine_rate_falls_from_full_to_nearly_zero() -> None:
    found = rates("cosine", 4)
    factors = [1.0, 0.5 * (1 + math.sqrt(0.5)), 0.5, 0.5 * (1 - math.sqrt(0.5))]
    assert [generator for generator, _ in found] == pytest.approx([SPEC.generator_lr * factor for factor in factors])
    assert [other for _, other in found] == pytest.approx([SPEC.discriminator_lr * factor for factor in factors])


def test_the_average_follows_its_half_life() -> None:
    """After one half-life of images at fixed weights, half of the way is left."""
    images, labels = data()
    training = Training(images, labels, 3, replace(SPEC, batch_size=50, ema_half_life_images=500.0), 0, CPU)
    with torch.no_grad():
        for average, now in zip(training.average.parameters(), training.generator.parameters(), strict=True):
            average.zero_()
            now.fill_(1.0)
    for step in range(1001, 1011):  # late: the half-life no longer grows
        training.update_average(step)
    for average in training.average.parameters():
        assert torch.allclose(average, torch.full_like(average, 0.5), atol=1e-4)


def test_color_images_train_too() -> None:
    images, labels = data(side=9, channels=3)
    result = train_gan(images, labels, 3, replace(SPEC, steps=2), 0, CPU)
    assert result.progress[-1][1].shape == (3, 9, 9, 3)
