"""Who is in which split: nothing is on both sides or dealt twice, and what does not fit is told with what would."""

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from expect import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaug.data import cross_validation
from ganaug.data.cell_draws import CellDraws
from ganaug.data.cells import targets
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.hidden_cells import HiddenCells
from ganaug.data.holdout import Holdout
from ganaug.data.prepared import Prepared
from ganaug.data.protocols import ProtocolSpec
from ganaug.data.splits import RELEASE, Items, Protocol, Split
from ganaug.data.subsets import Subsets
from ganaug.data.train_sizes import nested_parts
from ganaug.errors import UserError

KINDS = get_args(get_args(ProtocolSpec)[0])
every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def named(prefix: str, numbers: np.ndarray) -> list[str]:
    return [f"{prefix}{number}" for number in numbers]


def made(
    labels: list[int] | np.ndarray,
    *,
    pixels: list[str] | None = None,
    groups: list[str] | None = None,
    official: np.ndarray | None = None,
    conditions: list[int] | np.ndarray | None = None,
) -> Items:
    """Images of these labels; left out: all of them different, in no group, none set apart, under no conditions."""
    rows = np.arange(len(labels))
    names = [f"class {label}" for label in range(max(labels) + 1)]
    none = np.zeros(len(labels), bool)
    items = Items(np.asarray(labels), pixels or named("", rows), none if official is None else official, names, groups)
    if conditions is None:
        return items
    known = [f"condition {row}" for row in range(max(conditions) + 1)]
    return replace(items, conditions=np.asarray(conditions), condition_names=known)


def with_one_more(items: Items, name: str, official: bool = False) -> Items:
    """Another image of the class ``name``, like no other and in a group of its own."""
    count = len(items.labels)
    return replace(
        items,
        labels=np.append(items.labels, items.classes.index(name)),
        pixels=[*items.pixels, f"more {count}"],
        official_test=np.append(items.official_test, official),
        groups=None if items.groups is None else [*items.groups, f"more {count}"],
    )


def per_class(items: Items, rows: list[int]) -> list[int]:
    return np.bincount(items.labels[rows], minlength=len(items.classes)).tolist()


def told(protocol: Protocol, items: Items) -> str | None:
    """The error of one line, or None where the images fit."""
    try:
        protocol.splits(items)
    except UserError as error:
        message = str(error)
    else:
        return None
    assert "\n" not in message
    return message


def together(items: Items) -> list[set[int]]:
    """Rows that must not be parted, by the slow way: each row merges all that share its hash or its group."""
    found: list[set[int]] = []
    for row in range(len(items.labels)):
        keys = {f"pixels {items.pixels[row]}"} | ({f"group {items.groups[row]}"} if items.groups else set())
        touching = [one for one in found if one & keys]
        found = [one for one in found if not one & keys] + [keys.union(*touching)]
    return [{row for row, hash_ in enumerate(items.pixels) if f"pixels {hash_}" in keys} for keys in found]


@st.composite
def sets(draw: st.DrawFn, *, grouped: bool = False, official: bool = False) -> Items:
    """Ten images of each class that nothing binds, so that protocols find room, and others that much binds.

    The others repeat few pixels, also under other labels and on the other side of the official split, in few groups.
    """
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    classes, free = draw(st.integers(2, 4)), draw(st.integers(0, 40))
    labels = np.concatenate([np.repeat(np.arange(classes), 10), rng.integers(0, classes, free)])
    count = len(labels)
    numbers = np.arange(count)
    crowd = numbers >= 10 * classes
    pixels = np.where(crowd, 1000 + rng.integers(0, draw(st.integers(1, 40)), count), numbers)
    groups = np.where(crowd, 1000 + rng.integers(0, draw(st.integers(1, 20)), count), numbers)
    side = np.where(crowd, groups % 2 if grouped else rng.integers(0, 2, count), numbers % 2) == 1
    order = rng.permutation(count)
    return made(
        labels[order],
        pixels=named("p", pixels[order]),
        groups=named("g", groups[order]) if grouped else None,
        official=side[order] if official else None,
    )


@st.composite
def conditioned(draw: st.DrawFn, *, grouped: bool = False, official: bool = False) -> Items:
    """A set whose images that nothing binds are ten in each cell, or none in some, and the others under any condition.

    Every class is under the first condition, and two of them under every one.
    """
    items = draw(sets(grouped=grouped, official=official))
    rng, number = np.random.default_rng(draw(st.integers(0, 10_000))), draw(st.integers(2, 3))
    classes = len(items.classes)
    there = rng.random((classes, number)) < draw(st.sampled_from([0.4, 1.0]))
    there[:, 0] = there[:2] = True
    cells = np.repeat(np.argwhere(there), 20 if official else 10, axis=0)
    rows = np.arange(len(cells))
    crowd = np.array([name[0] == "p" and int(name[1:]) >= 1000 for name in items.pixels])
    allowed = [np.flatnonzero(there[label]) for label in items.labels[crowd]]
    return Items(
        labels=np.concatenate([cells[:, 0], items.labels[crowd]]),
        pixels=[*named("q", rows), *np.array(items.pixels)[crowd]],
        official_test=np.concatenate([official & (rows % 2 == 1), items.official_test[crowd]]),
        classes=items.classes,
        groups=None if items.groups is None else [*named("h", rows), *np.array(items.groups)[crowd]],
        conditions=np.concatenate([cells[:, 1], np.array([rng.choice(one) for one in allowed], np.int64)]),
        condition_names=named("condition ", np.arange(number)),
    )


@st.composite
def cases(draw: st.DrawFn, kind: type[Protocol]) -> tuple[Protocol, Items]:
    """A protocol of this kind, with images that it takes."""
    seed, grouped = draw(st.integers(0, 5)), draw(st.booleans())
    if kind is CrossValidation:
        protocol = CrossValidation(folds=draw(st.integers(2, 5)), repeats=draw(st.integers(1, 3)), seed=seed)
        return protocol, draw(sets(grouped=grouped))
    if kind is Holdout:
        return Holdout(trials=draw(st.integers(1, 3)), seed=seed), draw(sets(grouped=grouped, official=True))
    if kind is Subsets:
        tiny = replace(SMALL, trials=1, test_per_class=1, tuning_test_per_class=0, tuning_per_class=0, seed=seed)
        return tiny, draw(sets(official=draw(st.booleans())))
    if kind is HiddenCells:
        folds, hide = draw(st.integers(2, 4)), draw(st.sampled_from([0.3, 0.5, 0.9]))
        return HiddenCells(folds=folds, repeats=draw(st.integers(1, 2)), hide=hide, seed=seed), draw(
            conditioned(grouped=grouped)
        )
    if kind is CellDraws:
        few = replace(FEW, draws=draw(st.sampled_from(["report", "tuning"])), seed=seed)
        return few, draw(conditioned(official=draw(st.booleans())))
    return kind(), draw(sets(grouped=grouped, official=draw(st.booleans())))


FEW = CellDraws(trials=1, train_per_cell=2, test_per_cell=1, tuning_test_per_cell=1, tuning_per_cell=2)

# -------------------------------------------------------------------------------------------------- every protocol


@every
@given(st.data())
@settings(max_examples=30)
def test_no_image_duplicate_or_group_is_on_both_sides(kind: type[Protocol], data: st.DataObject) -> None:
    protocol, items = data.draw(cases(kind))
    bound = together(items)
    for split in protocol.splits(items).values():
        train, test = {*split.train, *split.truth}, set(split.test)
        assert len(train) == len(split.train) + len(split.truth)
        assert not train & test
        assert not {items.pixels[row] for row in train} & {items.pixels[row] for row in test}
        if items.groups is not None:
            assert not {items.groups[row] for row in train} & {items.groups[row] for row in test}
            assert all(not rows & train or not rows & test for rows in bound)


@every
@given(st.data())
@settings(max_examples=30)
def test_splits_are_those_named_with_two_images_of_every_class_to_train_on(
    kind: type[Protocol], data: st.DataObject
) -> None:
    protocol, items = data.draw(cases(kind))
    splits = protocol.splits(items)
    assert list(splits) == protocol.names() == [RELEASE, *protocol.trial_names()]
    assert len(protocol.trial_names()) == protocol.trials
    for name, split in splits.items():
        assert min(per_class(items, split.train)) >= 2
        assert (len(split.test) == 0) == (name == RELEASE)
        assert split.train == sorted(set(split.train))
        assert split.test == sorted(set(split.test))


@every
@given(st.data())
@settings(max_examples=30)
def test_the_same_seed_deals_the_same(kind: type[Protocol], data: st.DataObject) -> None:
    protocol, items = data.draw(cases(kind))
    assert replace(protocol).splits(items) == protocol.splits(items)


# ---------------------------------------------------------------------------------------------- who stays together


@given(sets(grouped=True) | sets())
def test_bound_images_are_those_of_one_group_or_the_same_pixels(items: Items) -> None:
    bound = items.bound()
    for rows in together(items):
        assert {row for row in range(len(bound)) if bound[row] == bound[min(rows)]} == rows


def test_a_duplicate_in_two_groups_binds_both_and_so_on_down_the_chain() -> None:
    """Ann = Ben by one picture, Ben = Cem by another, also under another label; Dan is alone."""
    items = made(
        [0, 0, 0, 1, 1, 1, 0],
        pixels=["1", "2", "2", "3", "3", "4", "5"],
        groups=["Ann", "Ann", "Ben", "Ben", "Cem", "Cem", "Dan"],
    )
    bound = items.bound()
    assert len(set(bound[:6].tolist())) == 1
    assert bound[6] != bound[0]
    assert items.parts() == {"class 0": 2, "class 1": 1}


# --------------------------------------------------------------------------------------------------------- subsets

SMALL = Subsets(trials=3, train_per_class=2, test_per_class=4, tuning_test_per_class=3, tuning_per_class=6)


def pool(counts: list[int], *, seed: int = 0, duplicates: int = 0, official: int = 0) -> Items:
    """``counts`` different images of each class, shuffled, ``official`` more to test on, then copies of some of them.

    Every third copy has a label of its own.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(sum(counts) + official * len(counts))
    labels = np.repeat(np.arange(len(counts)), np.array(counts) + official)[order]
    test = np.concatenate([np.arange(count + official) >= count for count in counts])[order]
    copied = rng.choice(len(order), min(duplicates, len(order)), replace=False)
    relabelled = rng.integers(0, len(counts), len(copied))
    copies = np.where(np.arange(len(copied)) % 3 == 2, relabelled, labels[copied])
    rows = np.concatenate([np.arange(len(order)), copied])
    return made(np.concatenate([labels, copies]), pixels=named("p", rows), official=test[rows])


@st.composite
def settings_and_pools(draw: st.DrawFn) -> tuple[Subsets, Items]:
    """Settings that fit, and a pool with some room to spare, with or without an official test part."""
    protocol = Subsets(
        trials=draw(st.integers(1, 4)),
        train_per_class=draw(st.integers(2, 5)),
        imbalance=draw(st.sampled_from([1.0, 1.0, 1.5, 4.0])),
        test_per_class=draw(st.integers(1, 6)),
        tuning_test_per_class=draw(st.integers(1, 4)),
        tuning_per_class=draw(st.integers(20, 24)),
        unlabelled_per_class=draw(st.integers(0, 3)),
        draws=draw(st.sampled_from(["report", "tuning"])),
        seed=draw(st.integers(0, 5)),
    )
    official = draw(st.sampled_from([0, 7]))
    needed = protocol.tuning_test_per_class + protocol.tuning_per_class + 2 * protocol.unlabelled_per_class
    needed += protocol.train_per_class * (protocol.trials + 1) + (0 if official else protocol.test_per_class)
    counts = draw(st.lists(st.integers(needed, needed + 8), min_size=2, max_size=4))
    return protocol, pool(counts, seed=draw(st.integers(0, 5)), duplicates=draw(st.integers(0, 30)), official=official)


@given(settings_and_pools())
def test_nothing_is_dealt_twice(case: tuple[Subsets, Items]) -> None:
    protocol, items = case
    splits = protocol.splits(items)
    trained = [row for split in splits.values() for row in split.train]
    tested = {row for split in splits.values() for row in split.test}
    shared = {row for split in splits.values() for row in split.unlabelled}
    spare = {row for split in splits.values() for row in split.spare}
    hashes = [items.pixels[row] for row in [*trained, *tested, *shared, *spare]]
    assert len(hashes) == len(set(hashes))


@given(settings_and_pools())
def test_counts_asked_for_are_counts_dealt_in_every_class(case: tuple[Subsets, Items]) -> None:
    protocol, items = case
    classes = len(items.classes)
    tested = protocol.test_per_class if protocol.draws == "report" else protocol.tuning_test_per_class
    for name, split in protocol.splits(items).items():
        assert per_class(items, split.train) == protocol.train_counts(classes)
        assert per_class(items, split.test) == [0 if name == RELEASE else tested] * classes
        assert per_class(items, split.unlabelled) == [protocol.unlabelled_per_class] * classes


def test_a_long_tail_falls_by_one_factor_from_class_to_class() -> None:
    assert Subsets(train_per_class=50, imbalance=10).train_counts(10) == [50, 39, 30, 23, 18, 14, 11, 8, 6, 5]
    assert Subsets(train_per_class=7).train_counts(3) == [7, 7, 7]
    assert Subsets(train_per_class=8, imbalance=100).train_counts(2) == [8, 2]  # of each class at least two
    assert Subsets(train_per_class=8, imbalance=3).train_counts(1) == [8]


def test_a_long_tail_leaves_tests_as_they_were() -> None:
    items = pool([60, 60, 60])
    even, tail = SMALL.splits(items), replace(SMALL, train_per_class=8, imbalance=4).splits(items)
    assert {tuple(split.test) for split in tail.values()} == {tuple(split.test) for split in even.values()}
    assert per_class(items, tail["0"].train) == [8, 4, 2]


@given(settings_and_pools())
def test_unlabelled_images_leave_every_other_part_as_it_was(case: tuple[Subsets, Items]) -> None:
    protocol, items = case
    without = replace(protocol, unlabelled_per_class=0).splits(items)
    for name, split in protocol.splits(items).items():
        assert replace(split, unlabelled=[]) == without[name]


@given(settings_and_pools(), st.integers(2, 5))
def test_tuning_rows_are_never_reported_on_whatever_the_other_settings(
    case: tuple[Subsets, Items], other_per_class: int
) -> None:
    """Development looks at the tuning draws under one setting; no image of theirs is in a report under another."""
    protocol, items = case
    tuning = replace(protocol, draws="tuning").splits(items)
    splits = [split for name, split in tuning.items() if name != RELEASE]
    looked_at = {row for split in splits for row in [*split.train, *split.test, *split.unlabelled]}
    report = replace(protocol, draws="report")
    for reported in (report, replace(report, train_per_class=other_per_class, trials=1)):
        for split in reported.splits(items).values() if told(reported, items) is None else []:
            assert not looked_at & {*split.train, *split.test, *split.unlabelled}


@given(settings_and_pools())
def test_tuning_draws_stay_in_the_tuning_pool(case: tuple[Subsets, Items]) -> None:
    """The pool of the tuning draws is fixed: all draws together never need more rows of a class than it holds."""
    protocol, items = case
    seen: set[int] = set()
    for size in (2, 3, 4):
        trials = protocol.tuning_per_class // size
        tuning = replace(protocol, draws="tuning", train_per_class=size, trials=trials).splits(items)
        seen |= {row for name, split in tuning.items() if name != RELEASE for row in split.train}
    assert max(per_class(items, sorted(seen))) <= protocol.tuning_per_class


@given(settings_and_pools())
def test_a_further_trial_leaves_every_other_split_as_it_was(case: tuple[Subsets, Items]) -> None:
    protocol, items = case
    fewer = replace(protocol, trials=max(1, protocol.trials - 1))
    before, after = fewer.splits(items), protocol.splits(items)
    assert {name: after[name] for name in before} == before


def test_draws_differ_and_their_test_part_is_one() -> None:
    splits = SMALL.splits(pool([40, 40]))
    assert splits["0"].test == splits["1"].test == splits["2"].test != []
    assert splits["0"].train != splits["1"].train


def test_another_seed_draws_otherwise() -> None:
    items = pool([40, 40, 40])
    assert SMALL.splits(items) != replace(SMALL, seed=1).splits(items)


def test_a_class_is_dealt_alike_whatever_the_other_classes_hold() -> None:
    few, many = made([0] * 30 + [1] * 30), made([0] * 30 + [1] * 35)
    for name, split in SMALL.splits(few).items():
        more = SMALL.splits(many)[name]
        assert [row for row in split.train if row < 30] == [row for row in more.train if row < 30]


def test_the_official_test_part_is_what_is_tested_on() -> None:
    items = pool([30, 30], official=9)
    for name, split in SMALL.splits(items).items():
        assert not items.official_test[split.train].any()
        assert name == RELEASE or items.official_test[split.test].all()
    for split in replace(SMALL, draws="tuning").splits(items).values():
        assert not items.official_test[[*split.train, *split.test]].any()


def test_an_image_of_the_official_test_part_is_not_trained_on_as_a_duplicate() -> None:
    """The same pixels in both parts: the image counts as a test image."""
    copies = [f"t{row}" if row % 5 else f"{row}" for row in range(50)]
    items = made([row % 2 for row in range(100)], pixels=[*map(str, range(50)), *copies], official=np.arange(100) >= 50)
    splits = replace(SMALL, test_per_class=25, trials=2).splits(items)
    test_hashes = {items.pixels[row] for row in splits["0"].test}
    for split in splits.values():
        assert not test_hashes & {items.pixels[row] for row in split.train}


def test_duplicates_do_not_count_as_images() -> None:
    needed = 4 + 3 + 6 + 2 * 4
    SMALL.splits(pool([needed, needed], duplicates=20))
    with refused('class "class 0"', f"has {needed - 1} different images", str(needed)):
        SMALL.splits(pool([needed - 1, needed], duplicates=20))


@given(st.integers(5, 60), st.integers(2, 9), st.integers(2, 12), st.sampled_from([0, 20]), st.sampled_from([1.0, 3.0]))
def test_too_few_images_name_the_largest_number_of_trials_that_fits(
    count: int, train_per_class: int, trials: int, official: int, imbalance: float
) -> None:
    protocol = replace(SMALL, train_per_class=train_per_class, trials=trials, imbalance=imbalance)
    items = pool([count + 200, count, count + 200], official=official)
    message = told(protocol, items)
    if message is None:
        return
    assert 'class "class 1"' in message
    found = re.search(r"lower protocol\.trials to (\d+)", message)
    if found is None:
        assert told(replace(protocol, trials=1), items) is not None
        return
    assert 0 < int(found[1]) < trials
    assert told(replace(protocol, trials=int(found[1])), items) is None
    assert told(replace(protocol, trials=int(found[1]) + 1), items) is not None


SMALLEST = {"train_per_class": 2, "test_per_class": 1, "tuning_test_per_class": 0, "tuning_per_class": 0}


@given(st.lists(st.integers(1, 30), min_size=2, max_size=3), st.integers(0, 4), st.integers(0, 5))
def test_who_follows_the_advice_on_draws_gets_there(counts: list[int], official: int, seed: int) -> None:
    protocol, items = SMALL, pool(counts, seed=seed, duplicates=6, official=official)
    for _ in range(40):
        message = told(protocol, items)
        if message is None:
            return
        name = re.findall(r'class "(class \d)"', message)[0]
        if found := re.search(r"lower protocol\.trials to (\d+)", message):
            protocol = replace(protocol, trials=int(found[1]))
        elif found := re.search(r"protocol\.test_per_class: .*lower it to (\d+)", message):
            assert 0 < int(found[1]) < protocol.test_per_class
            protocol = replace(protocol, test_per_class=int(found[1]))
        elif "add images, or lower" in message and protocol != replace(protocol, **SMALLEST):
            protocol = replace(protocol, **SMALLEST)
        else:
            assert "add" in message
            items = with_one_more(items, name, official="test part" in message)
    pytest.fail("the advice leads nowhere")


def test_too_few_images_in_the_official_test_part_name_its_scarcest_class() -> None:
    items = made([0] * 40 + [1] * 40, official=np.arange(80) % 40 >= [37] * 40 + [38] * 40)
    with refused("protocol.test_per_class", 'class "class 1"', "has 2 different images", "lower it to 2"):
        SMALL.splits(items)
    with refused('class "class 1"', "has 0 different images", "add some, or remove the class"):
        SMALL.splits(replace(items, official_test=items.official_test & (items.labels == 0)))


def test_more_tuning_draws_than_the_pool_holds() -> None:
    tuning = replace(SMALL, draws="tuning", trials=4)
    with refused("protocol.trials", "at most 3 tuning draws of 2", "asked for 4"):
        tuning.splits(pool([60, 60]))
    replace(tuning, trials=3).splits(pool([60, 60]))


def test_tuning_draws_need_tuning_test_images() -> None:
    with refused("protocol.tuning_test_per_class", "at least 1"):
        replace(SMALL, draws="tuning", tuning_test_per_class=0).splits(pool([60, 60]))


def test_draws_cannot_keep_groups_together() -> None:
    with refused("protocol.kind: subsets", "groups", "cv", "holdout"):
        SMALL.splits(replace(pool([40, 40]), groups=named("g", np.arange(80))))


# ------------------------------------------------------------------------------------------------ cross-validation


def folds_of(protocol: CrossValidation, items: Items) -> list[list[list[int]]]:
    """The test rows of every fold of each repeat."""
    splits = protocol.splits(items)
    tested = [splits[name].test for name in protocol.trial_names()]
    return [tested[start : start + protocol.folds] for start in range(0, len(tested), protocol.folds)]


def as_sets(folds: list[list[int]]) -> set[frozenset[int]]:
    """A deal, whatever the numbers of its folds."""
    return {frozenset(fold) for fold in folds}


@given(sets() | sets(grouped=True), st.integers(2, 5), st.integers(1, 3), st.integers(0, 3))
def test_every_image_is_tested_once_a_repeat_and_trained_on_else(
    items: Items, folds: int, repeats: int, seed: int
) -> None:
    protocol = CrossValidation(folds=folds, repeats=repeats, seed=seed)
    splits, everything = protocol.splits(items), list(range(len(items.labels)))
    assert splits[RELEASE].train == everything
    for repeat in folds_of(protocol, items):
        assert sorted(row for fold in repeat for row in fold) == everything
    for name in protocol.trial_names():
        assert sorted(splits[name].train + splits[name].test) == everything


@given(st.lists(st.integers(5, 30), min_size=2, max_size=5), st.integers(2, 5), st.integers(0, 10))
def test_class_counts_of_folds_differ_by_one_at_most(counts: list[int], folds: int, seed: int) -> None:
    items = made(np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)))
    for repeat in folds_of(CrossValidation(folds=folds, seed=seed), items):
        tested = np.array([per_class(items, fold) for fold in repeat])
        assert np.ptp(tested, axis=0).max() <= 1
        assert np.ptp(tested.sum(axis=1)) <= 3


def families(*sizes: list[int]) -> Items:
    """Groups of these sizes, for each class; no group holds two classes."""
    images = [
        (label, number) for label, own in enumerate(sizes) for number, size in enumerate(own) for _ in range(size)
    ]
    return made([label for label, _ in images], groups=[f"{label}-{group}" for label, group in images])


SIZES = st.lists(st.integers(1, 12), min_size=5, max_size=15)


@given(SIZES, SIZES, st.integers(2, 5), st.integers(0, 10))
def test_class_counts_of_folds_differ_by_one_group_at_most(
    first: list[int], second: list[int], folds: int, seed: int
) -> None:
    items = families(first, second)
    for repeat in folds_of(CrossValidation(folds=folds, seed=seed), items):
        tested = np.array([per_class(items, fold) for fold in repeat])
        assert (np.ptp(tested, axis=0) <= [max(first), max(second)]).all()


@pytest.mark.parametrize(
    "items", [made([0, 1] * 20), families(list(range(1, 13)), list(range(3, 15)))], ids=["images", "unlike groups"]
)
def test_repeats_and_seeds_deal_otherwise(items: Items) -> None:
    protocol = CrossValidation(folds=3, repeats=6)
    deals = [as_sets(folds) for folds in folds_of(protocol, items)]
    deals += [as_sets(folds) for folds in folds_of(replace(protocol, seed=1), items)]
    assert all(deals.count(deal) == 1 for deal in deals)


def test_a_further_repeat_leaves_the_others_as_they_were() -> None:
    items = made([0, 1] * 20)
    before, after = (CrossValidation(repeats=repeats).splits(items) for repeats in (2, 3))
    assert {name: after[name] for name in before} == before


def test_a_deal_that_leaves_too_few_to_train_on_is_dealt_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of several classes can fall so that a class is all in one fold, though there is room for better."""
    held = {"a": [0, 0, 1], "b": [0, 2], "c": [0, 1, 2], "d": [0, 1, 2]}
    items = made(
        [label for labels in held.values() for label in labels],
        groups=[group for group, labels in held.items() for _ in labels],
    )
    protocol = CrossValidation(folds=3, repeats=20)
    assert told(protocol, items) is None
    monkeypatch.setattr(cross_validation, "_TRIES", 1)
    assert "of 1 deals" in (told(protocol, items) or "")


@pytest.mark.parametrize(
    ("items", "folds", "parts"),
    [
        (made([0] * 9 + [1] * 4), 5, ['class "class 1" has 4 different images, but folds is 5', "protocol.folds to 4"]),
        (made([0] * 9 + [1] * 3), 2, ["3 different images", "leaves 2 images of every class", "protocol.folds to 3"]),
        (made([0] * 9 + [1] * 2), 2, ['class "class 1" has 2 different images', "add different images of the class"]),
        (made([0] * 9 + [1] * 3, pixels=[*"abcdefghixxx"]), 2, ["has 1 different images, but folds is 2", "add"]),
        (families([2] * 6, [1, 5]), 2, ['class "class 1" has 2 separate groups', "leaves 2 images", "add separate"]),
        (families([2] * 6, [4, 5]), 3, ["has 2 separate groups, but folds is 3", "set protocol.folds to 2"]),
    ],
)
def test_too_few_to_part_is_told_with_what_would_fit(items: Items, folds: int, parts: list[str]) -> None:
    with refused("protocol.folds", *parts):
        CrossValidation(folds=folds).splits(items)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 12)), min_size=3, max_size=25),
    st.integers(2, 6), st.booleans(), st.integers(0, 3),
)  # fmt: skip
def test_who_follows_the_advice_on_folds_gets_there(
    images: list[tuple[int, int, int]], folds: int, grouped: bool, seed: int
) -> None:
    """Sets of (label, group, pixels), most of them too small."""
    columns = np.array([(0, 7, 13), (1, 8, 14), *((min(label, 1), *rest) for label, *rest in images)])
    groups = named("g", columns[:, 1]) if grouped else None
    items = made(columns[:, 0], pixels=named("p", columns[:, 2]), groups=groups)
    protocol = CrossValidation(folds=folds, seed=seed)
    for _ in range(12):
        message = told(protocol, items)
        if message is None:
            return
        if found := re.search(r"set protocol\.folds to (\d+)", message):
            assert told(replace(protocol, folds=int(found[1])), items) is None
            return
        items = with_one_more(items, re.findall(r'class "(class \d)" .*; add', message)[0])
    pytest.fail("the advice leads nowhere")


def test_folds_would_train_on_an_official_test_part() -> None:
    with refused("protocol.kind: cv", "3 images", "holdout"):
        CrossValidation().splits(made([0, 1] * 10, official=np.arange(20) > 16))


# --------------------------------------------------------------------------------------------------------- holdout


@given(sets(official=True) | sets(grouped=True, official=True), st.integers(1, 4))
def test_holdout_tests_the_official_part_and_trains_on_all_that_nothing_binds_to_it(items: Items, trials: int) -> None:
    splits = Holdout(trials=trials).splits(items)
    test = set(np.flatnonzero(items.official_test).tolist())
    train = sorted(row for rows in together(items) if not rows & test for row in rows)
    assert splits[RELEASE].train == train
    for name in map(str, range(trials)):
        assert (splits[name].train, splits[name].test) == (train, sorted(test))


def test_a_train_image_with_the_pixels_of_a_test_image_takes_its_group_along() -> None:
    items = made(
        [0, 0, 0, 0, 0, 1, 1, 1],
        pixels=["same", "1", "2", "3", "same", "4", "5", "6"],
        groups=["Ann", "Ann", "Ben", "Ben", "Cem", "Dan", "Dan", "Eva"],
        official=np.array([0, 0, 0, 0, 1, 0, 0, 1], bool),
    )
    assert Holdout().splits(items)["0"].train == [2, 3, 5, 6]


def test_a_group_on_both_official_sides_is_refused() -> None:
    items = made([0, 1] * 6, groups=["a\nb", "c"] * 6, official=np.arange(12) == 6)
    with refused("data.source", "a group must be on one side", r'"a\nb"', "1 such groups"):
        Holdout().splits(items)


def test_holdout_needs_an_official_test_part() -> None:
    with refused("protocol.kind: holdout", "none", "cv"):
        Holdout().splits(made([0, 1] * 10))


@pytest.mark.parametrize(
    ("train", "test", "parts"),
    [
        ([5, 1], [3, 3], ["2 images of each class to train on", 'class "class 1" has 1']),
        ([5, 5], [0, 3], ["1 images of each class to test on", 'class "class 0" has 0']),
    ],
)
def test_holdout_needs_every_class_on_both_sides(train: list[int], test: list[int], parts: list[str]) -> None:
    labels = np.concatenate([np.repeat([0, 1], train), np.repeat([0, 1], test)])
    with refused("protocol.kind: holdout", *parts):
        Holdout().splits(made(labels, official=np.arange(len(labels)) >= sum(train)))


@every
def test_every_protocol_says_what_it_can_do(kind: type[Protocol]) -> None:
    protocol = kind()
    assert isinstance(protocol, Protocol)
    assert protocol.names() == [RELEASE, *protocol.trial_names()]
    assert len(protocol.trial_names()) == protocol.trials > 0
    assert protocol.draws == "report"
    assert protocol.unlabelled_per_class == 0
    assert {type(protocol.shared_test), type(protocol.uses_all)} == {bool}
    assert protocol.describe()


# ------------------------------------------------------------------------------------------------------------- cells


def cells_of(items: Items, rows: list[int]) -> np.ndarray:
    among = np.zeros(len(items.labels), bool)
    among[rows] = True
    return items.cells(among)


def grid(counts: list[list[int]], *, official: int = 0) -> Items:
    """``counts`` different images of each cell, [class][condition], and ``official`` more to test on."""
    whole = np.array(counts)
    cells = np.repeat(np.argwhere(whole >= 0), (whole + official * (whole > 0)).ravel(), axis=0)
    rank = np.concatenate([np.arange(count + official * (count > 0)) >= count for count in whole.ravel()])
    return made(cells[:, 0], conditions=cells[:, 1], official=rank)


hiding = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.hides_cells], ids=lambda kind: kind.kind)


@hiding
@given(st.data())
@settings(max_examples=30)
def test_nothing_of_a_hidden_cell_is_trained_on_and_its_class_and_condition_stay(
    kind: type[Protocol], data: st.DataObject
) -> None:
    protocol, items = data.draw(cases(kind))
    aims = targets(items.cells())
    for name, split in protocol.splits(items).items():
        train, test, truth = (cells_of(items, rows) for rows in (split.train, split.test, split.truth))
        assert split.hidden == sorted(set(split.hidden))
        assert split.hidden or name == RELEASE
        is_hidden = np.zeros(train.shape, bool)
        for label, condition in split.hidden:
            is_hidden[label, condition] = True
            assert condition in aims
            assert train[label].any()
            assert train[:, condition].any()
            assert name == RELEASE or test[label, condition]
        assert not train[is_hidden].any()
        assert (truth[is_hidden] > 0).all()
        assert not truth[~is_hidden].any()


@hiding
@given(st.data())
@settings(max_examples=10)
def test_a_learning_curve_holds_nothing_of_a_hidden_cell_nor_of_the_test_part(
    kind: type[Protocol], data: st.DataObject
) -> None:
    protocol, items = data.draw(cases(kind))
    if isinstance(protocol, CellDraws):
        protocol = replace(protocol, draws="report", trials=2)
    splits = protocol.splits(items)

    class Dealt(Prepared):
        def split(self, name: str) -> Split:
            return splits[name]

    count = len(items.labels)
    prepared = Dealt(
        Path(), np.zeros((count, 1, 1, 1), np.uint8), items.labels, list(items.pixels), list(items.classes), {},
        list(items.groups) if items.groups else None, None, items.conditions, list(items.condition_names),
    )  # fmt: skip
    for name in protocol.trial_names():
        trial = splits[name]
        parts = nested_parts(prepared, name, protocol.trial_names(), data.draw(MULTIPLES), protocol.seed)
        for multiple, rows in parts.items():
            assert (set(trial.train) < set(rows)) if multiple > 1 else (set(rows) < set(trial.train))
            assert not items.in_cells(trial.hidden)[rows].any()
            assert not {items.pixels[row] for row in rows} & {items.pixels[row] for row in trial.test}


MULTIPLES = st.sampled_from([(1.2,), (1.5, 2.0)])  # larger parts of draws, smaller ones of folds


@given(conditioned() | conditioned(grouped=True), st.integers(2, 4), st.integers(1, 2), st.integers(0, 3))
@settings(max_examples=30)
def test_cells_tests_every_image_once_a_repeat_and_trains_on_all_others_that_are_not_hidden(
    items: Items, folds: int, repeats: int, seed: int
) -> None:
    splits, everything = (
        HiddenCells(folds=folds, repeats=repeats, seed=seed).splits(items),
        list(range(len(items.labels))),
    )
    assert splits[RELEASE] == Split(everything, [])
    trials = [splits[str(trial)] for trial in range(folds * repeats)]
    for start in range(0, len(trials), folds):
        assert sorted(row for split in trials[start : start + folds] for row in split.test) == everything
    for split in trials:
        assert sorted([*split.train, *split.test, *split.truth]) == everything


@pytest.mark.parametrize("number", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("hide", [0.1, 0.5, 0.99])
def test_every_seen_cell_of_a_target_is_hidden_about_equally_often(number: int, hide: float) -> None:
    items = grid([[20, 20]] * number + [[20, 0]] * 2)
    for protocol in (HiddenCells(repeats=3, hide=hide), replace(FEW, trials=5, hide=hide)):
        hidden = [split.hidden for name, split in protocol.splits(items).items() if name != RELEASE]
        assert {len(cells) for cells in hidden} == {min(number - 1, max(1, round(hide * number)))}
        assert {condition for cells in hidden for _, condition in cells} == {1}
        times = np.bincount([label for cells in hidden for label, _ in cells], minlength=number + 2)
        assert np.ptp(times[:number]) <= 1
        assert not times[number:].any()


def test_which_cells_are_hidden_is_drawn_by_the_seed() -> None:
    items = grid([[20, 20]] * 8)
    found = {tuple(HiddenCells(seed=seed).splits(items)["0"].hidden) for seed in range(6)}
    assert len(found) > 3


@given(conditioned(), st.integers(0, 3))
@settings(max_examples=10)
def test_a_further_trial_hides_and_deals_what_it_does_alone(items: Items, seed: int) -> None:
    for fewer, more in (
        (HiddenCells(folds=3, repeats=1, seed=seed), HiddenCells(folds=3, repeats=2, seed=seed)),
        (replace(FEW, seed=seed), replace(FEW, trials=2, seed=seed)),
    ):
        before, after = fewer.splits(items), more.splits(items)
        assert {name: after[name] for name in before} == before


def test_images_of_equal_pixels_under_two_conditions_stay_together() -> None:
    items = replace(grid([[9, 9], [9, 9]]), pixels=named("p", np.arange(36) % 9 + 9 * (np.arange(36) // 18)))
    for name, split in HiddenCells(folds=3).splits(items).items():
        tested = np.isin(np.arange(36), split.test)
        assert name == RELEASE or ((tested[:9] == tested[9:18]).all() and tested.any())


def test_draws_of_cells_are_disjoint_and_of_the_counts_asked_for() -> None:
    items = grid([[30, 30, 0], [30, 30, 30], [30, 0, 30], [0, 30, 30]])
    there = (items.cells() > 0).astype(int)
    protocol = CellDraws(trials=4, train_per_cell=3, test_per_cell=5, tuning_test_per_cell=2, tuning_per_cell=8)
    tuning = replace(protocol, draws="tuning", trials=2)
    reported, tuned = protocol.splits(items), tuning.splits(items)
    drawn = [row for split in reported.values() for row in [*split.train, *split.truth]]
    looked_at = {row for name in "01" for row in [*tuned[name].train, *tuned[name].truth, *tuned[name].test]}
    assert len(drawn) == len(set(drawn))
    assert not set(drawn) & {*reported["0"].test}
    assert not looked_at & {*drawn, *reported["0"].test}
    for splits, test in ((reported, 5), (tuned, 2)):
        for name, split in splits.items():
            assert (cells_of(items, [*split.train, *split.truth]) == 3 * there).all()
            assert (cells_of(items, split.test) == (0 if name == RELEASE else test) * there).all()
            assert split.hidden


def test_draws_of_cells_test_on_the_official_part() -> None:
    items = grid([[9, 9], [9, 9]], official=4)
    for name, split in replace(FEW, test_per_cell=3).splits(items).items():
        assert not items.official_test[[*split.train, *split.truth]].any()
        assert name == RELEASE or items.official_test[split.test].all()
    with refused("protocol.test_per_cell", 'class "class 0" under "condition 0"', "has 4 different", "lower it to 4"):
        replace(FEW, test_per_cell=5).splits(items)


NONE_TO_HIDE = [[9, 9], [9, 0], [9, 0]]  # one class seen under the target
ALONE = [[9, 0], [0, 9], [0, 9]]  # no class under two conditions


@pytest.mark.parametrize(
    ("protocol", "items", "parts"),
    [
        (HiddenCells(), made([0, 1] * 10), ["protocol.kind: cells", "conditions", "use cv"]),
        (FEW, made([0, 1] * 10), ["protocol.kind: cell-draws", "conditions", "data.rendered", "use subsets"]),
        (HiddenCells(), grid(NONE_TO_HIDE), ["cells", '"condition 1"', "two classes", "3 or more", "use cv"]),
        (FEW, grid(NONE_TO_HIDE), ["cell-draws", '"condition 1"', "two classes", "use subsets"]),
        (HiddenCells(), grid(ALONE), ["protocol.kind: cells", '"condition 0", "condition 1"', "use cv"]),
        (FEW, grid(ALONE), ["cell-draws", '"condition 0", "condition 1"', "use subsets"]),
        (HiddenCells(), grid([[9, 4], [9, 4], [9, 0]]), ["protocol.folds: must be 4", "got 5", "set it to 4"]),
        (HiddenCells(), grid([[9, 9], [9, 9], [4, 0]]), ['class "class 2" has 4', "set protocol.folds to 4"]),
        (HiddenCells(), grid([[9, 9]] * 2, official=1), ["protocol.kind: cells would train", "4 images", "holdout"]),
        (FEW, replace(grid([[9, 9]] * 2), groups=["g"] * 36), ["cell-draws", "groups", "use cells"]),
        (replace(FEW, trials=9), grid([[9, 9], [9, 8]]), ["under \"condition 1\" has 8", "lower protocol.trials to 1"]),
        (replace(FEW, trials=9), grid([[9, 9], [9, 4]]), ["has 4 different images, but 24", "add images, or lower"]),
        (replace(FEW, trials=2, draws="tuning"), grid([[9, 9]] * 2), ["protocol.trials", "at most 1", "asked for 2"]),
        (
            replace(FEW, draws="tuning", tuning_test_per_cell=0),
            grid([[9, 9]] * 2),
            ["protocol.tuning_test_per_cell", "at least 1"],
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_cells_is_told_with_what_would(protocol: Protocol, items: Items, parts: list[str]) -> None:
    with refused(*parts):
        protocol.splits(items)


@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=3), min_size=2, max_size=4), st.integers(2, 6))
@settings(max_examples=40)
def test_who_follows_the_advice_on_hidden_cells_gets_there(counts: list[list[int]], folds: int) -> None:
    width = min(map(len, counts))
    counts = [[3, *row[1:width]] if not any(row[:width]) else row[:width] for row in counts]
    items, protocol = grid(counts), HiddenCells(folds=folds)
    if not (items.cells() > 0).any(axis=0).all():
        return
    found = re.search(r"set (?:it|protocol\.folds) to (\d+)", told(protocol, items) or "")
    if found:
        assert told(replace(protocol, folds=int(found[1])), items) is None


def test_targets_are_the_conditions_that_lack_a_class_or_all_but_the_largest() -> None:
    assert targets(np.array([[3, 0], [3, 3]])) == [1]
    assert targets(np.array([[3, 0, 1], [0, 3, 1]])) == [0, 1]
    assert targets(np.array([[3, 4, 4], [3, 4, 4]])) == [0, 2]
    assert targets(np.zeros((3, 0), int)) == []
