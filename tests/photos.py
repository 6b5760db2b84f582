"""Pictures, small sets of them and the real prepare, for the tests of users' own images."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import stages
from PIL import Image

from ganaug import config
from ganaug.data.prepared import Prepared, read_prepared
from ganaug.stages.project import Project


def noise(height: int = 8, width: int = 8, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Random uint8 pixels (height, width, channels), or (height, width) of one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path: Path, picture: np.ndarray | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(path, **options)
    return path


def photos(folder: Path, *classes: str, count: int = 4, size: int = 8) -> Path:
    """``folder/<class>/<number>.png``, all different."""
    for label, name in enumerate(classes):
        for number in range(count):
            save(folder / name / f"{number}.png", noise(size, size, seed=100 * label + number))
    return folder


def huge_png(side: int) -> bytes:
    """A few bytes whose header promises side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def project(root: Path, source: dict[str, Any], **data: Any) -> Project:
    """A project whose two folds suit sets of a few images."""
    protocol = {"kind": "cv", "folds": 2, "repeats": 1}
    return Project(root, config.check({"data": {"source": source, **data}, "protocol": protocol, "jobs": 1}))


def prepare(root: Path, source: dict[str, Any], **data: Any) -> tuple[Prepared, str]:
    """What the real stage wrote, and what it said."""
    made = project(root, source, **data)
    said = stages.prepared(made)
    return read_prepared(made.prepared), said
