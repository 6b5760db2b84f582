"""Images for the user: ``ganaug synth --class 3 --n 5000``."""

from __future__ import annotations

import shutil
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from ganaug import device, store
from ganaug.errors import UserError, one_line, quoted
from ganaug.extras import need
from ganaug.synth.class_names import find_class, number_in
from ganaug.synth.exported import Card, Exported
from ganaug.synth.format import MANIFEST, METADATA, Format, Shards
from ganaug.synth.formats import FORMATS
from ganaug.synth.out_folder import (
    CARD,
    Held,
    cells_of,
    columns_of,
    format_of,
    made_before,
    placing,
    rows_in,
    sealed,
    settle,
    there,
    top,
)
from ganaug.synth.shards import SIZE, Wanted
from ganaug.synth.spec import Balance, SynthSpec

if TYPE_CHECKING:
    from ganaug.synth.format import Chunks, Reader
    from ganaug.synth.generator import Generator
    from ganaug.synth.moved import Moved

_MOST = 10**9  # images of a class
_LEAST_BYTES = 20  # of the disk for an image, whatever its format: a line of the manifest
# accepted: of the class's candidates, by the filters; model: the first digits of the SHA-256 of the generator's file
_COLUMNS = ["file", "class", "seed", "index", "accepted", "model"]
_DIGITS = 16


def export(
    model: Path,
    out: Path,
    classes: Sequence[str] | None,
    n: int,
    balance: str,
    seed: int,
    output_format: str,
    overwrite: bool,
    condition: str | None = None,
    shard_size: int | None = None,
    card: Card | None = None,
) -> str:
    """Write images of each class asked for, and a manifest, to the folder ``out``; returns a line on what was made.

    ``model`` is the generator's file; ``classes``: names or indices, each with or without a number of its own after
    ``=``; ``balance`` spreads ``n`` images per class as ``synth.balance`` does, given the images that the generator
    learned from; ``seed`` gives the latents; ``output_format`` is one of FORMATS; ``shard_size``: images per shard, in
    formats that have shards. What ``out`` has of other classes stays; ``overwrite`` replaces what it has of these.
    ``condition``: what a translator moves the project's images of the classes to. ``card``: what writes the text of
    the folder's README.md. Raises UserError if an option or the folder cannot be used.
    """
    form = _checked(n, balance, output_format, shard_size)
    settle(out)
    listed = made_before(out)
    held = there(out, listed)

    generator = _opened(model, condition)
    asked, notes = _asked(classes, generator.classes)
    if not classes:
        asked = {label: count for label, count in asked.items() if generator.makes(label)} or asked
        if without := [name for label, name in enumerate(generator.classes) if label not in asked]:
            notes.append(f"none of {one_line(', '.join(without), 1000)}: no images under another condition to move")
    spread = _spread(generator, model, n, balance)
    counts = {label: spread[label] if count is None else count for label, count in asked.items()}
    if not any(counts.values()):
        raise UserError(
            "--balance fill: tops classes up to the largest, and no class asked for lacks images; use equal"
        )
    named = {generator.classes[label] for label, count in counts.items() if count or overwrite}
    kept = _kept(out, held, named, output_format, overwrite)
    counts = {label: count for label, count in counts.items() if count}
    _check_room(out, sum(counts.values()))
    where, digest = device.resolve("auto"), store.file_digest(model)
    device.prepare(where)

    def row(file: str, label: int, number: int) -> list[Any]:
        told = generator.about(label, number)
        return [file, generator.classes[label], seed, number, generator.accepted[label], digest[:_DIGITS], *told]

    copied = _Copied(generator.classes)

    def finish(part: Path) -> None:
        """Complete what takes its place in ``out``, given what is there by now: making the images took a while."""
        now = _kept(out, there(out, made_before(out)), named, output_format, overwrite)
        entries = {entry.name for entry in part.iterdir()}
        if now != copied.held and (copied.held or any(top(file) in entries for file, _ in now)):
            raise UserError(
                f"--out: {out} holds other images in a file of the same name; run it again, or name another folder"
            )
        if now and not copied.held:
            columns = list(dict.fromkeys([*_COLUMNS, *columns_of(out), *columns_of(part)]))
            stay = (cells for cells in cells_of(out) if (cells["file"], cells["class"]) in now)
            _write_manifest(part, columns, chain(stay, cells_of(part)))
        if isinstance(form, Format) and form.metadata is not None:
            _write_lines(part / METADATA, form.metadata(cells_of(part)))
        if card is not None:
            order = [generator.classes[label] for label in counts]
            told = sorted(_told_of(cells_of(part)), key=lambda one: [*order, one[0]["class"]].index(one[0]["class"]))
            exported = Exported(generator.description, digest, output_format, images=told, shard_size=shard_size)
            store.write_text(part / CARD, sealed(card(exported)))

    if isinstance(form, Shards):
        wanted = Wanted(form, generator, digest, counts, seed, where, shard_size or SIZE)
        with placing(out, finish, wanted.key) as part:
            wanted.write(part, [*_COLUMNS, *generator.told], row)
    else:
        runs = ((label, generator.images(label, count, seed, where)) for label, count in counts.items())
        chunks = ((label, *chunk) for label, images in runs for chunk in images)
        if kept and form.read is not None:
            copied = _copied(form.read, out, held, kept, generator)
        with placing(out, finish) as part:
            made = form.write(part, copied.classes, chain(copied.chunks, chunks), {**copied.counts, **counts})
            old = (cells for cells, _ in zip(copied.rows, made, strict=False))  # theirs come first
            columns = list(dict.fromkeys([*_COLUMNS, *generator.told, *copied.columns]))
            new = (dict(zip([*_COLUMNS, *generator.told], row(*one), strict=True)) for one in made)
            _write_manifest(part, columns, chain(old, new))
    stay = sum(kept.values())
    if gone := sum(count for (_, name), count in listed.items() if name not in named) - stay:
        notes.append(f"{_images(gone)} of other classes that {out / MANIFEST} listed: gone, so no longer listed")
    more = f", next to {stay:,} of other classes" if stay else ""
    said = f"{_of_classes(counts, generator.classes)} in {one_line(f'{out}/')}{more}"
    return "\n".join([*notes, said])


def _checked(n: int, balance: str, output_format: str, shard_size: int | None) -> Format | Shards:
    """The format. Raises UserError if one of these options cannot be."""
    if n < 1:
        raise UserError(f"--n: must be at least 1, got {quoted(n)}; ask for one image or more")
    if n > _MOST:
        raise UserError(f"--n: must be at most {_MOST:,}, got {quoted(n)}; ask for fewer images")
    if balance not in get_args(Balance):
        raise UserError(
            f"--balance: must be one of {', '.join(get_args(Balance))}, got {quoted(balance)}; choose one of them"
        )
    if output_format not in FORMATS:
        raise UserError(
            f"--format: must be one of {', '.join(FORMATS)}, got {quoted(output_format)}; choose one of them"
        )
    form = FORMATS[output_format]
    if shard_size is not None and not isinstance(form, Shards):
        sharded = " or ".join(name for name, one in FORMATS.items() if isinstance(one, Shards))
        raise UserError(
            f"--shard-size: needs --format {sharded}, which write so many to a file, got {output_format}; leave it out"
        )
    if shard_size is not None and not 1 <= shard_size <= _MOST:
        raise UserError(
            f"--shard-size: must be 1 to {_MOST:,} images, got {quoted(shard_size)}; 10,000 is a good start"
        )
    if isinstance(form, Shards) and form.needs:
        need(form.needs, extra=output_format, what=f"--format {output_format}")
    return form


def _write_manifest(folder: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    store.write_csv(folder / MANIFEST, columns, ([cells.get(column, "") for column in columns] for cells in rows))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with store.replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)


def _told_of(rows: Iterable[Mapping[str, str]]) -> list[tuple[Mapping[str, str], int]]:
    """({what the manifest says of images: cell}, how many are so), but for file, number and source."""
    columns = ("class", "condition", "seed", "accepted", "model")
    found = Counter(tuple(cells.get(column, "") for column in columns) for cells in rows)
    return [(dict(zip(columns, told, strict=True)), count) for told, count in found.items()]


def _opened(model: Path, condition: str | None) -> Generator | Moved:
    """What makes the images. Raises UserError if a ``condition`` is asked of a generator that knows none."""
    from ganaug.synth.load import load
    from ganaug.synth.moved import moved
    from ganaug.synth.translator import Translator

    found = load(model)
    if isinstance(found, Translator):
        return moved(found, model, condition)
    if condition is not None:
        raise UserError(
            f"--condition: needs a translator, but {model} makes images of a class alone; leave it out, or set "
            "gan.translate and train it again"
        )
    return found


def _spread(generator: Generator | Moved, model: Path, n: int, balance: str) -> list[int]:
    """The images of each class, as ``synth.balance`` has them."""
    said = generator.description.get("train_images") or {}
    learned = {name: said.get(name, 0) for name in generator.classes}  # the file has them in another order
    if balance != "equal" and not any(learned.values()):
        raise UserError(f"{model}: must say what it learned from for --balance {balance}, but is older; train it again")
    return list(SynthSpec(n, cast(Balance, balance)).counts(learned).values())


def _asked(asked: Sequence[str] | None, classes: Sequence[str]) -> tuple[dict[int, int | None], list[str]]:
    """{class row: number, if one was given} of words such as ``3``, ``cat`` or ``cat=50``.

    Notes say which class was taken where name and index disagree, or where it was an index.
    """
    if not asked:
        return dict.fromkeys(range(len(classes))), []
    labels: dict[int, int | None] = {}
    notes: list[str] = []
    names = [unicodedata.normalize("NFC", name) for name in classes]
    for whole in (unicodedata.normalize("NFC", word) for word in asked):
        word, count = whole, None
        if whole not in names and "=" in whole:
            word, _, written = whole.rpartition("=")
            count = number_in(written)
            if not count or count > _MOST:
                raise UserError(
                    f'--class {one_line(whole, 80)}: a number of images must follow the last "=", at most {_MOST:,}, '
                    f"got {quoted(written)}; correct it"
                )
        label, note = find_class(word, classes)
        notes += [f"--class {one_line(word, 80)}: {note}"] if note else []
        labels[label] = count
    return labels, notes


def _of_classes(counts: Mapping[int, int], classes: Sequence[str]) -> str:
    """``counts`` of images in words, each class with its name."""
    names = one_line(", ".join(classes[label] for label in counts), 500)
    if len(counts) == 1:
        return f"{_images(*counts.values())} of class {names}"
    if len(set(counts.values())) == 1:
        return f"{_images(max(counts.values()))} of each of {len(counts)} classes ({names})"
    return f"{_images(sum(counts.values()))} of {len(counts)} classes ({names})"


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _check_room(out: Path, images: int) -> None:
    """Refuse before anything is made what cannot be on the disk, whatever the images look like."""
    place = next(one for one in (out.absolute(), *out.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(place).free
    if images * _LEAST_BYTES > free:
        raise UserError(
            f"--n: {images:,} images take {images * _LEAST_BYTES / 1e9:,.1f} GB at the very least, but {place} has "
            f"{free / 1e9:,.1f} GB left; ask for fewer"
        )


# ---------------------------------------------------------------------------------------- what stays next to new images


def _kept(out: Path, held: Held, named: Collection[str], output_format: str, overwrite: bool) -> Held:
    """The images of ``held``, in ``out``, that stay next to new ones of the classes ``named`` in ``output_format``.

    Raises UserError if there are images of these classes and no ``overwrite``, or those that stay are of another
    format, in shards, or of classes that not every system tells apart from these.
    """
    again = {one: count for one, count in held.items() if one[1] in named}
    if again and not overwrite:
        names = one_line(", ".join(dict.fromkeys(name for _, name in again)), 200)
        raise UserError(
            f"--out: {out} holds {_images(sum(again.values()))} already; add --overwrite to replace those of class "
            f"{names}, or name another folder"
        )
    kept = {one: count for one, count in held.items() if one[1] not in named}
    others = dict.fromkeys(name for _, name in kept)
    folded = {_folded(name): name for name in named}
    for other in others:
        if name := folded.get(_folded(other)):
            raise UserError(
                f"--out: class names must differ by more than case or Unicode form, got {quoted(name)} and "
                f"{quoted(other)}, which {out} holds; name another folder"
            )
    theirs = format_of(out, kept)
    if isinstance(FORMATS.get(theirs or output_format), Shards) and others:
        raise UserError(
            f"--out: {out} holds images of class {one_line(', '.join(others), 200)}, and shards, in which classes are "
            "mixed, are made and replaced as a whole; name another folder, or all classes with --overwrite"
        )
    if theirs not in (None, output_format):
        raise UserError(
            f"--format: must be {theirs}, as the images of class {quoted(next(iter(others)))} in {out} are, got "
            f"{quoted(output_format)}; change it, or name another folder"
        )
    return kept


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@dataclass(frozen=True)
class _Copied:
    """Images that are copied from one file with all classes to the next, before the new ones."""

    classes: Sequence[str]  # theirs among them
    counts: Mapping[int, int] = field(default_factory=dict)  # by the class's place there
    held: Held = field(default_factory=dict)
    columns: Sequence[str] = ()  # of their rows in the manifest
    rows: Iterable[Mapping[str, str]] = ()
    chunks: Chunks = field(default_factory=lambda: iter(()))


def _copied(reader: Reader, out: Path, held: Held, kept: Held, generator: Generator | Moved) -> _Copied:
    """The images ``kept`` of those ``held`` in ``out``, for a new file with those of ``generator``.

    Raises UserError if they are not what the manifest lists, or of another shape than the new ones.
    """
    runs = [(name, sum(1 for _ in run)) for name, run in groupby(rows_in(out), lambda row: row["class"])]
    stays = dict.fromkeys(name for _, name in kept)
    classes = [*generator.classes, *(name for name in stays if name not in generator.classes)]
    path, (channels, *size) = out / next(iter(kept))[0], generator.image_shape
    counts = {classes.index(name): count for name, count in runs if name in stays}
    if len(counts) < len([name for name, _ in runs if name in stays]):
        raise UserError(f"--out: {out / MANIFEST} must list the images class by class; name another folder")

    def chunks() -> Chunks:
        pieces, rows = reader(path, (*size, channels), [count for _, count in runs]), rows_in(out)
        try:
            for name, count in runs:
                done = 0
                while done < count:
                    images = next(pieces)
                    numbers = np.array([row["index"] for row in islice(rows, len(images))])
                    done += len(images)
                    if name in stays:
                        yield classes.index(name), images, numbers
        except (ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            reason = one_line(str(error), 200)
            raise UserError(
                f"--out: {path} must hold the images that the manifest lists, of the shape of the new ones, but cannot "
                f"be added to ({reason}); name another folder"
            ) from None

    rows = (cells for cells in cells_of(out) if cells["class"] in stays)
    return _Copied(classes, counts, kept, columns_of(out), rows, chunks())
