"""The stages as tests call them: by name, in one process, on a project's folder."""

from typing import Any

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


def run(made: Project, *stages: str, split: str | None = None) -> None:
    """The named stages, one after the other; without names all five. ``split``: train and synth handle it alone."""
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
            reporting.report(made)
