"""The contract of every classical policy, and that none of them wipes out small images."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from ganaug.classify.networks import SmallCNN, UsualLayout, early_blocks, resnet18
from ganaug.classify.policies import (
    POLICIES,
    Affine,
    CutMix,
    MixStyle,
    MixUp,
    Nothing,
    OnTop,
    PolicySpec,
    RandAugment,
    Strong,
    TrivialAugment,
)
from ganaug.pixels import to_float, to_pixels

MEMBERS = get_args(get_args(PolicySpec)[0])
every = pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)
CLASSES = 4


def batch(count: int = 32, channels: int = 1, side: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, side, side), generator=rng, dtype=torch.uint8)
    return images, torch.arange(count) % CLASSES


def applied(spec: Any, images: torch.Tensor, targets: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        result: tuple[torch.Tensor, torch.Tensor] = spec.build(images.shape[2], CLASSES)(images, targets)
        return result


def test_the_union_holds_the_known_policies() -> None:
    assert {Nothing, Affine, TrivialAugment, RandAugment, CutMix, MixUp, Strong, MixStyle} <= set(MEMBERS)
    assert len({kind().kind for kind in MEMBERS}) == len(MEMBERS)
    assert {kind().kind: kind for kind in MEMBERS if kind is not Nothing} == POLICIES


@every
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 28])
def test_what_a_policy_returns(kind: Any, channels: int, side: int) -> None:
    images, targets = batch(channels=channels, side=side)
    before = images.clone(), targets.clone()
    made, soft = applied(kind(), images, targets)
    assert torch.equal(images, before[0])
    assert torch.equal(targets, before[1])
    assert made.shape == images.shape
    assert made.dtype == torch.float32
    assert made.abs().max() <= 1 + 1e-5
    if soft.ndim == 1:
        assert torch.equal(soft, targets)
    else:
        assert kind.mixes
        assert soft.shape == (len(images), CLASSES)
        assert soft.is_floating_point()
        assert torch.allclose(soft.sum(dim=1), torch.ones(len(images)), atol=1e-5)
        assert soft.min() >= 0


@every
def test_the_same_seed_gives_the_same_batch(kind: Any) -> None:
    one, same, other = (applied(kind(), *batch(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one[0], same[0])
    assert torch.equal(one[1], same[1])
    assert kind in (Nothing, MixStyle) or not torch.equal(one[0], other[0])  # MixStyle changes what a network does


@every
def test_a_batch_of_one(kind: Any) -> None:
    made, soft = applied(kind(), *batch(1))
    assert made.shape == (1, 1, 8, 8)
    assert len(soft) == 1


@every
def test_pixels_reach_the_classifier_on_the_same_scale(kind: Any) -> None:
    """Gray 0 and 255 images come out within [-1, 1], and on the whole near where they went in."""
    white = torch.full((64, 1, 28, 28), 255, dtype=torch.uint8)
    made, _ = applied(kind(), white, torch.arange(64) % CLASSES)
    assert float(made.max()) == pytest.approx(1.0, abs=1e-5)
    assert float(made.abs().mean() if kind is Strong else made.mean()) > 0.3  # half of strong's are inverted


def test_nothing_does_nothing() -> None:
    images, targets = batch()
    made, same = applied(Nothing(), images, targets)
    assert torch.equal(made, to_float(images))
    assert torch.equal(same, targets)


def test_zero_affine_is_nothing() -> None:
    images, targets = batch()
    made, _ = applied(Affine(rotate_degrees=0, shift=0, scale=0, shear_degrees=0), images, targets)
    assert torch.allclose(made, to_float(images), atol=1 / 127)


def test_affine_shifts_within_its_bounds() -> None:
    """One bright pixel in the middle of 20x20 moves by at most a fifth of the side, and does move that far."""
    images = torch.zeros(300, 1, 20, 20, dtype=torch.uint8)
    images[:, :, 10, 10] = 255
    made, _ = applied(Affine(rotate_degrees=0, shift=0.2, scale=0, shear_degrees=0), images, torch.zeros(300).long())
    at = made.flatten(1).argmax(dim=1)
    rows, columns = at // 20 - 10, at % 20 - 10
    for moved in (rows, columns):
        assert int(moved.min()) == -4
        assert int(moved.max()) == 4


def transform_of(spec: Any, side: int) -> Any:
    """torchvision's transform of one image; of a policy that is not remembered, from the closure of the built one."""
    if hasattr(spec, "transform"):
        return spec.transform()
    (transform,) = [cell.cell_contents for cell in spec.build(side, CLASSES).__closure__]
    return transform


def trivial_space(spec: TrivialAugment, side: int) -> dict[str, tuple[torch.Tensor, bool]]:
    """The operations of the built policy with their magnitudes, from the transform in its closure."""
    transform = transform_of(spec, side)
    return {
        name: (magnitudes(31, side, side), signed)
        for name, (magnitudes, signed) in transform._AUGMENTATION_SPACE.items()
    }


@pytest.mark.parametrize("side", [8, 28, 64])
def test_trivial_augment_shifts_in_proportion_to_the_image(side: int) -> None:
    space = trivial_space(TrivialAugment(shift=0.3), side)
    for name in ("TranslateX", "TranslateY"):
        magnitudes, signed = space[name]
        assert signed
        assert float(magnitudes.max()) == pytest.approx(0.3 * side)
        assert float(magnitudes.min()) == 0
    assert float(trivial_space(TrivialAugment(rotate_degrees=30), side)["Rotate"][0].max()) == pytest.approx(30)


def test_trivial_augment_keeps_torchvisions_other_operations() -> None:
    from torchvision.transforms import v2

    assert set(trivial_space(TrivialAugment(), 8)) == set(v2.TrivialAugmentWide._AUGMENTATION_SPACE)
    published = v2.TrivialAugmentWide._AUGMENTATION_SPACE["TranslateX"][0]
    assert float(published(31, 8, 8).max()) == 32  # the class of torchvision itself is left as it was


def test_trivial_augment_leaves_something_to_see_at_eight_pixels() -> None:
    """A bright blob on a gray ground: no shift moves it out of the picture (what is left is contrast and
    brightness near nothing, one image in a hundred at most)."""
    images = torch.full((2000, 1, 8, 8), 40, dtype=torch.uint8)
    images[:, :, 2:6, 2:6] = 190
    made, _ = applied(TrivialAugment(), images, torch.zeros(2000).long())
    span = made.flatten(1).max(dim=1).values - made.flatten(1).min(dim=1).values
    assert float((span < 0.05).float().mean()) < 0.01


def test_cutmix_labels_are_areas() -> None:
    """Images of one gray level a class: the share of pixels of each level is the share of its label."""
    targets = torch.arange(40) % CLASSES
    images = (targets * 80).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).contiguous()
    levels = to_float((torch.arange(CLASSES) * 80).to(torch.uint8))
    mixed_labels = 0
    for seed in range(10):
        made, soft = applied(CutMix(), images, targets, seed)
        shares = torch.stack([torch.isclose(made, level).flatten(1).float().mean(dim=1) for level in levels], dim=1)
        assert torch.allclose(shares, soft, atol=1e-5)
        mixed_labels += int((soft.max(dim=1).values < 1).sum())
    assert mixed_labels > 0


def test_mixup_labels_are_weights() -> None:
    targets = torch.arange(40) % CLASSES
    images = (targets * 80).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    levels = to_float((torch.arange(CLASSES) * 80).to(torch.uint8))
    made, soft = applied(MixUp(alpha=1.0), images, targets)
    assert torch.allclose(made[:, 0, 3, 3], soft @ levels, atol=1e-5)
    assert (soft.max(dim=1).values < 1).any()


flipping = pytest.mark.parametrize("kind", [Affine, TrivialAugment, RandAugment], ids=lambda kind: kind.__name__)


def one_by_one(transforms: list[Any], images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """What the transforms make of each image in turn, by torchvision alone."""
    done = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for image in images:
            pillow = Image.fromarray(image[0].numpy())
            for transform in transforms:
                pillow = transform(pillow)
            done.append(torch.from_numpy(np.array(pillow))[None])
    return to_float(torch.stack(done))


@flipping
def test_a_policy_flips_first_and_only_if_asked_to(kind: Any) -> None:
    images, targets = batch(channels=1, side=16)
    plain = transform_of(kind(), 16)
    flip = v2.RandomHorizontalFlip()
    assert torch.equal(applied(kind(), images, targets)[0], one_by_one([plain], images))
    assert torch.equal(applied(kind(flip=False), images, targets)[0], one_by_one([plain], images))
    assert torch.equal(applied(kind(flip=True), images, targets)[0], one_by_one([flip, plain], images))


def test_the_plain_policies_are_torchvisions() -> None:
    images, targets = batch(channels=1, side=16)
    bilinear = v2.InterpolationMode.BILINEAR
    affine = v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5, bilinear)
    assert torch.equal(applied(Affine(), images, targets)[0], one_by_one([affine], images))
    rand_augment = v2.RandAugment(2, 9, interpolation=bilinear)
    assert torch.equal(applied(RandAugment(), images, targets)[0], one_by_one([rand_augment], images))


@pytest.mark.parametrize("channels", [1, 3])
def test_half_of_the_images_are_mirrored_left_to_right(channels: int) -> None:
    images, targets = batch(400, channels)
    still = Affine(rotate_degrees=0, shift=0, scale=0, shear_degrees=0, flip=True)
    made, same = applied(still, images, targets)
    asis, mirrored = (to_float(one) for one in (images, images.flip(3)))
    which = [
        (torch.allclose(one, a, atol=1 / 127), torch.allclose(one, b, atol=1 / 127))
        for one, a, b in zip(made, asis, mirrored, strict=True)
    ]
    assert all(a != b for a, b in which)
    assert 160 < sum(b for _, b in which) < 240
    assert torch.equal(same, targets)


# ------------------------------------------------------------------------------------- on top of classical augmentation


def test_a_policy_on_top_sees_what_the_first_made() -> None:
    images, targets = batch(channels=3, side=16)
    first, then = Affine(rotate_degrees=40), Strong()
    made, same = applied(OnTop(first, then), images, targets)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        distorted, _ = first.build(16, CLASSES)(images, targets)
        pixels = torch.from_numpy(to_pixels(distorted)).permute(0, 3, 1, 2)
        assert torch.equal(to_float(pixels), distorted)  # nothing is lost between the two
        assert torch.equal(then.build(16, CLASSES)(pixels, targets)[0], made)
    assert torch.equal(same, targets)
    assert torch.equal(applied(OnTop(Nothing(), Nothing()), images, targets)[0], to_float(images))


STILL = Strong(tone=0, contrast=0, invert=0, blur=0, noise=0)


def test_strong_without_strength_is_nothing() -> None:
    images, targets = batch(channels=3, side=16)
    assert torch.allclose(applied(STILL, images, targets)[0], to_float(images), atol=1e-6)


@pytest.mark.parametrize("change", [{"tone": 1.0}, {"contrast": 0.5}, {"invert": 1.0}, {"blur": 0.05}, {"noise": 0.2}])
def test_what_each_part_of_strong_does(change: dict[str, float]) -> None:
    images, targets = batch(200, 1, 16)
    images = images // 2 + 64  # away from the ends
    made, given = applied(replace(STILL, **change), images, targets)[0], to_float(images)
    changed = (made != given).flatten(1).any(dim=1).float().mean()
    if "invert" in change:
        assert torch.allclose(made, -given)
    elif "noise" in change:
        spread = (made - given).flatten(1).std(dim=1)
        assert 0.15 < spread.max() < 0.22
        assert spread.min() < 0.02
    elif "blur" in change:
        kept = made.flatten(1).std(dim=1) / given.flatten(1).std(dim=1)  # of the contrast: from all to what is blurred
        assert kept.max() == pytest.approx(1, abs=0.02)
        assert 0.3 < kept.min() < 0.7
        assert torch.allclose(made.mean(), given.mean(), atol=0.01)
    else:  # another curve per image: of one level, one level, and their order stays
        order = given.flatten(1).argsort(dim=1)
        assert (made.flatten(1).gather(1, order).diff(dim=1) >= 0).all()
        assert changed > 0.99
        if "tone" in change:
            exponents = ((made + 1) / 2).log().flatten(1)[:, 0] / ((given + 1) / 2).log().flatten(1)[:, 0]
            assert exponents.min() == pytest.approx(np.exp(-1), rel=0.1)
            assert exponents.max() == pytest.approx(np.exp(1), rel=0.1)


def features() -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(16, 3, 6, 6, generator=rng) * torch.rand(16, 3, 1, 1, generator=rng) * 3 + torch.arange(
        16.0
    ).view(-1, 1, 1, 1)


def test_mixstyle_by_its_equations() -> None:
    """Zhou 2021, eq. 4 to 6, with the same draws: blended deviation and mean on normalised content."""
    x, spec = features(), MixStyle(probability=1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = spec.mixed(x)
        torch.manual_seed(3)
        torch.rand(())
        weight = torch.distributions.Beta(0.1, 0.1).sample((16, 1, 1, 1))
        other = torch.randperm(16)
    mean, deviation = x.mean(dim=(2, 3), keepdim=True), (x.var(dim=(2, 3), keepdim=True, correction=0) + 1e-6).sqrt()
    gamma = weight * deviation + (1 - weight) * deviation[other]
    beta = weight * mean + (1 - weight) * mean[other]
    assert torch.allclose(made, gamma * (x - mean) / deviation + beta, atol=1e-5)
    assert torch.equal(MixStyle(probability=0.0).mixed(x), x)
    mixed = sum(not torch.equal(MixStyle(probability=0.5).mixed(x), x) for _ in range(100))
    assert 25 < mixed < 75


def test_mixstyle_sits_behind_the_first_two_blocks_while_a_network_is_trained() -> None:
    """At 8 px small-cnn has no third block: its last one is left alone. Other networks get it in their images."""
    assert [len(early_blocks(SmallCNN(1, 3, side, 4, 1))) for side in (4, 8, 28)] == [0, 1, 2]
    resnet = resnet18(1, 3, 8)
    assert early_blocks(resnet) == early_blocks(UsualLayout(resnet)) == [resnet.layer1, resnet.layer2]
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    for model, images in ((SmallCNN(1, 3, 28, 4, 1), torch.rand(8, 1, 28, 28)), (other, torch.rand(8, 1, 4, 4))):
        model.eval()
        before = model(images)
        hooks = MixStyle(probability=1.0).attach(model)
        assert not torch.equal(model(images), before)
        for hook in hooks:
            hook.remove()
        assert torch.equal(model(images), before)
    assert OnTop(MixStyle(), MixStyle()).attach(other)[1:]
    assert Strong().attach(other) == []
