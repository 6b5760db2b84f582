"""Metrics of the generated images, overall and per class, against real images that no training saw.

Pure: features and predictions in, a dictionary of figures out. GAN-train and GAN-test are Shmelkov 2018's: the first
falls where variety or quality is missing, the second where images are not of their class.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.measure.distances import Features, Labels, fid, inception_score, kid
from ganaug.measure.manifolds import Manifold, manifold

MOST = 2000  # images of each kind that pairs are taken of
_FEW = 20  # with fewer images of a class its figures are rough
_FID_IMAGES = 10_000  # with as many its bias is small (Heusel 2017)


@dataclass(frozen=True)
class Sample:
    """Images of one kind, real or generated, as encoder and classifier see them."""

    features: Features  # (N, F)
    labels: Labels  # (N,)
    predicted: Labels | None = None  # (N,), by a classifier trained on the other kind; None: no labels


def fidelity(real: Sample, made: Sample, probabilities: Features, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """``overall``, ``reference``, ``classes`` and ``warnings`` of a trial's JSON file; None where a figure is unknown.

    Distances compare equally many images of ``real`` and ``made`` of every class, drawn by ``seed``, with features in
    units of the real ones' standard deviation. ``probabilities`` (N, judge's classes): the judge's, for ``made``. A
    single name in ``classes`` is that of a generator without labels: it has no figures per class. The reference is one
    half of the real images in the place of generated ones, compared with the other half.
    """
    scale = float(real.features.std()) or 1.0
    real_rows, made_rows = _matched(real.labels, made.labels, len(classes), seed)
    some_real, some_made = np.concatenate(real_rows), np.concatenate(made_rows)
    overall = {
        "gan_train": _share_right(real, np.isin(real.labels, made.labels)),
        "gan_test": _share_right(made, np.ones(len(made.labels), bool)),
        **_figures(real.features[some_real], made.features[some_made], real.labels[some_real], scale, seed),
        "inception_score": inception_score(probabilities),
    }
    by_class = {}
    for label, name in enumerate(classes if len(classes) > 1 else ()):
        is_real, is_made = real.labels == label, made.labels == label
        pair = real.features[real_rows[label]], made.features[made_rows[label]]
        by_class[name] = {
            "gan_train": _share_right(real, is_real) if is_made.any() else None,
            "gan_test": _share_right(made, is_made),
            **_figures(*pair, 0 * real_rows[label], scale, seed),
            "held_out": int(is_real.sum()),
            "synthetic": int(is_made.sum()),
        }
    return {
        "overall": overall,
        "reference": _real_halves(real, scale, len(classes), seed),
        "classes": by_class,
        "warnings": _warnings(overall, by_class, real.features.shape[1], probabilities.shape[1]),
    }


def _figures(
    real: Features, made: Features, labels: Labels, scale: float, seed: int, with_fid: bool = True
) -> dict[str, Any]:
    """Of equally many real and generated images, (N, F) each, with the same ``labels`` (N,)."""
    real, made = real / scale, made / scale
    mean, spread = kid(real, made, labels, seeds.numpy_rng(seed, "kid"))
    balls = manifold(real, made)
    return {
        "kid": mean,
        "kid_sd": spread,
        "fid": fid(real, made) if with_fid else None,
        **(asdict(balls) if balls else dict.fromkeys(one.name for one in fields(Manifold))),
        "images": len(real),
    }


def _real_halves(real: Sample, scale: float, classes: int, seed: int) -> dict[str, Any]:
    """The figures of real images against real ones: what a perfect generator would get."""
    rng = seeds.numpy_rng(seed, "halves")
    mixed = [rng.permutation(np.flatnonzero(real.labels == label)) for label in range(classes)]
    a, b = (np.concatenate([one[half : len(one) // 2 * 2 : 2] for one in mixed]) for half in (0, 1))
    some = slice(None, None, -(-len(a) // MOST) or 1)  # of every class
    # Without FID, which grows with fewer images.
    return _figures(real.features[a[some]], real.features[b[some]], real.labels[a[some]], scale, seed, with_fid=False)


def _share_right(sample: Sample, which: NDArray[np.bool_]) -> float | None:
    """Percent of these images whose class was predicted right."""
    if sample.predicted is None or not which.any():
        return None
    return 100 * float((sample.predicted[which] == sample.labels[which]).mean())


def _matched(real: Labels, made: Labels, classes: int, seed: int) -> tuple[list[Labels], list[Labels]]:
    """Rows of each class, as many real as generated: else imbalanced classes would count as a fault."""
    kinds = [[np.flatnonzero(labels == label) for label in range(classes)] for labels in (real, made)]
    counts = np.array([min(map(len, pair)) for pair in zip(*kinds, strict=True)])
    if counts.sum() > MOST:
        counts = np.minimum(counts, np.maximum(2, counts * MOST // counts.sum()))
    drawn = []
    for kind, rows in zip(("real", "made"), kinds, strict=True):
        rng = seeds.numpy_rng(seed, kind)
        drawn.append([np.sort(rng.permutation(one)[:count]) for one, count in zip(rows, counts, strict=True)])
    return drawn[0], drawn[1]


def _warnings(overall: dict[str, Any], by_class: dict[str, Any], dimensions: int, judged: int) -> list[str]:
    """What a reader must know before relying on a figure."""
    images = overall["images"]
    warnings = [
        f"inception score: by the trial's own classifier, so at most {judged}, the number of its classes, and not "
        "comparable with published ones; real images play no part in it"
    ]
    if images <= dimensions:
        warnings.append(
            f"FID: the covariance of {dimensions:,} features needs more than {dimensions:,} images of each kind, and "
            f"there are {images:,}: trust KID instead"
        )
    if images < _FID_IMAGES:
        warnings.append(
            f"FID: is biased upwards with few images ({images:,} of each kind; fewer per class): compare it only "
            "with figures of as many"
        )
    none = [name for name, one in by_class.items() if not one["synthetic"] or not one["held_out"]]
    few = [name for name, one in by_class.items() if name not in none and one["images"] < _FEW]
    if none:
        warnings.append(f"classes without generated or without held-out images are left out: {', '.join(none)}")
    if few:
        warnings.append(f"fewer than {_FEW} images of each kind, so that the figures are rough: {', '.join(few)}")
    if overall["gan_train"] is None and not by_class:
        warnings.append("GAN-train, GAN-test: the generator has no classes, so a classifier can learn none from it")
    return warnings
