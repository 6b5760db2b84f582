"""Readers of weights: a generator, what a training starts from or goes on from, a published network."""

import hashlib
import io
import json
import pickle
import random
import struct
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug import config
from ganaug.classify.encoders import Torchvision
from ganaug.gan.loop import train_gan
from ganaug.gan.resume import Keeper
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.transfer import read_start
from ganaug.synth.export import export

from .mutations import Code, as_json, changed, damaged, deep, other_json
from .reader import Reader, Wrong

_JURY = {"kind": "agreement", "members": 1, "classes": 10, "image_shape": [1, 8, 8], "width": 8, "depth": 1}

# What a generator's description may say wrongly, group by group. Sizes that no machine has come first to mind.
_GAN: dict[str, list[Any]] = {
    "z_dim": [0, -1, 10**6, 10**9, 10**18, 2**63, 64.0, "64", True],
    "generator_width": [0, -1, 4000, 10**6, 10**12, 8.0, "8"],
    "discriminator_width": [0, 10**6, 10**12],
    "architecture": [{"kind": kind} for kind in ("compact", "mlp", "dcgan", "resnet", "r3gan")]
    + [{"kind": "mlp", "layers": 10**3}, {"kind": "mlp", "layers": 10**6}],
    "conditioning": ["none", "concat", "auxiliary", "projection", 5],
    "latents": [{"kind": "codes"}, {"kind": "normal"}, 5],
    "preset": [5, None, "nope", "wgan-gp"],
}
_DESCRIPTION: dict[str, list[Any]] = {
    "image_shape": [
        [1, 8], [1, 8, 9], [1, 10**6, 10**6], [0, 8, 8], [-1, 8, 8], [1, 0, 0], [1.0, 8.0, 8.0], "abc", [10**9, 8, 8],
        [1, 2**40, 2**40], [2, 8, 8], [1, 7, 7], [1, 1, 1], {"a": 1, "b": 2, "c": 3},
    ],
    "classes": [
        [], 5, "abcdefghij", ["a"] * 10**5, [["x"]] * 10, [None] * 10, ["../../x"] * 10, dict.fromkeys("abcdefghij", 1),
        [1] * 10, ["a"] * 10, *([name, *"bcdefghij"] for name in (
            "x\ny", "é" * 100, "manifest.csv", ".", "", "CON", "<script>", "../../x", "/etc", "a" * 5000)),
    ],
    "screening": [
        5, [], {}, {"judges": 5}, {"judges": [{}]}, {"judges": "abc"}, {"judges": [], "accepted": []},
        {"judges": [], "accepted": ["x"] * 10}, {"judges": [], "accepted": 7}, {"judges": [{"kind": "nope"}]},
        *({"judges": [_JURY | change], "accepted": [1.0] * 10} for change in (
            {"members": 10**7}, {"depth": 10**6, "image_shape": [1, 10**5, 10**5]}, {"width": 10**6},
            {"classes": 10**9}, {"classes": "x"}, {"members": -1}, {"kind": "copies"})),
    ],
    "train_images": [5, [], {}, "x", {"0": -1}, {"0": "x"}, None, {"0": 10**30}],
    "train_images_sha256": [5, [], "x", [5], [["x"]], None, {"a": 1}, ["x"] * 10**5],
}  # fmt: skip
_DTYPES = ["F64", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "C64", "X"]
_TENSORS = [
    "../../evil", "members.0.x", "filter.x", "filter.least", "filter.judges.0.members.0.0.weight", "codes.rows",
    "codes.labels", "extra", "a" * 10_000, "",
]  # fmt: skip


def _apart(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the tensors of a safetensors file."""
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def _together(header: bytes, tensors: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + tensors


def changed_weights(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file of ganaug that describes itself wrongly, holds other tensors, or is damaged."""
    way = rng.random()
    header, body = _apart(data)
    if way < 0.15:
        return damaged(rng, data)
    if way < 0.2:
        sizes = [b"", data[:7], struct.pack("<Q", 2**63) + data[8:], struct.pack("<Q", 10**8) + b"{" * 100]
        texts = [b"[]", b"{}", b'{"__metadata__": {}}', b'{"__metadata__": {"ganaug": 5}}', deep(rng)]
        return rng.choice([*sizes, *(_together(text, b"") for text in texts)])
    if way < 0.8:
        text = _described(rng, header["__metadata__"]["ganaug"])
        header["__metadata__"]["ganaug"] = text.decode("utf-8", "surrogatepass")
    elif way < 0.93:
        body = _with_other_tensor(rng, header, body)
    else:
        return _together(damaged(rng, as_json(header)), body)
    return _together(as_json(header), body)


def _described(rng: random.Random, text: str) -> bytes:
    """Another description."""
    if rng.random() < 0.03:
        other = rng.choice([other_json(rng), b"nope", b'"' + b"x" * 10**6 + b'"'])
        return other.decode(errors="replace").encode()
    description = json.loads(text)
    if rng.random() < 0.5:
        return as_json(changed(rng, description))
    group, choices = rng.choice([("gan", _GAN), ("", _DESCRIPTION)])
    key = rng.choice(sorted(choices))
    (description[group] if group else description)[key] = rng.choice(choices[key])
    return as_json(description)


def _with_other_tensor(rng: random.Random, header: dict[str, Any], body: bytes) -> bytes:
    """One tensor of the ``header`` is another. Returns the tensors' bytes."""
    name = rng.choice(sorted(header.keys() - {"__metadata__"}))
    one, way = header[name], rng.randrange(8)
    shape, (begin, end) = one["shape"], one["data_offsets"]
    if way == 0:
        one["dtype"] = rng.choice(_DTYPES)
    elif way == 1:
        one["shape"] = rng.choice([[], [10**9], [-1], [2**63, 2], shape[::-1], [*shape, 1], [1.5], "x"])
    elif way == 2:
        one["data_offsets"] = rng.choice([[0, 0], [0, 10**12], [5, 1], [-1, 4], [end, begin]])
    elif way == 3:
        header[rng.choice(_TENSORS)] = header.pop(name)
    elif way == 4:
        del header[name]
    elif way == 5:
        header[rng.choice(_TENSORS)] = dict(one)
    elif way == 6:
        return body[:begin] + struct.pack("<f", float("nan")) * ((end - begin) // 4) + body[end:]
    else:
        return rng.choice([rng.randbytes(len(body)), b"\xff" * len(body)])
    return body


class GeneratorFile(Reader):
    """``ganaug synth --model``, in both formats."""

    name = "generator"

    @cached_property
    def seed(self) -> bytes:
        return (self.base / "models/release/generator.safetensors").read_bytes()

    def whole(self) -> tuple[bytes, str, str]:
        return self.seed, "png", "equal"

    def make(self, rng: random.Random) -> tuple[bytes, str, str]:
        balance = rng.choice(["equal", "equal", "none", "fill"])
        return changed_weights(rng, self.seed), rng.choice(["png", "png", "npz"]), balance

    def read(self, made: tuple[bytes, str, str]) -> None:
        data, output_format, balance = made
        path, out = Path("generator.safetensors"), Path("deep", "deeper", "out")
        path.write_bytes(data)
        out.parent.mkdir(parents=True)
        try:
            export(path, out, None, 1, balance, 0, output_format, False)
            if not (out / "manifest.csv").is_file():
                raise Wrong("no manifest was written")
        finally:
            expected = {path, out, *out.parents}
            stray = [one for one in Path().rglob("*") if one not in expected and out not in one.parents]
            if stray:
                raise Wrong(f"left outside --out: {stray[0]}")


class InitFrom(Reader):
    """``gan.init_from``: a generator or a checkpoint."""

    name = "init_from"

    @cached_property
    def seeds(self) -> list[bytes]:
        names = ("checkpoint.safetensors", "generator.safetensors")
        return [(self.base / "models/release" / name).read_bytes() for name in names]

    @cached_property
    def spec(self) -> GanSpec:
        return config.load(self.base / "params.yaml").gan

    def whole(self) -> bytes:
        return self.seeds[0]

    def make(self, rng: random.Random) -> bytes:
        return changed_weights(rng, rng.choice(self.seeds))

    def read(self, made: bytes) -> None:
        path = Path("start.safetensors")
        path.write_bytes(made)
        classes, labels = [str(label) for label in range(10)], np.arange(20) % 10
        start = read_start(path, classes)
        start.saw.intersection(["x"])
        training = Training(np.zeros((20, 8, 8, 1), np.uint8), labels, 10, self.spec, 0, torch.device("cpu"))
        start.give(training)
        sorted({"x", *start.saw})


def _torch_file(value: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


def _damaged_ends(rng: random.Random, data: bytes, size: int = 20_000) -> bytes:
    """Damaged where the structure of a large file is: what lies between are weights."""
    way = rng.randrange(3)
    if way == 0:
        return damaged(rng, data[:size]) + data[size:]
    return data[:-size] + damaged(rng, data[-size:]) if way == 1 else damaged(rng, data)


class HalfTrained(Reader):
    """The state of a training that was interrupted: it is gone on from, or set aside and begun again."""

    name = "resume"
    slow = 4

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        self.spec = GanSpec(steps=3, batch_size=4, z_dim=2, generator_width=4, discriminator_width=4, save_seconds=1e-9)
        self.seed = self._train(home / "pictures" / "0-a.pt", keeps=True)

    def _train(self, path: Path, keeps: bool = False) -> bytes:
        """Go on from the state at ``path``. Returns the state at the end, if it ``keeps`` one."""
        keeper = Keeper(path, "0", {"settings of gan": "x", "versions": "y"}, 0.0 if keeps else 1e9, None)
        images, labels = np.zeros((20, 8, 8, 1), np.uint8), np.arange(20) % 10
        train_gan(images, labels, 10, self.spec, 0, torch.device("cpu"), keeper=keeper)
        return path.read_bytes() if keeps else b""

    @cached_property
    def tree(self) -> dict[str, Any]:
        return dict(torch.load(io.BytesIO(self.seed[32:]), weights_only=True))

    def whole(self) -> tuple[bytes, str]:
        return self.seed, "0-a.pt"

    def make(self, rng: random.Random) -> tuple[bytes, str]:
        way = rng.random()
        if way < 0.4:
            data = _damaged_ends(rng, self.seed, 4000)
        elif way < 0.8:
            data = _torch_file(changed(rng, self.tree))
        elif way < 0.9:
            data = _torch_file(rng.choice([Code(), [Code()], {**self.tree, "state": Code()}, [], 5, None, {}]))
        else:
            data = pickle.dumps(rng.choice([Code(), {**self.tree, "about": Code()}]), protocol=rng.randrange(6))
        if way >= 0.8 and rng.random() < 0.5:
            data = hashlib.sha256(data).digest() + data  # as a state is sealed
        return data, "0-other.pt" if rng.random() < 0.2 else "0-a.pt"

    def read(self, made: tuple[bytes, str]) -> None:
        data, name = made
        Path(name).write_bytes(data)
        self._train(Path("0-a.pt"))


class EncoderFile(Reader):
    """``fidelity.encoder.path``: weights of a published network."""

    name = "encoder"

    @cached_property
    def seed(self) -> bytes:
        from torchvision import models

        return _torch_file(models.get_model("squeezenet1_1", weights=None).state_dict())

    def whole(self) -> bytes:
        return self.seed

    def make(self, rng: random.Random) -> bytes:
        if rng.random() < 0.6:
            return _damaged_ends(rng, self.seed)
        wrong = [Code(), {"a": Code()}, [1], {}, {"x": 1}, None, 5, "x", {"features.0.weight": torch.zeros(3)}]
        value = rng.choice(wrong)
        return _torch_file(value) if rng.random() < 0.7 else pickle.dumps(value, protocol=rng.randrange(6))

    def read(self, made: bytes) -> None:
        path = Path("weights.pth")
        path.write_bytes(made)
        Torchvision("squeezenet1_1", path=path, image_size=32).build()
