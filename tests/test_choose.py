"""Settings for a new set of images: what suits it, why, and how long a run then takes."""

import functools
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganaug import config, yaml_text
from ganaug.classify.arms import ARMS
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.folder import Folder
from ganaug.data.gather import Gathered
from ganaug.data.labelled import Labelled
from ganaug.data.mirror import Mirrored
from ganaug.data.pictures import SIZES, Shape
from ganaug.data.spec import DataSpec
from ganaug.data.survey import Survey
from ganaug.errors import UserError
from ganaug.start import estimate
from ganaug.start.choose import FEWEST_STEPS, MOST_STEPS, Chosen, choose, with_steps
from ganaug.start.estimate import Pace
from ganaug.start.params import params_yaml

SOURCE = {"kind": "folder", "path": "photos"}
EITHER_WAY = Mirrored(0.5, 0.9, 0.9)


def seen(
    counts: Sequence[int],
    test: Sequence[int] = (),
    groups: Sequence[str] | None = None,
    pixels: Sequence[str] | None = None,
    size: int = 16,
    sizes: dict[tuple[int, int], int] | None = None,
    gray: bool = True,
    aspect: Any = "squeeze",
    mirrored: Mirrored = EITHER_WAY,
) -> Survey:
    """What a survey of ``counts`` images of the classes c0, c1, ... has found, and ``test`` of them in a test part."""
    labels = np.repeat(range(len(counts)), counts)
    tests = np.repeat(range(len(test)), test)
    total = len(labels) + len(tests)
    names = [f"c{label}" for label in range(len(counts))]
    found = Labelled(
        classes=names,
        images=[],
        labels=np.concatenate([labels, tests]).astype(np.int64),
        files=[str(row) for row in range(total)],
        official_test=np.arange(total) >= len(labels),
        groups=list(groups) if groups else None,
    )
    data = Gathered(
        found=found,
        shape=Shape(size, 1 if gray else 3, aspect, (0, 0, 0)),
        path=Path(),
        pixels=list(pixels) if pixels else found.files,
        looks=[],
        broken=[],
    )
    spec = DataSpec(Folder(Path("photos")), size, "gray" if gray else "rgb", aspect)
    everything = np.bincount(found.labels, minlength=len(names)).tolist()
    sizes = sizes or {(size, size): total}
    return Survey(data, spec, dict(zip(names, everything, strict=True)), sizes, [], [], [], mirrored)


def chosen(*things: Any, device: str = "cpu", **more: Any) -> Chosen:
    return choose(seen(*things, **more), SOURCE, device, 4)


# --------------------------------------------------------------------------------------------------------- protocol


@pytest.mark.parametrize(("counts", "folds"), [([40, 40], 5), ([40, 5], 5), ([40, 4], 4), ([3, 40], 3)])
def test_as_many_folds_as_the_rarest_class_has_images_and_five_at_most(counts: list[int], folds: int) -> None:
    made = chosen(counts)
    assert made.raw["protocol"] == {"kind": "cv", "folds": folds, "repeats": 2, "seed": 0}
    rarest = f"class c{counts.index(min(counts))} has only {folds} different images"
    assert (rarest in made.why["protocol"]) == (folds < 5)


def test_copies_count_once() -> None:
    made = chosen([6, 5], pixels=[*"abcdef", *"uvwww"])
    assert made.raw["protocol"]["folds"] == 3


def test_groups_count_and_not_their_images() -> None:
    made = chosen([6, 6], groups=[*"aabbcc", *"aabbdd"])
    assert made.raw["protocol"]["folds"] == 3
    assert "only 3 groups" in made.why["protocol"]


@pytest.mark.parametrize("more", [{"pixels": [*"abcd", *"zzz"]}, {"groups": [*"abcd", *"zzz"]}])
def test_a_class_that_cannot_be_parted_fits_no_protocol(more: dict[str, Any]) -> None:
    survey = seen([4, 3], **more)
    with refused('class "c1"', "remove it"):
        choose(survey, SOURCE, "cpu", 2).settings.protocol.splits(survey.data.items())


def test_an_official_test_part_is_held_out() -> None:
    made = chosen([9, 9], [5, 6])
    assert made.raw["protocol"] == {"kind": "holdout", "trials": 5, "seed": 0}
    assert "11 images are set apart" in made.why["protocol"]


def test_one_repeat_is_enough_for_a_large_set() -> None:
    assert chosen([1000, 999]).raw["protocol"]["repeats"] == 2
    assert chosen([1000, 1000]).raw["protocol"]["repeats"] == 1


# ---------------------------------------------------------------------------------------------------- uneven classes


def test_uneven_classes_are_topped_up_and_compared_with_real_images_again() -> None:
    made = chosen([20, 10, 15])
    assert made.settings.synth.balance == "fill"
    assert made.settings.report.primary_metric == "balanced_accuracy"
    assert {"none", "classical", "gan", "gan+classical", "placebo", "placebo+classical", "smote"} == set(
        made.settings.classify.arms
    )
    assert "which GAN images must beat" in made.why["classify.arms"]
    assert "topped up" in made.why["synth.balance"]


def test_classes_of_about_one_size_get_as_many_of_each() -> None:
    made = chosen([20, 11, 15])
    assert made.settings.synth.balance == "equal"
    assert made.settings.report.primary_metric == "accuracy"
    assert made.settings.classify.arms == ("none", "classical", "gan", "gan+classical", "placebo")
    assert "the control" in made.why["classify.arms"]
    assert "as many images of each" in made.why["synth.balance"]


@pytest.mark.parametrize(("train", "test", "balance"), [([9, 9], [20, 2], "equal"), ([4, 12], [20, 12], "fill")])
def test_what_is_learned_from_decides_and_not_the_test_part(train: list[int], test: list[int], balance: str) -> None:
    """A train part of equal classes has nothing to fill, and the run would stop there."""
    assert chosen(train, test).settings.synth.balance == balance


# ------------------------------------------------------------------------------------------------- images and device


@pytest.mark.parametrize("flips", [True, False])
def test_flips_follow_the_images(flips: bool) -> None:
    found = Mirrored(0.5 if flips else 0.93, 0.9, 0.9)
    made = chosen([9, 9], mirrored=found)
    assert made.settings.gan.augment.flip is flips
    assert made.raw["classify"]["classical"]["flip"] is flips
    assert made.why["gan.flip"] == ("allowed: " if flips else "not allowed: ") + found.reason()


@pytest.mark.parametrize(
    ("device", "size", "width", "batch"),
    [("cpu", 16, 24, 64), ("cpu", 32, 24, 64), ("cpu", 40, 16, 64), ("cuda", 64, 64, 64), ("mps", 16, 64, 64)],
)
def test_the_gan_has_the_size_that_the_device_bears(device: str, size: int, width: int, batch: int) -> None:
    gan = chosen([9, 9], size=size, device=device).settings.gan
    assert (gan.generator_width, gan.discriminator_width, gan.batch_size) == (width, width, batch)


def test_the_shape_of_the_images_is_written_down_with_its_reason() -> None:
    made = chosen([9, 9], size=28, gray=False, aspect="pad", sizes={(30, 25): 10, (20, 40): 8})
    data = made.settings.data
    assert (data.image_size, data.channels, data.aspect, data.on_broken) == (28, "rgb", "pad", "refuse")
    assert "20 to 40 pixels" in made.why["data.image_size"]
    assert "CPU" not in made.why["data.image_size"]
    assert "colours" in made.why["data.channels"]
    assert "shapes differ" in made.why["data.aspect"]


def test_it_is_said_that_a_cpu_makes_images_smaller() -> None:
    assert "on a CPU no more than 64" in chosen([9, 9], size=64, sizes={(200, 150): 18}).why["data.image_size"]
    assert "no more than" not in chosen([9, 9], size=64).why["data.image_size"]


@settings(max_examples=15)
@given(
    counts=st.lists(st.integers(3, 25), min_size=2, max_size=5),
    size=st.sampled_from(SIZES),
    gray=st.booleans(),
    aspect=st.sampled_from(["pad", "squeeze"]),
    device=st.sampled_from(["cpu", "cuda", "mps"]),
    has_test=st.booleans(),
    told=st.floats(0, 1),
)
def test_whatever_is_chosen_is_a_project_that_runs(
    counts: list[int], size: int, gray: bool, aspect: str, device: str, has_test: bool, told: float
) -> None:
    """Settings that are accepted and written as chosen, splits that can be dealt, synthetic images to make in each."""
    survey = seen(
        counts, counts[::-1] if has_test else (), size=size, gray=gray, aspect=aspect, mirrored=Mirrored(told, 0.5, 0.5)
    )
    chosen = with_steps(choose(survey, SOURCE, device, 2), PACE, 5)
    made = chosen.settings
    assert config.check(config.plain(made)) == made
    assert config.check(yaml_text.parse(params_yaml(chosen, "photos"), "params.yaml")) == made
    items = survey.data.items()
    splits = made.protocol.splits(items)
    assert set(splits) == set(made.protocol.names())
    for split in splits.values():
        learned = np.bincount(items.labels[split.train], minlength=len(counts)).tolist()
        assert any(made.synth.counts({str(label): count for label, count in enumerate(learned)}).values())


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=8, max_size=25))
def test_with_groups_the_most_folds_that_can_be_dealt(rows: list[tuple[int, int]]) -> None:
    """And where these cannot be dealt, no other number can: a class is too small or lies in one large group."""
    rows = sorted(rows)
    survey = seen([sum(label == one for label, _ in rows) for one in (0, 1)], groups=[f"g{group}" for _, group in rows])
    items = survey.data.items()
    assume(min(items.parts().values()) >= 2)
    protocol = choose(survey, SOURCE, "cpu", 2).settings.protocol
    assert isinstance(protocol, CrossValidation)
    try:
        protocol.splits(items)
    except UserError:
        for folds in range(2, protocol.folds):
            with refused("protocol.folds"):
                replace(protocol, folds=folds).splits(items)


# ------------------------------------------------------------------------------------------------------------- time

PACE = Pace("cpu", jobs=2, gan_step=0.05, classifier_steps=dict.fromkeys(ARMS, 0.01))
ALONE = replace(PACE, jobs=1)


def settings_of(steps: int, folds: int = 5, repeats: int = 2) -> config.Settings:
    return config.check(
        {
            "protocol": {"kind": "cv", "folds": folds, "repeats": repeats},
            "gan": {"steps": steps},
            "classifier": {"steps": 300},
        }
    )


def test_a_run_by_hand() -> None:
    """Ten trials and the release: eleven GANs, one after the other; in each trial ten classifiers of 300 steps.

    Five arms, two of them at two other numbers of labels, and one that learns from generated images alone.
    """
    gans, classifiers = 11 * 2000 * 0.05, 10 * 10 * 300 * 0.01
    assert ALONE.gan_seconds(settings_of(2000), 2000) == pytest.approx(gans)
    assert ALONE.run_seconds(settings_of(2000)) == pytest.approx(45 + gans + classifiers)


def test_two_at_a_time_by_hand() -> None:
    """Eleven GANs two at a time are six rounds; each job is 1.4 times as slow while both cores work."""
    gans, classifiers = 6 * 2000 * 0.05 * 1.4, 10 * 10 * 300 * 0.01 * 1.4 / 2
    assert PACE.gan_seconds(settings_of(2000), 2000) == pytest.approx(gans)
    assert PACE.run_seconds(settings_of(2000)) == pytest.approx(45 + gans + classifiers)


def test_more_jobs_than_splits_make_one_round() -> None:
    crowd = replace(PACE, jobs=64)
    assert crowd.gan_seconds(settings_of(100), 100) == pytest.approx(100 * 0.05 * 1.4)


def test_steps_are_what_the_minutes_leave_by_hand() -> None:
    """30 minutes less 45 s and 210 s of classifiers leave 1,545 s for six rounds at 0.07 s a step."""
    made = with_steps(chosen([40, 40]), PACE, 30)
    assert made.settings.classifier.steps == 300
    assert made.settings.gan.steps == math.floor((1800 - 45 - 210) / (6 * 0.07) / 100) * 100 == 3600
    assert made.settings.protocol.trials == 10
    assert made.why["gan.steps"] == "what fits in 30 minutes: 20.0 per second, 2 at a time on this machine's cpu"


def test_few_minutes_cost_a_repeat_before_they_cost_steps() -> None:
    """They leave 1,257 steps for two repeats, and 3,014 for one: (783 - 45 - 105) / (3 * 0.07)."""
    made = with_steps(chosen([40, 40]), PACE, 783 / 60)
    assert made.settings.protocol.trials == 5
    assert made.settings.gan.steps == 3000


def test_no_time_leaves_the_fewest_steps_and_more_time_no_more_than_the_most() -> None:
    short, long = with_steps(chosen([40, 40]), PACE, 0.1), with_steps(chosen([40, 40]), PACE, 1e6)
    assert short.settings.gan.steps == FEWEST_STEPS
    assert "the fewest that init sets" in short.why["gan.steps"]
    assert long.settings.gan.steps == MOST_STEPS
    assert "bring little" in long.why["gan.steps"]
    assert long.settings.protocol.trials == 10


def test_an_official_test_part_has_no_repeats_to_lose() -> None:
    made = with_steps(chosen([40, 40], [9, 9]), PACE, 1)
    assert made.raw["protocol"] == {"kind": "holdout", "trials": 5, "seed": 0}
    assert made.settings.gan.steps == FEWEST_STEPS


def test_teachers_are_reckoned_with() -> None:
    """Of the arm ``pseudo``, and of each GAN (the release too) that has them."""
    pace = Pace("cpu", 1, 0.0, {"none": 1.0, "pseudo": 1.0})
    raw: dict[str, Any] = {
        "protocol": {"kind": "subsets", "trials": 2, "unlabelled_per_class": 1},
        "gan": {"unlabelled": False},
        "classifier": {"steps": 10},
        "classify": {"arms": ["none", "pseudo"], "curve": [], "pseudo": {"teachers": 3}},
        "fidelity": {"enabled": False},
    }
    fixed = pace.run_seconds(config.check(raw)) - 2 * 10 * (1 + 1 + 3)
    raw["gan"] = {}
    assert pace.run_seconds(config.check(raw)) == pytest.approx(
        fixed + 2 * 10 * (1 + 1 + 3) + 3 * 10 * 3
    )  # and release


@settings(max_examples=12)
@given(
    step=st.floats(1e-4, 1),
    jobs=st.integers(1, 64),
    minutes=st.floats(0.01, 1e4),
    counts=st.lists(st.integers(3, 30), min_size=2, max_size=3),
)
def test_the_run_keeps_to_the_minutes(step: float, jobs: int, minutes: float, counts: list[int]) -> None:
    pace = replace(PACE, gan_step=step, jobs=jobs)
    before = chosen(counts)
    after = with_steps(before, pace, minutes)
    settings_after, steps = after.settings, after.raw["gan"]["steps"]
    assert FEWEST_STEPS <= steps <= MOST_STEPS
    assert steps % 100 == 0
    if steps > FEWEST_STEPS:
        assert pace.run_seconds(settings_after) <= 60 * minutes * (1 + 1e-9)
    repeats = after.raw["protocol"]["repeats"]
    more = with_steps(before, pace, 2 * minutes)
    assert more.raw["protocol"]["repeats"] >= repeats
    if more.raw["protocol"]["repeats"] == repeats:
        assert more.raw["gan"]["steps"] >= steps
    changed = {key for key in after.raw if after.raw[key] != before.raw[key]}
    assert changed <= {"gan", "protocol"}


# -------------------------------------------------------------------------------------------------------- measuring


def test_the_first_run_warms_up_and_the_shortest_of_the_others_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.accumulate(itertools.repeat(0.25))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    runs: list[int] = []
    assert estimate._best(lambda: runs.append(1), at_least=3, seconds=0) == 0.25
    assert len(runs) == 4


def test_networks_are_timed_as_the_settings_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_best", functools.partial(estimate._best, at_least=1, seconds=0))
    small: dict[str, Any] = {
        "gan": {"batch_size": 4, "generator_width": 4, "discriminator_width": 4},
        "classifier": {"width": 4, "batch_size": 4},
        "classify": {"arms": ["none", "gan+classical", "smote"]},
        "synth": {"balance": "fill"},
        "device": "cpu",
        "jobs": 3,
    }
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (300, 8, 8, 3), np.uint8), np.arange(300) % 3
    pace = estimate.measure(config.check(small), images, labels, 3)
    assert (pace.device, pace.jobs) == ("cpu", 3)
    assert list(pace.classifier_steps) == ["none", "gan+classical", "smote"]
    assert min(pace.gan_step, *pace.classifier_steps.values()) > 0
