"""Generator and discriminator: shapes for every image size, ranges, and the norms of every weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganaug.gan.networks import ConditionalBatchNorm, Discriminator, Generator, sides, widths

SIZES = [8, 9, 16, 28, 32, 50, 64, 128]


def discriminator(size: int = 8, channels: int = 1, classes: int = 3, width: int = 4) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(classes, channels, size, width)


def generator(size: int = 8, channels: int = 1, classes: int = 3, width: int = 4) -> Generator:
    torch.manual_seed(0)
    return Generator(5, classes, channels, size, width)


def test_sides() -> None:
    assert sides(28) == [28, 14, 7]
    assert sides(32) == [32, 16, 8, 4]
    assert sides(8) == [8, 4]
    assert sides(9) == [9]
    assert sides(50) == [50, 25]
    assert sides(128) == [128, 64, 32, 16, 8, 4]


def test_widths_double_up_to_four_times() -> None:
    assert widths(24, 3) == [24, 48, 96]
    assert widths(10, 6) == [10, 20, 40, 40, 40, 40]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_shapes_and_ranges(size: int, channels: int) -> None:
    made = generator(size, channels)
    labels = torch.tensor([0, 2])
    images = made(torch.randn(2, 5), labels)
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    logits = discriminator(size, channels)(images, labels)
    assert logits.shape == (2,)
    assert logits.isfinite().all()


def test_the_generator_stays_in_range_for_extreme_latents() -> None:
    images = generator().eval()(1e3 * torch.randn(4, 5), torch.arange(4) % 3)
    assert images.isfinite().all()
    assert images.abs().max() <= 1


def test_class_and_latent_both_matter() -> None:
    made = generator().eval()
    latents = torch.randn(1, 5).repeat(3, 1)
    one, other, third = made(latents, torch.arange(3))
    assert not torch.allclose(one, other)
    assert not torch.allclose(other, third)
    assert not torch.allclose(*made(torch.randn(2, 5), torch.zeros(2, dtype=torch.long)))


def test_in_evaluation_an_image_does_not_depend_on_its_neighbours() -> None:
    made = generator().eval()
    latents, labels = torch.randn(6, 5), torch.arange(6) % 3
    together = made(latents, labels)
    alone = torch.cat([made(latents[row : row + 1], labels[row : row + 1]) for row in range(6)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_conditional_batch_norm_starts_as_batch_norm_and_learns_each_class_apart() -> None:
    norm, plain = ConditionalBatchNorm(4, 3), nn.BatchNorm2d(4, affine=False)
    maps, labels = 3 * torch.randn(6, 4, 5, 5) + 1, torch.arange(6) % 3
    assert torch.allclose(norm(maps, labels), plain(maps))
    with torch.no_grad():
        norm.scale.weight[1], norm.shift.weight[1] = 2.0, 5.0
    expected = plain(maps)
    expected[labels == 1] = 2 * expected[labels == 1] + 5
    assert torch.allclose(norm(maps, labels), expected)


@pytest.mark.parametrize("size", [8, 9, 28, 64])
def test_the_discriminator_has_no_batch_norm(size: int) -> None:
    kinds = (nn.modules.batchnorm._BatchNorm, nn.InstanceNorm2d)
    assert not [module for module in discriminator(size).modules() if isinstance(module, kinds)]


def test_a_real_image_is_judged_alike_whatever_stands_beside_it() -> None:
    judge = discriminator(28).eval()
    images, labels = torch.randn(4, 1, 28, 28), torch.arange(4) % 3
    assert torch.allclose(judge(images, labels)[:1], judge(images[:1], labels[:1]), atol=1e-5)


@pytest.mark.parametrize("size", [8, 9, 28])
def test_every_weight_of_the_discriminator_is_spectrally_normalised(size: int) -> None:
    judge = discriminator(size, width=6).train()
    with torch.no_grad():
        for name, parameter in judge.named_parameters():
            if "original" in name:
                parameter.mul_(7.0)  # far from norm 1, so that only normalising brings it back
        for _ in range(40):
            judge(torch.randn(2, 1, size, size), torch.tensor([0, 1]))
    judge.eval()
    weighted = [module for module in judge.modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(weighted) >= 4
    for module in weighted:
        norm = float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), ord=2))
        assert norm == pytest.approx(1.0, abs=0.03)


def test_the_class_enters_by_projection() -> None:
    """Logits of two classes differ by (e1 - e0).f(x): linear in the features, nothing else."""
    judge = discriminator().eval()
    images = torch.randn(4, 1, 8, 8)
    features = judge.features(images)
    direction = judge.class_direction.weight[1] - judge.class_direction.weight[0]
    zero, one = (judge(images, torch.full((4,), label)) for label in (0, 1))
    assert torch.allclose(one - zero, features @ direction, atol=1e-5)
