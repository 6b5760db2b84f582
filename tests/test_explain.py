"""``ganaug explain``: what a key does, in words, with its value in a project."""

from pathlib import Path

import pytest
from expect import refused
from test_schema import properties

from ganaug.gan.presets import PRESETS
from ganaug.start.explain import _all_keys, explain
from ganaug.start.schema import schema


def said(key: str, params: Path = Path("nowhere")) -> str:
    return explain(key, params)


def test_a_key_with_its_range_default_and_source() -> None:
    assert said("gan.augment.shift").splitlines() == [
        "gan.augment.shift",
        "  Largest shift each way, as a share of the image's side, in whole pixels.",
        "  range    a number from 0 to 1",
        "  default  0.125 (preset default: ganaug, measured on tuning draws)",
        "  source   Zhao 2020",
    ]


def test_a_default_is_the_one_of_its_place() -> None:
    """The same group of keys has other defaults elsewhere."""
    assert said("gan.vary.shift").splitlines()[3] == "  default  0.0"


def test_a_source_is_said_of_the_keys_that_the_preset_sets(tmp_path: Path) -> None:
    for key in ("gan.save_seconds", "gan.init_from", "gan.preset"):
        assert "(preset " not in said(key)
    params = tmp_path / "params.yaml"
    params.write_text("gan: {preset: gan}\n")
    assert "default  100 (preset gan: " in said("gan.batch_size", params)
    assert said("gan.discriminator_steps", params).splitlines()[3] == "  default  1"
    assert "(preset default: " in said("gan.discriminator_steps")


def test_the_value_here(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("data: {source: {kind: digits}}\ngan: {preset: wgan-gp, steps: 7}\n")
    assert said("gan.steps", params).endswith("here     7 (set in params.yaml)")
    text = said("gan.z_dim", params)
    assert "default  128 (preset wgan-gp: Gulrajani 2017, arXiv 1704.00028)" in text
    assert text.endswith("here     128 (the default)")
    assert said("gan.objective", params).endswith("here     wasserstein-gp")
    params.write_text("data: {source: {kind: digits}}\ngan: {step: 7}\n")
    assert "here     unknown: " in said("gan.steps", params)
    params.write_text("gan: 7\n")
    assert "here     unknown: " in said("gan.steps", params)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_defaults(preset: str, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(f"gan: {{preset: {preset}}}\n")
    assert "default  " in said("gan.steps", params)
    assert 'default  ["none", "classical"' in said("classify.arms", params)


def test_names_that_are_built_are_not_listed() -> None:
    text = said("classify.arms")
    assert "a list of: none, a filler (gan, " in text
    assert " more\n" not in text


def test_a_key_that_several_kinds_have() -> None:
    text = said("protocol.trials")
    assert "of kind subsets:" in text
    assert "of kind holdout:" in text


def test_a_group_lists_its_keys() -> None:
    assert "\n    cutout          Side of a square" in said("gan.augment")
    assert "\n    gan         The networks" in said("")
    text = said("gan.objective")
    assert "kind wasserstein-gp: WGAN-GP (Gulrajani 2017" in text
    assert "penalty  Weight" in text
    assert said("gan.objective.kind") == text
    assert "``" not in text


def test_lists_and_tables() -> None:
    assert said("gate[1].above") == said("gate.above")
    assert "range    a number above 0 to 1, or null" in said("classify.mixes.gan+classical.share")


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("gan.augment.shfit", "gan.augment.shift"),
        ("smallest_gain", "report.smallest_gain"),
        ("steps", "gan.steps"),
        ("gan.steps.more", "gan.steps"),
    ],
)
def test_an_unknown_key_names_those_that_may_be_meant(key: str, near: str) -> None:
    with refused(f'explain: no such key: "{key}" (did you mean ', near, "lists the groups"):
        said(key)


@pytest.mark.parametrize("key", ["", ".", "gan.", "nothing like it", "[", "a.b.c", "gan..steps"])
def test_odd_words_are_explained_or_refused(key: str) -> None:
    if key.strip(".") in ("", "gan", "gan..steps"):
        assert said(key)
    else:
        with refused("explain: no such key"):
            said(key)


def test_every_key_is_explained() -> None:
    keys = list(dict.fromkeys(_all_keys(schema())))
    assert {key.rpartition(".")[2] for key in keys} == {key for _, key, _ in properties()}
    for key in keys:
        assert said(key).startswith(key.removesuffix(".kind"))
