"""The figures of a training's health on cases of known answer, and the alarms: each fires, and only where it should."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused

from ganaug.gan import health
from ganaug.gan.augment import DiffAugment
from ganaug.gan.health import Measured, alarms, diversity, measure, real_spread
from ganaug.gan.loop import train_gan
from ganaug.gan.nets.generator import Generator
from ganaug.gan.run import Row
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.watching import HISTORY

CPU = torch.device("cpu")
PLAIN = DiffAugment(shift=0.0)
SPEC = GanSpec(steps=12, batch_size=4, z_dim=3, generator_width=4, discriminator_width=4, vary=PLAIN)


def draws(count: int, classes: int = 2, seed: int = 0, side: int = 8) -> np.ndarray:
    """(classes, count, side, side, 1): of each class a mean image of its own, and noise in a few directions."""
    means = np.random.default_rng(77).uniform(80, 170, (classes, 1, side * side))
    ways = np.random.default_rng(78).normal(0, 12, (4, side * side))
    rng = np.random.default_rng(seed)
    images = means + rng.normal(0, 1, (classes, count, 4)) @ ways + rng.normal(0, 1, (classes, count, side * side))
    return images.clip(0, 255).round().astype(np.uint8).reshape(classes, count, side, side, 1)


def flat(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(images (N, H, W, C), labels (N,)) of images by class."""
    return images.reshape(-1, *images.shape[2:]), np.arange(len(images), dtype=np.int64).repeat(images.shape[1])


def spread_of(images: np.ndarray, spec: GanSpec = SPEC) -> torch.Tensor:
    return real_spread(Training(*flat(images), len(images), spec, 0, CPU))


def floats(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 1, 4, 2, 3).float() / 127.5 - 1


def measured(made: np.ndarray, real: np.ndarray) -> Measured:
    return measure(made, *flat(real), spread_of(real))


# ------------------------------------------------------------------------------------------------------ diversity


@pytest.mark.parametrize("count", [4, 20])
def test_fresh_draws_are_as_diverse_as_the_real_images(count: int) -> None:
    """However few there are: on the average over sets, there is no bias."""
    ratios = []
    for seed in range(20):
        found = diversity(floats(draws(50, seed=1000 + seed)), spread_of(draws(count, seed=seed)))
        assert found is not None
        ratios.append(found**-2)  # the estimated spread, in parts of the true one
    assert np.mean(ratios) == pytest.approx(1.0, abs=4 * np.std(ratios) / math.sqrt(20) + 0.01)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.4 if count == 4 else 0.15)


def test_one_image_a_class_has_no_diversity() -> None:
    one = np.repeat(draws(1), 20, axis=1)
    assert diversity(floats(one), spread_of(draws(30))) == 0.0


def test_diversity_is_a_ratio_of_distances() -> None:
    real = draws(60)
    images = floats(real)
    means = images.mean(dim=1, keepdim=True)
    found = diversity(means + (images - means) / 4, spread_of(real))
    assert found == pytest.approx(0.25, rel=1e-3)


def test_what_real_images_are_varied_by_counts_as_their_spread() -> None:
    real = draws(20)
    varied = spread_of(real, replace(SPEC, vary=DiffAugment(shift=0.0, brightness=0.3)))
    # Each pixel gains the variance of a uniform draw: 0.3 squared over 3.
    assert (varied - spread_of(real)).tolist() == pytest.approx([64 * 0.03] * 2, rel=0.35)


def test_a_class_of_one_image_has_no_spread_that_is_known() -> None:
    images, labels = flat(draws(5))
    spread = real_spread(Training(images[:6], labels[:6], 2, SPEC, 0, CPU))
    assert spread.isnan().tolist() == [False, True]
    assert diversity(floats(draws(9)), spread) is not None
    assert diversity(floats(draws(9)), torch.tensor([math.nan, math.nan])) is None
    assert diversity(floats(draws(9)), torch.zeros(2)) is None


# -------------------------------------------------------------------------------------------------------- copies


def test_training_images_with_a_little_noise_are_copies() -> None:
    real = draws(40)
    noise = np.random.default_rng(3).integers(-1, 2, (2, 100, 8, 8, 1))
    copies = (real[:, np.arange(100) % 40].astype(int) + noise).clip(0, 255).astype(np.uint8)
    assert measured(copies, real).copies == 1.0


def test_fresh_draws_are_no_copies() -> None:
    found = [measured(draws(200, seed=seed + 50), draws(100, seed=seed)).copies for seed in range(5)]
    assert np.mean([value for value in found if value is not None]) <= 0.03


def test_another_classs_images_are_copies_too() -> None:
    """A training image that comes back is a copy, whatever class it was made for."""
    real = draws(60)
    assert measured(real[::-1], real).copies == 1.0


def test_a_critic_that_is_right_has_not_won() -> None:
    """Without a zero of its own, its accuracy is a comparison, and an optimal critic is what the method asks for."""
    rows = history(d_accuracy_real=1.0, d_accuracy_fake=1.0)
    assert alarms(rows, HEALTHY, None, compares=True) == []
    assert alarms(rows, HEALTHY, None) != []


def test_a_single_image_a_class_leaves_nothing_to_measure() -> None:
    found = measured(draws(20), draws(1))
    assert found == Measured(diversity=None, copies=None)
    assert alarms([], found, None) == []
    json.dumps(health.as_json(found, []), allow_nan=False)


def test_a_class_without_images_is_passed_over() -> None:
    images, labels = flat(draws(30, classes=3))
    kept = labels != 1
    found = measure(draws(40, classes=3), images[kept], labels[kept], torch.tensor([1.0, math.nan, 1.0]))
    assert found.copies is not None
    assert found.diversity is not None
    json.dumps(health.as_json(found, alarms([], found, None)), allow_nan=False)


# --------------------------------------------------------------------------------------------------------- alarms

SOUND: dict[str, float | None] = {
    "d_loss": 1.0,
    "g_loss": 1.0,
    "d_penalty": 0.0,
    "d_accuracy_real": 0.7,
    "d_accuracy_fake": 0.7,
    "d_logit_real": 0.3,
    "d_logit_fake": -0.3,
    "d_gradient": 1.0,
    "g_gradient": 1.0,
    "d_gap_held_out": 0.1,
    "d_gap_fake": 1.0,
    "diversity": 0.9,
    "augment_probability": 0.2,
}
HEALTHY = Measured(diversity=0.9, copies=0.02)


def history(rows: int = 50, last: int = 10, **ends_with: float | None) -> list[Row]:
    """The last rows differ from the others in ``ends_with``."""
    return [{"step": 40.0 * (row + 1), **SOUND, **(ends_with if row >= rows - last else {})} for row in range(rows)]


CASES: dict[str, tuple[str, list[Row], Measured | None, int | None]] = {
    "diverged": ("diverged", history(), HEALTHY, 2040),
    "D won": ("discriminator has won", history(d_accuracy_real=1.0, d_accuracy_fake=0.96), HEALTHY, None),
    "G won": ("generator has won", history(d_accuracy_real=0.0, d_accuracy_fake=0.04), HEALTHY, None),
    "overfits": ("discriminator overfits", history(d_gap_held_out=0.8, d_gap_fake=1.0), HEALTHY, None),
    "D's gradient": ("gradients grow", history(d_gradient=6.0), HEALTHY, None),
    "G's gradient": ("gradients grow", history(g_gradient=6.0), HEALTHY, None),
    "not diverse": ("mode collapse", history(), replace(HEALTHY, diversity=0.3), None),
    "copies": ("copies", history(), replace(HEALTHY, copies=0.5), None),
}


@pytest.mark.parametrize("case", CASES)
def test_each_alarm_is_given_alone(case: str) -> None:
    kind, rows, seen, diverged_at = CASES[case]
    (found,) = alarms(rows, seen, diverged_at)
    assert found.kind == kind
    for text in (found.says, found.mend):
        assert len(text) > 20
        assert "\n" not in text
        assert "nan" not in text
    assert health.as_json(HEALTHY, [found])["alarms"] == [{"kind": kind, "says": found.says, "mend": found.mend}]


def test_every_kind_of_alarm_has_a_case() -> None:
    of_translators = {"classes lost", "no diversity"}  # whose cases test_translator.py has
    assert {kind for kind, *_ in CASES.values()} | of_translators == set(health.WHAT_HELPS)


NEARLY: dict[str, tuple[list[Row], Measured | None]] = {
    "healthy": (history(), HEALTHY),
    "not looked at": (history(), None),
    "D nearly won": (history(d_accuracy_real=1.0, d_accuracy_fake=0.94), HEALTHY),
    "G nearly won": (history(d_accuracy_real=0.06, d_accuracy_fake=0.0), HEALTHY),
    "D tells only real ones": (history(d_accuracy_real=1.0, d_accuracy_fake=0.0), HEALTHY),
    "D nearly overfits": (history(d_gap_held_out=0.69), HEALTHY),
    "no gap at all": (history(d_gap_held_out=0.5, d_gap_fake=0.0), HEALTHY),
    "fakes are above": (history(d_gap_held_out=-0.9, d_gap_fake=-1.0), HEALTHY),
    "nothing held out": (history(last=50, d_gap_held_out=None, d_gap_fake=None, diversity=None), HEALTHY),
    "gradients grow a little": (history(d_gradient=4.9, g_gradient=4.9), HEALTHY),
    "over long ago": ([*history(40, 40, d_accuracy_real=1.0, d_accuracy_fake=1.0), *history(10, 0)], HEALTHY),
    "one bad row": (history(last=1, d_accuracy_real=1.0, d_accuracy_fake=1.0), HEALTHY),
    "a row": (history(1, 0), HEALTHY),
    "no row": ([], HEALTHY),
    "nothing to tell": (history(), Measured(None, None)),
    "at the limits": (history(), Measured(0.4, 0.1)),
}


@pytest.mark.parametrize("case", NEARLY)
def test_no_alarm_without_a_cause(case: str) -> None:
    assert alarms(*NEARLY[case], None) == []


def test_the_alarm_of_a_divergence_names_both_steps() -> None:
    (found,) = alarms(history(), HEALTHY, 2040, kept=2000)
    assert "by step 2040" in found.says
    assert "of step 2000 were kept" in found.says


# ------------------------------------------------------------------------------------------------------ divergence


def trained(spec: GanSpec, log_rows: int = 4, **others: Any) -> Any:
    return train_gan(*flat(draws(6)), 2, spec, 0, CPU, snapshots=1, log_rows=log_rows, **others)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``spoil(net, step)``: that step leaves NaN in a weight of that network."""

    def from_now(net: str, at: int) -> None:
        real = Training.step

        def step(self: Training, number: int) -> None:
            real(self, number)
            if number == at:
                with torch.no_grad():
                    next(iter(getattr(self, net).parameters())).flatten()[0] = torch.nan

        monkeypatch.setattr(Training, "step", step)

    return from_now


@pytest.mark.parametrize(
    ("net", "at", "kept", "found"),
    [
        ("generator", 4, 3, 6),
        ("generator", 6, 3, 6),
        ("generator", 12, 9, 12),
        ("discriminator", 7, 6, 9),
        ("average", 8, 6, 9),
    ],
)
def test_a_diverged_training_keeps_its_last_sound_weights(net: str, at: int, kept: int, found: int, spoil: Any) -> None:
    short: dict[int, Any] = {}
    real = Training.state

    def state(self: Training) -> dict[str, Any]:
        short[len(short)] = real(self)
        return short[len(short) - 1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "state", state)
        trained(SPEC)  # to its end: a state at each row
    sound = short[kept // 3 - 1]
    spoil(net, at)
    result = trained(SPEC)
    assert (result.diverged_at, result.step) == (found, kept)
    assert [row["step"] for row in result.history] == list(range(3, kept + 1, 3))
    for name in ("generator", "discriminator", "average"):
        for key, value in sound[name].items():
            assert torch.equal(result.checkpoint[f"{name}.{key}"], value), (name, key)
    assert all(value.isfinite().all() for value in result.generator.state_dict().values())
    assert all(math.isfinite(value) for row in result.history for value in row.values() if value is not None)
    (alarm,) = [one for one in alarms(result.history, None, result.diverged_at, result.step) if one.kind == "diverged"]
    assert f"by step {found}" in alarm.says
    assert f"of step {kept} were kept" in alarm.says


def test_rates_that_are_far_too_high_are_noticed() -> None:
    spec = replace(SPEC, generator_lr=1e38, discriminator_lr=1e38, regularisers=(), steps=40)
    with refused("gan:", "must stay finite", "by step 10", "lower gan.generator_lr and gan.discriminator_lr"):
        trained(spec)


def test_a_training_that_diverges_before_any_row_is_one_line(spoil: Any) -> None:
    spoil("generator", 2)
    with refused("gan:", "must stay finite", "by step 3", "lower gan.generator_lr"):
        trained(SPEC)


def test_a_candidate_that_is_not_finite_is_not_kept(spoil: Any) -> None:
    """Candidates are compared at steps of their own, before the next row notices."""
    spec = replace(SPEC, select="gan-train", held_out=0.2)
    spoil("average", 7)  # candidates: 6, 7, 8, 10, 11 and 12; rows: 3, 6, 9
    judged = []

    def judge(generator: Generator) -> float:
        judged.append(1.0)
        assert all(value.isfinite().all() for value in generator.state_dict().values())
        return float(len(judged))

    result = trained(spec, judge=judge)
    assert result.diverged_at == 9
    assert [step for step, _ in result.scores] == [6]
    assert result.step == 6
    assert all(value.isfinite().all() for value in result.generator.state_dict().values())
    assert HISTORY[0] == "step"
