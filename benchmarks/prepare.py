"""Preparing a large folder: seconds and memory of `ganaug prepare` on 50,000 JPEG files.

python benchmarks/prepare.py [COUNT]        # pieces of scikit-learn's two photographs, resized to 64 pixels
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from pipeline import measured
from sklearn.datasets import load_sample_images


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make(root / "photos", count)
        (root / "params.yaml").write_text(
            "data: {source: {kind: folder, path: photos}, image_size: 64}\n"
            "protocol: {kind: cv, folds: 5, repeats: 1}\n",
            encoding="utf-8",
        )
        seconds, peak, _ = measured(["ganaug", "prepare"], root)
        size = (root / "data" / "prepared" / "images.npy").stat().st_size
        print(f"ganaug prepare, {count:,} JPEG files of 80 to 120 pixels -> {size / 2**20:.0f} MiB at 64 pixels")
        print(f"{seconds:.0f} s, {count / seconds:,.0f} images per second, {peak / 2**20:.0f} MiB of memory at most")


def make(folder: Path, count: int) -> None:
    """Pieces at random places, of random sizes: all different."""
    rng = np.random.default_rng(0)
    for name, photograph in zip(("china", "flower"), load_sample_images().images, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(count // 2):
            side = int(rng.integers(80, 121))
            y, x = (int(rng.integers(0, limit - side)) for limit in photograph.shape[:2])
            Image.fromarray(photograph[y : y + side, x : x + side]).save(folder / name / f"{index}.jpg", quality=90)


if __name__ == "__main__":
    main()
