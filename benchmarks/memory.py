"""Peak memory of ``ganaug classify`` and ``ganaug report`` with many large images, and with twice as many arms.

python benchmarks/memory.py            # 100 classes x 200 synthetic images of 64x64 pixels in colour, some minutes

Memory is the proportional set size, which counts a page that several processes share once: of the largest process, and
of all processes together, two workers among them.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from pipeline import measured

CLASSES, IMAGES, SYNTHETIC, SIDE = 100, 4, 200, 64
ARMS = {
    "4 arms": ["none", "classical", "gan", "gan+classical"],
    "8 arms": ["none", "classical", "gan", "gan+classical", "placebo", "placebo+classical", "gan+cutmix", "gan+affine"],
}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        for name, arms in ARMS.items():
            write_project(folder, arms)
            for stage in ("prepare", "train", "synth --all"):
                subprocess.run(["ganaug", *stage.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            for kept in ("classify", "fidelity"):
                shutil.rmtree(folder / ".ganaug" / kept, ignore_errors=True)
            for stage in ("classify", "report"):
                _, together, largest = measured(["ganaug", stage], folder)
                print(
                    f"{name}: ganaug {stage}: largest process {largest >> 20:,} MiB, all {together >> 20:,} MiB",
                    flush=True,
                )


def write_project(folder: Path, arms: list[str]) -> None:
    """Random images, and networks that are as small as can be: what is measured is the memory that images take."""
    labels = np.repeat(np.arange(CLASSES), IMAGES)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), SIDE, SIDE, 3), np.uint8)
    np.savez(folder / "images.npz", images=images, labels=labels)
    (folder / "params.yaml").write_text(
        "data: {source: {kind: npz, path: images.npz}}\n"
        "protocol: {kind: cv, folds: 2, repeats: 1}\n"
        "gan: {steps: 1, batch_size: 8, generator_width: 4, discriminator_width: 4}\n"
        f"synth: {{per_class: {SYNTHETIC}}}\n"
        "classifier: {steps: 5, width: 4}\n"
        f"classify: {{arms: [{', '.join(arms)}], curve: []}}\n"
        "jobs: 2\n"
    )


if __name__ == "__main__":
    main()
