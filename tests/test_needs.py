"""What a run needs is reckoned from its settings and numbers of images, by hand the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug import config
from ganaug.data.labelled import Labelled
from ganaug.stages import cost
from ganaug.stages.needs import _PAGE, _PROCESS, _SHARED, Needs, Sizes, amount, needs

SIZES = Sizes({"a": 40, "b": 40}, 20, 100, (3, 16, 16))
PIXELS = 3 * 16 * 16


def settings(**more: Any) -> config.Settings:
    raw: dict[str, Any] = {
        "protocol": {"kind": "cv", "folds": 5, "repeats": 2},
        "gan": {"generator_width": 4, "discriminator_width": 4, "batch_size": 4, "precision": "float32"},
        "synth": {"per_class": 30},
        "classifier": {"width": 2, "steps": 1, "batch_size": 4},
        "classify": {"arms": ["none", "gan"], "curve": []},
        "device": "cpu",
        "jobs": 2,
    }
    return config.check({**raw, **more})


def test_memory_by_hand() -> None:
    """Two processes side by side, each with the networks, a batch in them, and the 80 images that it learns from; with
    SMOTE, in classify, also its 60."""
    made = settings()
    networks = cost._of_gan(made.gan, 2, SIZES.shape, 80)
    looked = 200 * PIXELS * 5  # at the end, as bytes and as floats
    assert networks.batch < looked
    gan = networks.held + looked
    classifier = cost._of_classifier(made.classifier, 2, SIZES.shape, 20).at_work
    takes = needs(made, SIZES)
    assert gan > classifier
    assert (takes.memory, takes.stage, takes.side_by_side) == (_SHARED + 2 * (_PROCESS + gan + 80 * PIXELS), "train", 2)
    smote = settings(classify={"arms": ["smote"], "curve": []}, synth={"per_class": 10_000}, jobs=3)
    takes = needs(smote, SIZES)
    assert takes.memory == _SHARED + 3 * (_PROCESS + classifier + (80 + 20_000) * PIXELS)
    assert (takes.stage, takes.side_by_side) == ("classify", 3)


def test_disk_by_hand() -> None:
    """Eleven generators and their images, the classifiers' words in ten trials: kept, copied, and in DVC's cache."""
    made = settings()
    takes = needs(made, SIZES, dvc=False).disk
    files = cost._of_gan(made.gan, 2, SIZES.shape, 80).files
    judges = 10 * cost._of_classifier(made.classifier, 2, SIZES.shape, 20).files
    images, prepared = 11 * 60 * PIXELS, 100 * PIXELS
    sheets = 11 * 18 * 2 * PIXELS
    rows = 100 * 140 + 2 * (11 * 60 * 20 + 10 * (2 * 20 * 12 + 60 * 26))
    assert takes == prepared + 2 * (11 * files + sheets + images) + rows + judges + _PAGE
    with_dvc = needs(made, SIZES).disk - takes
    assert with_dvc == prepared + 100 * 140 + 11 * files + sheets + images + (rows - 100 * 140) // 2


def test_how_needs_grow() -> None:
    """Memory with processes and pixels, not with trials; disk with trials, images and pixels."""

    def of(sizes: Sizes = SIZES, **more: Any) -> Needs:
        return needs(settings(**more), sizes)

    once, more_trials = of(), of(protocol={"kind": "cv", "folds": 5, "repeats": 4})
    assert more_trials.memory == once.memory
    assert of(jobs=4).memory - _SHARED == 2 * (once.memory - _SHARED)
    assert 1.8 < (more_trials.disk - _PAGE) / (once.disk - _PAGE) < 2
    wide = replace(SIZES, shape=(3, 32, 32))
    many = [of(sizes, synth={"per_class": 10**5}).disk for sizes in (SIZES, wide)]
    assert many[1] / many[0] == pytest.approx(4, rel=0.1)
    assert of(wide).memory > once.memory
    assert needs(settings(), replace(SIZES, images=10**6)).disk - once.disk == 2 * (10**6 - 100) * (PIXELS + 140)


def test_the_files_are_the_networks_weights() -> None:
    """A generator's file has the average, its checkpoint that and both networks."""
    from ganaug.gan.steps import Training

    made = settings()
    gan = Training(np.zeros((8, 16, 16, 3), np.uint8), np.arange(8) % 2, 2, made.gan, 0, torch.device("cpu"))
    average, generator, discriminator = (
        sum(one.numel() for one in net.parameters()) for net in (gan.average, gan.generator, gan.discriminator)
    )
    found = cost.of_gan(made.gan, torch.device("cpu"), 2, SIZES.shape, 8)
    assert found.files == 4 * (2 * average + generator + discriminator)


def test_sizes_of_files_are_those_of_the_first(tmp_path: Path) -> None:
    """Of images whose size the settings leave open; nothing else is read."""
    Image.new("RGB", (24, 24)).save(tmp_path / "0.png")
    files = [tmp_path / "0.png", *(tmp_path / f"absent-{row}.png" for row in range(9))]
    found = Labelled(["a", "b"], files, np.arange(10) % 2, list(map(str, files)), np.zeros(10, bool))
    assert Sizes.of(settings(), found) == Sizes({"a": 4, "b": 4}, 2, 10, (3, 24, 24))


@pytest.mark.parametrize(
    ("count", "says"), [(1, "1 MiB"), (650 << 20, "650 MiB"), (3 << 29, "1.5 GiB"), (2000 << 30, "2,000.0 GiB")]
)
def test_amounts_in_words(count: int, says: str) -> None:
    assert amount(count) == says


def test_needs_in_words() -> None:
    assert str(Needs(3 << 29, "train", 2, 650 << 20)) == (
        "at least 1.5 GiB of memory (train, 2 at a time) and about 650 MiB of disk"
    )
    assert "(classify)" in str(Needs(3 << 29, "classify", 1, 1))
