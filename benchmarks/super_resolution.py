"""Super-resolution, measured: the images, and classes that only exist small. Writes docs/super_resolution.md.

    python benchmarks/super_resolution.py [images] [classes] [--draws tuning] [--adversarial WEIGHT ...]

Fashion-MNIST (Debian's package dataset-fashion-mnist). ``images``: translators of pairs learn from 200 sharp images and
enlarge 500 unseen ones, which are compared with the true ones. ``classes``: five of ten classes drawn at random have
only images that are a quarter of the size; the test is at full size. Finished work is kept in build/super-resolution/.
``--draws tuning`` uses images that no reported figure uses: settings were chosen there.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug import config, seeds, store
from ganaug.data.idx import Idx
from ganaug.gan.translation import Pairs
from ganaug.measure.gains import Comparison, Tested
from ganaug.pixels import to_float, to_pixels
from ganaug.report.grids import labelled
from ganaug.report.verdict import interval, markdown_table
from ganaug.stages import classify, prepare, results, synth, train
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import open_splits
from ganaug.translate.loop import train_translator
from ganaug.translate.pairs import degrade

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "super-resolution"
FIGURES = ROOT / "docs" / "figures"
FASHION = Path("/usr/share/datasets/fashion-mnist")
_USED = 50_000  # of the 60,000 training images; tuning has the others
FACTORS = (2, 4)
LEARNED, HELD_OUT, DRAWS = 200, 500, 3
# The preset at a size for few images and a CPU: its rates are of a million steps.
SMALLER: dict[str, Any] = {
    "preset": "srgan",
    "steps": 700,
    "batch_size": 8,
    "generator_width": 24,
    "discriminator_width": 24,
    "generator_lr": 1e-3,
    "discriminator_lr": 1e-3,
    "rate": "late-linear",
}
ADVERSARIAL = 0.03  # the weight of the adversarial loss; of 0.003 and 0.03, on a tuning draw
CPU = torch.device("cpu")

Images = NDArray[np.uint8]  # (N, H, W, C)


def gan(factor: int, adversarial: float) -> dict[str, Any]:
    return {**SMALLER, "translate": {"pairs": {"downscale": factor}, "adversarial": adversarial, "blocks": 2}}


def small(images: Images, factor: int) -> Images:
    """The images shrunk by ``factor`` and enlarged again, both bicubic."""
    found = [images[:0]]
    for start in range(0, len(images), 1000):
        pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + 1000].transpose(0, 3, 1, 2)))
        found.append(to_pixels(degrade(to_float(pixels), Pairs(downscale=factor), torch.Generator())))
    return np.concatenate(found)


# ---------------------------------------------------------------------------------------------------------- images


def enlarge(learned: Images, sources: Images, factor: int, adversarial: float, seed: int) -> Images:
    """What a translator that learned from the sharp images ``learned`` makes of ``sources``."""
    raw = {
        "data": {"source": {"kind": "digits"}},  # settings must name one
        "classify": {"arms": ["classical"]},
        "gan": gan(factor, adversarial),
    }
    nothing = np.zeros(len(learned), np.int64)
    spec = config.check(raw).gan
    trained = train_translator(learned, nothing, nothing, 1, ["full"], [0], spec, seed, CPU, snapshots=1)
    pixels = to_float(torch.from_numpy(np.ascontiguousarray(sources.transpose(0, 3, 1, 2))))
    with torch.no_grad():
        return to_pixels(trained.translator(pixels, torch.zeros(len(pixels), 0), torch.zeros(len(pixels), dtype=int)))


def measured(made: Images, true: Images) -> dict[str, float]:
    """How far the images ``made`` are from the ``true`` ones: image by image, and as textures."""
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    one, other = (torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(255)) for images in (made, true))
    return {
        "psnr": float(peak_signal_noise_ratio(one, other, data_range=1.0, dim=(1, 2, 3))),
        "ssim": float(structural_similarity_index_measure(one, other, data_range=1.0)),
        "spectrum": float(np.abs(spectrum(made) - spectrum(true)).mean()),
        "patches": sliced_distance(patches(made), patches(true)),
    }


def spectrum(images: Images) -> NDArray[np.float64]:
    """The power of the images at each frequency of 1 cycle per image and more, in dB: its mean over images and ring."""
    side = images.shape[1]
    power = np.abs(np.fft.fft2(images.mean(axis=3) / 255, axes=(1, 2))) ** 2
    frequency = np.fft.fftfreq(side, 1 / side)
    ring = np.round(np.hypot(frequency[:, None], frequency)).astype(int)
    means = np.bincount(ring.ravel(), power.mean(axis=0).ravel()) / np.bincount(ring.ravel())
    return np.asarray(10 * np.log10(means[1 : side // 2 + 1]))


def patches(images: Images, side: int = 5) -> NDArray[np.float64]:
    """Every second patch of 5 x 5 pixels in 0..1 that is no plain ground, its mean taken off: (patches, 25)."""
    windows = np.lib.stride_tricks.sliding_window_view(images.mean(axis=3) / 255, (side, side), axis=(1, 2))
    found = windows[:, ::2, ::2].reshape(-1, side * side)
    found = found[found.mean(axis=1) > 0.05]
    return np.asarray(found - found.mean(axis=1, keepdims=True))


def sliced_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The sliced Wasserstein distance (Rabin 2011; of patches: Karras 2018, section 5), 128 directions, in 1/1000."""
    ways = np.random.default_rng(0).normal(size=(one.shape[1], 128))
    ways /= np.linalg.norm(ways, axis=0)
    at = np.linspace(0, 1, 1001)
    return float(1000 * np.abs(np.quantile(one @ ways, at, axis=0) - np.quantile(other @ ways, at, axis=0)).mean())


def of_images(draws: Sequence[int], tuning: bool, factors: Sequence[int], weights: Sequence[float]) -> dict[str, Any]:
    """{factor: {way: {measure: [of each draw]}}}, and a sheet of each factor."""
    found = Idx(FASHION).load()
    images, official = np.asarray(found.images), found.official_test
    train = np.flatnonzero(~official)
    pool, test = (train[_USED:], train[_USED:]) if tuning else (train[:_USED], np.flatnonzero(official))
    measures: dict[str, dict[str, dict[str, list[float]]]] = {}
    for factor in factors:
        for draw in draws:
            learned = seeds.numpy_rng(draw, "learned").permutation(pool)[:LEARNED]
            unseen = seeds.numpy_rng(draw, "held out").permutation(np.setdiff1d(test, learned))[:HELD_OUT]
            true, sources = images[unseen], small(images[unseen], factor)
            made = {"bicubic": sources}
            for way, weight in {"bicubic": None, **{name(one): one for one in (0.0, *weights)}}.items():
                if weight is not None:
                    made[way] = enlarge(images[learned], sources, factor, weight, draw)
                of_way = measures.setdefault(str(factor), {}).setdefault(way, {})
                for measure, value in measured(made[way], true).items():
                    of_way.setdefault(measure, []).append(round(value, 4))
                print(factor, draw, way, {key: of[-1] for key, of in of_way.items()}, flush=True)
            if draw == draws[0]:
                sheet(f"{'tuning-' * tuning}{factor}", {**made, "true": true}, found.labels[unseen])
    return measures


def name(adversarial: float) -> str:
    return f"adversarial {adversarial:g}" if adversarial else "L1 alone"


def sheet(title: str, ways: Mapping[str, Images], labels: NDArray[np.int64]) -> None:
    """An image of each class in a column, a row for each way."""
    shown = [int(np.flatnonzero(labels == label)[0]) for label in range(10)]
    folder = BUILD if title.startswith("tuning") else FIGURES
    store.write_png(folder / f"super-resolution-{title}.png", labelled([of[shown] for of in ways.values()], [*ways]))


# --------------------------------------------------------------------------------------------------------- classes

FACTOR = 4
PER_CELL, TRIALS, TESTS = 20, 5, 100
TUNED, TUNING_TESTS = 3, 50  # draws, and test images per cell
ARMS = [
    "classical",
    "classical+masked",
    "strong+masked",
    "unadversarial+classical",
    "unadversarial+classical+masked",
    "translate+classical",
    "translate+classical+masked",
    "oracle+classical",
]
# What is degraded of the images that are not small, and what the arm is then called.
DEGRADED = {"as-they-are": None, "learned": "all small to learn from", "all": "all small, tested small too"}
SHOWN = ("missing_recall", "condition_accuracy", "other_recall")
WORDS = {"missing_recall": "small-only classes", "condition_accuracy": "all classes", "other_recall": "other cells"}


def source(degraded: str) -> Path:
    """An archive in which half of the images of each class are small; what else is ``degraded``."""
    path = BUILD / f"{degraded}.npz"
    if not path.exists():
        found = Idx(FASHION).load()
        some = np.r_[0:6_000, 60_000:62_500]  # enough of every class, the second part from the official test part
        images, labels, official = np.asarray(found.images)[some], found.labels[some], found.official_test[some]
        first = np.sort(np.unique(small(images, FACTOR).reshape(len(images), -1), axis=0, return_index=True)[1])
        needed = {False: PER_CELL * (TRIALS + 1 + TUNED) + TUNING_TESTS, True: TESTS}
        parts: dict[str, NDArray[Any]] = {}
        for is_test, cell in needed.items():
            rows, under = list[NDArray[np.int64]](), list[NDArray[np.str_]]()
            for label in range(10):
                of_class = first[(labels[first] == label) & (official[first] == is_test)]
                rows.append(of_class[: 2 * cell + 1])
                # One more of the small ones: with the most images, they are what is moved, not where to.
                under.append(np.array(["small", "full"] * cell + ["small"]))
            chosen, conditions = np.concatenate(rows), np.concatenate(under)
            shown, title = images[chosen], "test" if is_test else "train"
            coarse = conditions == "small"
            if degraded == "all" or (degraded == "learned" and not is_test):
                coarse[:] = True
            shown[coarse] = small(shown[coarse], FACTOR)
            parts |= {
                f"{title}_images": shown,
                f"{title}_labels": labels[chosen],
                f"{title}_conditions": conditions,
            }
        with store.replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **parts)  # type: ignore[arg-type]
    return path


def project(degraded: str, tuning: bool, adversarial: float, arms: Sequence[str]) -> Project:
    learns = any(arm.startswith(("translate", "unadversarial")) for arm in arms)
    raw: dict[str, Any] = {
        "data": {"source": {"kind": "npz", "path": str(source(degraded))}},
        "protocol": {
            "kind": "cell-draws",
            "trials": TUNED if tuning else TRIALS,
            "train_per_cell": PER_CELL,
            "test_per_cell": TESTS,
            "tuning_test_per_cell": TUNING_TESTS,
            "tuning_per_cell": PER_CELL * TUNED,
            "draws": "tuning" if tuning else "report",
        },
        "gan": gan(FACTOR, adversarial) if learns else {"steps": 1},
        "synth": {"per_class": PER_CELL},  # one translation of each
        "classifier": {"width": 16, "steps": 300, "batch_size": 32, "lr": 3e-3},
        "classify": {
            "arms": list(arms),
            "classical": {"kind": "rand-augment", "operations": 2, "magnitude": 9, "flip": True},
            "curve": [],
        },
        "fidelity": {"enabled": False},
        "device": "cpu",
        "jobs": 1,
    }
    return Project(BUILD / f"{degraded}{'-tuning' * tuning}", config.check(raw))


def tested(made: Project) -> list[Tested]:
    """Every trial from its images to what its arms predict; no release, which nobody needs here."""
    made.root.mkdir(parents=True, exist_ok=True)
    prepare.prepare(made)
    trials = made.settings.protocol.trial_names()
    for trial in trials:
        if made.settings.gan.translate:
            train.train(made, trial)
            synth.synth_all(made, trial)
        classify.classify(made, trial)
        print(made.root.name, trial, flush=True)
    splits = [split for split in open_splits(made) if split.name in trials]
    read = results.read_trials(made, {split.name: runs_of(split) for split in splits})
    return [results.read_predictions(split, trial) for split, trial in zip(splits, read, strict=True)]


def of_classes(tuning: bool, adversarial: float, arms: Sequence[str] = ARMS) -> dict[str, Any]:
    """Arms and gains over classical augmentation and over each other, on the same draws."""
    trials = tested(project("as-they-are", tuning, adversarial, arms))
    for degraded, title in DEGRADED.items():
        if title:
            others = tested(project(degraded, tuning, adversarial, ["classical"]))
            for one, other in zip(trials, others, strict=True):
                assert one.cells
                assert other.cells
                assert one.cells.hidden == other.cells.hidden
                assert np.array_equal(one.labels, other.labels)
            trials = [
                replace(one, predicted={**one.predicted, title: other.predicted["classical"]})
                for one, other in zip(trials, others, strict=True)
            ]
    comparison = Comparison(trials, classes=10, shared_test=True)
    names = list(trials[0].predicted)
    pairs = [(arm, "classical") for arm in names if arm != "classical"]
    for best in ("translate+classical", "translate+classical+masked"):
        rivals = (
            "unadversarial" + best.removeprefix("translate"),
            "classical+masked",
            "strong+masked",
            *filter(None, DEGRADED.values()),
        )
        pairs += [(best, rival) for rival in rivals if best in names and rival in names]
    kept = ("mean", "ci_low", "ci_high", "p_value", "by_trial")
    return {
        "arms": {arm: {metric: of[metric] for metric in SHOWN} for arm, of in comparison.arm_figures().items()},
        "gains": {
            gain: {metric: {key: of[metric][key] for key in kept} for metric in SHOWN}
            for gain, of in comparison.gain_figures(pairs).items()
        },
    }


def tables(found: Mapping[str, Any]) -> str:
    words = list(WORDS.values())
    arms = [
        (arm, *(f"{of[metric]['mean']:.1f} ± {of[metric]['sd']:.1f}" for metric in SHOWN))
        for arm, of in sorted(found["arms"].items(), key=lambda one: -one[1]["missing_recall"]["mean"])
    ]
    gains = [
        (gain.replace("_vs_", " over "), *(f"{of[m]['mean']:+.1f} ({interval(of[m])})" for m in SHOWN))
        for gain, of in found["gains"].items()
    ]
    return "\n\n".join([markdown_table(("arm (%)", *words), arms), markdown_table(("gain (points)", *words), gains)])


# -------------------------------------------------------------------------------------------------------- document

_PREFACE = """# Super-resolution

Written by `python benchmarks/super_resolution.py`, on Fashion-MNIST. Translators of pairs (preset `srgan`, smaller:
{size}) learn to enlarge images that were shrunk; "L1 alone" is the same network trained without its adversarial
loss. Small images are enlarged bicubically before any network sees them. Settings were chosen on images that no
figure uses.

## The images

{learned} sharp images to learn from, {held_out} unseen ones to enlarge, {draws} draws: mean (range). PSNR in dB and
SSIM compare each image with the true one. The two others compare textures, whatever their place: *spectrum* is the
mean absolute difference, in dB, of the power at each frequency of 1 cycle per image and more, averaged over images
and directions; *patches* is the sliced Wasserstein distance of all patches of 5 x 5 pixels less their means, in
thousandths of the range of tones."""
_CLASSES = """## Classes that only exist small

{per_cell} images of each of ten classes at full size and {per_cell} shrunk by {factor}; each of {trials} trials
hides five classes drawn at random at full size. Tested on {tests} images per class and size. Every arm trains the
same classifier for as many steps, with bicubically enlarged images where nothing else is said. `translate`: what
the translator makes of every class's small images is added. "All small": images of full size are shrunk and
enlarged too, in what is learned from alone or where it is tested as well. `oracle`: the true images. Means over
trials ± standard deviation; gains with 95 % intervals."""
MEASURES = {"psnr": "PSNR, dB", "ssim": "SSIM", "spectrum": "spectrum, dB", "patches": "patches"}


def image_tables(found: Mapping[str, Any]) -> str:
    """A table for each factor."""
    tables = []
    for factor, ways in found.items():
        rows = [(way, *(spread(of[measure]) for measure in MEASURES)) for way, of in ways.items()]
        tables.append(f"Shrunk by {factor}:\n\n" + markdown_table(("", *MEASURES.values()), rows))
    return "\n\n".join(tables)


def spread(values: Sequence[float]) -> str:
    digits = 3 if max(values) < 1 else 2
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def document() -> str:
    """Of what is measured so far."""
    found = read()
    size = f"{SMALLER['steps']} steps of {SMALLER['batch_size']} images"
    parts = []
    if "images" in found:
        parts.append(_PREFACE.format(size=size, learned=LEARNED, held_out=HELD_OUT, draws=DRAWS))
        parts.append(image_tables(found["images"]))
    if "classes" in found:
        parts.append(_CLASSES.format(per_cell=PER_CELL, factor=FACTOR, trials=TRIALS, tests=TESTS))
        parts.append(tables(found["classes"]))
    return "\n\n".join(parts) + "\n"


def read() -> dict[str, Any]:
    path = FIGURES / "super-resolution.json"
    found: dict[str, Any] = store.read_json(path, "") if path.is_file() else {}
    return found


def write(part: str, found: Mapping[str, Any]) -> None:
    store.write_json(FIGURES / "super-resolution.json", {**read(), part: found})
    store.write_text(ROOT / "docs" / "super_resolution.md", document())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="images or classes; none: both")
    parser.add_argument("--draws", choices=("report", "tuning"), default="report")
    parser.add_argument("--adversarial", type=float, nargs="+", default=[ADVERSARIAL])
    parser.add_argument("--factors", type=int, nargs="+", default=FACTORS)
    options = parser.parse_args()
    tuning = options.draws == "tuning"
    BUILD.mkdir(parents=True, exist_ok=True)
    for part in options.parts or ("images", "classes"):
        if part == "images":
            found = of_images(range(1 if tuning else DRAWS), tuning, options.factors, options.adversarial)
            print(image_tables(found), flush=True)
        else:
            found = of_classes(tuning, options.adversarial[0])
            print(tables(found), flush=True)
        if not tuning:
            write(part, found)


if __name__ == "__main__":
    main()
