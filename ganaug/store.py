"""Files: read and written whole, or not at all. A file is written under a temporary name and then renamed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug.errors import UserError

if TYPE_CHECKING:
    import torch
    from jinja2 import Template


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to ``path`` (file or folder) that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file or a folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def canonical(value: Any) -> str:
    """JSON in one spelling: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(*parts: bytes | str | NDArray[Any]) -> str:
    """The SHA-256 of texts, bytes and arrays (their type and shape counted in), as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            data, kind = part.encode(), "text"
        elif isinstance(part, bytes):
            data, kind = part, "bytes"
        else:
            data, kind = part.tobytes(), f"{part.dtype.str}{part.shape}"
        total.update(f"{kind}:{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()


def template(name: str) -> Template:
    """A text template of the package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("ganaug")
    texts = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    return texts.get_template(name)


def write_text(path: Path, text: str) -> None:
    """In UTF-8."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """NaN and infinity are not JSON: writers put None where there is no figure."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def _reading(path: Path, what: str, hint: str, *errors: type[Exception]) -> Iterator[None]:
    """Around reading ``path``: says, with the ``hint``, that it is missing, or broken, which raises ``errors``."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: the file must exist, but is missing; {hint}") from None
    except errors as error:
        raise UserError(f"{path}: must be {what}, but cannot be read ({error}); {hint}") from None


def read_json(path: Path, hint: str) -> Any:
    """``hint`` says what makes the file. Raises UserError if it is missing or broken."""
    with _reading(path, "JSON", hint, json.JSONDecodeError, UnicodeDecodeError):
        return json.loads(path.read_text(encoding="utf-8"))


def read_named(path: Path, key: str) -> bytes:
    """The file that the setting ``key`` names. Raises UserError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{key}: {path} must be a file that can be read ({error.strerror}); correct it") from None


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """In UTF-8, a line per row."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that a stage wrote. Raises UserError if it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{path}: must be a table that a stage wrote, but {error}; run "dvc repro"') from None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """As an NPY file."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, array)


def read_array(path: Path, hint: str) -> NDArray[Any]:
    """Memory-mapped: only rows that are used are read. Raises UserError, with ``hint``, if it is missing or broken."""
    with _reading(path, "a NumPy array", hint, ValueError, EOFError):
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """``pixels`` (H, W, C) with one channel (gray) or three (RGB)."""
    with replacing(path) as part:
        part.write_bytes(png_bytes(pixels))


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """``pixels`` (H, W, 1 or 3) as a PNG file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, format="png")
    return out.getvalue()


_DESCRIPTION = "ganaug"  # one key only: safetensors writes several in random order


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> None:
    """As a safetensors file that carries its ``description``."""
    from safetensors.torch import save

    data = save({name: tensor.contiguous() for name, tensor in tensors.items()}, {_DESCRIPTION: canonical(description)})
    with replacing(path) as part:
        part.write_bytes(data)


def read_tensors(path: Path, hint: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and their description; runs no code. Raises UserError, with ``hint``, if missing or not ganaug's."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise UserError(f"{path}: must be a file, but is a folder; {hint}")
    what = "a generator that ganaug wrote"
    with (
        _reading(path, what, hint, OSError, SafetensorError, KeyError, json.JSONDecodeError),
        safe_open(path, framework="pt") as file,
    ):
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return tensors, json.loads(metadata[_DESCRIPTION])
