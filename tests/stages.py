"""The stages of the real pipeline, one after the other, for the tests that run all of it."""

from __future__ import annotations

from ganaug import reporting
from ganaug.progress import Progress
from ganaug.stages import classify, prepare, synth, train
from ganaug.stages.project import Project


def run(made: Project) -> None:
    progress = Progress(made.work.root / "progress")
    prepare.prepare(made, progress)
    train.train(made, None, progress)
    synth.synth_all(made, None, progress)
    classify.classify(made, None, progress)
    reporting.report(made)
