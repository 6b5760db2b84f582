"""Synthetic images for a DataLoader: the images of the command line, each once, whatever the workers; exact shares."""

import itertools
import pickle
import re
from collections import Counter
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, get_worker_info
from torchvision import datasets
from torchvision.transforms import v2

import ganaug
from ganaug.errors import UserError
from ganaug.synth.generator import load_generator

few_cores = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
tensors = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])  # as users give it to an ImageFolder


def with_worker(image: Image.Image) -> tuple[int, bytes]:
    """At the top of the module, for workers."""
    info = get_worker_info()
    return (info.id if info else -1), image.tobytes()


class Items(Dataset[Any]):
    """A real dataset; ``classes`` only if given."""

    def __init__(self, count: int, item: Callable[[int], Any], classes: list[str] | None = None) -> None:
        self.count, self.item = count, item
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.item(index)


BLANK = Image.new("L", (8, 8))


def gray(index: int) -> tuple[Image.Image, int]:
    return BLANK, index % 5


# ------------------------------------------------------------------------------------------------------ the dataset


def test_its_images_are_those_of_the_command_line(tiny_model: Path) -> None:
    counts = {"a/b": 120, "3": 3, 4: 1}  # more than a chunk, a name that is a number, an index
    images, labels = load_generator(tiny_model).sample(counts, seed=5)
    dataset = ganaug.SyntheticDataset(tiny_model, counts, seed=5)
    assert len(dataset) == 124
    assert dataset.targets == [label for _, label in dataset] == labels.tolist() == [3] * 120 + [0] * 3 + [4]
    assert np.array_equal([np.asarray(image) for image, _ in dataset], images[..., 0])


def test_it_looks_like_an_image_folder(tiny_model: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    folder = datasets.ImageFolder(str(tmp_path))
    dataset = ganaug.SyntheticDataset(load_generator(tiny_model), per_class=2)
    assert dataset.classes == ["3", "1", "../x", "a/b", "."]
    assert dataset.class_to_idx == {name: label for label, name in enumerate(dataset.classes)}
    for name in ("classes", "class_to_idx", "targets", "transform"):
        assert type(getattr(folder, name)) is type(getattr(dataset, name)), name
    assert isinstance(dataset[-1][0], type(folder[0][0]).__mro__[1])
    given = ganaug.SyntheticDataset(tiny_model, 1, transform=tensors)[0][0]
    assert (given.shape, given.dtype) == ((1, 8, 8), torch.float32)


@few_cores
@pytest.mark.parametrize(
    ("workers", "start"), [(0, None), (3, "fork"), pytest.param(1, "spawn", marks=pytest.mark.slow)]
)
def test_workers_give_every_image_once(tiny_model: Path, workers: int, start: str | None) -> None:
    dataset = ganaug.SyntheticDataset(tiny_model, per_class=30, transform=np.array)
    loader = DataLoader(dataset, 7, num_workers=workers, multiprocessing_context=start)
    images, labels = zip(*loader, strict=True)
    expected, of_class = load_generator(tiny_model).sample(dict.fromkeys(range(5), 30))
    assert np.array_equal(torch.cat(images), expected[..., 0])
    assert np.array_equal(torch.cat(labels), of_class)


def test_workers_that_are_spawned_share_its_images(tiny_model: Path) -> None:
    dataset = ganaug.SyntheticDataset(tiny_model, {0: 1000})
    sent = ForkingPickler.dumps(dataset)  # what spawning sends
    assert len(sent) < 10 * 1000 < 64 * 1000 < len(pickle.dumps(dataset))
    received = ForkingPickler.loads(sent)
    assert [image.tobytes() for image, _ in received] == [image.tobytes() for image, _ in dataset]


def test_a_users_threads_stay(tiny_model: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ganaug.SyntheticDataset(tiny_model, 1, device="cpu")
        next(iter(ganaug.SyntheticStream(tiny_model)))
        load_generator(tiny_model).sample({0: 1}, device="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("per_class", "says"),
    [
        (-1, "per_class: must be a whole number of 0 or more, got -1; such as 500"),
        (1.5, "got 1.5"),
        (True, "got True"),
        ({"a/b": "x"}, 'got "x"'),
        ({"a/b": 1, 3: 1}, 'per_class: must have each class once, got "a/b" twice'),
        ({"cat": 1}, 'must be a class name or an index of 0..4, got "cat"'),
        (10**15, "per_class: 5,000,000,000,000,000 images take at least"),
    ],
)
def test_wrong_numbers_are_refused(tiny_model: Path, per_class: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        ganaug.SyntheticDataset(tiny_model, per_class)


# ------------------------------------------------------------------------------------------------------- the stream


def streamed(stream: Any, count: int, workers: int = 0) -> list[tuple[tuple[int, bytes], int]]:
    loader = DataLoader(
        stream, 5, num_workers=workers, collate_fn=list, multiprocessing_context="fork" if workers else None
    )
    return list(itertools.islice(itertools.chain.from_iterable(loader), count))


def test_a_stream_has_the_images_of_the_command_line_in_its_proportions(tiny_model: Path) -> None:
    stream = ganaug.SyntheticStream(tiny_model, {"a/b": 3, 0: 1}, transform=with_worker, seed=5)
    found = streamed(stream, 2000)
    numbers = Counter(label for _, label in found)
    assert set(numbers) == {3, 0}
    assert abs(numbers[3] - 1500) < 4 * np.sqrt(2000 * 0.75 * 0.25)
    for label, count in numbers.items():
        images, _ = load_generator(tiny_model).sample({label: count}, seed=5)
        assert [image for (_, image), one in found if one == label] == [image.tobytes() for image in images]


@few_cores
def test_workers_of_a_stream_share_nothing_and_repeat_themselves(tiny_model: Path) -> None:
    stream = ganaug.SyntheticStream(tiny_model, transform=with_worker)
    found = streamed(stream, 600, workers=3)
    assert found == streamed(stream, 600, workers=3)
    assert Counter(worker for (worker, _), _ in found) == {0: 200, 1: 200, 2: 200}
    assert len({image for (_, image), _ in found}) == 600
    assert [one for one in found if one[0][0] == 0] == [
        ((0, image), label) for (_, image), label in streamed(stream, 200)
    ]


def test_epochs_of_a_stream_differ(tiny_model: Path) -> None:
    stream = ganaug.SyntheticStream(tiny_model, transform=with_worker)
    first = streamed(stream, 50)
    stream.set_epoch(1)
    second = streamed(stream, 50)
    assert not set(first) & set(second)
    assert second == streamed(stream, 50)
    stream.set_epoch(0)
    assert first == streamed(pickle.loads(pickle.dumps(stream)), 50)


@pytest.mark.parametrize("proportions", [{}, {0: -1, 1: 2}, {0: 0}, {0: float("nan")}, {0: float("inf")}, {0: "x"}])
def test_wrong_proportions_are_refused(tiny_model: Path, proportions: Any) -> None:
    with pytest.raises(
        UserError, match=r"^proportions: must be numbers of 0 or more, not all of them 0, got \{.*; such as"
    ):
        ganaug.SyntheticStream(tiny_model, proportions)


# ---------------------------------------------------------------------------------------------------------- the mix


@given(st.integers(1, 999), st.floats(0, 0.9), st.integers(0, 3))
def test_the_share_is_exact(real: int, share: float, epoch: int) -> None:
    synthetic = Items(10_000, lambda index: (BLANK, -1 - index))
    mixed = ganaug.mix(Items(real, gray), synthetic, share)
    count = len(mixed) - real
    assert abs(count - share * len(mixed)) <= 0.5 + 1e-6  # no whole number is nearer
    mixed.set_epoch(epoch)
    assert [mixed[index][1] for index in range(real)] == [index % 5 for index in range(real)]
    shown = [mixed[index][1] for index in range(real, len(mixed), 37)]
    assert all(label < 0 for label in shown)
    assert len(set(shown)) == len(shown)


def test_epochs_show_all_synthetic_images_equally_often() -> None:
    synthetic = Items(12, lambda index: (BLANK, index))
    mixed = ganaug.mix(Items(12, gray), synthetic, share=0.25)
    epochs = []
    for epoch in range(6):
        mixed.set_epoch(epoch)
        epochs.append([mixed[index][1] for index in range(12, 16)])
    assert Counter(itertools.chain(*epochs)) == dict.fromkeys(range(12), 2)
    assert epochs[0] == epochs[3]
    assert epochs[0] != epochs[1]
    other = ganaug.mix(Items(12, gray), synthetic, share=0.25, seed=1)
    assert epochs[0] != [other[index][1] for index in range(12, 16)]
    with pytest.raises(IndexError):
        mixed[16]


def test_workers_that_persist_hear_of_the_epoch(tiny_model: Path) -> None:
    synthetic = ganaug.SyntheticDataset(tiny_model, {0: 100}, tensors)
    real = TensorDataset(torch.zeros(30, 1, 8, 8), torch.arange(30))
    mixed = ganaug.mix(real, synthetic, share=0.5)
    loader = DataLoader(mixed, 60, num_workers=1, persistent_workers=True, multiprocessing_context="fork")
    first, again = next(iter(loader))[0], next(iter(loader))[0]
    mixed.set_epoch(1)
    second = next(iter(loader))[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(first[:30], second[:30])


def test_labels_are_those_of_the_real_dataset(tiny_model: Path) -> None:
    synthetic = ganaug.SyntheticDataset(tiny_model, {"a/b": 5, "1": 5})
    names = [".", "a/b", "more", "1"]
    for real in (Items(10, gray, names), Subset(Items(20, gray, names), list(range(10)))):
        assert {label for _, label in list(ganaug.mix(real, synthetic, share=0.5))[10:]} == {1, 3}
    by_index = ganaug.mix(Items(10, gray), synthetic, share=0.5)
    assert {label for _, label in list(by_index)[10:]} == {3, 1}
    renamed = ganaug.mix(Items(10, gray, ["one", "slash"]), synthetic, share=0.5, classes=["1", "a/b"])
    assert {label for _, label in list(renamed)[10:]} == {0, 1}
    with pytest.raises(
        UserError,
        match=re.escape(
            'synthetic: its classes must be among those of real_dataset, one, slash, got "a/b"; say what the generator '
            "calls them, in the order of their labels: classes=[...]"
        ),
    ):
        ganaug.mix(Items(10, gray, ["one", "slash"]), synthetic)


def test_a_batch_holds_both_kinds(tiny_model: Path) -> None:
    synthetic = ganaug.SyntheticDataset(tiny_model, 4, tensors)
    real = TensorDataset(torch.zeros(20, 1, 8, 8), torch.arange(20, dtype=torch.int32))
    mixed = ganaug.mix(real, synthetic, share=0.5)
    images, labels = next(iter(DataLoader(mixed, 40, shuffle=True)))
    assert (images.shape, images.dtype, labels.dtype) == ((40, 1, 8, 8), torch.float32, torch.int32)


@pytest.mark.parametrize(
    ("real", "share", "says"),
    [
        (Items(10, gray), 1, "share: must be 0 or more and less than 1, got 1; 0.25"),
        (Items(10, gray), float("nan"), "got nan"),
        (Items(10, gray), "a", 'got "a"'),
        (Items(100, gray), 0.5, "must have 100 images, for a share of 0.5 beside 100 real ones, got 20; make more"),
        (Items(0, gray), 0.5, 'real_dataset: must be a dataset with a length and items, got "Items" without'),
        (iter([1]), 0.5, "real_dataset: must be a dataset with a length"),
        (Items(10, lambda index: {"image": 1}), 0.5, "real_dataset: must have items (image, label)"),
        (Items(10, lambda index: (gray(0)[0], "cat")), 0.5, "real_dataset: must have items (image, label)"),
        (Items(10, lambda index: (gray(0)[0], torch.tensor(1.0))), 0.5, "real_dataset: must have items"),
        (
            Items(10, lambda index: (Image.new("RGB", (9, 8)), 1)),
            0.5,
            "must be as those of real_dataset, PIL images of mode RGB, 8x9, got PIL images of mode L, 8x8; make them",
        ),
        (Items(10, lambda index: (torch.zeros(1, 8, 8), 1)), 0.5, "float32 tensors (1, 8, 8), got PIL images"),
        (Items(10, lambda index: (np.zeros((8, 8)), 1)), 0.5, "float64 arrays (8, 8), got PIL images"),
        (Items(10, lambda index: ("file.png", 1)), 0.5, "of type str, got PIL images"),
    ],
)
def test_what_cannot_be_mixed_is_refused(tiny_model: Path, real: Any, share: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        ganaug.mix(real, ganaug.SyntheticDataset(tiny_model, 4), share)


def test_a_stream_cannot_be_mixed(tiny_model: Path) -> None:
    with pytest.raises(UserError, match=r'^synthetic: must be a dataset with a length .* got "SyntheticStream"'):
        ganaug.mix(Items(10, gray), ganaug.SyntheticStream(tiny_model))
