"""Cards beside exports: with what the generator's project knows of it, where it lies in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError
from ganaug.report.exported import Known, render
from ganaug.stages.gate import current_summary
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    from ganaug.synth.exported import Card


def card_of(model: Path) -> Card:
    """What writes the card of an export of the generator in the file ``model``."""
    return lambda exported: render(exported, _known(model, exported.description))


def _known(model: Path, description: Mapping[str, Any]) -> Known | None:
    """What the project in whose models/ the file lies knows of it; None if its release is another one by now."""
    if model.absolute().parts[-3:-1] != ("models", RELEASE):
        return None
    root = model.absolute().parents[2]
    try:
        project = Project(root, config.load(root / "params.yaml"))
        if SplitOf(project, RELEASE).train_key != description.get("key"):
            return None
        licence = project.settings.data.licence
    except (UserError, OSError):
        return None
    try:
        return Known(licence, current_summary(project))
    except (UserError, OSError):  # no report yet, or an old one
        return Known(licence, None)
