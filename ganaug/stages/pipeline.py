"""The whole pipeline in one process, as dvc.yaml has it in five: for benchmarks and tests."""

from ganaug.stages import classify, prepare, synth, train
from ganaug.stages import report as reporting
from ganaug.stages.progress import Progress
from ganaug.stages.project import Project


def run(project: Project) -> None:
    """Every stage, one after the other."""
    progress = Progress(project.work.root / "progress")
    prepare.prepare(project, progress)
    train.train(project, None, progress)
    synth.synth_all(project, None, progress)
    classify.classify(project, None, progress)
    reporting.report(project)
