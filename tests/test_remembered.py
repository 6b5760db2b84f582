"""Remembered policies give torchvision's own pixels, and compute what was made before once."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from ganaug.classify.policies import RandAugment, TrivialAugment
from ganaug.classify.remembered import Remembered

KINDS = {
    "rand-augment": lambda: v2.RandAugment(3, 20, interpolation=InterpolationMode.BILINEAR),
    "trivial-augment": lambda: TrivialAugment(shift=0.2).transform(),
    "trivial-augment of torchvision": lambda: v2.TrivialAugmentWide(),
}


def drawn(channels: int, side: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (5, side, side, channels), np.uint8)


def by_torchvision(policy: Any, pixels: Any, flip: bool) -> Any:
    mirror = v2.RandomHorizontalFlip()
    pictures = [Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one) for one in pixels]
    return np.stack([np.asarray(policy(mirror(one) if flip else one)) for one in pictures]).reshape(pixels.shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 11)])
def test_torchvisions_own_pixels(kind: str, flip: bool, channels: int, side: int) -> None:
    policy, pixels = KINDS[kind](), drawn(channels, side)
    ours = Remembered(policy, side, flip)
    for seed in range(20):  # every operation comes up, and most of them again
        torch.manual_seed(seed)
        theirs = by_torchvision(policy, pixels, flip)
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        assert np.array_equal(ours(pixels), theirs)
        assert torch.equal(torch.get_rng_state(), state)  # as many numbers were drawn


def test_each_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, pixels, seen = Remembered(RandAugment().transform(), 8, False), drawn(1, 8), []
    once = ours.policy._apply_image_or_video_transform

    def counted(image: Any, name: str, strength: float, **more: Any) -> Any:
        seen.append((image.tobytes(), name, strength))
        return once(image, name, strength, **more)

    monkeypatch.setattr(ours.policy, "_apply_image_or_video_transform", counted)
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        ours(pixels)
    assert len(seen) == len(set(seen))
    assert seen


def test_what_comes_out_may_be_written_to() -> None:
    made = Remembered(RandAugment().transform(), 8, False)(drawn(1, 8))
    made[:] = 0
    assert made.flags.writeable
