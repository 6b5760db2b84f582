"""What DVC watches of params.yaml: the sections that each stage reads, and whether dvc.yaml says the same.

Of a section that dvc.yaml lists and params.yaml lacks, DVC complains only when it is the stage's turn, which may be
hours later; one that dvc.yaml does not list may change without a stage running again.
"""

from collections.abc import Iterator, Mapping
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
_AGAIN = 'run "python -m ganaug.project ." to have dvc.yaml written again'


def check(raw: Mapping[str, Any], pipeline: Path) -> None:
    """``raw``: params.yaml as plain values; ``pipeline``: its dvc.yaml, which need not be there.

    Raises UserError if DVC watches other sections than the stages read.
    """
    stages = (_group(yaml_text.read(pipeline)) if pipeline.is_file() else {}).get("stages")
    for name, stage in _group(stages).items():
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


def _keys(params: Any) -> Iterator[Any]:
    """The keys of params.yaml in a stage's ``params``, where they stand alone or as {file: keys}."""
    for one in params if isinstance(params, list) else ():
        if isinstance(one, dict) and "params.yaml" in one:
            keys = one["params.yaml"] or [_WHOLE]
            yield from keys if isinstance(keys, list) else ()
        else:
            yield one


def _group(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
