"""Metrics of the generated images over the trials: figures for the summary, words and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

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
_AS_GOOD = 0.9  # of what real images get: hardly worse
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
    faithful, varied = (_relative(found, key) for key in ("precision", "recall"))
    if faithful is None or varied is None:
        return start + "are too few to be compared."
    if min(faithful, varied) >= _AS_GOOD:
        return start + "are about as faithful and as varied as real ones."
    if faithful < varied:
        return start + f"lack fidelity more than variety: {_share(found, 'precision')} lie among real ones."
    return start + f"lack variety more than fidelity: {_share(found, 'recall')} of real ones lie among them."


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
    if share["mean"] > _MANY * max(honest, SHARE):
        return start + "they repeat training images; look at the pairs in the report before you share any."
    return start + "no sign of copying, which is no guarantee of privacy."


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


def _relative(found: Mapping[str, Any], key: str) -> float | None:
    """A figure divided by that of real images."""
    mine, real = found[key], found["reference"][key]
    return mine["mean"] / real["mean"] if mine and real and real["mean"] else None


def _share(found: Mapping[str, Any], key: str) -> str:
    return f"{100 * found[key]['mean']:.0f} % (real images: {100 * found['reference'][key]['mean']:.0f} %)"
