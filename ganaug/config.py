"""params.yaml -> checked settings. The one place where configuration is read; imports no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import TypeAdapter, ValidationError

from ganaug import removed_settings, yaml_text
from ganaug.classify.arms import ARMS, ClassifySpec, filler_of, gain_pairs
from ganaug.classify.encoders import EncoderSpec, Own
from ganaug.classify.filler import Filler
from ganaug.classify.spec import ClassifierSpec
from ganaug.classify.ways import WAYS
from ganaug.data.protocols import ProtocolSpec
from ganaug.data.spec import DataSpec
from ganaug.data.subsets import Subsets
from ganaug.device import DeviceName
from ganaug.errors import UserError, one_line, quoted
from ganaug.gan import combinations, presets
from ganaug.gan.spec import GanSpec
from ganaug.measure.contributions import METRICS, metric_or, metrics
from ganaug.measure.rules import GateRule
from ganaug.settings import Spec
from ganaug.synth.spec import SynthSpec


@dataclass(frozen=True)
class FidelitySpec(Spec):
    """How the generated images themselves are measured, apart from what they do for the classifier."""

    enabled: bool = True
    """Measure the images themselves. One more training of the classifier per trial; two without the arm classical."""
    encoder: EncoderSpec = field(default_factory=Own)
    """The network in whose features images are compared."""


@dataclass(frozen=True)
class ReportSpec(Spec):
    """What the verdict is about."""

    primary_metric: Annotated[str, metric_or("auto")] = "auto"
    """The metric that the verdict is about. auto: accuracy, or balanced accuracy where some class has twice as many
    images to train on as another; under a protocol that hides cells the accuracy under the conditions that lack
    classes."""
    confidence: Annotated[float, Gt(0), Le(0.9999)] = 0.95
    """The level of the confidence intervals."""
    smallest_gain: Annotated[float, Gt(0), Le(100)] = 2.0
    """The smallest gain worth having, in percentage points: what lies below it throughout is no gain."""


@dataclass(frozen=True)
class ClusterSpec(Spec):
    """Workers on other machines, which train and measure in the place of this one's processes."""

    address: str
    """The scheduler's, such as tcp://host:8786."""
    kind: Literal["dask"] = "dask"
    """The engine: a Dask cluster, which dask-jobqueue also starts under SLURM, PBS or LSF."""


WHERE = ("device", "jobs", "cluster")  # keys of Settings that say where work runs: no result depends on them


@dataclass(frozen=True)
class Settings(Spec):
    """All of params.yaml. Only the source must be there; ``jobs`` 0 means one per core (with GPUs, one on each)."""

    data: DataSpec = field(default_factory=DataSpec)
    """The labelled images, and the shape that they are brought to."""
    protocol: ProtocolSpec = field(default_factory=Subsets)
    """Which images each trial learns from and is tested on."""
    gan: GanSpec = field(default_factory=GanSpec)
    """The networks of the GAN and their training."""
    synth: SynthSpec = field(default_factory=SynthSpec)
    """How many synthetic images there are, and which are used."""
    classifier: ClassifierSpec = field(default_factory=ClassifierSpec)
    """The classifier that every arm trains."""
    classify: ClassifySpec = field(default_factory=ClassifySpec)
    """The arms: what each trains the classifier on."""
    fidelity: FidelitySpec = field(default_factory=FidelitySpec)
    """How the synthetic images themselves are measured."""
    report: ReportSpec = field(default_factory=ReportSpec)
    """What the verdict is about."""
    gate: tuple[GateRule, ...] = ()
    """The rules that gains must pass in CI; "ganaug gate" judges them."""
    device: DeviceName = "auto"
    """Where networks run. auto: CUDA, else MPS, else the CPU. cuda: all GPUs, a task on each; cuda:1: the second."""
    jobs: Annotated[int, Ge(0), Le(1024)] = 0
    """Tasks that run side by side. 0: one per core. With GPUs: tasks on each of them, and 0 is one. On a
    cluster: one on each worker, whatever it says."""
    cluster: ClusterSpec | None = None
    """Where tasks run, if not on this machine; "ganaug run --cluster" comes before it."""

    @property
    def has_unlabelled(self) -> bool:
        """Whether there are images without labels."""
        return self.data.unlabelled is not None or self.protocol.unlabelled_per_class > 0

    @property
    def gan_has_teachers(self) -> bool:
        """Whether classifiers label images for the GAN."""
        return self.has_unlabelled and self.gan.unlabelled and self.gan.conditioning != "none"


def read(path: Path) -> dict[str, Any]:
    """The plain values in the file ``path``, unchecked. Raises UserError if it is missing or is no such file."""
    try:
        raw = yaml_text.read(path)
    except FileNotFoundError:
        raise UserError(f"{path}: must exist, but is missing; run ganaug in a project's folder") from None
    if raw is not None and not isinstance(raw, dict):
        raise UserError(f"{path}: must hold keys and values, got {type(raw).__name__}; see the README for an example")
    return raw or {}


def load(path: Path) -> Settings:
    """The settings in the file ``path``. Raises UserError, naming the key, if it is missing or has a mistake."""
    raw = read(path)
    settings = check(raw, str(path))
    if not raw.get("data") or "source" not in raw["data"]:
        raise UserError(
            f"{path}: data.source is required, but missing; write data: {{source: {{kind: digits}}}} for the worked "
            'example, or make a project of your own images with "ganaug init"'
        )
    return settings


def check(raw: dict[str, Any], name: str = "params.yaml") -> Settings:
    """Settings from plain values. By way of JSON, whose strict reading takes lists for tuples and text for paths.

    Raises UserError, which starts with the file's ``name``, at a mistake.
    """
    try:
        removed_settings.check(raw)
        whole = {**raw, "gan": presets.expand(raw["gan"])} if isinstance(raw.get("gan"), dict) else raw
        text = json.dumps(whole, allow_nan=False)
        settings: Settings = _adapter(Settings).validate_json(text, strict=True)
        combinations.check(settings.gan)
        _check_together(settings)
    except ValidationError as error:
        raise UserError(f"{name}: {_explain(error, raw)}") from None
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    except (TypeError, ValueError) as error:
        reason = one_line(str(error), 200)
        raise UserError(
            f"{name}: values must be numbers, text, lists and keys, but {reason}; correct the file"
        ) from None
    return settings


def of_preset(name: str) -> Settings:
    """All defaults, with the GAN of the preset ``name``: what other groups would have to be for it is not asked."""
    gan: GanSpec = _adapter(GanSpec).validate_json(json.dumps(presets.expand({"preset": name})), strict=True)
    return replace(check({}), gan=gan)


def _check_together(settings: Settings) -> None:
    """What groups of settings need of each other: each member says what it needs."""
    fillers = [one for one in map(filler_of, settings.classify.arms) if one]
    ways = [WAYS[one] for one in dict.fromkeys(ARMS[name].way for name in settings.classify.arms) if one]
    if settings.gan.conditioning == "none":
        for filler in (one for one in fillers if one.per_class):
            raise UserError(
                f"classify.arms: {filler.name} needs images of a class, but gan.conditioning is none; remove its arms, "
                "or condition the GAN"
            )
        for one in (one for one in settings.synth.filters if one.per_class):
            raise UserError(
                f"synth.filters: {one.kind} needs images of a class, but gan.conditioning is none; remove it, or "
                "condition the GAN"
            )
    needy = [one.name for one in fillers if one.unlabelled] + [one.kind for one in ways if one.unlabelled == "needed"]
    for name in (one for one in needy if not settings.has_unlabelled):
        raise UserError(
            f"classify.arms: {name} needs images without labels, but there are none; set data.unlabelled or, "
            "under subsets, protocol.unlabelled_per_class, or remove it"
        )
    for way in (one for one in ways if one.lends and settings.classifier.is_own):
        raise UserError(
            f"classify.arms: {way.kind} trains the GAN's discriminator, and no classifier of your own can start from "
            f"that, got {quoted(settings.classifier.model)}; set classifier.model to small-cnn, or remove its arms"
        )
    for way in (one for one in ways if one.trained and settings.gan.translate):
        raise UserError(
            f"classify.arms: {way.kind} needs the discriminator of a GAN of classes, but gan.translate makes "
            "translations; remove its arms"
        )
    for filler in (one for one in fillers if one.hidden and not settings.protocol.hides_cells):
        raise UserError(
            f"classify.arms: {filler.name} needs a protocol that hides cells, got {settings.protocol.kind}; remove its "
            "arms"
        )
    _check_translator(settings, fillers)
    check_conditions(settings, settings.data.may_have_conditions)
    gains = [f"{first}_vs_{second}" for first, second in gain_pairs(settings.classify.arms)]
    known = metrics(settings.protocol.hides_cells)
    asked = {
        "report.primary_metric": settings.report.primary_metric,
        **{f"gate[{position}].metric": rule.metric for position, rule in enumerate(settings.gate)},
    }
    for key, name in asked.items():
        if name in METRICS and name not in known:
            raise UserError(
                f"{key}: {name} needs a protocol that hides cells, got {settings.protocol.kind}; take one of "
                f"{', '.join(known)}"
            )
    for position, rule in enumerate(settings.gate):
        if rule.gain not in gains:
            raise UserError(
                f"gate[{position}].gain: must be a gain of the arms that run ({', '.join(gains) or 'none'}), got "
                f"{quoted(rule.gain)}; correct it, or add its arms to classify.arms"
            )


def _check_translator(settings: Settings, fillers: Sequence[Filler]) -> None:
    """What a translator excludes, and what needs one."""
    translates = settings.gan.translate is not None
    for filler in fillers:
        if filler.of_translator and not translates:
            raise UserError(
                f"classify.arms: {filler.name} needs a translator, but gan.translate is not set; set it, or remove its "
                "arms"
            )
        if filler.is_gan and translates and not filler.of_translator:
            raise UserError(
                f"classify.arms: {filler.name} needs a generator of classes, but gan.translate makes translations; "
                "write translate in its place"
            )
    if translates and settings.synth.screening():
        raise UserError(
            "synth.filters: judge images of a generator of classes, but gan.translate makes translations; remove "
            "filters and drop_copies"
        )
    if translates and settings.has_unlabelled and settings.gan.unlabelled:
        raise UserError(
            "gan.unlabelled: a translator learns nothing from images without labels, got true; set it to false"
        )


def check_conditions(settings: Settings, there: bool) -> None:
    """Raises UserError if the ``settings`` need to know the condition that each image was taken under, and no
    conditions are ``there``."""
    translate, arms = settings.gan.translate, settings.classify.arms
    fillers = [one.name for one in map(filler_of, arms) if one and one.cells]
    masked = [name for name in arms if ARMS[name].masked]
    needs = {
        f"protocol.kind: {settings.protocol.kind}": settings.protocol.hides_cells,
        "gan.translate": translate is not None and translate.pairs is None,
        f"classify.arms: {', '.join(dict.fromkeys(fillers))}": bool(fillers),
        f"classify.arms: {', '.join(masked)}": bool(masked),
    }
    for what in (one for one, needed in needs.items() if needed and not there):
        raise UserError(
            f"{what} needs the condition that each image was taken under, but data.source names none; name it there "
            "(condition of a table, conditions of a folder, an array of an NPZ), set data.rendered, or remove it"
        )


def plain(spec: Spec | tuple[Any, ...]) -> Any:
    """Settings as plain JSON values, defaults filled in: for hashes and for a generator's description."""
    if not isinstance(spec, Spec):
        return [plain(one) for one in spec]
    kind: Any = type(spec)
    return _adapter(kind).dump_python(spec, mode="json")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Building one takes 45 ms."""
    return TypeAdapter(kind)


def _explain(error: ValidationError, raw: dict[str, Any]) -> str:
    """The first mistake in one line: key, rule, value and fix."""
    mistakes = error.errors(include_url=False)
    first = mistakes[0]
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    path = _key_path(first["loc"], raw)
    kind, given = first["type"], first["input"]
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"{path}: no such key{_nearest(path.rsplit('.', 1)[-1], first['loc'])}; correct or remove it{more}"
    if kind in {"missing", "missing_argument"}:
        return f"{path}: is required, but missing; add it{more}"
    if kind == "union_tag_not_found":
        return f"{path}.kind: is required, but missing; add it{more}"
    if kind == "union_tag_invalid":
        context = first["ctx"]
        return f"{path}.kind: must be one of {context['expected_tags']}, got {quoted(context['tag'])}; correct it{more}"
    rule = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{path}: must be {rule}, got {one_line(json.dumps(given, default=str), 80)}; correct it{more}"


def _key_path(location: tuple[int | str, ...], raw: Any) -> str:
    """The key's path as the file has it: pydantic's locations also name the member of a union, which no file does."""
    words: list[str] = []
    here = raw
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, dict) and (part in here or last):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part] if part < len(here) else None
        else:
            continue
        words.append(f"[{part}]" if isinstance(part, int) else f".{one_line(part, 40)}")
    return "".join(words).lstrip(".")


def _nearest(key: str, location: tuple[int | str, ...]) -> str:
    """A known key of a like name, if there is one."""
    import difflib

    known = {item.name for spec in _below(Spec) for item in fields(spec)}
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.7)
    return f' (did you mean "{near[0]}"?)' if near and near[0] != key else ""


def _below(kind: type[Any]) -> list[type[Any]]:
    return [spec for one in kind.__subclasses__() for spec in (one, *_below(one))]
