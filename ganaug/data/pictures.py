"""From pictures of any size and format to pixels of one shape, written straight to disk.

Several processes decode images into one memory-mapped array, so memory stays bounded for any number of images.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
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
LARGEST_MIB = 2048  # memory that a file may take, if the settings do not say; an image may take a quarter of it
# Raster formats that Pillow decodes itself. No others: it goes by what a file holds and not by its ending, and would
# start Ghostscript for PostScript that is called 4.png, or take 0 x 0 pixels from files that it cannot decode.
# fmt: off
RASTERS = frozenset((
    "AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM", "JPEG",
    "JPEG2000", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA", "TIFF", "WEBP",
    "XBM", "XPM",
))
# fmt: on
logging.getLogger("PIL").addHandler(logging.NullHandler())  # a reason is given once, in the message of an error
_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners fill of 16
FLAT = 2  # of 255: the most by which the pixels of an image of one colour differ
_TILE = 1024  # pixels per side that are converted at a time, so that no whole copy of an image is made
LOST = "nothing of it can be seen on data.background; set another colour there"
LIMIT = "data.source.largest_mib (ganaug init: --largest-mib)"
# Bytes per pixel that decoders hold besides the image: a frame with its copy, a strip, 32 bits of each channel.
_DECODERS = {"WEBP": 8, "AVIF": 8, "TIFF": 4, "JPEG2000": 16}


@dataclass(frozen=True)
class Shape:
    """What every image becomes: ``size`` x ``size`` pixels of one channel (gray) or three (RGB)."""

    size: int
    channels: Literal[1, 3]
    aspect: Aspect
    background: tuple[int, int, int]  # behind transparent pixels, and what ``pad`` fills with
    depth: int | None = None  # bits in use of 16-bit pixels, over the whole set; None: it has none
    largest_mib: int = LARGEST_MIB  # of memory that a file may take


@dataclass(frozen=True)
class Look:
    """A picture's header, as if upright; ``broken`` is the reason if it cannot be read."""

    width: int = 0
    height: int = 0
    colour: bool = False
    broken: str | None = None
    top: int = 0  # the largest value of its 16-bit pixels; 0: they have 8 bits
    left_out: str = ""  # what of the file is not read


# ------------------------------------------------------------------------------------------------------------ looking


@cache
def rasters() -> tuple[str, ...]:
    """Those of ``RASTERS`` that this Pillow has, in the order in which it tries them."""
    Image.preinit()
    Image.init()
    return tuple(name for name in Image.ID if name in RASTERS)


def look_at(pictures: Pictures, jobs: int, largest_mib: int = LARGEST_MIB) -> list[Look]:
    """The headers of all ``pictures``, read by ``jobs`` processes; only 16-bit images are decoded, for their values.

    A picture that would take more than a quarter of ``largest_mib`` of memory is broken.
    """
    if not isinstance(pictures, list):
        _, height, width, channels = pictures.shape
        return [Look(width, height, channels == 3)] * len(pictures)
    chunks = [pictures[start : start + 4 * CHUNK] for start in range(0, len(pictures), 4 * CHUNK)]
    return [one for looks in parallel(jobs, _look_chunk, [(chunk, largest_mib) for chunk in chunks]) for one in looks]


def _look_chunk(paths: Sequence[Path], largest_mib: int) -> list[Look]:
    with _only_bombs_matter(largest_mib):
        return [_look(path, largest_mib) for path in paths]


def _look(path: Path, largest_mib: int) -> Look:
    try:
        with _opened(path, largest_mib) as image:
            width, height = image.size
            exif = Image.Image.getexif(image)  # a PNG's own method would decode all of it
            turned = image.format != "TIFF" and exif.get(0x0112) in (5, 6, 7, 8)  # lies on its side; Pillow turns TIFFs
            colour = image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16")
            left_out, top = _left_out(image), _top(image) if _is_wide(image) else 0
            width, height = (height, width) if turned else (width, height)
            return Look(width, height, colour, top=top, left_out=left_out)
    except Exception as error:  # a broken file may make a decoder raise anything
        return Look(broken=_reason(error, path))


def _left_out(image: Image.Image) -> str:
    """What of a file is never read: further pages or frames, or channels."""
    if getattr(image, "is_animated", False) and image.format != "PSD":  # whose frames are the layers
        return "pages or frames after the first"
    channels = getattr(image, "tag_v2", {}).get(277, 1)  # samples per pixel
    return f"{channels - len(image.getbands())} of {channels} channels" if channels > len(image.getbands()) else ""


def _is_wide(image: Image.Image) -> bool:
    """Whether the file has 16 bits per channel. Must be asked before it is decoded."""
    return image.mode == "I" or image.mode.startswith("I;16") or _is_coarse(image)


def _is_coarse(image: Image.Image) -> bool:
    """Whether Pillow keeps the upper 8 of 16 bits alone, as of colours. Must be asked before it is decoded."""
    tiles = [(tile[0], str(tile[3])) for tile in getattr(image, "tile", ())]
    many = any(codec == "SGI16" or re.search(r";16[BLN]", arguments) for codec, arguments in tiles)
    return many and not image.mode.startswith("I")


def _top(image: Image.Image) -> int:
    """The largest value of 16-bit pixels, transparency aside."""
    if not image.mode.startswith("I"):
        bands = zip(image.getbands(), _extrema(image), strict=True)
        return 256 * max(high for name, (_, high) in bands if name not in "Aa") + 255
    return max(int(np.asarray(tile).max()) for _, tile in _tiles(image))


def _tiles(image: Image.Image) -> Iterator[tuple[tuple[int, int], Image.Image]]:
    """(left and top, pixels) of all parts of an image."""
    for top in range(0, image.height, _TILE):
        for left in range(0, image.width, _TILE):
            yield (left, top), image.crop((left, top, min(left + _TILE, image.width), min(top + _TILE, image.height)))


def depth_of(looks: Sequence[Look]) -> int | None:
    """The bits that the largest value of all 16-bit images needs: of 8 to 16; None if there is no such image.

    Of the whole set, since the brightness of one image is not to depend on its own brightest pixel.
    """
    top = max((one.top for one in looks), default=0)
    return next((bits for bits in _DEPTHS if top < 2**bits), 16) if top else None


def nearest_size(looks: Sequence[Look]) -> int:
    """The one of ``SIZES`` nearest, as a ratio, to the median side of the pictures."""
    median = float(np.median([(one.width * one.height) ** 0.5 for one in looks if one.broken is None]))
    return min(SIZES, key=lambda size: max(size / median, median / size))


# ---------------------------------------------------------------------------------------------------------- rendering


@dataclass
class Rendered:
    """What became of each picture."""

    hashes: list[str] = field(default_factory=list)  # SHA-256 of the pixels; empty if it is broken
    broken: dict[int, str] = field(default_factory=dict)  # {row: reason}
    flat: list[int] = field(default_factory=list)  # rows of one colour, bars aside
    highs: list[int] = field(default_factory=list)  # the largest value of the pixels

    def add(self, other: "Rendered") -> None:
        """Those of the rows that follow."""
        self.hashes += other.hashes
        self.broken |= other.broken
        self.flat += other.flat
        self.highs += other.highs


def render(
    pictures: Pictures, shape: Shape, path: Path, jobs: int, on_done: Callable[[int], None] = lambda count: None
) -> Rendered:
    """Decode ``pictures`` into an array (N, size, size, channels) of uint8.

    ``shape`` of every image; ``path`` of the array; ``jobs`` processes; ``on_done`` gets the images done. The rows of
    broken pictures stay black.
    """
    store.new_array(path, (len(pictures), shape.size, shape.size, shape.channels))
    starts = range(0, len(pictures), CHUNK)
    tasks = [(pictures[start : start + CHUNK], start, shape, path) for start in starts]
    done = Rendered()
    for chunk in parallel(jobs if isinstance(pictures, list) else 1, _render_chunk, tasks):
        done.add(chunk)
        on_done(len(done.hashes))
    return done


def _render_chunk(pictures: Pictures, start: int, shape: Shape, path: Path) -> Rendered:
    out, done = np.load(path, mmap_mode="r+"), Rendered()
    with _only_bombs_matter(shape.largest_mib):
        for row, picture in enumerate(pictures, start):
            try:
                inside = _read(picture, shape) if isinstance(picture, Path) else _fit_array(picture, shape)
                pixels = _with_bars(inside, shape)
            except Exception as error:  # a broken file may make a decoder raise anything
                done.broken[row] = _reason(error, picture if isinstance(picture, Path) else None)
                done.hashes.append("")
                done.highs.append(0)
                continue
            done.flat += [row] if _is_flat(inside) else []
            done.highs.append(int(pixels.max()))
            out[row] = pixels
            done.hashes.append(store.digest(pixels))
    out.flush()
    return done


def read_picture(path: Path, shape: Shape) -> NDArray[np.uint8]:
    """The picture upright, in 8 bits, on the background: (size, size, channels). Raises whatever its decoder raises."""
    return _with_bars(_read(path, shape), shape)


def fit_pixels(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """One image (H, W, C) uint8 in the shape asked for; unchanged if it has that shape."""
    return _with_bars(_fit_array(pixels, shape), shape)


def contents(pictures: Sequence[Path | NDArray[np.uint8]], jobs: int) -> list[str]:
    """A hash of each picture as it was before any conversion: equal if they showed the same pixels."""
    chunks = [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
    return [one for found in parallel(jobs, _content_chunk, [(chunk,) for chunk in chunks]) for one in found]


def _content_chunk(pictures: Sequence[Path | NDArray[np.uint8]]) -> list[str]:
    with _only_bombs_matter(LARGEST_MIB):
        return [_content(one) if isinstance(one, Path) else store.digest(np.ascontiguousarray(one)) for one in pictures]


def _content(path: Path) -> str:
    """Of the whole file if pages, channels or bits of it are not read."""
    with _opened(path, None) as image:
        if _left_out(image) or _is_coarse(image):
            return store.digest(path.read_bytes())
        ImageOps.exif_transpose(image, in_place=True)
        tiles = (tile if tile.mode.startswith("I") else tile.convert("RGBA") for _, tile in _tiles(image))
        return store.digest(str(image.size), *[store.digest(tile.tobytes()) for tile in tiles])


def _read(path: Path, shape: Shape) -> Image.Image:
    with _opened(path, shape.largest_mib) as image:
        if image.format == "JPEG":  # decodes at an eighth of its size or more, never under four times the target
            image.draft(None, (4 * shape.size, 4 * shape.size))
        if _is_coarse(image) and (shape.depth or 16) < 16:
            raise ValueError(
                f"it has 16 bits per channel, of which the upper 8 alone are read, but the set makes use of the lower "
                f"{shape.depth}; save it with 8"
            )
        ImageOps.exif_transpose(image, in_place=True)
        return _fit(image, shape)


def _fit_array(pixels: NDArray[np.uint8], shape: Shape) -> Image.Image:
    return _fit(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), shape)


def _fit(image: Image.Image, shape: Shape) -> Image.Image:
    """In 8 bits, of the shape's channels and size but without bars."""
    image, mode = _eight_bits(image, shape), "L" if shape.channels == 1 else "RGB"
    if image.has_transparency_data:
        image = _on_background(image, shape.background, mode)
    image = image if image.mode == mode else image.convert(mode)
    size, smooth = (shape.size, shape.size), Image.Resampling.BICUBIC
    if image.size == size:
        return image
    if shape.aspect == "squeeze":
        return image.resize(size, smooth)
    if shape.aspect == "crop":
        return ImageOps.fit(image, size, smooth)
    # ImageOps.contain, whose sides of less than half a pixel were an error before Pillow 13.
    width, height = (max(1, round(side / max(image.size) * shape.size)) for side in image.size)
    return image.resize((width, height), smooth)


def _with_bars(image: Image.Image, shape: Shape) -> NDArray[np.uint8]:
    colour = "#{:02x}{:02x}{:02x}".format(*shape.background)
    image = ImageOps.pad(image, (shape.size, shape.size), Image.Resampling.BICUBIC, color=colour)
    return np.asarray(image, np.uint8).reshape(shape.size, shape.size, shape.channels)


def _on_background(image: Image.Image, background: tuple[int, int, int], mode: str) -> Image.Image:
    above = image if image.mode == "RGBA" else image.convert("RGBA")
    if _extrema(above)[3] == (0, 0):
        raise ValueError("every pixel of it is transparent; save it without transparency")
    out = Image.new(mode, above.size)
    for place, tile in _tiles(above):
        behind = Image.new("RGBA", tile.size, (*background, 255))
        behind.alpha_composite(tile)
        out.paste(behind.convert(mode), place)
    if _is_flat(out) and not _is_flat(above):
        raise ValueError(LOST)
    return out


def _extrema(image: Image.Image) -> Sequence[tuple[int, int]]:
    """(least, largest) of each channel."""
    found: Any = image.getextrema()
    return (found,) if len(image.getbands()) == 1 else found


def _is_flat(image: Image.Image) -> bool:
    """Whether it is of one colour, or so narrow that nothing is left of it."""
    return 0 in image.size or all(high - low <= FLAT for low, high in _extrema(image))


def _eight_bits(image: Image.Image, shape: Shape) -> Image.Image:
    """16-bit gray -> 8 bits, by the depth that the set makes use of; all other modes unchanged."""
    if image.mode == "F":
        raise ValueError("it has floating-point pixels of unknown range; save it with 8 or 16 bits")
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    if image.mode == "L" and tags.get(339) == (2,):
        raise ValueError("it has signed pixels; save it with 8 or 16 bits, unsigned")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    top, clear = 2 ** (shape.depth or 16) - 1, image.info.get("transparency")
    out = Image.new("L" if clear is None else "LA", image.size)
    for place, tile in _tiles(image):
        values = np.asarray(tile)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("it has pixels outside 0..65535; save it with 8 or 16 bits")
        if values.max() > top:
            raise ValueError(f"it has pixels above {top}, the most of {shape.depth} bits, which the others make use of")
        pixels = ((values.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
        if tags.get(262) == 0:  # white is zero, which Pillow heeds in 8 bits alone
            pixels = 255 - pixels
        if clear is not None:
            pixels = np.stack([pixels, np.where(values == clear, 0, 255).astype(np.uint8)], axis=-1)
        out.paste(Image.fromarray(pixels), place)
    return out


@contextmanager
def _opened(path: Path, largest_mib: int | None) -> Iterator[Image.Image]:
    """Lazily opened. What would take over a quarter of ``largest_mib`` of memory is an error."""
    if path.stat().st_size == 0:
        raise ValueError("it has zero bytes")
    # Not by its name: Pillow maps a plain TIFF into memory then, and scrambles one that lies on its side.
    with path.open("rb") as file, Image.open(file, formats=rasters()) as image:
        if not image.width * image.height:
            raise ValueError("it has no pixels")
        mib = image.width * image.height * _bytes_per_pixel(image) / 2**20
        if largest_mib is not None and mib > largest_mib / 4:
            raise ValueError(
                f"it is too large: its {image.width}x{image.height} pixels would take {mib:.0f} MiB of memory, over a "
                f"quarter of {largest_mib}, the {LIMIT}; make it smaller, or raise that"
            )
        yield image


def _bytes_per_pixel(image: Image.Image) -> int:
    """What decoding and converting takes at most."""
    held = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
    converted = 1 if image.mode == "RGB" else 5 if image.mode.startswith("I") else 4
    decoder = _DECODERS.get(image.format or "", 0)
    if "progressive" in image.info:  # all coefficients of a JPEG
        decoder = 2 * len(image.getbands())
    return held + converted + decoder


@contextmanager
def _only_bombs_matter(largest_mib: int) -> Iterator[None]:
    """Pillow warns about much that is harmless, and only warns about half a decompression bomb: an error here."""
    usual = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if usual is not None:
                Image.MAX_IMAGE_PIXELS = int(usual * max(1, largest_mib / LARGEST_MIB))
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def _reason(error: Exception, path: Path | None) -> str:
    if isinstance(error, UnidentifiedImageError):
        return _foreign(path) if path else "it is not an image that Pillow can read"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        most = f"{(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels"
        return f"it is too large: a decompression bomb, or over {most}, a limit that {LIMIT} raises"
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, MemoryError):
        return "it is too large for the memory that there is"
    text = " ".join(str(error).replace(str(path), "it").split())
    return text or type(error).__name__


def _foreign(path: Path) -> str:
    """What a file is that no raster format knows: named by its first bytes, whatever its ending."""
    with path.open("rb") as file:
        head = file.read(132)
    names, start = {"EPS": "PostScript", "WMF": "a Windows metafile", "MPEG": "a film"}, head[:16].ljust(16, b"\0")
    others = [(name, accept) for name, (_, accept) in Image.OPEN.items() if name not in RASTERS and accept]
    kinds = [names.get(name, name) for name, accept in others if accept(start) is True]
    marks = {"DICOM": head[128:] == b"DICM", "HEIC": head[4:8] == b"ftyp", "PDF": head[:4] == b"%PDF"}
    kinds += [name for name, found in marks.items() if found]
    if not kinds:
        return "it is not an image that Pillow can read"
    return f"it is {kinds[0]}, whatever its ending, which is not decoded; convert it to PNG"


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


def parallel(jobs: int, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Results in the order of the tasks. A few tasks run here: starting processes would take longer."""
    if jobs == 1 or len(tasks) < 8:
        yield from (function(*task) for task in tasks)
        return
    from joblib.externals.loky import get_reusable_executor

    hint = "free some memory, or lower jobs in params.yaml (for ganaug init: set LOKY_MAX_CPU_COUNT=1); run it again"
    yield from workers.run(jobs, function, tasks, hint=hint)
    # joblib would reuse these small workers later, and take torch, once imported there, for a memory leak.
    get_reusable_executor().shutdown()
