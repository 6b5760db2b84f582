"""Images for the user: ``ganaug synth --class 3 --n 5000``."""

from __future__ import annotations

import re
import shutil
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, cast, get_args

import numpy as np
from pydantic import StringConstraints
from typing_extensions import TypedDict

from ganaug import device, store
from ganaug.errors import UserError, one_line, quoted
from ganaug.synth.class_names import find_class, number_in
from ganaug.synth.formats import FORMATS, MANIFEST, READERS, WRITTEN
from ganaug.synth.spec import Balance, SynthSpec

if TYPE_CHECKING:
    from ganaug.synth.formats import Chunks
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
) -> str:
    """Write images of each class asked for, and a manifest, to the folder ``out``; returns a line on what was made.

    ``model`` is the generator's file; ``classes``: names or indices, each with or without a number of its own after
    ``=``; ``balance`` spreads ``n`` images per class as ``synth.balance`` does, given the images that the generator
    learned from; ``seed`` gives the latents; ``output_format`` is one of FORMATS. What ``out`` has of other
    classes stays; ``overwrite`` replaces what it has of these. ``condition``: what a translator moves the project's
    images of the classes to. Raises UserError if an option or the folder cannot be used.
    """
    if n < 1:
        raise UserError(f"--n: must be at least 1, got {quoted(n)}; ask for one image or more")
    if n > _MOST:
        raise UserError(f"--n: must be at most {_MOST:,}, got {quoted(n)}; ask for fewer images")
    if balance not in get_args(Balance):
        raise UserError(
            f"--balance: must be one of {', '.join(get_args(Balance))}, got {quoted(balance)}; choose one of them"
        )
    if output_format not in FORMATS:
        raise UserError(f"--format: must be {' or '.join(FORMATS)}, got {quoted(output_format)}; choose one of them")
    _settle(out)
    listed = _rows(out)
    there = _there(out, listed)

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
    kept = _kept(out, there, named, output_format, overwrite)
    counts = {label: count for label, count in counts.items() if count}
    _check_room(out, sum(counts.values()))
    where, by = device.resolve("auto"), store.file_digest(model)[:_DIGITS]
    device.prepare(where)
    runs = ((label, generator.images(label, count, seed, where)) for label, count in counts.items())
    chunks = ((label, *chunk) for label, images in runs for chunk in images)
    copied = _copied(out, there, kept, generator) if kept and output_format in READERS else _Copied(generator.classes)

    def join(part: Path) -> None:
        """Complete what takes its place in ``out``, given what is there by now: making the images took a while."""
        now = _kept(out, _there(out, _rows(out)), named, output_format, overwrite)
        entries = {entry.name for entry in part.iterdir()}
        if now != copied.rows and (copied.rows or any(_top(row["file"]) in entries for row in now)):
            raise UserError(
                f"--out: {out} holds other images in a file of the same name; run it again, or name another folder"
            )
        if now and not copied.rows:
            new: list[_Listed] = store.read_table(part / MANIFEST, kind=_Listed)
            columns = _columns([*now, *new], ())
            store.write_csv(part / MANIFEST, columns, _cells([*now, *new], columns))

    with _placing(out, join) as part:
        made = FORMATS[output_format](part, copied.classes, chain(copied.chunks, chunks), {**copied.counts, **counts})
        old = [row for row, _ in zip(copied.rows, made, strict=False)]  # theirs come first
        rows = (
            [file, generator.classes[one], seed, number, generator.accepted[one], by, *generator.about(one, number)]
            for file, one, number in made
        )
        columns = _columns(old, generator.told)
        padded = (row + [""] * (len(columns) - len(row)) for row in rows)
        store.write_csv(part / MANIFEST, columns, chain(_cells(old, columns), padded))
    if gone := sum(row["class"] not in named for row in listed) - len(kept):
        notes.append(f"{_images(gone)} of other classes that {out / MANIFEST} listed: gone, so no longer listed")
    more = f", next to {len(kept):,} of other classes" if kept else ""
    said = f"{_of_classes(counts, generator.classes)} in {one_line(f'{out}/')}{more}"
    return "\n".join([*notes, said])


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


# ----------------------------------------------------------------------------------------- the folder that they go to


_Listed = TypedDict(  # a row of a manifest; those of earlier releases do not say the model
    "_Listed",
    {
        "file": Annotated[str, StringConstraints(pattern=WRITTEN)],
        "class": str,
        "seed": int,
        "index": int,
        "accepted": str,
        "model": NotRequired[str],
        "condition": NotRequired[str],
        "source": NotRequired[str],
    },
)


def _columns(rows: Sequence[_Listed], told: Sequence[str]) -> list[str]:
    """Those that every manifest has, ``told`` of what makes the new images, and what is told of ``rows`` besides."""
    return list(dict.fromkeys([*_COLUMNS, *told, *(column for row in rows for column in row if column != "file")]))


def _cells(rows: Sequence[_Listed], columns: Sequence[str]) -> Iterator[list[Any]]:
    return ([row.get(column, "") for column in columns] for row in rows)


def _top(file: str) -> str:
    """The entry of ``out`` that a file is, or lies in."""
    return file.partition("/")[0]


def _rows(out: Path) -> list[_Listed]:
    """The images that earlier calls wrote, by their manifest; their files may be gone.

    Raises UserError if ``out`` cannot be used, or holds files of the user: only what a manifest lists is ever removed.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"--out: must be a folder of its own, but {out} is a file or a link; name another")
    held = _held(out)
    if not held:
        return []
    rows = _listed(out)
    if others := held - set(_made_before(out, rows)):
        first = min(others, key=lambda path: (path.is_dir(), path))
        raise UserError(
            f"--out: {out} holds files that ganaug did not write, such as {quoted(first.name)}; name another folder"
        )
    return rows


def _kept(
    out: Path, rows: Sequence[_Listed], named: Collection[str], output_format: str, overwrite: bool
) -> list[_Listed]:
    """The images of ``rows``, in ``out``, that stay next to new ones of the classes ``named`` in ``output_format``.

    Raises UserError if there are images of these classes and no ``overwrite``, or those that stay are of another
    format, or of classes that not every system tells apart from these.
    """
    again = [row["class"] for row in rows if row["class"] in named]
    if again and not overwrite:
        names = one_line(", ".join(dict.fromkeys(again)), 200)
        raise UserError(
            f"--out: {out} holds {_images(len(again))} already; add --overwrite to replace those of class {names}, or "
            "name another folder"
        )
    kept = [row for row in rows if row["class"] not in named]
    folded = {_folded(name): name for name in named}
    for other in dict.fromkeys(row["class"] for row in kept):
        if name := folded.get(_folded(other)):
            raise UserError(
                f"--out: class names must differ by more than case or Unicode form, got {quoted(name)} and "
                f"{quoted(other)}, which {out} holds; name another folder"
            )
    for row in kept:
        ending = row["file"].rpartition(".")[2]
        if ending in FORMATS and ending != output_format:
            raise UserError(
                f"--format: must be {ending}, as the images of class {quoted(row['class'])} in {out} are, got "
                f"{quoted(output_format)}; change it, or name another folder"
            )
    return kept


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _held(out: Path) -> set[Path]:
    """Whatever lies in a folder, but for what a run of ganaug is writing there, and what systems leave in any."""
    found = ((path, path.relative_to(out).parts) for path in out.rglob("*"))
    return {path for path, parts in found if not re.fullmatch(_PART, parts[0]) and not any(map(_is_systems, parts))}


def _is_systems(name: str) -> bool:
    return name.casefold() in (".ds_store", "thumbs.db", "desktop.ini", "@eadir")


def _there(out: Path, rows: Sequence[_Listed]) -> list[_Listed]:
    """Those of ``rows`` whose file is in ``out``: a user may have sorted images out."""
    files = {file for file in {row["file"] for row in rows} if (out / file).is_file()}
    return [row for row in rows if row["file"] in files]


def _listed(out: Path) -> list[_Listed]:
    """The rows of the folder's manifest; none if it is not ours."""
    try:
        rows: list[_Listed] = store.read_table(out / MANIFEST, kind=_Listed)
    except UserError:
        return []
    return rows


def _made_before(out: Path, rows: Sequence[_Listed]) -> list[Path]:
    """The files that the manifest lists in ``rows``, their folders, the manifest last."""
    files = {out / row["file"]: None for row in rows}
    folders = {path.parent: None for path in files if path.parent != out}
    found = [path for path in files if path.is_file()] + [path for path in folders if path.is_dir()]
    return [path for path in (*found, out / MANIFEST) if rows and not (path.is_symlink() or path.parent.is_symlink())]


@dataclass(frozen=True)
class _Copied:
    """Images that are copied from one file with all classes to the next, before the new ones."""

    classes: Sequence[str]  # theirs among them
    counts: Mapping[int, int] = field(default_factory=dict)  # by the class's place there
    rows: Sequence[_Listed] = ()
    chunks: Chunks = field(default_factory=lambda: iter(()))


def _copied(out: Path, rows: Sequence[_Listed], kept: Sequence[_Listed], generator: Generator | Moved) -> _Copied:
    """The images of the rows ``kept`` among all ``rows`` of ``out``, for a new file with those of ``generator``.

    Raises UserError if they are not what the manifest lists, or of another shape than the new ones.
    """
    runs = [(name, list(run)) for name, run in groupby(rows, lambda row: row["class"])]
    stays = dict.fromkeys(row["class"] for row in kept)
    classes = [*generator.classes, *(name for name in stays if name not in generator.classes)]
    path, (channels, *size) = out / kept[0]["file"], generator.image_shape
    counts = {classes.index(name): len(run) for name, run in runs if name in stays}
    if len(counts) < len([name for name, _ in runs if name in stays]):
        raise UserError(f"--out: {out / MANIFEST} must list the images class by class; name another folder")

    def chunks() -> Chunks:
        reader = READERS[path.suffix[1:]](path, (*size, channels), [len(run) for _, run in runs])
        try:
            for name, run in runs:
                done = 0
                while done < len(run):
                    images = next(reader)
                    numbers = np.array([row["index"] for row in run[done : done + len(images)]])
                    done += len(images)
                    if name in stays:
                        yield classes.index(name), images, numbers
        except (ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            reason = one_line(str(error), 200)
            raise UserError(
                f"--out: {path} must hold the images that the manifest lists, of the shape of the new ones, but cannot "
                f"be added to ({reason}); name another folder"
            ) from None

    return _Copied(classes, counts, kept, chunks())


_MARK = "ganaug-synth"  # what lies in --out, hidden, while images are written or put in their places
_PART = re.escape(f".{_MARK}.") + r"\w{8}\.(part|done)"


@contextmanager
def _placing(out: Path, join: Callable[[Path], None]) -> Iterator[Path]:
    """An empty folder, whose files are in ``out`` when the block ends without an error.

    It lies next to ``out``, or inside where ``out`` exists: that may be a disk of its own. Once its name says that it
    is done, the new images are whole, and so is their manifest, which ``join`` has completed; those of the same classes
    go, and it is emptied into ``out`` by this run or, if that is killed, by the next one.
    """
    inside = out.is_dir()
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    target = out / _MARK if inside else out.absolute()
    with store.locked_part(target, folder=True) as part:
        try:
            yield part
            store.sync(part)
            if not inside and not out.exists():
                part.rename(out)
                return
            with store.alone(out):
                join(part)
                done = part.rename(out / f".{_MARK}.{part.name[-13:-5]}.done")
                _empty(done, out)
        except OSError as error:
            store.name_file(error, out)
            if isinstance(error.filename, str):
                error.filename = error.filename.replace(str(part), str(out))
            raise
        finally:
            store.remove(part)


def _settle(out: Path) -> None:
    """Remove what killed runs left, and finish what one had done but for putting it in its place."""
    store.sweep(out.absolute().parent, out.name)
    if out.is_dir() and not out.is_symlink():
        store.sweep(out, _MARK)
        with store.alone(out):
            for done in out.glob(f".{_MARK}.????????.done"):
                _empty(done, out)


def _remove_emptied(folder: Path) -> None:
    """Remove a folder in which nothing is left but what systems leave; one with files of the user stays."""
    left = list(folder.iterdir())
    if all(_is_systems(path.name) for path in left):
        for path in left:
            store.remove(path)
        with suppress(OSError):
            folder.rmdir()


def _empty(done: Path, out: Path) -> None:
    """Move the images up. At any moment the manifest in ``out``, if there is one, is that of the earlier images: those
    go that the new manifest does not list, or that lie where new ones will."""
    if (done / MANIFEST).is_file():
        listed, coming = {row["file"] for row in _listed(done)}, {entry.name for entry in done.iterdir()}
        for path in _made_before(out, _listed(out)):
            file = path.relative_to(out).as_posix()
            if path.is_file() and file in listed and _top(file) not in coming:
                continue
            if path.is_dir():
                _remove_emptied(path)
            else:
                path.unlink(missing_ok=True)
    for entry in sorted(done.iterdir(), key=lambda entry: entry.name == MANIFEST):
        if (out / entry.name).exists():
            raise UserError(
                f"--out: {out} holds {quoted(entry.name)}, which ganaug did not write; move it elsewhere, and run again"
            )
        entry.rename(out / entry.name)
    done.rmdir()
