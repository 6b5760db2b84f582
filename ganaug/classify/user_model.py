"""A classifier of the user's own: ``package.module:factory``, found from the project's folder.

The file is found without running anything, so that its digest can enter keys; it runs when a classifier is built.
Errors in it are reported in one line.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ganaug.errors import UserError

if TYPE_CHECKING:
    from torch import nn

# The modules with weights that earlier calls of a factory returned.
_handed_out: WeakSet[nn.Module] = WeakSet()


def locate(model: str) -> Path:
    """The source file of ``module:factory``, relative if below this folder. Raises UserError if there is none."""
    name = model.partition(":")[0]
    with _importable():
        found = _find(name)
    if found is None:
        rule, hint = "name a module of the project or an installed one", f"write {name.replace('.', '/')}.py"
        raise _refusal(model, rule, f"there is no module {name}", f"{hint} or correct the name")
    if not found.has_location or not found.origin:
        raise _refusal(model, "name a Python file", f"{name} is a folder or built in", "name the file's module")
    path = Path(found.origin)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def digest(model: str) -> str:
    """The SHA-256 of the module's source file. Raises UserError if it cannot be read."""
    path = locate(model)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise _refusal(model, "name a file that can be read", str(error), "change its permissions") from None


def build(model: str, channels: int, classes: int, image_size: int) -> nn.Module:
    """A new module from the factory that ``model`` names, in train mode, tried on two blank images.

    Images are (``channels``, ``image_size``, ``image_size``), labels in 0..``classes``-1. Raises UserError if the
    factory or its module does not work.
    """
    import torch
    from torch import nn

    from ganaug.classify.networks import UsualLayout

    path = locate(model)
    with _importable():
        with torch.random.fork_rng(devices=[]):  # what an import draws must not shift the initial weights
            factory = _factory(model, path)
        call = f"factory({channels}, {classes})"
        try:
            made = factory(channels, classes)
        except (Exception, SystemExit) as error:
            rule = f"be a function that makes a module of {call}"
            raise _refusal(model, rule, _reason(error, path), f"correct {path}") from None
        if not isinstance(made, nn.Module):
            reason = f"{call} returned {type(made).__name__}"
            raise _refusal(model, "return a torch.nn.Module", reason, f"correct {path}")
        made = UsualLayout(made)
        _try(made, model, path, (2, channels, image_size, image_size), classes)
    if any(part in _handed_out for part in _with_weights(made)):
        reason, hint = "layers of an earlier call came back", f"build them inside the function in {path}"
        raise _refusal(model, "make a new module at each call, so that every arm starts alike", reason, hint)
    _handed_out.update(_with_weights(made))
    return made


def _factory(model: str, path: Path) -> Any:
    module_name, _, name = model.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        hint = f"correct {path}, or install what it needs"
        raise _refusal(model, "name a module that can be imported", _reason(error, path), hint) from None
    loaded = Path(getattr(module, "__file__", None) or "")
    if loaded.resolve() != path.resolve():
        reason = f"{module_name} is already {loaded}"
        raise _refusal(model, f"be imported from {path}", reason, "give your file another name")
    factory = getattr(module, name, None)
    if not callable(factory):
        reason = f"it is of type {type(factory).__name__}" if hasattr(module, name) else f'there is no "{name}"'
        hint = "define it there: (channels, classes) -> torch.nn.Module"
        raise _refusal(model, f"name a function of {path}", reason, hint)
    return factory


def _try(made: nn.Module, model: str, path: Path, shape: tuple[int, int, int, int], classes: int) -> None:
    """Run ``made`` once as in prediction and once as in training; its running statistics stay as they were."""
    import torch

    blank = torch.zeros(shape)
    rule = f"make a module that maps images {shape} to logits ({shape[0]}, {classes})"
    try:
        with torch.no_grad():
            outputs = [made.eval()(blank)]  # first, because lazy layers get their weights here
            kept = [(buffer, buffer.clone()) for buffer in made.buffers()]
        outputs.append(made.train()(blank))
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
    except Exception as error:
        raise _refusal(model, rule, _reason(error, path), f"correct {path}") from None
    for output in outputs:
        if not isinstance(output, torch.Tensor) or output.shape != (shape[0], classes):
            got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise _refusal(model, rule, f"its output is {got}", f"correct {path}")
    if not outputs[-1].requires_grad:
        reason = "its logits have no gradient: no weight takes part, or they are detached"
        raise _refusal(model, "make a module that can be trained", reason, f"correct {path}")


def _with_weights(made: nn.Module) -> list[nn.Module]:
    """The layers that training changes. A frozen one may be shared."""
    return [part for part in made.modules() if any(weight.requires_grad for weight in part.parameters(recurse=False))]


def _find(name: str) -> ModuleSpec | None:
    """Like importlib.util.find_spec, but without running the packages that ``name`` is in."""
    importlib.invalidate_caches()
    package, *inner = name.split(".")
    specs = (finder.find_spec(package, None) for finder in sys.meta_path)
    found = next((spec for spec in specs if spec is not None), None)
    for part in inner:
        if found is None or found.submodule_search_locations is None:
            return None
        found = PathFinder.find_spec(part, list(found.submodule_search_locations))
    return found


@contextmanager
def _importable() -> Iterator[None]:
    """Modules are looked for in the current directory first, as with ``python -m``."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _reason(error: BaseException, path: Path) -> str:
    """What was raised, and on which line of the user's file."""
    here = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.absolute()
    ]
    line = f", {path} line {here[-1]}" if here else ""
    said = ": ".join(part for part in (type(error).__name__, textwrap.shorten(str(error), 300)) if part)
    return said + line


def _refusal(model: str, rule: str, reason: str, hint: str) -> UserError:
    return UserError(" ".join(f'classifier.model: must {rule}, got "{model}": {reason}; {hint}'.split()))
