"""A project's folders, its prepared images, and jobs side by side: what all stages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        return cls(Path(), config.load(Path("params.yaml")))

    @property
    def prepared(self) -> Path:
        return self.root / "data" / "prepared"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def synth(self) -> Path:
        return self.root / "data" / "synth"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def trials(self) -> Path:
        return self.reports / "trials"

    @property
    def fidelity(self) -> Path:
        return self.reports / "fidelity"

    @property
    def work(self) -> Work:
        return Work(self.root / ".ganaug")

    def generator(self, split: str) -> Path:
        return self.models / split / "generator.safetensors"


def prepared_with(project: Project) -> dict[str, Any]:
    """The settings that the prepared images depend on."""
    data: dict[str, Any] = config.plain(project.settings.data)
    del data["licence"]
    return {"data": data, "protocol": config.plain(project.settings.protocol)}


def prepared_now(project: Project) -> Prepared:
    """What ``prepare`` wrote, if it wrote it with the settings that params.yaml has now."""
    prepared = read_prepared(project.prepared)
    if prepared.made_with != prepared_with(project):
        raise UserError(
            f'{project.prepared}: was made with other settings of data or protocol than params.yaml; run "dvc repro -f"'
        )
    return prepared


def split_names(project: Project, prepared: Prepared, only: str | None) -> list[str]:
    """Every split of the protocol, or the one asked for; an unknown one is an error."""
    names = [only] if only is not None else project.settings.protocol.names()
    for name in names:
        prepared.split(name)
    return names


def in_parallel(project: Project, tasks: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> Iterable[Any]:
    """Results as they come, from ``jobs`` processes of one thread each."""
    import joblib

    jobs = min(len(tasks), _jobs(project.settings)) if tasks else 1
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        yield from joblib.Parallel(jobs, return_as="generator_unordered", batch_size=1)(
            joblib.delayed(function)(*arguments) for function, arguments in tasks
        )
    except TerminatedWorkerError:
        raise UserError(
            "jobs: a worker process was killed, as the system does when memory runs out; lower jobs, and run it again: "
            "it goes on where it was"
        ) from None


def _jobs(settings: Settings) -> int:
    """``jobs``, or one a core, or one on a GPU."""
    if settings.jobs:
        return settings.jobs
    from ganaug import device

    return processes(settings) if device.resolve(settings.device).type == "cpu" else 1


def processes(settings: Settings) -> int:
    """``jobs``, or one a core (the cores this process may use)."""
    import joblib

    return settings.jobs or joblib.cpu_count()
