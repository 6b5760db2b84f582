"""The whole pipeline in one process, as dvc.yaml has it in five: for benchmarks and tests."""

from ganaug.stages import classify, prepare, synth, train
from ganaug.stages import report as reporting
from ganaug.stages.project import Project


def run(project: Project) -> None:
    """Every stage, one after the other."""
    prepare.prepare(project)
    train.train(project, None)
    synth.synth_all(project, None)
    classify.classify(project, None)
    reporting.report(project)
