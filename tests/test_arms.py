"""The arms: what each batch holds, and that arms differ in nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ganaug import seeds
from ganaug.classify.arms import ARMS, Arm, ClassifySpec, Mix, Parts, arm, batches, gain_pairs, seen_under
from ganaug.classify.filler import Stock
from ganaug.classify.fillers import FILLERS
from ganaug.classify.fitting import chunks as in_chunks
from ganaug.classify.mislabelled import Doubts
from ganaug.classify.policies import POLICIES, Affine, CutMix, Nothing, PolicySpec, RandAugment, TrivialAugment
from ganaug.classify.pools import Pool
from ganaug.classify.ways import WAYS
from ganaug.config import check
from ganaug.pixels import to_float
from ganaug.stages.runs import Run

NAMES = list(ARMS)
# Every filler with the classical policy and without, every policy with GAN images and without, and each also masked;
# every way with GAN images.
every = pytest.mark.parametrize(
    "name",
    [
        name
        for name, parts in ARMS.items()
        if (parts.filler in (None, "gan") or parts.policy in (None, "classical"))
        and not (parts.masked and parts.filler and parts.policy != "classical")
        and not (parts.way and parts.filler != "gan")
    ],
)
SPEC = ClassifySpec()
CLASSES, SIZE = 4, 16


def part(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that tell where they are from: a white square on a ground of one level each, up from ``first``."""
    levels = (first + np.arange(count)).astype(np.uint8)
    images = np.tile(levels[:, None, None, None], (1, 8, 8, 1))
    images[:, 2:6, 2:6] = 255
    return images, np.arange(count, dtype=np.int64) % CLASSES


REAL, SYNTHETIC = part(0, 20), part(100, 40)
SKEWED = (REAL[0], np.repeat(np.arange(CLASSES), [8, 5, 4, 3]))
COUNTS = [10] * CLASSES  # of SYNTHETIC


UNLABELLED = part(200, 12)[0]
# Two of the classes are seen under condition 1 too; what is moved there is by the counts of the synthetic images.
CONDITIONS = ((np.arange(20) >= 12) & (REAL[1] < 2)).astype(np.int64)
TRUTH, UNADVERSARIAL = part(150, 6), part(160, 40)
DOUBTS = Doubts(np.zeros(20), np.arange(20) < CLASSES, (REAL[1] + 1) % CLASSES)


def stock(seed: int = 0) -> Stock:
    """Teachers are sure of every image without a label."""

    def teach(number: int) -> Any:
        return lambda images: np.eye(CLASSES, dtype=np.float32)[np.arange(len(images)) % CLASSES]

    return Stock(
        REAL, COUNTS, seed, teach, lambda: SYNTHETIC, lambda: UNLABELLED, CONDITIONS, [1], lambda: TRUTH,
        lambda: UNADVERSARIAL, lambda: SYNTHETIC, lambda: DOUBTS,
    )  # fmt: skip


def filling(chosen: Arm, seed: int = 0) -> Pool | None:
    return chosen.filler.pool(stock(seed), chosen) if chosen.filler else None


def pool_of(name: str, seed: int = 0) -> Any:
    pool = filling(arm(name, SPEC), seed)
    assert pool is not None
    return pool


def rows_of(images: torch.Tensor, pool: tuple[np.ndarray, np.ndarray]) -> list[int | None]:
    """For each image the row of ``pool`` that it equals bit for bit, or None."""
    known = to_float(torch.from_numpy(pool[0].transpose(0, 3, 1, 2).copy()))
    return [next((row for row, one in enumerate(known) if torch.equal(one, image)), None) for image in images]


def drawing(name: str, spec: ClassifySpec = SPEC, seed: int = 0, size: int = SIZE) -> Any:
    chosen = arm(name, spec)
    return batches(chosen, REAL, filling(chosen, seed), CLASSES, size, seed, CONDITIONS)


# ------------------------------------------------------------------------------------------------------------- names


def test_the_family_of_arms() -> None:
    assert set(FILLERS) >= {"gan", "pseudo", "placebo", "oversample", "smote"}
    assert set(POLICIES) >= {"affine", "trivial-augment", "rand-augment", "cutmix", "mixup"}
    mixing = sum(policy.mixes for policy in POLICIES.values())
    unmasked = sum(filler.replaces for filler in FILLERS.values())
    policies = 2 + len(POLICIES)
    with_ways = 2 * len(WAYS) * (1 + sum(not (filler.cells or filler.replaces) for filler in FILLERS.values()))
    of_fillers = (1 + len(FILLERS)) * (2 * policies - mixing) - unmasked * (policies - mixing)
    assert len(NAMES) == of_fillers + with_ways
    assert {"none", "classical", "mixup", "gan", "smote+classical", "oversample+trivial-augment"} <= set(NAMES)
    assert {"masked", "classical+masked", "strong+masked", "translate+classical+masked", "oracle+masked"} <= set(NAMES)
    assert set(SPEC.arms) == {"none", "classical", "gan", "gan+classical", "placebo"}
    for name in NAMES:
        assert ClassifySpec(arms=(name,)).arms == (name,)


@pytest.mark.parametrize(
    "name",
    ["", "+", "smoke", "nothing", "gan+", "+gan", "gan+none", "gan+gan", "mixup+gan", "gan+cutmix+mixup", "Gan",
     "masked+gan", "cutmix+masked", "gan+mixup+masked", "fixmatch+gan", "classical+sgan", "longer+masked",
     "translate+longer", "sgan+rand-augment"],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^none, a filler .*smote.*, a policy .*classical, .*mixup.* or filler"):
        ClassifySpec(arms=("none", name))
    with pytest.raises(ValueError, match=r"^none, a filler "):
        arm(name, SPEC)
    with refused("params.yaml: classify.arms[1]: must be none, a filler", f'got "{name}"; correct it'):
        check({"classify": {"arms": ["none", name]}})


def test_an_arm_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="named once each"):
        ClassifySpec(arms=("gan", "none", "gan"))
    with refused("params.yaml: classify", "must be arms that are named once each, got"):
        check({"classify": {"arms": ["gan", "gan"]}})


def test_some_arms_taken_apart() -> None:
    spec = ClassifySpec(classical=CutMix(alpha=0.5))
    known: dict[str, tuple[str | None, str, PolicySpec]] = {
        "none": (None, "none", Nothing()),
        "classical": (None, "classical", CutMix(alpha=0.5)),
        "cutmix": (None, "cutmix", CutMix()),
        "gan": ("gan", "none", Nothing()),
        "gan+classical": ("gan", "classical", CutMix(alpha=0.5)),
        "placebo": ("placebo", "none", Nothing()),
        "oversample+rand-augment": ("oversample", "rand-augment", RandAugment()),
        "smote+trivial-augment": ("smote", "trivial-augment", TrivialAugment()),
    }
    for name, parts in known.items():
        one = arm(name, spec)
        assert (one.name, one.filler.name if one.filler else None, one.base, one.policy) == (name, *parts)


@every
def test_the_base_is_the_arm_without_its_filler(name: str) -> None:
    one = arm(name, SPEC)
    base = arm(one.base, SPEC)
    assert base.filler is None
    assert not base.masked
    assert base.base == base.name == one.base
    assert base.policy == one.policy
    assert (one.filler is None and not one.masked) == (one.base == name)
    assert one.policy.kind == {"none": "nothing", "classical": SPEC.classical.kind}.get(one.base, one.base)


@pytest.mark.parametrize("by_counts", [False, True])
@every
def test_the_share_of_an_arm(name: str, by_counts: bool) -> None:
    one, told = arm(name, SPEC, by_counts), ClassifySpec(mix=Mix(0.4, True), mix_with_classical=Mix(0.2, True))
    if one.filler is None:
        assert one.mix.share == arm(name, told, by_counts).mix.share == 0
        return
    if one.filler.replaces:
        assert one.mix == arm(name, told, by_counts).mix == Mix(1.0, True)
        return
    if one.filler.name == "pseudo":
        assert one.mix.share == 0.5
    elif by_counts or one.filler.name in ("oversample", "oracle"):
        assert one.mix.share is None
    elif one.filler.cells:
        assert one.mix == Mix(1 / 3, True)
    else:
        assert not one.mix.augment
        assert one.mix.share == (0.5 if one.base == "none" else 0.25)
    assert arm(name, told, by_counts).mix == Mix(0.4 if one.base == "none" else 0.2, True)


def named(arms: tuple[str, ...]) -> set[str]:
    pairs = gain_pairs(arms)
    assert len(pairs) == len(set(pairs))
    return {f"{name}_vs_{against}" for name, against in pairs}


def test_gains_of_the_default_arms_are_those_of_the_contract() -> None:
    assert named(SPEC.arms) == {
        "gan_vs_none", "classical_vs_none", "gan+classical_vs_classical", "gan+classical_vs_none", "placebo_vs_none",
        "gan_vs_placebo",
    }  # fmt: skip


def test_curves_are_of_the_arms_that_gan_images_are_added_to() -> None:
    assert SPEC.curve_arms == ("none", "classical")
    for arms, expected in (
        (("classical", "gan+classical", "gan"), ("classical",)),
        (("none", "mixup", "gan+mixup", "smote+classical", "classical"), ("mixup",)),
        (("none", "placebo"), ()),
        (("gan",), ()),
    ):
        assert ClassifySpec(arms=arms).curve_arms == expected
    assert ClassifySpec(curve=()).curve_arms == ()


@pytest.mark.parametrize("curve", [[2.0, 1.5], [1.5, 1.5]])
def test_a_curve_rises(curve: list[float]) -> None:
    with pytest.raises(ValueError, match="multiples that rise"):
        ClassifySpec(curve=tuple(curve))
    with refused("params.yaml: classify", "must be a curve of multiples that rise"):
        check({"classify": {"curve": curve}})


@pytest.mark.parametrize("multiple", [1, 0.5, -2, 101])
def test_a_curves_multiples_are_above_one(multiple: float) -> None:
    with refused("params.yaml: classify.curve[1]: must be ", f"got {multiple}"):
        check({"classify": {"curve": [1.2, multiple]}})


def test_gains_speak_only_of_arms_that_ran() -> None:
    assert named(("none", "gan")) == {"gan_vs_none"}
    assert named(("classical", "gan+classical")) == {"gan+classical_vs_classical"}
    assert named(("gan", "classical")) == {"gan_vs_classical"}  # what one would use instead
    assert named(("none",)) == set()
    assert "placebo+classical_vs_classical" in named(("classical", "placebo+classical"))
    assert named(("none", "mixup", "smote+mixup")) == {
        "mixup_vs_none", "smote+mixup_vs_mixup", "smote+mixup_vs_none",
    }  # fmt: skip


def test_gan_images_are_compared_with_the_other_fillers_on_the_same_policy() -> None:
    arms = ("none", "gan", "placebo", "smote", "classical", "smote+classical", "gan+classical", "oversample+mixup")
    assert {pair for pair in named(arms) if not pair.endswith(("_vs_none", "_vs_classical"))} == {
        "gan_vs_placebo", "gan_vs_smote", "gan+classical_vs_smote+classical",
    }  # fmt: skip
    assert named(("gan", "gan+mixup", "smote+cutmix")) == set()
    assert named(("smote", "placebo", "oversample")) == set()


ON_TOP = [name for name, policy in POLICIES.items() if policy.on_classical]


def test_gains_of_every_arm() -> None:
    """Each with its policy, with what that is on top of, and with none; GAN images with all else on the policy."""
    pairs = gain_pairs(tuple(NAMES))
    for name, parts in ARMS.items():
        base = parts.policy or "none"
        if parts.way:  # see test_ways.py
            continue
        others = [
            one
            for one, other in ARMS.items()
            if other.policy == parts.policy and one not in (name, base) and not (other.filler and other.way)
        ]
        expected = {base, "none", *(["classical"] if base in ON_TOP else [])} - {name}
        if parts.filler in ("cleaned", "relabelled"):
            expected |= {name.replace(parts.filler, "dropped")}
        if parts.filler in ("gan", "edits", "translate"):
            expected |= set(others) - (set() if parts.masked else {f"{name}+masked"})
        assert {against for one, against in pairs if one == name} == expected
    assert len(pairs) == len(set(pairs))


def test_translations_are_compared_with_what_one_would_use_instead() -> None:
    arms = (
        "none", "classical", "strong", "mixstyle+masked", "cutmix", "classical+masked", "histogram+classical",
        "paste+classical+masked", "unadversarial+classical+masked", "oracle+classical", "histogram+strong+masked",
        "translate+classical", "translate+classical+masked",
    )  # fmt: skip
    gains = gain_pairs(arms)
    instead = {"none", *arms} - {"cutmix", "translate+classical+masked"}
    assert {against for name, against in gains if name == "translate+classical+masked"} == instead
    assert {against for name, against in gains if name == "translate+classical"} == instead - {"translate+classical"}
    assert {pair for pair in gains if not pair[0].startswith("translate")} == {
        (name, against)
        for name in arms[1:-2]
        for against in ("none", "classical")
        if name != against and (against == "none" or ARMS[name].policy in ("classical", *ON_TOP))
    } | {("histogram+strong+masked", "strong")}
    assert "translate+classical_vs_histogram+strong" not in named(
        ("translate+classical", "translate+strong", "histogram+strong")  # it joins that policy itself
    )
    assert named(("translate+masked", "masked", "classical+masked")) == {
        "translate+masked_vs_masked", "translate+masked_vs_classical+masked",
    }  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- batches


@every
def test_every_batch_has_the_same_size(name: str) -> None:
    draw = drawing(name)
    for step in range(3):
        images, targets, *seen = draw(step)
        assert images.shape == (SIZE, 1, 8, 8)
        assert images.dtype == torch.float32
        assert images.abs().max() <= 1 + 1e-5
        assert [(mask.shape, mask.dtype) for mask in seen] == [((SIZE, CLASSES), torch.bool)] * ARMS[name].masked
        if name.endswith(("cutmix", "mixup")):
            assert targets.shape == (SIZE, CLASSES)
            assert targets.dtype == torch.float32
            assert torch.allclose(targets.sum(dim=1), torch.ones(SIZE), atol=1e-5)
        else:
            assert targets.shape == (SIZE,)
            assert targets.dtype == torch.int64


@pytest.mark.parametrize("policy", [Nothing(), Affine(), CutMix()], ids=lambda policy: policy.kind)
@pytest.mark.parametrize("name", ["none", "classical", "gan", "gan+classical"])
def test_batches_by_hand(name: str, policy: PolicySpec) -> None:
    """The random streams that recorded results were made with: one for real rows, one for the pool, one a step."""
    draw = drawing(name, ClassifySpec(classical=policy), seed=3)
    count = {"none": 0, "classical": 0, "gan": 8, "gan+classical": 4}[name]
    own = policy if "classical" in name else Nothing()
    pick_real, pick_pool = seeds.torch_rng(3, "real"), seeds.torch_rng(3, "filling")
    for step in range(3):
        images, targets = draw(step)
        rows = torch.randint(20, (SIZE - count,), generator=pick_real)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(3, "policy", step))
            seen = torch.from_numpy(REAL[0].transpose(0, 3, 1, 2))[rows]
            first, labels = own.build(8, CLASSES)(seen, torch.from_numpy(REAL[1])[rows])
        assert torch.equal(images[: SIZE - count], first)
        assert torch.equal(targets[: SIZE - count], labels)
        if count:
            others = torch.randint(40, (count,), generator=pick_pool).tolist()
            assert rows_of(images[SIZE - count :], SYNTHETIC) == others
            given = torch.from_numpy(SYNTHETIC[1][others])
            assert torch.equal(targets[SIZE - count :], F.one_hot(given, CLASSES) if labels.ndim == 2 else given)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("filler", ["gan", "placebo", "smote"])
def test_the_share_of_the_filler_is_exact(filler: str, share: float) -> None:
    draw = drawing(filler, ClassifySpec(mix=Mix(share=share)))
    count = max(1, round(share * SIZE))
    for step in range(5):
        images, _ = draw(step)
        assert None not in rows_of(images[SIZE - count :], pool_of(filler))
        assert None not in rows_of(images[: SIZE - count], REAL)
        if filler == "gan":
            assert rows_of(images[: SIZE - count], SYNTHETIC) == [None] * (SIZE - count)


@pytest.mark.parametrize("name", ["gan", "gan+affine"])
@given(pool=st.integers(1, 60), real=st.integers(1, 60), size=st.integers(1, 32))
def test_a_share_by_counts_is_that_of_the_pool_among_all_images(name: str, pool: int, real: int, size: int) -> None:
    draw = batches(arm(name, SPEC, by_counts=True), part(0, real), part(100, pool), CLASSES, size, 0)
    images, _ = draw(0)
    count = max(1, round(size * pool / (pool + real)))
    assert len(images) == size
    assert None not in rows_of(images[size - count :], part(100, pool))
    assert rows_of(images[: size - count], part(100, pool)) == [None] * (size - count)


def test_oversampling_shows_every_class_equally_often() -> None:
    chosen = arm("oversample", SPEC)
    assert chosen.filler is not None
    pool = chosen.filler.pool(replace(stock(), real=SKEWED, counts=[0] * CLASSES), chosen)
    draw = batches(chosen, SKEWED, pool, CLASSES, 64, 0)
    seen = sum(F.one_hot(draw(step)[1], CLASSES).sum(dim=0) for step in range(300))
    plain = batches(arm("none", SPEC), SKEWED, None, CLASSES, 64, 0)
    before = sum(F.one_hot(plain(step)[1], CLASSES).sum(dim=0) for step in range(300))
    assert isinstance(seen, torch.Tensor)
    assert isinstance(before, torch.Tensor)
    assert (seen / seen.sum()).tolist() == pytest.approx([0.25] * CLASSES, abs=0.01)
    assert (before / before.sum()).tolist() == pytest.approx([0.4, 0.25, 0.2, 0.15], abs=0.01)


@every
def test_without_images_in_the_pool_batches_are_those_of_the_base(name: str) -> None:
    chosen = arm(name, SPEC)
    nothing = (REAL[0][:0], REAL[1][:0])
    base = batches(arm(chosen.base, SPEC), REAL, None, CLASSES, SIZE, 0)(0)
    for pool in (nothing, None):
        for by_counts in (False, True):
            made = batches(arm(name, SPEC, by_counts), REAL, pool, CLASSES, SIZE, 0)(0)
            assert torch.equal(made[0], base[0])
            assert torch.equal(made[1], base[1])


@pytest.mark.parametrize("name", ["gan+classical", "placebo+classical"])
def test_the_filler_stays_clean_unless_it_is_to_be_augmented(name: str) -> None:
    strong = Affine(rotate_degrees=180, shift=0.5)
    clean = ClassifySpec(classical=strong, mix_with_classical=Mix(share=0.5, augment=False))
    distorted = ClassifySpec(classical=strong, mix_with_classical=Mix(share=0.5, augment=True))
    pool = pool_of(name)
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


@pytest.mark.parametrize("name", ["none", "classical", "mixup"])
def test_arms_without_a_filler_do_not_look_at_a_pool(name: str) -> None:
    with_pool = batches(arm(name, SPEC), REAL, SYNTHETIC, CLASSES, SIZE, 0)
    without = batches(arm(name, SPEC), REAL, None, CLASSES, SIZE, 0)
    for step in range(3):
        assert torch.equal(with_pool(step)[0], without(step)[0])
        assert torch.equal(with_pool(step)[1], without(step)[1])


@every
def test_the_seed_decides(name: str) -> None:
    one, same, other = drawing(name, seed=1), drawing(name, seed=1), drawing(name, seed=2)
    for step in range(2):
        images, *others = one(step)
        torch.rand(3)  # what else is drawn does not matter
        again, other_images = same(step), other(step)[0]
        assert torch.equal(images, again[0])
        assert all(torch.equal(*both) for both in zip(others, again[1:], strict=True))
        assert not torch.equal(images, other_images)


@every
def test_the_global_random_state_is_left_alone(name: str) -> None:
    draw = drawing(name, ClassifySpec(classical=TrivialAugment()))
    before = torch.get_rng_state()
    draw(0)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_pools_are_left_alone(name: str) -> None:
    before = [array.copy() for array in (*REAL, *SYNTHETIC)]
    drawing(name)(0)
    assert all((array == old).all() for array, old in zip((*REAL, *SYNTHETIC), before, strict=True))


@pytest.mark.parametrize("name", ["masked", "translate+classical+masked", "oracle+masked"])
def test_a_mask_is_of_the_classes_seen_under_the_condition_of_a_real_image(name: str) -> None:
    """All four under condition 0, two under condition 1; every class for the filler's images. Nothing else changes."""
    draw, plain = drawing(name), drawing(Parts(*ARMS[name][:2], False).name)
    for step in range(3):
        images, targets, seen = draw(step)
        assert all(torch.equal(*both) for both in zip((images, targets), plain(step), strict=True))
        pool = filling(arm(name, SPEC))
        count = (
            0
            if pool is None
            else max(1, round(SIZE * (arm(name, SPEC).mix.share or len(pool[1]) / (len(pool[1]) + 20))))
        )
        if "classical" not in name:
            rows = [row for row in rows_of(images[: SIZE - count], REAL) if row is not None]
            expected = [[True, True, not CONDITIONS[row], not CONDITIONS[row]] for row in rows]
            assert seen[: SIZE - count].tolist() == expected
            assert any(not all(one) for one in expected)
        assert seen[SIZE - count :].all()
        assert seen[torch.arange(SIZE), targets].all()  # an image's own class


def test_the_classes_seen_under_each_condition_by_hand() -> None:
    seen = seen_under(np.array([0, 2, 0, 1]), np.array([0, 0, 1, 2]), 4)
    assert seen.tolist() == [[1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


def test_a_mask_needs_labels_of_one_class() -> None:
    with pytest.raises(
        ValueError, match=r"arms without classical\+masked where classical is cutmix, which mixes images"
    ):
        ClassifySpec(arms=("none", "classical+masked"), classical=CutMix())
    assert ClassifySpec(arms=("none", "masked"), classical=CutMix()).classical == CutMix()


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
    by_name = drawing("gan+cutmix", mixing)(0)
    assert torch.equal(images, by_name[0])
    assert torch.equal(targets, by_name[1])
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


@pytest.mark.parametrize("name", ["none", "gan+classical", "strong", "masked", "strong+masked", "paste", "oracle"])
def test_conditions_are_in_the_keys_of_the_arms_that_need_them(name: str) -> None:
    """And of no other: finished work of projects that get conditions keeps its keys."""

    def key(conditions: Any, chosen: Arm) -> Any:
        trial: Any = SimpleNamespace(
            name="0",
            settings=check({}),
            seed=lambda *purpose: 0,
            conditions_of=lambda rows: conditions,
            prepared=SimpleNamespace(digest=str),
            rows=SimpleNamespace(test=[9]),
            project=SimpleNamespace(work=SimpleNamespace(key=lambda stage, on: json.dumps(on))),
            train_key="t", synth_key="s", synthetic_counts={"a": 1}, targets=[1], truth_digest="t",
        )  # fmt: skip
        return json.loads(Run(trial, chosen, [0, 1, 2]).key)

    one, other = (key(np.array(conditions), arm(name, SPEC)) for conditions in ([0, 1, 1], [0, 0, 1]))
    needed = ARMS[name].masked or name in ("paste", "oracle")
    assert (one != other) == needed == ("conditions" in one)
    if name == "strong":  # the classical policy is below it
        assert key(None, arm(name, ClassifySpec(classical=Affine()))) != key(None, arm(name, SPEC))
    if needed and not ARMS[name].masked:
        assert one != key(np.array([0, 1, 1]), arm(f"{name}+masked", SPEC))


# ------------------------------------------------------------------------------------------------- how a filler enters


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": "auto"}, {"augment": 2}, {"order": "first"}])
def test_a_mix_is_a_share_and_whether_it_is_augmented(wrong: dict[str, Any]) -> None:
    assert check({"classify": {"mix": {"share": 0.3, "augment": True}}}).classify.mix == Mix(0.3, True)
    with refused("params.yaml: classify.mix."):
        check({"classify": {"mix": wrong}})


def test_the_mix_of_one_arm() -> None:
    spec = ClassifySpec(mix_with_classical=Mix(share=0.1), mixes={"pseudo+classical": Mix(share=0.6, augment=True)})
    assert arm("pseudo+classical", spec).mix == Mix(share=0.6, augment=True)
    assert arm("gan+classical", spec).mix == Mix(share=0.1, augment=False)
    assert arm("translate+classical", spec).mix == Mix(share=0.1, augment=True)
    for name in ("none", "cutmix"):
        with refused("params.yaml: classify", f"mixes of arms with a filler, but {name} has none"):
            check({"classify": {"mixes": {name: {"share": 0.5}}}})
    with refused("params.yaml: classify", "none, a filler"):
        check({"classify": {"mixes": {"gam": {"share": 0.5}}}})


# ------------------------------------------------------------------------------------------- pools that are not copied


class Rows:
    """Images that can be asked for rows and for nothing else, and that remember what they were asked for."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.asked = images, 0
        self.shape = images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> np.ndarray:
        found = self.images[rows]
        self.asked += len(found)
        return found


def colours(count: int, channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 8, 6, channels), np.uint8), rng.integers(0, CLASSES, count)


def whole_tensors(pool: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(np.ascontiguousarray(pool[0].transpose(0, 3, 1, 2))), torch.from_numpy(pool[1])


@pytest.mark.parametrize("kind", ["array", "mapped", "rows"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "count"), [("none", 0), ("gan", 8), ("gan+cutmix", 4)])
def test_rows_that_are_gathered_are_those_of_whole_tensors(
    name: str, count: int, channels: int, kind: str, tmp_path: Path
) -> None:
    """To the bit, and in the same memory layout, which decides how a convolution rounds."""
    real, made = colours(30, channels, 0), colours(50, channels, 1)
    np.save(tmp_path / "real.npy", real[0])
    given: Any = {"array": real[0], "mapped": np.load(tmp_path / "real.npy", mmap_mode="r"), "rows": Rows(real[0])}[
        kind
    ]
    chosen = arm(name, SPEC)
    draw = batches(chosen, (given, real[1]), made, CLASSES, SIZE, 5)
    (images, labels), (more, others) = whole_tensors(real), whole_tensors(made)
    pick_real, pick_made = seeds.torch_rng(5, "real"), seeds.torch_rng(5, "filling")
    for step in range(3):
        rows = torch.randint(30, (SIZE - count,), generator=pick_real)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(5, "policy", step))
            expected, targets = chosen.policy.build(8, CLASSES)(images[rows], labels[rows])
        if count:
            rows = torch.randint(50, (count,), generator=pick_made)
            theirs = others[rows] if targets.ndim == 1 else F.one_hot(others[rows], CLASSES).float()
            expected, targets = torch.cat([expected, to_float(more[rows])]), torch.cat([targets, theirs])
        found = draw(step)
        assert torch.equal(found[0], expected)
        assert torch.equal(found[1], targets)
        assert found[0].stride() == expected.stride()
    if isinstance(given, Rows):
        assert given.asked == 3 * (SIZE - count)


@pytest.mark.parametrize("channels", [1, 3])
def test_chunks_are_those_of_the_whole_tensor(channels: int) -> None:
    images, _ = colours(23, channels, 0)
    chunks, expected = list(in_chunks(Rows(images), 10)), whole_tensors(colours(23, channels, 0))[0].split(10)
    assert [len(chunk) for chunk in chunks] == [10, 10, 3]
    for chunk, other in zip(chunks, expected, strict=True):
        assert torch.equal(chunk, other)
        assert chunk.stride() == other.stride()
