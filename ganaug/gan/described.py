"""What the file of a generator, or a checkpoint, says of itself. People share such files, so nothing of it is trusted:
what it says is typed, and what a network of it would be is worked out before anything of that size is built."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import StringConstraints, TypeAdapter

from ganaug import store
from ganaug.errors import is_printable, quoted

if TYPE_CHECKING:
    from torch import Tensor, nn

AGAIN = 'train it again ("dvc repro"), or name another file (--model)'  # the fix, whatever is wrong with one
_LONGEST_NAME = 100  # characters of a class name


@dataclass(frozen=True)
class Screening:
    """The filters of a generator."""

    judges: list[dict[str, Any]]  # what each is restored from, its ``kind`` too
    accepted: list[Annotated[float, Ge(0), Le(1)]]  # of each class, the share of candidates that pass


@dataclass(frozen=True)
class Described:
    """The part of a description that networks are built from and names are taken from."""

    classes: list[str]
    image_shape: list[int]  # (channels, height, width)
    gan: dict[str, Any]
    format: Literal[1, 2] = 2
    train_images: dict[str, Annotated[int, Ge(0), Le(10**9)]] = field(default_factory=dict)
    train_images_sha256: list[Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]] | None = None
    screening: Screening | None = None

    def __post_init__(self) -> None:
        _check_names("class", self.classes)
        channels, height, width = self.image_shape
        if channels not in (1, 3) or height != width or not 8 <= height <= 128:
            raise ValueError(f"images must be squares of 8 to 128 pixels, gray or RGB, got {quoted(self.image_shape)}")
        if self.screening and len(self.screening.accepted) != len(self.classes):
            raise ValueError("accepted shares must be one per class")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.image_shape
        return channels, height, width


@dataclass(frozen=True, kw_only=True)
class DescribedTranslator(Described):
    """... and of a translator: it moves images to the ``targets``, numbers of ``conditions``."""

    conditions: list[str]
    targets: list[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_names("condition", self.conditions)
        if not self.targets or sorted(set(self.targets)) != self.targets:
            raise ValueError(f"targets must be in order, each once, got {quoted(self.targets)}")
        if not 0 <= self.targets[0] <= self.targets[-1] < len(self.conditions):
            raise ValueError(f"targets must be numbers of its conditions, got {quoted(self.targets)}")


def _check_names(what: str, names: list[str]) -> None:
    """Raises ValueError unless there are ``names``, all printable and different."""
    shown = next((name for name in names if not _is_name(name)), None)
    if shown is not None:
        raise ValueError(f"{what} names must be printable and at most {_LONGEST_NAME} letters, got {quoted(shown)}")
    if len({unicodedata.normalize("NFC", name).casefold() for name in names}) < max(1, len(names)):
        raise ValueError(f"there must be a {what}, and {what} names must differ by more than case")


def _is_name(name: str) -> bool:
    return is_printable(name) and name.strip() != "" and len(name) <= _LONGEST_NAME


def describe(description: Mapping[str, Any]) -> Described:
    """The typed part of a ``description``. Raises ValueError if it is of another type."""
    found: Described = typed(Described, description)
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def typed(kind: Any, values: Mapping[str, Any]) -> Any:
    """``values`` of a file as the dataclass ``kind``. Raises ValueError if they are of another type."""
    return _adapter(kind).validate_json(store.canonical(values), strict=True)  # JSON's way: lists are tuples


def outline(build: Callable[[], nn.Module], most: int) -> dict[str, Tensor]:
    """The tensors, without memory of their own, that the network of ``build`` would have.

    Raises ValueError as soon as they are more than ``most``, so that a number of layers in a file costs nothing.
    """
    import torch
    from torch.nn import functional, init
    from torch.nn.modules.module import register_module_parameter_registration_hook
    from torch.overrides import TorchFunctionMode

    idle = (torch.Tensor.normal_, torch.Tensor.uniform_, init.normal_, init.kaiming_uniform_, functional.normalize)

    class Valueless(TorchFunctionMode):
        """Fills and normalises nothing, and takes a column for a product: for these calls torch works out shapes in
        Python, after an import of its compiler, which takes more than a second."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in idle:
                return args[0] if args else kwargs["tensor"]
            if func is torch.mv:
                return args[0][:, 0]
            return func(*args, **(kwargs or {}))

    made = 0

    def count(*_: Any) -> None:
        nonlocal made
        made += 1
        if made > 2 * most:  # spectral normalisation registers a weight twice
            raise ValueError(f"its settings ask for more than the {most} tensors that it has")

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"), Valueless():
            return dict(build().state_dict())
    finally:
        hook.remove()


def check_tensors(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless both have the same names, shapes and types, and what is ``given`` is finite."""
    for name in sorted({*given, *expected}):
        found, wanted = (_kind(one.get(name)) for one in (given, expected))
        if found != wanted:
            raise ValueError(f"the tensor {quoted(name)} must be {wanted}, but is {found}")
        if not bool(given[name].isfinite().all()):
            raise ValueError(f"weights must be finite, but {quoted(name)} is not")


def _kind(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
