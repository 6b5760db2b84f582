"""What makes a folder a project: its dvc.yaml, written from one template for every project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganaug import config
from ganaug.config import Settings

if TYPE_CHECKING:
    from jinja2 import Template


def dvc_yaml(settings: Settings) -> str:
    """The pipeline of a project with these settings. A source that lies at a path is a dependency of ``prepare``."""
    return template("dvc.yaml.j2").render(
        watched=[path.as_posix() for path in settings.data.source.watched()], classifier=settings.classifier.code_path()
    )


def template(name: str) -> Template:
    """A text template of the package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ganaug"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(name)


if __name__ == "__main__":  # python -m ganaug.project FOLDER ...: write dvc.yaml anew from each folder's params.yaml
    for folder in map(Path, sys.argv[1:]):
        (folder / "dvc.yaml").write_text(dvc_yaml(config.load(folder / "params.yaml")), encoding="utf-8")
