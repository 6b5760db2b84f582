"""A user's set of colour photographs in two conditions, made of photographs that scikit-learn and scikit-image ship."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("astronaut", "coffee", "flower", "hubble", "rocket", "roof")
AT_NIGHT = ("astronaut", "coffee", "flower")  # the classes that were photographed in the evening, too
_WARM = np.array([[0.62, 0.25, 0.05], [0.30, 0.30, 0.08], [0.20, 0.12, 0.14]])  # what lamp light leaves of each colour


def two_conditions(folder: Path, count: int = 24, size: int = 24) -> Path:
    """``folder/photos/<condition>/<class>/*.png`` and ``folder/photos.csv`` of the same images; returns the first.

    ``count`` pieces of ``size`` pixels of one photograph per class by day, and as many others, of half of the classes,
    in the evening: lamp light, with noise. The table has the columns file, label and light.
    """
    rng = np.random.default_rng(0)
    lines = []
    for name, photograph in _photographs().items():
        pieces = rng.permutation(_pieces(photograph, size))
        for condition in ("day", "evening") if name in AT_NIGHT else ("day",):
            for number in range(count):
                shown = pieces[number] if condition == "day" else evening(pieces[count + number], rng)
                path = folder / "photos" / condition / name / f"{number:02}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(shown).save(path)
                lines.append([path.relative_to(folder).as_posix(), name, condition])
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([["file", "label", "light"], *lines])
    return folder / "photos"


def evening(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image (H, W, 3) uint8 in lamp light: colours mixed, fewer of them, noise."""
    lit = (image / 255.0) ** 0.8 @ _WARM.T + rng.normal(0, 0.03, image.shape)
    return np.asarray(np.round(255 * lit.clip(0, 1)), np.uint8)


def _photographs() -> dict[str, np.ndarray]:
    """{class: (H, W, 3)}"""
    import skimage.data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    own = {name: getattr(skimage.data, file)() for name, file in _FILES.items()}
    return dict(sorted({"flower": flower, "roof": china, **own}.items()))


_FILES = {"astronaut": "astronaut", "coffee": "coffee", "hubble": "hubble_deep_field", "rocket": "rocket"}


def _pieces(photograph: np.ndarray, size: int) -> np.ndarray:
    """(N, ``size``, size, 3): square pieces of half the photograph's size that do not overlap, dark ones left out."""
    half = photograph[: photograph.shape[0] // 2 * 2, : photograph.shape[1] // 2 * 2].astype(np.float32)
    half = half.reshape(half.shape[0] // 2, 2, half.shape[1] // 2, 2, 3).mean(axis=(1, 3))
    rows, columns = half.shape[0] // size, half.shape[1] // size
    cut = half[: rows * size, : columns * size].reshape(rows, size, columns, size, 3).swapaxes(1, 2)
    pieces = np.round(cut.reshape(-1, size, size, 3)).astype(np.uint8)
    return pieces[pieces.reshape(len(pieces), -1).max(axis=1) > 60]
