"""A generator as an ONNX file, for programs without torch: ``ganaug export``."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganaug import store
from ganaug.errors import UserError, one_line, quoted
from ganaug.extras import need
from ganaug.synth.exported import Card, Exported
from ganaug.synth.generator import Generator
from ganaug.synth.load import load
from ganaug.synth.out_folder import is_sealed, sealed
from ganaug.synth.translator import Translator

_EXAMPLES = 2  # a batch of 1 would be exported as one that is always 1


def export_onnx(model: Path, out: Path, card: Card | None = None) -> str:
    """Write the generator or translator in the file ``model`` to the new ONNX file ``out``; returns a line on it.

    A generator takes ``latents`` (N, z_dim) and ``classes`` (N,), and gives ``images`` (N, C, H, W) in [-1, 1]; a
    translator takes ``images``, ``noise`` (N, noise_size) and ``targets`` (N,), and gives ``translations``. N is free.
    ``card`` writes the text of the file beside it, whose name has ``.md`` at its end. Raises UserError if packages are
    missing, or a file cannot be used.
    """
    need("onnx", "onnxscript", extra="onnx", what="an ONNX file")
    beside = out.with_name(f"{out.name}.md") if out.name else out
    _check_new(out, beside)
    found = load(model)
    network, examples, inputs, outputs = _of_translator(found) if isinstance(found, Translator) else _of_classes(found)
    description = found.description
    digest, given = store.file_digest(model), dict(description)
    has_filters = given.pop("screening", None) is not None
    told = {**given, "inputs": inputs, "outputs": outputs, "model": digest}
    data = _onnx(network, examples, list(inputs), list(outputs), store.canonical(told))
    with ExitStack() as parts:  # what is entered first is put in place last
        parts.enter_context(store.replacing(out)).write_bytes(data)
        if card is not None:
            about = Exported(description, digest, "onnx", out.name, values=inputs | outputs)
            parts.enter_context(store.replacing(beside)).write_text(sealed(card(about)), encoding="utf-8")
    left_out = "; the filters are not in it: it gives every candidate" if has_filters else ""
    return f"{one_line(str(out))}: {', '.join(inputs)} -> {', '.join(outputs)}{left_out}"


def _check_new(out: Path, beside: Path) -> None:
    """Raises UserError unless ``out`` may be the new file, and ``beside`` its card."""
    if out.is_dir():
        raise UserError(
            f"{quoted(str(out), 200)} must be the ONNX file to write, but is a folder; name a file in it, such as "
            f"{one_line(str(out / 'generator.onnx'), 200)}"
        )
    if out.suffix.lower() != ".onnx":
        raise UserError(
            f"{quoted(str(out), 200)} must end with .onnx, since an ONNX file is what is written; name it so (images: "
            "ganaug synth)"
        )
    if out.exists() or out.is_symlink():
        raise UserError(f"{quoted(str(out), 200)} must be a new file, but is there; name another, or remove it")
    if (beside.exists() or beside.is_symlink()) and not is_sealed(beside):
        raise UserError(
            f"{quoted(str(beside), 200)}, the card beside the file, must be new, but holds what ganaug did not write; "
            "move it elsewhere, or name another file"
        )


_Found = tuple[nn.Module, tuple[Tensor, ...], dict[str, Any], dict[str, Any]]


def _of_classes(generator: Generator) -> _Found:
    """The network, a batch of inputs, and what inputs and outputs are."""
    z_dim, classes = generator.network.z_dim, len(generator.classes)
    inputs = {
        "latents": {"type": "float32", "shape": ["N", z_dim], "distribution": "standard normal"},
        "classes": {"type": "int64", "shape": ["N"], "range": [0, classes - 1], "names": "classes"},
    }
    examples = (torch.zeros(_EXAMPLES, z_dim), torch.zeros(_EXAMPLES, dtype=torch.int64))
    return generator.network, examples, inputs, {"images": _images(generator.image_shape)}


def _of_translator(translator: Translator) -> _Found:
    """As ``_of_classes``."""
    size, targets = translator.network.noise_size, translator.targets
    inputs = {
        "images": _images(translator.image_shape),
        "noise": {"type": "float32", "shape": ["N", size], "distribution": "standard normal"},
        "targets": {"type": "int64", "shape": ["N"], "values": targets, "names": "conditions"},
    }
    examples = (
        torch.zeros(_EXAMPLES, *translator.image_shape),
        torch.zeros(_EXAMPLES, size),
        torch.full((_EXAMPLES,), targets[0]),
    )
    return translator.network, examples, inputs, {"translations": _images(translator.image_shape)}


def _images(shape: tuple[int, int, int]) -> dict[str, Any]:
    return {"type": "float32", "shape": ["N", *shape], "range": [-1, 1], "pixel": "round((x + 1) * 127.5)"}


class _Clipped(nn.Module):
    """A network whose images end at -1 and 1, as their pixels do; all of its call is exported, codes too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        return cast(Tensor, self.network(*inputs)).clamp(-1, 1)


def _onnx(network: nn.Module, examples: tuple[Tensor, ...], inputs: list[str], outputs: list[str], told: str) -> bytes:
    """The file's bytes; the same network gives the same."""
    # Exported in two steps: given the network itself, torch.onnx.export falls back to a batch of fixed size in silence.
    free = (tuple({0: torch.export.Dim("N")} for _ in examples),)
    program = torch.export.export(_Clipped(network).eval(), examples, dynamic_shapes=free)
    made = torch.onnx.export(program, dynamo=True, input_names=inputs, output_names=outputs, verbose=False)
    assert made is not None
    proto = made.model_proto
    for node in proto.graph.node:  # the exporter notes its source lines there, with the paths of this machine
        del node.metadata_props[:]
    del proto.graph.value_info[:]  # shapes in between, in names of the exporter's: they follow from the inputs'
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    proto.metadata_props.add(key="ganaug", value=told)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data
