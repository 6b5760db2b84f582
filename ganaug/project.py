"""What makes a folder a project: its dvc.yaml, written from one template for every project."""

from __future__ import annotations

import sys
from pathlib import Path

from ganaug import config
from ganaug.config import Settings


def dvc_yaml(settings: Settings) -> str:
    """The pipeline of a project with these settings. A source that lies at a path is a dependency of ``prepare``."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("ganaug"), trim_blocks=True, keep_trailing_newline=True)
    path = getattr(settings.data.source, "path", None)
    return environment.get_template("dvc.yaml.j2").render(
        source_path=path and path.as_posix(), primary_metric=settings.report.primary_metric
    )


if __name__ == "__main__":  # python -m ganaug.project FOLDER ...: write dvc.yaml anew from each folder's params.yaml
    for folder in map(Path, sys.argv[1:]):
        (folder / "dvc.yaml").write_text(dvc_yaml(config.load(folder / "params.yaml")), encoding="utf-8")
