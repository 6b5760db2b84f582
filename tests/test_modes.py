"""The benchmark of modes: its measures by known answers, and that a training comes out as points, table and figure."""

import csv
import importlib
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ganaug.gan.presets import OF_CLASSES
from ganaug.pixels import to_float


@pytest.fixture(scope="module")
def modes() -> ModuleType:
    return importlib.import_module("modes")


def test_the_mixture_itself_is_good_and_whole(modes: ModuleType) -> None:
    points, of_mode = modes.mixture(100_000, np.random.default_rng(0))
    assert modes.modes_found(points) == 8
    assert modes.share_good(points) == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert modes.kl(points) == pytest.approx(0, abs=1e-3)
    assert np.bincount(of_mode).tolist() == pytest.approx([12_500] * 8, rel=0.05)
    for mode, centre in enumerate(modes.centres()):
        assert points[of_mode == mode].mean(axis=0) == pytest.approx(centre, abs=2e-3)
        assert points[of_mode == mode].std(axis=0) == pytest.approx([0.03, 0.03], rel=0.03)


def test_one_mode_alone_is_a_collapse(modes: ModuleType) -> None:
    points, of_mode = modes.mixture(20_000, np.random.default_rng(0))
    alone = points[of_mode == 3]
    assert modes.modes_found(alone) == 1
    assert modes.share_good(alone) == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    assert modes.kl(alone) == pytest.approx(math.log(8))


def test_every_other_mode(modes: ModuleType) -> None:
    points, of_mode = modes.mixture(20_000, np.random.default_rng(0))
    half = points[of_mode % 2 == 0]
    assert modes.modes_found(half) == 4
    assert modes.kl(half) == pytest.approx(math.log(2), abs=5e-3)


def test_noise_is_good_as_far_as_the_discs_reach(modes: ModuleType) -> None:
    """Eight discs of radius 0.09 in a square of area 4: 5.1 %; noise has no favourite among them."""
    noise = np.random.default_rng(0).uniform(-1, 1, (100_000, 2))
    assert modes.share_good(noise) == pytest.approx(8 * math.pi * 0.09**2 / 4, abs=0.003)
    assert modes.kl(noise) < 0.01


def test_no_good_sample(modes: ModuleType) -> None:
    centre = np.zeros((2500, 2))
    assert modes.modes_found(centre) == 0
    assert modes.share_good(centre) == 0
    assert math.isnan(modes.kl(centre))


def test_twenty_good_samples_find_a_mode_and_nineteen_do_not(modes: ModuleType) -> None:
    for good, found in ((19, 0), (20, 1)):
        points = np.zeros((2500, 2))
        points[:good] = modes.centres()[5]
        assert modes.modes_found(points) == found
        assert modes.good_by_mode(points).tolist() == [0] * 5 + [good] + [0] * 2


def test_the_edge_of_a_good_sample(modes: ModuleType) -> None:
    centre = modes.centres()[0]
    assert modes.share_good(centre[None] + [[0, 0.0899]]) == 1
    assert modes.share_good(centre[None] + [[0, 0.0901]]) == 0


def test_points_survive_as_images(modes: ModuleType) -> None:
    import torch

    points, _ = modes.mixture(2_500, np.random.default_rng(0))
    images = modes.as_images(points)
    assert images.shape == (2_500, 1, 1, 2)
    assert images.dtype == np.uint8
    back = to_float(torch.from_numpy(images)).view(-1, 2).double().numpy()
    assert np.abs(back - points).max() <= 0.5 / 127.5 + 1e-6


def test_every_preset_has_a_row_of_its_own_settings_and_one_for_points(modes: ModuleType) -> None:
    found = modes.rows(10)
    for settings in ("own", "for points"):
        called = [name for row in found if row.settings == settings for name in row.presets.split("; ")]
        assert sorted(called) == sorted([*OF_CLASSES, "gan, minimax"])
    assert {row.presets for row in found if row.classes == 2} == {"acgan"}
    own = {row.presets: row.spec for row in found if row.settings == "own"}
    assert own["wgan"].optimizer == "rmsprop"
    assert own["wgan"].objective.clip == 0.01
    assert own["wgan-gp"].discriminator_steps == 5
    assert own["r3gan"].rate == "cosine"
    points = {row.presets: row for row in found if row.settings == "for points"}
    assert {row.rates for row in points.values()} == {"0.001"}
    assert points["wgan"].spec.objective.clip == 0.1
    assert points["wgan-gp"].spec.objective.penalty == 0.1


def test_a_training_comes_out_as_table_csv_and_figure(modes: ModuleType, tmp_path: Path) -> None:
    found = {row.presets: row for row in modes.rows(2) if row.settings == "own"}
    ways = [
        replace(found[name], spec=replace(found[name].spec, batch_size=8, generator_width=4, discriminator_width=4))
        for name in ("acgan", "wgan-gp")
    ]
    results = [(row, [modes.train(row, seed) for seed in range(2)]) for row in ways]
    for _, of_row in results:
        assert all(one.points.shape == (2_500, 2) for one in of_row)
        assert all(np.abs(one.points).max() <= 1 for one in of_row)
        assert not np.array_equal(of_row[0].points, of_row[1].points)
    assert np.array_equal(modes.train(ways[0], 0).points, results[0][1][0].points)
    assert len(modes.table(results).splitlines()) == 2 + len(ways)
    modes.write_csv(tmp_path / "modes.csv", results)
    with (tmp_path / "modes.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["presets"], line["seed"]) for line in lines] == [
        ("acgan", "0"), ("acgan", "1"), ("wgan-gp", "0"), ("wgan-gp", "1")
    ]  # fmt: skip
    modes.draw(tmp_path / "modes.png", results)
    assert (tmp_path / "modes.png").read_bytes().startswith(b"\x89PNG")
