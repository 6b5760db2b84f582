"""A training that begins with another one's weights: the same classes, other classes, and files that do not fit."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stages
import torch
from expect import refused
from photos import photos
from torch import Tensor

from ganaug import cli, config, store
from ganaug.data.prepared import read_prepared
from ganaug.gan.architectures import Architecture, Compact, Dcgan, Mlp, R3gan, Resnet
from ganaug.gan.augment import DiffAugment
from ganaug.gan.conditioning import Conditioning
from ganaug.gan.loop import Trained, train_gan
from ganaug.gan.nets.class_inputs import set_label_strength
from ganaug.gan.nets.generator import Generator
from ganaug.gan.regularisers import MinibatchDiscrimination, SpectralNorm
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.transfer import read_start
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf
from ganaug.synth.generator import save_generator

CPU = torch.device("cpu")
ARCHITECTURES: list[Architecture] = [
    Compact(),
    Mlp(dropout=0.0),
    Mlp(dropout=0.0, label_share=0.5),
    Dcgan(batch_norm=False),
    Resnet(),
    R3gan(),
]
LABELLED: list[Conditioning] = ["projection", "concat", "auxiliary"]
OLD = ["ant", "bee", "cow"]
each_net = pytest.mark.parametrize(
    "architecture", ARCHITECTURES, ids=lambda one: one.kind + ("-shared" if getattr(one, "label_share", 0) else "")
)


def spec_of(architecture: Architecture, conditioning: Conditioning, **others: Any) -> GanSpec:
    values: dict[str, Any] = {"regularisers": (), "steps": 2, "batch_size": 6, "z_dim": 5}
    values |= {"generator_width": 4, "discriminator_width": 4, "augment": DiffAugment(0.0)}
    return GanSpec(**{**values, "architecture": architecture, "conditioning": conditioning, **others})


def data(classes: int, side: int = 8, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(classes).integers(0, 256, (12, side, side, channels), np.uint8)
    return images, np.arange(12, dtype=np.int64) % classes


@cache
def trained(spec: GanSpec, classes: int, **others: Any) -> Trained:
    """For two steps: no row is like another. Nothing may change it, since tests share it."""
    return train_gan(*data(classes, **others), classes, spec, 3, CPU, snapshots=1, log_rows=1)


def write(folder: Path, spec: GanSpec, classes: Sequence[str] = OLD, **others: Any) -> tuple[Path, Path, Trained]:
    """(generator file, checkpoint file, what they were made of)."""
    made, images = trained(spec, len(classes), **others), data(len(classes), **others)[0]
    shape = [images.shape[3], images.shape[1], images.shape[2]]
    description = {"gan": config.plain(spec), "classes": list(classes), "image_shape": shape}
    description["train_images_sha256"] = []
    save_generator(folder / "generator.safetensors", made.generator, description)
    store.write_tensors(folder / "checkpoint.safetensors", made.checkpoint, description)
    return folder / "generator.safetensors", folder / "checkpoint.safetensors", made


def begun(path: Path, spec: GanSpec, classes: Sequence[str] = OLD, **others: Any) -> Training:
    """A training at step 0 that starts from a file."""
    training = Training(*data(len(classes), **others), len(classes), spec, 99, CPU)
    read_start(path, classes).give(training)
    return training


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def part(checkpoint: dict[str, Tensor], net: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{net}."): value for name, value in checkpoint.items() if name.startswith(f"{net}.")}


# ---------------------------------------------------------------------------------------------- the same classes


@each_net
@pytest.mark.parametrize("conditioning", [*LABELLED, "none"])
def test_networks_begin_as_the_file_has_them(
    architecture: Architecture, conditioning: Conditioning, tmp_path: Path
) -> None:
    norm = () if isinstance(architecture, R3gan) else (SpectralNorm(),)
    spec = spec_of(architecture, conditioning, regularisers=norm)
    classes = ["unlabelled"] if conditioning == "none" else OLD
    generator, checkpoint, made = write(tmp_path, spec, classes)
    whole = begun(checkpoint, spec, classes)
    assert same(whole.generator.state_dict(), part(made.checkpoint, "generator"))
    assert same(whole.discriminator.state_dict(), part(made.checkpoint, "discriminator"))
    assert same(whole.average.state_dict(), part(made.checkpoint, "average"))
    half = begun(generator, spec, classes)
    assert same(half.generator.state_dict(), made.generator.state_dict())
    assert same(half.average.state_dict(), made.generator.state_dict())
    alone = Training(*data(len(classes)), len(classes), spec, 99, CPU)
    assert same(half.discriminator.state_dict(), alone.discriminator.state_dict())
    assert not same(whole.discriminator.state_dict(), alone.discriminator.state_dict())
    assert torch.equal(half.rng.get_state(), alone.rng.get_state())


def test_a_start_leaves_the_file_and_the_global_random_state_alone(tmp_path: Path) -> None:
    spec = spec_of(Compact(), "projection")
    _, checkpoint, _ = write(tmp_path, spec)
    before, state = checkpoint.read_bytes(), torch.get_rng_state()
    images, labels = data(2)
    start = read_start(checkpoint, ["cow", "new"])
    first = train_gan(images, labels, 2, spec, 0, CPU, start=start)
    again = train_gan(images, labels, 2, spec, 0, CPU, start=start)
    other = train_gan(images, labels, 2, spec, 0, CPU)
    assert same(first.checkpoint, again.checkpoint)
    assert not same(first.checkpoint, other.checkpoint)
    assert checkpoint.read_bytes() == before
    assert torch.equal(torch.get_rng_state(), state)


# ------------------------------------------------------------------------------------------------- other classes


def pictures(net: Generator, label: int, strength: float) -> Tensor:
    set_label_strength(net, strength)
    latents = torch.randn(7, net.z_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return net.eval()(latents, torch.full((7,), label))


def verdicts(training: Training, label: int, strength: float) -> tuple[Tensor, Tensor | None]:
    set_label_strength(training.discriminator, strength)
    images = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        logits, said = training.discriminator.eval()(images, torch.full((7,), label))
    return logits, said


@each_net
@pytest.mark.parametrize("conditioning", LABELLED)
@pytest.mark.parametrize("new", [["cow", "ant", "bee"], ["elk", "bee", "fox", "ant"], ["dog", "cow"]], ids="-".join)
def test_a_class_takes_the_weights_of_its_name_or_the_mean(
    new: list[str], architecture: Architecture, conditioning: Conditioning, tmp_path: Path
) -> None:
    """A known class gives the old one's very images and logits. An unknown one those of the old networks without a
    label: the mean of all rows is what a label of no strength is."""
    spec = spec_of(architecture, conditioning)
    generator, checkpoint, _ = write(tmp_path, spec)
    for path in (generator, checkpoint):
        old, now = begun(path, spec), begun(path, spec, new)
        for label, name in enumerate(new):
            place, strength = (OLD.index(name), 1.0) if name in OLD else (0, 0.0)
            assert torch.allclose(
                pictures(now.average, label, 1.0), pictures(old.average, place, strength), atol=1e-5
            ), name
            if path == checkpoint:
                logits, said = verdicts(now, label, 1.0)
                old_logits, old_said = verdicts(old, place, strength)
                assert torch.allclose(logits, old_logits, atol=1e-5), name
                if said is not None and old_said is not None:
                    expected = old_said[:, place] if name in OLD else old_said.mean(dim=1)
                    assert torch.allclose(said[:, label], expected, atol=1e-5), name


@pytest.mark.parametrize("conditioning", LABELLED)
def test_classes_differ_where_the_old_ones_did(conditioning: Conditioning, tmp_path: Path) -> None:
    """The test above can fail: labels do matter to these networks."""
    _, checkpoint, _ = write(tmp_path, spec_of(Compact(), conditioning))
    old = begun(checkpoint, spec_of(Compact(), conditioning))
    shown = [pictures(old.average, label, strength) for label, strength in ((0, 1.0), (1, 1.0), (2, 1.0), (0, 0.0))]
    assert all((shown[a] - shown[b]).abs().max() > 1e-3 for a in range(4) for b in range(a))


@pytest.mark.parametrize("conditioning", LABELLED)
def test_spectral_norms_of_other_classes_train_on(conditioning: Conditioning, tmp_path: Path) -> None:
    spec = spec_of(Compact(), conditioning, regularisers=(SpectralNorm(),))
    _, checkpoint, _ = write(tmp_path, spec)
    new = ["fox", "bee", "elk", "ant", "dog"]
    old, now = begun(checkpoint, spec).discriminator, begun(checkpoint, spec, new).discriminator
    found = now.state_dict()
    for name, value in old.state_dict().items():
        if name.endswith("_v") and conditioning == "concat" and value.shape != found[name].shape:
            kernel = (len(found[name]) - len(value)) // 2  # two classes more
            assert torch.equal(found[name][:kernel], value[:kernel])  # of the image's channel
            assert torch.equal(found[name][2 * kernel : 3 * kernel], value[2 * kernel : 3 * kernel])  # of the bees
            assert torch.equal(found[name][4 * kernel : 5 * kernel], value[kernel : 2 * kernel])  # of the ants
            break
    else:
        assert conditioning != "concat"
    result = train_gan(*data(5), 5, spec, 0, CPU, start=read_start(checkpoint, new))
    assert all(value.isfinite().all() for value in result.checkpoint.values())


# ---------------------------------------------------------------------------------------- files that do not fit


@each_net
@pytest.mark.parametrize(
    "change", [{"generator_width": 8}, {"z_dim": 4}, {"z_dim": 6}], ids=lambda one: "-".join(map(str, *one.items()))
)
def test_another_size_of_networks_is_one_line(
    change: dict[str, Any], architecture: Architecture, tmp_path: Path
) -> None:
    spec = spec_of(architecture, "projection")
    for path in write(tmp_path, spec)[:2]:
        with refused("gan.init_from", str(path), "does not fit", "z_dim 5", "generator_width 4"):
            begun(path, replace(spec, **change))


@pytest.mark.parametrize(
    "change", [{"discriminator_width": 8}, {"regularisers": (SpectralNorm(),)}], ids=["width", "spectral-norm"]
)
def test_another_discriminator_is_one_line_that_says_so(change: dict[str, Any], tmp_path: Path) -> None:
    spec = spec_of(Compact(), "projection")
    _, checkpoint, _ = write(tmp_path, spec)
    with refused("gan.init_from", "does not fit", "discriminator_width 4", "regularisers"):
        begun(checkpoint, replace(spec, **change))


@cache
def training(spec: GanSpec) -> Training:
    """Of the old classes, at step 0. Nothing may change it, since tests share it."""
    return Training(*data(3), 3, spec, 0, CPU)


def untrained(spec: GanSpec) -> dict[str, Tensor]:
    """The tensors of its checkpoint."""
    made = training(spec)
    nets = {"generator": made.generator, "discriminator": made.discriminator, "average": made.average}
    return {f"{net}.{name}": value for net, module in nets.items() for name, value in module.state_dict().items()}


@pytest.mark.parametrize(("given", "wanted"), list(permutations([*LABELLED, "none"], 2)))
@each_net
def test_another_conditioning_is_one_line(
    architecture: Architecture, given: Conditioning, wanted: Conditioning, tmp_path: Path
) -> None:
    spec = spec_of(architecture, given, z_dim=2)  # fewer than there are classes
    description = {"gan": config.plain(spec), "classes": OLD, "image_shape": [1, 8, 8], "train_images_sha256": []}
    store.write_tensors(tmp_path / "checkpoint.safetensors", untrained(spec), description)
    with refused("gan.init_from", "does not fit", f"conditioning {given}"):
        read_start(tmp_path / "checkpoint.safetensors", OLD).give(training(replace(spec, conditioning=wanted)))


def test_a_deeper_network_is_not_cut_to_fit(tmp_path: Path) -> None:
    generator, _, _ = write(tmp_path, spec_of(Mlp(dropout=0.0, layers=3), "concat"))
    with refused("gan.init_from", "does not fit"):
        begun(generator, spec_of(Mlp(dropout=0.0, layers=2), "concat"))
    _, checkpoint, _ = write(tmp_path, spec_of(Compact(), "concat", regularisers=(MinibatchDiscrimination(),)))
    with refused("gan.init_from", "does not fit"):
        begun(checkpoint, spec_of(Compact(), "concat"))


def test_another_architecture_is_one_line(tmp_path: Path) -> None:
    generator, _, _ = write(tmp_path, spec_of(Compact(), "concat"))
    for other in (Mlp(), Dcgan(), Resnet(), R3gan()):
        with refused("gan.init_from", "does not fit", "compact"):
            begun(generator, spec_of(other, "concat"))


@pytest.mark.parametrize("shape", [{"side": 16}, {"channels": 3}], ids=["side", "channels"])
def test_another_shape_of_images_is_one_line(shape: dict[str, int], tmp_path: Path) -> None:
    spec = spec_of(Compact(), "projection")
    for path in write(tmp_path, spec)[:2]:
        with refused("gan.init_from", "images must be of shape", "(1, 8, 8)"):
            begun(path, spec, **shape)


def test_a_file_that_is_no_generator_is_one_line(tmp_path: Path) -> None:
    spec = spec_of(Compact(), "projection")
    path, _, _ = write(tmp_path, spec)
    whole = path.read_bytes()
    broken = tmp_path / "broken"
    for content in (b"", b"text", whole[:-1], whole[:200], b"\xff" * 400):
        broken.write_bytes(content)
        with refused(str(broken), "gan.init_from"):
            begun(broken, spec)
    tensors, _ = store.read_tensors(path, "")
    unknown_images = {"gan": {}, "classes": OLD, "image_shape": [1, 8, 8]}
    for description in ({}, {"classes": OLD, "image_shape": [1, 8, 8]}, {"gan": {}, "classes": OLD}, unknown_images):
        store.write_tensors(broken, tensors, description)
        with refused(str(broken), "gan.init_from", "must say what it is of"):
            begun(broken, spec)
    with refused("folder", "gan.init_from"):
        begun(tmp_path, spec)


DESCRIBED: list[dict[str, Any]] = [
    {"classes": 5}, {"classes": [["a"]] * 3}, {"classes": ["a"] * 3}, {"classes": []}, {"image_shape": 5},
    {"image_shape": [1, 10**9, 10**9]}, {"image_shape": ["1", "8", "8"]}, {"gan": 5}, {"train_images_sha256": [1]},
    {"train_images_sha256": 5}, {"train_images_sha256": ["x"]},
]  # fmt: skip


@pytest.mark.parametrize("changes", DESCRIBED, ids=str)
def test_a_start_is_typed(changes: dict[str, Any], tmp_path: Path) -> None:
    spec = spec_of(Compact(), "projection")
    for path in write(tmp_path, spec)[:2]:
        tensors, description = store.read_tensors(path, "")
        store.write_tensors(path, tensors, {**description, **changes})
        with refused(str(path), "must be a generator or a checkpoint", "gan.init_from"):
            begun(path, spec)


def test_tensors_of_a_start_are_those_of_the_training(tmp_path: Path) -> None:
    spec, bias = spec_of(Compact(), "projection"), "discriminator.score.bias"
    path = write(tmp_path, spec)[1]
    tensors, description = store.read_tensors(path, "")
    cases = {"but is absent": None, "float64[1]": torch.zeros(1).double(), "finite": torch.tensor([torch.nan])}
    for reason, value in cases.items():
        changed = {name: tensor for name, tensor in {**tensors, bias: value}.items() if tensor is not None}
        store.write_tensors(path, changed, description)
        with refused("gan.init_from", "does not fit", "compact", reason):
            begun(path, spec)
    gan = {**description["gan"], "architecture": "x" * 10**6, "conditioning": "projection"}
    store.write_tensors(path, tensors | {bias: torch.zeros(2)}, {**description, "gan": gan})
    with refused("does not fit", "z_dim 5", "name a generator.safetensors"):
        begun(path, spec)


# ------------------------------------------------------------------------------------------------- the pipeline

SMALL = stages.TINY_GAN


def project(root: Path, images: Path, **gan: Any) -> Project:
    root.mkdir(exist_ok=True)
    raw = {
        "data": {"source": {"kind": "folder", "path": str(images)}},
        "protocol": {"kind": "cv", "folds": 2, "repeats": 1},
        "gan": {**SMALL, **gan},
        "device": "cpu",
        "jobs": 1,
    }
    (root / "params.yaml").write_text(json.dumps(raw))
    return Project(root, config.check(raw))


def run(made: Project, split: str = "0") -> dict[str, Any]:
    """The description of the split's generator."""
    stages.run(made, "train", split=split)
    description: dict[str, Any] = store.read_tensors(made.generator(split), "")[1]
    return description


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("first")
    made = project(root, photos(root / "photos", "ant", "bee", count=6))
    stages.prepared(made)
    run(made)
    return made


def test_weights_that_saw_test_images_are_refused(first: Project, tmp_path: Path) -> None:
    for name in ("generator", "checkpoint"):
        start = first.models / "0" / f"{name}.safetensors"
        made = Project(first.root, config.check({**raw(first), "gan": {**SMALL, "init_from": str(start)}}))
        with refused("gan.init_from", str(start), "test images of split 1", "learned from 6 of 6"):
            run(made, "1")
        assert not (first.models / "1").exists()
        run(made, "0")  # its own train images are not its test images


def raw(made: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.root / "params.yaml").read_text())
    return found


def test_what_the_weights_saw_is_passed_on(first: Project, tmp_path: Path) -> None:
    """A third training knows the images of the first, which it never had."""
    images = photos(tmp_path / "photos", "cow", "bee", count=6, size=8)
    for number, path in enumerate(sorted(images.rglob("*.png"))):
        path.write_bytes(_other_png(number))
    made = project(tmp_path / "second", images, init_from=str(first.generator("0")))
    stages.prepared(made)
    description = run(made)
    old, prepared = store.read_tensors(first.generator("0"), "")[1], read_prepared(made.prepared)
    own = {prepared.pixels[row] for row in prepared.split("0").train}
    assert own.isdisjoint(old["train_images_sha256"])
    assert set(description["train_images_sha256"]) == own | set(old["train_images_sha256"])
    back = Project(first.root, config.check({**raw(first), "gan": {**SMALL, "init_from": str(made.generator("0"))}}))
    with refused("test images of split 1", "learned from 6 of 6"):
        run(back, "1")


def _other_png(number: int) -> bytes:
    pixels = np.random.default_rng(5000 + number).integers(0, 256, (8, 8, 3), np.uint8)
    return store.png_bytes(pixels)


def test_the_key_follows_the_content_and_not_the_path(first: Project, tmp_path: Path) -> None:
    prepared = read_prepared(first.prepared)

    def key(path: Path | None) -> str:
        gan = SMALL | ({"init_from": str(path)} if path else {})
        return SplitOf(Project(first.root, config.check({**raw(first), "gan": gan})), "0", prepared).train_key

    content = first.generator("0").read_bytes()
    here, there = tmp_path / "here", tmp_path / "deep" / "there"
    there.parent.mkdir()
    here.write_bytes(content)
    there.write_bytes(content)
    assert key(here) == key(there) == key(first.generator("0"))
    assert key(here) != key(None)
    there.write_bytes(content + b"\0")
    assert key(here) != key(there)


def test_a_start_changes_the_weights_and_is_in_the_description(first: Project, tmp_path: Path) -> None:
    made = project(tmp_path, first.root / "photos", init_from=str(first.models / "0" / "checkpoint.safetensors"))
    stages.prepared(made)
    description = run(made)
    assert made.generator("0").read_bytes() != first.generator("0").read_bytes()
    content = (first.models / "0" / "checkpoint.safetensors").read_bytes()
    assert description["gan"]["init_from"] == f"sha256:{store.digest(content)}"
    assert str(tmp_path) not in json.dumps(description)


@pytest.mark.parametrize("where", ["missing.safetensors", "."])
def test_a_missing_file_is_one_line_and_exit_code_2(
    where: str, first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path / "new", first.root / "photos", init_from=str(tmp_path / where))
    stages.prepared(made)
    monkeypatch.chdir(made.root)
    monkeypatch.setattr(sys, "argv", ["ganaug", "train", "--split", "0"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ganaug: gan.init_from: ")
    assert str(tmp_path / where) in line
