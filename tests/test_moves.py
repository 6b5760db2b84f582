"""Images moved without a network: known answers, and scikit-image's as a second formulation."""

import numpy as np
import pytest
from skimage.exposure import match_histograms as reference_match

from ganaug.classify import moves


def images(count: int, channels: int = 1, side: int = 9, seed: int = 0, levels: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, levels, (count, side, side, channels), np.uint8)


def distinct(channels: int, seed: int) -> np.ndarray:
    """Images without two pixels of one level in a channel."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(256)[:196] for _ in range(3 * channels)])
    return rows.astype(np.uint8).reshape(3, channels, 14, 14).transpose(0, 2, 3, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_matched_image_has_the_histogram_of_its_reference(channels: int) -> None:
    sources, references = distinct(channels, 0), images(3, channels, 14, 1)
    made = moves.match_histograms(sources, references)
    for one, source, reference in zip(made, sources, references, strict=True):
        for channel in range(channels):
            pixels = [image[..., channel].ravel() for image in (one, source, reference)]
            assert (np.sort(pixels[0]) == np.sort(pixels[2])).all()
            assert (np.diff(pixels[0][np.argsort(pixels[1])].astype(int)) >= 0).all()  # the order of the source


def test_pixels_of_one_level_stay_of_one_level() -> None:
    """Half black and half white get the levels of the first and the third quarter of the reference."""
    source, reference = np.zeros((1, 10, 10, 1), np.uint8), np.arange(100, dtype=np.uint8).reshape(1, 10, 10, 1)
    source[:, 5:] = 255
    made = moves.match_histograms(source, reference)
    assert set(made[:, :5].ravel().tolist()) == {24}
    assert set(made[:, 5:].ravel().tolist()) == {74}
    assert (moves.match_histograms(source, source) == source).all()


def test_matching_is_that_of_scikit_image_but_for_ties() -> None:
    sources, references = distinct(1, 2), distinct(1, 3)
    made = moves.match_histograms(sources, references)
    for one, source, reference in zip(made, sources, references, strict=True):
        assert (one == np.rint(reference_match(source, reference))).all()


def test_low_frequencies_are_swapped_and_phases_stay() -> None:
    """A faint texture on a dark and on a bright ground: with beta 0, the means change places and nothing else does."""
    texture = images(1, 3, 16, levels=20).astype(int)
    dark, bright = (np.clip(texture + shift, 0, 255).astype(np.uint8) for shift in (30, 150))
    other = (images(1, 3, 16, 5, 20) + 150).astype(np.uint8)
    made = moves.swap_amplitudes(dark, other, 0.0)
    gap = other.mean(axis=(1, 2), keepdims=True) - bright.mean(axis=(1, 2), keepdims=True)
    assert np.abs(made - (bright + gap)).max() <= 1
    assert (moves.swap_amplitudes(dark, dark, 0.3) == dark).all()


def test_no_frequency_above_beta_changes() -> None:
    """beta 0.1 of 20 px is 2 cycles per image: a wave of 2 takes the reference's amplitude, one of 3 keeps its own."""
    x = np.arange(20)

    def waves(two: float, three: float) -> np.ndarray:
        line = 128 + two * np.cos(2 * np.pi * 2 * x / 20 + 0.5) + three * np.cos(2 * np.pi * 3 * x / 20)
        return np.rint(np.tile(line, (20, 1)))[None, :, :, None].astype(np.uint8)

    made = moves.swap_amplitudes(waves(50, 20), waves(10, 60), 0.1)
    assert np.abs(made.astype(int) - waves(10, 20)).max() <= 2


def test_objects_are_what_differs_from_the_edge_in_any_channel() -> None:
    """Noise of the ground is ground; so is what is 15 % as far from it as the farthest pixel."""
    image = np.full((1, 12, 12, 3), 100, np.uint8)
    image[..., 0] += images(1, 1, 12, levels=3)[..., 0]
    image[0, 4:8, 4:8, 2] = 200
    image[0, 5, 2:4, 1], image[0, 6, 2:4, 1] = 112, 120
    expected = np.zeros((12, 12), bool)
    expected[4:8, 4:8] = True
    expected[6, 2:4] = True
    assert (moves.objects(image) == expected).all()
    noisy = 98 + 4 * (np.indices((12, 12)).sum(axis=0) % 2)[None, :, :, None].astype(np.uint8)  # 2 from their median
    noisy[0, 4:8, 4:8], noisy[0, 9, 5] = 124, 107
    expected[6, 2:4] = False
    assert (moves.objects(noisy) == expected).all()


@pytest.mark.parametrize("inverted", [False, True])
def test_objects_are_cut_with_their_holes_filled_and_laid_over_the_reference(inverted: bool) -> None:
    ring = np.zeros((2, 12, 12, 3), np.uint8)
    ring[:, 3:9, 3:9] = 200
    ring[1, 5:7, 5:7] = 10  # a hole
    ring = 255 - ring if inverted else ring
    references = images(2, 3, 12)
    inside = np.zeros((12, 12), bool)
    inside[3:9, 3:9] = True
    assert (moves.objects(ring) == inside).all()
    made = moves.paste(ring, references)
    assert (made[:, inside] == ring[:, inside]).all()
    assert (made[:, ~inside] == references[:, ~inside]).all()
    assert moves.parted(ring).all()


def test_what_has_no_plain_ground_or_no_object_is_not_parted() -> None:
    noise, flat, ramp = images(5, 3, 16), np.full((1, 16, 16, 1), 7, np.uint8), np.zeros((1, 16, 16, 1), np.uint8)
    ramp[:] = (np.arange(16) * 16)[:, None, None]
    assert not moves.parted(noise).any()
    assert not moves.parted(flat).any()
    assert not moves.parted(ramp).any()
    assert not moves.parted(np.where(np.arange(16)[:, None, None] < 7, 90, flat).astype(np.uint8)).any()  # on the edge
