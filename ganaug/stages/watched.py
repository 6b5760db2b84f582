"""What DVC watches: whether dvc.yaml lists what the stages read under the settings of params.yaml, and no key that
params.yaml lacks.

What a stage reads depends on the settings: the GAN's training reads the classifier's only where a classifier has a say
in it. dvc.yaml, written from the settings, lists that and no more, so a changed classifier runs no training. Settings
that make a stage read more are refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ganaug import yaml_text
from ganaug.classify.arms import ARMS
from ganaug.classify.encoders import Torchvision
from ganaug.classify.ways import WAYS
from ganaug.config import WHERE, Settings
from ganaug.errors import UserError, one_line

WHOLE = "*"  # the whole file
_ALL = tuple(sorted(field.name for field in fields(Settings) if field.name not in WHERE))
_DEFAULTS = {"gate": "[]", "protocol": "{kind: subsets}"}  # as params.yaml says them; of the others: {}
_AGAIN = 'run "ganaug sync" to have dvc.yaml written again'


@dataclass(frozen=True)
class Reads:
    """What a stage reads beside the outputs of others: keys of params.yaml, such as ``synth.filters``, and files."""

    keys: tuple[str, ...]
    files: tuple[Path, ...] = ()


def read_by(settings: Settings, raw: Mapping[str, Any]) -> dict[str, Reads]:
    """{stage: what it reads under ``settings``}. Of ``raw``, params.yaml as plain values, the keys that are there: DVC
    fails at one that is not. Places of images are left to ``check_places``."""
    filters, gan, classifier = settings.synth.screening(), settings.gan, settings.classifier
    recognised = gan.translate is not None and gan.translate.recognises
    # Does a classifier say what it learns?
    learned_by_gan = gan.select == "gan-train" or settings.gan_has_teachers or recognised
    control = any(ARMS[name].filler == "unadversarial" for name in settings.classify.arms)  # which classify trains
    lent = any(WAYS[way].trained for name in settings.classify.arms if (way := ARMS[name].way))  # D, to a classifier
    own_code = [classifier.code_path()] if classifier.is_own else []
    encoder = settings.fidelity.encoder
    keys = {
        "prepare": [*_without(raw, "data", "licence"), "protocol"],
        "train": [
            *_without(raw, "gan", "save_seconds"),
            *(["classifier"] if learned_by_gan or any(one.learns for one in filters) else []),
            *(["classify.classical"] if settings.gan_has_teachers or recognised else []),
            *(["classify.pseudo"] if settings.gan_has_teachers else []),
            "synth.drop_copies",
            "synth.filters",
        ],
        "synth": ["synth"],
        "classify": [
            *("classifier", "classify", "fidelity"),
            *([*_without(raw, "gan", "save_seconds"), "synth"] if control else []),
        ],
        # A section that is added later must not go unnoticed.
        "report": list(_ALL) if set(_ALL) <= set(raw) else [WHOLE],
    }
    files = {
        "train": [gan.init_from, *(own_code if learned_by_gan else [])],
        "classify": [
            *own_code,
            encoder.path if isinstance(encoder, Torchvision) else None,
            Path("models") if lent else None,
        ],
    }
    return {
        stage: Reads(
            tuple(sorted(key for key in of_stage if key == WHOLE or _has(raw, key))),
            tuple(path for path in files.get(stage, ()) if path),
        )
        for stage, of_stage in keys.items()
    }


def _without(raw: Mapping[str, Any], section: str, idle: str) -> list[str]:
    """A section of ``raw``, or all keys in it but the one that no result depends on, where that is there."""
    return [f"{section}.{key}" for key in raw[section] if key != idle] if _has(raw, f"{section}.{idle}") else [section]


def _has(raw: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(raw, Mapping) or part not in raw:
            return False
        raw = raw[part]
    return True


def check(settings: Settings, raw: Mapping[str, Any], pipeline: Path) -> None:
    """``raw``: params.yaml as plain values, which are the ``settings``; ``pipeline``: its dvc.yaml, which need not be
    there.

    Raises UserError if DVC watches keys that are not there, or does not watch all that the stages read.
    """
    stages = _stages(pipeline)
    listed = {
        name: [key for key in _keys(_group(stage).get("params")) if isinstance(key, str)]
        for name, stage in stages.items()
    }
    for name, keys in listed.items():
        missing = [key for key in keys if key.partition(".")[0] in _ALL and not _has(raw, key)]
        if missing:
            section = missing[0].partition(".")[0]
            what = f"the key {one_line(missing[0], 80)}" if section in raw else f"the section {section}"
            add = f"add {section}: {_DEFAULTS.get(section, '{}')} for its defaults, or " if section in missing else ""
            raise UserError(
                f"params.yaml: must have {what}, which stage {one_line(name, 40)} of dvc.yaml lists, but has none; "
                f"{add}{_AGAIN}"
            )
    for name, reads in read_by(settings, raw).items():
        stage = _group(stages.get(name))
        if f"ganaug {name}" not in str(stage.get("cmd")):  # another pipeline
            continue
        unseen = [key for key in reads.keys if not any(_covers(one, key) for one in listed[name])]
        if unseen:
            what = "the whole params.yaml" if unseen[0] == WHOLE else f"{unseen[0]} of params.yaml"
            raise UserError(
                f"dvc.yaml: stage {name} must list {what} among its params, since it reads it with these settings, or "
                f"a change of it runs nothing; {_AGAIN}"
            )
        _check_files(reads.files, stage, name, pipeline.parent)


def _covers(listed: str, key: str) -> bool:
    return listed == WHOLE or key == listed or key.startswith(f"{listed}.")


def check_places(places: Sequence[Path], root: Path) -> None:
    """Raises UserError if ``places`` that the images are read from are no dependencies of ``prepare`` in the project
    ``root``: DVC would see no change there. A table may name other folders than it did, a class folder become a link.
    """
    stage = _group(_stages(root / "dvc.yaml").get("prepare"))
    if stage:
        _check_files(places, stage, "prepare", root)


def _check_files(files: Sequence[Path], stage: Mapping[str, Any], name: str, root: Path) -> None:
    deps = [next(iter(dep), None) if isinstance(dep, dict) else dep for dep in _list(stage.get("deps"))]
    named = [dep.replace(r"\${", "") for dep in deps if isinstance(dep, str)]
    if "wdir" in stage or any("${" in dep for dep in named):  # another pipeline, or places DVC works out
        return
    listed = [(root / dep.replace(r"\${", "${")).resolve() for dep in deps if isinstance(dep, str)]
    for path in files:
        if not any((root / path).resolve().is_relative_to(one) for one in listed):
            raise UserError(
                f"dvc.yaml: must list every place that stage {name} reads among its deps, but lacks {path}, so that "
                f"DVC would see no change there; {_AGAIN}"
            )


def _stages(pipeline: Path) -> dict[str, Any]:
    return _group((_group(yaml_text.read(pipeline)) if pipeline.is_file() else {}).get("stages"))


def _keys(params: Any) -> Iterator[Any]:
    """The keys of params.yaml in a stage's ``params``, where they stand alone or as {file: keys}."""
    for one in _list(params):
        if isinstance(one, dict) and "params.yaml" in one:
            keys = one["params.yaml"] or [WHOLE]
            yield from _list(keys)
        else:
            yield one


def _group(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
