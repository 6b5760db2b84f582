"""Differentiable augmentation: each kind does what it says and no more, and lets the gradient through."""

import math

import pytest
import torch

from ganaug.gan.augment import Ada, DiffAugment

OFF = DiffAugment(shift=0.0)
EVERYTHING = DiffAugment(
    shift=0.2,
    rotate_degrees=20,
    scale=0.3,
    shear=0.2,
    brightness=0.3,
    contrast=0.4,
    saturation=0.5,
    cutout=0.3,
    flip=True,
)


def images(count: int = 12, channels: int = 1, side: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def rng(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """(C, H, W) moved by whole pixels; black (-1) comes in."""
    out = torch.full_like(image, -1.0)
    height, width = image.shape[1:]
    rows = slice(max(0, down), min(height, height + down)), slice(max(0, -down), min(height, height - down))
    columns = slice(max(0, right), min(width, width + right)), slice(max(0, -right), min(width, width - right))
    out[:, rows[0], columns[0]] = image[:, rows[1], columns[1]]
    return out


def shift_of(before: torch.Tensor, after: torch.Tensor, most: int) -> tuple[int, int] | None:
    """The shift that explains ``after``, if there is one."""
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            if torch.allclose(moved(before, down, right), after, atol=1e-5):
                return down, right
    return None


def test_all_off_is_the_identity() -> None:
    before = images()
    assert torch.equal(OFF(before, rng()), before)


@pytest.mark.parametrize(("channels", "side", "shift"), [(1, 8, 0.25), (3, 9, 0.3), (1, 28, 0.125)])
def test_shift_moves_whole_pixels_and_black_comes_in(channels: int, side: int, shift: float) -> None:
    before = images(60, channels, side)
    after = DiffAugment(shift=shift)(before, rng())
    most = math.ceil(shift * side - 0.5)
    shifts = [shift_of(one, other, most) for one, other in zip(before, after, strict=True)]
    assert None not in shifts
    down, right = zip(*(found for found in shifts if found), strict=True)
    assert (min(down), max(down)) == (-most, most)
    assert (min(right), max(right)) == (-most, most)


def test_each_image_draws_its_own_distortion() -> None:
    one = images(1).expand(10, -1, -1, -1)
    for augment in (DiffAugment(shift=0.4), DiffAugment(0, brightness=0.4), DiffAugment(0, rotate_degrees=40)):
        assert len({bytes(image.numpy().tobytes()) for image in augment(one, rng())}) > 5


def test_brightness_adds_one_number_to_an_image() -> None:
    before = images(200, 3)
    added = DiffAugment(0, brightness=0.3)(before, rng()) - before
    by_image = added.flatten(1)
    assert torch.allclose(by_image, by_image[:, :1], atol=1e-6)
    assert by_image[:, 0].abs().max() <= 0.3 + 1e-6
    assert by_image[:, 0].max() > 0.25
    assert by_image[:, 0].min() < -0.25


def test_contrast_scales_around_the_mean_of_the_image() -> None:
    before = images(200, 3)
    after = DiffAugment(0, contrast=0.5)(before, rng())
    assert torch.allclose(after.mean(dim=(1, 2, 3)), before.mean(dim=(1, 2, 3)), atol=1e-5)
    factor = after.flatten(1).std(dim=1) / before.flatten(1).std(dim=1)
    assert factor.min() >= 0.5 - 1e-4
    assert factor.max() <= 1.5 + 1e-4
    assert factor.min() < 0.6
    assert factor.max() > 1.4
    centred = before - before.mean(dim=(1, 2, 3), keepdim=True)
    expected = centred * factor.view(-1, 1, 1, 1) + before.mean(dim=(1, 2, 3), keepdim=True)
    assert torch.allclose(after, expected, atol=1e-5)


def test_flip_mirrors_left_to_right_half_of_the_time() -> None:
    before = images(200)
    after = DiffAugment(0, flip=True)(before, rng())
    kept = torch.isclose(after, before, atol=1e-5).flatten(1).all(dim=1)
    mirrored = torch.isclose(after, before.flip(3), atol=1e-5).flatten(1).all(dim=1)
    assert (kept ^ mirrored).all()
    assert 60 < int(mirrored.sum()) < 140


def test_rotation_keeps_a_disc_and_turns_a_line() -> None:
    side = 33
    axis = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    turn = DiffAugment(0, rotate_degrees=45)
    disc = (torch.exp(-8 * (x**2 + y**2)) * 2 - 1).expand(20, 1, -1, -1)
    assert torch.allclose(turn(disc, rng()), disc, atol=0.03)
    line = (torch.exp(-60 * y**2) * 2 - 1).expand(200, 1, -1, -1)
    # The direction of most spread of what is bright, from second moments, is the angle that the line was turned by.
    mass = (turn(line, rng()) + 1) * (x**2 + y**2 < 0.8)
    moments = [(mass * product).sum(dim=(1, 2, 3)) for product in (x * x, y * y, x * y)]
    angles = torch.rad2deg(0.5 * torch.atan2(2 * moments[2], moments[0] - moments[1]))
    assert angles.abs().max() < 46
    assert angles.max() > 38
    assert angles.min() < -38


def test_scale_is_between_its_bounds_both_ways() -> None:
    """A centred blob's width grows or shrinks by at most 1 + scale."""
    axis = torch.linspace(-1, 1, 33)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    blob = (torch.exp(-(x**2 + y**2) / (2 * 0.15**2)) * 2 - 1).expand(300, 1, -1, -1)
    mass = DiffAugment(0, scale=0.5)(blob, rng()) + 1
    width = ((mass * x**2).sum(dim=(1, 2, 3)) / mass.sum(dim=(1, 2, 3))).sqrt() / 0.15
    assert 1 / 1.5 - 0.02 < float(width.min()) < 0.75
    assert 1.35 < float(width.max()) < 1.52
    assert 0.4 < float((width > 1).float().mean()) < 0.6


def test_outside_is_black() -> None:
    white = torch.ones(50, 1, 8, 8)
    after = DiffAugment(shift=0.5)(white, rng())
    assert ((after - 1).abs().lt(1e-5) | (after + 1).abs().lt(1e-5)).all()
    assert (after < 0).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_keeps_shape_and_lets_the_gradient_through(channels: int) -> None:
    before = images(6, channels).requires_grad_()
    after = EVERYTHING(before, rng())
    assert after.shape == before.shape
    assert after.dtype == torch.float32
    assert after.isfinite().all()
    after.square().sum().backward()
    assert before.grad is not None
    assert before.grad.isfinite().all()
    assert (before.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_gradients_are_the_slopes() -> None:
    small = images(2, side=5).double().requires_grad_()
    brightness_and_contrast = DiffAugment(0, brightness=0.3, contrast=0.4)
    assert torch.autograd.gradcheck(lambda one: brightness_and_contrast(one, rng()), (small,))


def test_shift_passes_the_gradient_to_where_the_pixel_came_from() -> None:
    before = images(20).requires_grad_()
    after = DiffAugment(shift=0.25)(before, rng())
    after[:, :, 4, 4].sum().backward()
    assert before.grad is not None
    reached = before.grad.flatten(1)
    assert torch.allclose(reached.sum(dim=1), torch.ones(20), atol=1e-4)
    assert torch.allclose(reached.max(dim=1).values, torch.ones(20), atol=1e-3)


def test_the_same_generator_gives_the_same_distortion() -> None:
    before = images()
    assert torch.equal(EVERYTHING(before, rng(1)), EVERYTHING(before, rng(1)))
    assert not torch.equal(EVERYTHING(before, rng(1)), EVERYTHING(before, rng(2)))


def test_only_the_given_generator_is_drawn_from() -> None:
    state = torch.get_rng_state()
    before = images()
    copy = before.clone()
    EVERYTHING(before, rng())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(before, copy)


# ------------------------------------------------------------------------------------------------ saturation, cutout


def test_saturation_scales_around_the_gray_of_each_pixel() -> None:
    before = images(200, 3)
    after = DiffAugment(0, saturation=1.0)(before, rng())
    gray = before.mean(dim=1, keepdim=True)
    assert torch.allclose(after.mean(dim=1, keepdim=True), gray, atol=1e-5)
    factor = ((after - gray) * (before - gray)).sum(dim=(1, 2, 3)) / (before - gray).square().sum(dim=(1, 2, 3))
    assert torch.allclose(after, (before - gray) * factor.view(-1, 1, 1, 1) + gray, atol=1e-5)
    assert 0 <= float(factor.min()) < 0.1
    assert 1.9 < float(factor.max()) <= 2 + 1e-5


def test_a_gray_image_has_no_saturation() -> None:
    before = images(20, 1)
    assert torch.equal(DiffAugment(0, saturation=1.0)(before, rng()), before)


@pytest.mark.parametrize(("side", "share", "most"), [(8, 0.5, 4), (10, 0.3, 3), (9, 1.0, 9)])
def test_cutout_sets_one_square_to_middle_gray(side: int, share: float, most: int) -> None:
    before = torch.full((400, 3, side, side), 0.7)
    after = DiffAugment(0, cutout=share)(before, rng())
    cut = after == 0
    assert torch.equal(after, before.masked_fill(cut, 0.0))
    assert torch.equal(cut, cut[:, :1].expand_as(cut))  # of all channels
    rows, columns = cut[:, 0].any(dim=2), cut[:, 0].any(dim=1)
    assert torch.equal(cut[:, 0], rows[:, :, None] & columns[:, None, :])  # a rectangle
    for line in (rows, columns):
        assert ((line[:, 1:] != line[:, :-1]).sum(dim=1) <= 2).all()  # in one piece
        assert int(line.sum(dim=1).max()) == most
        assert float(line.float().mean(dim=0).min()) > 0  # it comes everywhere
    whole = rows.sum(dim=1).eq(most) & columns.sum(dim=1).eq(most)
    assert not whole.all()  # what is outside the image is lost


def test_the_centre_of_a_cutout_is_anywhere_also_where_ada_holds_back() -> None:
    """One that happens is where it would have been: not more often in the middle."""
    before = torch.full((4000, 1, 16, 16), 0.7)
    always = DiffAugment(0, cutout=0.25)(before, rng()) == 0
    seldom = DiffAugment(0, cutout=0.25)(before, rng(6), torch.tensor(0.4)) == 0
    shares = [cut[cut.flatten(1).any(dim=1)].float().mean(dim=(0, 1)) for cut in (always, seldom)]
    assert torch.allclose(shares[1], shares[0], atol=0.03)
    assert float(shares[1][4:-4, 4:-4].std()) < 0.015


def test_no_gradient_passes_through_what_is_cut() -> None:
    before = images(20).requires_grad_()
    after = DiffAugment(0, cutout=0.5)(before, rng())
    after.sum().backward()
    assert before.grad is not None
    assert torch.equal(before.grad, (after != 0).float())


# --------------------------------------------------------------------------------------------------- a probability

KINDS = {
    "shift": DiffAugment(shift=0.4),
    "rotate": DiffAugment(0, rotate_degrees=90),
    "scale": DiffAugment(0, scale=0.8),
    "shear": DiffAugment(0, shear=0.8),
    "brightness": DiffAugment(0, brightness=0.5),
    "contrast": DiffAugment(0, contrast=0.5),
    "saturation": DiffAugment(0, saturation=0.9),
    "cutout": DiffAugment(0, cutout=0.5),
    "flip": DiffAugment(0, flip=True),
}


def changed(augment: DiffAugment, probability: float | None, count: int = 2000) -> float:
    """The share of images that come out other than they went in."""
    before = images(count, 3, 8)
    chance = None if probability is None else torch.tensor(probability)
    after = augment(before, rng(), chance)
    return float((after - before).abs().flatten(1).amax(dim=1).gt(1e-4).float().mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_probability_of_0_is_the_identity(kind: str) -> None:
    assert changed(KINDS[kind], 0.0, 100) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_distorts_as_often_as_it_is_told(kind: str) -> None:
    """As often, times what it changes at all: half of the flips, and almost all of the shifts."""
    always = changed(KINDS[kind], 1.0)
    assert always == pytest.approx(changed(KINDS[kind], None), abs=0.05)
    assert always > (0.4 if kind == "flip" else 0.9)
    for probability in (0.2, 0.7):
        # Four standard errors of 2000 draws.
        assert changed(KINDS[kind], probability) == pytest.approx(probability * always, abs=0.045)


def test_kinds_are_held_back_apart() -> None:
    """Of two kinds at one half each, a quarter of the images keeps neither."""
    share = changed(DiffAugment(0, brightness=0.5, cutout=0.5), 0.5)
    assert share == pytest.approx(0.75, abs=0.045)


# ---------------------------------------------------------------------------------------------------------------- ada


def adjusted(ada: Ada, probability: float, sign: float, images: int) -> float:
    number = torch.float64
    return float(ada.adjusted(torch.tensor(probability, dtype=number), torch.tensor(sign, dtype=number), images))


def test_ada_moves_towards_its_target_at_its_speed() -> None:
    ada = Ada(target=0.6, speed_images=1000)
    assert adjusted(ada, 0.5, 0.9, 64) == pytest.approx(0.564, rel=1e-9)
    assert adjusted(ada, 0.5, 0.61, 64) == pytest.approx(0.564, rel=1e-9)  # the sign counts, not how far
    assert adjusted(ada, 0.5, 0.59, 64) == pytest.approx(0.436, rel=1e-9)
    assert adjusted(ada, 0.5, -1.0, 64) == pytest.approx(0.436, rel=1e-9)
    assert adjusted(ada, 0.5, 0.6, 64) == 0.5
    assert adjusted(Ada(target=0.6, speed_images=2000), 0.5, 0.9, 64) == pytest.approx(0.532, rel=1e-9)


def test_ada_stays_a_probability() -> None:
    ada = Ada(speed_images=100)
    assert adjusted(ada, 0.99, 1.0, 50) == 1.0
    assert adjusted(ada, 0.01, 0.0, 50) == 0.0


def test_ada_goes_from_0_to_1_in_its_images() -> None:
    ada, probability = Ada(speed_images=640), 0.0
    for _ in range(9):
        probability = adjusted(ada, probability, 1.0, 64)
    assert probability == pytest.approx(0.9, rel=1e-9)
    assert adjusted(ada, probability, 1.0, 64) == pytest.approx(1.0, rel=1e-9)
