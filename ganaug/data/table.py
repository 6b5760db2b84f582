"""Images listed in a table: a CSV or Parquet file with a column of files and one of labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from ganaug.data.labelled import Labelled, label_rows
from ganaug.data.source import PathSource, with_targets
from ganaug.errors import UserError, one_line
from ganaug.extras import need
from ganaug.settings import Later

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".tsv", ".parquet", ".pq")
_CONDITION = "condition"  # a column of this name is read only where it is named: that it is there is said
_CELL = 16  # bytes of memory, at most, for a byte of CSV; an eighth of those for a cell of Parquet
_TRAIN, _TEST = ("train", "val", "valid", "validation"), ("test",)


@dataclass(frozen=True)
class Table(PathSource):
    """One row per image. Relative files start from the table's folder; all columns but file and label are optional.

    ``split`` is train, val or test (val joins the train part). Images of one ``group``, such as a patient, never fall
    on both sides of a split. Any column may have another name; null leaves ``split`` or ``group`` unused. ``condition``
    is used where it is named.
    """

    kind: Literal["table"] = "table"
    file: str = "file"
    """The column of files, relative to the table's folder or absolute."""
    label: str = "label"
    """The column of class names."""
    split: str | None = "split"
    """The column of train, val or test; null: there is none."""
    group: str | None = "group"
    """The column of groups, such as patients, whose images stay on one side of a split; null: there is none."""
    condition: Annotated[str | None, Later] = None
    """The column of conditions that images were taken under, such as cameras or scanners. Left out: there is none."""

    @property
    def may_have_conditions(self) -> bool:
        return self.condition is not None

    def watched(self) -> list[Path]:
        """The table and the folders that its files lie in, also by links; a file next to the table itself."""
        names = self._column(self._read(), self.file, "file")
        self._paths(names)  # an error in them is reported before they are used
        files = [Path(file) for file in names]
        places = {self.path.parent / file.parts[0] if not file.is_absolute() else file.parent for file in files}
        return with_targets(
            [self.path, *sorted(places)], {(self.path.parent / file).parent for file in files if len(file.parts) > 1}
        )

    def load(self) -> Labelled:
        table = self._read()
        names = self._column(table, self.file, "file")
        classes, labels = label_rows(self._column(table, self.label, "label"), where=str(self.path))
        splits = self._optional(table, self.split, default="split")
        tests = [self._is_test(row, word) for row, word in enumerate(splits)] if splits else [False] * len(names)
        unread = self.condition is None and _CONDITION in table.columns
        return Labelled(
            classes=classes,
            images=self._paths(names),
            labels=labels,
            files=[one_line(name) for name in names],
            official_test=np.array(tests, bool),
            groups=self._optional(table, self.group, default="group"),
            conditions=self._optional(table, self.condition, default="condition"),
            notes=[f"Column {_CONDITION} is not read; name it in data.source.condition (ganaug init: --condition)"]
            * unread,
        )

    def _read(self) -> pd.DataFrame:
        import pandas as pd

        self._check_is(f"a table ({', '.join(ENDINGS)})", self.path.is_file())
        try:
            if self.path.suffix.lower() in (".parquet", ".pq"):
                table = self._read_parquet()
            else:
                self._check_fits(self.path, _CELL * self.path.stat().st_size)
                if b"\0" in self.path.read_bytes():  # pandas before 3.1 ends a cell there
                    raise UserError(f"{self.path}: must be a table of UTF-8 text, got a zero byte; correct it")
                separator = "\t" if self.path.suffix.lower() == ".tsv" else ","
                with warnings.catch_warnings():
                    warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header loses cells
                    table = pd.read_csv(
                        self.path,
                        sep=separator,
                        dtype=str,
                        keep_default_na=False,
                        encoding="utf-8-sig",
                        index_col=False,
                    )
        except UserError:
            raise
        except Exception as error:  # a broken table may make its reader raise anything
            reason = one_line(" ".join(str(error).split()), 200) or type(error).__name__
            if isinstance(error, pd.errors.ParserWarning):
                reason = "a row has more cells than the header"
            raise UserError(
                f"{self.path}: must be a table of UTF-8 text or Parquet, but {reason}; correct it"
            ) from None
        if not len(table):
            raise UserError(f"{self.path}: must list at least one image, got no rows; add them")
        return table

    def _read_parquet(self) -> pd.DataFrame:
        """The columns that are used; all are empty if one is missing. A few bytes may stand for any number of rows."""
        need("pyarrow", extra="parquet", what=f"a Parquet table such as {self.path.name}")
        import pandas as pd
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        asked = {self.file, self.label, self.split, self.group, self.condition}
        with pq.ParquetFile(self.path) as file:
            known, about = file.schema_arrow.names, file.metadata
            used = [name for name in known if name in {*asked, _CONDITION}]
            # Of whole groups of rows: asked for a damaged column's size, pyarrow ends the process.
            held = sum(about.row_group(at).total_byte_size for at in range(about.num_row_groups))
            self._check_fits(self.path, 4 * held + 8 * _CELL * about.num_rows * len(used))
        if not asked - {None, "split", "group"} <= set(used):
            return pd.DataFrame({name: [""] for name in known})  # it is said which one is missing
        return pd.read_parquet(self.path, engine="pyarrow", columns=used, read_dictionary=used)

    def _column(self, table: pd.DataFrame, name: str, key: str, hint: str = "") -> list[str]:
        """The column's values as text, none of them missing; ``key`` in data.source that names it."""
        import pandas as pd

        if name not in table.columns:
            known = one_line(", ".join(map(str, table.columns)), 200)
            raise UserError(
                f'{self.path}: must have a column "{name}", found {known}; rename one, or name it in '
                f"data.source.{key} (ganaug init: --{key})"
            )
        try:
            cells = table[name].tolist()
        except Exception as error:  # Parquet's text is decoded when it is asked for
            reason = one_line(str(error), 100)
            raise UserError(f'{self.path}: column "{name}" must hold UTF-8 text, but {reason}; correct it') from None
        if not all(map(pd.api.types.is_scalar, cells)):
            raise UserError(f'{self.path}: column "{name}" must hold text or numbers, got lists or records; correct it')
        values = [_as_text(cell) for cell in cells]
        missing = [row for row, value in enumerate(values) if not value]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise UserError(
                f'{self.path}: column "{name}" must have a value in every row, but it is missing in data row '
                f"{missing[0] + 1}{more}; fill it in or remove the row{hint}"
            )
        return values

    def _optional(self, table: pd.DataFrame, name: str | None, default: str) -> list[str] | None:
        if name is None or (name == default != _CONDITION and name not in table.columns):
            return None
        hint = f', or leave the column out (data.source.{default}: null; ganaug init: --{default} "")'
        return [one_line(value) for value in self._column(table, name, default, hint)]

    def _is_test(self, row: int, word: str) -> bool:
        if word.casefold() not in _TRAIN + _TEST:
            raise UserError(
                f'{self.path}: column "{self.split}" must say {", ".join(_TRAIN + _TEST)}, got "{one_line(word, 40)}" '
                f"in data row {row + 1}; correct it"
            )
        return word.casefold() in _TEST

    def _paths(self, files: Sequence[str]) -> list[Path]:
        folder = self.path.parent
        for row, file in enumerate(files):
            if ".." in PurePath(file.replace("\\", "/")).parts and not PurePath(file).is_absolute():
                raise UserError(
                    f'{self.path}: relative files must stay in the table\'s folder, got "{one_line(file, 80)}" in data '
                    f"row {row + 1}; move the table up, or write absolute paths"
                )
            if "\0" in file:
                raise UserError(f"{self.path}: files must be paths, got a zero byte in data row {row + 1}; correct it")
        paths = [folder / file for file in files]
        # False, too, where a name is too long for any file, which is an error to Path.is_file.
        missing = [(row, file) for row, file in enumerate(files) if not os.path.isfile(paths[row])]  # noqa: PTH113
        if missing:
            said = [f"{one_line(file, 80)} (data row {row + 1}{_link(paths[row])})" for row, file in missing[:3]]
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise UserError(
                f"{self.path}: every file must be there, but {len(missing)} of {len(files)} are missing: "
                f"{', '.join(said)}{more}; correct the column or restore the files"
            )
        return paths


def _as_text(value: Any) -> str:
    """Parquet columns hold numbers and nulls; 3.0 is the label 3."""
    import pandas as pd

    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace").strip()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _link(path: Path) -> str:
    if not os.path.islink(path):  # noqa: PTH114 (a name too long for any file is an error to Path.is_symlink)
        return ""
    return f", a link to {one_line(str(path.readlink()), 80)}, which is not there"
