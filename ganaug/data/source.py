"""What every source of labelled images is: one class in a file of its own, entered in the union in sources.py."""

from dataclasses import dataclass
from pathlib import Path

from ganaug.data.labelled import Labelled
from ganaug.errors import UserError
from ganaug.settings import Spec


@dataclass(frozen=True)
class Source(Spec):
    """Where labelled images come from. A member adds ``kind``, its name in params.yaml, and its settings."""

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
