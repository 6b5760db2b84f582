"""``ganaug.evaluate``: the command line's run on arrays, and what its verdict gives."""

import functools
import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stages
import yaml
from dvc.utils.serialize import parse_yaml
from expect import refused
from test_cli import ganaug as command

import ganaug
from ganaug.api import evaluate as module
from ganaug.stages import pipeline
from ganaug.start import estimate, init
from ganaug.start.estimate import Pace
from ganaug.start.sync import sync

SETTINGS: dict[str, Any] = {
    **{f"gan.{key}": value for key, value in stages.TINY_GAN.items()},
    "protocol.folds": 2,
    "protocol.repeats": 1,
    "synth.per_class": 2,
    "classifier": {"steps": 2, "width": 4},
    "classify.arms": ["classical", "gan+classical"],
    "classify.curve": [],
    "fidelity.enabled": False,
    "gate": [],
    "device": "cpu",
    "jobs": 1,
}
GROUPS = np.arange(24) // 2


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (24, 8, 8), np.uint8), np.arange(24) // 2 % 2


@pytest.fixture(scope="module", autouse=True)
def pace() -> Iterator[None]:
    """Nothing is timed."""

    def measure(settings: Any, *_: Any) -> Pace:
        return Pace("cpu", 1, 1e-3, dict.fromkeys(settings.classify.arms, 1e-3))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "measure", measure)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> ganaug.Verdict:
    folder = tmp_path_factory.mktemp("run") / "kept"
    return ganaug.evaluate(*arrays(), groups=GROUPS, folder=folder, settings=SETTINGS)


def test_it_is_what_dvc_runs(done: ganaug.Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``ganaug init`` and the commands of its dvc.yaml on the same arrays: the same summary, byte by byte."""
    images, labels = arrays()
    monkeypatch.chdir(tmp_path)
    np.savez("images.npz", images=images, labels=labels, groups=GROUPS)
    monkeypatch.setattr(init, "init_dvc", lambda folder: "")
    init.init(Path(), Path("images.npz"), None, False, {}, 20)
    raw = yaml.safe_load(Path("params.yaml").read_text())
    for key, value in SETTINGS.items():
        *groups, last = key.split(".")
        functools.reduce(dict.__getitem__, groups, raw)[last] = value
    Path("params.yaml").write_text(yaml.safe_dump(raw))
    sync(Path())
    for stage in parse_yaml(Path("dvc.yaml").read_text(), "dvc.yaml")["stages"].values():
        done_one = command(Path(), *stage["cmd"].split()[1:])
        assert done_one.returncode == 0, done_one.stderr
    assert Path("reports/summary.json").read_text() == done.to_json()
    assert (done.folder / "dvc.yaml").read_text() == Path("dvc.yaml").read_text()
    assert "# " in (done.folder / "params.yaml").read_text()  # the reasons


def test_a_verdict_has_the_answer_and_its_figures(done: ganaug.Verdict) -> None:
    assert done.summary == json.loads(done.to_json())
    assert (done.answer, done.title) == ("cannot tell", "Cannot tell yet")
    assert done.reason.startswith("With 6 images per class: ")
    gain = done.summary["gains"]["gan+classical_vs_classical"]["accuracy"]
    columns = ["gain", "metric", "mean", "ci_low", "ci_high", "p_value", "trials", "answer"]
    assert list(done.gains.columns) == columns
    first = done.gains.iloc[0]
    assert [first[name] for name in columns[:3]] == ["gan+classical_vs_classical", "accuracy", gain["mean"]]
    assert len(done.arms) == 6
    assert done.arms["mean"].between(0, 100).all()
    assert isinstance(done.generator, ganaug.Generator)
    assert done.generator.sample({"1": 3})[0].shape == (3, 8, 8, 1)
    assert done.to_dict()["answer"] == "cannot tell"
    assert "CANNOT TELL YET" in repr(done)
    assert max(map(len, repr(done).split("\n"))) <= 80
    assert isinstance(done.gains, pd.DataFrame)


def test_a_notebook_shows_the_pages_card(done: ganaug.Verdict) -> None:
    html, page = done._repr_html_(), (done.folder / "reports" / "report.html").read_text()
    picture = page[page.index('<svg class="interval"') : page.index("</svg>")]
    assert picture in html
    assert done.title in html
    assert "data-jp-theme-light" in html  # of a dark Jupyter
    assert 'src="data:image/png;base64,' in html
    assert not [word for word in ("http", "<script", "timings", "{{", "{%") if word in html]


def test_a_report_overwrites_nothing_of_others(done: ganaug.Verdict, tmp_path: Path) -> None:
    page = done.report(tmp_path / "out")
    assert page.read_bytes() == (done.folder / "reports" / "report.html").read_bytes()
    assert {"MODEL_CARD.md", "summary.json", "report.html"} <= {path.name for path in page.parent.iterdir()}
    assert done.report(str(tmp_path / "out")) == page  # the same again
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "summary.json").write_text("mine")
    with refused("holds another summary.json, and nothing is overwritten; name another folder"):
        done.report(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["summary.json"]
    with refused("must be a folder, or a new one, but is a file"):
        done.report(tmp_path / "mine" / "summary.json")


def test_a_call_in_its_folder_goes_on(done: ganaug.Verdict, capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = arrays()
    again = ganaug.evaluate(images, labels, groups=GROUPS, folder=done.folder, settings=SETTINGS)
    assert again.to_json() == done.to_json()
    assert "train: nothing to do" in capsys.readouterr().out
    for other in ({"groups": None}, {"groups": GROUPS, "images": images[::-1]}):
        with refused("folder: must be new or hold a run on these arrays", "name another"):
            ganaug.evaluate(**{"images": images, "labels": labels, **other}, folder=done.folder)
    with refused("settings: gan.stpes: no such key"):
        ganaug.evaluate(images, labels, groups=GROUPS, folder=done.folder, settings={"gan.stpes": 3})
    assert again.to_json() == done.to_json()


def test_a_temporary_folder_goes_with_the_verdict(
    done: ganaug.Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(
        pipeline, "run", lambda project: shutil.copytree(done.folder / "reports", project.root / "reports")
    )
    verdict = ganaug.evaluate(*arrays(), settings={"jobs": 1})
    assert verdict.title == done.title
    assert [path.name for path in tmp_path.iterdir()] == [verdict.folder.name]
    del verdict
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(pipeline, "run", lambda project: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ganaug.evaluate(*arrays())
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"labels": [0] * 24}, 'labels: must have at least 2 classes, got only "0"'),
        ({"labels": [0] * 22 + [1] * 2}, 'labels: class "1" must have at least 3 images'),
        (
            {"groups": GROUPS[1:]},
            "groups must hold one group for each of the 24 images, whole numbers or text, got int64",
        ),
        ({"groups": [None] * 24}, "groups must hold one group for each of the 24 images"),
        ({"conditions": [0.5] * 24}, "conditions must hold one condition for each of the 24 images"),
        ({"conditions": ["night"] * 24}, 'conditions: must have at least 2 conditions, got only "night"'),
        ({"conditions": ["a", "A"] * 12}, "conditions: condition names must differ by more than case"),
        ({"minutes": 0}, "minutes: must be above 0 and finite, got 0"),
        ({"settings": {"gan.stpes": 3}}, 'settings: gan.stpes: no such key (did you mean "steps"?)'),
        ({"settings": {"gan.steps.x": 3}}, 'settings: "gan.steps.x" must lie in a group of params.yaml'),
        ({"settings": {"gan.steps": 0}}, "settings: gan.steps: must be greater than or equal to 1, got 0"),
        ({"classifier": "nope"}, "classifier.model: must be small-cnn, resnet18 or package.module:factory"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(given: dict[str, Any], says: str, tmp_path: Path) -> None:
    images, labels = arrays()
    with refused(says):
        ganaug.evaluate(**{"images": images, "labels": labels, "folder": tmp_path / "new" / "run", **given})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "images.npz").write_text("mine")
    with refused("folder: must be new or hold a run on these arrays"):
        ganaug.evaluate(*arrays(), folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["images.npz"]


def test_a_classifier_is_named_for_other_processes() -> None:
    assert module._name_of(json.dumps) == "json:dumps"
    local = lambda channels, classes: None  # noqa: E731
    for wrong in (local, functools.partial(json.dumps), json.JSONEncoder.encode, 3):
        with refused("classifier: must be a function at the top of a module that other processes can import"):
            module._name_of(wrong)
    local.__module__ = "__main__"
    with refused('of "__main__"; write it into a file of its own'):
        module._name_of(local)
