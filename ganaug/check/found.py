"""What was found, as a page, a table and a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.check.judge import Judged
from ganaug.errors import UserError, one_line
from ganaug.report.grids import grid
from ganaug.report.page import data_uri, environment

PAGE, TABLE = "check.html", "check.csv"
_SHOWN, _SAID = 60, 5  # images of a kind on the page, and on the terminal
_COLUMNS = ("file", "flagged", "class", "looks_like", "label_doubt", "unlike", "gan")


def check_free(out: Path) -> None:
    """Raises UserError unless ``out`` is a new or an empty folder, or has what an earlier check wrote and no more."""
    held = [one.name for one in out.iterdir()] if out.is_dir() else []
    if out.is_symlink() or (out.exists() and not out.is_dir()) or set(held) - {PAGE, TABLE}:
        raise UserError(f"--out: must be a new folder, or one of an earlier check, but {out} is none; name another")


@dataclass(frozen=True)
class Found:
    """Of N images; ``gan`` is {row: f-AnoGAN's score} of some, 1 for what is usual."""

    files: Sequence[str]
    images: NDArray[np.uint8]  # (N, H, W, C)
    classes: Sequence[str]
    labels: NDArray[np.int64] | None  # (N,)
    judged: Judged
    gan: dict[int, float] = field(default_factory=dict)

    @property
    def mislabelled(self) -> NDArray[np.bool_]:
        """(N,), whose label looks wrong."""
        return self.judged.doubts.flagged if self.judged.doubts else np.zeros(len(self.files), bool)

    @property
    def share(self) -> float:
        """Of the images, those that are flagged as either."""
        return float((self.mislabelled | self.judged.is_unlike).mean())

    def order(self) -> NDArray[np.int64]:
        """The rows, the surest first: those that are flagged, by how much."""
        unlike = self.judged.unlike / (1 + self.judged.unlike)  # 0 to 1, one half where it is flagged
        doubt = self.judged.doubts.score if self.judged.doubts else np.zeros(len(unlike))
        flagged = self.mislabelled | self.judged.is_unlike
        return np.lexsort((np.array(self.files), -np.maximum(doubt, unlike), ~flagged))

    def table(self) -> list[dict[str, str]]:
        """A row per image, in order."""
        return [self._row(row) for row in self.order().tolist()]

    def _row(self, row: int) -> dict[str, str]:
        judged, doubts = self.judged, self.judged.doubts
        flagged = ["label"] * bool(self.mislabelled[row]) + ["unlike"] * bool(judged.is_unlike[row])
        looks_like = doubts.suggested[row] if doubts else judged.likeliest[row]
        values = (
            self.files[row],
            " ".join(flagged),
            self.classes[self.labels[row]] if self.labels is not None else "",
            self.classes[looks_like],
            f"{doubts.score[row]:.3f}" if doubts else "",
            f"{judged.unlike[row]:.3f}",
            f"{self.gan[row]:.2f}" if row in self.gan else "",
        )
        return dict(zip(_COLUMNS, values, strict=True))

    def write(self, out: Path, title: str) -> None:
        """The page, under the ``title``, and the table, into the folder ``out``."""
        kinds = {"label": self.mislabelled, "unlike": self.judged.is_unlike}
        order = self.order()
        sections = {kind: order[flagged[order]].tolist() for kind, flagged in kinds.items()}
        text = (
            environment()
            .get_template("check.html.j2")
            .render(
                title=title,
                count=len(self.files),
                labelled=self.labels is not None,
                by_gan=bool(self.gan),
                table=TABLE,
                sections={
                    kind: {"count": len(rows), "rows": [(self._row(row), self._picture(row)) for row in rows[:_SHOWN]]}
                    for kind, rows in sections.items()
                },
            )
        )
        with store.replacing(out, folder=True) as part:
            store.write_text(part / PAGE, text)
            store.write_csv(part / TABLE, _COLUMNS, [list(row.values()) for row in self.table()])

    def _picture(self, row: int) -> str:
        return data_uri(grid([self.images[row : row + 1]], scale_to=96))

    def said(self, title: str, out: str) -> str:
        """A summary, and the surest."""
        wrong, unlike = (int(one.sum()) for one in (self.mislabelled, self.judged.is_unlike))
        labels = f"{wrong:,} labels look wrong, " if self.labels is not None else ""
        lines = [f"{title}: of {len(self.files):,} images {labels}{unlike:,} are unlike the others"]
        for row in [one for one in self.table()[:_SAID] if one["flagged"]]:
            why = f"looks like {row['looks_like']}, not {row['class']}" if "label" in row["flagged"] else "unlike"
            lines.append(f"  {one_line(row['file'])}: {why}")
        return "\n".join([*lines, f"all of them: {out}/{PAGE}, {out}/{TABLE}"])
