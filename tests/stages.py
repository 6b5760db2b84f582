"""The stages as tests call them: by name, in one process, on a project's folder."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from ganaug.report import plots
from ganaug.stages import classify, prepare, synth, train
from ganaug.stages import report as reporting
from ganaug.stages.project import Project

# The smallest GAN there is: two steps of dense networks.
TINY_GAN: dict[str, Any] = {
    "architecture": {"kind": "mlp"}, "regularisers": [], "steps": 2, "batch_size": 4, "z_dim": 2, "generator_width": 4,
    "discriminator_width": 4,
}  # fmt: skip


def prepared(made: Project) -> str:
    """The first stage alone. Returns what it says."""
    return prepare.prepare(made)


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Within it the page has no plots: they are slow, and say nothing that its tables do not."""
    with contextlib.ExitStack() as stack:
        for name in ("all_gains", "arms", "curve", "history", "recall"):
            stack.enter_context(patch.object(plots, name, lambda *_, **__: '<svg viewBox="0 0 9 9"></svg>'))
        yield


def run(made: Project, *stages: str, split: str | None = None, drawn: bool = False) -> None:
    """The named stages, one after the other; without names all five. ``split``: train and synth handle it alone.
    ``drawn``: the report has its plots."""
    for stage in stages or ("prepare", "train", "synth", "classify", "report"):
        if stage == "prepare":
            prepared(made)
        elif stage == "train":
            train.train(made, split)
        elif stage == "synth":
            synth.synth_all(made, split)
        elif stage == "classify":
            classify.classify(made, None)
        else:
            assert stage == "report"
            with contextlib.nullcontext() if drawn else undrawn():
                reporting.report(made)
