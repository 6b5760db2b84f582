"""Images moved to another condition without a network: each takes its looks from a reference and its content from a
source. All take uint8 images, sources and references (N, H, W, C) pair by pair, and return uint8 of the same shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
_LEVELS = 256
_FAINT = 0.15  # of an image's largest distance from its ground: what is nearer is ground too
_NOISE = 4.0  # times the ground's own spread: likewise
_AREA = 0.02, 0.95  # of an image, that an object takes
_MOST_OF_EDGE = 1 / 3  # that an object touches


def match_histograms(sources: Images, references: Images) -> Images:
    """Each channel of a source with the histogram of its reference's: the pixel of rank r gets the level of rank r.

    Pixels of one level stay of one level, that of their middle rank; without such ties the match is exact.
    """
    _, height, width, _ = sources.shape
    ours, theirs = _histograms(sources), _histograms(references)
    row = np.arange(len(ours))[:, None]
    apart = 2 * (height * width + 1) * row  # so that one search serves all rows
    middle, reached = 2 * ours.cumsum(axis=1) - ours, 2 * theirs.cumsum(axis=1)  # twice the ranks: whole numbers
    found = np.searchsorted((reached + apart).ravel(), (middle + apart).ravel()).reshape(ours.shape) - _LEVELS * row
    return _as_images(np.take_along_axis(found.astype(np.uint8), _channels(sources), axis=1), sources.shape)


def swap_amplitudes(sources: Images, references: Images, beta: float) -> Images:
    """Fourier domain adaptation (Yang 2020, eq. 3): the amplitudes of a source's low frequencies, up to ``beta`` times
    the side, are its reference's; the phases stay."""
    near = [np.abs(np.fft.fftfreq(side, 1 / side)) <= np.floor(side * beta) for side in sources.shape[1:3]]
    low = np.logical_and.outer(*near)[:, :, None]
    ours, theirs = (np.fft.fft2(images.astype(np.float64), axes=(1, 2)) for images in (sources, references))
    moved = np.where(low, np.abs(theirs), np.abs(ours)) * np.exp(1j * np.angle(ours))
    back: NDArray[np.float64] = np.fft.ifft2(moved, axes=(1, 2)).real
    return np.asarray(np.rint(back.clip(0, 255)), np.uint8)


def paste(sources: Images, references: Images) -> Images:
    """The object of each source over its reference."""
    return np.asarray(np.where(objects(sources)[..., None], sources, references))


def objects(images: Images) -> NDArray[np.bool_]:
    """Where the object is, (N, H, W): what differs from the ground, which is the median of the image's edge, in some
    channel; with its holes filled."""
    from scipy.ndimage import binary_fill_holes, generate_binary_structure

    apart, spread = _from_ground(images)
    found = apart > np.maximum(_FAINT * apart.max(axis=(1, 2)), _NOISE * spread)[:, None, None]
    in_image = np.zeros((3, 3, 3), bool)
    in_image[1] = generate_binary_structure(2, 1)  # images of a stack are no neighbours
    return np.asarray(binary_fill_holes(found, in_image))


def parted(images: Images) -> NDArray[np.bool_]:
    """(N,): whether the object can be told from the ground, which must be plain."""
    (apart, spread), found = _from_ground(images), objects(images)
    area = found.mean(axis=(1, 2))
    plain = _NOISE * spread <= apart.max(axis=(1, 2)) / 2
    alone = found[:, _edge(images)].mean(axis=1) <= _MOST_OF_EDGE
    return np.asarray(plain & alone & (area >= _AREA[0]) & (area <= _AREA[1]))


def _from_ground(images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, H, W): how far each pixel is from the ground, in the channel where that is most; (N,): the median of the
    edge's pixels, which is the ground's spread where the object leaves most of the edge free."""
    edge = _edge(images)
    ground = np.median(images[:, edge], axis=1).astype(np.float32)
    apart = np.abs(images - ground[:, None, None]).max(axis=3)
    return apart, np.median(apart[:, edge], axis=1)


def _edge(images: Images) -> NDArray[np.bool_]:
    """(H, W): the outermost pixels."""
    edge = np.ones(images.shape[1:3], bool)
    edge[1:-1, 1:-1] = False
    return edge


def _histograms(images: Images) -> NDArray[np.int64]:
    """(N * C, 256): how many pixels of each channel have each level."""
    rows = _channels(images)
    flat = (rows.astype(np.int64) + _LEVELS * np.arange(len(rows))[:, None]).ravel()
    return np.bincount(flat, minlength=_LEVELS * len(rows)).reshape(-1, _LEVELS)


def _channels(images: Images) -> Images:
    """(N * C, H * W)"""
    count, height, width, channels = images.shape
    return images.transpose(0, 3, 1, 2).reshape(count * channels, height * width)


def _as_images(rows: Images, shape: tuple[int, ...]) -> Images:
    """The inverse of ``_channels``."""
    count, height, width, channels = shape
    return np.ascontiguousarray(rows.reshape(count, channels, height, width).transpose(0, 2, 3, 1))
