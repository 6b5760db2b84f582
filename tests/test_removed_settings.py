"""Settings that are there no more are refused in one line: where, why, and what to write instead."""

from typing import Any

import pytest
from expect import refused

from ganaug import config

REMOVED: list[tuple[dict[str, Any], str, str]] = [
    ({"classify": {"mix": {"share": "auto"}}}, "classify.mix.share: auto", "give a number such as 0.25"),
    ({"classify": {"mix_with_classical": {"order": "first"}}}, "classify.mix_with_classical.order", "leave it out"),
    ({"classify": {"mixes": {"gan": {"weight": 0.5}}}}, "classify.mixes.gan.weight", "leave it out"),
    ({"classify": {"mix": {"statistics": "shared"}}}, "classify.mix.statistics", "leave it out"),
    ({"classify": {"mix": {"mixup": 0.2}}}, "classify.mix.mixup", "classify.classical"),
    ({"classify": {"mix": {"targets": {"kind": "taught"}}}}, "classify.mix.targets", "leave it out"),
    ({"classifier": {"norm": "group"}}, "classifier.norm", "leave it out"),
    ({"gan": {"select": "several"}}, "gan.select: several", "write last, or gan-train"),
    ({"gan": {"unlabelled": {"kind": "joint"}}}, "gan.unlabelled: kind joint", "write true"),
    ({"gan": {"unlabelled": {"kind": "pseudo"}}}, "gan.unlabelled: is a yes or no now", "write true"),
    ({"gan": {"unlabelled": {"kind": "ignored"}}}, "gan.unlabelled: is a yes or no now", "write false"),
    ({"synth": {"filters": [{"kind": "copies"}, {"kind": "critic"}]}}, "synth.filters[1]: kind critic", "agreement"),
    ({"synth": {"filters": [{"kind": "support"}]}}, "synth.filters[0]: kind support", "copies"),
]


@pytest.mark.parametrize(("raw", "place", "instead"), REMOVED, ids=[place for _, place, _ in REMOVED])
def test_a_removed_setting_is_refused_with_the_reason(raw: dict[str, Any], place: str, instead: str) -> None:
    reason = "yes or no" if "yes or no" in place else "was removed: it brought nothing (docs/experiments.md)"
    with refused(f"params.yaml: {place}", reason, instead):
        config.check(raw)


@pytest.mark.parametrize(
    "raw", [{"classify": 3}, {"classify": {"mixes": [1]}}, {"synth": {"filters": "copies"}}, {"gan": None}]
)
def test_what_is_no_group_of_settings_is_left_to_the_check_of_types(raw: dict[str, Any]) -> None:
    with refused("params.yaml:"):
        config.check(raw)
