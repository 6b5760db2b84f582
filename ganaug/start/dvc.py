"""A project's dvc.yaml, written from one template for every project."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganaug import config, store
from ganaug.classify.encoders import Torchvision
from ganaug.config import Settings
from ganaug.errors import UserError

if TYPE_CHECKING:
    from jinja2 import Template


def dvc_yaml(settings: Settings) -> str:
    """The pipeline of a project with these settings. A source at a path is a dependency of ``prepare``."""
    return template("dvc.yaml.j2").render(
        watched=[_scalar(path) for path in settings.data.watched()],
        train_watched=[_scalar(path) for path in _train_watches(settings)],
        classify_watched=[_scalar(path) for path in _classify_watches(settings)],
    )


def _train_watches(settings: Settings) -> list[Path]:
    """What a training depends on besides the images: its initial weights, and the code of classifiers that it uses."""
    asks = settings.gan.select == "gan-train" or settings.gan_has_teachers
    code = settings.classifier.code_path() if asks else None
    return [path for path in (settings.gan.init_from, code) if path]


def _classify_watches(settings: Settings) -> list[Path]:
    """The code of the classifier, and the weights whose features images are compared in."""
    encoder = settings.fidelity.encoder
    weights = encoder.path if isinstance(encoder, Torchvision) else None
    return [path for path in (settings.classifier.code_path(), weights) if path]


def _scalar(path: Path) -> str:
    """The path quoted for YAML and DVC, unless it is plain: ``yes``, ``2024`` and ``${x}`` are not text to them."""
    text = path.as_posix()
    is_plain = re.fullmatch(r"[\w./-]*/[\w./-]*", text, re.ASCII)
    return text if is_plain else json.dumps(text.replace("${", r"\${"), ensure_ascii=False)


def template(name: str) -> Template:
    """A text template of the package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ganaug"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(name)


def main() -> None:
    """Write dvc.yaml again from the params.yaml of each folder that the command line names."""
    for folder in map(Path, sys.argv[1:]):
        try:
            with contextlib.chdir(folder):  # paths in the settings start there
                store.write_text(Path("dvc.yaml"), dvc_yaml(config.load(Path("params.yaml"))))
        except UserError as error:
            sys.exit(f"ganaug: {folder}: {error}")


if __name__ == "__main__":
    main()
