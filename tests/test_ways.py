"""The ways to train: losses by hand, what each starts from, and that nothing else of an arm changes."""

import copy
import dataclasses
import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from safetensors.torch import load_file
from stages import TINY_GAN, run
from torch import nn

from ganaug import config
from ganaug.classify.arms import ARMS, ClassifySpec, Parts, arm, gain_pairs
from ganaug.classify.filler import Filler
from ganaug.classify.fillers import FILLERS
from ganaug.classify.fitting import train_classifier
from ganaug.classify.losses import consistency, cut_out, real_or_fake, unnoticed
from ganaug.classify.policies import Nothing, TrivialAugment
from ganaug.classify.spec import ClassifierSpec
from ganaug.classify.way import Lesson
from ganaug.classify.ways import WAYS, FixMatch, FromRotation, FromUntrained, Sgan
from ganaug.gan.build import build_generator
from ganaug.pixels import to_float
from ganaug.report.groups import about, grouped
from ganaug.stages.classifiers import fit
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import SplitOf
from ganaug.start.dvc import dvc_yaml

every = pytest.mark.parametrize("kind", list(WAYS))
CLASSES, CPU = 3, torch.device("cpu")
SPEC = ClassifierSpec(width=4, steps=3, batch_size=8)
RNG = np.random.default_rng(0)
REAL = (RNG.integers(0, 256, (12, 8, 8, 1), np.uint8), np.arange(12) % CLASSES)
UNLABELLED = RNG.integers(0, 256, (10, 8, 8, 1), np.uint8)


class Body(nn.Module):
    """What a discriminator's body is to a way."""

    features = 5

    def __init__(self, trained: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(64, self.features)
        if trained:
            nn.init.constant_(self.layer.weight, 0.25)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.layer(images.flatten(1)).tanh()
        return features


def lesson(way: Any, unlabelled: np.ndarray = UNLABELLED, **changes: Any) -> Lesson:
    gan = config.check({"gan": {**TINY_GAN, "conditioning": "none"}, "classify": {"arms": ["none"]}}).gan
    given: dict[str, Any] = {
        "spec": SPEC, "real": REAL, "unlabelled": unlabelled, "classical": TrivialAugment(),
        "shape": (1, 8, 8), "classes": CLASSES, "seed": 4, "device": CPU,
        "generator": partial(build_generator, gan, 1, (1, 8, 8)), "body": Body,
    }  # fmt: skip
    return Lesson(way, **given | changes)


def draw(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = to_float(torch.from_numpy(REAL[0].transpose(0, 3, 1, 2).copy()))
    return images[step : step + 8], torch.from_numpy(REAL[1])[step : step + 8]


def trained(way: Any, **changes: Any) -> dict[str, torch.Tensor]:
    one = lesson(way, **changes)
    weights: dict[str, torch.Tensor] = train_classifier(draw, SPEC, 1, CLASSES, 8, 4, CPU, lesson=one).state_dict()
    return weights


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in {*one, *other})


# --------------------------------------------------------------------------------------------------------- every way

KEYS: Any = SimpleNamespace(unlabelled_digest="images", train_key="gan", untrained={"z_dim": 2})


@every
def test_what_a_way_says_of_itself(kind: str) -> None:
    way = WAYS[kind]()
    assert way.kind == kind
    assert re.fullmatch(r"[a-z].*[^.]", way.about)
    assert way.unlabelled in ("", "used", "needed")
    assert way.effort > 0
    assert kind not in {*FILLERS, "classical", "masked", "none"}
    assert {*way.rivals} <= {*FILLERS, *WAYS} - {kind}
    assert json.loads(json.dumps(way.depends_on(KEYS))) == way.depends_on(KEYS)
    assert way.about in about(f"gan+{kind}+classical", "affine")


@every
def test_a_training_is_the_same_whatever_was_drawn_before(kind: str) -> None:
    """So for any number of processes: each training is alone in one, or comes after others."""
    before = [REAL[0].copy(), UNLABELLED.copy()]
    first = trained(WAYS[kind](**({"rotation_times": 0.7} if kind == "from-rotation" else {})))
    torch.manual_seed(77)
    np.random.seed(5)  # noqa: NPY002 (the global state, which must not matter)
    state = torch.get_rng_state()
    again = trained(WAYS[kind](**({"rotation_times": 0.7} if kind == "from-rotation" else {})))
    assert same(first, again)
    assert torch.equal(state, torch.get_rng_state())
    assert all(value.isfinite().all() for value in first.values())
    assert (REAL[0] == before[0]).all()
    assert (before[1] == UNLABELLED).all()


@every
def test_images_without_labels_count_where_a_way_says_so(kind: str) -> None:
    way = WAYS[kind](**({"threshold": 0} if kind == "fixmatch" else {}))
    way = dataclasses.replace(way, rotation_times=0.7) if kind == "from-rotation" else way
    differs = not same(trained(way), trained(way, unlabelled=UNLABELLED[::-1].copy()))
    assert differs == bool(way.unlabelled)
    assert (way.depends_on(KEYS) is not None and "images" in way.depends_on(KEYS)) == bool(way.unlabelled)
    if way.unlabelled != "needed":
        assert trained(way, unlabelled=UNLABELLED[:0])


# ------------------------------------------------------------------------------------------------------------ losses


def test_fixmatch_counts_what_it_is_sure_of() -> None:
    """Of three images the first two are sure: of class 0 with 0.9, of class 1 with exactly 0.8."""
    said = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]).log().requires_grad_()
    asked = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]).log().requires_grad_()
    found = consistency(said, asked, 0.79)
    assert float(found.detach()) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 3, rel=1e-6)
    found.backward()
    assert said.grad is None  # what it said is no variable
    assert asked.grad is not None
    assert not asked.grad[2].any()
    assert consistency(said, asked, 0.95) == 0
    assert float(consistency(said, asked, 0).detach()) == pytest.approx(-np.log([0.5, 0.75, 0.1]).sum() / 3, rel=1e-6)


def test_fixmatchs_weight_and_both_of_its_images() -> None:
    """A model of fixed logits by the images' mean: the loss of what begin() draws, by hand."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES)).eval()
    way = FixMatch(threshold=0, shift=0, cutout=0, ratio=1.5)
    plain = lesson(way, classical=Nothing())
    seen: list[torch.Tensor] = []
    model[0].register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0]))
    more = way.begin(model, plain)
    assert more is not None
    first = float(more(0).detach())
    assert [len(images) for images in seen] == [12, 12]
    assert torch.equal(seen[0], seen[1])  # undistorted on both sides
    expected = consistency(model(seen[0]), model(seen[0]), 0)
    assert first == pytest.approx(float(expected.detach()), rel=1e-6)
    three = dataclasses.replace(way, weight=3).begin(model, plain)
    assert three is not None
    assert float(three(0).detach()) == pytest.approx(3 * first, rel=1e-6)
    seen.clear()
    distorted = dataclasses.replace(way, cutout=1).begin(model, plain)
    assert distorted is not None
    distorted(0)
    changed = seen[0] != seen[1]
    assert changed.any()
    assert (seen[1][changed] == 0).all()


def test_real_or_fake_by_hand() -> None:
    """D = Z / (Z + 1), Z the sum of exp: 2/3 of real logits (0, 0), 3/4 and 4/5 of fake ones."""
    real = torch.zeros(1, 2)
    fake = torch.tensor([[1.0, 2.0], [1.5, 2.5]]).log()
    expected = -np.log(2 / 3) - (np.log(1 - 3 / 4) + np.log(1 - 4 / 5)) / 2
    assert float(real_or_fake(real, fake)) == pytest.approx(expected, rel=1e-6)


def test_the_generator_of_sgan_learns_to_match_features() -> None:
    """A model that looks at the mean pixel: fakes come nearer to the images' one, and the model's weights stay."""
    model = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(1, CLASSES))
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(0)
    bright = np.full_like(UNLABELLED, 250)
    generators = []
    one = lesson(Sgan(generator_lr=0.01), unlabelled=bright)
    make = one.generator
    one = dataclasses.replace(one, generator=lambda: generators.append(make()) or generators[-1])  # type: ignore[func-returns-value]
    more = one.way.begin(model, one)
    assert more is not None

    def brightness() -> float:
        latents = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            return float(generators[0](latents, torch.zeros(64, dtype=torch.int64)).mean())

    start = brightness()
    for step in range(30):
        more(step)
    assert brightness() > start + 0.2
    assert same(before, model.state_dict())


def test_fakes_leave_no_trace_in_batch_normalisation() -> None:
    norm = nn.BatchNorm2d(1)
    with unnoticed(nn.Sequential(norm)):
        norm(torch.randn(4, 1, 2, 2))
    assert float(norm.running_mean) == 0  # type: ignore[arg-type]
    assert norm.momentum == 0.1


def test_a_square_is_cut_out() -> None:
    torch.manual_seed(3)
    images = torch.ones(200, 2, 8, 8)
    made = cut_out(images, 0.5)
    assert set(made.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(made[:, 0], made[:, 1])
    gone = made[:, 0] == 0
    assert int(gone.any(dim=1).sum(dim=1).max()) == 4  # a half of the side
    assert torch.equal(gone, gone.any(dim=1)[:, None] & gone.any(dim=2)[:, :, None])
    assert torch.equal(cut_out(images, 0), images)


# ------------------------------------------------------------------------------------------ what a training starts from


def first_layer(way: Any) -> torch.Tensor:
    return trained(way)["0.layer.weight"]


def test_from_discriminator_starts_from_what_it_learned_and_its_controls_do_not() -> None:
    kept = first_layer(WAYS["from-discriminator"](body_lr=0))
    assert (kept == 0.25).all()
    untrained, rotated = first_layer(FromUntrained(body_lr=0)), first_layer(FromRotation(body_lr=0, rotation_times=0.7))
    assert (untrained != 0.25).all()
    assert (rotated != 0.25).all()
    assert (first_layer(WAYS["from-discriminator"]()) != 0.25).any()  # it learns on
    turning = lesson(FromRotation(rotation_times=0.7))
    torch.manual_seed(4)
    model = turning.way.network(turning)
    assert [type(one) for one in model.children()] == [Body, nn.Linear]
    assert model[1].out_features == CLASSES  # type: ignore[index]


def project(root: Path, **changes: Any) -> Project:
    raw = {
        "data": {"source": {"kind": "digits"}},
        "protocol": {"kind": "subsets", "trials": 1, "train_per_class": 2, "test_per_class": 2},
        "gan": {**TINY_GAN, "conditioning": "concat"},
        "synth": {"per_class": 2},
        "classifier": {"steps": 2, "width": 4, "batch_size": 8},
        "classify": {"arms": ["classical", "from-discriminator", "sgan+classical"], "curve": []},
        "fidelity": {"enabled": False},
        "device": "cpu",
        "jobs": 1,
    }
    return Project(root, config.check({**raw, **changes}))


def test_the_discriminator_is_that_of_the_trials_checkpoint(tmp_path: Path) -> None:
    made = project(tmp_path)
    run(made, "prepare", "train", split="0")
    split = SplitOf(made, "0")
    part = split.prepared.part(split.rows.train)
    frozen = ClassifySpec(ways=(WAYS["from-discriminator"](body_lr=0),))
    tensors = load_file(made.models / "0" / "checkpoint.safetensors")

    def body() -> dict[str, torch.Tensor]:
        model = fit(split, arm("from-discriminator", frozen), (part.images, part.labels), None, 0, CPU)
        return {name: one for name, one in model.state_dict().items() if name.startswith("0.")}

    theirs = {name.replace("discriminator", "0"): one for name, one in tensors.items() if "discriminator.body" in name}
    assert len(theirs) > 2
    assert same(body(), theirs)
    split = SplitOf(project(tmp_path, gan={**TINY_GAN, "steps": 3}), "0")
    with refused("checkpoint.safetensors", "the checkpoint of the split's GAN", "of other settings", '"ganaug train"'):
        body()
    (made.models / "0" / "checkpoint.safetensors").unlink()
    with refused("checkpoint.safetensors", 'run "ganaug train" (or "dvc repro")'):
        body()


# ------------------------------------------------------------------------------------------- settings, keys and gains


def test_settings_of_a_way_are_its_own(tmp_path: Path) -> None:
    def keys(**classify: Any) -> dict[str, str]:
        arms = ["none", "classical", "gan", "sgan", "longer", "from-untrained", "from-discriminator", "gan+longer"]
        made = project(tmp_path, classify={"arms": arms, "curve": [], **classify}, gan=gan)
        return {one.name: one.key for one in runs_of(SplitOf(made, "0"))}

    gan = TINY_GAN
    run(project(tmp_path), "prepare")
    first, other = keys(), keys(ways=[{"kind": "longer", "times": 2}])
    assert {name for name in first if first[name] != other[name]} == {"longer", "gan+longer"}
    assert len({*first.values()}) == len(first)
    gan = {**TINY_GAN, "steps": 3}
    assert {name for name, key in keys().items() if key != first[name]} == {"gan", "gan+longer", "from-discriminator"}
    gan = {**TINY_GAN, "generator_width": 8}
    assert {name for name, key in keys().items() if key == first[name]} == {"none", "classical", "longer"}


def test_bad_settings_are_refused() -> None:
    def check(*arms: str, **more: Any) -> None:
        classify = {"arms": list(arms), **more.pop("classify", {})}
        config.check({"data": {"source": {"kind": "digits"}}, "classify": classify, **more})

    with refused("classify.arms: fixmatch needs images without labels, but there are none; set data.unlabelled"):
        check("none", "gan+fixmatch+classical")
    check("sgan", "from-rotation")  # which use those that there are
    with refused("from-untrained trains the GAN's discriminator, and no classifier of your own", "mine.net:make"):
        check("from-untrained", classifier={"model": "mine.net:make"})
    unlabelled = {"protocol": {"kind": "subsets", "unlabelled_per_class": 5}}
    with refused("must be arms without fixmatch where classical is cutmix, which mixes images"):
        check("fixmatch", classify={"classical": {"kind": "cutmix"}}, **unlabelled)
    check("sgan+classical", "longer", classify={"classical": {"kind": "cutmix"}})
    with refused("must be ways that are set once each"):
        check("longer", classify={"ways": [{"kind": "longer"}, {"kind": "longer", "times": 2}]})
    with refused("classify.ways[0].kind: must be one of", 'got "fixmach"'):
        check("none", classify={"ways": [{"kind": "fixmach"}]})
    with refused("classify.ways[0].threshold: must be less than or equal to 1, got 2"):
        check("none", classify={"ways": [{"kind": "fixmatch", "threshold": 2}]})
    with refused("from-discriminator needs the discriminator of a GAN of classes, but gan.translate"):
        check("from-discriminator", gan={"preset": "srgan", "translate": {"pairs": {"downscale": 2}}})


def test_dvc_watches_the_discriminators_that_classifiers_start_from(tmp_path: Path) -> None:
    def classify(*arms: str) -> str:
        return dvc_yaml(project(tmp_path, classify={"arms": list(arms)}).settings).split("  classify:")[1]

    assert '- "models"' in classify("from-discriminator+classical").split("outs:")[0]
    assert "models" not in classify("from-untrained", "sgan").split("outs:")[0]


def test_where_ways_stand_in_names() -> None:
    assert Parts("gan", "classical", False, "sgan").name == "gan+sgan+classical"
    for name, parts in ARMS.items():
        assert name == parts.name
        if parts.way:
            filler: Filler | None = FILLERS[parts.filler] if parts.filler else None
            assert not parts.masked
            assert parts.policy in (None, "classical")
            assert not (filler and filler.cells)
            one = arm(name, ClassifySpec())
            assert (one.way.kind if one.way else None, one.base) == (parts.way, parts.policy or "none")


def test_gains_of_ways() -> None:
    def against(name: str, *arms: str) -> set[str]:
        return {other for one, other in gain_pairs((*arms, name)) if one == name}

    arms = (
        "none", "classical", "pseudo+classical", "gan+classical", "fixmatch+classical", "longer+classical",
        "placebo+fixmatch+classical", "from-untrained+classical", "fixmatch",
    )  # fmt: skip
    plain = {"none", "classical"}
    assert against("fixmatch+classical", *arms[:4], *arms[5:]) == {*plain, "pseudo+classical", "longer+classical"}
    assert against("gan+fixmatch+classical", *arms) == {
        *plain, "gan+classical", "fixmatch+classical", "placebo+fixmatch+classical",
    }  # fmt: skip
    assert against("from-discriminator+classical", *arms) == {*plain, "from-untrained+classical", "longer+classical"}
    assert against("pseudo+fixmatch+classical", *arms) == {*plain, "pseudo+classical", "fixmatch+classical"}
    assert against("gan+classical", *arms[:3], *arms[4:]) == {*arms} - {
        "gan+classical",
        "placebo+fixmatch+classical",
        "fixmatch",
    }


def test_gains_of_ways_have_a_question_of_their_own() -> None:
    gains = [
        "gan+classical_vs_fixmatch+classical",
        "gan+sgan_vs_sgan",
        "gan+sgan_vs_gan",
        "sgan_vs_none",
        "sgan_vs_pseudo",
    ]
    assert {group.title: group.gains for group in grouped(gains)} == {
        "Is it the GAN?": ("gan+classical_vs_fixmatch+classical",),
        "Does it help?": ("gan+sgan_vs_sgan",),
        "Is there a better way to train?": ("gan+sgan_vs_gan", "sgan_vs_none", "sgan_vs_pseudo"),
    }
