"""A project's dvc.yaml, written from one template for every project."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganaug import config, store
from ganaug.config import Settings
from ganaug.stages.watched import WHOLE, read_by


def dvc_yaml(settings: Settings, raw: Mapping[str, Any] | None = None) -> str:
    """The pipeline of a project with these settings. Each stage lists what it reads under them: keys of params.yaml,
    and as dependencies the source's path and other files.

    ``raw``: params.yaml as plain values, since DVC fails at a key that it lacks. Left out: it has all.
    """
    reads = read_by(settings, config.plain(settings) if raw is None else raw)
    deps = {stage: [_scalar(path) for path in one.files] for stage, one in reads.items()}
    deps["prepare"] = [_scalar(path) for path in settings.data.watched()]
    params = {stage: [one if one != WHOLE else "params.yaml:" for one in of.keys] for stage, of in reads.items()}
    translates = settings.gan.translate is not None
    return store.template("dvc.yaml.j2").render(deps=deps, params=params, translates=translates)


def _scalar(path: Path) -> str:
    """The path quoted for YAML and DVC, unless it is plain: ``yes``, ``2024`` and ``${x}`` are not text to them."""
    text = path.as_posix()
    is_plain = re.fullmatch(r"[\w./-]*/[\w./-]*", text, re.ASCII)
    return text if is_plain else json.dumps(text.replace("${", r"\${"), ensure_ascii=False)
