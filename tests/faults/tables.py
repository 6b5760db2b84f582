"""Reader of a table of images: CSV, TSV and Parquet."""

import csv
import datetime
import decimal
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from ganaug.data.table import Table

from .mutations import as_json, changed, damaged
from .reader import Reader
from .sources import noise, prepared

_CELLS = [
    "", " ", "nan", "NA", "1.0", "1e400", "../x.png", "/etc/passwd", "a\nb", 'q"uote', "a,b", "\0", "x" * 300,
    "x" * 5000, "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\u202e", "é", "train", "TEST", "val", "0.png",
    "1.png", "0.PNG", ".", "..", "a/b", "a\\b", "CON", "\x1b[31m", "%2e%2e", "\u2028", "~", "$x^2$", "{{7*7}}", "true",
    "12345678901234567890", "\uff11", "0.png/", "./0.png", "//0.png",
]  # fmt: skip
_TITLES = ["file", "label", "", "FILE", "file ", "a\nb", "x" * 500, "\ufefffile", "Unnamed: 0"]
_COLUMNS: list[dict[str, Any]] = [
    {}, {}, {}, {"split": None}, {"group": None}, {"file": "label"}, {"group": "label"}, {"split": "label"},
    {"label": "nope"}, {"group": "nope"},
]  # fmt: skip
_COUNT = 12  # rows

Rows = list[list[str]]


class TableFile(Reader):
    """The source ``table``: CSV, TSV and Parquet."""

    name = "table"

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        folder = home / "pictures"
        folder.mkdir()
        for row, image in enumerate(noise(_COUNT, 8, 8)):
            Image.fromarray(image).save(folder / f"{row}.png")

    def rows(self) -> Rows:
        return [[f"{row}.png", "ab"[row % 2], "train" if row < 8 else "test", f"g{row}"] for row in range(_COUNT)]

    def whole(self) -> tuple[str, bytes, dict[str, Any]]:
        return "csv", self._text([["file", "label", "split", "group"], *self.rows()], ","), {}

    def make(self, rng: random.Random) -> tuple[str, bytes, dict[str, Any]]:
        columns = rng.choice([2, 2, 3, 4])
        header, rows = ["file", "label", "split", "group"][:columns], [row[:columns] for row in self.rows()]
        for _ in range(rng.choice([0, 1, 1, 2, 4])):
            row, way = rng.choice(rows), rng.randrange(6)
            if way <= 3 and row:
                row[rng.randrange(len(row))] = rng.choice(_CELLS)
            elif way == 4:
                row[:] = rng.choice([[*row, "more"], row[:-1], [], row * 2])
            elif rng.random() < 0.5:
                header[rng.randrange(columns)] = rng.choice(_TITLES)
        if rng.random() < 0.2:  # a class of that name
            cell = rng.choice(_CELLS)
            rows = [[*row[:1], cell, *row[2:]] if number % 2 else row for number, row in enumerate(rows)]
        ending = rng.choice(["csv", "csv", "tsv", "parquet"])
        write = self._parquet if ending == "parquet" else self._csv
        data = write(rng, header, rows, ending)
        return ending, damaged(rng, data) if rng.random() < 0.3 else data, rng.choice(_COLUMNS)

    def _csv(self, rng: random.Random, header: list[str], rows: Rows, ending: str) -> bytes:
        separator = "\t" if ending == "tsv" else ","
        if rng.random() < 0.5:  # nothing quoted
            data = "".join(separator.join(row) + "\n" for row in [header, *rows]).encode()
        else:
            data = self._text([header, *rows], separator, rng.choice(["\n", "\r\n", "\r"]))
        return data.decode().encode(rng.choice(["utf-8"] * 8 + ["utf-16", "latin-1", "utf-8-sig"]), "replace")

    def _text(self, rows: Rows, separator: str, end: str = "\n") -> bytes:
        out = io.StringIO()
        csv.writer(out, delimiter=separator, lineterminator=end).writerows(rows)
        return out.getvalue().encode()

    def _parquet(self, rng: random.Random, header: list[str], rows: Rows, ending: str) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = [(row + [""] * len(header))[: len(header)] for row in rows]
        values = [[row[at] for row in whole] for at in range(len(header))]
        arrays = [_column(rng, column) if rng.random() < 0.3 else pa.array(column) for column in values]
        table = pa.table(arrays, names=[title or "x" for title in header])
        if rng.random() < 0.2:
            column = {"name": "file", "field_name": "file", "pandas_type": "unicode", "numpy_type": "object"}
            about = {"index_columns": ["file"], "column_indexes": [], "columns": [column], "pandas_version": "2.0"}
            table = table.replace_schema_metadata({b"pandas": as_json(changed(rng, about))})
        out = io.BytesIO()
        pq.write_table(table, out, compression=rng.choice(["snappy", "gzip", "none", "zstd"]))
        return out.getvalue()

    def read(self, made: tuple[str, bytes, dict[str, Any]]) -> None:
        ending, data, columns = made
        path = self.home / "pictures" / f"table.{ending}"
        path.write_bytes(data)
        prepared(Table(path, **columns))


def _column(rng: random.Random, values: list[str]) -> Any:
    """The cells, or as many others, in one of Parquet's types."""
    import pyarrow as pa

    count = len(values)
    columns: list[Callable[[], Any]] = [
        lambda: pa.array(values).dictionary_encode(),
        lambda: pa.array([value.encode() for value in values], pa.binary()),
        lambda: pa.array([b"\xff\xfe" + value.encode() for value in values], pa.binary()),
        lambda: pa.array([[value] for value in values]),
        lambda: pa.array([{"a": value} for value in values]),
        lambda: pa.array(list(range(count))),
        lambda: pa.array([float(row) if row % 3 else None for row in range(count)]),
        lambda: pa.array([datetime.datetime(2020, 1, 1 + row) for row in range(count)]),
        lambda: pa.array([decimal.Decimal(row) for row in range(count)]),
        lambda: pa.array([row % 2 == 0 for row in range(count)]),
        lambda: pa.nulls(count),
    ]
    return rng.choice(columns)()
