"""Metrics of the generated images over the trials: figures for the summary, words and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from ganaug.measure.stats import Estimate
from ganaug.near_copies import SHARE
from ganaug.values import Count, Number, Share, with_keys


@dataclass(frozen=True)
class _Figure:
    key: str
    name: str
    says: str
    decimals: int = 2
    times: float = 1.0

    def text(self, figure: Mapping[str, Any] | None, sd: bool = True) -> str:
        """``mean ± sd``; empty where there is no figure."""
        if figure is None:
            return ""
        spread = f" ± {self.times * figure['sd']:.{self.decimals}f}" if sd and figure["sd"] is not None else ""
        return f"{self.times * figure['mean']:.{self.decimals}f}{spread}"


_FIGURES = (
    _Figure("gan_train", "GAN-train, %", "real images classified correctly after training on generated ones", 1),
    _Figure("gan_test", "GAN-test, %", "generated images classified correctly after training on real ones", 1),
    _Figure("inception_score", "inception score", "each image is clearly of one class, and all classes occur"),
    _Figure("kid", "KID x 1,000", "distance between the distributions of features; 0: the same", 0, 1000),
    _Figure("fid", "FID", "the same from means and covariances; see the warnings", 0),
    _Figure("precision", "precision", "generated images that lie among real ones"),
    _Figure("recall", "recall", "real images that lie among generated ones"),
    _Figure("density", "density", "how densely real images surround them"),
    _Figure("coverage", "coverage", "real images with a generated one close by"),
)
_PER_CLASS = tuple(figure for figure in _FIGURES if figure.key not in ("inception_score", "fid"))
_RATIO = _Figure("distance_ratio", "distance", "")
_WITH_REFERENCE = ("kid", "precision", "recall", "density", "coverage")
_NEARNESS = ("distance_ratio", "nearer", "drawn_to_train", "near_copies_share", "held_out_near_copies_share")


@with_config(ConfigDict(extra="allow"))
class _Encoder(TypedDict):
    kind: str
    features: Count
    name: NotRequired[str]  # ``own`` has none
    weights: NotRequired[str | None]


class _Nearness(TypedDict):
    distance_ratio: Number | None
    nearer: Share | None
    near_copies: Count
    near_copies_share: Share | None
    held_out_near_copies_share: Share | None
    drawn_to_train: NotRequired[Share | None]  # not of single classes


class _InPixels(TypedDict):
    overall: _Nearness
    classes: dict[str, _Nearness]


class _Memorisation(TypedDict):
    pixels: _InPixels
    note: str


class Measured(TypedDict):
    """What the report reads of reports/fidelity/<trial>.json."""

    encoder: _Encoder
    images: Annotated[dict[str, Count], with_keys("synthetic")]
    judge_accuracy: Number
    overall: Annotated[dict[str, Number | None], with_keys(*(figure.key for figure in _FIGURES))]
    reference: Annotated[dict[str, Number | None], with_keys(*_WITH_REFERENCE)]
    classes: dict[str, Annotated[dict[str, Number | None], with_keys(*(figure.key for figure in _PER_CLASS))]]
    warnings: list[str]
    memorisation: _Memorisation


Trials = Sequence[Measured]
_AS_GOOD, _POOR = 0.9, 0.5  # of what real images get: hardly worse; much worse
_MANY = 2.0  # times the near-copies among unseen real images


def summarise(trials: Trials) -> dict[str, Any] | None:
    """Mean and standard deviation over trials of every figure that is not per class. None without trials."""
    if not trials:
        return None
    overall = [trial["overall"] for trial in trials]
    pixels: list[Mapping[str, Any]] = [trial["memorisation"]["pixels"]["overall"] for trial in trials]
    return {
        "encoder": trials[0]["encoder"],
        "trials": len(trials),
        "judge_accuracy": _mean([trial["judge_accuracy"] for trial in trials]),
        **{figure.key: _mean([one[figure.key] for one in overall]) for figure in _FIGURES},
        "reference": {key: _mean([one["reference"][key] for one in trials]) for key in _WITH_REFERENCE},
        "relative": _relative(trials),
        **{key: _mean([one.get(key) for one in pixels]) for key in _NEARNESS},
        "near_copies": sum(one["near_copies"] for one in pixels),
        "synthetic_images": sum(trial["images"]["synthetic"] for trial in trials),
        "warnings": list(dict.fromkeys(warning for trial in trials for warning in trial["warnings"])),
        "memorisation_note": trials[0]["memorisation"]["note"],
    }


def overall_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Name, figure, that of real images, and what it says."""
    real = {"gan_train": found["judge_accuracy"], "gan_test": found["judge_accuracy"], **found["reference"]}
    rows = [(one.name, one.text(found[one.key]), one.text(real.get(one.key)), one.says) for one in _FIGURES]
    return [row for row in rows if row[1]]


def class_rows(trials: Trials) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header, and a row per class: means over the trials."""
    header = ("class", *(one.name for one in (*_PER_CLASS, _RATIO)), "near-copies")
    rows = []
    for name in trials[0]["classes"] if trials else ():
        of_class = [trial["classes"][name] for trial in trials]
        copies: list[Mapping[str, Any]] = [trial["memorisation"]["pixels"]["classes"][name] for trial in trials]
        cells = [one.text(_mean([each[one.key] for each in of_class]), sd=False) for one in _PER_CLASS]
        cells.append(_RATIO.text(_mean([each[_RATIO.key] for each in copies]), sd=False))
        rows.append((name, *(cell or "none" for cell in cells), str(sum(each["near_copies"] for each in copies))))
    return header, rows


def words(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the page and the model card say of the figures."""
    return {
        "sentence": sentence(found),
        "overall": overall_rows(found),
        "warnings": found["warnings"],
        "encoder": _encoder(found["encoder"]),
        "memorisation": memorisation_sentence(found),
        "nearness": _nearness(found),
        "note": found["memorisation_note"],
    }


def sentence(found: Mapping[str, Any]) -> str:
    """What the figures add up to."""
    start = "Generated images "
    if found["gan_train"]:
        start = (
            f"A classifier trained on generated images alone classifies {found['gan_train']['mean']:.1f} % of unseen "
            f"real images correctly, one trained on the real training images under the classical policy "
            f"{found['judge_accuracy']['mean']:.1f} %; generated images "
        )
    faithful, varied, difference = (found["relative"][key] for key in ("precision", "recall", "recall_over_precision"))
    if faithful is None or varied is None:
        return start + "are too few to be compared."
    figures = f"{_share(found, 'precision')} lie among real ones, {_share(found, 'recall')} of real ones lie among them"
    if difference["ci_low"] is None:
        return start + f"come from one trial, too few to say what they lack: {figures}."
    if min(faithful["ci_low"], varied["ci_low"]) >= _AS_GOOD:
        return start + f"are about as faithful and as varied as real ones: {figures}."
    if max(faithful["ci_high"], varied["ci_high"]) < _POOR:
        return start + f"are neither faithful nor varied: {figures}."
    if difference["ci_low"] > 0:
        return start + f"lack fidelity more than variety: {figures}."
    if difference["ci_high"] < 0:
        return start + f"lack variety more than fidelity: {figures}."
    return start + f"may lack fidelity, variety or both, which these trials do not tell: {figures}."


def memorisation_sentence(found: Mapping[str, Any]) -> str:
    """Whether the generator repeats training images."""
    share = found["near_copies_share"]
    if share is None or found["distance_ratio"] is None:
        return "Too few real images are held out to tell whether generated images repeat the training images."
    held_out = found["held_out_near_copies_share"]
    honest = held_out["mean"] if held_out else 0.0
    start = (
        f"{100 * share['mean']:.1f} % of the generated images are near-copies: nearer to a training image than "
        f"{100 * (1 - SHARE):g} % of the training images are to one another, relative to their class. Of real images "
        f"that no training saw, {100 * honest:.1f} % are as near: "
    )
    if repeats_training_images(found):
        return start + "they repeat training images; look at the pairs in the report before you share any."
    return start + "no sign of copying, which is no guarantee of privacy."


def repeats_training_images(found: Mapping[str, Any]) -> bool:
    """Whether there are many more near-copies among generated images than among unseen real ones."""
    share, held_out = found["near_copies_share"], found["held_out_near_copies_share"]
    return bool(share and share["mean"] > _MANY * max(held_out["mean"] if held_out else 0.0, SHARE))


def _nearness(found: Mapping[str, Any]) -> str | None:
    """Compared with as many unseen images: what the generator knows of its training images in particular."""
    share, ratio = found["drawn_to_train"], found["distance_ratio"]
    if share is None or ratio is None:
        return None
    return (
        f"{100 * share['mean']:.0f} % of them are nearer to the training images than to as many real images that no "
        "training saw (50 %: the generator knows the classes; 100 %: only these images). Their distance to the nearest "
        f"training image is {ratio['mean']:.2f} times that of unseen real images (median)."
    )


def _encoder(encoder: Mapping[str, Any]) -> str:
    if "name" not in encoder:
        return f"{encoder['features']:,} features of the trial's own classifier, trained on its real training images"
    return f"{encoder['features']:,} features of torchvision's {encoder['name']} ({encoder.get('weights')})"


def _mean(values: Sequence[float | None]) -> dict[str, float | None] | None:
    """None where no trial has the figure; the deviation of one trial is unknown."""
    known = [value for value in values if value is not None]
    return {"mean": fmean(known), "sd": stdev(known) if len(known) > 1 else None} if known else None


def _relative(trials: Trials) -> dict[str, dict[str, float | None] | None]:
    """Precision and recall divided by those of real images, and the difference of the two, over the trials."""

    def of(trial: Measured, key: str) -> float | None:
        mine, real = trial["overall"][key], trial["reference"][key]
        return mine / real if mine is not None and real else None

    pairs = [(of(trial, "precision"), of(trial, "recall")) for trial in trials]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    return {
        "precision": _with_interval([one for one, _ in known]),
        "recall": _with_interval([other for _, other in known]),
        "recall_over_precision": _with_interval([other - one for one, other in known]),
    }


def _with_interval(values: Sequence[float]) -> dict[str, float | None] | None:
    """The mean over trials with its 95 % t interval, which one trial does not have."""
    if not values:
        return None
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    low, high = Estimate(fmean(values), error, len(values) - 1 if error is not None else None).interval(0.95)
    return {"mean": fmean(values), "ci_low": low, "ci_high": high}


def _share(found: Mapping[str, Any], key: str) -> str:
    return f"{100 * found[key]['mean']:.0f} % (real images: {100 * found['reference'][key]['mean']:.0f} %)"
