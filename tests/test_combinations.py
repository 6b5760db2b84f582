"""What goes together: pair by pair, and each rule; whatever is refused is one line with a hint."""

import re
from itertools import combinations as pairs
from typing import Any, get_args

import pytest

from ganaug import config
from ganaug.errors import UserError
from ganaug.gan.architectures import Architecture
from ganaug.gan.combinations import check
from ganaug.gan.objectives import Objective, Relativistic
from ganaug.gan.presets import PRESETS
from ganaug.gan.regularisers import Regulariser
from ganaug.gan.spec import GanSpec

OBJECTIVES = [kind().kind for kind in get_args(get_args(Objective)[0])]
ARCHITECTURES = [kind().kind for kind in get_args(get_args(Architecture)[0])]
REGULARISERS = [kind().kind for kind in get_args(get_args(Regulariser)[0])]

# By hand: what the members themselves must say.
APART = {
    ("r1", "wasserstein-gp"),
    ("r1", "relativistic"),
    ("r2", "wasserstein-gp"),
    ("r2", "relativistic"),
    ("one-centred", "wasserstein"),
    ("one-centred", "wasserstein-gp"),
    ("one-centred", "relativistic"),
    ("lecam", "relativistic"),
    ("spectral-norm", "wasserstein"),
    ("minibatch-discrimination", "wasserstein-gp"),
    ("minibatch-discrimination", "relativistic"),
    ("label-smoothing", "wasserstein"),
    ("label-smoothing", "wasserstein-gp"),
    ("label-smoothing", "hinge"),
    ("label-smoothing", "relativistic"),
}


def gan(**changes: Any) -> dict[str, Any]:
    """``gan:`` of params.yaml: compact and without a regulariser, unless said otherwise."""
    return {"regularisers": [], **changes}


def kinds(*names: str) -> list[dict[str, str]]:
    return [{"kind": name} for name in names]


def settle(values: dict[str, Any]) -> GanSpec:
    around = {  # what a translator needs; nothing to others
        "classify": {"arms": ["none"]},
        "data": {"source": {"kind": "digits"}, "rendered": {"kinds": [{"kind": "blur"}]}},
    }
    return config.check({"gan": values, **around}).gan


def unchecked(values: dict[str, Any]) -> GanSpec:
    """The spec alone, as whoever builds it in Python has it."""
    import json

    from pydantic import TypeAdapter

    return TypeAdapter(GanSpec).validate_json(json.dumps(values), strict=True)


def refused(values: dict[str, Any], key: str, *parts: str) -> None:
    """Both ways in: one line that names the key and says what was given and a hint."""
    for begin, way in (("gan.", lambda: check(unchecked(values))), ("params.yaml: gan.", lambda: settle(values))):
        with pytest.raises(UserError) as caught:
            way()
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(f"{begin}{key}: ")
        assert re.search(r"(; |, or )(remove|set|choose) ", message), message
        for part in parts:
            assert part in message


def accepted(values: dict[str, Any]) -> None:
    check(unchecked(values))
    settle(values)


# --------------------------------------------------------------------------------------------------------- the table


def test_what_a_regulariser_refuses_does_not_depend_on_settings() -> None:
    """Relativistic without its penalty is still refused: its own setting is the way to have one."""
    for one in get_args(get_args(Regulariser)[0]):
        assert one().refuses(Relativistic(gamma=0.0)) == one().refuses(Relativistic())


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("regulariser", REGULARISERS)
def test_the_table_is_kept(regulariser: str, objective: str) -> None:
    values = gan(objective={"kind": objective}, regularisers=kinds(regulariser))
    if (regulariser, objective) in APART:
        fitting = ", ".join(other for other in OBJECTIVES if (regulariser, other) not in APART)
        refused(values, "regularisers", f"{regulariser} goes with the objectives {fitting}, got {objective}, ")
    else:
        accepted(values)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_goes_without_a_regulariser(objective: str) -> None:
    accepted(gan(objective={"kind": objective}))


@pytest.mark.parametrize(("one", "other"), list(pairs(REGULARISERS, 2)))
def test_two_regularisers_go_together_unless_their_slopes_or_logits_clash(one: str, other: str) -> None:
    """Least squares goes with each of them alone."""
    values = gan(objective={"kind": "least-squares"}, regularisers=kinds(one, other))
    pair, slopes = {one, other}, {"r1", "r2", "one-centred"}
    if pair in ({"r1", "one-centred"}, {"r2", "one-centred"}):
        refused(values, "regularisers", "must hold gradient norms at one value", f"{one} and {other}")
        return
    if "minibatch-discrimination" in pair and pair & slopes:
        refused(values, "regularisers", "depend on one image alone", *pair)
    else:
        accepted(values)


@pytest.mark.parametrize("kind", REGULARISERS)
def test_a_regulariser_is_named_once(kind: str) -> None:
    values = gan(objective={"kind": "least-squares"}, regularisers=kinds(kind, kind))
    refused(values, "regularisers", f"must name each kind once, got {kind} 2 times")


# ---------------------------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize(
    ("objective", "regularisers", "slopes"),
    [
        ({"kind": "hinge"}, [], None),
        ({"kind": "hinge"}, kinds("r1"), "r1"),
        ({"kind": "hinge"}, kinds("r2"), "r2"),
        ({"kind": "hinge"}, kinds("one-centred"), "one-centred"),
        ({"kind": "wasserstein"}, [], None),
        ({"kind": "wasserstein-gp"}, [], "one-centred"),
        ({"kind": "relativistic"}, [], "r1"),
        ({"kind": "relativistic", "gamma": 0.0}, [], None),
    ],
)
def test_batch_normalisation_in_the_discriminator_and_slopes_of_single_images(
    objective: dict[str, Any], regularisers: list[dict[str, str]], slopes: str | None, batch_norm: bool
) -> None:
    architecture = {"kind": "dcgan", "batch_norm": batch_norm}
    values = gan(objective=objective, regularisers=regularisers, architecture=architecture)
    if slopes and batch_norm:
        refused(values, "architecture", f"{slopes} needs", "got batch_norm: true; set it to false")
    else:
        accepted(values)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_spectral_norm_needs_weights_that_are_not_zero(architecture: str) -> None:
    values = gan(regularisers=kinds("spectral-norm"), architecture={"kind": architecture})
    if architecture == "r3gan":
        refused(values, "regularisers", "spectral-norm", "got r3gan")
    else:
        accepted(values)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_ada_needs_logits_with_a_sign(objective: str) -> None:
    values = gan(objective={"kind": objective}, ada={})
    if objective in ("wasserstein", "wasserstein-gp", "relativistic"):
        refused(values, "ada", f"means nothing under {objective}")
    else:
        accepted(values)


def test_ada_needs_a_distortion() -> None:
    refused(gan(ada={}, augment={"shift": 0.0}), "ada", "no distortion above 0")
    accepted(gan(ada={}, augment={"shift": 0.0, "cutout": 0.5}))
    accepted(gan(ada={}, augment={"shift": 0.0, "flip": True}))


@pytest.mark.parametrize("conditioning", ["none", "concat", "projection", "auxiliary"])
def test_what_needs_labels(conditioning: str) -> None:
    ramp = gan(conditioning=conditioning, ramp={})
    select = gan(conditioning=conditioning, select="gan-train", held_out=0.2)
    if conditioning == "none":
        refused(ramp, "ramp", "gan.conditioning is none")
        refused(select, "select", "gan.conditioning is none")
    else:
        accepted(ramp)
        accepted(select)


def test_selecting_needs_images_that_the_gan_has_not_seen() -> None:
    refused(gan(select="gan-train"), "select", "got held_out: 0; set gan.held_out")
    accepted(gan(select="last", held_out=0.0))


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [
        ("architecture", {"kind": "dcgan"}, '"dcgan"'),
        ("conditioning", "concat", '"concat"'),
        ("latents", {"kind": "codes"}, '"codes"'),
        ("ramp", {}, "Ramp"),
        ("held_out", 0.2, "0.2"),
        ("init_from", "a.safetensors", "a.safetensors"),
    ],
)
def test_what_a_translator_has_no_use_for(key: str, value: Any, got: str) -> None:
    refused(gan(translate={}, **{key: value}), key, "a translator", got)
    accepted(gan(translate={}))


def test_what_a_translator_needs() -> None:
    refused(gan(translate={}, regularisers=kinds("minibatch-discrimination")), "regularisers", "patches")
    refused(gan(translate={"back": "none"}), "translate.contrast", "no way back, got 0; set it to 1")
    accepted(gan(translate={"back": "none", "contrast": 1.0}))
    nothing = {"adversarial": 0.0, "cycle": 0.0, "recognition": 0.0}
    refused(gan(translate=nothing), "translate.adversarial", "got 0; set it to 1")
    accepted(gan(translate={**nothing, "cycle": 1.0}))
    pairs = {"pairs": {"downscale": 2}, "adversarial": 0.0}
    refused(gan(translate={**pairs, "reconstruction": 0.0}), "translate.adversarial", "got 0")
    accepted(gan(translate=pairs))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_goes_together(name: str) -> None:
    accepted_spec = settle({"preset": name})
    check(accepted_spec)
    assert accepted_spec.preset == name


def test_a_training_refuses_what_does_not_go_together() -> None:
    import numpy as np
    import torch

    from ganaug.gan.steps import Training

    spec = unchecked(gan(objective={"kind": "hinge"}, regularisers=kinds("label-smoothing")))
    with pytest.raises(UserError, match=r"gan\.regularisers: label-smoothing goes with"):
        Training(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64), 1, spec, 0, torch.device("cpu"))
