"""What was found, as a page, a table and a few lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.check.judge import Judged
from ganaug.errors import UserError, one_line
from ganaug.report.grids import grid
from ganaug.report.page import data_uri, environment

PAGE, TABLE = "check.html", "check.csv"
_SHOWN, _SAID = 60, 5  # images of a kind on the page, and on the terminal


def check_free(out: Path) -> None:
    """Raises UserError unless ``out`` is a new or an empty folder, or has what an earlier check wrote and no more."""
    held = {one.name for one in out.iterdir()} if out.is_dir() else set()
    if out.is_symlink() or (out.exists() and not out.is_dir()) or held - {PAGE, TABLE}:
        raise UserError(f"--out: must be a new folder, or one of an earlier check, but {out} is none; name another")


@dataclass(frozen=True)
class Found:
    """Of N images; ``gan`` is {row: f-AnoGAN's score} of some, where 1 is usual."""

    files: Sequence[str]
    images: NDArray[np.uint8]  # (N, H, W, C)
    labels: NDArray[np.int64] | None  # (N,)
    classes: Sequence[str]
    judged: Judged
    gan: Mapping[int, float] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]:
        """{what looks odd: (of which images, how sure that is, 0 to 1), each (N,)}"""
        doubts, unlike = self.judged.doubts, self.judged.unlike
        of_labels = {"label": (doubts.flagged, doubts.score)} if doubts else {}
        return {**of_labels, "unlike": (unlike > 1, unlike / (1 + unlike))}

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """(N,), as anything."""
        return np.asarray(np.any([flagged for flagged, _ in self.kinds.values()], axis=0))

    def order(self) -> NDArray[np.int64]:
        """The rows, the surest first."""
        sure = np.max([sure for _, sure in self.kinds.values()], axis=0)
        return np.lexsort((np.array(self.files), -sure, ~self.flagged))

    def row(self, row: int) -> dict[str, Any]:
        """Of the table."""
        doubts = self.judged.doubts
        return {
            "file": self.files[row],
            "flagged": " ".join(kind for kind, (flagged, _) in self.kinds.items() if flagged[row]),
            "class": "" if self.labels is None else self.classes[self.labels[row]],
            "looks_like": self.classes[(doubts.suggested if doubts else self.judged.likeliest)[row]],
            "label_doubt": f"{doubts.score[row]:.3f}" if doubts else "",
            "unlike": f"{self.judged.unlike[row]:.3f}",
            "gan": f"{self.gan[row]:.2f}" if row in self.gan else "",
        }

    def write(self, out: Path, title: str) -> None:
        """The page, under the ``title``, and the table, into the folder ``out``."""
        rows = [self.row(row) for row in self.order().tolist()]
        counts = {kind: int(flagged.sum()) for kind, (flagged, _) in self.kinds.items()}
        kinds = {
            kind: [(self.row(row), data_uri(grid([self.images[row : row + 1]], 96))) for row in chosen.tolist()]
            for kind, (flagged, sure) in self.kinds.items()
            for chosen in [np.argsort(-sure - flagged, kind="stable")[: min(_SHOWN, counts[kind])]]
        }
        page = environment().get_template("check.html.j2")
        with store.replacing(out, folder=True) as part:
            text = page.render(title=title, count=len(rows), kinds=kinds, counts=counts, gan=self.gan, table=TABLE)
            store.write_text(part / PAGE, text)
            store.write_csv(part / TABLE, list(rows[0]), [list(row.values()) for row in rows])

    def said(self, title: str, out: str) -> str:
        """A summary, and the surest."""
        counts = {kind: f"{flagged.sum():,}" for kind, (flagged, _) in self.kinds.items()}
        labels = f"{counts['label']} labels look wrong, " if "label" in counts else ""
        lines = [f"{title}: of {len(self.files):,} images, {labels}{counts['unlike']} are unlike the others"]
        for row in filter(lambda row: row["flagged"], map(self.row, self.order()[:_SAID].tolist())):
            why = f"looks like {row['looks_like']}, not {row['class']}" if "label" in row["flagged"] else "unlike"
            lines.append(f"  {one_line(row['file'])}: {why}")
        return "\n".join([*lines, f"all: {out}/{PAGE}, {out}/{TABLE}"])
