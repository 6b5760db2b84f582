"""From pictures of any size and format to pixels of one shape, written straight to disk.

Several processes decode images into one memory-mapped array, so memory stays bounded for any number of images.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from ganaug import store, workers
from ganaug.errors import UserError

Pictures = NDArray[np.uint8] | list[Path]
Aspect = Literal["pad", "crop", "squeeze"]
SIZES = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)  # they halve down to 4 to 7 pixels
CHUNK = 64  # images per task


@dataclass(frozen=True)
class Shape:
    """What every image becomes: ``size`` x ``size`` pixels of one channel (gray) or three (RGB)."""

    size: int
    channels: Literal[1, 3]
    aspect: Aspect
    background: tuple[int, int, int]  # behind transparent pixels, and what ``pad`` fills with


@dataclass(frozen=True)
class Look:
    """A picture's header, as if upright; ``broken`` is the reason if it cannot be read."""

    width: int = 0
    height: int = 0
    colour: bool = False
    broken: str | None = None


# ------------------------------------------------------------------------------------------------------------ looking


def look_at(pictures: Pictures, jobs: int) -> list[Look]:
    """The headers of all pictures; nothing is decoded yet."""
    if not isinstance(pictures, list):
        _, height, width, channels = pictures.shape
        return [Look(width, height, channels == 3)] * len(pictures)
    chunks = [pictures[start : start + 4 * CHUNK] for start in range(0, len(pictures), 4 * CHUNK)]
    return [one for looks in _parallel(jobs, _look_chunk, [(chunk,) for chunk in chunks]) for one in looks]


def _look_chunk(paths: Sequence[Path]) -> list[Look]:
    with _only_bombs_matter():
        return [_look(path) for path in paths]


def _look(path: Path) -> Look:
    try:
        with _opened(path) as image:
            width, height = image.size
            exif = Image.Image.getexif(image)  # a PNG's own method would decode all of it
            turned = image.format != "TIFF" and exif.get(0x0112) in (5, 6, 7, 8)  # lies on its side; Pillow turns TIFFs
            colour = image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16")
            return Look(height if turned else width, width if turned else height, colour)
    except Exception as error:  # a broken file may make a decoder raise anything
        return Look(broken=_reason(error, path))


def nearest_size(looks: Sequence[Look]) -> int:
    """The one of ``SIZES`` nearest, as a ratio, to the median side of the pictures."""
    median = float(np.median([(one.width * one.height) ** 0.5 for one in looks if one.broken is None]))
    return min(SIZES, key=lambda size: max(size / median, median / size))


# ---------------------------------------------------------------------------------------------------------- rendering


def render(
    pictures: Pictures, shape: Shape, path: Path, jobs: int, on_done: Callable[[int], None] = lambda count: None
) -> tuple[list[str], dict[int, str]]:
    """Decode ``pictures`` into an array (N, size, size, channels) of uint8. Returns the SHA-256 of each.

    ``shape`` of every image; ``path`` of the array; ``jobs`` processes; ``on_done`` gets the images done. Of
    broken pictures it also returns {row: reason}; their rows stay black, with an empty hash.
    """
    full = (len(pictures), shape.size, shape.size, shape.channels)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=full).flush()
    starts = range(0, len(pictures), CHUNK)
    tasks = [(pictures[start : start + CHUNK], start, shape, path) for start in starts]
    hashes: list[str] = []
    broken: dict[int, str] = {}
    for done_hashes, done_broken in _parallel(jobs if isinstance(pictures, list) else 1, _render_chunk, tasks):
        hashes += done_hashes
        broken |= done_broken
        on_done(len(hashes))
    return hashes, broken


def _render_chunk(pictures: Pictures, start: int, shape: Shape, path: Path) -> tuple[list[str], dict[int, str]]:
    out = np.load(path, mmap_mode="r+")
    hashes: list[str] = []
    broken: dict[int, str] = {}
    with _only_bombs_matter():
        for row, picture in enumerate(pictures, start):
            try:
                pixels = read_picture(picture, shape) if isinstance(picture, Path) else fit_pixels(picture, shape)
            except Exception as error:  # a broken file may make a decoder raise anything
                broken[row] = _reason(error, picture if isinstance(picture, Path) else None)
                hashes.append("")
                continue
            out[row] = pixels
            hashes.append(store.digest(pixels))
    out.flush()
    return hashes, broken


def read_picture(path: Path, shape: Shape) -> NDArray[np.uint8]:
    """The picture upright, in 8 bits, on the background: (size, size, channels). Raises whatever its decoder raises."""
    with _opened(path) as image:
        if image.format == "JPEG":  # decodes at an eighth of its size or more, never under four times the target
            image.draft(None, (4 * shape.size, 4 * shape.size))
        return _fit(ImageOps.exif_transpose(image), shape)


def fit_pixels(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """One image (H, W, C) uint8 in the shape asked for; unchanged if it has that shape."""
    if pixels.shape == (shape.size, shape.size, shape.channels):
        return np.ascontiguousarray(pixels)
    return _fit(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), shape)


def _fit(image: Image.Image, shape: Shape) -> NDArray[np.uint8]:
    image = _eight_bits(image)
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.new("RGBA", above.size, (*shape.background, 255))
        image.alpha_composite(above)
    image = image.convert("L" if shape.channels == 1 else "RGB")
    size, smooth = (shape.size, shape.size), Image.Resampling.BICUBIC
    if image.size != size:
        if shape.aspect == "squeeze":
            image = image.resize(size, smooth)
        elif shape.aspect == "crop":
            image = ImageOps.fit(image, size, smooth)
        else:
            image = ImageOps.pad(image, size, smooth, color="#{:02x}{:02x}{:02x}".format(*shape.background))
    return np.asarray(image, np.uint8).reshape(shape.size, shape.size, shape.channels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit gray (0..65535) -> 8 bits; all other modes unchanged."""
    if image.mode == "F":
        raise ValueError("it has floating-point pixels of unknown range; save it with 8 or 16 bits")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("it has pixels outside 0..65535; save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Lazily opened; a decompression bomb (over 89 million pixels, Pillow's limit) is an error."""
    if path.stat().st_size == 0:
        raise ValueError("it has zero bytes")
    # Not by its name: Pillow maps a plain TIFF into memory then, and scrambles one that lies on its side.
    with path.open("rb") as file, Image.open(file) as image:
        yield image


@contextmanager
def _only_bombs_matter() -> Iterator[None]:
    """Pillow warns about much that is harmless, and only warns about half a decompression bomb: an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _reason(error: Exception, path: Path | None) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image that Pillow can read"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return "it is too large: a decompression bomb, or over 89 million pixels"
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    text = " ".join(str(error).replace(str(path), "it").split())
    return text or type(error).__name__


# ------------------------------------------------------------------------------------------------------------- shared


def parse_background(colour: str) -> tuple[int, int, int]:
    """``black``, ``white`` or ``#rrggbb`` (any name that Pillow knows)."""
    red, green, blue, *_ = ImageColor.getrgb(colour)
    return red, green, blue


def refuse_broken(broken: Sequence[tuple[str, str]], total: int, key: str = "data.source") -> None:
    """Raises UserError if any of ``total`` files are ``broken``: (file, reason). params.yaml names them at ``key``."""
    if broken:
        shown = "; ".join(f"{file}: {reason}" for file, reason in broken[:5])
        more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise UserError(
            f"{key}: every image must be readable, but {len(broken)} of {total} are not ({shown}{more}); repair "
            "or remove them, or set data.on_broken: skip"
        )


def _parallel(jobs: int, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Results in the order of the tasks. A few tasks run here: starting processes would take longer."""
    if jobs == 1 or len(tasks) < 8:
        yield from (function(*task) for task in tasks)
        return
    from joblib.externals.loky import get_reusable_executor

    yield from workers.run(jobs, function, tasks)
    # joblib would reuse these small workers later, and take torch, once imported there, for a memory leak.
    get_reusable_executor().shutdown()
