"""Images in shards: files of so many images each, in memory that does not grow with their number. What an interrupted
call has finished is not made again."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from pydantic import StringConstraints
from typing_extensions import TypedDict

from ganaug import seeds, store
from ganaug.errors import UserError
from ganaug.log import log
from ganaug.synth.format import MANIFEST, WRITTEN, Sample, Shards
from ganaug.synth.png import png_of

if TYPE_CHECKING:
    import torch

    from ganaug.synth.generator import Generator
    from ganaug.synth.moved import Moved

SHARDS = "shards.csv"
SIZE = 10_000  # images of a shard, where nothing else is said
_COLUMNS = ("file", "images", "bytes", "sha256")
_UNIT = 100  # images: those of a class come in chunks of so many
_RECIPE = 1  # raised when what is in a shard changes


class Shard(TypedDict):
    """A row of SHARDS."""

    file: Annotated[str, StringConstraints(pattern=WRITTEN)]
    images: Annotated[int, Ge(1)]
    bytes: Annotated[int, Ge(1)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


def listed(folder: Path) -> list[Shard]:
    """The shards of a ``folder`` by its SHARDS; none if that is missing or not ours."""
    try:
        found: list[Shard] = store.read_table(folder / SHARDS, kind=Shard)
    except UserError:
        return []
    return found


@dataclass(frozen=True)
class Wanted:
    """All that decides what is in the shards of a call."""

    shards: Shards
    generator: Generator | Moved
    model: str  # the SHA-256 of the generator's file
    counts: Mapping[int, int]  # {label: images}
    seed: int
    device: torch.device
    size: int  # images of a shard

    @property
    def total(self) -> int:
        """The images of all shards."""
        return sum(self.counts.values())

    @property
    def key(self) -> str:
        """Eight digits that no other call has: what was made for one is never taken for another."""
        of = [[label, count, *self.generator.made_of(label)] for label, count in self.counts.items()]
        told = [self.generator.about(label, 0) for label in self.counts]
        parts = [_RECIPE, self.shards.ending, self.model, of, told, self.seed, self.size, str(self.device)]
        return store.digest(store.canonical(parts))[:8]

    def write(self, folder: Path, columns: Sequence[str], row: Callable[[str, int, int], Sequence[Any]]) -> None:
        """Make all shards in ``folder``, and MANIFEST with ``columns`` and a ``row`` of (file, label, number) for each
        image; whole shards that an earlier call left there stay.

        SHARDS gets its line when a shard and its rows of the manifest are on the disk.
        """
        whole, done, following = self._kept(folder)
        store.write_csv(folder / SHARDS, _COLUMNS, [[*shard.values()] for shard in whole])
        if not done:
            store.write_csv(folder / MANIFEST, columns, [])
        images = self._images(done, following)
        for place in range(len(whole), -(-self.total // self.size)):
            file = self._file(place)
            samples = self._mixed(place, list(islice(images, self.size)))
            self.shards.write(folder / file, samples, self.generator.classes)
            store.sync(folder / file)
            done += len(samples)
            _append(folder / MANIFEST, [row(file, one.label, one.number) for one in samples])
            size, digest = (folder / file).stat().st_size, store.file_digest(folder / file)
            _append(folder / SHARDS, [[file, len(samples), size, digest]])
            if self.total > self.size:
                log.info("%s: %s of %s images", file, f"{done:,}", f"{self.total:,}")

    def _kept(self, folder: Path) -> tuple[list[Shard], int, dict[int, int]]:
        """The whole shards in ``folder``, their images, and the number that follows those of each label in them.

        The rows of the manifest that are of no whole shard go. Where a row is lost, nothing is kept.
        """
        whole: list[Shard] = []
        for place, shard in enumerate(listed(folder)):
            path, images = folder / self._file(place), min(self.size, self.total - place * self.size)
            if (path.name, images) != (shard["file"], shard["images"]) or not path.is_file():
                break
            if store.file_digest(path) != shard["sha256"]:
                break
            whole.append(shard)
        done, following = sum(shard["images"] for shard in whole), dict[int, int]()
        labels = {name: label for label, name in enumerate(self.generator.classes)}

        def of_whole(rows: Iterator[list[str]]) -> Iterator[list[str]]:
            for _ in range(done):
                row = next(rows, [])
                if len(row) != len(header):
                    raise ValueError(f"{MANIFEST} lacks rows")
                label, number = labels[row[1]], int(row[3])
                following[label] = max(following.get(label, 0), number + 1)
                yield row

        try:
            with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
                table = csv.reader(file)
                header = next(table, [])
                store.write_csv(folder / MANIFEST, header, of_whole(table))
        except (FileNotFoundError, ValueError, KeyError, IndexError, csv.Error):
            return [], 0, {}
        if whole:
            log.info("%s whole shards of an interrupted call are kept: %s images", len(whole), f"{done:,}")
        return whole, done, following

    def _file(self, place: int) -> str:
        return f"images-{place:06d}.{self.shards.ending}"

    def _images(self, done: int, following: dict[int, int]) -> Iterator[tuple[bytes, int, int]]:
        """(PNG file, label, number) in the order in which shards take them, after the first ``done``."""
        for label, count in dealt(self.counts, self.size):
            skipped = min(done, count)
            done -= skipped
            first = following.get(label, 0)
            for images, numbers in self.generator.images(label, count - skipped, self.seed, self.device, first):
                following[label] = int(numbers[-1]) + 1
                yield from ((png_of(image), label, one) for image, one in zip(images, numbers.tolist(), strict=True))

    def _mixed(self, place: int, images: Sequence[tuple[bytes, int, int]]) -> list[Sample]:
        """The ``images`` of the shard ``place``, shuffled: readers shuffle no further than their buffer reaches."""
        order, first = seeds.numpy_rng(self.seed, "shard", place).permutation(len(images)), place * self.size
        return [Sample(f"{first + index:09d}", *images[one]) for index, one in enumerate(order.tolist())]


def dealt(counts: Mapping[int, int], size: int) -> Iterator[tuple[int, int]]:
    """(label, number of images) again and again, until all ``counts`` are dealt: in each round of about ``size`` images
    the labels have their share, in multiples of what a generator makes at once."""
    total, left = sum(counts.values()), dict(counts)
    turn = {label: -(-size * count // (total * _UNIT)) * _UNIT for label, count in counts.items()}
    while left:
        for label in list(left):
            count = min(turn[label], left[label])
            yield label, count
            left[label] -= count
            if not left[label]:
                del left[label]


def _append(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """To a table, on the disk when it returns."""
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
        file.flush()
        os.fsync(file.fileno())
