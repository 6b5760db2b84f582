"""What DVC watches: whether dvc.yaml lists the places of the images, and the sections of params.yaml that stages read.

Of a section that dvc.yaml lists and params.yaml lacks, DVC complains only when it is the stage's turn, which may be
hours later; one that dvc.yaml does not list may change without a stage running again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ganaug import yaml_text
from ganaug.config import Settings
from ganaug.errors import UserError, one_line

_ALL = tuple(field.name for field in fields(Settings) if field.name not in ("device", "jobs"))
READ_BY: dict[str, tuple[str, ...]] = {  # stage -> sections of params.yaml
    "prepare": ("data", "protocol"),
    "train": ("classifier", "classify", "gan", "synth"),
    "synth": ("synth",),
    "classify": ("classifier", "classify", "fidelity"),
    "report": tuple(sorted(_ALL)),
}
_WHOLE = "*"  # the whole file
_DEFAULTS = {"gate": "[]", "protocol": "{kind: subsets}"}  # as params.yaml says them; of the others: {}
_AGAIN = 'run "ganaug sync" to have dvc.yaml written again'


def check(raw: Mapping[str, Any], pipeline: Path) -> None:
    """``raw``: params.yaml as plain values; ``pipeline``: its dvc.yaml, which need not be there.

    Raises UserError if DVC watches other sections than the stages read.
    """
    for name, stage in _stages(pipeline).items():
        listed = {key.partition(".")[0] for key in _keys(_group(stage).get("params")) if isinstance(key, str)}
        missing = [section for section in _ALL if section in listed and section not in raw]
        if missing:
            first = missing[0]
            raise UserError(
                f"params.yaml: must have the section {first}, which stage {one_line(name, 40)} of dvc.yaml lists, but "
                f"has none; add {first}: {_DEFAULTS.get(first, '{}')} for its defaults, or {_AGAIN}"
            )
        if _WHOLE not in listed and f"ganaug {name}" in str(_group(stage).get("cmd")):
            for section in READ_BY.get(name, ()):
                if section in raw and section not in listed:
                    raise UserError(
                        f"dvc.yaml: stage {name} must list the section {section} of params.yaml among its params, or a "
                        f"change of it runs nothing; add it, or {_AGAIN}"
                    )


def check_places(places: Sequence[Path], root: Path) -> None:
    """Raises UserError if ``places`` that the images are read from are no dependencies of ``prepare`` in the project
    ``root``: DVC would see no change there. A table may name other folders than it did, a class folder become a link.
    """
    stage = _group(_stages(root / "dvc.yaml").get("prepare"))
    deps = [next(iter(dep), None) if isinstance(dep, dict) else dep for dep in _list(stage.get("deps"))]
    named = [dep.replace(r"\${", "") for dep in deps if isinstance(dep, str)]
    if not stage or "wdir" in stage or any("${" in dep for dep in named):  # another pipeline, or places DVC works out
        return
    listed = [(root / dep.replace(r"\${", "${")).resolve() for dep in deps if isinstance(dep, str)]
    for place in places:
        if not any(place.resolve().is_relative_to(one) for one in listed):
            raise UserError(
                f"dvc.yaml: must list every place of the images among the deps of prepare, but lacks {place}, so that "
                f"DVC would see no change there; {_AGAIN}"
            )


def _stages(pipeline: Path) -> dict[str, Any]:
    return _group((_group(yaml_text.read(pipeline)) if pipeline.is_file() else {}).get("stages"))


def _keys(params: Any) -> Iterator[Any]:
    """The keys of params.yaml in a stage's ``params``, where they stand alone or as {file: keys}."""
    for one in _list(params):
        if isinstance(one, dict) and "params.yaml" in one:
            keys = one["params.yaml"] or [_WHOLE]
            yield from _list(keys)
        else:
            yield one


def _group(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
