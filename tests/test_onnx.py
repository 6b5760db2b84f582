"""A generator as an ONNX file gives what it gives in torch. Skipped without ``ganaug[onnx]`` and onnxruntime."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from expect import refused
from torch import Tensor, nn

from ganaug import config
from ganaug.gan.architectures import Architecture
from ganaug.gan.build import build_generator
from ganaug.gan.latents import Codes
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import TranslateSpec
from ganaug.pixels import to_pixels
from ganaug.synth import onnx_file
from ganaug.synth.fitted_filters import FittedFilters
from ganaug.synth.generator import load_generator, save_generator
from ganaug.synth.onnx_file import export_onnx
from ganaug.synth.translator import load_translator, save_translator
from ganaug.translate.steps import build_translator

FAMILIES = [kind() for kind in get_args(get_args(Architecture)[0])]
TINY = GanSpec(z_dim=4, generator_width=4)


def save(folder: Path, spec: GanSpec, shape: tuple[int, int, int], conditions: list[int] | None = None) -> Path:
    """A file with an untrained network under ``spec``, whose norms have seen images; ``conditions``: its targets."""
    torch.manual_seed(3)
    path = folder / "generator.safetensors"
    description: dict[str, Any] = {"gan": config.plain(spec), "classes": ["a", "é", "c"], "image_shape": list(shape)}
    if conditions is None:
        generator = build_generator(spec, 3, shape, images=6)
        for module in generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean, module.running_var = torch.randn(module.num_features), torch.rand(1) + 0.5
                module.running_var = module.running_var.expand(module.num_features).clone()
        if generator.codes is not None:
            generator.codes.assign(torch.tensor([0, 0, 1, 1, 2, 2]))
        save_generator(path, generator, description)
    else:
        about = description | {"conditions": ["day", "dusk", "night"], "targets": conditions}
        save_translator(path, build_translator(spec, shape, conditions, 3), about)
    return path


def same(out: Path, network: Callable[..., Tensor], examples: dict[str, Tensor]) -> dict[str, Any]:
    """Raises AssertionError unless the file ``out`` gives what ``network`` gives of the ``examples``, all five or one.

    Returns what the file says of itself.
    """
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    for count in (1, 5):
        inputs = {name: tensor[-count:] for name, tensor in examples.items()}
        with torch.no_grad():
            expected = network(*inputs.values()).clamp(-1, 1)
        (found,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
        levels = [to_pixels(images).astype(int) for images in (torch.from_numpy(found), expected)]
        assert abs(levels[0] - levels[1]).max() <= 1
        assert found.std() > 1e-3
    told: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map["ganaug"])
    assert [one.name for one in session.get_inputs()] == list(examples)
    for one in (*session.get_inputs(), *session.get_outputs()):
        assert one.shape == (told["inputs"] | told["outputs"])[one.name]["shape"]
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [replace(TINY, architecture=one, latents=Codes() if one.kind == "mlp" else TINY.latents) for one in FAMILIES],
    ids=[one.kind for one in FAMILIES],
)
def test_the_file_gives_the_generators_images(tmp_path: Path, spec: GanSpec) -> None:
    pytest.importorskip("onnxscript")
    model, out = save(tmp_path, spec, (1, 8, 8)), tmp_path / "made" / "generator.onnx"
    export_onnx(model, out)
    examples = {"latents": torch.randn(5, 4), "classes": torch.tensor([0, 1, 2, 0, 1])}
    told = same(out, load_generator(model).network, examples)
    assert (told["classes"], told["inputs"]["classes"]["range"]) == (["a", "é", "c"], [0, 2])
    assert told["gan"] == json.loads(json.dumps(config.plain(spec)))
    assert str(Path.cwd()).encode() not in out.read_bytes()


@pytest.mark.slow
def test_the_file_gives_the_translators_images(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    spec, shape, targets = replace(TINY, translate=TranslateSpec(blocks=1, noise=2)), (3, 9, 9), [0, 2]
    model, out = save(tmp_path, spec, shape, targets), tmp_path / "translator.onnx"
    export_onnx(model, out)
    net = load_translator(model).network
    examples = {
        "images": torch.rand(5, *shape) * 2 - 1,
        "noise": torch.randn(5, net.noise_size),
        "targets": torch.tensor([0, 2, 0, 2, 0]),
    }
    told = same(out, net, examples)
    assert told["conditions"] == ["day", "dusk", "night"]
    assert told["inputs"]["targets"]["values"] == targets


def test_pixels_of_the_file_are_those_of_torch() -> None:
    """It ends at -1 and 1, where pixels do."""
    images = torch.linspace(-1.5, 1.5, 1000).view(1, 1, 1, 1000)
    assert np.array_equal(to_pixels(onnx_file._Clipped(nn.Identity())(images)), to_pixels(images))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """As if the packages were there: the arguments of what writes with them."""
    calls: list[tuple[Any, ...]] = []

    def write(*arguments: Any) -> bytes:
        calls.append(arguments)
        return b"onnx"

    monkeypatch.setattr(onnx_file, "need", lambda *packages, **about: None)
    monkeypatch.setattr(onnx_file, "_onnx", write)
    return calls


def test_filters_stay_behind_and_that_is_said(tmp_path: Path, tiny_model: Path, written: list[tuple[Any, ...]]) -> None:
    generator = load_generator(tiny_model)
    assert "filters are not" not in export_onnx(tiny_model, tmp_path / "plain.onnx")
    filtered = tmp_path / "filtered.safetensors"
    description = generator.description | {"screening": {"judges": [], "accepted": [0.5] * 5}}
    save_generator(filtered, generator.network, description, FittedFilters([], [], np.zeros((0, 5), np.float32)))
    assert "the filters are not in it" in export_onnx(filtered, tmp_path / "filtered.onnx")
    assert "screening" not in json.loads(written[1][-1])
    assert (tmp_path / "filtered.onnx").read_bytes() == b"onnx"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mine.onnx", ["must be a new file, but is there", "name another"]),
        ("folder", ["must be the ONNX file to write, but is a folder", "folder/generator.onnx"]),
        ("folder.onnx", ["but is a folder", "folder.onnx/generator.onnx"]),
        ("generator.pt", ["must end with .onnx"]),
        ("generator", ["must end with .onnx"]),
        (".", ["but is a folder"]),
        ("noted.onnx", ["noted.onnx.md", "did not write", "move it"]),
    ],
)
def test_a_mistake_in_the_name_is_said_before_anything_is_written(
    tmp_path: Path, tiny_model: Path, written: list[tuple[Any, ...]], name: str, parts: list[str]
) -> None:
    for file in ("mine.onnx", "noted.onnx.md"):
        (tmp_path / file).write_text("mine")
    for folder in ("folder", "folder.onnx"):
        (tmp_path / folder).mkdir()
    before = sorted(tmp_path.rglob("*"))
    with refused(*parts):
        export_onnx(tiny_model, tmp_path / name)
    assert (sorted(tmp_path.rglob("*")), written) == (before, [])
    assert (tmp_path / "mine.onnx").read_text() == (tmp_path / "noted.onnx.md").read_text() == "mine"


def test_a_card_lies_beside_the_file(tmp_path: Path, tiny_model: Path, written: list[tuple[Any, ...]]) -> None:
    out = tmp_path / "g.onnx"
    export_onnx(tiny_model, out, lambda about: f"# {about.file}, {', '.join(about.values)}\n")
    assert (tmp_path / "g.onnx.md").read_text().startswith("# g.onnx, latents, classes, images\n")
    out.unlink()
    export_onnx(tiny_model, out, lambda about: "# another\n")  # the card is ganaug's own: it is replaced
    assert (tmp_path / "g.onnx.md").read_text().startswith("# another\n")


def test_a_file_that_is_no_generator_is_refused(tmp_path: Path, written: list[tuple[Any, ...]]) -> None:
    model = tmp_path / "generator.safetensors"
    with refused("generator.safetensors: the file must exist", "name another file"):
        export_onnx(model, tmp_path / "out" / "generator.onnx")
    model.write_bytes(b"nothing")
    with refused("generator.safetensors: must be a generator", "name another file"):
        export_onnx(model, tmp_path / "out" / "generator.onnx")
    assert not (tmp_path / "out").exists()


def test_without_the_packages_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with refused(
        "onnx and onnxscript must be installed", "but onnxscript cannot be found", 'pip install "ganaug[onnx]"'
    ):
        export_onnx(tmp_path / "none.safetensors", tmp_path / "generator.onnx")
