"""Readers of image files: in the folder of a class, and without labels."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from ganaug.data.folder import Folder
from ganaug.data.gather import gather
from ganaug.data.pictures import Aspect, Shape
from ganaug.data.spec import DataSpec
from ganaug.data.unlabelled import gather_unlabelled, read_unlabelled

from .mutations import damaged
from .reader import Reader
from .sources import noise

# Format as Pillow calls it, the ending of its files, modes, options: those that this Pillow can write are used.
_FORMATS: list[tuple[str, str, list[str], list[dict[str, Any]]]] = [
    ("PNG", "png", ["L", "RGB", "RGBA", "P", "LA", "1", "I;16"], [{}, {"optimize": True}]),
    ("JPEG", "jpg", ["L", "RGB", "CMYK"], [{}, {"progressive": True}, {"exif": b"turned"}]),
    ("TIFF", "tiff", ["L", "RGB", "RGBA", "I;16", "F", "CMYK", "1"], [{}] + [
        {"compression": name} for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")]),
    ("GIF", "gif", ["P", "L"], [{}, {"save_all": True, "append_images": [Image.new("L", (20, 16), 90)]}]),
    ("WEBP", "webp", ["RGB", "RGBA"], [{}, {"lossless": True}]),
    ("TGA", "tga", ["RGB", "L"], [{}, {"compression": "tga_rle"}]),
    ("BMP", "bmp", ["L", "RGB", "P"], [{}]), ("ICO", "ico", ["RGBA", "RGB"], [{}]), ("PPM", "ppm", ["L", "RGB"], [{}]),
    ("PCX", "pcx", ["L", "RGB"], [{}]), ("SGI", "sgi", ["L", "RGB"], [{}]), ("DDS", "dds", ["RGB", "RGBA"], [{}]),
    ("IM", "im", ["L"], [{}]), ("JPEG2000", "jp2", ["L", "RGB"], [{}]), ("ICNS", "icns", ["RGBA"], [{}]),
    ("MSP", "msp", ["1"], [{}]), ("SPIDER", "spi", ["F"], [{}]), ("XBM", "xbm", ["1"], [{}]),
    ("QOI", "qoi", ["RGB"], [{}]), ("AVIF", "avif", ["RGB"], [{}]), ("EPS", "eps", ["L", "RGB"], [{}]),
]  # fmt: skip


def _exif() -> bytes:
    """Turned by a quarter, with a text."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 50
    return exif.tobytes()


def seeds() -> Iterator[tuple[str, bytes]]:
    """(ending, file) of a small image in every format, mode and way that can be written."""
    pixels = noise(16, 20, 4)
    deep = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    for kind, ending, modes, ways in _FORMATS:
        for mode in modes:
            flat = Image.fromarray(pixels[:, :, 0] if mode in ("L", "LA", "1", "F") else pixels)
            image = (
                deep if mode == "I;16" else flat.convert("RGB").convert(mode) if mode == "CMYK" else flat.convert(mode)
            )
            for way in ways:
                out = io.BytesIO()
                try:
                    image.save(out, format=kind, **(way | {"exif": _exif()} if "exif" in way else way))
                except (KeyError, OSError, ValueError):  # not in this Pillow
                    continue
                yield ending, out.getvalue()


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, content) of a PNG's chunks, as far as they are whole."""
    found, at = [], 8
    while at + 8 <= len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        if size > len(png):
            break
        found.append((kind, png[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _header(rng: random.Random, content: bytes) -> bytes:
    width, height, depth, colour, packing, filters, _ = struct.unpack(">IIBBBBB", content)
    return struct.pack(
        ">IIBBBBB",
        rng.choice([width, 0, 1, 9000, 65535, 2**31 - 1, 2**32 - 1]),
        rng.choice([height, 0, 1, 9000, 65535, 2**31 - 1]),
        rng.choice([1, 2, 4, 8, 16, depth]),
        rng.choice([0, 2, 3, 4, 6, colour]),
        packing,
        filters,
        rng.choice([0, 1]),
    )


def _more_chunk(rng: random.Random) -> tuple[bytes, bytes]:
    """A chunk that unpacks to megabytes, or that contradicts the others."""
    ways = [
        (b"zTXt", b"k\0\0" + zlib.compress(bytes(10_000_000))),
        (b"iCCP", b"k\0\0" + zlib.compress(bytes(5_000_000))),
        (b"tRNS", rng.randbytes(rng.choice([0, 1, 2, 6, 300]))),
        (b"PLTE", rng.randbytes(rng.choice([0, 3, 4, 768, 900]))),
        (b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        (b"eXIf", damaged(rng, _exif()[6:])),
        (b"gAMA", bytes(4)),
    ]
    return rng.choice(ways)


def changed_png(rng: random.Random, png: bytes) -> bytes:
    """A PNG of which one chunk is another, every checksum right."""
    chunks = _chunks(png)
    if not chunks:
        return png
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    whole_header = kind == b"IHDR" and len(content) == 13
    chunks[at] = kind, _header(rng, content) if whole_header else damaged(rng, content)
    if rng.random() < 0.3:
        chunks.insert(1, _more_chunk(rng))
    sums = (struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks)  # fmt: skip
    return png[:8] + b"".join(sums)


Files = list[tuple[str, bytes]]


class ImageFiles(Reader):
    """The source ``folder``: two classes, with damaged files of all formats among their images."""

    name = "images"

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        self.seeds = list(seeds())

    def whole(self) -> tuple[Files, str, str]:
        return [("0.png", self.seeds[0][1])], "refuse", "pad"

    def make(self, rng: random.Random) -> tuple[Files, str, str]:
        files = []
        for number in range(4):
            ending, data = rng.choice(self.seeds)
            if ending == "png" and rng.random() < 0.4:
                data = changed_png(rng, data)
            elif rng.random() < 0.85:
                data = damaged(rng, data, rng.choice([1, 3, 12]))
            if rng.random() < 0.1:
                ending = rng.choice(self.seeds)[0]
            files.append((f"{number}.{ending}", data))
        return files, rng.choice(["skip", "refuse"]), rng.choice(["pad", "crop", "squeeze"])

    def read(self, made: tuple[Files, str, str]) -> None:
        files, on_broken, aspect = made
        for label, name in enumerate("ab"):
            Path("set", name).mkdir(parents=True)
            for number in range(2):
                grey = np.full((9, 9), 40 * label + 9 * number, np.uint8)
                Image.fromarray(grey).save(Path("set", name, f"good{number}.png"))
        for number, (name, data) in enumerate(files):
            Path("set", "ab"[number % 2], name).write_bytes(data)
        spec = DataSpec(Folder(Path("set")), 8, aspect=cast(Aspect, aspect), on_broken=cast(Any, on_broken))
        gather(spec, Path("images.npy"), 1)


class UnlabelledFiles(ImageFiles):
    """``data.unlabelled``: a folder of images without labels, at any depth."""

    name = "unlabelled"

    def read(self, made: tuple[Files, str, str]) -> None:
        files, on_broken, aspect = made
        for number, (name, data) in enumerate([*files, ("good.png", self.seeds[0][1])]):
            place = Path("more", *["deeper"] * (number % 3), name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        Path("prepared").mkdir()
        shape = Shape(8, 1, cast(Aspect, aspect), (0, 0, 0))
        gather_unlabelled(Path("more"), shape, Path("prepared"), 1, [], cast(Any, on_broken))
        read_unlabelled(Path("prepared"), "make it again")
