"""Which settings of a GAN go together: one table, a few rules, and one line for whatever does not."""

from __future__ import annotations

from ganaug.errors import UserError
from ganaug.gan.architectures import Dcgan, R3gan
from ganaug.gan.latents import Codes
from ganaug.gan.objectives import LeastSquares, Minimax, NonSaturating, Relativistic, Wasserstein, WassersteinGP
from ganaug.gan.regularisers import MinibatchDiscrimination, OneCentred, SpectralNorm
from ganaug.gan.spec import GanSpec

_ALL = ("minimax", "non-saturating", "least-squares", "wasserstein", "wasserstein-gp", "hinge", "relativistic")
_TARGETS = (Minimax().kind, NonSaturating().kind, LeastSquares().kind)


def _but(*left_out: str) -> tuple[str, ...]:
    return tuple(kind for kind in _ALL if kind not in left_out)


_CLIP, _GP, _PAIRS = Wasserstein().kind, WassersteinGP().kind, Relativistic().kind

# regulariser -> (the objectives that it goes with, why not with the others)
GOES_WITH: dict[str, tuple[tuple[str, ...], str]] = {
    "r1": (_but(_GP, _PAIRS), "wasserstein-gp holds slopes at 1, not 0, and relativistic has it built in (its gamma)"),
    "r2": (_but(_GP, _PAIRS), "wasserstein-gp holds slopes at 1, not 0, and relativistic has it built in (its gamma)"),
    "one-centred": (
        _but(_CLIP, _GP, _PAIRS),
        "wasserstein-gp has it built in, wasserstein clips instead, and relativistic holds slopes at 0, not 1",
    ),
    "lecam": (_but(_PAIRS), "relativistic compares logits, which have no level of their own"),
    "spectral-norm": (_but(_CLIP), "wasserstein clips the weights that it would rescale"),
    "minibatch-discrimination": (_but(_GP, _PAIRS), "their penalties need logits that depend on one image alone"),
    "label-smoothing": (_TARGETS, "only these have a target for real images that can be softened"),
}


def check(spec: GanSpec) -> None:
    """Refuse, in one line, what does not go together."""
    kinds = [one.kind for one in spec.regularisers]
    objective = spec.objective.kind
    for kind in kinds:
        fitting, why = GOES_WITH[kind]
        if kinds.count(kind) > 1:
            _refuse("regularisers", f"must name each kind once, got {kind} {kinds.count(kind)} times; remove one")
        if objective not in fitting:
            _refuse(
                "regularisers",
                f"{kind} goes with the objectives {', '.join(fitting)}, got {objective} ({why}); remove it "
                "(gan.regularisers: [] has none) or choose one of those",
            )
    slopes = [one.kind for one in (*spec.regularisers, *spec.objective.built_in()) if one.slopes]
    if OneCentred().kind in slopes and len(slopes) > 1:
        _refuse("regularisers", f"must hold slopes at one value, got {' and '.join(slopes)}; remove one")
    if slopes and MinibatchDiscrimination().kind in kinds:
        _refuse(
            "regularisers",
            f"{slopes[0]} needs logits that depend on one image alone, got minibatch-discrimination beside it; remove "
            "one",
        )
    if slopes and isinstance(spec.architecture, Dcgan) and spec.architecture.batch_norm:
        _refuse(
            "architecture",
            f"{slopes[0]} needs logits that depend on one image alone, but batch normalisation in dcgan's D mixes "
            "them, got batch_norm: true; set it to false",
        )
    if isinstance(spec.latents, Codes) and spec.z_dim < 3:
        _refuse(
            "z_dim", f"must be at least 3 for latents of kind codes, which choose by three numbers, got {spec.z_dim}"
        )
    if SpectralNorm().kind in kinds and isinstance(spec.architecture, R3gan):
        _refuse(
            "regularisers",
            "spectral-norm divides weights by their norm, got r3gan, whose blocks start with weights of 0; set "
            "regularisers to [], or choose another architecture",
        )
    if spec.ramp and spec.conditioning == "none":
        _refuse("ramp", "brings labels in, but gan.conditioning is none; remove one of them")
    if spec.ada and spec.objective.boundary is None:
        _refuse("ada", f"follows the sign of D's logits, which means nothing under {objective}; remove it")
    if spec.ada and spec.augment.does_nothing:
        _refuse("ada", "steers gan.augment, which has no distortion above 0; set one, such as shift: 0.125")
    if spec.select == "gan-train" and not spec.held_out:
        _refuse(
            "select",
            "gan-train judges checkpoints by images that the GAN has not seen, got held_out: 0; set gan.held_out to "
            "0.2, or select to last",
        )
    if spec.select == "gan-train" and spec.conditioning == "none":
        _refuse("select", "gan-train needs images of a class, but gan.conditioning is none; set it to last")


def _refuse(key: str, reason: str) -> None:
    raise UserError(f"gan.{key}: {reason}")
