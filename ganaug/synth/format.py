"""What an export format is: images are written as they come, or in shards, which one interrupted call does not lose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # label, images (n, H, W, C) of that class, their numbers (n,)
    Chunks = Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64]]]
    Made = Iterator[tuple[str, int, int]]  # (file relative to the folder, label, number) of each image, in order
    # a folder, the names of the classes, the images, {label: number of images}
    Writer = Callable[[Path, Sequence[str], Chunks, Mapping[int, int]], Made]
    # the file, the shape of an image, how many images follow one another of each class
    Reader = Callable[[Path, tuple[int, ...], Sequence[int]], Iterator[NDArray[np.uint8]]]
    # rows of the manifest, as {column: cell} -> the lines of a file for other programs
    Lines = Callable[[Iterable[Mapping[str, str]]], Iterator[str]]
    # a new file, its images in order, the names of the classes
    ShardWriter = Callable[[Path, Sequence["Sample"], Sequence[str]], None]

MANIFEST = "manifest.csv"
METADATA = "metadata.jsonl"
# How a format may name its files, in a folder per class or none: by numbers, or ``images``, as no user would.
WRITTEN = r"^(?:[^/]*[^/.][^/]*/)?(?:images(?:-[0-9]{6,})?|[0-9][0-9-]*)\.[a-z0-9]+$"


class Sample(NamedTuple):
    """An image in a shard."""

    key: str  # no other image of the folder has it
    png: bytes
    label: int
    number: int


@dataclass(frozen=True)
class Format:
    """Images are written to a folder as they come."""

    ending: str  # of its files
    write: Writer
    read: Reader | None = None  # of one file with all classes, which is added to by a copy
    metadata: Lines | None = None  # what METADATA beside the manifest holds


@dataclass(frozen=True)
class Shards:
    """Images are written to files of so many each, in which the classes are mixed; never added to."""

    ending: str
    write: ShardWriter
    needs: str | None = None  # a package, of the extra that is called as the format
