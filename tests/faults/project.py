"""A tiny project that everything is in: what is damaged, killed and run twice is a copy of it."""

import contextlib
import io
import re
from pathlib import Path

from stages import undrawn

from ganaug import config
from ganaug.stages import pipeline
from ganaug.stages.project import Project

PARAMS = """
data:
  source: {kind: digits}
protocol: {kind: subsets, trials: 2, train_per_class: 5, test_per_class: 10, tuning_test_per_class: 2,
  tuning_per_class: 5, seed: 0}
gan: {steps: 150, batch_size: 32, generator_width: 8, discriminator_width: 8, save_seconds: 1, latents: {kind: codes}}
synth: {per_class: 20, seed: 0, filters: [{kind: agreement, keep: 0.9, folds: 2, repeats: 1}, {kind: copies}]}
classifier: {model: small-cnn, width: 8, steps: 30, batch_size: 32}
classify: {arms: [none, classical, gan, gan+classical], curve: [1.5]}
fidelity: {enabled: true}
report: {primary_metric: accuracy}
gate:
  - {gain: gan_vs_none, above: 0.0}
device: cpu
jobs: 2
"""
# As small as it gets, where what is computed does not matter.
SMALL = re.sub(r"steps: \d+", "steps: 2", PARAMS.replace("width: 8", "width: 4").replace("jobs: 2", "jobs: 1"))


def finished(folder: Path) -> Path:
    """A small project in ``folder`` after a run of every stage in this process."""
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(SMALL, encoding="utf-8")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), undrawn():
        pipeline.run(Project(Path(), config.load(Path("params.yaml"))))
    return folder
