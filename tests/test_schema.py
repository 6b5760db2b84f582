"""The JSON schema of params.yaml: it says what every key does, takes what is right and refuses what is not."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ganaug import config, yaml_text
from ganaug.config import Settings
from ganaug.gan.presets import PRESETS
from ganaug.start.schema import MODELINE, SCHEMA_FILE, schema, schema_text

REPOSITORY = Path(__file__).parents[1]
PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("examples/*/params.yaml"))]
SOURCE = {"data": {"source": {"kind": "digits"}}}


def properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(group, key, its schema) of every key, those of every member of every union too."""
    for group, definition in [("", schema()), *schema()["$defs"].items()]:
        for key, value in definition.get("properties", {}).items():
            yield group, key, value


@cache
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def mistakes(raw: Any) -> list[str]:
    return [error.message for error in validator().iter_errors(raw)]


def test_every_key_says_what_it_does() -> None:
    found = list(properties())
    assert len(found) > 150
    assert [(group, key) for group, key, value in found if not value["description"].rstrip().endswith((".", ":"))] == []


def test_the_texts_are_those_of_the_code() -> None:
    shift = schema()["$defs"]["DiffAugment"]["properties"]["shift"]
    assert shift == {
        "default": 0.125,
        "description": "Largest shift each way, as a share of the image's side, in whole pixels.",
        "maximum": 1,
        "minimum": 0,
        "type": "number",
    }
    assert json.loads(schema_text()) == schema()


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_shipped_settings_are_right_and_name_the_schema(folder: Path) -> None:
    assert mistakes(yaml_text.read(folder / "params.yaml")) == []
    assert (folder / "params.yaml").read_text().startswith(MODELINE)
    assert (folder / SCHEMA_FILE).read_text() == schema_text(), 'run "ganaug sync . examples/*"'


def test_all_defaults_and_presets_are_right() -> None:
    assert mistakes(config.plain(Settings())) == []
    for name, preset in PRESETS.items():
        assert mistakes({**SOURCE, "gan": {"preset": name}}) == []
        assert mistakes({**SOURCE, "gan": preset.values}) == []
    assert mistakes({**SOURCE, "gan": {"preset": "wgan-gp", "objective": {"penalty": 5.0}}}) == []  # of the preset's


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"data": {}},
        {**SOURCE, "protocal": {}},
        {**SOURCE, "gan": {"step": 1}},
        {**SOURCE, "gan": {"steps": "3000"}},
        {**SOURCE, "gan": {"steps": 0}},
        {**SOURCE, "gan": {"preset": "stylegan"}},
        {**SOURCE, "gan": {"augment": {"shift": 1.5}}},
        {**SOURCE, "gan": {"objective": {"kind": "hinge", "margin": 1}}},
        {**SOURCE, "gan": {"regularisers": [{"gamma": 1.0}]}},
        {**SOURCE, "protocol": {"trials": 3}},
        {**SOURCE, "classify": {"arms": ["gans"]}},
        {**SOURCE, "gate": [{"above": 0.0}]},
    ],
)
def test_what_the_settings_refuse_the_schema_refuses(raw: dict[str, Any], tmp_path: Path) -> None:
    assert mistakes(raw)
    (tmp_path / "params.yaml").write_text(json.dumps(raw))
    with pytest.raises(config.UserError):
        config.load(tmp_path / "params.yaml")
