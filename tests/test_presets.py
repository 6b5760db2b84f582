"""Presets: each is what its source says, a user's key beats it, and groups are joined kind by kind."""

import json
from typing import Any

import pytest
import torch
from documented import REPOSITORY
from expect import refused

from ganaug import config
from ganaug.errors import UserError, quoted
from ganaug.gan.presets import PRESETS, expand
from ganaug.gan.regularisers import R1, R2, OneCentred, SpectralNorm
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import Pairs

# Copied from the sources, not from the code, but where it says ours: batch, latent, D's steps, rates, optimizer and its
# decays, G's and D's width, conditioning.
PUBLISHED: dict[str, dict[str, Any]] = {
    # Goodfellow 2014 and its pylearn2 configuration mnist.yaml: 1200 ReLU units, 240 maxout units of 5 pieces,
    # dropout one half, batches of 100, 100 latents. (It used momentum; Adam is what the successors took.)
    "gan": {"kinds": ("mlp", "non-saturating", "concat"), "batch_size": 100, "z_dim": 100, "widths": (1200, 240)},
    # Radford 2016, section 4: batches of 128, Adam at 0.0002 with a momentum of 0.5, 100 latents.
    "dcgan": {
        "kinds": ("dcgan", "non-saturating", "concat"),
        "batch_size": 128,
        "z_dim": 100,
        "lr": 2e-4,
        "betas": (0.5, 0.999),
        "optimizer": "adam",
        "rate": "constant",
        "widths": (64, 64),
    },
    # Mirza and Osindero 2014, section 4.1: batches of 100, 100 latents, 200 + 1000 units of G and 240 + 50 of D.
    "cgan": {"kinds": ("mlp", "non-saturating", "concat"), "batch_size": 100, "z_dim": 100, "widths": (1200, 240)},
    # Odena 2017, appendix A: batches of 100, Adam at 0.0002 with 0.5 and 0.999.
    "acgan": {
        "kinds": ("dcgan", "non-saturating", "auxiliary"),
        "batch_size": 100,
        "lr": 2e-4,
        "betas": (0.5, 0.999),
        "optimizer": "adam",
    },
    # Arjovsky 2017, algorithm 1: c 0.01, m 64, five steps of the critic, RMSprop; torch's decay of 0.99. Ours: rates
    # (theirs 0.00005).
    "wgan": {
        "kinds": ("dcgan", "wasserstein", "concat"),
        "batch_size": 64,
        "discriminator_steps": 5,
        "lr": 2.5e-4,
        "clip": 0.01,
        "optimizer": "rmsprop",
        "betas": (0.5, 0.99),
        "rate": "constant",
    },
    # Gulrajani 2017, algorithm 1 (lambda 10, five steps of the critic, 0 and 0.9); of its residual networks for CIFAR:
    # batches of 64, 128 latents. Ours: rates (theirs 0.0001) and channels (theirs 128).
    "wgan-gp": {
        "kinds": ("resnet", "wasserstein-gp", "concat"),
        "batch_size": 64,
        "z_dim": 128,
        "discriminator_steps": 5,
        "lr": 5e-4,
        "betas": (0.0, 0.9),
        "optimizer": "adam",
        "rate": "constant",
        "widths": (32, 32),
    },
    # Mao 2017, section 4: batches of 64, Adam with 0.5.
    "lsgan": {
        "kinds": ("dcgan", "least-squares", "concat"),
        "batch_size": 64,
        "lr": 2e-4,
        "betas": (0.5, 0.999),
        "optimizer": "adam",
    },
    # Miyato 2018, appendix B.4, and Miyato and Koyama 2018: rates decayed linearly, 0 and 0.9, five steps of D, batches
    # of 64. Ours: rates (theirs 0.0002; 0.001 in table 1 of Miyato 2018) and channels (theirs 256 of G and 128 of D).
    "sngan-projection": {
        "kinds": ("resnet", "hinge", "projection"),
        "batch_size": 64,
        "z_dim": 128,
        "discriminator_steps": 5,
        "lr": 1e-3,
        "betas": (0.0, 0.9),
        "optimizer": "adam",
        "rate": "linear",
        "widths": (32, 32),
    },
    # Huang 2024, appendix: 64 latents, 0.0002, gamma 0.05 on CIFAR-10. Ours: batches (theirs 512) and channels.
    "r3gan": {
        "kinds": ("r3gan", "relativistic", "projection"),
        "batch_size": 64,
        "widths": (32, 32),
        "z_dim": 64,
        "lr": 2e-4,
        "betas": (0.0, 0.99),
        "optimizer": "adam",
        "discriminator_steps": 1,
    },
    # Zhu 2017, section 4 and 7: 0.0002 falling in the second half, lambda 10, an identity of half of it, 9 blocks of
    # networks that begin with 64 channels; the authors' code has Adam at 0.5 and 0.999. (Batches of 1: here 2.)
    "cyclegan": {
        "lr": 2e-4,
        "betas": (0.5, 0.999),
        "rate": "late-linear",
        "widths": (64, 64),
        "objective": "least-squares",
        "translate": {"back": "two-way", "cycle": 10.0, "identity": 5.0, "blocks": 9},
    },
    # Choi 2018, section 5.3 and 4.3: batches of 16, 0.0001 falling in the second half, 0.5 and 0.999, five steps of the
    # critic, lambda_rec 10, lambda_gp 10; 6 blocks of 64 channels at the widest maps.
    "stargan": {
        "lr": 1e-4,
        "betas": (0.5, 0.999),
        "rate": "late-linear",
        "batch_size": 16,
        "discriminator_steps": 5,
        "widths": (64, 64),
        "objective": "wasserstein-gp",
        "translate": {"back": "same", "cycle": 10.0, "identity": 0.0, "blocks": 6},
    },
    # Park 2020, section 4 and appendix C: CycleGAN's networks and rates, both weights of the contrast 1.
    "cut": {
        "lr": 2e-4,
        "betas": (0.5, 0.999),
        "rate": "late-linear",
        "widths": (64, 64),
        "objective": "least-squares",
        "translate": {"back": "none", "contrast": 1.0, "identity": 1.0, "blocks": 9},
    },
    # Ledig 2017, section 3.2: four times the size, batches of 16, 0.0001, 0.9, 16 blocks of 64 channels, 0.001.
    "srgan": {
        "lr": 1e-4,
        "betas": (0.9, 0.999),
        "batch_size": 16,
        "widths": (64, 64),
        "objective": "non-saturating",
        "translate": {"pairs": Pairs(downscale=4), "adversarial": 1e-3, "blocks": 16},
    },
}
OURS = {"default": GanSpec(), "translate": None}  # measured, not published

# What the settings of a translator need around them; nothing to others.
AROUND = {
    "classify": {"arms": ["none"]},
    "data": {"source": {"kind": "digits"}, "rendered": {"kinds": [{"kind": "blur"}]}},
}


def settled(name: str, **changes: Any) -> GanSpec:
    return config.check({"gan": {"preset": name, **changes}, **AROUND}).gan


def measured(spec: GanSpec) -> dict[str, Any]:
    return {
        "kinds": (spec.architecture.kind, spec.objective.kind, spec.conditioning),
        "lr": spec.generator_lr if spec.generator_lr == spec.discriminator_lr else None,
        "betas": (spec.beta1, spec.beta2),
        "widths": (spec.generator_width, spec.discriminator_width),
        "clip": spec.objective.clip,
        "objective": spec.objective.kind,
        **{key: getattr(spec, key) for key in ("batch_size", "z_dim", "discriminator_steps", "optimizer", "rate")},
    }


@pytest.mark.parametrize("name", PRESETS)
def test_published_values(name: str) -> None:
    spec = settled(name)
    if name in OURS:
        assert OURS[name] in (spec, None)
        return
    found, published = measured(spec), dict(PUBLISHED[name])
    of_translator = published.pop("translate", {})
    assert {key: found[key] for key in published} == published
    assert {key: getattr(spec.translate, key) for key in of_translator} == of_translator
    assert (spec.translate is not None) == bool(of_translator)
    assert spec.augment.does_nothing
    assert spec.vary.does_nothing
    assert spec.ada is None
    assert spec.ramp is None


def test_what_is_particular_to_some() -> None:
    maxout = settled("gan").architecture
    assert (maxout.layers, maxout.pieces, maxout.dropout, maxout.label_share) == (2, 5, 0.5, 0.0)  # type: ignore[union-attr]
    joined = settled("cgan").architecture
    assert joined.label_share == pytest.approx(1000 / 1200, abs=0.005)  # type: ignore[union-attr]
    assert 1 - joined.label_share == pytest.approx(50 / 290, abs=0.005)  # type: ignore[union-attr]
    assert settled("dcgan").architecture.batch_norm is True  # type: ignore[union-attr]
    assert settled("wgan-gp").objective.built_in() == (OneCentred(weight=10.0),)
    assert settled("r3gan").objective.built_in() == (R1(gamma=0.05), R2(gamma=0.05))
    assert settled("r3gan").ema_half_life_images == 500_000
    assert settled("sngan-projection").regularisers == (SpectralNorm(),)
    plain = set(PRESETS) - {*OURS, "sngan-projection"}
    assert {name for name in PRESETS if not settled(name).regularisers} == plain
    unaveraged = set(PRESETS) - {*OURS, "r3gan"}
    assert {name for name in PRESETS if not settled(name).ema_half_life_images} == unaveraged


def test_least_squares_of_the_translators_weigh_the_generator_as_published() -> None:
    """Their G minimises (D(G(x)) - 1)^2, without the half that Mao 2017 has."""
    for name in ("cyclegan", "cut"):
        spec = settled(name)
        assert spec.translate is not None
        fake = torch.tensor([0.25, 3.0])
        loss = spec.translate.adversarial * spec.objective.generator_loss(fake, fake)
        assert float(loss) == pytest.approx(float((fake - 1).square().mean()))


def test_every_preset_has_a_source_a_line_and_a_test() -> None:
    assert set(PRESETS) == {*OURS, *PUBLISHED}
    assert len({settled(name) for name in PRESETS if name != "default"}) == len(PRESETS) - 1
    for preset in PRESETS.values():
        assert preset.source
        assert preset.line
        assert "\n" not in preset.source + preset.line


def test_what_a_preset_needs_is_what_was_measured() -> None:
    """Of those that docs/zoo.md has a line of; the first moment at which it teaches 70 %."""
    curves = json.loads((REPOSITORY / "docs" / "figures" / "zoo-time.json").read_text())["presets"]
    for name, preset in PRESETS.items():
        reached = [one for one in curves.get(name, []) if one["gan_train"] >= 70]
        assert preset.needs == ((round(reached[0]["seconds"]), reached[0]["images"]) if reached else None)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_holds_only_keys_of_the_settings(name: str) -> None:
    expanded = expand({"preset": name})
    assert set(expanded) <= set(GanSpec.__dataclass_fields__)
    assert config.check({"gan": expanded, **AROUND}).gan == settled(name)  # an expanded one expands to itself


@pytest.mark.parametrize("name", PRESETS)
def test_a_key_of_the_user_beats_the_presets(name: str) -> None:
    changes = {
        "batch_size": 7,
        "generator_lr": 0.123,
        "beta2": 0.5,
        "rate": "cosine",
        "steps": 3,
        "discriminator_steps": 2,
        "generator_width": 5,
        "ema_half_life_images": 9.0,
    }
    spec, plain = settled(name, **changes), settled(name)
    assert {key: getattr(spec, key) for key in changes} == changes
    others = set(GanSpec.__dataclass_fields__) - set(changes)
    assert all(getattr(spec, key) == getattr(plain, key) for key in others)


def test_the_default_is_what_no_preset_gives() -> None:
    assert config.check({"gan": {"steps": 5}}).gan == config.check({"gan": {"preset": "default", "steps": 5}}).gan
    assert config.check({}).gan == GanSpec()


def test_groups_of_one_kind_are_joined() -> None:
    assert (
        settled("wgan-gp", objective={"penalty": 3.0}).objective
        == settled("wgan-gp", objective={"kind": "wasserstein-gp", "penalty": 3.0}).objective
    )
    assert settled("wgan-gp", objective={"penalty": 3.0}).objective.built_in() == (OneCentred(weight=3.0),)
    shares = settled("cgan", architecture={"dropout": 0.1}).architecture
    assert (shares.dropout, shares.label_share) == (0.1, 0.83)  # type: ignore[union-attr]
    augment = settled("dcgan", augment={"cutout": 0.5}).augment
    assert (augment.shift, augment.cutout) == (0.0, 0.5)


def test_a_group_of_another_kind_replaces_the_presets() -> None:
    """Nothing of the old group is left: its keys would be refused."""
    assert settled("r3gan", objective={"kind": "wasserstein-gp"}).objective.built_in() == (OneCentred(weight=10.0),)
    assert settled("cgan", architecture={"kind": "compact"}).architecture.kind == "compact"
    with refused("params.yaml: gan.objective.gamma: no such key"):
        settled("r3gan", objective={"kind": "hinge", "gamma": 1.0})


def test_pairs_of_another_making_replace_the_presets() -> None:
    settings = config.check(
        {
            "gan": {"preset": "srgan", "translate": {"pairs": {"noise": 0.5}, "blocks": 4}},
            "classify": {"arms": ["none"]},
        }
    )
    assert settings.gan.translate is not None
    assert settings.gan.translate.pairs == Pairs(noise=0.5)
    assert (settings.gan.translate.blocks, settings.gan.translate.reconstruction) == (4, 1.0)


def test_lists_are_replaced_whole() -> None:
    assert settled("sngan-projection", regularisers=[]).regularisers == ()
    assert settled("dcgan", regularisers=[{"kind": "spectral-norm"}]).regularisers == (SpectralNorm(),)


def test_expanding_changes_neither_the_preset_nor_what_was_given() -> None:
    given = {"preset": "cgan", "architecture": {"dropout": 0.1}}
    expand(given)["architecture"]["layers"] = 9
    assert given == {"preset": "cgan", "architecture": {"dropout": 0.1}}
    assert PRESETS["cgan"].values["architecture"] == {"kind": "mlp", "label_share": 0.83}


@pytest.mark.parametrize("name", ["wgan_gp", "DCGAN", "", 3, None, ["gan"]])
def test_an_unknown_preset_is_one_line_that_lists_them(name: Any) -> None:
    with refused("gan.preset: must be one of", f"got {quoted(name)}", "ganaug presets", *PRESETS):
        config.check({"gan": {"preset": name}, **AROUND})


def test_what_a_preset_cannot_take_is_refused_like_anything_else() -> None:
    with pytest.raises(UserError, match=r"params\.yaml: gan\.regularisers: spectral-norm goes with the objectives"):
        settled("wgan", regularisers=[{"kind": "spectral-norm"}])
    with refused("params.yaml: gan.batch_size: must be"):
        settled("wgan", batch_size=0)
