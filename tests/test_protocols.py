"""Who is in which split: nothing is dealt twice, and what tuning may look at is never reported on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st

from ganaug.data.protocols import RELEASE, Split, Subsets
from ganaug.errors import UserError


@dataclass(frozen=True)
class Pool:
    """A made-up data set: labels and pixel hashes, rows shuffled, some of them exact duplicates."""

    labels: np.ndarray
    pixels: list[str]
    official_test: np.ndarray
    classes: list[str]

    def deal(self, protocol: Subsets) -> dict[str, Split]:
        return protocol.splits(self.labels, self.pixels, self.official_test, self.classes)

    def per_class(self, rows: list[int]) -> list[int]:
        return np.bincount(self.labels[rows], minlength=len(self.classes)).tolist()


def pool(counts: list[int], *, seed: int = 0, duplicates: int = 0, official: int = 0) -> Pool:
    """``counts`` different images of each class, ``official`` more to test on, and copies of ``duplicates`` of them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), np.array(counts) + official)
    official_test = np.concatenate([np.arange(count + official) >= count for count in counts])
    pixels = np.arange(len(labels))
    copies = rng.choice(len(labels), min(duplicates, len(labels)), replace=False)
    labels, pixels = np.concatenate([labels, labels[copies]]), np.concatenate([pixels, pixels[copies]])
    official_test = np.concatenate([official_test, official_test[copies]])
    order = rng.permutation(len(labels))
    names = [f"class {label}" for label in range(len(counts))]
    return Pool(labels[order], [f"{hash_:08x}" for hash_ in pixels[order]], official_test[order], names)


SMALL = Subsets(trials=3, train_per_class=2, test_per_class=4, tuning_test_per_class=3, tuning_per_class=6)


@st.composite
def settings_and_pools(draw: st.DrawFn) -> tuple[Subsets, Pool]:
    """Settings that fit, and a pool with some room to spare, with or without an official test part."""
    protocol = Subsets(
        trials=draw(st.integers(1, 4)),
        train_per_class=draw(st.integers(2, 5)),
        test_per_class=draw(st.integers(1, 6)),
        tuning_test_per_class=draw(st.integers(1, 4)),
        tuning_per_class=draw(st.integers(20, 24)),
        draws=draw(st.sampled_from(["report", "tuning"])),
        seed=draw(st.integers(0, 5)),
    )
    official = draw(st.sampled_from([0, 7]))
    needed = protocol.tuning_test_per_class + protocol.tuning_per_class
    needed += protocol.train_per_class * (protocol.trials + 1) + (0 if official else protocol.test_per_class)
    counts = draw(st.lists(st.integers(needed, needed + 8), min_size=2, max_size=4))
    return protocol, pool(counts, seed=draw(st.integers(0, 5)), duplicates=draw(st.integers(0, 30)), official=official)


@given(settings_and_pools())
def test_nothing_is_on_both_sides_or_dealt_twice(case: tuple[Subsets, Pool]) -> None:
    protocol, found = case
    splits = found.deal(protocol)
    assert set(splits) == {RELEASE, *(str(trial) for trial in range(protocol.trials))}
    trained = [row for split in splits.values() for row in split.train]
    assert len(trained) == len(set(trained))
    tested = {row for split in splits.values() for row in split.test}
    assert not tested & set(trained)
    hashes = [found.pixels[row] for row in [*trained, *tested]]
    assert len(hashes) == len(set(hashes))


@given(settings_and_pools())
def test_counts_asked_for_are_counts_dealt_in_every_class(case: tuple[Subsets, Pool]) -> None:
    protocol, found = case
    classes = len(found.classes)
    tested = protocol.test_per_class if protocol.draws == "report" else protocol.tuning_test_per_class
    for name, split in found.deal(protocol).items():
        assert found.per_class(split.train) == [protocol.train_per_class] * classes
        assert found.per_class(split.test) == [0 if name == RELEASE else tested] * classes
        assert split.train == sorted(split.train)
        assert split.test == sorted(split.test)


@given(settings_and_pools(), st.integers(2, 5))
def test_tuning_rows_are_never_reported_on_whatever_the_other_settings(
    case: tuple[Subsets, Pool], other_per_class: int
) -> None:
    """Development looks at the tuning draws under one setting; no image of theirs is in a report under another."""
    protocol, found = case
    tuning = found.deal(replace(protocol, draws="tuning"))
    looked_at = {row for name, split in tuning.items() if name != RELEASE for row in [*split.train, *split.test]}
    reported = found.deal(replace(protocol, draws="report", train_per_class=min(other_per_class, 2), trials=1))
    for split in reported.values():
        assert not looked_at & {*split.train, *split.test}
    in_report = found.deal(replace(protocol, draws="report"))
    for split in in_report.values():
        assert not looked_at & {*split.train, *split.test}


@given(settings_and_pools())
def test_tuning_draws_stay_in_the_tuning_pool(case: tuple[Subsets, Pool]) -> None:
    """The pool of the tuning draws is fixed: all draws together never need more rows of a class than it holds."""
    protocol, found = case
    seen: set[int] = set()
    for per_class in (2, 3, 4):
        trials = protocol.tuning_per_class // per_class
        tuning = found.deal(replace(protocol, draws="tuning", train_per_class=per_class, trials=trials))
        seen |= {row for name, split in tuning.items() if name != RELEASE for row in split.train}
    assert max(found.per_class(sorted(seen))) <= protocol.tuning_per_class


@given(settings_and_pools())
def test_a_further_trial_leaves_every_other_split_as_it_was(case: tuple[Subsets, Pool]) -> None:
    protocol, found = case
    fewer = replace(protocol, trials=max(1, protocol.trials - 1))
    before, after = found.deal(fewer), found.deal(protocol)
    assert {name: after[name] for name in before} == before


def test_trials_differ_and_the_test_part_is_one() -> None:
    splits = pool([40, 40]).deal(SMALL)
    assert splits["0"].test == splits["1"].test == splits["2"].test != []
    assert splits["0"].train != splits["1"].train


def test_another_seed_deals_otherwise_and_the_same_seed_the_same() -> None:
    found = pool([40, 40, 40])
    assert found.deal(SMALL) == found.deal(SMALL)
    assert found.deal(SMALL) != found.deal(replace(SMALL, seed=1))


def test_a_class_is_dealt_alike_whatever_the_other_classes_hold() -> None:
    few, many = pool([30, 30]), pool([30, 30])
    order = np.argsort(few.labels, kind="stable")
    few = replace(few, labels=few.labels[order], pixels=[few.pixels[row] for row in order])
    many = replace(
        many, labels=np.append(few.labels, [1] * 5), pixels=[*few.pixels, *(f"new{row}" for row in range(5))]
    )
    many = replace(many, official_test=np.zeros(65, bool))
    first = few.labels == 0
    for name, split in few.deal(SMALL).items():
        assert [row for row in split.train if first[row]] == [
            row for row in many.deal(SMALL)[name].train if row < 60 and first[row]
        ]


def test_the_official_test_part_is_what_is_tested_on() -> None:
    found = pool([30, 30], official=9)
    for name, split in found.deal(SMALL).items():
        assert not found.official_test[split.train].any()
        assert name == RELEASE or found.official_test[split.test].all()
    tuning = found.deal(replace(SMALL, draws="tuning"))
    for split in tuning.values():
        assert not found.official_test[[*split.train, *split.test]].any()


def test_an_image_of_the_official_test_part_is_not_trained_on_as_a_duplicate() -> None:
    """The same pixels in both parts: the image counts as a test image."""
    train = pool([25, 25])
    labels = np.concatenate([train.labels, train.labels])
    pixels = [*train.pixels, *(f"t{row}" if row % 5 else train.pixels[row] for row in range(50))]
    both = Pool(labels, pixels, np.arange(100) >= 50, train.classes)
    splits = both.deal(replace(SMALL, test_per_class=20, trials=2))
    test_hashes = {pixels[row] for row in splits["0"].test}
    for split in splits.values():
        assert not test_hashes & {pixels[row] for row in split.train}


def test_duplicates_do_not_count_as_images() -> None:
    needed = 4 + 3 + 6 + 2 * 4
    pool([needed, needed], duplicates=20).deal(SMALL)
    with refused('class "class 0"', f"has {needed - 1} different images", str(needed)):
        pool([needed - 1, needed], duplicates=20).deal(SMALL)


@given(st.integers(5, 60), st.integers(2, 9), st.integers(2, 12), st.sampled_from([0, 20]))
def test_too_few_images_names_a_number_of_trials_that_fits(
    count: int, per_class: int, trials: int, official: int
) -> None:
    protocol = replace(SMALL, train_per_class=per_class, trials=trials)
    found = pool([count + 200, count, count + 200], official=official)
    try:
        found.deal(protocol)
    except UserError as error:
        message = str(error)
    else:
        return
    assert "\n" not in message
    if "protocol.test_per_class" in message:
        assert count < protocol.test_per_class
        return
    assert 'class "class 1"' in message
    told = re.search(r"lower protocol\.trials to (\d+)", message)
    if told is None:
        with pytest.raises(UserError):
            found.deal(replace(protocol, trials=1))
        return
    fitting = int(told[1])
    assert 0 < fitting < trials
    found.deal(replace(protocol, trials=fitting))
    with pytest.raises(UserError):
        found.deal(replace(protocol, trials=fitting + 1))


def test_too_few_images_to_test_on() -> None:
    with refused("protocol.test_per_class", 'class "class 1"', "has 3 images", "lower it to 3"):
        pool([40, 3]).deal(SMALL)


def test_more_tuning_draws_than_the_pool_holds() -> None:
    tuning = replace(SMALL, draws="tuning", trials=4)
    with refused("protocol.trials", "at most 3 tuning draws of 2", "asked for 4"):
        pool([60, 60]).deal(tuning)
    pool([60, 60]).deal(replace(tuning, trials=3))


def test_tuning_draws_need_tuning_test_images() -> None:
    with refused("protocol.tuning_test_per_class", "at least 1"):
        pool([60, 60]).deal(replace(SMALL, draws="tuning", tuning_test_per_class=0))
