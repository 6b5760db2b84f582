"""The arms: what each batch holds, and that arms differ in nothing else."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch

from ganaug.classify.arms import ArmName, ClassifySpec, Mix, arm, batches, gain_pairs
from ganaug.classify.policies import Affine, CutMix, Nothing, TrivialAugment
from ganaug.pixels import to_float

NAMES = get_args(ArmName)
SPEC = ClassifySpec()
CLASSES, SIZE = 4, 16


def part(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that tell where they are from: gray levels up from ``first``, one level an image."""
    levels = (first + np.arange(count)).astype(np.uint8)
    return np.tile(levels[:, None, None, None], (1, 8, 8, 1)), np.arange(count, dtype=np.int64) % CLASSES


REAL, SYNTHETIC = part(0, 20), part(100, 40)


def levels(images: torch.Tensor) -> list[int]:
    return [round(float(image.mean() + 1) * 127.5) for image in images]


def rows_of(images: torch.Tensor, pool: tuple[np.ndarray, np.ndarray]) -> list[int | None]:
    """For each image the row of ``pool`` that it equals bit for bit, or None."""
    known = to_float(torch.from_numpy(pool[0].transpose(0, 3, 1, 2).copy()))
    return [next((row for row, one in enumerate(known) if torch.equal(one, image)), None) for image in images]


def drawing(name: ArmName, spec: ClassifySpec = SPEC, seed: int = 0, size: int = SIZE) -> Any:
    return batches(arm(name, spec), REAL, SYNTHETIC, CLASSES, size, seed)


# ------------------------------------------------------------------------------------------------------------- names


def test_each_arm_taken_apart() -> None:
    spec = ClassifySpec(classical=Affine(), mix=Mix(share=0.4), mix_with_classical=Mix(share=0.2))
    found = {name: arm(name, spec) for name in NAMES}
    assert {name: (one.filler, one.base) for name, one in found.items()} == {
        "none": (None, "none"),
        "classical": (None, "classical"),
        "gan": ("gan", "none"),
        "gan+classical": ("gan", "classical"),
        "placebo": ("placebo", "none"),
        "placebo+classical": ("placebo", "classical"),
    }
    for name, one in found.items():
        assert one.name == name
        assert one.policy == (Affine() if "classical" in name else Nothing())
    assert [found[name].mix.share for name in NAMES] == [0, 0, 0.4, 0.2, 0.4, 0.2]


def named(arms: tuple[ArmName, ...]) -> set[str]:
    pairs = gain_pairs(arms)
    assert len(pairs) == len(set(pairs))
    return {f"{name}_vs_{against}" for name, against in pairs}


def test_gains_of_the_default_arms_are_those_of_the_contract() -> None:
    assert named(SPEC.arms) == {
        "gan_vs_none", "classical_vs_none", "gan+classical_vs_classical", "gan+classical_vs_none",
    }  # fmt: skip


def test_gains_speak_only_of_arms_that_ran() -> None:
    assert named(("none", "gan")) == {"gan_vs_none"}
    assert named(("classical", "gan+classical")) == {"gan+classical_vs_classical"}
    assert named(("gan", "classical")) == set()
    assert named(("none",)) == set()
    assert "placebo+classical_vs_classical" in named(NAMES)


# ----------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("name", NAMES)
def test_every_batch_has_the_same_size(name: ArmName) -> None:
    draw = drawing(name)
    for step in range(3):
        images, targets = draw(step)
        assert images.shape == (SIZE, 1, 8, 8)
        assert images.dtype == torch.float32
        assert len(targets) == SIZE
        assert images.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("filler", ["gan", "placebo"])
def test_the_share_of_the_filler_is_exact(filler: ArmName, share: float) -> None:
    draw = drawing(filler, ClassifySpec(mix=Mix(share=share)))
    count = round(share * SIZE)
    for step in range(5):
        images, _ = draw(step)
        made = [row for row in rows_of(images, SYNTHETIC) if row is not None]
        assert len(made) == (count if filler == "gan" else 0)
        assert len([row for row in rows_of(images, REAL) if row is not None]) == SIZE - len(made)


@pytest.mark.parametrize("name", ["none", "gan", "placebo"])
def test_labels_belong_to_their_images(name: ArmName) -> None:
    images, targets = drawing(name)(0)
    for level, label in zip(levels(images), targets.tolist(), strict=True):
        row, pool = (level - 100, SYNTHETIC) if level >= 100 else (level, REAL)
        assert label == pool[1][row]


@pytest.mark.parametrize("name", ["gan+classical", "placebo+classical"])
def test_the_filler_stays_clean_unless_it_is_to_be_augmented(name: ArmName) -> None:
    strong = Affine(rotate_degrees=180, shift=0.5)
    clean = ClassifySpec(classical=strong, mix_with_classical=Mix(share=0.5, augment=False))
    distorted = ClassifySpec(classical=strong, mix_with_classical=Mix(share=0.5, augment=True))
    pool = SYNTHETIC if name.startswith("gan") else REAL
    images, targets = drawing(name, clean)(0)
    rows = rows_of(images[SIZE // 2 :], pool)
    assert None not in rows
    assert targets[SIZE // 2 :].tolist() == [pool[1][row] for row in rows if row is not None]
    changed = rows_of(drawing(name, distorted)(0)[0][SIZE // 2 :], pool)
    assert changed.count(None) > SIZE // 4


def test_real_images_are_the_same_in_arms_of_one_share() -> None:
    even = ClassifySpec(classical=Affine(), mix=Mix(share=0.5), mix_with_classical=Mix(share=0.5))
    none, classical = drawing("none", even), drawing("classical", even)
    gan, placebo, with_classical = (drawing(name, even) for name in ("gan", "placebo", "gan+classical"))
    placebo_too = drawing("placebo+classical", even)
    half = SIZE // 2
    for step in range(4):
        assert torch.equal(none(step)[1], classical(step)[1])
        in_gan, in_placebo, in_both, in_placebo_too = (one(step) for one in (gan, placebo, with_classical, placebo_too))
        assert torch.equal(in_gan[0][:half], in_placebo[0][:half])
        assert torch.equal(in_gan[1][:half], in_placebo[1][:half])
        assert torch.equal(in_gan[1][:half], in_both[1][:half])
        assert torch.equal(in_both[0][:half], in_placebo_too[0][:half])  # distorted alike
        assert torch.equal(in_gan[0][half:], in_both[0][half:])  # the same synthetic images, clean in both


@pytest.mark.parametrize("name", ["placebo", "placebo+classical", "none", "classical"])
def test_arms_without_gan_images_do_not_look_at_them(name: ArmName) -> None:
    with_them = batches(arm(name, SPEC), REAL, SYNTHETIC, CLASSES, SIZE, 0)
    without = batches(arm(name, SPEC), REAL, None, CLASSES, SIZE, 0)
    for step in range(3):
        assert torch.equal(with_them(step)[0], without(step)[0])
        assert torch.equal(with_them(step)[1], without(step)[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name: ArmName) -> None:
    one, same, other = drawing(name, seed=1), drawing(name, seed=1), drawing(name, seed=2)
    for step in range(2):
        images, targets = one(step)
        torch.rand(3)  # what else is drawn does not matter
        again, other_images = same(step), other(step)[0]
        assert torch.equal(images, again[0])
        assert torch.equal(targets, again[1])
        assert not torch.equal(images, other_images)


@pytest.mark.parametrize("name", NAMES)
def test_the_global_random_state_is_left_alone(name: ArmName) -> None:
    draw = drawing(name, ClassifySpec(classical=TrivialAugment()))
    before = torch.get_rng_state()
    draw(0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_the_pools_are_left_alone(name: ArmName) -> None:
    before = [array.copy() for array in (*REAL, *SYNTHETIC)]
    drawing(name)(0)
    assert all((array == old).all() for array, old in zip((*REAL, *SYNTHETIC), before, strict=True))


def test_steps_differ() -> None:
    draw = drawing("none")
    assert not torch.equal(draw(0)[1], draw(1)[1])
    one_image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1) * 4
    same_rows = batches(arm("classical", SPEC), (one_image, REAL[1][:1]), None, CLASSES, SIZE, 0)
    assert not torch.equal(same_rows(0)[0], same_rows(1)[0])  # distorted anew each time


@pytest.mark.parametrize("augment", [False, True])
def test_labels_mix_with_a_mixing_policy(augment: bool) -> None:
    mixing = ClassifySpec(classical=CutMix(), mix_with_classical=Mix(share=0.25, augment=augment))
    images, targets = drawing("gan+classical", mixing)(0)
    assert images.shape[0] == SIZE
    assert targets.shape == (SIZE, CLASSES)
    assert torch.allclose(targets.sum(dim=1), torch.ones(SIZE), atol=1e-5)
    if not augment:
        rows = rows_of(images[-4:], SYNTHETIC)
        assert None not in rows
        assert targets[-4:].argmax(dim=1).tolist() == [SYNTHETIC[1][row] for row in rows if row is not None]
        assert targets[-4:].max(dim=1).values.tolist() == [1.0] * 4


def test_only_synthetic_images() -> None:
    for policy in (Nothing(), CutMix()):
        everything = ClassifySpec(classical=policy, mix_with_classical=Mix(share=1.0), mix=Mix(share=1.0))
        images, targets = drawing("gan+classical", everything)(0)
        assert None not in rows_of(images, SYNTHETIC)
        assert len(targets) == SIZE


def test_over_many_steps_every_image_is_drawn() -> None:
    draw = drawing("gan")
    seen: set[int] = set()
    for step in range(80):
        seen |= set(levels(draw(step)[0]))
    assert seen == set(range(20)) | set(range(100, 140))
