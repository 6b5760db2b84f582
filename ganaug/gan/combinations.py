"""Which settings of a GAN go together, and one line for whatever does not.

What a regulariser needs of an objective it says itself; here are the rules that involve several settings.
"""

from typing import NoReturn

from ganaug.errors import UserError, quoted
from ganaug.gan.latents import Codes
from ganaug.gan.objectives import OBJECTIVES
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import TranslateSpec


def check(spec: GanSpec) -> None:
    """Raises UserError if two settings exclude each other, or one needs another that is not there."""
    _check_regularisers(spec)
    if isinstance(spec.latents, Codes) and spec.z_dim < 3:
        _refuse(
            "z_dim", f"must be at least 3 for latents of kind codes, which choose by three numbers, got {spec.z_dim}"
        )
    if spec.ramp and spec.conditioning == "none":
        _refuse("ramp", "brings labels in, but gan.conditioning is none; remove one of them")
    if spec.ada and spec.objective.boundary is None:
        kind = spec.objective.kind
        _refuse("ada", f"follows the sign of D's logits, which means nothing under {kind}; remove it")
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
    if spec.translate is not None:
        _check_translator(spec, spec.translate)


def _check_translator(spec: GanSpec, terms: TranslateSpec) -> None:
    plain = GanSpec()
    for key, why in {
        "architecture": "a translator has networks of its own",
        "conditioning": "a translator is blind to the class",
        "latents": "a translator starts from images",
        "ramp": "a translator is blind to the class",
        "held_out": "a translator's checkpoints are not judged",
        "init_from": "a translator starts from untrained weights",
    }.items():
        if (value := getattr(spec, key)) != getattr(plain, key):
            _refuse(
                key,
                f"{why}, so this must be as it is by default, got {quoted(getattr(value, 'kind', value))}; remove it",
            )
    for one in spec.regularisers:
        if one.nearness:
            _refuse("regularisers", f"{one.kind} is of whole images, but a translator's D sees patches; remove it")
    if terms.pairs is None and terms.back == "none" and not terms.contrast:
        _refuse(
            "translate.contrast", "must be above 0 where there is no way back, got 0; set it to 1, or set back to light"
        )
    keeps = [terms.reconstruction] if terms.pairs else [terms.contrast, *_of_way_back(terms)]
    if not (terms.adversarial or any(keeps)):
        _refuse(
            "translate.adversarial", "must be above 0 where nothing else says what a translation is, got 0; set it to 1"
        )


def _of_way_back(terms: TranslateSpec) -> list[float]:
    return [terms.cycle, terms.recognition] if terms.back != "none" else []


def _check_regularisers(spec: GanSpec) -> None:
    kinds, objective, architecture = [one.kind for one in spec.regularisers], spec.objective, spec.architecture
    for one in spec.regularisers:
        if (times := kinds.count(one.kind)) > 1:
            _refuse("regularisers", f"must name each kind once, got {one.kind} {times} times; remove one")
        if why := one.refuses(objective):
            fitting = ", ".join(other.kind for other in OBJECTIVES if not one.refuses(other))
            _refuse(
                "regularisers",
                f"{one.kind} goes with the objectives {fitting}, got {objective.kind}, {why}; remove it "
                "(gan.regularisers: [] has none) or choose one of those",
            )
    penalties = [one for one in (*spec.regularisers, *objective.built_in()) if one.gradient_norm is not None]
    if len({one.gradient_norm for one in penalties}) > 1:
        names = " and ".join(one.kind for one in penalties)
        _refuse("regularisers", f"must hold gradient norms at one value, got {names}; remove one")
    if penalties:
        needs = f"{penalties[0].kind} needs logits that depend on one image alone"
        for one in spec.regularisers:
            if one.looks_at_batch:
                _refuse("regularisers", f"{needs}, got {one.kind} next to it; remove one")
        if architecture.mixes_batch:
            _refuse("architecture", f"{needs}, but {architecture.mixes_batch}")
    for one in spec.regularisers:
        if one.rescales and architecture.zero_weights:
            _refuse(
                "regularisers",
                f"{one.kind} divides weights by their norm, got {architecture.kind}, whose blocks start with weights "
                "of 0; set regularisers to [], or choose another architecture",
            )


def _refuse(key: str, reason: str) -> NoReturn:
    raise UserError(f"gan.{key}: {reason}")
