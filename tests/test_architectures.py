"""One contract for every architecture, conditioning, size and number of channels; then what is particular to each."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import config
from ganaug.gan.architectures import Architecture
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.gan.nets.class_inputs import ClassTable, Norm, OneHot, set_label_strength
from ganaug.gan.nets.compact import _Enlarged as Enlarged
from ganaug.gan.nets.discriminator import BodyShape, Discriminator
from ganaug.gan.nets.generator import Generator, GeneratorShape
from ganaug.gan.nets.levels import sides, widths
from ganaug.gan.nets.mlp import MlpBody, MlpGenerator
from ganaug.gan.nets.r3gan import _Block as R3ganBlock
from ganaug.gan.spec import GanSpec

ARCHITECTURES = [kind().kind for kind in get_args(get_args(Architecture)[0])]
CONDITIONINGS = ["none", "concat", "projection", "auxiliary"]
CLASSES, LATENT = 3, 5

each = pytest.mark.parametrize("architecture", ARCHITECTURES)
conditioned = pytest.mark.parametrize("conditioning", CONDITIONINGS)


@cache
def spec(architecture: str, conditioning: str, width: int = 4, **options: Any) -> GanSpec:
    values = {"kind": architecture, **options}
    widths = {"generator_width": width, "discriminator_width": width}
    chosen = {"architecture": values, "conditioning": conditioning, "regularisers": [], "z_dim": LATENT, **widths}
    arms = ["classical"] if conditioning == "none" else config.Settings().classify.arms
    return config.check({"gan": chosen, "classify": {"arms": list(arms)}}).gan


def awaken(net: nn.Module) -> None:
    """Weights that start at 0, or alike for every class, hide what hangs on them."""
    for parameter in net.parameters():
        if parameter.unique().numel() == 1:
            nn.init.normal_(parameter, float(parameter.detach().flatten()[0]), 0.3)


def settle(net: nn.Module, given: Tensor) -> None:
    """Measured statistics, without which what the norms should enlarge is next to nothing."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        with torch.no_grad():
            net.train()(given, torch.arange(12) % CLASSES)


def networks(
    architecture: str, conditioning: str, size: int = 8, channels: int = 1, width: int = 4, **options: Any
) -> tuple[Generator, Discriminator]:
    """In float64 and evaluation: no statistics of the batch, no dropout."""
    torch.manual_seed(1)
    chosen = spec(architecture, conditioning, width, **options)
    made = build_generator(chosen, CLASSES, (channels, size, size))
    judge = build_discriminator(chosen, CLASSES, (channels, size, size))
    for net, given in ((made, torch.randn(12, LATENT)), (judge, torch.randn(12, channels, size, size))):
        awaken(net)
        settle(net, given)
    return made.double().eval(), judge.double().eval()


def inputs(count: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, LATENT, generator=rng, dtype=torch.float64), torch.arange(count) % CLASSES


def pictures(count: int, channels: int, size: int, seed: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, size, size, generator=rng, dtype=torch.float64) * 2 - 1


def differs(one: Tensor, other: Tensor) -> Tensor:
    """Row by row, by more than rounding."""
    return (one - other).abs().amax(dim=1) > 1e-9 * other.abs().amax(dim=1)


def same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-6, atol=1e-9)


# ----------------------------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize(("size", "channels"), [(8, 3), (9, 1), (9, 3), (12, 3), (28, 1), (32, 3), (64, 1)])
@conditioned
@each
def test_the_contract(architecture: str, conditioning: str, size: int, channels: int) -> None:
    made, judge = networks(architecture, conditioning, size, channels)
    latents, labels = inputs(CLASSES)
    assert made.z_dim == LATENT
    images = made(latents, labels)
    assert images.shape == (CLASSES, channels, size, size)
    assert images.isfinite().all()
    if architecture != "r3gan":
        assert images.abs().max() <= 1
    logits, said = judge(images, labels)
    assert logits.shape == (CLASSES,)
    assert logits.isfinite().all()
    assert (said is not None) == (conditioning == "auxiliary")
    loss = logits.square().sum()
    if said is not None:
        assert said.shape == (CLASSES, CLASSES)
        loss = loss + F.cross_entropy(said, labels)

    loss.backward()
    for net in (made, judge):
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name

    others = (labels + 1) % CLASSES
    with torch.no_grad():
        changed = differs(made(latents, others).flatten(1), images.flatten(1))
        assert changed.tolist() == [conditioning != "none"] * CLASSES
        of_others, say_other = judge(images, others)
        changed = differs(of_others[:, None], logits[:, None])
        assert changed.tolist() == [conditioning in ("concat", "projection")] * CLASSES
        assert said is None or torch.equal(say_other, said)


@each
def test_the_largest_images(architecture: str) -> None:
    made, judge = networks(architecture, "projection", 128, 3)
    latents, labels = inputs(2)
    with torch.no_grad():
        images = made(latents, labels)
        assert images.shape == (2, 3, 128, 128)
        assert images.isfinite().all()
        assert judge(images, labels)[0].isfinite().all()


@each
def test_latents_matter_and_extreme_ones_do_no_harm(architecture: str) -> None:
    made, _ = networks(architecture, "projection")
    images = made(inputs()[0], torch.zeros(4, dtype=torch.long))
    assert not any(same(images[0], other) for other in images[1:])
    extreme = made(1e3 * inputs()[0], inputs()[1])
    assert extreme.isfinite().all()
    if architecture != "r3gan":
        assert extreme.abs().max() <= 1


@each
def test_every_pixel_matters_to_the_discriminator(architecture: str) -> None:
    _, judge = networks(architecture, "projection", 12, 3)
    images = pictures(4, 3, 12).requires_grad_()
    (slopes,) = torch.autograd.grad(judge(images, inputs()[1])[0].sum(), images)
    assert (slopes.abs().sum(dim=0) > 0).all()


@conditioned
@each
def test_in_evaluation_an_image_does_not_depend_on_its_neighbours(architecture: str, conditioning: str) -> None:
    made, judge = networks(architecture, conditioning, 12)
    latents, labels = inputs(6)
    together = made(latents, labels)
    assert same(together, torch.cat([made(latents[row : row + 1], labels[row : row + 1]) for row in range(6)]))
    logits = [judge(together[row : row + 1], labels[row : row + 1])[0] for row in range(6)]
    assert same(judge(together, labels)[0], torch.cat(logits))


@pytest.mark.parametrize("size", [8, 9, 12, 28])
@pytest.mark.parametrize("minibatch", [False, True])
@pytest.mark.parametrize(
    ("architecture", "options"),
    [*((one, ()) for one in ARCHITECTURES), ("dcgan", (("batch_norm", False),)), ("mlp", (("dropout", 0.0),))],
)
def test_mixes_batch_is_true_exactly_where_the_batch_mates_matter(
    architecture: str, options: tuple[tuple[str, Any], ...], minibatch: bool, size: int
) -> None:
    values = {"architecture": {"kind": architecture, **dict(options)}, "discriminator_width": 4, "regularisers": []}
    if minibatch:
        values["regularisers"] = [{"kind": "minibatch-discrimination", "kernels": 4, "dims": 2}]
    torch.manual_seed(1)
    judge = build_discriminator(config.check({"gan": values}).gan, CLASSES, (1, size, size))
    awaken(judge)
    for module in judge.modules():  # as in a training, but for dropout's draws
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    judge.double().train()
    images, labels = pictures(4, 1, size), torch.zeros(4, dtype=torch.long)
    mates = images.clone()
    mates[1:] = pictures(3, 1, size, seed=8)
    with torch.no_grad():
        alike = same(judge(images, labels)[0][:1], judge(mates, labels)[0][:1])
    assert judge.mixes_batch == (not alike)


@conditioned
@each
def test_the_layout_of_channels_changes_no_result(architecture: str, conditioning: str) -> None:
    made, judge = networks(architecture, conditioning, 12, 3)
    latents, labels = inputs()
    images = made(latents, labels)
    logits, said = judge(images, labels)
    other_made, other_judge = (
        copy.deepcopy(net).to(memory_format=torch.channels_last)
        for net in (made, judge)  # type: ignore[call-overload]
    )
    others = other_made(latents, labels)
    assert same(others, images)
    others = others.contiguous(memory_format=torch.channels_last)
    other_logits, other_said = other_judge(others, labels)
    assert same(other_logits, logits)
    assert said is None or same(other_said, said)


@pytest.mark.parametrize("conditioning", ["concat", "projection"])
@each
def test_weights_depend_on_the_seed_alone(architecture: str, conditioning: str) -> None:
    first, again = (networks(architecture, conditioning)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


# ----------------------------------------------------------------------------------------------- labels and strength


@contextmanager
def strength(nets: tuple[nn.Module, ...], value: float) -> Iterator[None]:
    for net in nets:
        set_label_strength(net, value)
    yield
    for net in nets:
        set_label_strength(net, 1.0)


@pytest.mark.parametrize("conditioning", ["concat", "projection", "auxiliary"])
@each
def test_the_strength_of_labels(architecture: str, conditioning: str) -> None:
    made, judge = networks(architecture, conditioning, 12)
    latents, labels = inputs()
    others, seen = (labels + 1) % CLASSES, pictures(4, 1, 12)

    def results(chosen: Tensor) -> tuple[Tensor, Tensor]:
        return made(latents, chosen).detach(), judge(seen, chosen)[0].detach()

    plain = results(labels)
    with strength((made, judge), 0.0):
        assert judge.class_strength == 0
        assert all(same(one, other) for one, other in zip(results(labels), results(others), strict=True))
        assert not same(results(labels)[0], plain[0])
    with strength((made, judge), 0.5):
        assert judge.class_strength == (0.5 if conditioning == "auxiliary" else 0)
        half = results(labels)
        assert not same(half[0], results(others)[0])
        assert not same(half[0], plain[0])
    assert judge.class_strength == (1.0 if conditioning == "auxiliary" else 0)
    assert all(torch.equal(one, other) for one, other in zip(results(labels), plain, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_strength_is_the_way_from_all_classes_to_ones_own(share: float) -> None:
    table, one_hot, labels = ClassTable(4, 3).double(), OneHot(4).double(), torch.tensor([2, 0])
    with strength((table, one_hot), share):
        rows = table.rows.weight
        assert same(table(labels), (1 - share) * rows.mean(dim=0) + share * rows[labels])
        expected = torch.full((2, 4), (1 - share) / 4, dtype=torch.float64)
        expected[0, 2] += share
        expected[1, 0] += share
        assert torch.allclose(one_hot(labels).double(), expected, rtol=1e-6)


@each
def test_projection_adds_the_product_of_the_labels_row_and_the_features(architecture: str) -> None:
    """Miyato and Koyama 2018, eq. 3: logit = w.f + b + e(y).f."""
    _, judge = networks(architecture, "projection", 12)
    seen, labels = pictures(4, 1, 12), inputs()[1]
    features = judge.body(seen, None)
    assert features.shape == (4, judge.body.features)
    assert isinstance(judge.label, ClassTable)
    rows = judge.label.rows.weight[labels]
    expected = features @ judge.score.weight[0] + judge.score.bias + (rows * features).sum(dim=1)
    assert same(judge(seen, labels)[0], expected)


def test_an_auxiliary_discriminator_says_classes_from_the_same_features() -> None:
    _, judge = networks("dcgan", "auxiliary", 16)
    seen, labels = pictures(4, 1, 16), inputs()[1]
    features = judge.body(seen, None)
    assert judge.say_class is not None
    said = judge(seen, labels)[1]
    assert said is not None
    assert same(said, features @ judge.say_class.layer.weight.T + judge.say_class.layer.bias)


@pytest.mark.parametrize("architecture", ["compact", "dcgan", "resnet", "r3gan"])
def test_concat_gives_the_label_as_constant_maps(architecture: str) -> None:
    torch.manual_seed(0)
    judge = build_discriminator(spec(architecture, "concat"), CLASSES, (2, 12, 12))
    first = next(module for module in judge.modules() if isinstance(module, nn.Conv2d))
    given: list[Tensor] = []
    first.register_forward_hook(lambda module, values, made: given.append(values[0]))
    seen = torch.randn(2, 2, 12, 12)
    judge(seen, torch.tensor([2, 0]))
    assert torch.equal(given[0][:, :2], seen)
    assert torch.equal(given[0][0, 2:], torch.tensor([0.0, 0, 1])[:, None, None].expand(3, 12, 12))
    assert torch.equal(given[0][1, 2:], torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 12, 12))


def test_class_conditional_norm_starts_as_batch_norm_and_learns_each_class_apart() -> None:
    norm, plain = Norm(4, 3, "projection"), nn.BatchNorm2d(4, affine=False)
    maps, labels = 3 * torch.randn(6, 4, 5, 5) + 1, torch.arange(6) % 3
    assert torch.allclose(norm(maps, labels), plain(maps))
    with torch.no_grad():
        norm.scale.rows.weight[1], norm.shift.rows.weight[1] = 2.0, 5.0
    expected = plain(maps)
    expected[labels == 1] = 2 * expected[labels == 1] + 5
    assert torch.allclose(norm(maps, labels), expected)


# ------------------------------------------------------------------------------------------------ levels and widths


@pytest.mark.parametrize("side", [1, 4, 7])
def test_compact_enlarges_as_nearest_neighbours_and_a_3x3_kernel_would(side: int) -> None:
    enlarged = Enlarged(5, 3).double()
    maps = torch.randn(2, 5, side, side, dtype=torch.float64, requires_grad=True)
    plainly = enlarged.convolution(F.interpolate(maps, scale_factor=2.0, mode="nearest"))
    weights = (maps, enlarged.convolution.weight)
    at_once = enlarged(maps)
    pull = torch.randn_like(at_once)
    torch.testing.assert_close(at_once, plainly)
    for ours, theirs in zip(*(torch.autograd.grad(one, weights, pull) for one in (at_once, plainly)), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("size", "strides", "side"), [(8, [1, 1], 4), (28, [2, 1], 4), (8, [1, 2], 2), (28, [2, 2], 2)]
)
def test_the_last_stride_of_compacts_discriminator(size: int, strides: list[int], side: int) -> None:
    _, judge = networks("compact", "projection", size, last_stride=strides[1])
    small = [layer for layer in judge.body.layers if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    assert [layer.stride for layer in small] == [(stride, stride) for stride in strides]
    (dense,) = [layer for layer in judge.body.layers if isinstance(layer, nn.Linear)]
    assert dense.in_features == small[-1].out_channels * side**2


def test_sides() -> None:
    assert sides(28) == [28, 14, 7]
    assert sides(32) == [32, 16, 8, 4]
    assert sides(8) == [8, 4]
    assert sides(9) == [9]
    assert sides(12) == [12, 6]
    assert sides(50) == [50, 25]
    assert sides(128) == [128, 64, 32, 16, 8, 4]


def test_widths_double_up_to_a_limit() -> None:
    assert widths(24, 3) == [24, 48, 96]
    assert widths(10, 6) == [10, 20, 40, 40, 40, 40]
    assert widths(64, 5, 8) == [64, 128, 256, 512, 512]


# ------------------------------------------------------------------------------------------------ particular to each


def kinds(net: nn.Module, *wanted: type[nn.Module]) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, wanted)]


NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm)


@conditioned
def test_dcgan_starts_from_small_weights_and_has_no_hidden_dense_layer(conditioning: str) -> None:
    """Radford 2016: weights from N(0, 0.02), batch normalisation but for G's last and D's first layer."""
    torch.manual_seed(0)
    chosen = spec("dcgan", conditioning, 24)
    made, judge = build_generator(chosen, CLASSES, (3, 32, 32)), build_discriminator(chosen, CLASSES, (3, 32, 32))
    for net in (made, judge):
        weighted = kinds(net, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
        assert len(weighted) >= 4
        for module in weighted:
            weight: Tensor = module.weight.detach()  # type: ignore[assignment,operator]
            # Four standard errors of a standard deviation, and of a mean.
            error = 4 * 0.02 / math.sqrt(weight.numel())
            assert float(weight.std()) == pytest.approx(0.02, abs=error)
            assert abs(float(weight.mean())) < error
    assert not kinds(made, nn.Linear)
    heads = [judge.score] if conditioning != "auxiliary" else [judge.score, judge.say_class.layer]  # type: ignore[union-attr]
    assert kinds(judge, nn.Linear) == heads
    layers = list(judge.body.layers)  # type: ignore[arg-type]
    assert [type(layer).__name__ for layer in layers[:5]] == [
        "Conv2d",
        "LeakyReLU",
        "Conv2d",
        "BatchNorm2d",
        "LeakyReLU",
    ]
    assert all(layer.negative_slope == 0.2 for layer in layers if isinstance(layer, nn.LeakyReLU))
    assert all(layer.stride == (2, 2) for layer in layers if isinstance(layer, nn.Conv2d))


def test_dcgan_without_batch_norm_has_none_in_its_discriminator() -> None:
    chosen = spec("dcgan", "concat", batch_norm=False)
    assert not kinds(build_discriminator(chosen, CLASSES, (1, 32, 32)), *NORMS)
    assert kinds(build_generator(chosen, CLASSES, (1, 32, 32)), *NORMS)


@pytest.mark.parametrize("architecture", ["compact", "mlp", "resnet", "r3gan"])
@pytest.mark.parametrize("size", [9, 28])
def test_the_other_discriminators_have_no_norm(architecture: str, size: int) -> None:
    assert not kinds(build_discriminator(spec(architecture, "projection"), CLASSES, (1, size, size)), *NORMS)


@conditioned
def test_r3gan_has_no_norm_and_its_blocks_start_as_the_identity(conditioning: str) -> None:
    torch.manual_seed(0)
    chosen = spec("r3gan", conditioning)
    made, judge = build_generator(chosen, CLASSES, (1, 28, 28)), build_discriminator(chosen, CLASSES, (1, 28, 28))
    for net in (made, judge):
        assert not kinds(net, *NORMS)
        blocks = kinds(net, R3ganBlock)
        assert len(blocks) == 2 * len(sides(28))
        for block in blocks:
            maps = torch.randn(2, block.wide.in_channels, 6, 6)  # type: ignore[union-attr,arg-type]
            assert torch.equal(block(maps), maps)
            assert block.grouped.groups == max(1, block.wide.out_channels // 16)  # type: ignore[union-attr,operator]
            assert block.grouped.in_channels == 2 * block.wide.in_channels  # type: ignore[union-attr,operator]


def test_r3gans_groups_are_of_16_channels_where_there_are_as_many() -> None:
    block = R3ganBlock(48, blocks=4)
    assert block.grouped.weight.shape == (96, 16, 3, 3)
    # Fixup with three layers in a block: the variance goes down with the square root of the number of blocks.
    assert float(block.wide.weight.detach().std()) == pytest.approx(math.sqrt(2 / 1.04 / 48) / 4**0.25, rel=0.05)


def test_r3gan_may_leave_the_range_of_pixels() -> None:
    made, _ = networks("r3gan", "projection")
    assert made(1e3 * inputs()[0], inputs()[1]).abs().max() > 1


def test_resnet_blocks_are_their_two_branches() -> None:
    """A transposed order of pooling and a 1x1 convolution gives the same: both are linear and one weighs pixels alike.

    The published generator enlarges before its shortcut's convolution.
    """
    from ganaug.gan.nets.resnet import _Up

    torch.manual_seed(0)
    block = _Up(4, CLASSES, "none").double().eval()
    maps, labels = torch.randn(2, 4, 5, 5, dtype=torch.float64), torch.tensor([0, 1])
    large = F.interpolate(F.relu(block.norms[0](maps, labels)), scale_factor=2.0)
    inner = block.convolutions[1](F.relu(block.norms[1](block.convolutions[0](large), labels)))
    assert same(block(maps, labels), inner + block.beside(F.interpolate(maps, scale_factor=2.0)))


def test_a_resnet_discriminator_sums_over_places() -> None:
    """Miyato 2018: global sum pooling, with the feature of the last ReLU; the first block does not cut the image."""
    _, judge = networks("resnet", "projection", 12)
    seen = pictures(3, 1, 12)
    maps = judge.body.blocks(seen)  # type: ignore[operator]
    assert same(judge.body(seen, None), maps.clamp_min(0).sum(dim=(2, 3)))
    assert [block.first for block in judge.body.blocks] == [True, False, False]  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------------------------------- mlp


def test_a_maxout_unit_is_the_largest_of_its_pieces() -> None:
    torch.manual_seed(0)
    body = MlpBody(BodyShape(1, 0, 8, 6), layers=1, pieces=3, dropout=0.0, label_share=0.0).double()
    seen = pictures(2, 1, 8)
    linear = next(module for module in body.modules() if isinstance(module, nn.Linear))
    pieces = (seen.flatten(1) @ linear.weight.T + linear.bias).detach()
    expected = torch.stack([pieces[:, 3 * unit : 3 * unit + 3].max(dim=1).values for unit in range(6)], dim=1)
    assert same(body(seen, None).detach(), expected)


def test_one_piece_is_a_leaky_relu_and_the_generator_has_relu() -> None:
    body = MlpBody(BodyShape(1, 0, 8, 6), layers=2, pieces=1, dropout=0.0, label_share=0.0)
    assert [module.negative_slope for module in kinds(body, nn.LeakyReLU)] == [0.2, 0.2]
    made = MlpGenerator(GeneratorShape(LATENT, CLASSES, 1, 8, 6, "concat"), layers=3, label_share=0.0)
    assert len(kinds(made, nn.ReLU)) == 3
    assert not kinds(made, nn.LeakyReLU, nn.Dropout)


def test_dropout_is_after_each_hidden_layer_of_the_discriminator() -> None:
    body = MlpBody(BodyShape(1, 0, 8, 6), layers=3, pieces=2, dropout=0.5, label_share=0.0)
    assert [module.p for module in kinds(body, nn.Dropout)] == [0.5] * 3
    assert [type(module).__name__ for module in body.layers][1::2] == ["Dropout"] * 3


def labelled_units(net: nn.Module, layer: nn.Module, given: Any) -> tuple[int, int, int]:
    """How many units of a first layer look at the label alone, at the vector alone, and at both."""
    made: list[Tensor] = []
    layer.register_forward_hook(lambda module, values, result: made.append(result.detach()))
    base, by_label, by_vector = given
    for arguments in (base, by_label, by_vector):
        net(*arguments)
    of_label, of_vector = ((made[0] - other).abs().sum(dim=0) > 0 for other in made[1:3])
    return int((of_label & ~of_vector).sum()), int((of_vector & ~of_label).sum()), int((of_label & of_vector).sum())


@pytest.mark.parametrize(
    ("share", "width", "expected"),
    [(0.0, 60, (0, 0, 60)), (5 / 6, 60, (50, 10, 0)), (0.05, 4, (1, 3, 0)), (0.95, 4, (3, 1, 0)), (0.83, 1, (0, 0, 1))],
)
def test_a_share_of_the_first_layer_looks_at_the_label_alone(
    share: float, width: int, expected: tuple[int, int, int]
) -> None:
    """Where there are two units, each of label and vector has one at least: the network must not lose either."""
    torch.manual_seed(0)
    made = MlpGenerator(GeneratorShape(40, CLASSES, 1, 8, width, "concat"), layers=2, label_share=share)
    for unit in kinds(made, nn.ReLU):
        unit.forward = lambda units: units  # type: ignore[method-assign]  # what a ReLU cuts would hide a dependence
    latents, labels = torch.randn(8, 40), torch.arange(8) % CLASSES
    given = ((latents, labels), (latents, (labels + 1) % CLASSES), (latents + 1, labels))
    assert labelled_units(made, made.hidden[0], given) == expected
    body = MlpBody(BodyShape(1, CLASSES, 8, width), layers=2, pieces=5, dropout=0.0, label_share=share)
    seen, rows = torch.randn(8, 1, 8, 8), F.one_hot(labels, CLASSES).float()
    given = ((seen, rows), (seen, 3 * rows.flip(1) + 1), (seen + 1, rows))  # type: ignore[assignment]
    assert labelled_units(body, body.layers[0], given) == expected  # type: ignore[index]


def test_a_share_for_labels_is_the_other_way_round_in_the_discriminator() -> None:
    """CGAN gives the label most of G's first layer, and the image most of D's."""
    chosen = spec("mlp", "concat", 100, label_share=0.8)
    made, judge = build_generator(chosen, CLASSES, (1, 8, 8)), build_discriminator(chosen, CLASSES, (1, 8, 8))
    sizes = [[linear.weight.shape for linear in kinds(net, nn.Linear)] for net in (made, judge)]
    assert sizes[0][:2] == [(20, LATENT), (80, CLASSES)]
    assert sizes[1][:2] == [(80 * 5, 64), (20 * 5, CLASSES)]
