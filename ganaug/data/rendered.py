"""Conditions that are rendered, for benchmarks: each kind shows the same objects as another camera or material would.

Classical augmentation reaches none of them fully, so a class that was never seen under one is mistaken there. All kinds
work on gray and colour images of any size. They part object and ground by tone: the ground is the median of an image's
border, the object whatever differs from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Le, Len
from numpy.typing import NDArray
from pydantic import Field

from ganaug import seeds, store
from ganaug.settings import Seed, Spec

PLAIN = "plain"  # the condition of the images that stay as they are
_CHUNK = 256  # images that are rendered at a time
_SHARP = 0.2  # difference in tone from the ground above which a pixel is all object

Images = NDArray[np.float32]  # (N, H, W, C), in 0..1
Rngs = Sequence[np.random.Generator]  # one for each image, so that it looks the same in any company


@dataclass(frozen=True)
class Rendering(Spec):
    """A way to render images. A member adds ``kind``, which is the condition's name."""

    kind: str

    def render(self, images: Images, rngs: Rngs) -> Images:
        """The images under this condition; values outside 0..1 are cut off afterwards."""
        raise NotImplementedError


@dataclass(frozen=True)
class Texture(Rendering):
    """Another material: a warped grating on the object, whose tones are inverted, on noisy gray."""

    kind: Literal["texture"] = "texture"

    def render(self, images: Images, rngs: Rngs) -> Images:
        parted, size = part(images), images.shape[1]
        grating = 0.6 + 0.4 * np.sin(_waves(rngs, size, max(4.5, size / 6)))
        ground = 0.5 + 0.08 * _normal(rngs, images.shape[1:])
        return _over((1 - 0.8 * parted.tone) * grating, ground, parted.mask)


@dataclass(frozen=True)
class Background(Rendering):
    """Another place: clouds of 1/f noise behind the object, whose contrast is lower."""

    kind: Literal["background"] = "background"

    def render(self, images: Images, rngs: Rngs) -> Images:
        contrast, level = _draws(rngs, 0.12, 0.2), _draws(rngs, 0.35, 0.65)
        ground = level + contrast * clouds(rngs, images.shape[2], images.shape[3], slope=1.0)
        return _over(0.15 + 0.7 * images, ground, part(images).mask)


@dataclass(frozen=True)
class Ink(Rendering):
    """Ink on paper: a dark print on a light ground, both of other tones and of a multiplied grain."""

    kind: Literal["ink"] = "ink"

    def render(self, images: Images, rngs: Rngs) -> Images:
        paper, ink = _draws(rngs, 0.7, 0.9), _draws(rngs, 0.05, 0.3)
        grain = 1 + 0.1 * clouds(rngs, images.shape[2], images.shape[3], slope=0.5)
        return np.asarray((paper + (ink - paper) * part(images).tone) * grain, np.float32)


@dataclass(frozen=True)
class Hatching(Rendering):
    """A drawing: dark lines on light paper, the wider the farther a tone is from the ground's."""

    kind: Literal["hatching"] = "hatching"

    def render(self, images: Images, rngs: Rngs) -> Images:
        parted, size = part(images), images.shape[1]
        wave = np.sin(_waves(rngs, size, max(3.0, size / 8)))
        lines = (4 * (2 * parted.tone - 1 + 1.2 * wave)).clip(-1, 1) / 2 + 0.5  # soft edges of a quarter of a wave
        paper = 0.82 + 0.05 * clouds(rngs, size, images.shape[3], slope=0.7)
        return np.asarray(paper * (1 - 0.8 * parted.mask * lines), np.float32)


@dataclass(frozen=True)
class LowResolution(Rendering):
    """A coarser sensor: shrunk by ``factor`` and enlarged again."""

    kind: Literal["low-resolution"] = "low-resolution"
    factor: Annotated[int, Ge(2), Le(8)] = 2
    """How many times smaller per side the images are before they are enlarged again."""

    def render(self, images: Images, rngs: Rngs) -> Images:
        from scipy.ndimage import zoom

        size, factor = images.shape[1], self.factor
        beyond = [(0, 0), (0, -size % factor), (0, -size % factor), (0, 0)]
        blocks = np.pad(images, beyond, mode="edge").reshape(
            len(images), -(-size // factor), factor, -(-size // factor), factor, images.shape[3]
        )
        large = zoom(blocks.mean(axis=(2, 4)), (1, factor, factor, 1), order=1, mode="nearest", grid_mode=True)
        return np.asarray(large[:, :size, :size], np.float32)


@dataclass(frozen=True)
class Blur(Rendering):
    """Out of focus: a Gaussian blur, as wide as a twentieth of the image."""

    kind: Literal["blur"] = "blur"

    def render(self, images: Images, rngs: Rngs) -> Images:
        from scipy.ndimage import gaussian_filter

        width = max(0.8, images.shape[1] / 20)
        return np.asarray(gaussian_filter(images, (0, width, width, 0), mode="nearest"), np.float32)


@dataclass(frozen=True)
class Polarity(Rendering):
    """A negative: every tone inverted."""

    kind: Literal["polarity"] = "polarity"

    def render(self, images: Images, rngs: Rngs) -> Images:
        return 1 - images


KindSpec = Annotated[
    Texture | Background | Ink | Hatching | LowResolution | Blur | Polarity, Field(discriminator="kind")
]


@dataclass(frozen=True)
class Rendered(Spec):
    """A benchmark of conditions: each image is dealt to ``plain`` or to one of ``kinds`` at random, and rendered so.

    Images of equal pixels are dealt alike. Of every class a few more stay plain than become any other kind.
    """

    kinds: Annotated[tuple[KindSpec, ...], Len(1, 7)] = (Texture(),)
    """The conditions beside ``plain``, each once."""
    missing: Annotated[float, Ge(0), Le(0.9)] = 0.0
    """The share of the classes whose images under each kind are dropped, other classes for each: cells that are never
    seen. 0: none, for protocols that hide cells themselves."""
    seed: Seed = 0
    """Seed of who is rendered how."""

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise ValueError("kinds that are named once each")

    @property
    def names(self) -> list[str]:
        """The names of the conditions, ``plain`` first."""
        return [PLAIN, *(one.kind for one in self.kinds)]

    def deal(self, labels: NDArray[np.int64], official: NDArray[np.bool_], pixels: Sequence[str]) -> NDArray[np.int64]:
        """(N,): the row in ``names`` of each image's condition, or -1 if it is dropped.

        By ``labels`` and ``official`` test part, (N,), and the images' hashes, ``pixels``.
        """
        dealt = np.zeros(len(labels), np.int64)
        _, first, of_image = np.unique(np.asarray(pixels), return_index=True, return_inverse=True)
        for label in np.unique(labels):
            for side in (False, True):
                rows = np.sort(first[(labels[first] == label) & (official[first] == side)])
                shuffled = seeds.numpy_rng(self.seed, "rendered", int(label), int(side)).permutation(rows)
                each = max(0, len(rows) - 1) // len(self.names)
                for position in range(len(self.kinds)):
                    dealt[shuffled[position * each : (position + 1) * each]] = position + 1
        dealt = dealt[first][of_image]
        classes = int(labels.max()) + 1
        for position, one in enumerate(self.kinds):
            out = seeds.numpy_rng(self.seed, "missing", one.kind).permutation(classes)[: int(self.missing * classes)]
            dealt[np.isin(labels, out) & (dealt == position + 1)] = -1
        return dealt

    def render(self, path: Path, dealt: NDArray[np.int64], pixels: Sequence[str]) -> list[str]:
        """Render the array at ``path``, (N, H, W, C) uint8, in place, as ``dealt``; ``pixels`` are the images' hashes.

        Returns the new hashes.
        """
        hashes, array = list(pixels), np.load(path, mmap_mode="r+")
        for position, one in enumerate(self.kinds):
            rows = np.flatnonzero(dealt == position + 1)
            for start in range(0, len(rows), _CHUNK):
                chunk = rows[start : start + _CHUNK]
                rngs = [seeds.numpy_rng(self.seed, one.kind, pixels[row]) for row in chunk]
                array[chunk] = rendered(one, array[chunk], rngs)
                for row in chunk:
                    hashes[row] = store.digest(array[row])
        array.flush()
        return hashes


def rendered(kind: Rendering, images: NDArray[np.uint8], rngs: Rngs) -> NDArray[np.uint8]:
    """The ``images`` (N, H, W, C) as this ``kind`` shows them, with one of ``rngs`` for each."""
    found = kind.render(np.asarray(images, np.float32) / np.float32(255), rngs)
    return np.asarray(np.round(255 * found.clip(0, 1)), np.uint8)


class Parted(NamedTuple):
    """Images parted into object and ground."""

    mask: Images  # (N, H, W, 1): 1 on the object, 0 on the ground, soft between
    tone: Images  # (N, H, W, C): the difference from the ground, 0..1


def part(images: Images) -> Parted:
    """Object and ground of each image. Holes in the object are closed, up to a tenth of the image."""
    from scipy.ndimage import grey_closing

    hole = max(1, images.shape[1] // 9)

    edges = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    ground = np.median(np.concatenate(edges, axis=1), axis=1)[:, None, None, :]
    tone = np.abs(images - ground) / np.maximum(ground, 1 - ground)
    mask = (tone.max(axis=3) / _SHARP).clip(0, 1)
    return Parted(np.asarray(grey_closing(mask, (1, hole, hole))[..., None], np.float32), np.asarray(tone, np.float32))


def clouds(rngs: Rngs, size: int, channels: int, slope: float) -> Images:
    """Noise whose amplitude falls with frequency to the power ``slope``: (N, ``size``, size, ``channels``), one image
    for each of ``rngs``, of mean 0 and standard deviation 1. Channels have most of it in common."""
    white = _normal(rngs, (size, size, channels))
    white = white if channels == 1 else 0.4 * white + white.mean(axis=3, keepdims=True)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    falling = np.where(frequency, np.maximum(frequency, 1 / size) ** -slope, 0.0)[..., None]
    field = np.fft.irfft2(np.fft.rfft2(white, axes=(1, 2)) * falling, s=(size, size), axes=(1, 2))
    return np.asarray(field / field.std(axis=(1, 2, 3), keepdims=True), np.float32)


def _waves(rngs: Rngs, size: int, period: float) -> Images:
    """Phases of a warped grating of random direction and of 0.8 to 1.5 times that ``period`` in pixels."""
    across, phase = _draws(rngs, 0, np.pi)[..., 0], _draws(rngs, 0, 2 * np.pi)[..., 0]
    waves = 2 * np.pi / (period * _draws(rngs, 0.8, 1.5)[..., 0])  # per pixel
    y, x = np.mgrid[:size, :size]
    way = np.cos(across) * x + np.sin(across) * y + size / 14 * clouds(rngs, size, 1, slope=2.0)[..., 0]
    return np.asarray(waves * way + phase, np.float32)[..., None]


def _normal(rngs: Rngs, shape: tuple[int, ...]) -> Images:
    return np.stack([rng.standard_normal(shape, np.float32) for rng in rngs])


def _draws(rngs: Rngs, low: float, high: float) -> Images:
    """A number for each image, (N, 1, 1, 1)."""
    return np.array([rng.uniform(low, high) for rng in rngs], np.float32).reshape(-1, 1, 1, 1)


def _over(front: NDArray[np.floating], back: NDArray[np.floating], mask: Images) -> Images:
    return np.asarray(mask * front + (1 - mask) * back, np.float32)
