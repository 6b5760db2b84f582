"""The folder that images are exported to: only what an earlier call wrote is ever replaced, and at any moment the
earlier images or the new ones are all there."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, NotRequired

from pydantic import StringConstraints
from typing_extensions import TypedDict

from ganaug import store
from ganaug.errors import UserError, quoted
from ganaug.log import log
from ganaug.synth import shards
from ganaug.synth.format import MANIFEST, METADATA, WRITTEN, Format
from ganaug.synth.formats import FORMATS

CARD = "README.md"
_SEAL = "<!-- The SHA-256 of the text above, by which ganaug knows its own: {} -->\n"
# {(file, class): number of images}, in the order of the manifest: in memory as large as there are files
Held = Mapping[tuple[str, str], int]

Listed = TypedDict(  # a row of a manifest; those of earlier releases do not say the model
    "Listed",
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


def listed(out: Path) -> Held:
    """The images of the folder's manifest; none if it is not ours."""
    found: dict[tuple[str, str], int] = {}
    try:
        for row in rows_in(out):
            found[row["file"], row["class"]] = found.get((row["file"], row["class"]), 0) + 1
    except UserError:
        return {}
    return found


def rows_in(out: Path) -> Iterator[Listed]:
    """The rows of a manifest that ganaug wrote. Raises UserError if it is not ours."""
    return store.each_row(out / MANIFEST, "name another folder", Listed)


def cells_of(folder: Path) -> Iterator[dict[str, str]]:
    """The rows of a manifest, as {column: cell}."""
    with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def columns_of(folder: Path) -> list[str]:
    """Those of a manifest; none where there is none."""
    try:
        with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])
    except FileNotFoundError:
        return []


def made_before(out: Path) -> Held:
    """The images that earlier calls wrote, by their manifest; their files may be gone.

    Raises UserError if ``out`` cannot be used, or holds files of the user: only what a manifest lists is ever removed.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"--out: must be a folder of its own, but {out} is a file or a link; name another")
    held = _held(out)
    if not held:
        return {}
    found = listed(out)
    if others := held - set(_ours(out, found)):
        first = min(others, key=lambda path: (path.is_dir(), path))
        raise UserError(
            f"--out: {out} holds files that ganaug did not write, such as {quoted(first.name)}; name another folder"
        )
    return found


def there(out: Path, found: Held) -> Held:
    """Those of ``found`` whose file is in ``out``: a user may have sorted images out."""
    files = {file for file in {file for file, _ in found} if (out / file).is_file()}
    return {one: count for one, count in found.items() if one[0] in files}


def top(file: str) -> str:
    """The entry of a folder that a file is, or lies in."""
    return file.partition("/")[0]


def format_of(out: Path, found: Held) -> str | None:
    """The name of the format that the images ``found`` in ``out`` are in, if it is known."""
    endings = {file.rpartition(".")[2] for file, _ in found}
    with_metadata = (out / METADATA).is_file()
    for name, one in FORMATS.items():
        if one.ending in endings and with_metadata == (isinstance(one, Format) and one.metadata is not None):
            return name
    return None


def sealed(text: str) -> str:
    """A card's ``text`` that ganaug will know again, unless someone has changed it."""
    return f"{text}{_SEAL.format(hashlib.sha256(text.encode()).hexdigest())}"


def is_sealed(path: Path) -> bool:
    """Whether a file is a card as ganaug wrote it."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return False
    start = text.rfind(_SEAL.partition("{")[0])
    return start >= 0 and sealed(text[:start]) == text


def _has_our_metadata(out: Path, found: Held) -> bool:
    """Whether METADATA is what follows from the manifest: one of the user's is not."""
    form = FORMATS.get(format_of(out, found) or "")
    if not isinstance(form, Format) or form.metadata is None:
        return False
    try:
        with (out / METADATA).open(encoding="utf-8", newline="") as file:
            mine = form.metadata(cells_of(out))
            return all(f"{line}\n" == there for line, there in zip_longest(mine, file))
    except UnicodeDecodeError:
        return False


def _held(out: Path) -> set[Path]:
    """Whatever lies in a folder, but for what a run of ganaug is writing there, and what systems leave in any."""
    found = ((path, path.relative_to(out).parts) for path in out.rglob("*"))
    return {path for path, parts in found if not re.fullmatch(_PART, parts[0]) and not any(map(_is_systems, parts))}


def _is_systems(name: str) -> bool:
    return name.casefold() in (".ds_store", "thumbs.db", "desktop.ini", "@eadir")


def _ours(out: Path, found: Held) -> list[Path]:
    """The files of the images ``found``, their folders, what is beside the manifest, and the manifest last."""
    if not found:
        return []
    files = {out / file: None for file, _ in found}
    folders = {path.parent: None for path in files if path.parent != out}
    ours = [path for path in files if path.is_file()] + [path for path in folders if path.is_dir()]
    beside = {
        out / CARD: is_sealed(out / CARD),
        out / shards.SHARDS: bool(shards.listed(out)),
        out / METADATA: _has_our_metadata(out, found),
    }
    ours += [path for path, is_ours in beside.items() if is_ours]
    return [path for path in (*ours, out / MANIFEST) if not (path.is_symlink() or path.parent.is_symlink())]


_MARK = "ganaug-synth"  # what lies in --out, hidden, while images are written or put in their places
_KEPT = ".shards"  # what ends with it holds whole shards of a call, which the same one goes on from
_PART = re.escape(f".{_MARK}.") + r"\w{8}\.(part|done|shards)"


@contextmanager
def placing(out: Path, finish: Callable[[Path], None], resumable: str | None = None) -> Iterator[Path]:
    """A folder, empty at first, whose files are in ``out`` when the block ends without an error.

    It lies next to ``out``, or inside where ``out`` exists: that may be a disk of its own. Once its name says that it
    is done, the new images are whole, and so is their manifest, which ``finish`` has completed; those of the same
    classes go, and it is emptied into ``out`` by this run or, if that is killed, by the next one. With the call's key,
    ``resumable``, it stays when the block is interrupted, and the same call is given it again, until any call has put
    images in ``out``.
    """
    inside = out.is_dir()
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    target = out / _MARK if inside else out.absolute()
    with _kept_part(target, resumable) if resumable else store.locked_part(target, folder=True) as part:
        try:
            yield part
            store.sync(part)
            if not inside and not out.exists():
                finish(part)
                part.rename(out)
            else:
                with store.alone(out):
                    finish(part)
                    done = part.rename(out / f".{_MARK}.{part.name.split('.')[-2]}.done")
                    _empty(done, out)
            store.sweep(target.parent, target.name, (_KEPT,))
        except OSError as error:
            store.name_file(error, out)
            if isinstance(error.filename, str):
                error.filename = error.filename.replace(str(part), str(out))
            raise
        finally:
            if whole := resumable and shards.listed(part):
                log.warning("%s whole shards are kept: the same command goes on from there", len(whole))
            else:
                store.remove(part)


@contextmanager
def _kept_part(target: Path, key: str) -> Iterator[Path]:
    """The folder of the call with this ``key``, once no other process has it: an interrupted one may have left it."""
    part = target.parent / f".{target.name[:100]}.{key}{_KEPT}"
    while True:
        part.mkdir(exist_ok=True)
        made = part.stat().st_ino
        with store.alone(part):
            if part.is_dir() and part.stat().st_ino == made:
                yield part
                return


def settle(out: Path) -> None:
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
        new, coming = {file for file, _ in listed(done)}, {entry.name for entry in done.iterdir()}
        for path in _ours(out, listed(out)):
            file = path.relative_to(out).as_posix()
            if path.is_file() and file in new and top(file) not in coming:
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
