"""The fillers: how many images of which class each makes, and from what."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from ganaug.classify.arms import ClassifySpec, arm
from ganaug.classify.filler import Filler, PseudoLabels, Stock
from ganaug.classify.fillers import FILLERS
from ganaug.classify.mislabelled import Doubts
from ganaug.config import check

SPEC = ClassifySpec()
PLAIN = arm("none", SPEC)
Part = tuple[np.ndarray, np.ndarray]
every = pytest.mark.parametrize("filler", list(FILLERS))
swaps = pytest.mark.parametrize("filler", ["histogram", "amplitude", "paste"])
controls = pytest.mark.parametrize("filler", ["placebo", "oversample", "smote"])
drawing = pytest.mark.parametrize("filler", ["placebo", "oversample", "smote", "histogram", "amplitude", "dropped"])
copying = pytest.mark.parametrize("filler", ["placebo", "oversample"])


def part(sizes: Sequence[int], side: int = 3, channels: int = 1) -> Part:
    """Random images, no two alike, of shuffled classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (sum(sizes), side, side, channels), np.uint8)
    images[:, 0, 0, 0] = np.arange(sum(sizes))
    return images, rng.permutation(np.repeat(np.arange(len(sizes)), sizes))


def stock(real: Part, counts: Sequence[int], seed: int = 0, synthetic: Part | None = None) -> Stock:
    """With images that have no labels, of whose classes, one after the other, teachers are sure; every third image was
    taken under condition 1, to which the others can be moved."""

    def teach(number: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda images: np.eye(len(counts), dtype=np.float32)[np.arange(len(images)) % len(counts)]

    def synthetic_images() -> Part:
        assert synthetic is not None
        return synthetic

    conditions = (np.arange(len(real[0])) % 3 == 2).astype(np.int64)
    return Stock(
        real,
        counts,
        seed,
        teach,
        synthetic_images,
        lambda: 255 - real[0],
        conditions,
        [1],
        lambda: real,
        synthetic_images,
        synthetic_images,
        lambda: doubtful(real[1], len(counts)),
    )


def doubtful(labels: np.ndarray, classes: int) -> Doubts:
    """Every third label of a class is wrong, but never all; the next class would be right."""
    flagged = np.zeros(len(labels), bool)
    for label in range(classes):
        flagged[np.flatnonzero(labels == label)[1::3]] = True
    return Doubts(np.zeros(len(labels)), flagged, (labels + 1) % classes)


def made(filler: str, real: Part, counts: Sequence[int], seed: int = 0, synthetic: Part | None = None) -> Any:
    return FILLERS[filler].pool(stock(real, counts, seed, synthetic), PLAIN)


def per_class(pool: Part, classes: int) -> list[int]:
    found: list[int] = np.bincount(pool[1], minlength=classes).tolist()
    return found


# Two to seven images of each of a few classes, and how many of each are wanted.
wishes = st.lists(st.tuples(st.integers(2, 7), st.integers(0, 15)), min_size=2, max_size=4).map(
    lambda both: ([size for size, _ in both], [count for _, count in both])
)


# ------------------------------------------------------------------------------------------------------ every filler


@every
@pytest.mark.parametrize("channels", [1, 3])
def test_what_a_filler_returns(filler: str, channels: int) -> None:
    real, counts = part([4, 6, 2], 8, channels), [5, 0, 9]
    real[0][:] //= 8
    real[0][:, 2:6, 2:6] += 200  # an object on a plain ground
    synthetic = part(counts, 8, channels)
    before = [array.copy() for array in (*real, *synthetic)]
    images, labels = made(filler, real, counts, 0, synthetic)
    assert images.dtype == np.uint8
    assert images.shape == (len(labels), 8, 8, channels)
    assert labels.dtype == np.int64
    assert len(labels) > 0
    assert all((array == old).all() for array, old in zip((*real, *synthetic), before, strict=True))


@drawing
def test_the_seed_decides_and_nothing_else_does(filler: str) -> None:
    real, counts = part([7, 20, 7]), [10, 5, 10]
    images, labels = made(filler, real, counts, 1)
    np.random.seed(5)  # noqa: NPY002 (the global state, which must not matter)
    again = made(filler, real, counts, 1, part([1, 1, 1]))  # the synthetic images are not looked at
    assert (images == again[0]).all()
    assert (labels == again[1]).all()
    assert (images != made(filler, real, counts, 2)[0]).any()


@pytest.mark.parametrize("filler", ["placebo", "smote"])
def test_the_images_of_a_class_do_not_depend_on_the_other_counts(filler: str) -> None:
    real = part([5, 5, 5])
    one, other = made(filler, real, [4, 7, 0]), made(filler, real, [0, 7, 3])
    assert (one[0][one[1] == 1] == other[0][other[1] == 1]).all()


@controls
def test_nothing_wanted_is_an_empty_pool(filler: str) -> None:
    images, labels = made(filler, part([3, 3]), [0, 0])
    assert images.shape == (0, 3, 3, 1)
    assert images.dtype == np.uint8
    assert labels.shape == (0,)
    assert labels.dtype == np.int64


def test_gan_images_are_taken_as_they_are() -> None:
    synthetic = part([5, 3])
    assert made("gan", part([2, 2]), [5, 3], 0, synthetic) is synthetic


KEYS: Any = SimpleNamespace(
    train_key="trained", synth_key="key", synthetic_counts={"a": 3, "b": 4}, unlabelled_digest="digest", targets=[1, 2],
    truth_digest="truth", unadversarial_key="control", groups_digest="groups",
)  # fmt: skip


@every
def test_what_images_depend_on_is_plain_json(filler: str) -> None:
    found = FILLERS[filler].depends_on(KEYS, arm("classical", SPEC))
    assert json.loads(json.dumps(found)) == found
    assert FILLERS[filler].teachers(PseudoLabels()) >= 0


def test_each_filler_says_what_its_images_depend_on() -> None:
    """The keys of kept work: with pseudo's settings and base only where teachers learn."""
    spec = PseudoLabels(teachers=2, confidence=0.7)
    settings = arm("classical", ClassifySpec(pseudo=spec, amplitude_beta=0.2))
    moved = {"counts": {"a": 3, "b": 4}, "targets": [1, 2]}
    expected = {
        "gan": "key",
        "pseudo": {"unlabelled": "digest", "pseudo": {"teachers": 2, "confidence": 0.7}, "base": "classical"},
        "placebo": {"a": 3, "b": 4},
        "oversample": None,
        "smote": {"a": 3, "b": 4},
        "translate": "key",
        "unadversarial": "control",
        "histogram": moved,
        "amplitude": {**moved, "beta": 0.2},
        "paste": moved,
        "oracle": "truth",
    }
    assert {name: FILLERS[name].depends_on(KEYS, settings) for name in expected} == expected
    assert {name: FILLERS[name].teachers(spec) for name in expected} == {**dict.fromkeys(expected, 0), "pseudo": 2}


def test_what_each_filler_needs() -> None:
    cells = ["translate", "unadversarial", "histogram", "amplitude", "paste", "oracle"]
    known = {name: FILLERS[name] for name in ("gan", "pseudo", "placebo", "oversample", "smote", *cells)}
    assert [name for name, one in known.items() if one.per_class] == ["gan", "placebo", "smote", *cells[:-1]]
    assert [name for name, one in known.items() if one.unlabelled] == ["pseudo"]
    assert [name for name, one in known.items() if one.is_gan] == ["gan", "translate"]
    assert [name for name, one in known.items() if one.cells] == cells
    assert [name for name, one in known.items() if one.hidden] == ["oracle"]
    assert [name for name, one in known.items() if one.of_translator] == ["translate", "unadversarial"]


def test_a_filler_that_does_not_say_what_it_depends_on_cannot_be_made() -> None:
    class Careless(Filler):
        def pool(self, stock: Stock, settings: Any) -> Any:
            return stock.real

    with pytest.raises(TypeError, match="depends_on"):
        Careless()  # type: ignore[abstract]


# -------------------------------------------------------------------------------------------- images without labels


def labelled(said: np.ndarray, unlabelled: np.ndarray, confidence: float) -> Any:
    """The pool of ``pseudo`` from what each teacher says, (teachers, images, classes)."""
    one = replace(
        stock(part([2, 2]), [1, 1]), teach=lambda number: lambda _: said[number], unlabelled=lambda: unlabelled
    )
    return FILLERS["pseudo"].pool(one, arm("none", ClassifySpec(pseudo=PseudoLabels(len(said), confidence))))


def test_pseudo_labels_by_hand() -> None:
    """Two teachers, three images: the mean decides, and images less sure than 0.7 are left out."""
    said = np.array([[[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]], [[0.7, 0.3], [0.5, 0.5], [0.1, 0.9]]], np.float32)
    unlabelled = part([3, 0])[0]
    images, labels = labelled(said, unlabelled, 0.7)
    assert labels.tolist() == [0, 1]
    assert (images == unlabelled[[0, 2]]).all()


def test_teachers_that_are_sure_of_nothing_give_no_labels() -> None:
    with refused("classify.pseudo.confidence", "none of 3 reaches 0.7; lower it"):
        labelled(np.full((1, 3, 2), 0.5, np.float32), part([3, 0])[0], 0.7)


# --------------------------------------------------------------------------------------------- real images once more


def times_each(pool: Part, real: Part) -> list[int]:
    """How often each real image is in the pool, under its own label; the pool must hold nothing else."""
    rows = [
        next(row for row, one in enumerate(real[0]) if (one == image).all() and real[1][row] == label)
        for image, label in zip(*pool, strict=True)
    ]
    times: list[int] = np.bincount(rows, minlength=len(real[0])).tolist()
    return times


@given(wishes, st.integers(0, 5))
def test_placebo_shows_each_image_of_a_class_equally_often(wish: tuple[list[int], list[int]], seed: int) -> None:
    sizes, counts = wish
    real = part(sizes)
    pool = made("placebo", real, counts, seed)
    assert per_class(pool, len(sizes)) == counts
    times = np.array(times_each(pool, real))
    for label, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        own = times[real[1] == label]
        assert own.sum() == count
        assert set(own.tolist()) <= {count // size, -(-count // size)}


@given(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.integers(0, 5))
def test_oversample_makes_all_classes_equal(sizes: list[int], seed: int) -> None:
    real = part(sizes)
    pool = made("oversample", real, [99] * len(sizes), seed)
    assert per_class(pool, len(sizes)) == [max(sizes) - size for size in sizes]
    times = np.array(times_each(pool, real))
    for label in range(len(sizes)):
        assert np.ptp(times[real[1] == label]) <= 1


def test_oversample_adds_as_many_as_imbalanced_learn_does() -> None:
    from imblearn.over_sampling import RandomOverSampler

    images, labels = part([9, 1, 4])
    pool = made("oversample", (images, labels), [0, 0, 0])
    _, resampled = RandomOverSampler(random_state=0).fit_resample(images.reshape(len(images), -1), labels)
    assert (np.bincount(np.concatenate([labels, pool[1]])) == np.bincount(resampled)).all()


@copying
def test_which_images_come_once_more_is_drawn(filler: str) -> None:
    real = part([4, 3])
    seen = {tuple(times_each(made(filler, real, [0, 1], seed), real)) for seed in range(40)}
    assert len(seen) == 3


@copying
def test_a_class_without_images_is_refused(filler: str) -> None:
    real = part([3, 0, 3])
    with refused(
        f"classify.arms: {filler} must have at least 1 image per class", "got 0 of class 1; ", "leave the arm out"
    ):
        made(filler, real, [1, 1, 1])


# ---------------------------------------------------------------------------------------------------------- cleaning


def test_what_is_flagged_is_left_out_replaced_by_chance_or_relabelled() -> None:
    real = part([7, 5, 2])
    flagged = doubtful(real[1], 3).flagged
    assert np.bincount(real[1][flagged]).tolist() == [2, 2, 1]
    images, labels = made("cleaned", real, [0, 0, 0])
    assert (images == real[0][~flagged]).all()
    assert (labels == real[1][~flagged]).all()
    dropped = [times_each(made("dropped", real, [0, 0, 0], seed), real) for seed in range(9)]
    for times in dropped:
        assert set(times) == {0, 1}
        assert np.bincount(real[1], times).tolist() == [5, 3, 1]
    assert len(set(map(tuple, dropped))) > 1
    images, labels = made("relabelled", real, [0, 0, 0])
    assert (images == real[0]).all()
    assert ((labels - real[1]) % 3 == flagged).all()


def test_cleaning_depends_on_the_classifiers_and_the_groups() -> None:
    found = FILLERS["cleaned"].depends_on(KEYS, arm("classical", SPEC))
    assert found == {"classifiers": 10, "base": "classical", "groups": "groups"}
    assert FILLERS["dropped"].teachers(PseudoLabels()) == 10


# ------------------------------------------------------------------------------------------------------------- SMOTE


def between(image: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether some s in [0, 1] rounds one + s (other - one) to the image, in every pixel."""
    point, start, step = (array.astype(float).ravel() for array in (image, one, other.astype(float) - one))
    if (np.abs(point - start)[step == 0] > 0.5).any():
        return False
    moving = step != 0
    ends = np.stack([(point - start + half)[moving] / step[moving] for half in (-0.501, 0.501)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    return bool(max(low.max(initial=0), 0) <= min(high.min(initial=1), 1))


def test_the_yardstick_itself() -> None:
    one, other = np.array([0, 10, 5], np.uint8), np.array([100, 20, 5], np.uint8)
    assert between(np.array([50, 15, 5]), one, other)
    assert between(one, one, other)
    assert not between(np.array([50, 18, 5]), one, other)
    assert not between(np.array([50, 15, 6]), one, other)
    assert not between(np.array([110, 21, 5]), one, other)


@given(wishes, st.integers(0, 5))
def test_smote_makes_as_many_as_asked_for_each_between_two_of_its_class(
    wish: tuple[list[int], list[int]], seed: int
) -> None:
    sizes, counts = wish
    real = part(sizes)
    pool = made("smote", real, counts, seed)
    assert per_class(pool, len(sizes)) == counts
    for image, label in zip(*pool, strict=True):
        own = real[0][real[1] == label]
        assert any(between(image, one, other) for one in own for other in own)


def test_smote_images_are_new_and_fill_the_line() -> None:
    """Two images of a class, black and white: every gray between them, evenly, and never of the other class."""
    levels = np.array([0, 240, 250, 254], np.uint8)
    real = np.tile(levels[:, None, None, None], (1, 4, 4, 3)), np.array([0, 0, 1, 1])
    images, labels = made("smote", real, [2000, 30])
    assert (images == images[:, :1, :1, :1]).all()
    gray = images[labels == 0, 0, 0, 0]
    assert np.histogram(gray, bins=4, range=(0, 240))[0] == pytest.approx([500] * 4, rel=0.15)
    assert len(np.unique(gray)) > 200
    assert set(images[labels == 1, 0, 0, 0]) == {250, 251, 252, 253, 254}


def test_smote_goes_to_one_of_the_five_nearest_only() -> None:
    """Six dark and six bright images: from each, the five nearest are those of its own shade."""
    levels = np.array([*range(0, 60, 10), *range(190, 250, 10)], np.uint8)
    real = np.tile(levels[:, None, None, None], (1, 3, 3, 1)), np.zeros(12, np.int64)
    gray = made("smote", real, [500])[0][:, 0, 0, 0]
    assert ((gray <= 50) | (gray >= 190)).all()
    assert 150 < (gray <= 50).sum() < 350
    fewer = (real[0][[0, 1, 2, 3, 4, 6, 7, 8, 9, 10]], real[1][:10])  # the fifth is of the other shade
    gray = made("smote", fewer, [500])[0][:, 0, 0, 0]
    assert ((gray > 60) & (gray < 180)).any()


def test_smote_does_not_depend_on_the_number_of_threads() -> None:
    """Many images equally far from each other: which count as the nearest must not be a race."""
    rng = np.random.default_rng(0)
    real = rng.integers(0, 4, (600, 4, 4, 1), np.uint8) * 80, np.zeros(600, np.int64)
    with threadpool_limits(1):
        one = made("smote", real, [600])[0]
    with threadpool_limits(2):
        assert (made("smote", real, [600])[0] == one).all()


def test_smote_of_a_class_of_one_image_is_refused_if_it_is_to_grow() -> None:
    real = part([3, 1])
    with refused(
        "classify.arms: smote must have at least 2 images per class", "got 1 of class 1; ", "leave the arm out"
    ):
        made("smote", real, [2, 2])
    assert per_class(made("smote", real, [2, 0]), 2) == [2, 0]


# ------------------------------------------------------------------------------------------------ classes x conditions


def cells(grid: Sequence[Sequence[int]], side: int = 8) -> tuple[Part, np.ndarray]:
    """Images that tell class, condition and number, ``grid[label][condition]`` of each, shuffled: the object's level is
    the row, the ground's 10 times the condition."""
    where = [(label, to) for label, row in enumerate(grid) for to, count in enumerate(row) for _ in range(count)]
    labels, conditions = np.random.default_rng(0).permutation(where).T
    images = np.tile((10 * conditions).astype(np.uint8)[:, None, None, None], (1, side, side, 1))
    images[:, 2:-2, 2:-2] = (100 + np.arange(len(labels)))[:, None, None, None]
    return (images, labels), conditions


def moved(
    filler: str, grid: Sequence[Sequence[int]], counts: Sequence[int], targets: Sequence[int], seed: int = 0
) -> Any:
    """What a filler makes: (the pool, (source row, reference row) of each image, labels, conditions)."""
    (images, labels), conditions = cells(grid)
    asked = replace(stock((images, labels), counts, seed), conditions=conditions, targets=targets)
    one, pairs = FILLERS[filler], []

    class Watched(type(one)):  # type: ignore[misc]
        def move(self, sources: np.ndarray, references: np.ndarray, settings: Any) -> Any:
            pairs.extend(zip(sources[:, 4, 4, 0] - 100, references[:, 4, 4, 0] - 100, strict=True))
            return super().move(sources, references, settings)

    return Watched().pool(asked, PLAIN), np.array(pairs, int).reshape(-1, 2), labels, conditions


@swaps
@pytest.mark.parametrize(
    ("grid", "targets"),
    [([[4, 2], [6, 0]], [1]), ([[4, 0, 1], [3, 2, 0], [5, 0, 0]], [1, 2]), ([[3, 1], [0, 4]], [0, 1])],
)
def test_every_class_is_moved_to_every_target_from_its_images_elsewhere(filler: str, grid: Any, targets: Any) -> None:
    counts = [7, 12, 5][: len(grid)]
    pool, pairs, labels, conditions = moved(filler, grid, counts, targets)
    sources, references = pairs.T
    assert (labels[sources] == pool[1]).all()
    for label, count in enumerate(counts):
        own = pool[1] == label
        to, source = conditions[references[own]], sources[own]
        assert (conditions[source] != to).all()
        reached = [one for one in targets if any(n for where, n in enumerate(grid[label]) if where != one)]
        made = [int((to == one).sum()) for one in reached]
        assert (sum(made), set(to.tolist())) == (count, set(reached))
        assert max(made) - min(made) <= 1
        for one in reached:
            there = (labels == label) & (conditions != one)
            times = np.bincount(source[to == one], minlength=len(labels))[there]
            assert np.ptp(times) <= 1
    assert len(set(references.tolist())) > 1


def test_references_are_drawn_again_with_another_seed() -> None:
    one, same, other = (moved("histogram", [[9, 9], [9, 0]], [20, 20], [1], seed)[1] for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_translations_and_true_images_are_taken_as_they_are() -> None:
    real, synthetic = part([2, 2]), part([5, 3])
    assert made("translate", real, [5, 3], 0, synthetic) is synthetic
    assert made("unadversarial", real, [5, 3], 0, synthetic) is synthetic
    assert made("oracle", real, [5, 3]) is real


@swaps
def test_swaps_need_conditions(filler: str) -> None:
    with refused(f"classify.arms: {filler} needs conditions, but the images have none; ", "leave the arm out"):
        FILLERS[filler].pool(replace(stock(part([3, 3]), [1, 1]), conditions=None), PLAIN)


def test_what_trials_do_not_hold_is_refused() -> None:
    with refused("classify.arms: oracle needs a protocol that hides cells, got subsets; remove its arms"):
        check({"classify": {"arms": ["none", "oracle"]}})
    nothing = replace(stock(part([3, 3]), [1, 1]), truth=None, unadversarial=None)
    with refused("classify.arms: oracle needs images that trials hide, but none are; "):
        FILLERS["oracle"].pool(nothing, PLAIN)
    with refused("classify.arms: unadversarial needs a translator, but there is none; set gan.translate"):
        FILLERS["unadversarial"].pool(nothing, PLAIN)


def test_objects_without_a_plain_ground_are_not_pasted() -> None:
    """Where a class has some that can be cut out, those are used; where it has none, the arm is refused."""
    (images, labels), conditions = cells([[3, 1], [4, 0]])
    noise = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    odd = np.flatnonzero(labels == 1)
    some, none = images.copy(), images.copy()
    some[odd[:2]], none[odd] = noise[odd[:2]], noise[odd]
    asked = replace(stock((some, labels), [6, 6]), conditions=conditions, targets=[1])
    pool = FILLERS["paste"].pool(asked, PLAIN)
    assert set((pool[0][pool[1] == 1][:, 4, 4, 0] - 100).tolist()) == set(odd[2:].tolist())
    FILLERS["paste"].check((some, labels), ["cat", "dog"], conditions, [1])
    with refused("classify.arms: paste must cut the object of some image of each class", 'any of 4 of class "dog"; '):
        FILLERS["paste"].check((none, labels), ["cat", "dog"], conditions, [1])


# ----------------------------------------------------------------------------------------------------------- imports


def test_naming_arms_imports_nothing_heavy() -> None:
    modules = ("classify.arms", "classify.fillers", "classify.policies", "synth.spec")
    heavy = {"torch", "torchvision", "sklearn", "imblearn", "scipy"}
    code = f"import sys\nfor one in {modules}: __import__(f'ganaug.{{one}}'); print(one, *({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(modules)
