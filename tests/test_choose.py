"""Settings for a new set of images: what suits it, why, and how long a run then takes."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
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
from ganaug.measure import stats
from ganaug.stages.needs import Sizes
from ganaug.start import cells, estimate, fit
from ganaug.start.choose import GAN, SLOW, TRANSLATOR, Chosen, Limits, Scope, chance, choose, full_size
from ganaug.start.estimate import Pace
from ganaug.start.findings import choices, findings, given_up
from ganaug.start.fit import fitted
from ganaug.start.params import params_yaml
from ganaug.start.power import DIFFER, TRIAL_SD

SOURCE = {"kind": "folder", "path": "photos"}
TWO_LEVELS = {**SOURCE, "conditions": "above"}
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
    conditions: Sequence[str] | None = None,
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
        conditions=list(conditions) if conditions else None,
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


# ----------------------------------------------------------------------------------------------------- missing cells


def two_cameras(old: Sequence[int], new: Sequence[int], test: Sequence[int] = (), **more: Any) -> Survey:
    """What a survey has found of so many images of each class by two cameras, and of a test part by the old one."""
    both = list(zip(old, new, strict=True))
    conditions = [name for one, other in both for name in [*["old"] * one, *["new"] * other]]
    return seen([sum(ours) for ours in both], test, conditions=[*conditions, *["old"] * sum(test)], **more)


@pytest.fixture
def plain_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects can be cut from their ground."""
    monkeypatch.setattr(cells, "_can_paste", lambda survey: True)


@pytest.mark.usefixtures("plain_ground")
def test_missing_cells_are_filled_and_what_fills_them_is_measured_on_cells_that_are_hidden() -> None:
    survey = two_cameras([20, 20, 20, 20], [0, 0, 10, 10])
    made = choose(survey, TWO_LEVELS, "cpu", 2, Scope(16, TRANSLATOR.enough))
    assert made.raw["protocol"] == {"kind": "cells", "folds": 5, "repeats": 2, "hide": 0.5, "seed": 0}
    assert made.settings.gan.translate
    assert made.settings.gan.steps == TRANSLATOR.enough
    assert {"classical", "classical+masked", "translate+classical+masked", "oracle+classical"} < set(
        made.settings.classify.arms
    )
    assert {"histogram+classical+masked", "paste+classical+masked", "strong+masked"} < set(made.settings.classify.arms)
    assert [rule.gain for rule in made.settings.gate] == ["translate+classical+masked_vs_classical"]
    assert (made.settings.synth.balance, made.settings.classify.curve) == ("equal", ())
    assert made.settings.report.primary_metric == "condition_accuracy"
    assert "2 cells under new" in made.why["protocol"]
    chosen = Chosen(made.raw, {**made.why, "gan.steps": "these"})
    assert config.check(yaml_text.parse(params_yaml(chosen, "photos"), "params.yaml")) == made.settings
    assert set(made.settings.protocol.splits(survey.data.items())) == set(made.settings.protocol.names())
    assert chance(survey, made.settings) is None


@pytest.mark.usefixtures("plain_ground")
def test_what_time_does_not_allow_is_no_rival_that_decides() -> None:
    survey = two_cameras([9, 9, 9], [0, 9, 9])
    arms = choose(survey, TWO_LEVELS, "cpu", 2, Scope(16, controls=False)).settings.classify.arms
    assert {"classical+masked", "histogram+classical+masked", "oracle+classical"} < set(arms)
    assert not {"paste+classical+masked", "strong+masked"} & set(arms)


@pytest.mark.usefixtures("plain_ground")
@pytest.mark.parametrize(
    ("new", "folds", "repeats", "hidden"), [([0, 4, 4, 9], 4, 3, 3), ([0, 3, 9, 9], 3, 4, 3), ([0, 2, 9, 9], 5, 2, 2)]
)
def test_as_many_folds_as_let_the_most_cells_be_hidden_and_ten_trials(
    new: list[int], folds: int, repeats: int, hidden: int
) -> None:
    survey = two_cameras([9, 9, 9, 9], new)
    made = choose(survey, TWO_LEVELS, "cpu", 2)
    assert (made.raw["protocol"]["folds"], made.raw["protocol"]["repeats"]) == (folds, repeats)
    assert made.why["protocol"].startswith(f"no image to test on shows a missing cell, so {hidden} cells")
    assert made.settings.protocol.splits(survey.data.items())


@pytest.mark.usefixtures("plain_ground")
@pytest.mark.parametrize(("size", "full", "least"), [(8, 28, 28), (16, 28, 28), (20, 20, 20), (64, 64, 32)])
def test_images_too_small_to_be_translated_are_enlarged_and_none_is_made_so_small(
    size: int, full: int, least: int
) -> None:
    survey = two_cameras([9, 9, 9], [0, 9, 9], size=size)
    made = choose(survey, TWO_LEVELS, "cpu", 2)
    assert full_size(survey) == made.settings.data.image_size == full
    assert ("enlarged, since translation needs 20" in made.why["data.image_size"]) == (size < 20)
    assert (f"(enlarged from {size}, to be translated)" in choices(made.settings, None, size)) == (size < 20)
    assert fitted_to(0.01, size=full, limits=TRANSLATOR).size == least
    assert full_size(two_cameras([9, 9], [9, 9], size=size)) == size  # nothing to translate


@pytest.mark.parametrize(
    ("survey", "why"),
    [
        (two_cameras([9, 9], [9, 9]), "missing cells: none"),
        (two_cameras([9, 9], [0, 9]), "not about them: to measure what fills them takes two classes or more under new"),
        (two_cameras([9, 9, 9], [0, 2, 2]), "with 3 different images or more both there and under another condition"),
        (two_cameras([9, 9, 9], [0, 9, 9], [5, 5, 5]), "not about them: the source sets a test part apart"),
    ],
)
def test_otherwise_conditions_change_nothing_and_it_is_said_why(survey: Survey, why: str) -> None:
    made = choose(survey, TWO_LEVELS, "cpu", 2)
    assert made.raw["protocol"]["kind"] in ("cv", "holdout")
    assert made.settings.gan.translate is None
    assert "gan+classical" in made.settings.classify.arms
    assert why in findings(survey, Path("photos"))


def test_images_are_shown_as_a_grid_of_classes_and_conditions() -> None:
    few, many = two_cameras([20, 20, 20], [0, 10, 5]), two_cameras([9] * 30, [0] * 10 + [9] * 20)
    assert findings(few, Path("photos")).split("\n")[3:10] == [
        "  conditions: new, old",
        "    class  new      old",
        "    -----  -------  ---",
        "    c0     missing  20",
        "    c1     10       20",
        "    c2     5        20",
        "  missing cells: 1 of 6: c0 under new",
    ]
    said = findings(many, Path("photos"))
    assert "c19" in said
    assert "c20  " not in said
    assert "    and 10 more classes\n" in said
    assert "  missing cells: 10 of 60: c0, c1, c2, c3, c4, c5 and 4 more under new\n" in said


# ---------------------------------------------------------------------------------------------------- uneven classes


def test_uneven_classes_are_topped_up_and_compared_with_real_images_again() -> None:
    made = chosen([20, 10, 15])
    assert made.settings.synth.balance == "fill"
    assert made.settings.report.primary_metric == "balanced_accuracy"
    arms = {"none", "classical", "gan", "gan+classical", "placebo", "placebo+classical", "smote", "longer+classical"}
    assert set(made.settings.classify.arms) == arms
    assert "which GAN images must beat" in made.why["classify.arms"]
    assert "topped up" in made.why["synth.balance"]


def test_classes_of_about_one_size_get_as_many_of_each() -> None:
    made = chosen([20, 11, 15])
    assert made.settings.synth.balance == "equal"
    assert made.settings.report.primary_metric == "accuracy"
    assert made.settings.classify.arms == ("none", "classical", "gan", "gan+classical", "placebo", SLOW[1])
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


def _scopes(size: int) -> Iterator[Scope]:
    """Whatever is given up."""
    cuts = fit._cuts(size, GAN)
    for number in range(2 ** len(cuts)):
        yield fit._without([cut for place, cut in enumerate(cuts) if number >> place & 1], Scope(size))


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(3, 25), min_size=2, max_size=5),
    size=st.sampled_from(SIZES),
    gray=st.booleans(),
    aspect=st.sampled_from(["pad", "squeeze"]),
    device=st.sampled_from(["cpu", "cuda", "mps"]),
    has_test=st.booleans(),
    told=st.floats(0, 1),
    scope=st.data(),
)
def test_whatever_is_chosen_is_a_project_that_runs(
    counts: list[int], size: int, gray: bool, aspect: str, device: str, has_test: bool, told: float, scope: Any
) -> None:
    """Settings that are accepted and written as chosen, splits that can be dealt, synthetic images to make in each."""
    survey = seen(
        counts, counts[::-1] if has_test else (), size=size, gray=gray, aspect=aspect, mirrored=Mirrored(told, 0.5, 0.5)
    )
    less = scope.draw(st.sampled_from(list(_scopes(size))))
    chosen = choose(survey, SOURCE, device, 2, less)
    chosen = Chosen(chosen.raw, {**chosen.why, "gan.steps": "these"})
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

PACE = Pace("cpu", jobs=2, gan_step=0.05, classifier_steps=dict.fromkeys(ARMS, 0.01), start=2.0)
ALONE = replace(PACE, jobs=1)
SIZES_OF = Sizes({"a": 40, "b": 40}, 20, 100, (1, 8, 8))
FIXED = 5.5 * 2.0


def settings_of(steps: int, folds: int = 5, repeats: int = 2, **more: Any) -> config.Settings:
    return config.check(
        {
            "protocol": {"kind": "cv", "folds": folds, "repeats": repeats},
            "gan": {"steps": steps},
            "classifier": {"steps": 300},
            "fidelity": {"enabled": False},
            **more,
        }
    )


def test_a_run_by_hand() -> None:
    """Ten trials and the release: eleven GANs, one after the other; in each trial nine classifiers of 300 steps.

    Five arms, two of them at two other numbers of labels.
    """
    gans, classifiers = 11 * 2000 * 0.05, 10 * 9 * 300 * 0.01
    assert ALONE.gan_seconds(settings_of(2000), 2000) == pytest.approx(gans)
    assert ALONE.run_seconds(settings_of(2000), SIZES_OF) == pytest.approx(FIXED + gans + classifiers)


def test_two_at_a_time_by_hand() -> None:
    """Eleven GANs two at a time are six rounds."""
    gans, classifiers = 6 * 2000 * 0.05, 10 * 9 * 300 * 0.01 / 2
    assert PACE.gan_seconds(settings_of(2000), 2000) == pytest.approx(gans)
    assert PACE.run_seconds(settings_of(2000), SIZES_OF) == pytest.approx(FIXED + gans + classifiers)
    assert replace(PACE, jobs=64).gan_seconds(settings_of(100), 100) == pytest.approx(100 * 0.05)


def test_what_is_no_step_counts_too_by_hand() -> None:
    """The end of each GAN, its 2 x 500 images, 9 looks at 20 test images, and the images' own measures in each trial: a
    classifier that learns from generated images, 1,000 + 2 x 20 looks, and the distances."""
    pace = replace(ALONE, gan_rest=3.0, make=0.001, look=0.002)
    steps_alone = ALONE.run_seconds(settings_of(2000), SIZES_OF)
    images = 11 * 3.0 + 11 * 1000 * 0.001 + 10 * 9 * 20 * 0.002
    assert pace.run_seconds(settings_of(2000), SIZES_OF) == pytest.approx(steps_alone + images)
    measured = pace.run_seconds(settings_of(2000, fidelity={"enabled": True}), SIZES_OF)
    assert measured == pytest.approx(steps_alone + images + 10 * (300 * 0.01 + 1040 * 0.002 + 1.5))


def test_distances_of_pairs_by_hand() -> None:
    """Of each of eleven generators: 80 training images with these and with the 2 x 100 that are looked at. Of each of
    ten trials: with 80 training images these, the 1,000 that are made and the 20 tested; where twice as many are tested
    as learned from, the made ones a second time, and two times with as many tested ones."""
    pace, made = replace(ALONE, pair=1e-3), settings_of(2000, fidelity={"enabled": True})
    health, near = 11 * 80 * (80 + 200), 10 * 80 * (80 + 1000 + 20)
    before = ALONE.run_seconds(made, SIZES_OF)
    assert pace.run_seconds(made, SIZES_OF) - before == pytest.approx(1e-3 * (health + near))
    more = replace(SIZES_OF, tested=160)
    drawn = 10 * 80 * (80 + 4 * 1000 + 160)
    assert pace.run_seconds(made, more) - ALONE.run_seconds(made, more) == pytest.approx(1e-3 * (health + drawn))


def test_how_many_images_a_trial_is_about() -> None:
    found = seen([40, 10], [9, 9]).data.found
    shape = (1, 16, 16)
    assert Sizes.of(chosen([40, 10], [9, 9]).settings, found) == Sizes({"c0": 40, "c1": 10}, 18, 68, shape)
    assert Sizes.of(chosen([40, 10]).settings, seen([40, 10]).data.found) == Sizes({"c0": 32, "c1": 8}, 10, 50, shape)
    drawn = config.check(
        {
            "data": {"image_size": 16, "channels": "gray"},
            "protocol": {"kind": "subsets", "train_per_class": 5, "test_per_class": 60},
        }
    )
    assert Sizes.of(drawn, seen([400, 400]).data.found) == Sizes({"c0": 5, "c1": 5}, 120, 800, shape)


def seconds_of(survey: Survey, pace: Pace) -> Callable[[Scope], float]:
    """As ``init`` has it; at half the size all is four times as fast."""

    def seconds(scope: Scope) -> float:
        made = choose(survey, SOURCE, "cpu", 2, scope).settings
        faster = (survey.data.shape.size / scope.size) ** 2
        classifiers = {name: step / faster for name, step in pace.classifier_steps.items()}
        there = replace(pace, gan_step=pace.gan_step / faster, classifier_steps=classifiers)
        return there.run_seconds(made, Sizes.of(made, survey.data.found))

    return seconds


def fitted_to(
    minutes: float, *counts: int, size: int = 32, test: Sequence[int] = (), pace: Pace = PACE, limits: Limits = GAN
) -> Scope:
    return fitted(seconds_of(seen(counts or [40, 40], test, size=size), pace), size, minutes, limits)


def test_with_time_enough_nothing_is_given_up() -> None:
    assert fitted_to(1e6) == Scope(32, steps=GAN.most)


def test_the_gan_gets_the_steps_that_the_minutes_leave() -> None:
    seconds = seconds_of(seen([40, 40], size=32), PACE)
    scope = fitted_to(40)
    assert scope == Scope(32, steps=scope.steps)
    assert GAN.enough < scope.steps < GAN.most
    assert seconds(scope) <= 40 * 60 < seconds(replace(scope, steps=scope.steps + 100))


def test_what_costs_the_answer_least_goes_first() -> None:
    """Fewer minutes: the curve, more steps for the classifier, the repeats, the control, and steps below the usual;
    then the size, the folds, and what does not answer the one question."""
    seen_so_far = []
    for seconds in range(1500, 0, -25):
        scope = replace(fitted_to(seconds / 60), steps=0)
        if not seen_so_far or seen_so_far[-1] != scope:
            seen_so_far.append(scope)
    full = Scope(32, steps=0)
    without = replace(full, curve=False)
    assert seen_so_far[:3] == [full, without, replace(without, slow=False)]
    assert seen_so_far[-1] == Scope(16, 0, 1, 3, curve=False, controls=False, slow=False, alone=False)


@pytest.mark.parametrize("test", [(), (9, 9)])
def test_no_time_leaves_the_smallest_run(test: Sequence[int]) -> None:
    smallest = Scope(16, GAN.fewest, 1, 3, curve=False, controls=False, slow=False, alone=False)
    scope = fitted_to(0.01, size=64, test=test)
    assert scope == smallest
    made = choose(seen([40, 40], test, size=64), SOURCE, "cpu", 2, scope)
    assert made.settings.protocol.trials == 3
    assert made.settings.classify.arms == ("classical", "gan+classical")
    assert "smaller than 64 to save time" in made.why["data.image_size"]


def test_images_are_made_smaller_only_as_far_as_something_can_be_seen() -> None:
    for size, least in ((8, 8), (16, 16), (24, 24), (28, 28), (32, 16), (64, 16), (128, 32)):
        assert fitted_to(0.01, size=size).size == least


@settings(max_examples=12)
@given(
    step=st.floats(1e-4, 1),
    jobs=st.integers(1, 64),
    minutes=st.floats(0.01, 1e4),
    counts=st.lists(st.integers(3, 30), min_size=2, max_size=3),
    size=st.sampled_from([8, 32, 64]),
)
def test_the_run_keeps_to_the_minutes(step: float, jobs: int, minutes: float, counts: list[int], size: int) -> None:
    """And gives up nothing that would have fitted too."""
    survey, pace = seen(counts, size=size), replace(PACE, gan_step=step, jobs=jobs)
    seconds = seconds_of(survey, pace)
    scope = fitted(seconds, size, minutes)
    assert GAN.fewest <= scope.steps <= GAN.most
    assert scope.steps % 100 == 0
    if scope.steps > GAN.fewest:
        assert seconds(scope) <= 60 * minutes * (1 + 1e-9)
    given_up = {name: value for name, value in vars(Scope(size)).items() if getattr(scope, name) != value}
    if seconds(scope) <= 60 * minutes:
        for name, value in given_up.items():
            if name != "steps":
                fewest = replace(scope, steps=min(scope.steps, GAN.enough))
                assert seconds(replace(fewest, **{name: value})) > 60 * minutes, name


def test_what_was_given_up_is_said_with_its_cost() -> None:
    survey = seen([40, 10], size=64)
    full, now = (
        choose(survey, SOURCE, "cpu", 2, scope).settings
        for scope in (
            Scope(64),
            Scope(32, GAN.fewest, repeats=1, trials=3, curve=False, slow=False, controls=False),
        )
    )
    said = given_up(full, now, 5, 0.7, 0.45)
    assert said.startswith("given up to keep to --minutes 5")
    for cost in (
        "no learning curves",
        "no longer+classical: whether more steps",
        "no smote: whether other images",
        "images of 32 pixels instead of 64",
        "3 trials instead of 10: a gain of 2 points is shown with a probability of about 45% instead of 70%",
        "learns from 67% of the images instead of 80%",
        "a GAN of 1,000 steps",
    ):
        assert cost in said
    assert "a probability of about 5% in either case" in given_up(full, now, 5, 0.052, 0.05)
    assert given_up(full, full, 5, 0.7, 0.7) == ""
    least = choose(survey, SOURCE, "cpu", 2, Scope(64, alone=False)).settings
    assert "no none, gan, placebo, smote: the one question" in given_up(full, least, 5, 0.7, 0.7)


# ------------------------------------------------------------------------------------------- the power, and the gate


def likely(counts: Sequence[int], test: Sequence[int] = (), scope: Scope | None = None, **more: Any) -> float:
    survey = seen(counts, test, **more)
    return chance(survey, choose(survey, SOURCE, "cpu", 2, scope).settings)


def test_more_images_and_more_trials_show_more() -> None:
    assert likely([20, 20]) < likely([200, 200]) < likely([2000, 2000]) < likely([20_000, 20_000])
    assert likely([500, 500], scope=Scope(16, repeats=1)) < likely([500, 500])
    assert likely([50, 50], [100, 100], Scope(16, trials=3)) < likely([50, 50], [100, 100])
    assert likely([50, 50], [50, 50]) < likely([50, 50], [5000, 5000])
    assert 0.04 < likely([3, 3]) < 0.2


def test_what_belongs_together_counts_once_and_rare_classes_weigh_as_much() -> None:
    groups = [f"patient {number // 20}" for number in range(400)]
    assert likely([200, 200], groups=groups) < likely([200, 200])
    assert likely([390, 10]) < likely([200, 200])


@pytest.mark.parametrize(("trials", "images"), [(3, 400), (5, 400), (10, 400)])
def test_the_reports_own_statistics_detect_it_as_often(trials: int, images: int) -> None:
    """Of runs whose truth is two points, with the spread that is assumed."""
    rng, variance, detected = np.random.default_rng(0), 10_000 * DIFFER, []
    for _ in range(300):
        of_trial = 2 + rng.normal(0, TRIAL_SD, (trials, 1))
        of_image = rng.normal(0, (0.05 * variance) ** 0.5, images)
        found = stats.two_way(of_trial + of_image + rng.normal(0, (0.95 * variance) ** 0.5, (trials, images)))
        detected.append((found.p_two_sided() or 1) < 0.05)
    expected = likely([20, 20], [images // 2, images // 2], Scope(16, trials=trials))
    assert expected == pytest.approx(np.mean(detected), abs=0.08)


def test_the_power_of_cross_validation_by_hand() -> None:
    """400 images in 5 folds once: 80 are tested in each, and the variance is 1/5 + 1/4 of the trials'."""
    spread = TRIAL_SD**2 + 10_000 * DIFFER / 80
    expected = stats.Estimate(0, ((1 / 5 + 1 / 4) * spread) ** 0.5, 4).power(2)
    assert likely([200, 200], scope=Scope(16, repeats=1)) == pytest.approx(expected)


@pytest.mark.parametrize("uneven", [False, True])
def test_a_gain_must_be_shown_only_where_the_set_can_show_one(uneven: bool) -> None:
    train = [400, 100] if uneven else [200, 200]
    small, large = chosen(train, [30, 30]), chosen(train, [3000, 3000])
    on_top = "gan+classical_vs_placebo+classical" if uneven else "gan+classical_vs_classical"
    gains = ["gan_vs_placebo" if uneven else "gan_vs_none", on_top]
    assert small.raw["gate"] == [{"gain": gain, "not_below": 0.0} for gain in gains]
    assert large.raw["gate"] == [{"gain": gain, "above": 0.0} for gain in gains]
    assert small.why["gate"].startswith(
        "fails where harm is shown: this run shows a gain of 2 points with a probability"
    )
    assert large.why["gate"].startswith("gains must be shown: ")
    for made in (small, large):
        text = params_yaml(Chosen(made.raw, {**made.why, "gan.steps": ""}), "photos")
        assert config.check(yaml_text.parse(text, "params.yaml")).gate == made.settings.gate


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
    fixed = pace.run_seconds(config.check(raw), SIZES_OF) - 2 * 10 * (1 + 1 + 3)
    raw["gan"] = {}
    assert pace.run_seconds(config.check(raw), SIZES_OF) == pytest.approx(
        fixed + 2 * 10 * (1 + 1 + 3) + 3 * 10 * 3
    )  # and release


# -------------------------------------------------------------------------------------------------------- measuring


def test_the_first_run_warms_up_and_the_others_mean_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    clock = itertools.accumulate(itertools.repeat(0.25))
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    runs: list[int] = []
    assert estimate._mean(lambda: runs.append(1), torch.device("cpu")) == pytest.approx(0.375)
    assert len(runs) == 3
    assert estimate._mean(lambda: runs.append(1), torch.device("cpu"), once=True) == 0.25
    assert len(runs) == 4


def test_networks_are_timed_as_the_settings_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_LEAST_SECONDS", 0)
    small: dict[str, Any] = {
        "gan": {"batch_size": 4, "generator_width": 4, "discriminator_width": 4},
        "classifier": {"width": 4, "batch_size": 4},
        "classify": {"arms": ["none", "gan+classical", "smote"]},
        "synth": {"balance": "fill"},
        "device": "cpu",
        "jobs": 1,
        "data": {"image_size": 8},
    }
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (300, 16, 16, 3), np.uint8), np.arange(300) % 3
    pace = estimate.measure(config.check(small), images, labels, 3)
    assert (pace.device, pace.jobs) == ("cpu", 1)
    assert list(pace.classifier_steps) == ["none", "gan+classical", "smote"]
    assert min(pace.gan_step, pace.gan_rest, pace.look, pace.make, *pace.classifier_steps.values()) > 0
    assert pace.start >= 2
