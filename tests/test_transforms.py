"""ReplaceWithSynthetic: synthetic images of the right class in the form of the input, in the share asked for."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset, default_collate
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug.errors import UserError
from ganaug.synth.generator import load_generator
from ganaug.transforms import ReplaceWithSynthetic

POOL = 6
BLANK = torch.full((1, 8, 8), 7, dtype=torch.uint8)


@pytest.fixture(scope="module")
def always(tiny_model: Path) -> ReplaceWithSynthetic:
    return ReplaceWithSynthetic(tiny_model, p=1, pool=POOL, seed=5)


@pytest.fixture(scope="module")
def pools(tiny_model: Path) -> list[set[bytes]]:
    """The images of each class as ``ganaug synth`` makes them."""
    images, labels = load_generator(tiny_model).sample(dict.fromkeys(range(5), POOL), seed=5)
    return [{image.tobytes() for image in images[labels == label]} for label in range(5)]


class Replacing:
    """A collate function, at the top of the module, for workers."""

    def __init__(self, replace: ReplaceWithSynthetic) -> None:
        self.replace = replace

    def __call__(self, batch: Any) -> Any:
        return self.replace(*default_collate(batch))


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (8, 8), 7),
        BLANK,
        tv_tensors.Image(BLANK),
        BLANK.float() / 255,
        tv_tensors.Image(BLANK.double() / 255),
        BLANK.to(torch.float16) / 255,
    ],
    ids=lambda image: f"{type(image).__name__}-{getattr(image, 'dtype', '')}",
)
@pytest.mark.parametrize("label", [3, torch.tensor(3, dtype=torch.int32), np.int64(3)], ids=["int", "tensor", "numpy"])
def test_an_image_is_replaced_by_one_of_its_class_in_its_own_form(
    always: ReplaceWithSynthetic, pools: list[set[bytes]], image: Any, label: Any
) -> None:
    found, same = always(image, label)
    assert same is label
    assert type(found) is type(image)
    if isinstance(image, torch.Tensor):
        assert (found.shape, found.dtype) == (image.shape, image.dtype)
        scaled = found if found.dtype == torch.uint8 else (found.double() * 255).round().to(torch.uint8)
        assert scaled.numpy().tobytes() in pools[3]
        assert len(image.unique()) == 1  # the input is not written to
    else:
        assert (found.mode, found.size) == ("L", (8, 8))
        assert found.tobytes() in pools[3]


@pytest.mark.parametrize("kind", [torch.Tensor, tv_tensors.Image])
def test_images_of_a_batch_are_replaced_one_by_one(tiny_model: Path, pools: list[set[bytes]], kind: Any) -> None:
    replace = ReplaceWithSynthetic(tiny_model, p=0.25, pool=POOL, seed=5)
    torch.manual_seed(0)
    images, labels = BLANK.repeat(2000, 1, 1, 1), torch.arange(2000) % 5
    images = images if kind is torch.Tensor else kind(images)
    found, same = replace(images, labels)
    assert type(found) is kind
    assert same is labels
    changed = (found != images).flatten(1).any(1)
    assert abs(int(changed.sum()) - 500) < 4 * np.sqrt(2000 * 0.25 * 0.75)
    seen: list[set[bytes]] = [set() for _ in range(5)]
    for image, label in zip(found[changed], labels[changed], strict=True):
        seen[int(label)].add(image.numpy().tobytes())
    assert seen == pools
    torch.manual_seed(0)
    assert torch.equal(replace(images, labels)[0], found)
    assert not torch.equal(replace(images, labels)[0], found)


def test_p_0_changes_nothing(tiny_model: Path) -> None:
    image = BLANK.clone()
    found, _ = ReplaceWithSynthetic(tiny_model, p=0, pool=1)(image, 3)
    assert torch.equal(found, BLANK)


def test_labels_are_named(tiny_model: Path, pools: list[set[bytes]]) -> None:
    replace = ReplaceWithSynthetic(tiny_model, p=1, classes=["a/b", "3"], pool=POOL, seed=5)
    assert replace(BLANK, 0)[0].numpy().tobytes() in pools[3]
    assert replace(BLANK, 1)[0].numpy().tobytes() in pools[0]
    with pytest.raises(UserError, match=re.escape("label: must be one of 0..1, got 3; name the classes")):
        replace(BLANK, 3)


def test_it_is_a_transform_as_others_are(always: ReplaceWithSynthetic, pools: list[set[bytes]]) -> None:
    composed = v2.Compose([v2.Resize(8), always, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    for sample in (composed(Image.new("L", (9, 9)), 2), composed((Image.new("L", (9, 9)), 2))):
        assert (sample[0] * 255).round().to(torch.uint8).numpy().tobytes() in pools[2]
        assert sample[1] == 2
    assert "ReplaceWithSynthetic(p=1.0, pool=6, classes=['3', '1', '../x', 'a/b', '.'])" in repr(composed)


def test_it_draws_alike_after_pickling_and_otherwise_in_every_worker(always: ReplaceWithSynthetic) -> None:
    copy = pickle.loads(pickle.dumps(always))
    torch.manual_seed(1)
    first = [always(BLANK, 1)[0] for _ in range(8)]
    torch.manual_seed(1)
    assert torch.equal(torch.stack(first), torch.stack([copy(BLANK, 1)[0] for _ in range(8)]))
    data = TensorDataset(BLANK.repeat(32, 1, 1, 1), torch.ones(32, dtype=torch.int64))
    loader = DataLoader(data, 16, num_workers=2, collate_fn=Replacing(always), multiprocessing_context="fork")
    torch.manual_seed(1)
    one, other = (images for images, _ in loader)
    assert not torch.equal(one, other)
    torch.manual_seed(1)
    assert torch.equal(next(iter(loader))[0], one)


@pytest.mark.parametrize(
    ("image", "label", "says"),
    [
        (torch.zeros(1, 9, 8), 0, "image: must have the generator's shape, (1, 8, 8), got (1, 9, 8); put v2.Resize"),
        (torch.zeros(3, 8, 8), 0, "got (3, 8, 8)"),
        (torch.zeros(8, 8), 0, "got (8, 8)"),
        (Image.new("RGB", (9, 8)), 0, "image: must have the generator's shape, ('L', 8, 8), got ('RGB', 8, 9)"),
        (
            torch.zeros(1, 8, 8, dtype=torch.int64),
            0,
            "image: must be a PIL image, or a tensor of uint8 or floats, got one of type torch.int64",
        ),
        (np.zeros((8, 8), np.uint8), 0, "got one of type uint8; put v2.ToImage() before"),
        ("x.png", 0, "got one of type str"),
        (BLANK, 5, "label: must be one of 0..4, got 5"),
        (BLANK, -1, "label: must be one of 0..4, got -1"),
        (BLANK, 1.0, "label: must be a whole number for each image, got 1.0; put it before CutMix and MixUp"),
        (BLANK, torch.tensor([1]), "label: must be a whole number"),
        (BLANK[None], torch.zeros(1, 5), "label: must be a whole number"),
        (BLANK[None], torch.tensor([1, 1]), "label: must be a whole number"),
    ],
)
def test_what_it_cannot_replace_is_refused(always: ReplaceWithSynthetic, image: Any, label: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        always(image, label)


def test_an_image_without_label_is_refused(always: ReplaceWithSynthetic) -> None:
    with pytest.raises(UserError, match=re.escape("ReplaceWithSynthetic: must be called with (image, label)")):
        always(BLANK)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"p": 1.5}, "p: must be a probability of 0 to 1, got 1.5"),
        ({"p": float("nan")}, "got nan"),
        ({"pool": 0}, "pool: must be a whole number of 1 or more, got 0"),
        ({"classes": ["cat"]}, 'classes: must be classes of the generator, 3, 1, ../x, a/b, ., got "cat"'),
    ],
)
def test_wrong_settings_are_refused(tiny_model: Path, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        ReplaceWithSynthetic(tiny_model, **wrong)
