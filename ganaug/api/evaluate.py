"""``ganaug.evaluate``: the whole protocol on arrays. It makes a project of them as ``ganaug init`` does, in a folder of
its own, and runs its pipeline as ``ganaug run`` does."""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganaug import config, store, yaml_text
from ganaug.api.arrays import checked
from ganaug.api.verdict import Verdict
from ganaug.api.visit import visiting
from ganaug.data.arrays import values_of
from ganaug.data.labelled import Labelled, check_conditions, check_counts
from ganaug.data.npz import Npz
from ganaug.errors import UserError, quoted
from ganaug.log import log
from ganaug.stages import pipeline
from ganaug.stages.project import Project
from ganaug.start.files import check_free, undone_on_error, write
from ganaug.start.init import check_minutes, plan_of
from ganaug.start.params import changed
from ganaug.start.sync import sync

_IMAGES = "images.npz"


def evaluate(
    images: ArrayLike,
    labels: Any,
    *,
    groups: Any = None,
    conditions: Any = None,
    classifier: str | Callable[..., Any] | None = None,
    minutes: float = 20,
    folder: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Verdict:
    """Whether GAN images make a classifier of these ``images`` better, by how much, and how certain that is.

    ``images``: (N, H, W) or (N, H, W, C), uint8 or floats in 0..1, gray or RGB; ``labels``: (N,), whole numbers or
    text, of at least two classes. ``groups`` (N,): images of one group, such as a patient, stay on one side of each
    split; ``conditions`` (N,): the camera, scanner or light that each was taken under.

    The images are looked at and settings that suit them are chosen, as ``ganaug init`` does, for a run of so many
    ``minutes``; ``settings`` changes what is chosen, by the keys of params.yaml: ``{"gan.steps": 5000}``.
    ``classifier``: a built-in one by name, or one of your own, ``"package.module:factory"`` or the function itself,
    which takes (channels, classes) and gives a torch.nn.Module.

    ``folder``: where the project is kept, for ``ganaug run`` and all other commands, too. A call that was stopped
    goes on from there when it is made again; ``minutes`` has no say then. Left out: a temporary folder, which goes with
    the verdict.

    Raises UserError if the arrays, the settings or the folder cannot be used.
    """
    arrays = _arrays(images, labels, groups, conditions)
    check_minutes(minutes, "minutes")
    changes = dict(settings or {})
    if classifier is not None:
        changes["classifier.model"] = classifier if isinstance(classifier, str) else _name_of(classifier)
    root = Path(folder or tempfile.mkdtemp(prefix="ganaug-")).resolve()
    try:
        with visiting(), _as_the_files_are(changes.get("classifier.model")):
            if (root / "params.yaml").exists():
                _check_same(root, arrays)
                _change(root, changes)
            else:
                _start(root, arrays, minutes, changes)
            pipeline.run(Project(root, config.load(root / "params.yaml")))
        verdict = Verdict(root)
    except BaseException:
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)
        raise
    if folder is None:
        weakref.finalize(verdict, shutil.rmtree, root, ignore_errors=True)
    return verdict


def _arrays(images: ArrayLike, labels: Any, groups: Any, conditions: Any) -> dict[str, NDArray[Any]]:
    """What the archive holds, by name, checked."""
    pixels, rows, classes = checked(images, labels)
    check_counts(rows, classes, "labels")
    count = len(pixels)
    beside = {"labels": labels, "groups": groups, "conditions": conditions}
    found = {name: values_of(one, count, name) for name, one in beside.items() if one is not None}
    if "conditions" in found:
        names = list(map(str, found["conditions"].tolist()))
        check_conditions(Labelled(classes, pixels, rows, [], np.zeros(count, np.bool_), conditions=names), "conditions")
    return {"images": pixels, **found}


def _name_of(factory: Any) -> str:
    """``module:function``. Raises UserError if other processes could not import it by that."""
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "")
    if module in (None, "__main__") or getattr(sys.modules.get(module), name or "-", None) is not factory:
        raise UserError(
            f"classifier: must be a function at the top of a module that other processes can import, got "
            f"{quoted(name or repr(factory))} of {quoted(module or type(factory).__name__)}; write it into a file of "
            'its own, such as my_model.py, and import it from there, or name it, "my_model:factory"'
        )
    return f"{module}:{name}"


@contextmanager
def _as_the_files_are(model: Any) -> Iterator[None]:
    """Have the module of an own classifier, ``model``, run as its file is now, which keys are of: neither this process
    nor a worker knows it from before, and none is left that would know it later."""
    from joblib.externals.loky import get_reusable_executor

    name = str(model).partition(":")[0]
    known = sys.modules.pop(name) if ":" in str(model) and name in sys.modules else None
    get_reusable_executor().shutdown()
    try:
        yield
    finally:
        get_reusable_executor().shutdown()
        if known is not None:
            sys.modules[name] = known


def _check_same(root: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raises UserError if the project in ``root`` is not one of these ``arrays``."""
    try:
        with np.load(root / _IMAGES, allow_pickle=False) as kept:
            same = set(kept) == set(arrays) and all(np.array_equal(kept[name], one) for name, one in arrays.items())
    except (OSError, ValueError):
        same = False
    if not same:
        raise UserError(
            f"folder: must be new or hold a run on these arrays, but {root} holds another project; name another"
        )


def _change(root: Path, changes: Mapping[str, Any]) -> None:
    """The settings of a project that is there."""
    text = changed((root / "params.yaml").read_text(encoding="utf-8"), changes)
    config.check(yaml_text.parse(text, "settings"), "settings")
    store.write_text(root / "params.yaml", text)
    sync(root)


def _start(root: Path, arrays: Mapping[str, NDArray[Any]], minutes: float, changes: Mapping[str, Any]) -> None:
    """A new project."""
    check_free(root)
    if (root / _IMAGES).exists():  # the user's own, or left by a call that was killed
        _check_same(root, arrays)
    with undone_on_error(root, _IMAGES):
        with store.replacing(root / _IMAGES) as part, part.open("wb") as file:
            np.savez(file, **dict[str, Any](arrays))
        chosen = {key.removeprefix("classifier."): one for key, one in changes.items() if key.startswith("classifier.")}
        plan = plan_of(Npz(root / _IMAGES), {"kind": "npz", "path": _IMAGES}, minutes, chosen, log.info)
        text = changed(plan.params, changes)
        config.check(yaml_text.parse(text, "settings"), "settings")
        write(root, replace(plan, params=text))
    log.info(f"{plan.time}\n")
