"""Settings: what is left out has a default, and a mistake is one line that names the key."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, Lt
from expect import refused
from hypothesis import given
from hypothesis import strategies as st

from ganaug import config
from ganaug.classify.fillers import FILLERS
from ganaug.classify.policies import CutMix, TrivialAugment
from ganaug.config import Settings, check, load, plain
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.holdout import Holdout
from ganaug.data.sources import Digits, Idx, Torchvision
from ganaug.data.spec import DataSpec
from ganaug.data.subsets import Subsets
from ganaug.errors import UserError
from ganaug.gan.objectives import Hinge, NonSaturating, Relativistic
from ganaug.measure.rules import GateRule
from ganaug.settings import Spec


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_everything_may_be_left_out() -> None:
    settings = check({})
    assert settings == Settings()
    assert isinstance(settings.data.source, Digits)
    assert isinstance(settings.protocol, Subsets)
    assert isinstance(settings.gan.objective, NonSaturating)
    assert settings.data == DataSpec(Digits(), None, "auto", "pad", "black", "refuse")
    assert settings.report.primary_metric == "auto"
    assert settings.gate == ()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n", "---\n", "data: {}\n", "jobs: 1\n"])
def test_a_file_that_names_no_source_is_refused_with_what_to_write(tmp_path: Path, text: str) -> None:
    with refused("params.yaml: data.source is required, but missing", "data: {source: {kind: digits}}", "ganaug init"):
        load(write(tmp_path, text))


def test_a_file_that_names_the_source_alone_is_all_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "data: {source: {kind: digits}}\n")) == Settings()


def test_values_arrive(tmp_path: Path) -> None:
    text = """
data:
  source: {kind: idx, path: data/raw, classes: [a, b]}
  image_size: 32
  channels: gray
  aspect: crop
  background: "#ff8000"
  on_broken: skip
protocol: {kind: subsets, trials: 3, draws: tuning}
gan:
  generator_lr: 2e-4
  discriminator_lr: 1
  objective: {kind: relativistic}
  regularisers: []
  augment: {shift: 0.25, flip: true}
classify: {arms: [none, gan+classical], classical: {kind: cutmix, alpha: 0.5}}
report: {primary_metric: macro_f1, confidence: 0.9}
gate:
  - {gain: gan+classical_vs_none, above: -0.5}
jobs: 2
"""
    settings = load(write(tmp_path, text))
    source = Idx(Path("data/raw"), classes=("a", "b"))
    assert settings.data == DataSpec(source, 32, "gray", "crop", "#ff8000", "skip")
    assert (settings.protocol.trials, settings.protocol.draws) == (3, "tuning")
    assert settings.gan.generator_lr == 2e-4
    assert settings.gan.discriminator_lr == 1.0
    assert settings.gan.objective == Relativistic()
    assert (settings.gan.augment.shift, settings.gan.augment.flip) == (0.25, True)
    assert settings.classify.arms == ("none", "gan+classical")
    assert settings.classify.classical == CutMix(alpha=0.5)
    assert (settings.report.primary_metric, settings.report.confidence) == ("macro_f1", 0.9)
    assert settings.gate == (GateRule("gan+classical_vs_none", above=-0.5),)
    assert settings.jobs == 2


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"protocal": {}}, ["protocal: no such key", '"protocol"']),
        ({"gan": {"step": 1}}, ["gan.step: no such key", '"steps"']),
        ({"gan": {"augment": {"shfit": 0.1}}}, ["gan.augment.shfit: no such key", '"shift"']),
        ({"gan": {"objective": {"kind": "hinge", "margin": 1}}}, ["gan.objective.margin: no such key"]),
        ({"classify": {"mix": {"shares": 0.5}}}, ["classify.mix.shares: no such key", '"share"']),
        ({"protocol": {"kind": "cv", "trials": 3}}, ["protocol.trials: no such key"]),
        ({"protocol": {"kind": "subsets", "shared_test": True}}, ["protocol.shared_test: no such key"]),
        ({"gate": [{"gain": "a"}, {"gain": "b", "abov": 0}]}, ["gate[1].abov: no such key", '"above"']),
        ({"data": {"source": {"kind": "digits", "root": "x"}}}, ["data.source.root: no such key"]),
    ],
)
def test_an_unknown_key_is_named_with_its_path(raw: dict[str, Any], parts: list[str]) -> None:
    with refused("params.yaml: ", *parts):
        check(raw)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"gan": {"steps": "3000"}}, ["gan.steps", "integer", '"3000"']),
        ({"gan": {"steps": 1.5}}, ["gan.steps", "1.5"]),
        ({"gan": {"steps": True}}, ["gan.steps", "true"]),
        ({"gan": {"generator_lr": "fast"}}, ["gan.generator_lr", "number", '"fast"']),
        ({"gan": {"augment": {"flip": 1}}}, ["gan.augment.flip", "boolean", "1"]),
        ({"gan": {"rate": "linar"}}, ["gan.rate", "cosine", "constant", '"linar"']),
        ({"gan": {"rate": None}}, ["gan.rate", "null"]),
        ({"gan": 3}, ["gan", "3"]),
        ({"device": "gpu"}, ["device", "cuda", '"gpu"']),
        ({"classify": {"arms": "none"}}, ["classify.arms", '"none"']),
        ({"classify": {"arms": ["none", "smoke"]}}, ["classify.arms[1]", '"smoke"']),
        ({"gate": [{"gain": 3}]}, ["gate[0].gain", "string", "3"]),
        ({"gate": {"gain": "gan_vs_none"}}, ["gate"]),
        ({"data": {"source": {"kind": "idx", "path": 3}}}, ["data.source.path", "3"]),
        ({"protocol": {"kind": "subsets", "draws": "all"}}, ["protocol.draws", "report", "tuning", '"all"']),
        ({"data": {"channels": "grey"}}, ["data.channels", "auto", "gray", "rgb", '"grey"']),
    ],
)
def test_a_wrong_type_names_key_rule_and_value(raw: dict[str, Any], parts: list[str]) -> None:
    with refused("params.yaml: ", "must be", *parts):
        check(raw)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"protocol": {"kind": "subsets", "trials": 0}}, ["protocol.trials", "greater than or equal to 1", "0"]),
        ({"protocol": {"kind": "subsets", "train_per_class": 1}}, ["protocol.train_per_class", "2"]),
        ({"protocol": {"kind": "cv", "folds": 1}}, ["protocol.folds", "greater than or equal to 2", "1"]),
        ({"protocol": {"kind": "cv", "repeats": 0}}, ["protocol.repeats", "0"]),
        ({"protocol": {"kind": "holdout", "trials": 0}}, ["protocol.trials", "0"]),
        ({"data": {"image_size": 7}}, ["data.image_size", "greater than or equal to 8", "7"]),
        ({"data": {"image_size": 256}}, ["data.image_size", "less than or equal to 128", "256"]),
        ({"data": {"background": "blackish"}}, ["data", "a colour such as black", "background", "blackish"]),
        ({"gan": {"generator_lr": 0}}, ["gan.generator_lr", "greater than 0"]),
        ({"gan": {"generator_lr": -1e-3}}, ["gan.generator_lr", "-0.001"]),
        ({"classify": {"mix": {"share": 1.5}}}, ["classify.mix.share", "1.5"]),
        ({"report": {"confidence": 1}}, ["report.confidence", "less than or equal to 0.9999"]),
        ({"classifier": {"batch_size": 1}}, ["classifier.batch_size"]),
        (
            {"classify": {"classical": {"kind": "rand-augment", "magnitude": 31}}},
            ["classify.classical.magnitude", "31"],
        ),
        ({"jobs": -1}, ["jobs", "-1"]),
        ({"gan": {"beta1": 1.0}}, ["gan.beta1", "1.0"]),
        ({"gan": {"augment": {"scale": -2.0}}}, ["gan.augment.scale", "-2.0"]),
        (
            {"report": {"primary_metric": "accurcy"}},
            ["report.primary_metric: must be 'auto', 'accuracy', 'balanced_accuracy'", "'macro_f1'", 'got "accurcy"'],
        ),
        ({"gate": [{"gain": "gan_vs_none", "metric": "f1"}]}, ["gate[0].metric: must be 'primary', 'acc", 'got "f1"']),
    ],
)
def test_a_value_out_of_range_is_refused(raw: dict[str, Any], parts: list[str]) -> None:
    with refused("params.yaml: ", *parts):
        check(raw)


def numbers(hint: Any, limits: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The limits of every number in a type: of unions, tuples and groups by key too."""
    if get_origin(hint) is Annotated:
        return numbers(get_args(hint)[0], hint.__metadata__)
    if hint in (int, float):
        return [limits]
    return [] if get_origin(hint) is Literal else [found for part in get_args(hint) for found in numbers(part)]


SPECS = sorted({spec for spec in config._below(Spec) if spec.__module__.startswith("ganaug.")}, key=repr)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__qualname__)
def test_every_number_has_two_ends(spec: Any) -> None:
    """One without an upper end is gigabytes, no end, or an infinity in the middle of a training."""
    hints = get_type_hints(spec, include_extras=True)
    for field in fields(spec):
        for limits in numbers(hints[field.name]):
            low = [one.ge if isinstance(one, Ge) else one.gt for one in limits if isinstance(one, Ge | Gt)]
            high = [one.le if isinstance(one, Le) else one.lt for one in limits if isinstance(one, Le | Lt)]
            assert len(low) == len(high) == 1, f"{field.name} has the limits {limits}"
            assert -(2**63) <= float(low[0]) < float(high[0]) <= 2**63  # type: ignore[arg-type]


def test_numbers_are_found_wherever_they_are() -> None:
    hints = get_type_hints(config.ClassifySpec, include_extras=True)
    assert [len(numbers(hints[name])) for name in ("repeats", "curve", "arms")] == [1, 1, 0]
    assert numbers(float | None) == numbers(tuple[float, ...]) == numbers(Mapping[str, float]) == [()]


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"gan": {"batch_size": 10**6}}, ["gan.batch_size", "less than or equal to 65536", "1000000"]),
        ({"gan": {"z_dim": 10**30}}, ["gan.z_dim", "less than or equal to 4096", "1" + 30 * "0"]),
        ({"gan": {"generator_lr": 1e308}}, ["gan.generator_lr", "less than or equal to 10", "1e+308"]),
        ({"gan": {"regularisers": [{"kind": "r1", "gamma": 1e308}]}}, ["gan.regularisers[0].gamma", "1000000"]),
        ({"gan": {"architecture": {"kind": "mlp", "layers": 10**6}}}, ["gan.architecture.layers", "64"]),
        ({"protocol": {"kind": "subsets", "trials": 10**6}}, ["protocol.trials", "10000"]),
        ({"protocol": {"kind": "cv", "folds": 10**6}}, ["protocol.folds", "100"]),
        ({"protocol": {"kind": "subsets", "seed": 10**30}}, ["protocol.seed", "less than 9223372036854775808"]),
        ({"synth": {"per_class": 10**9}}, ["synth.per_class", "1000000"]),
        ({"classify": {"curve": [1.1 + step / 10 for step in range(11)]}}, ["classify.curve", "at most 10 items"]),
        ({"classify": {"classical": {"kind": "cutmix", "alpha": 1e-320}}}, ["classify.classical.alpha", "0.001"]),
        ({"classify": {"classical": {"kind": "affine", "rotate_degrees": 1e308}}}, ["rotate_degrees", "360"]),
        ({"classify": {"classical": {"kind": "affine", "scale": 1}}}, ["classify.classical.scale", "0.99"]),
        ({"gate": [{"gain": "gan_vs_none", "above": 1e308}]}, ["gate[0].above", "1000"]),
        ({"jobs": 10**6}, ["jobs", "1024"]),
    ],
)
def test_a_value_beyond_any_use_is_refused(raw: dict[str, Any], parts: list[str]) -> None:
    with refused("params.yaml: ", *parts):
        check(raw)


def test_values_and_keys_are_cut_and_escaped() -> None:
    for raw in (
        {"x" * 4000: 1},
        {"a\nb\x1b[31m": 1},
        {"gan": {"rate": "y" * 4000}},
        {"gan": {"preset": "z\n" * 2000}},
        {"gan": {"objective": {"kind": "k" * 4000}}},
        {"gate": [{"gain": "g\n" * 2000}]},
        {"gan": {"steps": [[1] * 1000]}},
        {"classify": {"mixes": {"m" * 4000: {"order": 1}}}},
    ):
        with pytest.raises(UserError) as caught:
            check(raw)
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"gan": {"objective": {"kind": "hinges"}}}, ["gan.objective.kind", "'hinge'", '"hinges"']),
        ({"gan": {"objective": {}}}, ["gan.objective.kind", "missing"]),
        ({"data": {"source": {"kind": "folders"}}}, ["data.source.kind", "'digits'", "'folder'", '"folders"']),
        ({"data": {"source": {"kind": "folder"}}}, ["data.source.path", "required", "missing"]),
        ({"protocol": {"trials": 3}}, ["protocol.kind: ", "missing"]),
        ({"protocol": {}}, ["protocol.kind: ", "missing"]),
        ({"protocol": {"kind": "kfold", "folds": 3}}, ["protocol.kind", "'subsets', 'cv', 'holdout'", '"kfold"']),
        ({"data": {"source": {"path": "x"}}}, ["data.source.kind", "missing"]),
        ({"classify": {"classical": {"kind": 3}}}, ["classify.classical.kind", "'cutmix'"]),
        ({"data": {"source": {"kind": "idx"}}}, ["data.source.path", "required", "missing"]),
        ({"data": {"source": {"kind": "torchvision"}}}, ["data.source.name", "required"]),
    ],
)
def test_a_union_needs_a_known_kind_and_its_keys(raw: dict[str, Any], parts: list[str]) -> None:
    with refused("params.yaml: ", *parts):
        check(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"kind": "subsets", "trials": 3, "seed": 7}, Subsets(trials=3, seed=7)),
        ({"kind": "cv"}, CrossValidation(folds=5, repeats=2, seed=0)),
        ({"kind": "cv", "folds": 3, "repeats": 1, "seed": 7}, CrossValidation(folds=3, repeats=1, seed=7)),
        ({"kind": "holdout", "trials": 2}, Holdout(trials=2)),
    ],
)
def test_every_protocol_by_its_kind(raw: dict[str, Any], expected: Any) -> None:
    assert check({"protocol": raw}).protocol == expected


@pytest.mark.parametrize(
    ("arms", "gain"),
    [
        (["none", "gan"], "gan_vs_none"),
        (["classical", "gan+classical"], "gan+classical_vs_classical"),
        (["gan", "placebo"], "gan_vs_placebo"),
    ],
)
def test_a_rule_may_name_any_gain_of_the_arms(arms: list[str], gain: str) -> None:
    assert check({"classify": {"arms": arms}, "gate": [{"gain": gain}]}).gate == (GateRule(gain),)


@pytest.mark.parametrize(
    ("arms", "rules", "parts"),
    [
        (["none", "gan"], ["gan+classical_vs_none"], ["gate[0].gain", "(gan_vs_none)", '"gan+classical_vs_none"']),
        (["none", "gan"], ["gan_vs_none", "none_vs_gan"], ["gate[1].gain", '"none_vs_gan"']),
        (["none"], ["gan_vs_none"], ["gate[0].gain", "(none)", "add its arms to classify.arms"]),
        (["none", "gan"], ["gan_vs_nothing"], ["gate[0].gain", '"gan_vs_nothing"', "correct it"]),
    ],
)
def test_a_rule_must_name_a_gain_of_the_arms_that_run(arms: list[str], rules: list[str], parts: list[str]) -> None:
    with refused("params.yaml: ", *parts):
        check({"classify": {"arms": arms}, "gate": [{"gain": rule} for rule in rules]})


def test_several_mistakes_are_counted() -> None:
    with refused("(and 2 more)"):
        check({"gan": {"steps": "a", "z_dim": "b", "batch_size": "c"}})


@pytest.mark.parametrize(
    "text",
    [
        "gan: {steps: 1}\ngan: {steps: 2}\n",
        "gan:\n  steps: 1\n  steps: 2\n",
        "gan: {steps: 1\n",
        "gan:\n\t- x: [\n",
        "- gan\n- data\n",
        "just words\n",
        "42\n",
        "gan: {steps: .nan}\n",
        "gan: {generator_lr: .inf}\n",
        "gan: {steps: 2024-01-01}\n",
        "data: !!python/object/apply:os.system ['true']\n",
    ],
)
def test_a_file_that_is_not_settings_is_one_line(tmp_path: Path, text: str) -> None:
    with refused("params.yaml: "):
        load(write(tmp_path, text))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with refused("params.yaml", "missing", "project"):
        load(tmp_path / "params.yaml")


floats = st.floats(1e-6, 10, allow_nan=False)


@given(
    steps=st.integers(1, 10**6),
    lr=floats,
    objective=st.sampled_from([Hinge(), NonSaturating(), Relativistic()]),
    shift=st.floats(0, 1),
    flip=st.booleans(),
    source=st.sampled_from([Digits(), Idx(Path("a/b"), classes=("x", "y")), Torchvision("KMNIST", download=False)]),
    classical=st.sampled_from([TrivialAugment(), CutMix(alpha=0.25)]),
    arms=st.lists(st.sampled_from(["classical", "placebo+classical", "smote"]), unique=True),
    bounds=st.lists(st.floats(-5, 5), max_size=3),
    protocol=st.builds(Subsets, trials=st.integers(1, 50))
    | st.builds(CrossValidation, folds=st.integers(2, 9), repeats=st.integers(1, 9))
    | st.builds(Holdout, trials=st.integers(1, 50)),
    image_size=st.none() | st.integers(8, 128),
)
def test_plain_values_check_back_to_the_same_settings(
    steps: int, lr: float, objective: Any, shift: float, flip: bool, source: Any, classical: Any, arms: list[Any],
    bounds: list[float], protocol: Any, image_size: int | None,
) -> None:  # fmt: skip
    settings = Settings(
        data=DataSpec(source, image_size),
        protocol=protocol,
        gan=config.GanSpec(
            steps=steps,
            generator_lr=lr,
            objective=objective,
            regularisers=(),
            augment=type(Settings().gan.augment)(shift=shift, flip=flip),
        ),
        classify=config.ClassifySpec(arms=("none", "gan", *arms), classical=classical),
        gate=tuple(GateRule("gan_vs_none", above=bound) for bound in bounds),
    )
    assert check(plain(settings)) == settings


def test_plain_values_are_what_yaml_and_json_hold() -> None:
    import json

    written = plain(Settings())
    assert json.loads(json.dumps(written)) == written
    assert written["gan"]["objective"] == {"kind": "non-saturating"}
    assert set(written) == {
        "data", "protocol", "gan", "synth", "classifier", "classify", "fidelity", "report", "gate", "device", "jobs",
        "cluster",
    }  # fmt: skip


def test_settings_and_command_line_import_no_torch() -> None:
    modules, heavy = ("cli", "config", "stages.report"), {"torch", "torchvision"}
    code = f"import sys\nfor one in {modules}: __import__(f'ganaug.{{one}}'); print(one, *({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(modules)


@pytest.mark.parametrize("name", [name for name, filler in FILLERS.items() if filler.per_class])
def test_a_gan_without_labels_leaves_nothing_to_make_by_class(name: str) -> None:
    with refused(f"classify.arms: {name} needs images of a class", "gan.conditioning is none"):
        config.check({"gan": {"conditioning": "none"}, "classify": {"arms": ["none", f"{name}+classical"]}})
