"""A project's dvc.yaml, written from one template for every project."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from ganaug import store
from ganaug.classify.encoders import Torchvision
from ganaug.config import Settings
from ganaug.stages.watched import READ_BY


def dvc_yaml(settings: Settings, sections: Collection[str] = READ_BY["report"]) -> str:
    """The pipeline of a project with these settings. A source at a path is a dependency of ``prepare``.

    ``sections``: those that params.yaml has, since DVC fails at one that it lacks. Left out: all.
    """
    code, encoder = settings.classifier.code_path(), settings.fidelity.encoder
    trains_classifiers = settings.gan.select == "gan-train" or settings.gan_has_teachers
    paths: dict[str, Sequence[Path | None]] = {
        "watched": settings.data.watched(),
        "train_watched": [settings.gan.init_from, code if trains_classifiers else None],
        "classify_watched": [code, encoder.path if isinstance(encoder, Torchvision) else None],
    }
    watched = {stage: [_scalar(path) for path in of_stage if path] for stage, of_stage in paths.items()}
    params = {stage: [one for one in read if one in sections] for stage, read in READ_BY.items()}
    return store.template("dvc.yaml.j2").render(watched, params=params)


def _scalar(path: Path) -> str:
    """The path quoted for YAML and DVC, unless it is plain: ``yes``, ``2024`` and ``${x}`` are not text to them."""
    text = path.as_posix()
    is_plain = re.fullmatch(r"[\w./-]*/[\w./-]*", text, re.ASCII)
    return text if is_plain else json.dumps(text.replace("${", r"\${"), ensure_ascii=False)
