"""Every project of the repository has the dvc.yaml that the template gives for its settings."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml
from expect import refused
from ruamel.yaml import YAML

from ganaug import config
from ganaug.errors import UserError
from ganaug.stages import watched
from ganaug.stages.project import Project
from ganaug.stages.watched import READ_BY
from ganaug.start.dvc import dvc_yaml
from ganaug.yaml_text import parse

REPOSITORY = Path(__file__).parents[1]
PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("examples/*/params.yaml"))]


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_dvc_yaml_is_what_the_template_gives(folder: Path) -> None:
    """If this fails: ganaug sync . examples/*"""
    assert (folder / "dvc.yaml").read_text() == dvc_yaml(
        config.load(folder / "params.yaml"), config.read(folder / "params.yaml")
    )


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_dvc_watches_what_the_stages_read(folder: Path) -> None:
    watched.check(config.read(folder / "params.yaml"), folder / "dvc.yaml")


def outs(pipeline: str) -> list[Any]:
    stages = parse_yaml(pipeline, "dvc.yaml")["stages"].values()
    return [out for stage in stages for kind in ("outs", "metrics") for out in stage.get(kind, [])]


def test_dvc_removes_no_result_before_there_is_a_new_one() -> None:
    made = outs(dvc_yaml(config.Settings()))
    assert len(made) == 10
    assert all(flags["persist"] is True for out in made for flags in out.values())


@pytest.mark.filterwarnings("ignore")  # of DVC's own
def test_results_survive_a_stage_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As DVC itself has it."""
    from dvc.exceptions import ReproductionError
    from dvc.repo import Repo

    monkeypatch.chdir(tmp_path)
    pipeline = dvc_yaml(config.Settings(), [])
    report = {"cmd": "false", **{key: parse_yaml(pipeline, "")["stages"]["report"][key] for key in ("outs", "metrics")}}
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"report": report}}))
    (tmp_path / "reports" / "plots").mkdir(parents=True)
    kept = [tmp_path / "reports" / name for name in ("summary.json", "metrics.json", "report.html", "plots/arms.csv")]
    for path in kept:
        path.write_text("old")
    with pytest.raises(ReproductionError):
        Repo.init(no_scm=True).reproduce()
    assert [path.read_text() for path in kept] == ["old"] * 4


# ------------------------------------------------------------------------------- what is read is what DVC watches

DIGITS = {"data": {"source": {"kind": "digits"}}}


def in_project(folder: Path, raw: dict[str, Any], pipeline: str) -> Path:
    (folder / "params.yaml").write_text(json.dumps(raw))
    (folder / "dvc.yaml").write_text(pipeline)
    return folder


@pytest.mark.parametrize("section", READ_BY["report"])
def test_a_section_that_dvc_asks_for_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    raw = {**config.plain(config.Settings()), **DIGITS}
    monkeypatch.chdir(in_project(tmp_path, raw, dvc_yaml(config.check(raw))))
    Project.here()
    del raw[section]
    (tmp_path / "params.yaml").write_text(json.dumps(raw))
    part = "data.source is required" if section == "data" else f"must have the section {section}, which stage "
    with refused("params.yaml: ", part) as _:
        Project.here()


def test_what_to_write_for_a_missing_section_is_what_makes_it_right(tmp_path: Path) -> None:
    pipeline = in_project(tmp_path, {}, dvc_yaml(config.Settings())) / "dvc.yaml"
    raw: dict[str, Any] = {}
    for _ in READ_BY["report"]:
        with pytest.raises(UserError) as caught:
            watched.check(raw, pipeline)
        key, value = str(caught.value).split("; add ")[1].split(" for its")[0].split(": ", 1)
        raw |= parse(f"{key}: {value}", "")
    watched.check(raw, pipeline)
    assert config.check({**raw, **DIGITS}) == config.Settings()


def test_a_pipeline_written_again_asks_for_what_is_there_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(in_project(tmp_path, DIGITS, dvc_yaml(config.Settings())))
    with refused("dvc.yaml lists", "ganaug sync"):
        Project.here()
    subprocess.run([sys.executable, "-m", "ganaug", "sync"], check=True)
    assert Project.here().settings == config.Settings()
    stages = parse_yaml(Path("dvc.yaml").read_text(), "dvc.yaml")["stages"]
    assert [stage.get("params") for stage in stages.values()] == [["data"], None, None, None, ["data"]]


def test_a_section_that_dvc_does_not_watch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(in_project(tmp_path, {**DIGITS, "gan": {"steps": 3}}, dvc_yaml(config.Settings(), DIGITS)))
    with refused("dvc.yaml: stage train must list the section gan", "ganaug sync"):
        Project.here()


@pytest.mark.parametrize(
    "pipeline",
    [
        "",
        "5",
        "stages: [a]",
        "stages: {report: 3}",
        "stages: {report: {cmd: ls, params: 3}}",
        "stages: {train: {cmd: python train.py, params: [lr, {other.yaml: [gate]}]}}",
        "stages: {report: {cmd: ganaug report, params: [{params.yaml: [data, gan.steps]}, gate]}}",
        "stages: {train: {cmd: ganaug train, params: [gan.steps]}}",
        "stages: {report: {cmd: ls, params: [{params.yaml: [3]}, {params.yaml: 4}, null, [gan]]}}",
        "stages: {synth: {cmd: [ganaug synth --all], params: [{params.yaml: null}]}}",
    ],
)
def test_a_pipeline_of_another_shape_is_left_to_dvc(tmp_path: Path, pipeline: str) -> None:
    raw = {"data": {}, "gan": {}, "gate": []}
    watched.check(raw, in_project(tmp_path, raw, pipeline) / "dvc.yaml")


def test_a_pipeline_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    with refused("dvc.yaml: must be YAML"):
        watched.check({}, in_project(tmp_path, {}, "stages: [") / "dvc.yaml")


def test_a_source_at_a_path_is_a_dependency_of_prepare() -> None:
    source = {"kind": "idx", "path": "raw/fashion"}
    pipeline = YAML(typ="safe", pure=True).load(dvc_yaml(config.check({"data": {"source": source}})))
    assert pipeline["stages"]["prepare"]["deps"] == ["raw/fashion"]


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/usr/share/data", "/usr/share/data"),
        ("../photos-2/a_b.c", "../photos-2/a_b.c"),
        ("photos", '"photos"'),
        ("yes", '"yes"'),
        ("../my photos", '"../my photos"'),
        ('../"q" é', '"../\\"q\\" é"'),
        ("../${x}", '"../\\\\${x}"'),
    ],
)
def test_a_path_is_quoted_where_yaml_or_dvc_would_take_it_for_something_else(path: str, written: str) -> None:
    made = dvc_yaml(config.check({"data": {"source": {"kind": "idx", "path": path}}}))
    assert f"    deps:\n      - {written}\n    params:" in made
    assert parse_yaml(made, "dvc.yaml")["stages"]["prepare"]["deps"] == [path.replace("${", "\\${")]


def test_a_classifier_of_ones_own_is_a_dependency_of_classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yes.py").write_text("")
    made = dvc_yaml(config.check({"classifier": {"model": "yes:factory"}}))
    deps = parse_yaml(made, "dvc.yaml")["stages"]["classify"]["deps"]
    assert deps == ["data/prepared", "data/synth", "yes.py"]


def test_a_project_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("gan: {steps: 0}")
    for folder, part in ((tmp_path, "gan.steps"), (tmp_path / "none", "must be a project's folder")):
        command = [sys.executable, "-m", "ganaug", "sync", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert part in done.stderr


def test_sync_writes_every_project_again(tmp_path: Path) -> None:
    for name in ("a", "b c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "params.yaml").write_text("data: {source: {kind: idx, path: ../raw}}\n")
    subprocess.run([sys.executable, "-m", "ganaug", "sync", "a", "b c"], cwd=tmp_path, check=True)
    for name in ("a", "b c"):
        assert "- ../raw\n" in (tmp_path / name / "dvc.yaml").read_text()
