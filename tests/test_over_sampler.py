"""GanOverSampler: imbalanced-learn's own checks, and what it does to images."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from expect import refused
from imblearn.pipeline import Pipeline
from imblearn.utils import estimator_checks
from imblearn.utils.estimator_checks import parametrize_with_checks
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler
from stages import TINY_GAN

import ganaug
from ganaug.api import over_sampler

TINY = {key: value for key, value in TINY_GAN.items() if key != "steps"}
CANNOT = {
    "check_samplers_fit": "its X has two values in a row, and there is no image of two pixels",
    "check_samplers_pandas_sparse": "no array of images is sparse",
}

TRAINED: dict[Any, ganaug.Generator] = {}


def tiny(**changes: Any) -> ganaug.GanOverSampler:
    return ganaug.GanOverSampler(**{"random_state": 0, "steps": 1, "gan": TINY, "device": "cpu", **changes})


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same training of the same images is not run again: that it repeats itself is tested elsewhere."""

    def fit(images: Any, labels: Any, **settings: Any) -> ganaug.Generator:
        key = (images.tobytes(), images.shape, labels.tobytes(), repr(settings))
        if key not in TRAINED:
            TRAINED[key] = ganaug.fit(images, labels, **settings)
        return TRAINED[key]

    monkeypatch.setattr(over_sampler, "fit", fit)


def flat(*counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of 8x8 pixels in rows, floats in 0..1, and their classes 0, 1, ..., of so many images each."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).random((len(labels), 64)), labels


def named(part: Any) -> str:
    """A check's name, of the pairs (estimator, check)."""
    return part.func.__name__.removeprefix("check_") if hasattr(part, "func") else "GanOverSampler"


CHECKS = parametrize_with_checks([tiny(image_shape=(8, 8))], expected_failed_checks=lambda _: CANNOT)


@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), ids=named)  # a list: pytest 9 warns of iterators
def test_imbalanced_learns_checks(
    estimator: Any, check: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On images instead of their toy data, wherever they take it from a function."""
    monkeypatch.setattr(estimator_checks, "sample_dataset_generator", lambda: flat(8, 12, 20))
    monkeypatch.setattr(estimator_checks, "make_blobs", lambda **_: flat(8, 12))
    monkeypatch.setattr(estimator_checks, "StandardScaler", lambda: MinMaxScaler(clip=True))
    check(estimator)


def test_each_setting_is_checked() -> None:
    estimator_checks.check_param_validation("GanOverSampler", tiny())


def test_names_of_columns_are_kept() -> None:
    names = [f"pixel_{index}" for index in range(64)]
    images, labels = flat(8, 12)
    sampler = tiny(image_shape=(8, 8))
    found, _ = sampler.fit_resample(pd.DataFrame(images, columns=names), labels)
    assert list(found.columns) == list(sampler.feature_names_in_) == names
    assert len(found) == 24


# --------------------------------------------------------------------------------------------------------- on images


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("is_flat", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_come_back_in_their_form(channels: tuple[int, ...], is_flat: bool, dtype: Any) -> None:
    """Below those that were given, which stay as they are, and with the generator's first images."""
    given = np.random.default_rng(0).integers(0, 256, (13, 8, 8, *channels), np.uint8)
    images = given if dtype == np.uint8 else (given / 255).astype(dtype)
    labels = np.repeat(["cat", "dog", "emu"], [6, 4, 3])
    sampler = tiny(image_shape=images.shape[1:] if is_flat else None)
    found, names = sampler.fit_resample(images.reshape(13, -1) if is_flat else images, labels)
    assert found.dtype == dtype
    assert found.shape == (18, *((images[0].size,) if is_flat else images.shape[1:]))
    found = found.reshape(18, *images.shape[1:])
    assert np.array_equal(found[:13], images)
    assert names.tolist() == [*labels, *["dog"] * 2, *["emu"] * 3]
    assert dict(sampler.sampling_strategy_) == {"dog": 2, "emu": 3}
    made, _ = sampler.generator_.sample({"dog": 2, "emu": 3}, seed=0)
    again = found[13:] if dtype == np.uint8 else np.rint(found[13:] * 255).astype(np.uint8)
    assert np.array_equal(again, made.reshape(again.shape))


def test_it_trains_as_fit_does() -> None:
    images, labels = flat(6, 4)
    sampler = tiny(image_shape=(8, 8), random_state=3)
    sampler.fit_resample(images, labels)
    trained = ganaug.fit(images.reshape(-1, 8, 8), labels, steps=1, seed=3, gan=TINY, device="cpu")
    ours, theirs = sampler.generator_.network.state_dict(), trained.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("kind", [np.int16, float, str, object])
def test_classes_of_any_kind(tiny_model: Path, kind: Any) -> None:
    labels = np.repeat([1, 3], [6, 4]).astype(str if kind is object else kind).astype(kind)
    images = flat(6, 4)[0].reshape(-1, 8, 8)
    _, names = tiny(generator=tiny_model).fit_resample(images, labels)
    assert names.dtype == labels.dtype
    assert names[10:].tolist() == [labels[-1]] * 2


def test_a_trained_generator_serves(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_sampler, "fit", None)
    images, _ = flat(6, 4)
    labels = np.repeat(["a/b", "3"], [6, 4])
    generator = ganaug.load(tiny_model)
    for given in (str(tiny_model), tiny_model, generator):
        sampler = clone(tiny(generator=given, random_state=7))
        found, names = sampler.fit_resample(images.reshape(-1, 8, 8), labels)
        assert names[10:].tolist() == ["3", "3"]
        assert np.array_equal(np.rint(found[10:] * 255), generator.sample({"3": 2}, seed=7)[0][..., 0])


def test_balanced_classes_need_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_sampler, "fit", None)
    images, labels = flat(4, 4)
    found, _ = tiny(image_shape=(8, 8)).fit_resample(images, labels)
    assert np.array_equal(found, images)


def test_random_states(tiny_model: Path) -> None:
    """A number is a seed; a generator of random numbers gives another at every call."""
    images, _ = flat(6, 4)
    labels = np.repeat(["a/b", "3"], [6, 4])

    def new(sampler: Any) -> bytes:
        found: np.ndarray = sampler.fit_resample(images.reshape(-1, 8, 8), labels)[0][10:]
        return found.tobytes()

    fixed, drawn = tiny(generator=tiny_model), tiny(generator=tiny_model, random_state=np.random.RandomState(0))
    assert new(fixed) == new(fixed) != new(tiny(generator=tiny_model, random_state=1))
    assert len({new(fixed), new(drawn), new(drawn), new(tiny(generator=tiny_model, random_state=None))}) == 4


def test_it_works_in_a_pipeline(tiny_model: Path) -> None:
    images, labels = flat(12, 5)
    pipeline = Pipeline([("sampler", tiny()), ("classifier", LogisticRegression())])
    pipeline.set_params(sampler__image_shape=(8, 8), sampler__sampling_strategy={1: 9})
    assert pipeline.fit(images, labels).predict(images).shape == (17,)
    assert Counter(dict(pipeline["sampler"].sampling_strategy_)) == {1: 4}
    assert pipeline["sampler"].n_features_in_ == 64


GRAY = flat(6, 4)[0]


@pytest.mark.parametrize(
    ("changes", "images", "says"),
    [
        (
            {},
            GRAY,
            "image_shape: must be (H, W) or (H, W, C) of images with 64 values, as X has them in a row, got None",
        ),
        ({"image_shape": (8, 9)}, GRAY, "in a row, got (8, 9); give it, or X as images"),
        ({"image_shape": (4, 16)}, GRAY, "images: must be squares of 8 to 128 pixels per side, got 4 high and 16 wide"),
        ({}, GRAY.reshape(-1, 8, 8) * 255, "images: floats must be in 0..1, got 0."),
        ({}, GRAY.reshape(-1, 8, 8).astype(int), "images must be uint8 in 0..255, got int64; convert the array"),
        ({}, GRAY.reshape(-1, 8, 4, 2), "images must be (N, H, W) or (N, H, W, 1 or 3), got (10, 8, 4, 2)"),
        ({"generator": "model"}, GRAY.reshape(-1, 4, 16), "generator: must make images of X's shape, (4, 16, 1), got"),
        (
            {"generator": "model"},
            GRAY.reshape(-1, 8, 8),
            'generator: must know every class of y, but "cat" is none of 3',
        ),
        ({"generator": "nowhere"}, GRAY.reshape(-1, 8, 8), "nowhere"),
    ],
)
def test_what_it_cannot_use_is_refused(tiny_model: Path, changes: dict[str, Any], images: Any, says: str) -> None:
    if changes.get("generator") == "model":
        changes = {"generator": tiny_model}
    with refused(says):
        tiny(**changes).fit_resample(images, np.repeat(["cat", "dog"], [6, 4]))


def test_sparse_images_are_refused() -> None:
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        tiny(image_shape=(8, 8)).fit_resample(sparse.csr_matrix(GRAY), np.repeat([0, 1], [6, 4]))
