"""Train parts of other sizes: nested, stratified, and never with an image that anything is tested or tuned on."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganaug.data.cross_validation import CrossValidation
from ganaug.data.holdout import Holdout
from ganaug.data.prepared import Prepared
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.data.subsets import Subsets
from ganaug.data.train_sizes import nested_parts

Protocol = Subsets | CrossValidation | Holdout
SUBSETS = Subsets(trials=4, train_per_class=4, test_per_class=3, tuning_test_per_class=2, tuning_per_class=8)
CLASSES = ["a", "b", "c"]


class Dealt(Prepared):
    """A prepared set whose splits are in memory."""

    def split(self, name: str) -> Split:
        return self.dealt[name]  # type: ignore[attr-defined,no-any-return]


def dealt(protocol: Protocol, counts: list[int], groups: list[str] | None = None, official: int = 0) -> Dealt:
    """``counts`` different images of each class, the last ``official`` of each set apart for testing."""
    labels = np.repeat(np.arange(len(counts)), counts)
    within = np.concatenate([np.arange(count) for count in counts])
    test = within >= np.repeat(counts, counts) - official
    pixels = [f"p{row}" for row in range(len(labels))]
    items = Items(labels, pixels, test, CLASSES[: len(counts)], groups)
    made = Dealt(Path(), np.zeros((len(labels), 8, 8, 1), np.uint8), labels, pixels, CLASSES[: len(counts)], {}, groups)
    object.__setattr__(made, "dealt", protocol.splits(items))
    return made


def parts(data: Dealt, protocol: Protocol, trial: str, *multiples: float) -> dict[float, list[int]]:
    return nested_parts(data, trial, protocol.trial_names(), multiples, protocol.seed)


def per_class(data: Dealt, rows: list[int]) -> list[int]:
    return np.bincount(data.labels[rows], minlength=len(data.classes)).tolist()


@given(
    trials=st.integers(1, 6), per=st.integers(3, 6), seed=st.integers(0, 50),
    draws=st.sampled_from(["report", "tuning"]),
    multiples=st.lists(st.sampled_from([1.1, 1.5, 2.0, 2.5, 4.0]), unique=True).map(sorted),
)  # fmt: skip
def test_of_subsets_parts_are_nested_and_hold_nothing_that_is_tested_or_tuned_on(
    trials: int, per: int, seed: int, draws: str, multiples: list[float]
) -> None:
    protocol = Subsets(
        trials=trials, train_per_class=per, test_per_class=3, tuning_test_per_class=2, tuning_per_class=40, seed=seed,
        draws=draws,  # type: ignore[arg-type]
    )  # fmt: skip
    data = dealt(protocol, [120, 100, 90])
    reported = Subsets(**{**vars(protocol), "draws": "report"}).splits(
        Items(data.labels, data.pixels, np.zeros(len(data.labels), bool), data.classes)
    )
    for trial in protocol.trial_names():
        found = parts(data, protocol, trial, *multiples)
        own = data.split(trial).train
        sizes = sorted({**found, 1.0: own}.items())
        for (_, smaller), (_, larger) in itertools.pairwise(sizes):
            assert set(smaller) < set(larger)
        for multiple, rows in found.items():
            assert rows == sorted(set(rows))
            assert per_class(data, rows) == [max(1, round(multiple * per))] * 3 or multiple < 1
            tested = {row for split in data.dealt.values() for row in (*split.test, *split.spare)}  # type: ignore[attr-defined]
            assert not set(rows) & tested
            if draws == "tuning":  # nor does tuning look at what is reported on, or at the release
                assert not set(rows) & {row for split in reported.values() for row in (*split.train, *split.test)}


def test_further_images_are_those_of_other_trials() -> None:
    data = dealt(SUBSETS, [60, 60, 60])
    found = parts(data, SUBSETS, "1", 1.5, 2.0)
    assert {multiple: per_class(data, rows) for multiple, rows in found.items()} == {1.5: [6] * 3, 2.0: [8] * 3}
    others = {row for name in ("0", "2", "3") for row in data.split(name).train}
    assert set(found[2.0]) - set(data.split("1").train) <= others
    assert not others & set(data.split(RELEASE).train)


def test_a_multiple_that_the_other_trials_have_no_images_for_is_taken_downward() -> None:
    """Two trials of four images a class have eight in all: three times as many there are not, but a third."""
    protocol = Subsets(trials=2, train_per_class=6, test_per_class=3, tuning_test_per_class=2, tuning_per_class=0)
    data = dealt(protocol, [60, 60, 60])
    found = parts(data, protocol, "0", 2.0, 3.0)
    assert {multiple: per_class(data, rows) for multiple, rows in found.items()} == {2.0: [12] * 3, 1 / 3: [2] * 3}


@pytest.mark.parametrize("protocol", [CrossValidation(folds=3, repeats=2), Holdout(trials=2)], ids=lambda one: one.kind)
def test_elsewhere_parts_are_stratified_pieces_of_the_trials_own(protocol: Protocol) -> None:
    data = dealt(protocol, [36, 18, 9], official=6 if protocol.kind == "holdout" else 0)
    for trial in protocol.trial_names():
        own = data.split(trial).train
        found = parts(data, protocol, trial, 1.5, 2.0)
        assert list(found) == [1 / 1.5, 1 / 2.0]
        assert set(found[1 / 2.0]) < set(found[1 / 1.5]) < set(own)
        for multiple, rows in found.items():
            wanted = [multiple * count for count in per_class(data, own)]
            assert all(abs(count - want) <= 1 for count, want in zip(per_class(data, rows), wanted, strict=True))


def test_groups_are_not_parted() -> None:
    groups = [f"g{row // 4}" for row in range(72)]
    protocol = CrossValidation(folds=2, repeats=1)
    data = dealt(protocol, [24, 24, 24], groups)
    for trial in protocol.trial_names():
        own = data.split(trial).train
        for rows in parts(data, protocol, trial, 1.5, 2.0).values():
            kept, left = {groups[row] for row in rows}, {groups[row] for row in set(own) - set(rows)}
            assert not kept & left


def test_a_size_that_cannot_be_made_is_left_out() -> None:
    protocol = CrossValidation(folds=2, repeats=1)
    data = dealt(protocol, [4, 4])
    found = parts(data, protocol, "0", 1.5, 2.0, 3.0, 4.0)
    sizes = [len(rows) for rows in found.values()]
    assert sizes == sorted(set(sizes), reverse=True)
    assert min(sizes) == 2  # one of each class
    assert parts(data, protocol, "0") == {}


def test_the_same_seed_takes_the_same_images() -> None:
    data = dealt(SUBSETS, [60, 60, 60])
    assert parts(data, SUBSETS, "2", 1.5, 2.0) == parts(data, SUBSETS, "2", 1.5, 2.0)
    other = nested_parts(data, "2", SUBSETS.trial_names(), (2.0,), 99)
    assert other[2.0] != parts(data, SUBSETS, "2", 2.0)[2.0]
