"""Image grids with names: whatever the names are, the images are whole and the bytes the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ganaug.report.grids import grid, labelled

ODD = ["", "T-shirt", "犬の写真", "x\ny\x1b[31m", "$5_{2}^", "a name that does not end " * 9]


def images(count: int, side: int = 8, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(side).integers(0, 200, (count, side, side, channels)).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "across"), [(1, 1), (8, 12), (28, 3), (64, 2)])
@pytest.mark.parametrize("columns", [(), [str(number) for number in range(12)], [*ODD, *ODD]])
def test_the_images_are_whole_next_to_their_names(side: int, across: int, channels: int, columns: list[str]) -> None:
    rows = [images(across, side, channels) for _ in ODD]
    plain, named = grid(rows), labelled(rows, ODD, columns[:across])
    assert (named[-plain.shape[0] :, -plain.shape[1] :] == plain).all()
    margin, head = named.shape[1] - plain.shape[1], named.shape[0] - plain.shape[0]
    assert 20 < margin < 200
    assert (0 < head < 200) is bool(columns)
    assert (named[head:, :margin] < 128).any()  # something is written there
    assert not columns or columns == [*ODD, *ODD] or (named[:head, margin:] < 128).any()
    assert (labelled(rows, ODD, columns[:across]) == named).all()


def test_each_name_is_next_to_its_row() -> None:
    rows = [images(2) for _ in range(3)]
    sheet = labelled(rows, ["same", "", "same"])
    left = sheet[:, : sheet.shape[1] - grid(rows).shape[1]]
    first, second, third = left[:32], left[33:65], left[66:98]
    assert (first == third).all()
    assert (first < 128).any()
    assert (second == 255).all()


def test_a_name_whose_letters_the_font_lacks_is_known_by_its_number() -> None:
    rows = [images(2) for _ in range(2)]
    one, other = labelled(rows, ["犬", "猫"]), labelled(rows, ["猫", "犬"])
    assert (one == other).all()  # no letter of either, but
    assert (one[:32, :30] != one[33:65, :30]).any()  # another number
