"""Which classical policy is the one to beat: every policy, and classifier settings for the arm without any, on the
tuning draws and their own evaluation images. No reported trial or test image is looked at.

    python benchmarks/policies.py [FOLDER of a params.yaml] [--seeds 3] [--classifier]
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ganaug import config, device
from ganaug.classify.arms import ALL_REAL, Arm, batches
from ganaug.classify.policies import Affine, CutMix, MixUp, Nothing, PolicySpec, RandAugment, TrivialAugment
from ganaug.classify.spec import ClassifierSpec
from ganaug.data.gather import gather
from ganaug.data.subsets import Subsets
from ganaug.report.verdict import markdown_table

POLICIES: dict[str, PolicySpec] = {
    "nothing": Nothing(),
    "affine 10°, shift .1": Affine(),
    "affine 15°, shift .125, scale .15": Affine(rotate_degrees=15, shift=0.125, scale=0.15, shear_degrees=10),
    "affine 20°, shift .15, scale .2": Affine(rotate_degrees=20, shift=0.15, scale=0.2, shear_degrees=15),
    "TrivialAugmentWide, shift .15, 30°": TrivialAugment(shift=0.15, rotate_degrees=30),
    "TrivialAugmentWide, shift .3, 135°": TrivialAugment(shift=0.3, rotate_degrees=135),
    "TrivialAugmentWide, shift .3, 30°": TrivialAugment(shift=0.3, rotate_degrees=30),
    "TrivialAugmentWide, shift 1, 135°": TrivialAugment(shift=1.0, rotate_degrees=135),
    "RandAugment, 2 operations of strength 9": RandAugment(operations=2, magnitude=9),
    "RandAugment, 2 operations of strength 15": RandAugment(operations=2, magnitude=15),
    "RandAugment, 4 operations of strength 9": RandAugment(operations=4, magnitude=9),
    "RandAugment, 5 operations of strength 9": RandAugment(operations=5, magnitude=9),
    "RandAugment, 6 operations of strength 6": RandAugment(operations=6, magnitude=6),
    "CutMix": CutMix(),
    "MixUp": MixUp(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=99, help="at most so many tuning draws")
    parser.add_argument("--classifier", action="store_true", help="compare classifier settings instead, without policy")
    options = parser.parse_args()
    settings = config.load(options.folder / "params.yaml")
    protocol = settings.protocol
    if not isinstance(protocol, Subsets):
        raise SystemExit(f"protocol.kind: must be subsets, which has tuning draws, got {protocol.kind}")
    draws = min(protocol.tuning_per_class // protocol.train_per_class, options.draws)
    tuning = dataclasses.replace(protocol, draws="tuning", trials=draws)
    with tempfile.TemporaryDirectory() as temporary:
        data = gather(settings.data, Path(temporary) / "images.npy", jobs=-1)
        found, images = data.found, np.array(data.images())
    splits = tuning.splits(data.items())
    own = settings.classifier
    candidates: dict[str, tuple[PolicySpec, ClassifierSpec]]
    if options.classifier:
        changes: list[dict[str, float | int]] = [
            {}, {"width": own.width // 2}, {"width": own.width * 2}, {"depth": 2}, {"steps": own.steps // 2},
            {"steps": own.steps * 2}, {"lr": own.lr / 2}, {"lr": own.lr * 2}, {"weight_decay": own.weight_decay * 10},
            {"label_smoothing": 0.1},
        ]  # fmt: skip
        candidates = {str(change or "as set"): (Nothing(), dataclasses.replace(own, **change)) for change in changes}
    else:
        candidates = {name: (policy, own) for name, policy in POLICIES.items()}

    parts = [
        (images[rows.train], found.labels[rows.train], images[rows.test], found.labels[rows.test])
        for rows in (splits[str(draw)] for draw in range(draws))
    ]
    jobs = [(name, draw, seed) for name in candidates for draw in range(draws) for seed in range(options.seeds)]
    figures = joblib.Parallel(-1)(
        joblib.delayed(accuracy)(parts[draw], len(found.classes), *candidates[name], seed) for name, draw, seed in jobs
    )
    table = np.array(figures).reshape(len(candidates), draws, options.seeds).mean(axis=2)  # (candidates, draws)
    rows = [
        (name, f"{line.mean():.2f}", f"{(line - table[0]).mean():+.2f}", f"{(line - table[0]).std(ddof=1):.2f}")
        for name, line in zip(candidates, table, strict=True)
    ]
    print(f"{settings.data.source.title()}: {draws} tuning draws of {protocol.train_per_class} a class, ", end="")
    print(f"{options.seeds} seeds each, {len(splits['0'].test)} tuning test images\n")
    print(markdown_table(("", "accuracy, %", "against the first", "sd over draws"), rows))


def accuracy(
    part: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
    classes: int,
    policy: PolicySpec,
    spec: ClassifierSpec,
    seed: int,
) -> float:
    """``part``: train images and labels, test images and labels."""
    import torch

    from ganaug.classify.fitting import predict, train_classifier

    images, labels, test_images, test_labels = part
    cpu = torch.device("cpu")
    device.prepare(cpu)
    arm = Arm("classical", None, policy, ALL_REAL, "none")
    draw = batches(arm, (images, labels), None, classes, spec.batch_size, seed)
    model = train_classifier(draw, spec, images.shape[3], classes, images.shape[1], seed, cpu)
    return 100 * float((predict(model, test_images, cpu) == test_labels).mean())


if __name__ == "__main__":
    main()
