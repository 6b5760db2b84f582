"""Rendered conditions: an image looks the same in any company, and the deal leaves the holes that are asked for."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from expect import refused
from photos import noise, photos, prepare, save

from ganaug import config, seeds, store
from ganaug.data.cells import targets
from ganaug.data.digits import Digits
from ganaug.data.rendered import (
    Blur,
    KindSpec,
    LowResolution,
    Polarity,
    Rendered,
    Rendering,
    Texture,
    clouds,
    part,
    rendered,
)

KINDS = [kind() for kind in get_args(get_args(KindSpec)[0])]
every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def rngs(count: int) -> list[np.random.Generator]:
    return [seeds.numpy_rng(0, number) for number in range(count)]


def discs(size: int, channels: int, count: int = 3) -> np.ndarray:
    """Bright discs on black, each of another tone."""
    y, x = np.mgrid[:size, :size]
    disc = np.hypot(y - (size - 1) / 2, x - (size - 1) / 2) < size / 3
    tones = np.linspace(200, 250, count * channels).reshape(count, 1, 1, channels)
    return (disc[None, :, :, None] * tones).astype(np.uint8)


# ---------------------------------------------------------------------------------------------------------- every kind


@every
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 61])
def test_an_image_is_rendered_alike_in_any_company(kind: Rendering, size: int, channels: int) -> None:
    images = discs(size, channels)
    found = rendered(kind, images, rngs(3))
    assert found.dtype == np.uint8
    assert found.shape == images.shape
    assert (found[1] == rendered(kind, images[1:2], rngs(3)[1:2])[0]).all()
    assert np.abs(found.astype(int) - images).mean() > 1


@every
def test_object_and_ground_stay_apart(kind: Rendering) -> None:
    """On average over a disc: its inside differs from its outside by more than the outside's own spread."""
    images = discs(28, 1)
    inside, found = images > 0, rendered(kind, images, rngs(3)).astype(float)
    for image, disc in zip(found, inside, strict=True):
        assert abs(image[disc].mean() - image[~disc].mean()) > image[~disc].std()


def test_the_ground_is_the_borders_tone_whatever_it_is() -> None:
    images = discs(28, 1)
    light = (255 - images).astype(np.float32) / 255
    dark = images.astype(np.float32) / 255
    assert (part(dark).mask == (images > 0)).all()
    assert np.allclose(part(light).mask, part(dark).mask)
    assert np.allclose(part(light).tone, part(dark).tone, atol=1e-6)


def test_small_holes_in_an_object_are_closed() -> None:
    image = discs(28, 1)[:1].astype(np.float32) / 255
    image[0, 13:15, 13:15] = 0
    assert (part(image).mask[0, 13:15, 13:15] == 1).all()


def test_what_a_negative_a_coarse_sensor_and_a_blur_do_to_a_step() -> None:
    step = np.zeros((1, 8, 8, 1), np.uint8)
    step[:, :, 3:] = 200
    assert (rendered(Polarity(), step, rngs(1)) == 255 - step).all()
    coarse = rendered(LowResolution(factor=4), step, rngs(1))[0, :, :, 0]
    assert (coarse == coarse[0]).all()
    assert coarse[0].tolist() == [50, 50, 69, 106, 144, 181, 200, 200]  # between the blocks' means, 50 and 200
    blurred = rendered(Blur(), step, rngs(1))[0, :, :, 0]
    assert (np.diff(blurred[0].astype(int)) >= 0).all()
    assert blurred.sum() == pytest.approx(step.sum(), rel=0.01)
    flat = np.full((1, 9, 9, 3), 77, np.uint8)
    assert (rendered(Blur(), flat, rngs(1)) == 77).all()
    assert (rendered(LowResolution(factor=2), flat, rngs(1)) == 77).all()


def test_clouds_have_more_of_low_frequencies_the_steeper_they_fall() -> None:
    share = []
    for slope in (0.0, 1.0, 2.0):
        field = clouds(rngs(4), 32, 1, slope)
        assert np.allclose(field.mean(axis=(1, 2, 3)), 0, atol=1e-5)
        assert np.allclose(field.std(axis=(1, 2, 3)), 1, atol=1e-5)
        power = np.abs(np.fft.fft2(field[..., 0])) ** 2
        share.append(power[:, :4, :4].sum() / power.sum())
    assert share == sorted(share)
    assert share[2] > 5 * share[0]


# ------------------------------------------------------------------------------------------------------------ the deal


def test_of_every_class_and_side_most_stay_plain_and_the_kinds_get_as_many() -> None:
    labels, official = np.repeat([0, 1, 2], [30, 31, 4]), np.zeros(65, bool)
    official[20:30] = True
    dealt = Rendered(kinds=(Texture(), Blur())).deal(labels, official, [str(row) for row in range(65)])
    counts = [
        np.bincount(dealt[(labels == label) & (official == side)], minlength=3).tolist()
        for label, side in ((0, 0), (0, 1), (1, 0), (2, 0))
    ]
    assert counts == [[8, 6, 6], [4, 3, 3], [11, 10, 10], [2, 1, 1]]


def test_images_of_equal_pixels_are_dealt_alike_and_by_the_seed() -> None:
    labels, official = np.zeros(80, np.int64), np.zeros(80, bool)
    pixels = [str(row % 40) for row in range(80)]
    deals = [Rendered(seed=seed).deal(labels, official, pixels) for seed in (0, 0, 1)]
    assert (deals[0] == deals[1]).all()
    assert (deals[0] != deals[2]).any()
    assert (deals[0][:40] == deals[0][40:]).all()


def test_missing_cells_are_other_classes_for_each_kind_and_never_plain() -> None:
    labels = np.repeat(np.arange(10), 30)
    spec = Rendered(kinds=(Texture(), Blur()), missing=0.5)
    dealt = spec.deal(labels, np.zeros(300, bool), [str(row) for row in range(300)])
    held = [set(labels[dealt == position]) for position in range(3)]
    assert [len(classes) for classes in held] == [10, 5, 5]
    assert held[1] != held[2]


# --------------------------------------------------------------------------------------------------------- the pipeline


def test_prepare_renders_what_it_deals_and_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    spec = {"kinds": [{"kind": "texture"}, {"kind": "polarity"}], "missing": 0.5}
    prepared, said = prepare(tmp_path, {"kind": "digits"}, rendered=spec)
    assert "3 conditions, 10 of 30 cells missing" in said
    assert prepared.condition_names == ["plain", "polarity", "texture"]
    cells = prepared.cells(range(len(prepared.labels)))
    assert (cells == 0).sum(axis=0).tolist() == [0, 5, 5]
    assert targets(cells) == [1, 2]
    original = {store.digest(image): image for image in Digits().load().images}
    assert prepared.conditions is not None
    for row, condition in enumerate(prepared.conditions):
        image = prepared.images[row]
        assert prepared.pixels[row] == store.digest(image)
        if condition < 2:
            assert store.digest(255 - image if condition else image) in original
        else:
            assert store.digest(image) not in original


def test_broken_images_are_left_out_before_and_after(tmp_path: Path) -> None:
    photos(tmp_path / "photos", "cat", "dog", count=12)
    (tmp_path / "photos/cat/3.png").write_bytes(b"broken")
    source = {"kind": "folder", "path": str(tmp_path / "photos")}
    prepared, _ = prepare(tmp_path / "a", source, on_broken="skip", rendered={"kinds": [{"kind": "polarity"}]})
    plain, _ = prepare(tmp_path / "b", source, on_broken="skip")
    assert len(prepared.labels) == len(plain.labels) == 23
    assert prepared.conditions is not None
    negative = np.where(prepared.conditions[:, None, None, None] == 1, 255 - plain.images, plain.images)
    assert (prepared.images == negative).all()


def test_rendered_conditions_beside_the_sources_own_are_refused(tmp_path: Path) -> None:
    for condition in ("day", "night"):
        for name in ("cat", "dog"):
            for number in range(4):
                save(
                    tmp_path / "photos" / condition / name / f"{number}.png", noise(seed=number + len(name + condition))
                )
    source = {"kind": "folder", "path": str(tmp_path / "photos"), "conditions": "above"}
    with refused("data.rendered", "left out"):
        prepare(tmp_path / "p", source, rendered={})


def test_a_kind_is_named_once() -> None:
    source = {"source": {"kind": "digits"}}
    with refused("data.rendered", "kinds that are named once each"):
        config.check({"data": {**source, "rendered": {"kinds": [{"kind": "blur"}, {"kind": "blur"}]}}})
    with refused("data.rendered.kinds"):
        config.check({"data": {**source, "rendered": {"kinds": []}}})
