"""A project's folders, settings and prepared images: what all stages share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganaug import config
from ganaug.config import Settings
from ganaug.data.prepared import Prepared, read_prepared
from ganaug.errors import UserError
from ganaug.stages import watched
from ganaug.stages.work import Work
from ganaug.stages.workspaces import HIDDEN, place_of_work


@dataclass
class Project:
    """A folder with params.yaml, and where its artifacts lie."""

    root: Path
    settings: Settings

    def __post_init__(self) -> None:
        self.prepared = self.root / "data" / "prepared"  # what ``prepare`` writes
        self.models = self.root / "models"  # the generators, a folder per split
        self.synth = self.root / "data" / "synth"  # the synthetic images, a folder per split
        self.reports = self.root / "reports"  # the summary, the page and all below
        self.trials = self.reports / "trials"  # what the classifiers said
        self.fidelity = self.reports / "fidelity"  # what was measured of the synthetic images
        self.work = Work(place_of_work(self.root))  # finished work, kept by hash, of all workspaces

    @classmethod
    def here(cls, cluster: str | None = None) -> Project:
        """The current directory. ``cluster``: the address of one that comes before that of params.yaml. Raises
        UserError if params.yaml has a mistake, or DVC watches other keys or files than the stages read."""
        params = Path("params.yaml")
        settings = config.load(params)
        watched.check(settings, config.read(params), Path("dvc.yaml"))
        if cluster is not None:
            settings = replace(settings, cluster=config.ClusterSpec(cluster))
        return cls(Path(), settings)

    def alone(self, name: str, waits: str | None = None) -> AbstractContextManager[None]:
        """Hold the lock called ``name`` of what is written to this workspace; ``waits`` is printed if another run holds
        it. (``Work.alone`` is for finished work, which workspaces share.)"""
        return Work(self.root / HIDDEN).alone(name, waits)

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
