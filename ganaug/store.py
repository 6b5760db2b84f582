"""Files: read and written whole, or not at all. A file is written under a temporary name and then renamed."""

from __future__ import annotations

import csv
import errno
import glob
import hashlib
import io
import json
import math
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganaug.errors import UserError, one_line

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import torch
    from jinja2 import Template
    from pydantic import TypeAdapter


@contextmanager
def replacing(path: Path, folder: bool = False) -> Iterator[Path]:
    """A temporary file (or ``folder``) next to ``path`` that takes its place when the block ends without an error.

    It is empty at first, and on the disk before it is renamed. It is locked as long as its process lives: what a
    killed one left is removed by the next to write to ``path``, and nothing of one that is still writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    with locked_part(path, folder) as part:
        try:
            yield part
            sync(part)
            if folder and path.is_dir():
                aside = part.with_suffix(".old")
                path.replace(aside)
                part.replace(path)
                shutil.rmtree(aside)
            else:
                part.replace(path)
        except OSError as error:  # a full disk says so when something is written, and then names no file
            name_file(error, path)
            raise
        finally:
            remove(part)


def name_file(error: OSError, path: Path) -> None:
    """Have an error of writing to ``path`` name it: that of a full disk names no file."""
    if error.errno is not None and error.filename is None:
        error.filename = str(path)


@contextmanager
def locked_part(path: Path, folder: bool) -> Iterator[Path]:
    """A new, empty file (or ``folder``) next to ``path``, locked; ``sweep`` removes it when its process is gone."""
    part = path.parent / f".{path.name[:100]}.{uuid.uuid4().hex[:8]}.part"
    if folder:
        part.mkdir()
    else:
        part.touch()
    lock = _lock(part)
    try:
        yield part
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holding the lock of a ``folder``, once nobody else does."""
    lock = _lock(folder, wait=True)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock(path: Path, wait: bool = False) -> int | None:
    """A descriptor that holds the lock of ``path`` until it is closed or its process dies; None if that cannot be."""
    if fcntl is None:
        return None
    held = None
    try:
        held = os.open(path, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another holds it, or the file system has no locks
        if held is not None:
            os.close(held)
        return None
    return held


def sweep(folder: Path, name: str | None = None, endings: Sequence[str] = (".part", ".old")) -> None:
    """Remove what killed processes left of their writing to ``folder``, or to its file ``name`` alone: temporary files
    with one of the ``endings`` that nobody holds the lock of."""
    of_what = "*" if name is None else glob.escape(name[:100])
    for left in folder.glob(f".{of_what}.????????.*"):
        if left.suffix in endings and (lock := _lock(left)) is not None:
            remove(left)
            os.close(lock)


_MANY = 100  # files of which one call for the whole file system takes less time than one for each


def sync(path: Path) -> None:
    """Have a file, or all files of a folder, on the disk, so that a rename that follows never shows half of one."""
    if sum(len(files) for _, _, files in os.walk(path)) > _MANY and _sync_file_system(path):
        return
    for place in (path, *(path.rglob("*") if path.is_dir() else ())):
        if place.is_file() or fcntl is not None:  # only Unix opens folders
            held = os.open(place, os.O_RDONLY)
            try:
                os.fsync(held)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # a file system without
                    raise
            finally:
                os.close(held)


def _sync_file_system(folder: Path) -> bool:
    """Whether that could be had for all that ``folder``'s file system holds: on Linux, where 5,000 new files take 0.2 s
    so, and 30 one by one."""
    if sys.platform != "linux":
        return False
    import ctypes

    held = os.open(folder, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None).syncfs(held) == 0)
    finally:
        os.close(held)


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


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def template(name: str, finalize: Callable[[Any], Any] | None = None) -> Template:
    """A text template of the package; ``finalize`` is called with every value that it is given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    texts = Environment(
        loader=PackageLoader("ganaug"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        finalize=finalize,
    )
    return texts.get_template(name)


def write_text(path: Path, text: str) -> None:
    """In UTF-8."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """NaN and infinity are not JSON: writers put None where there is no figure."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """As ``json_text`` has it."""
    write_text(path, json_text(value))


@contextmanager
def _reading(path: Path, what: str, hint: str) -> Iterator[None]:
    """Around reading ``path``: says with the ``hint`` that it is missing or damaged. A decoder may raise anything."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: the file must exist, but is missing; {hint}") from None
    except MemoryError:
        raise UserError(f"{path}: must be {what}, but asks for more memory than there is; {hint}") from None
    except Exception as error:
        reason = one_line(" ".join(_reason(error).split()), 200) or type(error).__name__
        raise UserError(f"{path}: must be {what}, but cannot be read ({reason}); {hint}") from None


def _reason(error: Exception) -> str:
    """What is wrong, without the value: pydantic's errors name the place of the first mistake."""
    from pydantic import ValidationError

    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


def read_json(path: Path, hint: str, kind: Any = Any) -> Any:
    """A JSON file of type ``kind``: anything that pydantic knows, such as ``dict[str, int]`` or a dataclass.

    ``hint`` says what makes the file. Raises UserError if it is missing, damaged or of another type.
    """
    with _reading(path, "JSON as ganaug wrote it", hint):
        return _adapter(kind).validate_json(path.read_bytes(), strict=True)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


_SEAL = "sha256"


def write_sealed(path: Path, value: Mapping[str, Any], beside: Sequence[Path] = ()) -> None:
    """``value`` as JSON with the SHA-256 of itself and of the files ``beside`` it, which are there by now."""
    write_json(path, {**value, _SEAL: _hashes(path, value, beside)})


def check_sealed(path: Path, hint: str, beside: Sequence[Path] = ()) -> None:
    """Raises UserError, with ``hint``, if the JSON file ``path`` or one ``beside`` it changed since ``write_sealed``.

    Only bytes of the disk are compared: what is in the files is for their readers to check. A file of an earlier
    release bears no hashes.
    """
    content = read_json(path, hint, dict[str, Any])
    if _SEAL not in content:
        return
    sealed = content.pop(_SEAL)
    with _reading(path, "JSON as ganaug wrote it", hint):
        now = _hashes(path, content, beside, hint)
        changed = [name for name in now if sealed.get(name) != now[name]]
    if changed:
        raise UserError(f"{path.parent / changed[0]}: must be as ganaug wrote it, but was changed since then; {hint}")


def _hashes(path: Path, value: Mapping[str, Any], beside: Sequence[Path], hint: str = "") -> dict[str, str]:
    """{name: SHA-256}, of JSON by its content."""
    found = {path.name: digest(canonical(value))}
    for one in beside:
        with _reading(one, "a file as ganaug wrote it", hint):
            found[one.name] = file_digest(one)
    return found


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


def read_table(path: Path, hint: str = 'run "dvc repro"', kind: Any = dict[str, str]) -> list[Any]:
    """The rows of a CSV file with a header, each of type ``kind``: a dict, or a dataclass whose fields are its columns.

    ``hint`` says what makes the file. Raises UserError if it is missing, damaged or of another type.
    """
    return list(each_row(path, hint, kind))


def each_row(path: Path, hint: str, kind: Any = dict[str, str]) -> Iterator[Any]:
    """As ``read_table``, one after another: a table of any length in little memory."""
    with _reading(path, "a table as ganaug wrote it", hint), path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, strict=True)
        header, typed = next(rows, []), _adapter(kind)
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"line {rows.line_num} has {len(row)} cells, the header {len(header)}")
            yield typed.validate_strings(dict(zip(header, row, strict=True)))


def write_array(path: Path, array: NDArray[Any]) -> None:
    """As an NPY file."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, array)


def new_array(path: Path, shape: tuple[int, ...]) -> None:
    """An NPY file of zeros (uint8), whose space on the disk is reserved: where the disk is full, writing to a memory
    map of a file without would end the process, without a word."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    size, zeros = math.prod(shape), bytes(1 << 20)
    try:
        with path.open("wb") as file:
            file.write(head.getvalue())
            file.flush()
            if not _allocate(file.fileno(), file.tell() + size):
                for start in range(0, size, len(zeros)):
                    file.write(zeros[: size - start])
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _allocate(descriptor: int, size: int) -> bool:
    """Whether the system could be asked to reserve the space of a file."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:  # not on macOS and Windows
        return False
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise
    return True


def read_array(path: Path, hint: str, dtype: Any = np.uint8, dimensions: int = 4) -> NDArray[Any]:
    """The array at ``path``, memory-mapped: only rows used are read. Of type ``dtype``, with as many ``dimensions``.

    Raises UserError, with ``hint``, if it is missing, damaged or another one.
    """
    with _reading(path, f"a NumPy array of {np.dtype(dtype)} in {dimensions} dimensions", hint):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray) or (array.dtype, array.ndim) != (np.dtype(dtype), dimensions):
            found = f"{array.dtype}{array.shape}" if isinstance(array, np.ndarray) else "an archive"
            raise ValueError(f"it holds {found}")
        return array


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


Built = TypeVar("Built")
_DESCRIPTION = "ganaug"  # one key only: safetensors writes several in random order


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> None:
    """As a safetensors file that carries its ``description``."""
    from safetensors.torch import save

    data = save({name: tensor.contiguous() for name, tensor in tensors.items()}, {_DESCRIPTION: canonical(description)})
    with replacing(path) as part:
        part.write_bytes(data)


def read_tensors(path: Path, hint: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and their description; runs no code. Raises UserError, with ``hint``, if missing or not ganaug's."""
    return read_from_tensors(path, "a generator that ganaug wrote", hint, lambda *found: found)


def read_from_tensors(
    path: Path, what: str, hint: str, build: Callable[[dict[str, torch.Tensor], dict[str, Any]], Built]
) -> Built:
    """What ``build`` makes of tensors and their description: ``what`` the file ``path`` must be.

    Tensors stay on the disk until their values are used. Raises UserError, with ``hint``, if the file is missing or
    damaged, or ``build`` raises anything: people share such files, and any may be hostile.
    """
    from safetensors import safe_open

    with _reading(path, what, hint):
        if path.exists() and not path.is_file():
            raise ValueError("it is a folder or a device")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if _DESCRIPTION not in metadata:
            raise ValueError("it does not say what it is of")
        return build(tensors, _adapter(dict[str, Any]).validate_json(metadata[_DESCRIPTION]))
