"""``ganaug init``: from a set of images to a project, with settings that suit the set and a reason for each."""

import math
import os
import shlex
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import joblib

from ganaug import config, device
from ganaug.config import Settings
from ganaug.data.folder import _PARTS, Folder, images_below, is_leftover
from ganaug.data.npz import Npz
from ganaug.data.pictures import LARGEST_MIB
from ganaug.data.survey import Survey, survey
from ganaug.data.table import ENDINGS, Table
from ganaug.errors import UserError, one_line, quoted
from ganaug.stages.needs import Sizes, needs
from ganaug.stages.progress import counting
from ganaug.stages.workspaces import git_top
from ganaug.start import doubtful, estimate
from ganaug.start.choose import TRANSLATOR, Chosen, Scope, chance, choose, full_size, limits_of
from ganaug.start.estimate import Pace
from ganaug.start.examples import example
from ganaug.start.files import FILES, MADE, Plan, check_free, init_dvc, undone_on_error, write
from ganaug.start.findings import choices, findings, given_up, run_needs, steps_reason
from ganaug.start.fit import fitted
from ganaug.start.params import params_yaml

_OF_CONDITIONS = "a table has --condition COLUMN, a folder --conditions above or below, an archive the array conditions"
LARGEST = {"cpu": 64, "mps": 128, "cuda": 128}  # pixels per side, at most, of the images that init chooses


def init(
    folder: Path,
    images: Path | None,
    dataset: str | None,
    nested: bool,
    columns: Mapping[str, Any],
    minutes: float,
    largest_mib: int = LARGEST_MIB,
    conditions: str | None = None,
    unlabelled: Path | None = None,
) -> None:
    """Write a project into ``folder`` and say what was found, chosen and how long a run takes.

    ``images``: a folder, a table (``columns``: settings of Table) or an archive; ``nested``: the first level of folders
    is the class; ``dataset``: a worked example instead; ``minutes`` that a run may take; ``largest_mib``: memory that
    a file may take; ``conditions``: where the folders of conditions lie, seen from those of classes;
    ``unlabelled``: a folder of images without labels.
    Raises UserError if the images or the folder cannot be used.
    """
    if (images is None) == (dataset is None) and dataset != "fashion-mnist":
        raise UserError(
            "init: needs --images or --dataset, one of them; name a folder of images, a table or an archive"
        )
    check_minutes(minutes, "--minutes")
    check_free(folder)
    if dataset is not None:
        if unlabelled:
            raise UserError("--unlabelled: is for images of your own, but --dataset names an example; leave one out")
        plan = example(dataset, images, _path_from(folder, images) if images else None)
    else:
        assert images is not None
        source = replace(source_of(images, nested, columns, conditions), largest_mib=largest_mib)
        _check_apart(source, folder, unlabelled)
        more = str(_path_from(folder, unlabelled, "--unlabelled")) if unlabelled else None
        if unlabelled:
            print(f"{one_line(str(unlabelled))}: {len(images_below(unlabelled, [])):,} images without labels")
        plan = plan_of(source, _source_settings(source, folder), minutes, unlabelled=more, look=doubtful.look)
    with undone_on_error(folder):
        kept = write(folder, plan)
        dvc = init_dvc(folder)
    wrote = [name for name in FILES if name not in kept]
    print(f"\nwrote {', '.join(wrote)} in {folder}/" + (f"; left your {', '.join(kept)} as it was" if kept else ""))
    if ".gitignore" in kept:
        print("add /.ganaug/, where finished work is kept, to your .gitignore")
    go_there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    odd = f"wrong labels and odd images: ganaug check {shlex.quote(str(images))} looks for them\n" * (
        images is not None
    )
    print(f"{dvc}\n{plan.time}\n{odd}next: {go_there}dvc repro")


def check_minutes(minutes: float, name: str) -> None:
    """Raises UserError unless a run can take so many ``minutes``, which the user knows by their ``name``."""
    if not 0 < minutes < math.inf:
        raise UserError(f"{name}: must be above 0 and finite, got {minutes:g}; say how long a run may take")


def plan_of(
    source: Folder | Npz | Table,
    named: dict[str, Any],
    minutes: float,
    classifier: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = print,
    unlabelled: str | None = None,
    look: Callable[[Survey, Settings, Pace, float], str] | None = None,
) -> Plan:
    """A project for a user's images, which are looked at first: the ``source``, ``named`` as params.yaml has it.

    ``minutes`` that a run may take; ``classifier``: settings of it that are not to be chosen; ``say`` gets what was
    found and chosen; ``unlabelled``: a folder of images without labels, as params.yaml has it; ``look`` at the labels
    (doubtful.py), left out: none. Raises UserError if the images cannot be used.
    """
    kind, cores = device.kind("auto"), joblib.cpu_count()
    with tempfile.TemporaryDirectory() as temporary:
        with counting(f"reading the images in {one_line(str(source.path))}") as on_done:
            seen = survey(source, Path(temporary), cores, LARGEST[kind], on_done)
        say(findings(seen, source.path))
        found, largest = seen.data.found, full_size(seen)

        @cache
        def chosen(scope: Scope) -> Chosen:
            one = choose(seen, named, kind, cores, scope, unlabelled)
            return replace(one, raw={**one.raw, "classifier": {**one.raw["classifier"], **(classifier or {})}})

        @cache
        def pace(size: int) -> Pace:
            with counting(f"timing a few steps of each network at {size} pixels"):
                return estimate.measure(chosen(Scope(size)).settings, seen.images, found.labels, len(seen.counts))

        def seconds(scope: Scope) -> float:
            settings = chosen(scope).settings
            return pace(scope.size).run_seconds(settings, Sizes.of(settings, found))

        limits = limits_of(seen)
        if unlabelled and limits is TRANSLATOR:
            raise UserError(
                "--unlabelled: must be left out where cells are missing, since a translator learns nothing from images "
                f"without labels, got {unlabelled}; leave it out"
            )
        full = chosen(Scope(largest, limits.enough)).settings
        full.protocol.splits(seen.data.items())  # a class that is too small is refused now
        scope = fitted(seconds, largest, minutes, limits)
        if look and limits is not TRANSLATOR:
            with counting("looking at the labels"):
                doubts = look(seen, full, pace(largest), minutes)
            say(doubts) if doubts else None
        plan, takes = chosen(scope), seconds(scope)
        likely = [chance(seen, settings) for settings in (full, plan.settings)]
    lost = given_up(full, plan.settings, minutes, *likely)
    say("\n".join([choices(plan.settings, likely[1], seen.data.shape.size), *lost.splitlines()]))
    time = run_needs(pace(scope.size), takes, needs(plan.settings, Sizes.of(plan.settings, found)))
    if takes > 1.05 * 60 * minutes:
        time += f", more than --minutes {minutes:g}: init sets no smaller run"
    title, path = one_line(source.title()), one_line(plan.raw["data"]["source"]["path"])
    why = {**plan.why, "gan.steps": steps_reason(scope.steps, pace(scope.size), minutes, limits)}
    return Plan(params_yaml(Chosen(plan.raw, why), title), title, f"Images: `{path}`.", time)


def source_of(
    images: Path, nested: bool, columns: Mapping[str, Any], conditions: Any, name: str = "--images"
) -> Folder | Npz | Table:
    """The source at ``images``, which the user knows by the ``name``; ``nested``, ``columns`` and ``conditions`` as
    ``init`` takes them. Raises UserError if there is none, or none that these are for."""
    if conditions not in (None, "above", "below"):
        raise UserError(f"--conditions: must be above or below, got {quoted(conditions)}; {_OF_CONDITIONS}")
    is_table, is_folder = images.suffix.lower() in ENDINGS and images.is_file(), images.is_dir()
    if (columns.get("condition") and not is_table) or (conditions and not is_folder):
        wrong = "--conditions" if conditions else "--condition"
        kind = "a folder" if conditions else "a table"
        raise UserError(f"{wrong}: is for {kind}, but {name} names {images}; {_OF_CONDITIONS}")
    if is_folder:
        if not (nested or conditions):
            _check_levels(images)
        return Folder(images, nested=nested, conditions=conditions)
    if not images.exists():
        raise UserError(f"{name}: must be a folder, a table or an NPZ archive, but {images} is not there; correct it")
    if images.suffix.lower() == ".npz":
        return Npz(images)
    if images.suffix.lower() in ENDINGS:
        return replace(Table(images), **columns)
    raise UserError(
        f"{name}: must be a folder, a table ({', '.join(ENDINGS)}) or an NPZ archive, got {images}; name one of these"
    )


def _check_levels(images: Path) -> None:
    """Raises UserError where two levels of folders look like classes and conditions: which is which is not guessed."""
    first = [one for one in sorted(images.iterdir()) if one.is_dir() and not is_leftover(one.name)]
    second = {
        one.name: {two.name for two in one.iterdir() if two.is_dir() and not is_leftover(two.name)} for one in first
    }
    shared = Counter(name for names in second.values() for name in names)
    repeated = sorted(name for name, count in shared.items() if count > 1)
    if len(repeated) < 2 or not all(second.values()) or any(name.casefold() in _PARTS for name in second):
        return
    tops, inner = (one_line(", ".join(names), 60) for names in (sorted(second), repeated))
    raise UserError(
        f"{images}: must have one level of folders, the classes, but has {tops}, and in several of them {inner}, as if "
        f"one level were conditions; say --conditions above if {tops} are, --conditions below if {inner} are, or "
        "--nested if neither is"
    )


def _source_settings(source: Folder | Npz | Table, folder: Path) -> dict[str, Any]:
    """The source as params.yaml names it (see _path_from)."""
    plain: dict[str, Any] = config.plain(replace(source, path=_path_from(folder, source.path)))
    default: dict[str, Any] = config.plain(type(source)(Path()))
    unusual = {key: value for key, value in plain.items() if value != default.get(key) and key != "path"}
    if source.largest_mib != LARGEST_MIB:
        unusual["largest_mib"] = source.largest_mib
    return {"kind": plain["kind"], "path": plain["path"], **unusual}


def _path_from(folder: Path, path: Path, name: str = "--images") -> Path:
    """As params.yaml names it: relative to the project where both lie in one git repository, or in the project, since
    then every workspace has it; else, or if it was given so, absolute: a temporary workspace lies elsewhere."""
    project, there = folder.resolve(), Path(os.path.normpath(path.absolute()))
    if not path.is_absolute() and there.is_relative_to(git_top(project) or project):
        there = Path(os.path.relpath(there, project))
    if any("\ud800" <= letter <= "\udfff" for letter in str(there)):  # what bytes outside UTF-8 are read as
        raise UserError(f"{name}: must be a path of UTF-8 text for params.yaml to hold, got {str(there)!a}; rename it")
    return there


def _check_apart(source: Folder | Npz | Table, folder: Path, unlabelled: Path | None) -> None:
    """Or ``models`` would be a class, or a stage would depend on its own outputs, which DVC refuses."""
    project = folder.resolve()
    if unlabelled and not (unlabelled.is_dir() and images_below(unlabelled, [])):
        raise UserError(
            f"--unlabelled: must be a folder that holds images, got {unlabelled}; name one, or leave it out"
        )
    if unlabelled and source.path.resolve() in (place := unlabelled.resolve(), *place.parents):
        raise UserError(f"--unlabelled: must lie apart from the labelled images, got {unlabelled}; move it elsewhere")
    for path in [*source.watched(), *([unlabelled] if unlabelled else [])]:
        images = path.resolve()
        for made in (project / name for name in MADE):
            if made == images or made in images.parents or images in made.parents:
                raise UserError(
                    f"{folder}: a run writes {made.relative_to(project)}/ there, which must lie apart from the images, "
                    f"but {path} holds it or lies in it; name another folder for the project"
                )
