"""What a translator minimises: known answers, and the same terms computed in another way; pairs that are made."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from ganaug.gan.translation import Pairs
from ganaug.translate.losses import difference, monotony, patch_contrast, sameness
from ganaug.translate.pairs import degrade


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_sameness_of_known_images() -> None:
    assert float(sameness(torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.25))) == 0.25
    assert float(sameness(images(3, 1, 8, 8), images(3, 1, 8, 8))) == 0


def test_differences_are_of_each_image() -> None:
    one, other = images(3, 3, 8, 8), images(3, 3, 8, 8, seed=1)
    expected = [np.abs(a - b).mean() for a, b in zip(one.numpy(), other.numpy(), strict=True)]
    assert difference(one, other).tolist() == pytest.approx(expected)


def test_monotony_is_what_is_lacking_of_half_the_usual_difference() -> None:
    usual = torch.tensor([0.0, 1.0, 0.4])
    # Target 1: 0.5 - mean(0.1, 0.3) = 0.3; target 2: 0.2 - 0.9 is enough; target 0 is in no batch.
    found = monotony(torch.tensor([0.1, 0.9, 0.3]), torch.tensor([1, 2, 1]), usual)
    assert float(found) == pytest.approx(0.3 / 2)
    assert float(monotony(torch.tensor([0.5, 0.6]), torch.tensor([1, 1]), usual)) == 0


def test_more_than_half_the_usual_difference_pulls_no_further() -> None:
    differences = torch.tensor([0.2, 0.7], requires_grad=True)
    monotony(differences, torch.tensor([0, 1]), torch.tensor([1.0, 1.0])).backward()
    assert differences.grad is not None
    assert differences.grad.tolist() == [-0.5, 0.0]


def test_patch_contrast_against_a_loop() -> None:
    """CUT's eq. 3, patch by patch: -log of the softmax, over the patches of the same source, at the same place."""
    queries, keys = ([F.normalize(images(2, 5, 4, seed=seed + k), dim=2) for k in (0, 1)] for seed in (0, 7))
    losses = []
    for query, key in zip(queries, keys, strict=True):
        for image in range(2):
            for place in range(5):
                scores = [float(query[image, place] @ key[image, other]) / 0.07 for other in range(5)]
                losses.append(-math.log(math.exp(scores[place]) / sum(math.exp(score) for score in scores)))
    assert float(patch_contrast(queries, keys)) == pytest.approx(np.mean(losses), rel=1e-5)


def test_patch_contrast_of_patches_that_tell_their_place_and_that_do_not() -> None:
    apart = torch.eye(4)[None]
    assert float(patch_contrast([apart], [apart])) == pytest.approx(math.log1p(3 * math.exp(-1 / 0.07)), abs=1e-6)
    alike = torch.ones(1, 4, 4) / 2
    assert float(patch_contrast([alike], [alike])) == pytest.approx(math.log(4))


def test_the_sources_patches_are_no_way_to_a_lower_contrast() -> None:
    query, key = (F.normalize(images(1, 4, 3, seed=seed), dim=2).requires_grad_() for seed in (0, 1))
    patch_contrast([query], [key]).backward()
    assert key.grad is None
    assert query.grad is not None


RNG = torch.Generator()


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (15, 3)])
def test_blur_is_scipys(side: int, channels: int) -> None:
    sharp = images(2, channels, side, side)
    expected = gaussian_filter(sharp.numpy(), (0, 0, 1.5, 1.5), mode="nearest", radius=(0, 0, 5, 5))
    assert np.allclose(degrade(sharp, Pairs(blur=1.5), RNG).numpy(), expected, atol=1e-5)


def test_what_no_pair_changes() -> None:
    """Of one tone, whatever is shrunk or blurred stays; noise of a deviation has it, where nothing is cut off."""
    flat = torch.full((4, 1, 28, 28), 0.25)
    for how in (Pairs(downscale=2), Pairs(downscale=3), Pairs(blur=2.0)):
        assert torch.allclose(degrade(flat, how, RNG), flat, atol=1e-5)
    noisy = degrade(flat, Pairs(noise=0.1), RNG.manual_seed(0))
    assert float((noisy - flat).std()) == pytest.approx(0.1, rel=0.05)
    assert float((noisy - flat).mean()) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("side", [8, 15, 28])
def test_downscaling_takes_fine_detail_and_keeps_the_size(side: int) -> None:
    rows, columns = torch.arange(side)[:, None], torch.arange(side)
    checks = (1 - 2 * ((rows + columns) % 2)).float().view(1, 1, side, side)
    shrunk = degrade(checks, Pairs(downscale=2), RNG)
    assert shrunk.shape == checks.shape
    assert float(shrunk.abs().mean()) < 0.5
