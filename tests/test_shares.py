"""``share: auto``: what it chooses, by which images, and what comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from test_pipeline import SMALL, project

from ganaug import config
from ganaug.classify.arms import arm
from ganaug.classify.shares import REPEATS, SHARES, best_share
from ganaug.data.prepared import read_prepared
from ganaug.stages import classify
from ganaug.stages.held import kept_and_held
from ganaug.stages.pipeline import run


def answers(*shares: list[int]) -> np.ndarray:
    """The same from every repeat."""
    return np.repeat(np.array(shares, bool)[None], REPEATS, axis=0)


def test_by_hand() -> None:
    labels = np.zeros(4, np.int64)
    chosen, scores = best_share(answers([1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]), labels)
    assert (chosen, scores) == (0.25, {"0": 25.0, "0.25": 100.0, "0.5": 75.0})
    # One image of four: as far ahead as its standard error.
    assert best_share(answers([1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]), labels)[0] == 0
    # A class with one image counts as much as one with three.
    labels = np.array([0, 0, 0, 1])
    assert best_share(answers([0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]), labels)[1]["0.25"] == 50.0


@given(st.integers(0, 10_000), st.integers(2, 60))
def test_nothing_is_chosen_where_nothing_differs_and_never_what_did_worse(seed: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, images)
    right = rng.random((REPEATS, len(SHARES), images)) < 0.7
    chosen, scores = best_share(right, labels)
    assert scores[f"{chosen:g}"] >= scores["0"]
    assert scores[f"{chosen:g}"] == max(scores.values()) or chosen == 0
    alike = np.repeat(right[:, :1], len(SHARES), axis=1)
    assert best_share(alike, labels)[0] == 0


def test_one_lucky_start_decides_nothing() -> None:
    """Two initial weights say that a share loses an image, one that it wins nine: ahead in the mean, by luck."""
    right = np.zeros((3, len(SHARES), 20), bool)
    right[:, 0, :10] = True
    right[:2, 1, :9] = True
    right[2, 1, :19] = True
    assert best_share(right, np.zeros(20, np.int64))[0] == 0
    right[:, 1, :19] = True
    assert best_share(right, np.zeros(20, np.int64))[0] == 0.25


def test_one_image_decides_nothing() -> None:
    assert best_share(answers([0], [1], [1]), np.array([2]))[0] == 0


def test_where_nothing_is_chosen_the_arm_is_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = {"arms": ["none", "gan", "placebo"], "curve": [], "mix": {"share": "auto"}}
    made = project(tmp_path, classify=auto, gan={"held_out": 0.2}, fidelity={"enabled": False})
    seen: list[np.ndarray] = []

    def nothing(right: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, float]]:
        seen.append(labels)
        return 0.0, {}

    monkeypatch.setattr("ganaug.classify.shares.best_share", nothing)
    run(made)
    prepared = read_prepared(made.prepared)
    for trial in ("0", "1"):
        table = json.loads((made.trials / f"{trial}.json").read_text())
        assert table["arms"]["gan"] == table["arms"]["none"] == table["arms"]["placebo"]
        assert set(table["shares"]) == {"gan", "placebo"}
        assert table["shares"]["gan"]["chosen"] == 0
        kept, held = kept_and_held(made, prepared, trial)
        assert len(held) == 10
        assert sorted([*kept, *held]) == prepared.split(trial).train
    summary = json.loads((made.reports / "summary.json").read_text())
    assert summary["shares"] == {"gan": [0, 0], "placebo": [0, 0]}
    page = " ".join((made.reports / "report.html").read_text().split())
    assert "Share of each batch that is not real in gan, chosen inside each train part: 0, 0." in page
    assert "in 2 of 2 trials it was none: there the arm is its base" in page
    assert all(sorted(labels.tolist()) == list(range(10)) for labels in seen)
    assert len(seen) == 4


def test_the_chosen_share_is_what_the_arm_learns_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classify_: dict[str, Any] = {"arms": ["none", "gan"], "curve": [], "mix": {"share": "auto"}}
    made = project(tmp_path / "auto", classify=classify_, gan={"held_out": 0.2}, fidelity={"enabled": False})
    monkeypatch.setattr("ganaug.classify.shares.best_share", lambda right, labels: (0.5, {"0.5": 1.0}))
    run(made)
    fixed = project(
        tmp_path / "fixed",
        classify={**classify_, "mix": {"share": 0.5}},
        gan={"held_out": 0.2},
        fidelity={"enabled": False},
    )
    run(fixed)
    for trial in ("0", "1"):
        chosen, given_ = (json.loads((one.trials / f"{trial}.json").read_text()) for one in (made, fixed))
        assert chosen["arms"] == given_["arms"]
        assert chosen["keys"]["gan"] != given_["keys"]["gan"]
        assert (chosen["shares"]["gan"]["chosen"], given_["shares"]) == (0.5, {})


def test_classifiers_that_choose_learn_from_no_image_that_they_are_judged_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do their fillers: neither the placebo's copies nor the GAN's images come of them."""
    auto = {"arms": ["none", "gan", "placebo"], "curve": [], "mix": {"share": "auto"}}
    made = project(tmp_path, classify=auto, gan={"held_out": 0.2}, fidelity={"enabled": False})
    run(made)
    prepared = read_prepared(made.prepared)
    _, held = kept_and_held(made, prepared, "0")
    hidden = {image.tobytes() for image in prepared.images_of(held)}
    learned: list[np.ndarray] = []
    whole = classify._Bench._fit

    def watching(self: Any, chosen: Any, pool: Any, filling: Any, seed: int) -> Any:
        learned.extend([pool[0], *([filling[0]] if filling is not None else [])])
        return whole(self, chosen, pool, filling, seed)

    monkeypatch.setattr(classify._Bench, "_fit", watching)
    import torch

    bench = classify._Bench(made, prepared, "0", torch.device("cpu"))
    bench.with_best_share(arm("placebo", made.settings.classify))
    assert len(learned) == REPEATS * (1 + 2 * 2)
    assert not hidden & {image.tobytes() for images in learned for image in images}


def test_auto_needs_images_that_the_gan_never_saw() -> None:
    with refused("classify: share auto", "gan.held_out is 0", "0.2"):
        config.check({**SMALL, "classify": {"mix": {"share": "auto"}}})
    auto: dict[str, Any] = {"classify": {"mix": {"share": "auto"}}}
    with refused("classify: share auto", "gan.select gan-train"):
        config.check({**SMALL, **auto, "gan": {"held_out": 0.2, "select": "gan-train"}})
    with refused("classify: share auto", "synth.balance fill"):
        config.check({**SMALL, **auto, "gan": {"held_out": 0.2}, "synth": {"balance": "fill"}})
    with refused("classify.mix.share", "greater than 0"):
        config.check({**SMALL, "classify": {"mix": {"share": 0}}})
