"""A project's folders, settings and prepared images: what all stages share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaug import config
from ganaug.config import Settings
from ganaug.data.prepared import Prepared, read_prepared
from ganaug.errors import UserError
from ganaug.stages.work import Work


@dataclass(frozen=True)
class Project:
    """A folder with params.yaml, and where its artifacts lie."""

    root: Path
    settings: Settings

    @classmethod
    def here(cls) -> Project:
        """The current directory."""
        return cls(Path(), config.load(Path("params.yaml")))

    @property
    def prepared(self) -> Path:
        """What ``prepare`` writes."""
        return self.root / "data" / "prepared"

    @property
    def models(self) -> Path:
        """The generators, a folder per split."""
        return self.root / "models"

    @property
    def synth(self) -> Path:
        """The synthetic images, a folder per split."""
        return self.root / "data" / "synth"

    @property
    def reports(self) -> Path:
        """The summary, the page and all below."""
        return self.root / "reports"

    @property
    def trials(self) -> Path:
        """What the classifiers said."""
        return self.reports / "trials"

    @property
    def fidelity(self) -> Path:
        """What was measured of the synthetic images."""
        return self.reports / "fidelity"

    @property
    def work(self) -> Work:
        """Finished work, kept by hash."""
        return Work(self.root / ".ganaug")

    def generator(self, split: str) -> Path:
        """The generator file of a split."""
        return self.models / split / "generator.safetensors"


def prepared_with(project: Project) -> dict[str, Any]:
    """The settings that the prepared images depend on."""
    data: dict[str, Any] = config.plain(project.settings.data)
    del data["licence"]
    return {"data": data, "protocol": config.plain(project.settings.protocol)}


def prepared_now(project: Project) -> Prepared:
    """What ``prepare`` wrote. Raises UserError if the settings of params.yaml are others now."""
    prepared = read_prepared(project.prepared)
    if prepared.made_with != prepared_with(project):
        raise UserError(
            f'{project.prepared}: was made with other settings of data or protocol than params.yaml; run "dvc repro -f"'
        )
    return prepared
