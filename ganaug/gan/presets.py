"""Presets: the published GANs by name. ``gan: {preset: wgan-gp}`` takes a preset's values; other keys change them.

Values are the sources' own where they give them, but for these: ``gan`` and ``cgan`` use DCGAN's Adam instead of
gradient descent with momentum; latents are normal, not uniform; and ``wgan``, ``wgan-gp``, ``sngan-projection`` and
``r3gan`` have higher rates or smaller batches, the last three fewer channels too. Theirs are for GPUs and 50,000
images: their names promised what they could not do on a small set and a CPU (docs/experiments.md). GANs published
without labels take them by concatenation, as CGAN gave them to the original GAN. Only ``default`` augments what the
discriminator sees: the others were published for large sets; add ``augment`` for smaller ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganaug.errors import UserError, quoted


@dataclass(frozen=True)
class Preset:
    """``values`` as ``gan:`` in params.yaml would have them.

    ``needs``: seconds of one core and real images seen, until a classifier that learned its images alone is right on
    70 % of real ones, with 100 digits per class (benchmarks/zoo_time.py, docs/zoo.md).
    """

    source: str
    line: str  # what it is
    values: dict[str, Any]
    needs: tuple[int, int] | None = None


_PLAIN = {  # what the publications have in common
    "regularisers": [],
    "conditioning": "concat",
    "augment": {"shift": 0.0},
    "optimizer": "adam",
    "generator_lr": 2e-4,
    "discriminator_lr": 2e-4,
    "ema_half_life_images": 0,
}
_DCGAN = {
    **_PLAIN,
    "architecture": {"kind": "dcgan"},
    "objective": {"kind": "non-saturating"},
    "batch_size": 128,
    "z_dim": 100,
    "generator_width": 64,
    "discriminator_width": 64,
    "beta1": 0.5,
    "beta2": 0.999,
}
_MLP = {
    **_DCGAN,
    "architecture": {"kind": "mlp"},
    "batch_size": 100,
    "generator_width": 1200,
    "discriminator_width": 240,
}
_RESNET = {
    **_PLAIN,
    "architecture": {"kind": "resnet"},
    "discriminator_steps": 5,
    "batch_size": 64,
    "z_dim": 128,
    "generator_width": 32,
    "discriminator_width": 32,
    "beta1": 0.0,
    "beta2": 0.9,
}

PRESETS: dict[str, Preset] = {
    "default": Preset(
        "ganaug, measured on tuning draws",
        "for few images: compact networks, projection, non-saturating with lazy R1, DiffAugment",
        {},
        needs=(10, 15_744),
    ),
    "gan": Preset(
        "Goodfellow 2014, arXiv 1406.2661",
        "the original: dense layers, maxout and dropout in D, non-saturating; labels by concatenation",
        _MLP,
        needs=(80, 191_300),
    ),
    "dcgan": Preset(
        "Radford 2016, arXiv 1511.06434",
        "strided convolutions and batch normalisation; labels by concatenation",
        _DCGAN,
        needs=(10, 55_936),
    ),
    "cgan": Preset(
        "Mirza and Osindero 2014, arXiv 1411.1784",
        "the original GAN with the label as an input of both networks, through a first layer of its own",
        {**_MLP, "architecture": {"kind": "mlp", "label_share": 0.83}},
        needs=(150, 416_500),
    ),
    "acgan": Preset(
        "Odena 2017, arXiv 1610.09585",
        "DCGAN whose discriminator also says the class",
        {**_DCGAN, "conditioning": "auxiliary", "batch_size": 100},
        needs=(10, 57_900),
    ),
    "wgan": Preset(
        "Arjovsky 2017, arXiv 1701.07875",
        "Wasserstein critic, weights clipped, five D steps, RMSprop; labels by concatenation; 5 times their rates",
        {
            **_DCGAN,
            "objective": {"kind": "wasserstein"},
            "discriminator_steps": 5,
            "batch_size": 64,
            "optimizer": "rmsprop",
            "generator_lr": 2.5e-4,
            "discriminator_lr": 2.5e-4,
            "beta2": 0.99,
        },
        needs=(20, 141_120),
    ),
    "wgan-gp": Preset(
        "Gulrajani 2017, arXiv 1704.00028",
        "Wasserstein critic, gradient penalty, five D steps, residual; 32 channels (theirs 128), 5 times their rates",
        {
            **_RESNET,
            "objective": {"kind": "wasserstein-gp"},
            "generator_lr": 5e-4,
            "discriminator_lr": 5e-4,
        },
        needs=(20, 24_320),
    ),
    "lsgan": Preset(
        "Mao 2017, arXiv 1611.04076",
        "DCGAN with least squares instead of cross-entropy; labels by concatenation",
        {**_DCGAN, "objective": {"kind": "least-squares"}, "batch_size": 64},
        needs=(10, 42_304),
    ),
    "sngan-projection": Preset(
        "Miyato and Koyama 2018, arXiv 1802.05637",
        "residual, spectral norm, hinge, projection, five D steps; 32 channels (theirs 256), 5 times their rates",
        {
            **_RESNET,
            "objective": {"kind": "hinge"},
            "regularisers": [{"kind": "spectral-norm"}],
            "conditioning": "projection",
            "generator_lr": 1e-3,  # Miyato 2018, table 1, settings D to F
            "discriminator_lr": 1e-3,
            "rate": "linear",
        },
        needs=(80, 195_200),
    ),
    "r3gan": Preset(
        "Huang 2024, arXiv 2501.05441",
        "relativistic pairing, R1 and R2, residual without norms; 32 channels (theirs 128), batches of 64 (theirs 512)",
        {
            **_PLAIN,
            "architecture": {"kind": "r3gan"},
            "objective": {"kind": "relativistic", "gamma": 0.05},
            "conditioning": "projection",
            "batch_size": 64,
            "z_dim": 64,
            "generator_width": 32,
            "discriminator_width": 32,
            "beta1": 0.0,
            "beta2": 0.99,
            "rate": "cosine",
            "ema_half_life_images": 500_000,
        },
        needs=(80, 25_280),
    ),
}

_TRANSLATOR = {  # what the publications have in common; ours are smaller: see docs/architecture.md
    "regularisers": [],
    "augment": {"shift": 0.0},
    "optimizer": "adam",
    "generator_width": 64,
    "discriminator_width": 64,
    "ema_half_life_images": 0,
}
_CYCLEGAN = {
    **_TRANSLATOR,
    "objective": {"kind": "least-squares"},
    "batch_size": 2,
    "generator_lr": 2e-4,
    "discriminator_lr": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "rate": "late-linear",
}
# Those have one translation per image, one discriminator per way that sees no class, and no classifier.
_ONE_TO_ONE = {"noise": 0, "diversity": 0.0, "recognition": 0.0, "by_class": False}

PRESETS |= {
    "translate": Preset(
        "ganaug, measured on tuning draws",
        "from one condition to another, for few images: patches of 22 pixels, a light way back, noise",
        {
            "objective": {"kind": "hinge"},
            "regularisers": [{"kind": "spectral-norm"}],
            "steps": 1500,
            "batch_size": 16,
            "generator_width": 24,
            "discriminator_width": 24,
            "generator_lr": 1e-3,
            "discriminator_lr": 1.5e-3,
            "beta1": 0.5,
            "rate": "late-linear",
            "ema_half_life_images": 1000.0,
            "translate": {},
        },
    ),
    "cyclegan": Preset(
        "Zhu 2017, arXiv 1703.10593",
        "two translators and two discriminators, there and back, least squares; batches of 2 instead of 1",
        {
            **_CYCLEGAN,
            # Twice, since least squares here has the half of Mao 2017 that theirs leaves out for G.
            "translate": {
                **_ONE_TO_ONE,
                "back": "two-way",
                "adversarial": 2.0,
                "cycle": 10.0,
                "identity": 5.0,
                "blocks": 9,
                "strides": 3,
            },
        },
    ),
    "stargan": Preset(
        "Choi 2018, arXiv 1711.09020",
        "one translator for all conditions, its own way back, WGAN-GP; an output of D per condition (as StarGAN v2)",
        {
            **_TRANSLATOR,
            "objective": {"kind": "wasserstein-gp"},
            "discriminator_steps": 5,
            "batch_size": 16,
            "generator_lr": 1e-4,
            "discriminator_lr": 1e-4,
            "beta1": 0.5,
            "beta2": 0.999,
            "rate": "late-linear",
            "translate": {**_ONE_TO_ONE, "back": "same", "cycle": 10.0, "identity": 0.0, "blocks": 6},
        },
    ),
    "cut": Preset(
        "Park 2020, arXiv 2007.15651",
        "one way: contrast of patches instead of a cycle, least squares; batches of 2 instead of 1",
        {
            **_CYCLEGAN,
            "translate": {
                **_ONE_TO_ONE,
                "back": "none",
                "adversarial": 2.0,
                "contrast": 1.0,
                "identity": 1.0,
                "blocks": 9,
                "strides": 3,
            },
        },
    ),
    "srgan": Preset(
        "Ledig 2017, arXiv 1609.04802",
        "super-resolution from pairs: adversarial, and L1 of pixels in the place of VGG's features",
        {
            **_TRANSLATOR,
            "objective": {"kind": "non-saturating"},
            "batch_size": 16,
            "generator_lr": 1e-4,
            "discriminator_lr": 1e-4,
            "beta1": 0.9,
            "beta2": 0.999,
            "rate": "constant",
            "translate": {
                **_ONE_TO_ONE,
                "pairs": {"downscale": 4},
                "adversarial": 1e-3,
                "reconstruction": 1.0,
                "blocks": 16,
            },
        },
    ),
}

_ONE_OF = {"pairs"}  # groups of which a single setting is set

OF_CLASSES = [name for name, preset in PRESETS.items() if "translate" not in preset.values]  # the others move images


def expand(gan: Mapping[str, Any]) -> dict[str, Any]:
    """``gan:`` of params.yaml over the values of its preset. Raises UserError if there is no such preset."""
    name = gan.get("preset", "default")
    if not isinstance(name, str) or name not in PRESETS:
        raise UserError(
            f'gan.preset: must be one of {", ".join(PRESETS)}, got {quoted(name)}; "ganaug presets" says what each is'
        )
    return _over(PRESETS[name].values, gan)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` wins. Two groups are merged, unless they are of different kinds, or say which of several it is."""
    joined = dict(below)
    for key, value in above.items():
        old = below.get(key)
        groups = isinstance(old, Mapping) and isinstance(value, Mapping) and key not in _ONE_OF
        if groups and value.get("kind", old.get("kind")) == old.get("kind"):  # type: ignore[union-attr]
            joined[key] = _over(old, value)  # type: ignore[arg-type]
        else:
            joined[key] = value
    return joined
