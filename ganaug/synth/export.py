"""Images for the user: ``ganaug synth --class 3 --n 5000``."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from ganaug import device, store
from ganaug.errors import UserError
from ganaug.synth.formats import FORMATS, MANIFEST
from ganaug.synth.spec import Balance, SynthSpec

if TYPE_CHECKING:
    from ganaug.synth.sampler import Sampler

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
    """Write images of each class asked for, and a manifest, to the folder ``out``; returns a line on what was made.

    ``model`` is the generator's file; ``classes``: names or indices, each with or without a number of its own after
    ``=``; ``balance`` spreads ``n`` images per class as ``synth.balance`` does, given the images that the generator
    learned from; ``seed`` gives the latents; ``output_format`` is one of FORMATS; ``overwrite`` replaces what an
    earlier call wrote. Raises UserError if an option or the folder cannot be used.
    """
    if n < 1:
        raise UserError(f"--n: must be at least 1, got {n}; ask for one image or more")
    if balance not in get_args(Balance):
        raise UserError(
            f'--balance: must be one of {", ".join(get_args(Balance))}, got "{balance}"; choose one of them'
        )
    if output_format not in FORMATS:
        raise UserError(f'--format: must be {" or ".join(FORMATS)}, got "{output_format}"; choose one of them')
    _check_out(out, overwrite)

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
        made = FORMATS[output_format](part, sampler.classes, chunks, counts)
        store.write_csv(
            part / MANIFEST,
            _COLUMNS,
            ([file, sampler.classes[one], seed, number, sampler.accepted[one]] for file, one, number in made),
        )
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
        raise UserError(f"{model}: must say what it learned from for --balance {balance}, but is older; train it again")
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


def _check_out(out: Path, overwrite: bool) -> None:
    """Refuse a folder with files of the user: only what an earlier call's manifest lists is ever removed."""
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
        rows = store.read_table(out / MANIFEST)
    except UserError:
        return set()
    if not rows or list(rows[0])[:4] != _COLUMNS[:4]:  # earlier ones had no fifth
        return set()
    files = {out / row["file"] for row in rows}
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
