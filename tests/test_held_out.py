"""The inner fold: what of a train part is held out of a training."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ganaug.data.held_out import inner_fold
from ganaug.data.prepared import Prepared

SHARES = st.floats(0.01, 0.5)


@st.composite
def prepared_sets(draw: st.DrawFn, bound: bool = True) -> tuple[Prepared, list[int]]:
    """A few images, some of equal pixels and some in groups, and the rows of a train part in any order."""
    count = draw(st.integers(1, 24))
    classes = draw(st.integers(1, 4))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    kinds = st.lists(st.integers(0, count // 2), min_size=count, max_size=count)
    pixels = draw(kinds) if bound else list(range(count))
    groups = draw(st.none() | kinds) if bound else None
    rows = draw(st.permutations(range(count)))[: draw(st.integers(1, count))]
    names = [f"class {label}" for label in range(classes)]
    prepared = Prepared(
        Path(),
        np.zeros((count, 8, 8, 1), np.uint8),
        np.array(labels, np.int64),
        [f"pixels {one}" for one in pixels],
        names,
        {},
        [f"group {one}" for one in groups] if groups is not None else None,
    )
    return prepared, rows


def counts(prepared: Prepared, rows: list[int]) -> np.ndarray:
    return np.bincount(prepared.labels[rows], minlength=len(prepared.classes))


def units(prepared: Prepared, rows: list[int]) -> list[list[int]]:
    """Rows that must stay together, found by joining sets until none meet."""
    found: list[set[int]] = []
    for row in rows:
        mine = {row}
        for other in list(found):
            if any(
                prepared.pixels[row] == prepared.pixels[one]
                or (prepared.groups is not None and prepared.groups[row] == prepared.groups[one])
                for one in other
            ):
                mine |= other
                found.remove(other)
        found.append(mine)
    return [sorted(one) for one in found]


def wanted(prepared: Prepared, rows: list[int], share: float) -> np.ndarray:
    total = counts(prepared, rows)
    return np.where(total > 1, np.maximum(1, np.round(share * total)), 0)


@given(prepared_sets(), SHARES, st.integers(0, 5))
def test_the_two_parts_are_disjoint_and_all(made: tuple[Prepared, list[int]], share: float, seed: int) -> None:
    prepared, rows = made
    kept, held = inner_fold(prepared, rows, share, seed)
    assert kept == sorted(kept)
    assert held == sorted(held)
    assert sorted(kept + held) == sorted(rows)


@given(prepared_sets(), SHARES, st.integers(0, 5))
def test_groups_and_equal_pixels_stay_together(made: tuple[Prepared, list[int]], share: float, seed: int) -> None:
    prepared, rows = made
    _, held = inner_fold(prepared, rows, share, seed)
    for unit in units(prepared, rows):
        assert len(set(unit) & set(held)) in (0, len(unit))


@given(prepared_sets(), SHARES, st.integers(0, 5))
def test_no_class_loses_its_last_image(made: tuple[Prepared, list[int]], share: float, seed: int) -> None:
    prepared, rows = made
    kept, _ = inner_fold(prepared, rows, share, seed)
    assert set(prepared.labels[kept]) == set(prepared.labels[rows])


@given(prepared_sets(), SHARES, st.integers(0, 5))
def test_the_share_is_met_within_one_unit(made: tuple[Prepared, list[int]], share: float, seed: int) -> None:
    """Never more than the share of a class; and no unit is left out that would not have been too much for a class."""
    prepared, rows = made
    kept, held = inner_fold(prepared, rows, share, seed)
    out, most = counts(prepared, held), wanted(prepared, rows, share)
    assert (out <= most).all()
    for unit in units(prepared, kept) if kept else []:
        assert (out + counts(prepared, unit) > most)[counts(prepared, unit) > 0].any()


@given(prepared_sets(bound=False), SHARES, st.integers(0, 5))
def test_the_share_of_single_images_is_exact(made: tuple[Prepared, list[int]], share: float, seed: int) -> None:
    prepared, rows = made
    _, held = inner_fold(prepared, rows, share, seed)
    assert counts(prepared, held).tolist() == wanted(prepared, rows, share).tolist()


@given(prepared_sets(), SHARES, st.integers(0, 5))
def test_the_order_of_the_rows_and_all_else_does_not_matter(
    made: tuple[Prepared, list[int]], share: float, seed: int
) -> None:
    prepared, rows = made
    first = inner_fold(prepared, rows, share, seed)
    np.random.seed(seed)  # noqa: NPY002 (the global state is what must not matter)
    assert inner_fold(prepared, rows[::-1], share, seed) == first


def test_another_seed_holds_out_other_images() -> None:
    labels = np.arange(40, dtype=np.int64) % 2
    prepared = Prepared(
        Path(), np.zeros((40, 8, 8, 1), np.uint8), labels, [str(row) for row in range(40)], ["a", "b"], {}
    )
    folds = [tuple(inner_fold(prepared, range(40), 0.2, seed)[1]) for seed in range(40)]
    assert all(len(held) == 8 for held in folds)
    assert len(set(folds)) == 40
    assert set().union(*folds) == set(range(40))


def test_nothing_is_held_out_of_no_share() -> None:
    prepared = Prepared(Path(), np.zeros((3, 8, 8, 1), np.uint8), np.zeros(3, np.int64), ["x"] * 3, ["a"], {})
    assert inner_fold(prepared, [2, 0, 1], 0.0, 0) == ([0, 1, 2], [])
