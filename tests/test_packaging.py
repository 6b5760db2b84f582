"""What a release says of itself agrees: version, changelog, citation, the images for Docker, the lowest versions."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from ganaug import __version__

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILES = sorted((REPOSITORY / "docker").glob("*.Dockerfile"))


def output(script: str, *words: str) -> str:
    path = REPOSITORY / ".github" / script
    return subprocess.run([sys.executable, path, *words], check=True, capture_output=True, text=True).stdout


def test_the_version_has_a_section_of_the_changelog_and_is_the_one_to_cite() -> None:
    assert "### Added" in output("changelog.py", __version__)
    citation = YAML(typ="safe").load(REPOSITORY / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])
    assert f"## [{__version__}] - {citation['date-released']}\n" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_the_lowest_versions_are_those_of_every_requirement() -> None:
    lowest = {Requirement(line).name: Requirement(line).specifier for line in output("lowest.py").splitlines()}
    every = map(Requirement, chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
    for one in every:
        if one.name != "ganaug":
            assert str(lowest[one.name]).replace("==", ">=") == str(one.specifier), one


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_an_image_has_versions_that_are_allowed_copies_what_is_there_and_is_not_run_by_root(file: Path) -> None:
    text = file.read_text().replace("\\\n", " ")
    allowed = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}
    pinned = re.findall(r"([a-z]+)==([\d.]+)", text)
    assert {name for name, _ in pinned} == {"torch", "torchvision"}
    assert all(version in allowed[name] for name, version in pinned)
    (python,) = re.findall(r"^FROM python:(\d\.\d+)-slim$", text, re.M)
    assert PROJECT["requires-python"] == f">={python}"
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.M) for name in shlex.split(line)[:-1]]
    assert {"README.md", *PROJECT["license-files"], "pyproject.toml", "ganaug"} <= set(copied)
    assert all((REPOSITORY / name).exists() for name in copied)
    assert re.findall(r"^USER (\w+)$", text, re.M)[-1] != "root"


@pytest.mark.parametrize(
    "form", sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda f: f.stem
)
def test_a_form_has_what_github_asks_for(form: Path) -> None:
    found = YAML(typ="safe").load(form)
    assert {"name", "description", "body"} <= set(found)
    asked = [one for one in found["body"] if one["type"] != "markdown"]
    assert len({one["id"] for one in asked}) == len(asked)
    assert all(one["type"] in ("textarea", "checkboxes") and one["attributes"]["label"] for one in asked)
