"""A training shown as it goes, by DVCLive: of the splits that the environment variable GANAUG_LIVE names.

DVC's VS Code extension, ``dvc exp show`` and ``dvc plots show`` read ``dvclive/<split>/``, which has a dvc.yaml of its
own. Nothing there is an output of a stage, and no result depends on it.
"""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ganaug import store
from ganaug.errors import UserError, quoted
from ganaug.extras import need

_SETTING, _ALL = "GANAUG_LIVE", "all"
_DVC_YAML = "metrics:\n  - metrics.json\nplots:\n  - plots/metrics:\n      x: step\n"


def check(splits: Collection[str]) -> None:
    """Raises UserError if GANAUG_LIVE is set, but names none of ``splits``, or DVCLive is not installed."""
    wanted = _wanted()
    if wrong := wanted - {*splits, _ALL}:
        names = ", ".join(splits)
        raise UserError(
            f"{_SETTING}: must be splits ({names}) or {_ALL}, got {quoted(min(wrong))}; correct or unset it"
        )
    if wanted:
        need("dvclive", extra="live", what=_SETTING)


def shown(root: Path, split: str, goes_on: bool) -> Callable[[int, Mapping[str, float | None]], None]:
    """For the training of ``split`` in the project ``root``: call it with the step and each new row of the history.

    ``goes_on``: an earlier run began the training, and what it showed stays.
    """
    if not _wanted() & {split, _ALL}:
        return nobody
    os.environ.setdefault("DVCLIVE_LOGLEVEL", "ERROR")
    from dvclive import Live

    folder = root / "dvclive" / split
    live = Live(str(folder), resume=goes_on, save_dvc_exp=False, dvcyaml=False)
    store.write_text(folder / "dvc.yaml", _DVC_YAML)  # its own would list all again with each row

    def show(step: int, row: Mapping[str, float | None]) -> None:
        live.step = step
        for name, value in row.items():
            if value is not None and name != "step":
                live.log_metric(name, value)
        live.sync()

    return show


def nobody(step: int, row: Mapping[str, float | None]) -> None:
    """In the place of what ``shown`` returns, for a training that nobody watches."""


def _wanted() -> set[str]:
    return {name.strip() for name in os.environ.get(_SETTING, "").split(",") if name.strip()}
