"""Editing: points of images, directions, moves, and the command. Networks are small, untrained, and far from flat."""

import numpy as np
import pytest
import torch

from ganaug.edit.inversion import Inverter
from ganaug.gan.build import build_generator
from ganaug.gan.nets.generator import Generator

CPU = torch.device("cpu")
LABELS = np.array([0, 1, 2, 2, 1, 0, 0], np.int64)


def network(codes: bool = False, architecture: str = "compact") -> Generator:
    """Of 8x8 gray images in three classes, which differ in more than their class."""
    from ganaug import config

    raw = {"architecture": {"kind": architecture}, "z_dim": 8, "generator_width": 8}
    spec = config.check({"gan": raw | ({"latents": {"kind": "codes"}} if codes else {})}).gan
    torch.manual_seed(1)
    made = build_generator(spec, 3, (1, 8, 8), len(LABELS)).eval()
    with torch.no_grad():
        for name, one in made.named_parameters():
            if "to_image.weight" in name:
                one.mul_(4)
    if made.codes is not None:
        made.codes.assign(torch.from_numpy(LABELS))
    return made


@pytest.fixture(scope="module")
def inverter() -> Inverter:
    return Inverter(network(), 3, CPU, encoder_steps=60)


def own(net: Generator, labels: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Points of fresh latents, and their images."""
    finder = Inverter(net, 3, CPU, encoder_steps=0)
    of = torch.from_numpy(labels)
    latents = torch.randn(len(labels), net.z_dim, generator=torch.Generator().manual_seed(5))
    points = finder.held(finder.drawn(latents, of)).detach()
    return points, finder.render(points, labels)


# --------------------------------------------------------------------------------------------------------- inversion


def test_the_generators_own_images_are_found(inverter: Inverter) -> None:
    _, images = own(inverter.network, LABELS)
    found = inverter.invert(images, LABELS, 150)
    apart = np.abs(images.astype(float) - images[::-1]).mean() / 255
    assert apart > 0.05
    assert found.errors.mean() < apart / 10
    difference = np.abs(found.images.astype(float) - images).reshape(len(images), -1).mean(axis=1) / 255
    assert found.errors == pytest.approx(difference)
    assert (found.images == inverter.render(found.points, LABELS)).all()


def test_the_encoder_knows_more_than_an_untrained_one(inverter: Inverter) -> None:
    _, images = own(inverter.network, LABELS)
    untrained = Inverter(inverter.network, 3, CPU, encoder_steps=0)
    errors = [one.invert(images, LABELS, 0).errors.mean() for one in (inverter, untrained)]
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize("codes", [False, True])
def test_an_image_has_the_same_point_in_whatever_company(codes: bool) -> None:
    finder = Inverter(network(codes), 3, CPU, encoder_steps=3)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (35, 8, 8, 1), np.uint8), rng.integers(0, 3, 35)
    together = finder.invert(images, labels, 5)
    for row in (0, 20, 33):
        alone = finder.invert(images[row : row + 1], labels[row : row + 1], 5)
        assert torch.equal(alone.points[0], together.points[row])
        assert alone.errors[0] == together.errors[row]


def test_the_same_seed_finds_the_same_points() -> None:
    _, images = own(network(), LABELS)
    torch.manual_seed(3)
    one, same, other = (Inverter(network(), 3, CPU, seed, 3).invert(images, LABELS, 2).points for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_training_image_starts_from_its_own_code() -> None:
    net = network(codes=True)
    assert net.codes is not None
    rows = net.codes.assign(torch.from_numpy(LABELS))
    finder = Inverter(net, 3, CPU)
    images = finder.render(net.codes.of(rows).detach(), LABELS)
    found = finder.invert(images, LABELS, 0)
    assert torch.equal(found.points, net.codes.of(rows).detach())
    assert (found.errors == 0).all()


def test_a_class_without_codes_starts_from_those_of_others() -> None:
    net = network(codes=True)
    assert net.codes is not None
    net.codes.assign(torch.zeros(len(LABELS), dtype=torch.int64))
    found = Inverter(net, 3, CPU).invert(np.zeros((1, 8, 8, 1), np.uint8), np.array([2]), 0)
    assert any(torch.equal(found.points[0], code) for code in net.codes.of(torch.arange(7)))


@pytest.mark.parametrize("codes", [False, True])
def test_points_keep_a_length_that_the_generator_knows(codes: bool) -> None:
    net = network(codes)
    finder = Inverter(net, 3, CPU, encoder_steps=0)
    shorter, longer = (finder.held(torch.full((1, 8), size)).norm().item() for size in (1e-3, 1e3))
    trained = finder.drawn(torch.randn(2000, 8), torch.zeros(2000, dtype=torch.int64)).norm(dim=1)
    inside = (trained >= shorter - 1e-4) & (trained <= longer + 1e-4)
    assert inside.float().mean() > 0.98
    if codes:
        assert shorter == pytest.approx(longer)
    else:
        assert longer < 1.2 * trained.quantile(0.99)
        usual = torch.full((1, 8), 1.0)
        assert torch.allclose(finder.held(usual), usual)
