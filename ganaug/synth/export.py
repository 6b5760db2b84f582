"""Images for the user: ``ganaug synth --class 3 --n 5000``."""

from __future__ import annotations

import csv
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from ganaug import store
from ganaug.errors import UserError
from ganaug.synth.spec import Balance, SynthSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.synth.sampler import Sampler

    _Chunks = Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64]]]  # label, images, their numbers

MANIFEST = "manifest.csv"
_COLUMNS = ["file", "class", "seed", "index", "accepted"]  # accepted: of the class's candidates, by the filters


def export(
    model: Path,
    out: Path,
    classes: Sequence[str] | None,
    n: int,
    balance: str,
    seed: int,
    output_format: str,
    overwrite: bool,
) -> str:
    """Write images of each class asked for, and a manifest, to ``out``. Returns a line on what was made.

    ``classes``: names or indices, each with a number of its own after ``=`` or not; ``balance`` spreads ``n`` as
    ``synth.balance`` does, given the images that the generator learned from.
    """
    if n < 1:
        raise UserError(f"--n: must be at least 1, got {n}; ask for one image or more")
    if balance not in get_args(Balance):
        raise UserError(
            f'--balance: must be one of {", ".join(get_args(Balance))}, got "{balance}"; choose one of them'
        )
    if output_format not in ("png", "npz"):
        raise UserError(f'--format: must be png or npz, got "{output_format}"; choose one of them')
    _check_out(out, overwrite)

    from ganaug import device
    from ganaug.synth.sampler import load_sampler

    sampler = load_sampler(model)
    asked, notes = _asked(classes, sampler.classes)
    spread = _spread(sampler, model, n, balance)
    counts = {label: spread[label] if count is None else count for label, count in asked.items()}
    if not any(counts.values()):
        raise UserError(
            "--balance fill: tops classes up to the largest, and no class asked for lacks images; use equal"
        )
    where = device.resolve("auto")
    device.prepare(where)
    chunks = ((label, *chunk) for label, count in counts.items() for chunk in sampler.images(label, count, seed, where))
    part = out.resolve().parent / f".{out.resolve().name}.{uuid.uuid4().hex[:8]}.part"
    try:
        part.mkdir(parents=True)
        write = _write_png if output_format == "png" else _write_npz
        store.write_csv(part / MANIFEST, _COLUMNS, write(part, sampler, chunks, counts, seed))
        _put_in_place(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    names = ", ".join(sampler.classes[label] for label, count in counts.items() if count)
    return "".join(f"{note}\n" for note in notes) + f"{sum(counts.values()):,} images of class {names} in {out}/"


def _spread(sampler: Sampler, model: Path, n: int, balance: str) -> list[int]:
    """The images of each class, as ``synth.balance`` has them."""
    said = sampler.description.get("train_images") or {}
    learned = {name: said.get(name, 0) for name in sampler.classes}  # the file has them in another order
    if balance != "equal" and not any(learned.values()):
        raise UserError(f"{model}: must say what it learned from for --balance {balance}, but is older; train it anew")
    return list(SynthSpec(n, cast(Balance, balance)).counts(learned).values())


def _asked(asked: Sequence[str] | None, classes: Sequence[str]) -> tuple[dict[int, int | None], list[str]]:
    """{class row: number, if one was given} of words such as ``3``, ``cat`` or ``cat=50``.

    An exact class name wins, then an index. Notes say which was taken where the two disagree.
    """
    if not asked:
        return dict.fromkeys(range(len(classes))), []
    labels: dict[int, int | None] = {}
    notes: list[str] = []
    for whole in asked:
        word, count = whole, None
        if whole not in classes and "=" in whole:
            word, _, number = whole.rpartition("=")
            if not (number.isdecimal() and int(number) > 0):
                raise UserError(
                    f'--class {whole}: a number of images must follow the last "=", got "{number}"; correct it'
                )
            count = int(number)
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
        labels[label] = count
    return labels, notes


def folder_name(class_name: str) -> str:
    """The class's name as a folder, with what a path could misread percent-encoded: ``../x`` -> ``..%2Fx``."""
    unsafe = '%/\\:*?"<>|' + "".join(map(chr, range(32)))
    safe = "".join(f"%{ord(letter):02X}" if letter in unsafe else letter for letter in class_name)
    hidden = safe.strip(". ") == "" or safe == MANIFEST
    return safe.replace(".", "%2E") if hidden else safe


def _write_png(
    folder: Path, sampler: Sampler, chunks: _Chunks, counts: Mapping[int, int], seed: int
) -> Iterator[list[Any]]:
    digits = max(6, len(str(max(counts.values()) - 1)))
    made, last = 0, -1
    for label, chunk, numbers in chunks:
        if label != last:
            made, last = 0, label
            name = folder_name(sampler.classes[label])
            (folder / name).mkdir()
        for image, number in zip(chunk, numbers.tolist(), strict=True):
            file = f"{name}/{made:0{digits}d}.png"
            (folder / file).write_bytes(store.png_bytes(image))
            yield [file, sampler.classes[label], seed, number, sampler.accepted[label]]
            made += 1


def _write_npz(
    folder: Path, sampler: Sampler, chunks: _Chunks, counts: Mapping[int, int], seed: int
) -> Iterator[list[Any]]:
    """One file with ``images`` (N, H, W, C), ``labels`` (N,) and the names of the ``classes``."""
    import numpy as np

    made = list(chunks)
    labels = np.concatenate([np.full(len(chunk), label, np.int64) for label, chunk, _ in made])
    images = np.concatenate([chunk for _, chunk, _ in made])
    with (folder / "images.npz").open("wb") as file:
        np.savez_compressed(file, images=images, labels=labels, classes=np.array(sampler.classes))
    for label, _, numbers in made:
        for number in numbers.tolist():
            yield ["images.npz", sampler.classes[label], seed, number, sampler.accepted[label]]


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
            if (table.fieldnames or [])[:4] != _COLUMNS[:4]:  # earlier ones had no fifth
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
