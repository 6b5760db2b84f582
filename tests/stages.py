"""The stages of the real pipeline, one after the other, for the tests that run all of it."""

from __future__ import annotations

from ganaug import pipeline, reporting
from ganaug.pipeline import Project
from ganaug.progress import Progress


def run(made: Project) -> None:
    progress = Progress(made.work.root / "progress")
    pipeline.prepare(made, progress)
    pipeline.train(made, None, progress)
    pipeline.synth_all(made, None, progress)
    pipeline.classify(made, None, progress)
    reporting.report(made)
