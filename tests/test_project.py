"""Every project of the repository has the dvc.yaml that the template gives for its settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ganaug import config
from ganaug.project import dvc_yaml

REPOSITORY = Path(__file__).parents[1]
PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("examples/*/params.yaml"))]


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_dvc_yaml_is_what_the_template_gives(folder: Path) -> None:
    """If this fails: python -m ganaug.project . examples/*"""
    assert (folder / "dvc.yaml").read_text() == dvc_yaml(config.load(folder / "params.yaml"))


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
