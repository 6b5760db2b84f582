"""What every source of labelled images is: one class in a file of its own, entered in the union in sources.py."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import Field

from ganaug.data.labelled import Labelled
from ganaug.data.pictures import LARGEST_MIB, LIMIT
from ganaug.errors import UserError
from ganaug.settings import Spec


@dataclass(frozen=True)
class Source(Spec):
    """Where labelled images come from. A member adds ``kind``, its name in params.yaml, and its settings."""

    largest_mib: Annotated[int, Ge(1), Le(2**20), Field(exclude=True)] = field(default=LARGEST_MIB, kw_only=True)
    """Memory that reading one file may take, in MiB: a small file may hold much. No figure depends on it."""

    @property
    def may_have_conditions(self) -> bool:
        """Whether its images may have conditions, as far as the settings tell."""
        return False

    def title(self) -> str:
        """The name of the data set, for headings and the model card."""
        raise NotImplementedError

    def watched(self) -> list[Path]:
        """The files and folders that DVC watches: the images depend on them."""
        return []

    def load(self) -> Labelled:
        """Every image with its label. Raises UserError if the source is missing or broken."""
        raise NotImplementedError

    def where(self) -> str:
        """What error messages call the source."""
        return "data.source"


@dataclass(frozen=True)
class PathSource(Source):
    """A source that lies at one path."""

    path: Path
    """The file or folder, relative to the project or absolute."""

    def title(self) -> str:
        return self.path.stem

    def watched(self) -> list[Path]:
        return [self.path]

    def where(self) -> str:
        return str(self.path)

    def _check_is(self, rule: str, fits: bool) -> None:
        """Raises UserError, which says what the path must be by the ``rule``, unless it ``fits``."""
        if not fits:
            found = "is not there" if not self.path.exists() else "is a folder" if self.path.is_dir() else "is a file"
            raise UserError(f"data.source.path: must be {rule}, got {self.path}, which {found}; correct the path")

    def _check_fits(self, file: Path, size: int) -> None:
        """Raises UserError if what is in the ``file``, of ``size`` bytes once read, takes more memory than it may."""
        if size > self.largest_mib * 2**20:
            raise UserError(
                f"{file}: must take at most {self.largest_mib} MiB of memory, but reading it would take "
                f"{size / 2**20:,.0f}; raise {LIMIT}, or use a smaller set"
            )


def with_targets(watched: Sequence[Path], read: Iterable[Path]) -> list[Path]:
    """``watched``, and the folders that are ``read`` outside of them, by links: DVC follows none below what it watches.

    Relative where the first path is. Nothing twice, and nothing that lies in another one.
    """
    found, held = list(watched), [Path(os.path.realpath(path)) for path in watched]
    for real in sorted({Path(os.path.realpath(path)) for path in read}):
        if not any(real.is_relative_to(one) for one in held):
            found.append(real if found[0].is_absolute() else Path(os.path.relpath(real)))
            held.append(real)
    return found


def check_links(watched: Iterable[Path]) -> None:
    """Raises UserError if a link in one of the ``watched`` folders leads nowhere: DVC would stop at it."""
    for top in watched:
        for place, _, names in os.walk(top):
            for path in (Path(place, name) for name in names):
                if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 (no error where links go in a circle)
                    raise UserError(
                        f"{path}: is a link to {path.readlink()}, which is not there, and DVC would stop at it; "
                        "restore what it leads to, or remove the link"
                    )
