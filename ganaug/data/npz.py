"""Images in a NumPy archive, in the layout of MedMNIST's files."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.data.arrays import check_pixels, one_for_each, with_channels
from ganaug.data.labelled import Labelled, rows_by_value
from ganaug.data.source import PathSource
from ganaug.errors import UserError, one_line, quoted

_PARTS = ("train", "val", "test")
_ARRAYS = tuple(
    f"{part}{kind}" for part in ("train_", "val_", "test_", "") for kind in ("images", "labels", "conditions", "groups")
)
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Npz(PathSource):
    """``train_images`` (N, H, W) or (N, H, W, C) and ``train_labels`` (N,) or (N, 1); ``val_...`` and ``test_...`` too.

    Images are uint8 in 0..255. ``val`` joins the train part; ``test`` is the official test part. An archive with
    ``images`` and ``labels`` alone, such as ``ganaug synth --format npz`` writes, has no test part. Labels that are
    rows of an array ``classes`` have their names from there. ``train_conditions`` (``conditions`` next to ``images``)
    names the condition that each image was taken under, ``train_groups`` (``groups``) its group, such as a patient,
    whose images stay together; each in every part or in none.
    """

    kind: Literal["npz"] = "npz"
    classes: tuple[str, ...] = ()
    """Names in the order of the label values. Left out: the values themselves."""

    @property
    def may_have_conditions(self) -> bool:
        return True

    def load(self) -> Labelled:
        self._check_is("an NPZ archive", self.path.is_file())
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = _members(archive)
                parts = self._parts(members)
                shapes = {with_channels(members[images].shape)[1:] for images, _ in parts.values()}
                if len(shapes) > 1:
                    raise UserError(
                        f"{self.path}: all images must have one shape, got {sorted(shapes)}; use one data set"
                    )
                conditions, groups = (self._beside(kind, members, parts) for kind in ("conditions", "groups"))
                needed = {*(name for both in parts.values() for name in both), *({"classes"} & members.keys())}
                needed |= {*conditions, *groups}
                copies = {name: 1 if name.endswith("images") else 4 for name in needed}  # labels are sorted and named
                self._check_fits(self.path, sum(copies[name] * members[name].size for name in needed))
                labels = [_read(archive, members[name]) for _, name in parts.values()]
                under, held = ([_read(archive, members[name]) for name in names] for names in (conditions, groups))
                names = _read(archive, members["classes"]) if "classes" in members and not self.classes else None
                counts = [members[images].shape[0] for images, _ in parts.values()]
                images = np.empty((sum(counts), *shapes.pop()), np.uint8)
                for stop, count, (name, _) in zip(np.cumsum(counts).tolist(), counts, parts.values(), strict=True):
                    _read_into(archive, members[name], images[stop - count : stop])
        except (UserError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # a broken archive may make its decoder raise anything
            reason = one_line(str(error), 100) or type(error).__name__
            raise UserError(
                f"{self.path}: must be an NPZ archive of plain arrays, but {reason}; write it with numpy.savez"
            ) from None
        given = zip(labels, counts, (name for _, name in parts.values()), strict=True)
        values = np.concatenate([self._values(*one) for one in given])
        of_group = self._told(held, counts, groups)
        if names is not None:
            values = _named(values, names)
        classes, rows = rows_by_value(values, self.classes)
        return Labelled(
            classes=classes,
            images=images,
            labels=rows,
            files=[f"{part or 'images'}[{row}]" for part, n in zip(parts, counts, strict=True) for row in range(n)],
            official_test=np.repeat([part == "test" for part in parts], counts),
            groups=None if of_group is None else list(map(one_line, of_group)),
            conditions=self._told(under, counts, conditions),
        )

    def _values(self, found: NDArray[Any], images: int, name: str) -> NDArray[Any]:
        return one_for_each(found, images, f"{self.path}: {name}")

    def _told(self, arrays: list[NDArray[Any]], counts: list[int], names: list[str]) -> list[str] | None:
        """What the parts' arrays of these ``names`` say of each image, as text; None without such ``arrays``."""
        if not names:
            return None
        each = zip(arrays, counts, names, strict=True)
        return [str(value) for one in each for value in self._values(*one).tolist()]

    def _beside(self, kind: str, members: Mapping[str, _Array], parts: Mapping[str, tuple[str, str]]) -> list[str]:
        """The names of the parts' arrays of a ``kind``, conditions or groups; none where the archive has none."""
        names = [labels.replace("labels", kind) for _, labels in parts.values()]
        missing = [name for name in names if name not in members]
        if missing and len(missing) < len(names):
            raise UserError(
                f"{self.path}: {kind} must be given for every part or for none, but {missing[0]} is missing; add it, "
                "or remove the others"
            )
        return [] if missing else self._plain(members, names)

    def _plain(self, members: Mapping[str, _Array], names: list[str]) -> list[str]:
        """The names. Raises UserError if an array of them holds Python objects."""
        for name in (name for name in names if members[name].dtype.hasobject):
            raise UserError(
                f"{self.path}: {name} must be whole numbers or text, got Python objects, which are not read "
                f'since that runs code; save {name}.astype("U") or .astype("int64")'
            )
        return names

    def _parts(self, members: Mapping[str, _Array]) -> dict[str, tuple[str, str]]:
        """{part: names of its images and labels} for every part that the archive holds, checked by their headers."""
        names = [part for part in _PARTS if f"{part}_images" in members]
        found = {part: (f"{part}_images", f"{part}_labels") for part in names} or {"": ("images", "labels")}
        if ("train" not in found and "" not in found) or any(
            key not in members for keys in found.values() for key in keys
        ):
            raise UserError(
                f"{self.path}: must hold train_images and train_labels (val_ and test_ likewise), found "
                f"{one_line(', '.join(members), 200) or 'no array'}; rename the arrays"
            )
        for images, labels in found.values():
            check_pixels(members[images].dtype, members[images].shape, f"{self.path}: {images}")
            self._plain(members, [labels])
        return found


@dataclass(frozen=True)
class _Array:
    """An array of the archive, by its header."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def _members(archive: zipfile.ZipFile) -> dict[str, _Array]:
    """By name. Only headers are read, and must promise what the archive says that it holds."""
    found: dict[str, _Array] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in found:
            raise ValueError(f"it holds {quoted(name)} twice")
        if name not in (*_ARRAYS, "classes") or name == info.filename:
            found[name] = _Array(info, (), np.dtype(object))  # never read
            continue
        with archive.open(info) as file:
            shape, _, dtype = _header(file)
            found[name] = _Array(info, shape, dtype)
            if not dtype.hasobject and found[name].size != info.file_size - file.tell():
                raise ValueError(
                    f"{name} promises {found[name].size:,} bytes and holds {info.file_size - file.tell():,}"
                )
    return found


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether its columns come first, type)."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    return read[np.lib.format.read_magic(file)](file)


def _read(archive: zipfile.ZipFile, member: _Array) -> NDArray[Any]:
    with archive.open(member.info) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))  # reading runs no code


def _read_into(archive: zipfile.ZipFile, member: _Array, out: NDArray[np.uint8]) -> None:
    """Without a copy, unless the array's columns come first."""
    with archive.open(member.info) as file:
        if _header(file)[1]:
            out[...] = _read(archive, member).reshape(out.shape)
            return
        for start in range(0, out.nbytes, _CHUNK):
            chunk = file.read(min(_CHUNK, out.nbytes - start))
            out.reshape(-1)[start : start + len(chunk)] = np.frombuffer(chunk, np.uint8)
        if file.read(1):  # at the end the checksum is compared
            raise ValueError("it holds more than its header says")


def _named(values: NDArray[Any], names: NDArray[Any]) -> NDArray[Any]:
    """The names of the labels, if they are rows of ``names``, as in what ``ganaug synth --format npz`` writes."""
    is_fitting = values.dtype.kind == "i" and names.ndim == 1 and names.dtype.kind in "US" and len(values)
    if not is_fitting or values.min() < 0 or values.max() >= len(names):
        return values
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8", errors="backslashreplace")
    return np.asarray(names[values])
