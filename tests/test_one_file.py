"""A new member of a family is one class and its entry in the family's union: nothing else has to change.

The package and the tests are copied and a toy is added to every family, each from one file. Then the families' contract
tests find their toys, and a small pipeline runs with all of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# family: the file of its union or table, how that begins, what an entry replaces and by what, its contract tests
PLACES = {
    "objective": ("gan/objectives.py", "Objective =", "| Relativistic,", "| Relativistic | Toy,", "test_objectives.py"),
    "regulariser": (
        "gan/regularisers.py", "Regulariser =", "| LabelSmoothing,", "| LabelSmoothing | Toy,", "test_regularisers.py",
    ),
    "architecture": (
        "gan/architectures.py", "Architecture =", "| R3gan,", "| R3gan | Toy,", "test_architectures.py",
    ),
    "source": ("data/sources.py", "SourceSpec =", "| Npz,", "| Npz | Toy,", "test_sources.py"),
    "protocol": ("data/protocols.py", "ProtocolSpec =", "| CellDraws,", "| CellDraws | Toy,", "test_protocols.py"),
    "policy": (
        "classify/policies.py", "PolicySpec =", "| MixStyle,", "| MixStyle | Toy,", "test_policies.py",
    ),
    "filler": ("classify/fillers.py", "FILLERS:", "Smote())", "Smote(), Toy())", "test_fillers.py"),
    "way": ("classify/ways.py", "WaySpec =", "| Longer,", "| Longer | Toy,", "test_ways.py"),
    "filter": ("synth/filters.py", "Filter =", "| Copies,", "| Copies | Toy,", "test_filters.py"),
    "metric": (
        "measure/contributions.py", "METRICS =", 'Metric("macro-F1", macro_f1, is_mean_of_classes=True),',
        'Metric("macro-F1", macro_f1, is_mean_of_classes=True),\n    "toy": Metric("toy", toy, False),',
        "test_contributions.py",
    ),
    "export format": (
        "synth/formats.py", "FORMATS:", "metadata=image_folder_lines),",
        'metadata=image_folder_lines),\n    "toy": Format("bin", write_toy),', "test_export.py",
    ),
}  # fmt: skip
TESTS = {family: file for family, (*_, file) in PLACES.items()} | {"combinations": "test_combinations.py"}
OWN_FILES = {
    "source": ("data/toy_source.py", "Toy"), "protocol": ("data/toy_protocol.py", "Toy"),
    "filter": ("synth/toy_filter.py", "Toy"), "export format": ("synth/toy_format.py", "write_toy"),
}  # fmt: skip
HEAD = '''"""A toy."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
'''

SOURCES = {
    "objective": '''
@dataclass(frozen=True, kw_only=True)
class Toy(_CrossEntropy):
    """Cross-entropy for D, raw logits for G."""

    kind: Literal["toy"] = "toy"

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake.mean()
''',
    "regulariser": '''
@dataclass(frozen=True, kw_only=True)
class Toy(RegulariserSpec):
    """Real logits stay near 0, where D's bias begins."""

    kind: Literal["toy"] = "toy"
    weight: Annotated[float, Gt(0)] = 0.01

    def penalty(self, judged: Judged) -> Tensor:
        return self.weight * judged.real_logits.square().mean()

    def change(self, discriminator: Discriminator) -> None:
        discriminator.score.bias.data.zero_()
''',
    "architecture": '''
@dataclass(frozen=True, kw_only=True)
class Toy(ArchitectureSpec):
    """A convolutional generator against dense layers."""

    kind: Literal["toy"] = "toy"

    def networks(self) -> Networks:
        from ganaug.gan.nets.compact import CompactGenerator
        from ganaug.gan.nets.mlp import MlpBody

        return CompactGenerator, partial(MlpBody, layers=1, pieces=1, dropout=0.0, label_share=0.0)
''',
    "source": '''
from ganaug.data.labelled import Labelled
from ganaug.data.source import Source


@dataclass(frozen=True)
class Toy(Source):
    """Noise above a gray level of its own for each class."""

    kind: Literal["toy"] = "toy"

    def title(self) -> str:
        return "toy"

    def load(self) -> Labelled:
        labels = np.arange(36) % 3
        noise = np.random.default_rng(0).integers(0, 60, (36, 8, 8, 1))
        images = (60 * labels[:, None, None, None] + noise).astype(np.uint8)
        return Labelled(["a", "b", "c"], images, labels, [f"toy[{row}]" for row in range(36)], np.zeros(36, bool))
''',
    "protocol": '''
from ganaug.data.splits import RELEASE, Items, Protocol, Split


@dataclass(frozen=True)
class Toy(Protocol):
    """The first image of each class, with all that it is bound to, is tested."""

    kind: Literal["toy"] = "toy"
    trials: int = 2
    seed: int = 0
    shared_test: ClassVar[bool] = True

    def describe(self) -> str:
        return "the first image per class is tested"

    def splits(self, items: Items) -> dict[str, Split]:
        bound, (_, first) = items.bound(), np.unique(items.labels, return_index=True)
        held = np.isin(bound, bound[first])
        train, test = np.flatnonzero(~held).tolist(), np.flatnonzero(held).tolist()
        return {name: Split(train, [] if name == RELEASE else test) for name in self.names()}
''',
    "policy": '''
@dataclass(frozen=True, kw_only=True)
class Toy(_Member):
    """Half of the images upside down."""

    about: ClassVar[str] = "half of them upside down"
    kind: Literal["toy-flip"] = "toy-flip"

    def build(self, image_size: int, classes: int) -> Policy:
        from torchvision.transforms import v2

        return _image_by_image(v2.RandomVerticalFlip(), flip=False)
''',
    "filler": '''
class Toy(Filler):
    """Negatives of the real images."""

    name = "toy"
    about = "negatives of the real images"
    version: ClassVar[int] = 1

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        images, labels = stock.real
        return 255 - images[:], labels

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {"version": self.version}
''',
    "way": '''
@dataclass(frozen=True, kw_only=True)
class Toy(Way):
    """Small weights."""

    about = "its weights stay small"
    kind: Literal["toy-way"] = "toy-way"

    def begin(self, model: nn.Module, lesson: Lesson) -> More:
        return lambda step: 0.01 * sum(weight.square().sum() for weight in model.parameters())
''',
    "filter": '''
from ganaug.synth.filter import FilterSpec, Judge, Known


class Brightness(Judge):
    """The mean gray level."""

    def check(self, classes: int, image_shape: tuple[int, int, int]) -> None:
        """It fits all images."""

    def scores(self, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        return np.asarray(images.mean(axis=(1, 2, 3)), np.float32)


@dataclass(frozen=True, kw_only=True)
class Toy(FilterSpec):
    """The brighter half of each class."""

    kind: Literal["toy"] = "toy"
    judge: ClassVar[type[Judge]] = Brightness

    def fit(self, known: Known) -> Judge:
        return Brightness({}, {})

    def least(self, scores: NDArray[np.float32]) -> float:
        return float(np.median(scores))
''',
    "metric": '''
def toy(predicted: Classes, labels: Classes, classes: int) -> Values:
    """1 where an image's class is predicted right or one too high, else 0."""
    return np.asarray((predicted - labels) % classes <= 1, np.float64)
''',
    "export format": '''
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_toy(folder: Path, classes: Sequence[str], chunks: Any, counts: Mapping[int, int]) -> Any:
    """Raw bytes, a file per chunk."""
    for label, chunk, numbers in chunks:
        file = f"{label}-{numbers[0]}.bin"
        (folder / file).write_bytes(chunk.tobytes())
        yield from ((file, label, number) for number in numbers.tolist())
''',
}

PARAMS = """
data: {source: {kind: toy}}
protocol: {kind: toy}
gan:
  {objective: {kind: toy}, regularisers: [{kind: toy}], architecture: {kind: toy}, steps: 3, batch_size: 4, z_dim: 4,
   generator_width: 4, discriminator_width: 4}
synth: {per_class: 6, filters: [{kind: toy}]}
classifier: {steps: 3, width: 4, batch_size: 8}
classify: {arms: [none, toy-flip, toy, gan, gan+toy-flip, toy+toy-flip, gan+toy-way], curve: []}
fidelity: {enabled: false}
report: {primary_metric: toy}
gate: [{gain: gan_vs_toy, above: -100}]
device: cpu
jobs: 1
"""

# One process, since most of the time is that of its imports: the contract tests, then the pipeline, the classifiers
# again with another version of the filler, and images in the toy's format. keys.json: the arms' keys before and after.
EVERYTHING = """
import json, os, sys
import pytest
import stages
root, *tests = sys.argv[1:]
pytest.main(["-v", "-k", "toy", "-p", "no:cacheprovider", "-o", "addopts=", *tests])

from ganaug import cli
from ganaug.classify.fillers import Toy
from ganaug.stages import classify, pipeline
from ganaug.stages.project import Project

os.chdir(root)
project = Project.here()
with stages.undrawn():
    pipeline.run(project)
trial = project.trials / "0.json"
before = json.loads(trial.read_text())["keys"]
Toy.version = 2
classify.classify(project, None)
with open("keys.json", "w") as file:
    json.dump([before, json.loads(trial.read_text())["keys"]], file)
sys.argv = ["ganaug", "synth", "--format", "toy", "--n", "2"]
cli.main()
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with its toys, and the tests as they are."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("ganaug", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for family, (file, union, entry, entry_with_toy, _) in PLACES.items():
        added, own = SOURCES[family].lstrip("\n"), OWN_FILES.get(family)
        if own:
            (root / "ganaug" / own[0]).write_text(f"{HEAD}\n{added}", encoding="utf-8")
            added = f"from ganaug.{own[0].removesuffix('.py').replace('/', '.')} import {own[1]}\n"
        path = root / "ganaug" / file
        text = path.read_text(encoding="utf-8")
        for old, new in ((entry, entry_with_toy), (f"\n{union}", f"\n{added}\n\n{union}")):
            assert text.count(old) == 1, f"{old!r} must be in {file} once"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def ran(copy: Path) -> tuple[Path, str]:
    """The folder of a pipeline with every toy, and what was said on the way."""
    root = copy / "project"
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING, str(root), *TESTS.values()],
        cwd=copy / "tests", env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return root, done.stdout


def test_each_toy_is_an_edit_of_one_file(copy: Path) -> None:
    def files(root: Path) -> dict[str, bytes]:
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.py")}

    old, new = files(ROOT / "ganaug"), files(copy / "ganaug")
    assert sorted(file for file in old if new[file] != old[file]) == sorted(file for file, *_ in PLACES.values())
    assert new.keys() - old.keys() == {file for file, _ in OWN_FILES.values()}
    assert files(ROOT / "tests") == files(copy / "tests")


@pytest.mark.slow
def test_the_contract_tests_of_each_family_find_its_toy(ran: tuple[Path, str]) -> None:
    assert not re.findall(r"toy\S* (?:FAILED|ERROR)", ran[1], re.IGNORECASE), ran[1][-9000:]
    found = set(re.findall(r"(\w+\.py)::\S*toy\S* PASSED", ran[1], re.IGNORECASE))
    assert [family for family, file in TESTS.items() if file not in found] == []


@pytest.mark.slow
def test_a_pipeline_runs_with_every_toy(ran: tuple[Path, str]) -> None:
    root, _ = ran
    before, after = json.loads((root / "keys.json").read_text(encoding="utf-8"))
    # What a filler depends on is in the keys of its arms: nothing old is served, and no other arm is trained again.
    assert {arm for arm in before if before[arm] != after[arm]} == {"toy", "toy+toy-flip"}

    summary = json.loads((root / "reports" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["dataset"]["name"], summary["dataset"]["protocol"]) == ("toy", "toy")
    assert {"toy_vs_none", "gan_vs_toy", "gan+toy-flip_vs_toy+toy-flip"} <= set(summary["gains"])
    assert all(-100 <= figures["toy"]["mean"] <= 100 for figures in summary["gains"].values())
    assert (summary["gate"][0]["metric"], summary["gate"][0]["above"]) == ("toy", -100)
    assert all(summary["settings"]["gan"][key]["kind"] == "toy" for key in ("objective", "architecture"))
    assert all(0 < share < 1 for one in summary["acceptance"].values() for share in one["trials"])

    manifest = (root / "synthetic" / "manifest.csv").read_text(encoding="utf-8").splitlines()
    assert len(manifest) == 1 + 3 * 2
    assert {line.split(",")[0] for line in manifest[1:]} == {one.name for one in root.glob("synthetic/*.bin")}
