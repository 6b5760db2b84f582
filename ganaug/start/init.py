"""``ganaug init``: from a set of images to a project, with settings that suit the set and a reason for each."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, store
from ganaug.config import Settings
from ganaug.data.folder import Folder
from ganaug.data.idx import Idx
from ganaug.data.labelled import one_line
from ganaug.data.npz import Npz
from ganaug.data.survey import Survey, survey
from ganaug.data.table import ENDINGS, Table
from ganaug.errors import UserError
from ganaug.start.choose import choose, with_steps
from ganaug.start.dvc import dvc_yaml, template

if TYPE_CHECKING:
    from ganaug.stages.progress import Progress
    from ganaug.start.estimate import Pace

LARGEST = {"cpu": 64, "mps": 128, "cuda": 128}  # pixels a side that a GAN is trained on without being asked to


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns."""

    file: str = "file"
    label: str = "label"
    split: str = "split"
    group: str = "group"


@dataclass(frozen=True)
class _Plan:
    """What is going to be written, and what to say of the time that a run takes."""

    params: str  # params.yaml
    title: str
    about: str
    time: str = ""


def init(
    folder: Path,
    images: Path | None,
    dataset: str | None,
    nested: bool,
    columns: Columns,
    minutes: float,
    progress: Progress,
) -> None:
    """Write a project into ``folder`` and say what was found, chosen and how long a run takes."""
    if (images is None) == (dataset is None) and dataset != "fashion-mnist":
        raise UserError(
            "init: needs --images or --dataset, one of them; name a folder of images, a table or an archive"
        )
    if not 0 < minutes < math.inf:
        raise UserError(f"--minutes: must be above 0 and finite, got {minutes:g}; say how long a run may take")
    _check_free(folder)
    if dataset is not None:
        plan = _dataset(dataset, images, folder)
    else:
        assert images is not None
        with tempfile.TemporaryDirectory() as temporary:
            plan = _own(folder, images, nested, columns, minutes, Path(temporary), progress)
    with _undone_on_error(folder):
        kept = _write(folder, plan)
        dvc = _init_dvc(folder)
    wrote = [name for name in _FILES if name not in kept]
    print(f"\nwrote {', '.join(wrote)} in {folder}/" + (f"; left your {', '.join(kept)} as it was" if kept else ""))
    if ".gitignore" in kept:
        print("let your .gitignore have /.ganaug/, where finished work is kept")
    print(dvc)
    go_there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    print(f"{plan.time}next: {go_there}dvc repro")


# -------------------------------------------------------------------------------------------------------- own images


def _own(
    folder: Path, images: Path, nested: bool, columns: Columns, minutes: float, temporary: Path, progress: Progress
) -> _Plan:
    """For a set of images, which is looked at first."""
    import joblib

    from ganaug import device
    from ganaug.start import estimate

    source = _source(images, nested, columns)
    _check_apart(source, folder)
    kind = device.resolve("auto").type
    cores = joblib.cpu_count()
    with progress.counting("reading the images") as on_done:
        seen = survey(source, temporary, cores, LARGEST[kind], on_done)
    print("\n".join(_findings(seen, images)))
    chosen = choose(seen, _source_settings(source, folder), kind, cores)
    chosen.settings.protocol.splits(seen.data.items())  # a class that is too small is said now
    pace = estimate.measure(chosen.settings, seen.images, seen.data.found.labels, len(seen.counts))
    chosen = with_steps(chosen, pace, minutes)
    settings = chosen.settings
    print("\n".join(_choices(settings)))
    seconds = pace.run_seconds(settings)
    time = _told(pace, seconds)
    if seconds > 1.3 * 60 * minutes:
        time += f", more than the {minutes:g} asked for: {settings.gan.steps} steps are the fewest that are set here"
    source_now, title = chosen.raw["data"]["source"], one_line(source.title())
    text = template("params.yaml.j2").render(
        **chosen.raw,
        why={key: one_line(reason) for key, reason in chosen.why.items()},
        source=_flow(source_now),
        title=title,
    )
    return _Plan(_aligned(text), title, f"Images: `{one_line(source_now['path'])}`.", time + "\n")


def _source(images: Path, nested: bool, columns: Columns) -> Folder | Npz | Table:
    if images.is_dir():
        return Folder(images, nested=nested)
    if not images.exists():
        raise UserError(f"--images: must be a folder, a table or an NPZ archive, but {images} is not there; correct it")
    if images.suffix.lower() == ".npz":
        return Npz(images)
    if images.suffix.lower() in ENDINGS:
        return Table(
            images, file=columns.file, label=columns.label, split=columns.split or None, group=columns.group or None
        )
    raise UserError(
        f"--images: must be a folder, a table ({', '.join(ENDINGS)}) or an NPZ archive, got {images}; name one of these"
    )


def _source_settings(source: Folder | Npz | Table, folder: Path) -> dict[str, Any]:
    """The source as params.yaml names it: relative to the project, unless an absolute path was given."""
    plain: dict[str, Any] = config.plain(replace(source, path=_path_from(folder, source.path)))
    default: dict[str, Any] = config.plain(type(source)(Path()))
    unusual = {key: value for key, value in plain.items() if value != default[key] and key != "path"}
    return {"kind": plain["kind"], "path": plain["path"], **unusual}


def _path_from(folder: Path, path: Path) -> Path:
    there = path if path.is_absolute() else Path(os.path.relpath(path.absolute(), folder.resolve()))
    if any("\ud800" <= letter <= "\udfff" for letter in str(there)):  # what bytes that are no UTF-8 come as
        raise UserError(
            f"--images: must be a path of UTF-8 text for params.yaml to hold, got {str(there)!a}; rename it"
        )
    return there


def _check_apart(source: Folder | Npz | Table, folder: Path) -> None:
    """A class folder named ``models``, or a stage that depends on its own outputs, which DVC refuses."""
    project = folder.resolve()
    for path in source.watched():
        images = path.resolve()
        for made in (project / name for name in _MADE):
            if made == images or made in images.parents or images in made.parents:
                raise UserError(
                    f"{folder}: a run writes {made.relative_to(project)}/ there, which must lie apart from the images, "
                    f"but {path} holds it or lies in it; name another folder for the project"
                )


def _findings(seen: Survey, images: Path) -> list[str]:
    found = seen.data.found
    (commonest, most), *others = seen.sizes.items()
    sizes = f"{commonest[0]}x{commonest[1]} pixels" + (
        f" ({most} of them; {len(others)} other sizes)" if others else ""
    )
    colours = "gray" if seen.spec.channels == "gray" else "colour"
    lines = [
        f"{images}: {len(found.files):,} images in {len(seen.counts)} classes",
        "  classes: " + _some([f"{name} {count}" for name, count in seen.counts.items()], 20),
        f"  images: {sizes}, {colours}",
    ]
    if found.groups is not None:
        lines.append(f"  groups: {len(set(found.groups))}")
    if found.official_test.any():
        lines.append(f"  test part: {int(found.official_test.sum())} images")
    lines += [
        f"  broken: {_some([f'{file} ({reason})' for file, reason in seen.data.broken], 10)}",
        f"  exact duplicates: {_sets(seen.duplicates)}",
        f"  the same image under two labels: {_sets(seen.conflicts)}",
        f"  near-duplicates: {_sets([list(pair) for pair in seen.near])}",
        *(f"  note: {note}" for note in found.notes),
    ]
    if seen.data.broken:
        lines.append("  repair or remove the broken images, or set data.on_broken: skip")
    return lines


def _choices(settings: Settings) -> list[str]:
    data, protocol, gan = settings.data, settings.protocol, settings.gan
    return [
        f"chosen: {data.image_size}x{data.image_size} pixels, {data.channels}; {protocol.kind}, "
        f"{protocol.trials} trials",
        f"  GAN of {gan.steps:,} steps; flips {'' if gan.augment.flip else 'not '}allowed; "
        f"synth.balance {settings.synth.balance}; arms {', '.join(settings.classify.arms)}",
        "  params.yaml has the reason for each",
    ]


def _some(words: Sequence[str], most: int) -> str:
    return (", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")) or "none"


def _sets(sets: Sequence[Sequence[str]]) -> str:
    if not sets:
        return "none"
    return f"{len(sets)} set{'s' * (len(sets) > 1)}, such as {' = '.join(sets[0][:3])}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(10, round(seconds, -1)):.0f} seconds"


def _flow(value: dict[str, Any]) -> str:
    """``{kind: folder, path: photos}``: JSON's quotes only where YAML needs them."""
    import io

    from ruamel.yaml import YAML

    out = io.StringIO()
    yaml = YAML(typ="rt", pure=True)  # keeps the order of the keys
    yaml.default_flow_style, yaml.width = True, 10_000
    yaml.dump(value, out)
    return out.getvalue().strip()


def _aligned(text: str, column: int = 32) -> str:
    """Comments behind values begin at one column, where there is room. A path may hold what looks like a comment."""
    lines = []
    for line in text.split("\n"):
        parts = [line] if line.startswith(("#", "  source:")) else re.split(r"(?<=\S)\s+(?=# )", line, maxsplit=1)
        lines.append(f"{parts[0].ljust(column - 1)} {parts[1]}" if len(parts) == 2 else line)
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------ the examples


_ABOUT = {  # title, text
    "digits": (
        "Digits, 5 images a class",
        "scikit-learn's handwritten digits, 8x8 pixels, part of the installed package.",
    ),
    "fashion-mnist": (
        "Fashion-MNIST, 20 images a class",
        "Real photographs of 28x28 pixels, from the IDX files of Debian's package `dataset-fashion-mnist` (`apt-get "
        "install\ndataset-fashion-mnist`); elsewhere set `data.source.path` in `params.yaml` to a folder with "
        "MNIST-style files.",
    ),
}
_DEBIAN = "/usr/share/datasets/fashion-mnist   # where Debian's package dataset-fashion-mnist puts it"


def _dataset(name: str, images: Path | None, folder: Path) -> _Plan:
    """A worked example, its settings tuned on tuning draws."""
    if name not in _ABOUT:
        raise UserError(f'--dataset: must be one of {", ".join(_ABOUT)}, got "{name}"; choose one, or use --images')
    text = template(f"{name}.yaml").render()
    if images is not None:
        if not images.is_dir():
            raise UserError(f"--images: must be a folder of Fashion-MNIST's IDX files, got {images}; correct it")
        path = _path_from(folder, images).as_posix()
        text = text.replace(_DEBIAN, json.dumps(path, ensure_ascii=False))
    return _Plan(text, *_ABOUT[name], _dataset_time(config.check(_parsed(text)), images))


def _dataset_time(settings: Settings, images: Path | None) -> str:
    """How long the example takes here, or what is still missing for it."""
    from ganaug.start import estimate

    source = settings.data.source
    try:
        found = (replace(source, path=images) if images and isinstance(source, Idx) else source).load()
    except UserError as missing:
        return f"note: {missing}\n"
    assert not isinstance(found.images, list)
    pace = estimate.measure(settings, found.images, found.labels, len(found.classes))
    return _told(pace, pace.run_seconds(settings)) + "\n"


def _told(pace: Pace, seconds: float) -> str:
    return f"a run takes about {_minutes(seconds)} here ({pace.jobs} at a time, {pace.device})"


def _parsed(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


# ----------------------------------------------------------------------------------------------------------- writing


_FILES = ("params.yaml", "dvc.yaml", ".gitignore", "README.md")
_OWN_FILES = ("params.yaml", "dvc.yaml", "dvc.lock")  # of a project that is there already
_DVC_FILES = (".dvc", ".dvcignore")
_MADE = ("data/prepared", "data/synth", "models", "reports", "synthetic", ".ganaug")  # by a run


def _check_free(folder: Path) -> None:
    there_now = next(place for place in (folder, *folder.parents) if place.exists())
    if not there_now.is_dir():
        raise UserError(f"{folder}: must be a folder to make or to add to, but {there_now} is a file; name another")
    there = [name for name in _OWN_FILES if os.path.lexists(folder / name)]
    if there:
        raise UserError(f"{folder}: holds {there[0]} already, and nothing is overwritten; name another folder")


@contextlib.contextmanager
def _undone_on_error(folder: Path) -> Iterator[None]:
    """Make ``folder``; if the block fails, remove what it made there, and the folders that are new."""
    new = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    absent = [name for name in (*_FILES, *_DVC_FILES) if not os.path.lexists(folder / name)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in [folder / name for name in absent] + new[-1:]:
            store.remove(path)
        raise


def _write(folder: Path, plan: _Plan) -> list[str]:
    """Write the project's files. Returns those that were there, which stay as they are."""
    kept = [name for name in _FILES if os.path.lexists(folder / name)]
    with contextlib.chdir(folder):  # paths in the settings start there
        pipeline = dvc_yaml(config.check(_parsed(plan.params)))
    texts = {
        "params.yaml": plan.params,
        "dvc.yaml": pipeline,
        ".gitignore": template("gitignore").render(),
        "README.md": template("project-readme.md.j2").render(title=plan.title, about=plan.about),
    }
    for name, text in texts.items():
        if name not in kept:
            store.write_text(folder / name, text)
    return kept


def _init_dvc(folder: Path) -> str:
    """Make the folder a DVC project, unless it lies in one: in git's root, below it, or without git."""
    here = folder.resolve()
    above = [here, *here.parents]
    git = next((place for place in above if (place / ".git").exists()), None)
    within = above[: above.index(git) + 1] if git else above
    there = next((place for place in within if (place / ".dvc" / "config").is_file()), None)
    if there:
        return f"DVC: part of the project at {there}"
    way = "--no-scm" if git is None else "--subdir" if git != here else None
    run = [sys.executable, "-m", "dvc"]
    done = subprocess.run(
        [*run, "init", "--quiet", *([way] if way else [])], cwd=here, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise UserError(
            f'{folder}: "dvc init" failed there ({reason}), so nothing was written; mend that and try again'
        )
    subprocess.run([*run, "config", "core.analytics", "false"], cwd=here, capture_output=True, check=False)
    return f"DVC: initialised {'without git' if git is None else f'below {git}' if way else 'beside git'}"
