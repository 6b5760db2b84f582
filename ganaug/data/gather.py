"""From a source to images of one shape on disk."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.data import pictures
from ganaug.data.labelled import Labelled, check_conditions, check_counts, check_names
from ganaug.data.losses import losses, losses_by_class
from ganaug.data.pictures import Look, Shape
from ganaug.data.source import Source, check_links
from ganaug.data.spec import DataSpec
from ganaug.data.splits import Items
from ganaug.errors import UserError


@dataclass(frozen=True)
class Gathered:
    """A source's images, all of one shape, without the broken ones."""

    found: Labelled  # its rows are those of the array at ``path``
    shape: Shape
    path: Path  # uint8, (N, size, size, channels)
    pixels: list[str]  # SHA-256 of each image's pixels
    looks: list[Look]  # the headers of the images
    broken: list[tuple[str, str]]  # (file, reason)
    losses: list[str] = field(default_factory=list)  # what the conversion lost; among the notes, too

    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, C) uint8, memory-mapped."""
        return store.read_array(self.path, "")

    def items(self) -> Items:
        """What a protocol deals."""
        found, (names, conditions) = self.found, self.found.condition_rows()
        return Items(found.labels, self.pixels, found.official_test, found.classes, found.groups, conditions, names)


@dataclass(frozen=True)
class Looked:
    """A source whose image headers have been read."""

    found: Labelled
    looks: list[Look]

    @property
    def readable(self) -> list[Look]:
        """The headers that could be read; at least one."""
        return [look for look in self.looks if look.broken is None]


def look(source: Source, jobs: int) -> Looked:
    """Labels and headers, checked. Raises UserError if classes or counts are not usable, or a link leads nowhere."""
    found = source.load()
    check_links(source.watched())
    where = source.where()
    check_names(found.classes, where)
    check_counts(found.labels, found.classes, where)
    check_conditions(found, where)
    looked = Looked(found, pictures.look_at(found.images, jobs, source.largest_mib))
    if not looked.readable:
        broken = [(file, one.broken or "") for file, one in zip(found.files, looked.looks, strict=True)]
        pictures.refuse_broken(broken, len(found.files))
    return looked


def gather(
    spec: DataSpec,
    path: Path,
    jobs: int,
    on_done: Callable[[int, int], None] = lambda done, total: None,
    looked: Looked | None = None,
) -> Gathered:
    """Convert every image of the source to one shape. Unreadable images are never skipped silently.

    ``spec`` has the source and the shape; ``path`` of the array to write; ``jobs`` processes; ``on_done`` gets the
    images done and in all; ``looked`` is the source if its headers have been read already. Raises UserError if an image
    is broken, unless ``spec`` skips those.
    """
    looked = looked or look(spec.source, jobs)
    found, looks = looked.found, looked.looks
    total = len(found.files)
    shape = spec.shape(looked.readable)
    done = pictures.render(found.images, shape, path, jobs, lambda done: on_done(done, total))
    pixels, failures = done.hashes, done.broken
    broken = [(found.files[row], reason) for row, reason in failures.items()]
    if broken and spec.on_broken == "refuse":
        pictures.refuse_broken(broken, total)
    lost = losses(found.images, found.files, looks, done, shape, jobs)
    lost += losses_by_class(looks, done, found.labels, found.classes)
    found = replace(found, notes=[*found.notes, *lost])
    kept = [row for row in range(total) if row not in failures]
    where = spec.source.where()
    if failures:
        where += f", without its {len(failures)} broken images (such as {broken[0][0]}: {broken[0][1]})"
    if spec.rendered:
        dealt = _dealt(spec, found, pixels)
        pixels = spec.rendered.render(path, dealt, pixels)
        found = replace(found, conditions=[spec.rendered.names[condition] for condition in dealt])
        kept = [row for row in kept if dealt[row] >= 0]
        where += ", rendered"
    if len(kept) < total:
        found, pixels, looks = found.kept(kept), [pixels[row] for row in kept], [looks[row] for row in kept]
        keep_rows(path, kept)
    check_counts(found.labels, found.classes, where)
    check_conditions(found, where)
    return Gathered(found, shape, path, pixels, looks, broken, lost)


def _dealt(spec: DataSpec, found: Labelled, pixels: list[str]) -> NDArray[np.int64]:
    if found.conditions is not None:
        raise UserError(
            f"data.rendered: must be left out where the source names conditions, and {spec.source.where()} does; leave "
            "one of the two out"
        )
    assert spec.rendered
    return spec.rendered.deal(found.labels, found.official_test, pixels)


def keep_rows(path: Path, rows: list[int], chunk: int = 4096) -> None:
    """Replace the array at ``path`` by its ``rows``, copied ``chunk`` rows at a time."""
    whole = np.load(path, mmap_mode="r")
    with store.replacing(path) as part:
        store.new_array(part, (len(rows), *whole.shape[1:]))
        out = np.load(part, mmap_mode="r+")
        for start in range(0, len(rows), chunk):
            out[start : start + chunk] = whole[rows[start : start + chunk]]
        out.flush()
