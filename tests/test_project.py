"""Every project of the repository has the dvc.yaml that the template gives for its settings."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.serialize import parse_yaml
from ruamel.yaml import YAML

from ganaug import config
from ganaug.start.dvc import dvc_yaml

REPOSITORY = Path(__file__).parents[1]
PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("examples/*/params.yaml"))]


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_dvc_yaml_is_what_the_template_gives(folder: Path) -> None:
    """If this fails: python -m ganaug.project . examples/*"""
    assert (folder / "dvc.yaml").read_text() == dvc_yaml(
        config.load(folder / "params.yaml"), config.read(folder / "params.yaml")
    )


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_every_setting_that_a_stage_depends_on_is_in_params_yaml(folder: Path) -> None:
    """DVC refuses a stage whose parameter is missing from the file."""
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(folder / "params.yaml")
    stages = yaml.load(folder / "dvc.yaml")["stages"]
    needed = {name for stage in stages.values() for name in stage.get("params", [])}
    assert needed <= set(params)


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


def test_the_module_writes_every_project_anew(tmp_path: Path) -> None:
    for name in ("a", "b c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "params.yaml").write_text("data: {source: {kind: idx, path: ../raw}}\n")
    subprocess.run([sys.executable, "-m", "ganaug.project", "a", "b c"], cwd=tmp_path, check=True)
    for name in ("a", "b c"):
        assert "- ../raw\n" in (tmp_path / name / "dvc.yaml").read_text()
