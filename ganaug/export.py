"""Images for the user: ``ganaug synth --class 3 --n 5000``."""

from __future__ import annotations

import csv
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import store
from ganaug.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.synth import Sampler

MANIFEST = "manifest.csv"
_COLUMNS = ["file", "class", "seed", "index"]


def export(
    model: Path, out: Path, classes: Sequence[str] | None, n: int, seed: int, output_format: str, overwrite: bool
) -> str:
    """Write ``n`` images of each class asked for, and a manifest, to ``out``. Returns a line on what was made."""
    if n < 1:
        raise UserError(f"--n: must be at least 1, got {n}; ask for one image or more")
    if output_format not in ("png", "npz"):
        raise UserError(f'--format: must be png or npz, got "{output_format}"; choose one of them')
    _check_out(out, overwrite)

    from ganaug import device
    from ganaug.synth import load_sampler

    sampler = load_sampler(model)
    labels, notes = _labels(classes, sampler.classes)
    where = device.resolve("auto")
    device.prepare(where)
    chunks = ((label, chunk) for label in labels for chunk in sampler.images(label, n, seed, where))
    part = out.resolve().parent / f".{out.resolve().name}.{uuid.uuid4().hex[:8]}.part"
    try:
        part.mkdir(parents=True)
        write = _write_png if output_format == "png" else _write_npz
        store.write_csv(part / MANIFEST, _COLUMNS, write(part, sampler, chunks, n, seed))
        _put_in_place(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    names = ", ".join(sampler.classes[label] for label in labels)
    return "".join(f"{note}\n" for note in notes) + f"{n * len(labels):,} images of class {names} in {out}/"


def _labels(asked: Sequence[str] | None, classes: Sequence[str]) -> tuple[list[int], list[str]]:
    """Class rows for names or indices; an exact name wins. Notes say which was taken where the two disagree."""
    if not asked:
        return list(range(len(classes))), []
    labels: list[int] = []
    notes: list[str] = []
    for word in asked:
        index = int(word) if word.isdecimal() and int(word) < len(classes) else None
        if word in classes:
            label = classes.index(word)
            if index is not None and index != label:
                notes.append(f'--class {word}: took the class named "{word}" (index {label}), not "{classes[index]}"')
        elif index is not None:
            label = index
        else:
            raise UserError(
                f'--class: must be a class name or an index of 0..{len(classes) - 1}, got "{word}"; '
                f"the classes are {', '.join(classes)}"
            )
        if label not in labels:
            labels.append(label)
    return labels, notes


def folder_name(class_name: str) -> str:
    """The class's name as a folder, with what a path could misread percent-encoded: ``../x`` -> ``..%2Fx``."""
    unsafe = '%/\\:*?"<>|' + "".join(map(chr, range(32)))
    safe = "".join(f"%{ord(letter):02X}" if letter in unsafe else letter for letter in class_name)
    hidden = safe.strip(". ") == "" or safe == MANIFEST
    return safe.replace(".", "%2E") if hidden else safe


def _write_png(
    folder: Path, sampler: Sampler, chunks: Iterator[tuple[int, NDArray[np.uint8]]], n: int, seed: int
) -> Iterator[list[Any]]:
    digits = max(6, len(str(n - 1)))
    index, last = 0, -1
    for label, chunk in chunks:
        if label != last:
            index, last = 0, label
            name = folder_name(sampler.classes[label])
            (folder / name).mkdir()
        for image in chunk:
            file = f"{name}/{index:0{digits}d}.png"
            (folder / file).write_bytes(store.png_bytes(image))
            yield [file, sampler.classes[label], seed, index]
            index += 1


def _write_npz(
    folder: Path, sampler: Sampler, chunks: Iterator[tuple[int, NDArray[np.uint8]]], n: int, seed: int
) -> Iterator[list[Any]]:
    """One file with ``images`` (N, H, W, C), ``labels`` (N,) and the names of the ``classes``."""
    import numpy as np

    made = list(chunks)
    labels = np.concatenate([np.full(len(chunk), label, np.int64) for label, chunk in made])
    images = np.concatenate([chunk for _, chunk in made])
    with (folder / "images.npz").open("wb") as file:
        np.savez_compressed(file, images=images, labels=labels, classes=np.array(sampler.classes))
    for row, label in enumerate(labels):
        yield ["images.npz", sampler.classes[label], seed, row % n]


def _check_out(out: Path, overwrite: bool) -> None:
    """Before any work: nothing of the user's own is ever removed, only what an earlier call's manifest lists."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"--out: must be a folder of its own, but {out} is a file or a link; name another")
    held = set(out.iterdir()) if out.is_dir() else set()
    if not held:
        return
    ours = _made_before(out)
    others = {path for path in out.rglob("*") if path not in ours}
    if others:
        first = min(others, key=lambda path: (path.is_dir(), path))
        raise UserError(
            f"--out: {out} holds files that ganaug did not write, such as {first.name}; name another folder"
        )
    if not overwrite:
        count = len(store.read_table(out / MANIFEST))
        raise UserError(f"--out: {out} holds {count:,} images already; add --overwrite to replace them")


def _made_before(out: Path) -> set[Path]:
    """The files that an earlier call's manifest lists, their folders, the manifest; nothing if it is not ours."""
    try:
        with (out / MANIFEST).open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if table.fieldnames != _COLUMNS:
                return set()
            files = {out / row["file"] for row in table}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
    return {out / MANIFEST} | files | {path.parent for path in files if path.parent != out}


def _put_in_place(part: Path, out: Path) -> None:
    """Checked before: ``out`` is empty or holds an earlier call's images, which go last, when the new ones are in."""
    if out.is_dir():
        aside = part.with_suffix(".old")
        aside.mkdir()
        for entry in list(out.iterdir()):
            entry.rename(aside / entry.name)
        for entry in list(part.iterdir()):
            entry.rename(out / entry.name)
        shutil.rmtree(aside)
    else:
        part.rename(out)
