"""What ``ganaug.evaluate`` gives back: the answer of a finished run, its figures, its page and its generator."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, store
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError
from ganaug.report import answer, terminal
from ganaug.stages.gate import day, read_summary, told
from ganaug.stages.project import Project

if TYPE_CHECKING:
    import pandas as pd

    from ganaug.synth.generator import Generator
    from ganaug.synth.translator import Translator

_PAGE = ("report.html", "timings.js", "timings.json", "MODEL_CARD.md", "summary.json")
_OF_GAIN = ("mean", "ci_low", "ci_high", "p_value", "trials", "answer")


class Verdict:
    """The verdict on a finished run in the project ``folder``: that of ``ganaug.evaluate``, or any other.

    Raises UserError if there is no finished run.
    """

    def __init__(self, folder: str | Path) -> None:
        root = Path(folder).resolve()
        self._project = Project(root, config.load(root / "params.yaml"))
        self.folder = root
        self.summary: dict[str, Any] = read_summary(self._project)
        """All figures, as summary.json has them."""
        self._found = answer.answer(self.summary)

    @property
    def answer(self) -> str | None:
        """``use``, ``do not use`` or ``cannot tell``; None where no arm with GAN images was run."""
        return self._found.word if self._found else None

    @property
    def title(self) -> str:
        """The answer as its card has it: ``Use them``."""
        return self._found.title if self._found else "No arm with GAN images was run."

    @property
    def reason(self) -> str:
        """The sentence below the title, with the gain that decides and its confidence interval."""
        return self._found.reason if self._found else ""

    @cached_property
    def gains(self) -> pd.DataFrame:
        """A row for each gain and metric: ``gain``, ``metric``, ``mean`` in percentage points, ``ci_low``, ``ci_high``,
        ``p_value``, ``trials``, ``answer``."""
        import pandas as pd

        rows = [
            {"gain": gain, "metric": metric, **{key: figure[key] for key in _OF_GAIN}}
            for gain, figures in self.summary["gains"].items()
            for metric, figure in figures.items()
        ]
        return pd.DataFrame(rows, columns=["gain", "metric", *_OF_GAIN])

    @cached_property
    def arms(self) -> pd.DataFrame:
        """A row for each arm and metric: ``arm``, ``metric``, ``mean`` in percent, ``sd`` over trials."""
        import pandas as pd

        rows = [
            {"arm": arm, "metric": metric, **figure}
            for arm, figures in self.summary["arms"].items()
            for metric, figure in figures.items()
        ]
        return pd.DataFrame(rows, columns=["arm", "metric", "mean", "sd"])

    @cached_property
    def generator(self) -> Generator | Translator:
        """The generator that learned from all images, or the translator."""
        from ganaug.synth.load import load

        return load(self._project.generator(RELEASE))

    def to_json(self) -> str:
        """The text of summary.json."""
        return (self._project.reports / "summary.json").read_text(encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """The answer as ``ganaug verdict --json`` prints it."""
        return told(self._project, self.summary)

    def report(self, out: str | Path) -> Path:
        """Write report.html, MODEL_CARD.md and summary.json to the folder ``out``; returns the page's path.

        Raises UserError if other files of these names are there, or it cannot be a folder.
        """
        folder, reports = Path(out), self._project.reports
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: must be a folder, or a new one, but is a file; name another")
        files = {name: (reports / name).read_bytes() for name in _PAGE}
        for name, data in files.items():
            path = folder / name
            if path.exists() and (not path.is_file() or path.read_bytes() != data):
                raise UserError(f"{folder}: holds another {name}, and nothing is overwritten; name another folder")
        for name, data in files.items():
            with store.replacing(folder / name) as part:
                part.write_bytes(data)
        return folder / _PAGE[0]

    def __repr__(self) -> str:
        if self._found is None:
            return self.title
        out = io.StringIO()
        terminal.card(self._found, self.summary, day(self._project, self.summary), out)
        return out.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        from ganaug.report import page
        from ganaug.stages import sheets
        from ganaug.stages.split import SplitOf

        examples = sheets.examples(SplitOf(self._project, RELEASE))
        return page.card(self.summary, examples, day(self._project, self.summary))
