"""Image i of a class is the same whatever number is asked for, and a generator file is all that it takes."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from hypothesis import given
from hypothesis import strategies as st

from ganaug import config, store
from ganaug.gan.build import build_generator
from ganaug.gan.latents import Codes
from ganaug.gan.spec import GanSpec
from ganaug.synth.generator import CHUNK, Generator, load_generator, save_generator
from ganaug.synth.spec import SynthSpec

CPU = torch.device("cpu")


def images(generator: Generator, label: int, count: int, seed: int = 0) -> np.ndarray:
    return np.concatenate([chunk for chunk, _ in generator.images(label, count, seed, CPU)])


@pytest.fixture(scope="module")
def generator(tiny_model: Path) -> Generator:
    return load_generator(tiny_model)


@pytest.mark.parametrize("count", [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 250])
def test_image_i_is_the_same_for_any_number(generator: Generator, count: int) -> None:
    many = images(generator, 1, 250)
    few = images(generator, 1, count)
    assert few.shape == (count, 8, 8, 1)
    assert few.dtype == np.uint8
    assert (few == many[:count]).all()


def test_chunks_are_of_one_size_but_for_the_last(generator: Generator) -> None:
    assert [len(chunk) for chunk, _ in generator.images(0, 2 * CHUNK + 3, 0, CPU)] == [CHUNK, CHUNK, 3]


def test_images_differ_by_index_class_and_seed(generator: Generator) -> None:
    some = images(generator, 0, 40)
    assert len({image.tobytes() for image in some}) == 40
    assert (images(generator, 1, 40) != some).any(axis=(1, 2, 3)).all()
    assert (images(generator, 0, 40, seed=1) != some).any(axis=(1, 2, 3)).all()


def test_latents_of_two_classes_differ(tiny_model: Path) -> None:
    """Also where the classes themselves look alike: images of two classes are not twins."""
    generator = load_generator(tiny_model)
    state = generator.network.state_dict()
    for name in state:
        if "class_latent" in name or ".scale." in name or ".shift." in name:
            state[name] = state[name][:1].repeat(len(state[name]), 1)
    generator.network.load_state_dict(state)
    assert (images(generator, 0, 40) != images(generator, 1, 40)).any(axis=(1, 2, 3)).all()


def test_sampling_leaves_the_global_random_state_alone(generator: Generator) -> None:
    before = torch.get_rng_state()
    images(generator, 0, 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28)])
def test_a_saved_generator_makes_the_same_images(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    spec = GanSpec(z_dim=3, generator_width=4)
    network = build_generator(spec, 2, shape)
    network.train()(torch.randn(8, 3), torch.zeros(8, dtype=torch.long))  # its statistics are not the initial ones
    description = {"gan": config.plain(spec), "classes": ["cat", "dög"], "image_shape": list(shape), "more": [1, None]}
    before = images(Generator(network.eval(), ["cat", "dög"], shape, description), 1, 5)
    save_generator(tmp_path / "g.safetensors", network, description)
    loaded = load_generator(tmp_path / "g.safetensors")
    assert (images(loaded, 1, 5) == before).all()
    assert loaded.classes == ["cat", "dög"]
    assert loaded.image_shape == shape
    assert loaded.description == description
    assert not loaded.network.training


def damaged(tiny_model: Path, folder: Path, kind: str) -> Path:
    path = folder / "generator.safetensors"
    tensors, description = store.read_tensors(tiny_model, "")
    whole = tiny_model.read_bytes()

    def write(what: dict[str, Any], which: dict[str, torch.Tensor] = tensors) -> None:
        store.write_tensors(path, which, what)

    if kind == "missing":
        pass
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "one byte less":
        path.write_bytes(whole[:-1])
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(500))
    elif kind == "text":
        path.write_text("not a generator\n" * 20)
    elif kind == "pickle":
        torch.save(tensors, path)
    elif kind == "no description":
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    elif kind == "another description":
        write({"a": 1})
    elif kind == "without classes":
        write({key: value for key, value in description.items() if key != "classes"})
    elif kind == "another size":
        write({**description, "image_shape": [1, 28, 28]})
    elif kind == "a shape of two":
        write({**description, "image_shape": [8, 8]})
    elif kind == "another number of classes":
        write({**description, "classes": ["a"]})
    elif kind == "an unknown setting":
        write({**description, "gan": {**description["gan"], "from_the_future": 1}})
    elif kind == "a tensor less":
        write(description, {name: tensor for name, tensor in tensors.items() if name != "to_image.bias"})
    else:
        raise AssertionError(kind)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "missing", "folder", "empty", "half", "one byte less", "noise", "text", "pickle", "no description",
        "another description", "without classes", "another size", "a shape of two", "another number of classes",
        "an unknown setting", "a tensor less",
    ],
)  # fmt: skip
def test_a_file_that_is_no_generator_is_refused(tiny_model: Path, tmp_path: Path, kind: str) -> None:
    with refused("generator.safetensors", "dvc repro", "--model"):
        load_generator(damaged(tiny_model, tmp_path, kind))


def test_a_copy_elsewhere_is_enough(tiny_model: Path, tmp_path: Path, generator: Generator) -> None:
    shutil.copy(tiny_model, tmp_path / "alone")
    assert (images(load_generator(tmp_path / "alone"), 2, 3) == images(generator, 2, 3)).all()


def test_the_description_may_not_be_a_list(tiny_model: Path, tmp_path: Path) -> None:
    tensors, _ = store.read_tensors(tiny_model, "")
    store.write_tensors(tmp_path / "a", tensors, ["gan"])  # type: ignore[arg-type]
    with refused("must be a generator"):
        load_generator(tmp_path / "a")


def rewritten(tiny_model: Path, path: Path, gan: Any = None, tensors: Any = None, **changes: Any) -> Path:
    """The tiny generator with another description: ``gan`` has changed settings, ``tensors`` other tensors."""
    held, description = store.read_tensors(tiny_model, "")
    described = {**description, "gan": {**description["gan"], **(gan or {})}, **changes}
    store.write_tensors(path, {**held, **(tensors or {})}, described)
    return path


SETTINGS: dict[str, dict[str, Any]] = {
    "width": {"generator_width": 1_000_000},
    "latents": {"z_dim": 10**9},
    "overflow": {"z_dim": 2**62, "generator_width": 2**62},
    "layers": {"architecture": {"kind": "mlp", "layers": 10**6}},
    "codes": {"latents": {"kind": "codes"}},
    "words": {"z_dim": "4"},
    "removed": {"unlabelled": {"kind": "pseudo"}},
}


@pytest.mark.parametrize("gan", SETTINGS.values(), ids=SETTINGS)
def test_settings_that_the_tensors_do_not_bear_out_cost_nothing(
    tiny_model: Path, tmp_path: Path, gan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tensor of a network is made, and no more of its layers than the file has tensors for."""
    path = rewritten(tiny_model, tmp_path / "generator.safetensors", gan)
    made: list[str] = []

    def parameter(data: torch.Tensor, *_: Any, **__: Any) -> Any:
        made.append(data.device.type)
        return real(data)

    real = torch.nn.Parameter
    monkeypatch.setattr("torch.nn.modules.linear.Parameter", parameter)
    with refused("must be a generator of this version", "train it again", "--model"):
        load_generator(path)
    assert set(made) <= {"meta"}
    assert len(made) < 100


SHAPES = [[1, 10**6, 10**6], [1, 8, 9], [2, 8, 8], [1, 0, 0], [1, -8, -8], [1.0, 8.0, 8.0], [10**9, 8, 8], "188", None]
NAMES: list[Any] = [
    [], 10**9, "abcde", ["a"] * 5, ["A", "a", "b", "c", "d"], ["\u00e9", "e\u0301", "b", "c", "d"], ["", *"abcd"],
    ["\x1b[2J", *"abcd"], ["a\nb", *"abcd"], ["\u202eab", *"abcd"], ["x" * 101, *"abcd"], [1, 2, 3, 4, 5], [["x"]] * 5,
]  # fmt: skip
OTHERS: list[dict[str, Any]] = [
    {"format": 3}, {"format": "2"}, {"train_images": {"3": -1}}, {"train_images": {"3": 1.5}}, {"train_images": 5},
    {"train_images": {"3": 10**30}}, {"train_images_sha256": ["x"]}, {"train_images_sha256": 5}, {"screening": 5},
    {"gan": 5}, {"gan": [1]},
]  # fmt: skip
CHANGES = [{"image_shape": one} for one in SHAPES] + [{"classes": one} for one in NAMES] + OTHERS


@pytest.mark.parametrize("changes", CHANGES, ids=lambda one: ascii(one)[:40])
def test_a_description_is_typed(tiny_model: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    if "gan" in changes:
        tensors, description = store.read_tensors(tiny_model, "")
        store.write_tensors(tmp_path / "g", tensors, {**description, **changes})
    else:
        rewritten(tiny_model, tmp_path / "g", **changes)
    with refused(str(tmp_path / "g"), "must be a generator of this version", "train it again"):
        load_generator(tmp_path / "g")


@pytest.mark.parametrize(
    "text", ["9" * 5000, "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, '"' + "x" * 10**6 + '"', "null", "nope", ""]
)
def test_a_description_of_any_text_is_one_short_line(tiny_model: Path, tmp_path: Path, text: str) -> None:
    from safetensors.torch import save_file

    tensors, _ = store.read_tensors(tiny_model, "")
    save_file(tensors, tmp_path / "g", {"ganaug": text})
    with refused("must be a generator", "--model") as caught:
        load_generator(tmp_path / "g")
    assert len(str(caught.value)) < 1500


def test_tensors_must_be_those_of_the_network(tiny_model: Path, tmp_path: Path) -> None:
    bias, held = "to_image.bias", store.read_tensors(tiny_model, "")[0]
    cases = {
        "must be finite": {bias: torch.tensor([torch.nan])},
        "must be float32[1], but is float64[1]": {bias: torch.zeros(1, dtype=torch.float64)},
        "must be float32[1], but is float32[2]": {bias: torch.zeros(2)},
        "must be absent, but is float32[1]": {"more": torch.zeros(1)},
    }
    for reason, tensors in cases.items():
        with refused("must be a generator", reason):
            load_generator(rewritten(tiny_model, tmp_path / "g", tensors=tensors))
    del held[bias]
    store.write_tensors(tmp_path / "g", held, store.read_tensors(tiny_model, "")[1])
    with refused(bias, "must be float32[1], but is absent"):
        load_generator(tmp_path / "g")


@pytest.mark.parametrize("rows", [{"codes.first": 99}, {"codes.first": -1}, {"codes.count": -3}, {"codes.count": 99}])
def test_codes_of_a_class_are_among_the_codes(tmp_path: Path, rows: dict[str, int]) -> None:
    spec = GanSpec(z_dim=3, generator_width=4, latents=Codes())
    tensors = build_generator(spec, 2, (1, 8, 8), 4).state_dict()
    for name, value in rows.items():
        tensors[name] = torch.full((2,), value)
    description = {"gan": config.plain(spec), "classes": ["a", "b"], "image_shape": [1, 8, 8]}
    store.write_tensors(tmp_path / "g", tensors, description)
    with refused("codes must be", "each class's among them"):
        load_generator(tmp_path / "g")


# ---------------------------------------------------------------------------------------------- how many of which class

TRAIN = {"nevus": 30, "melanoma": 10, "keratosis": 5}


def test_equal_by_hand() -> None:
    assert SynthSpec(7).counts(TRAIN) == {"nevus": 7, "melanoma": 7, "keratosis": 7}


def test_fill_by_hand() -> None:
    assert SynthSpec(7, "fill").counts(TRAIN) == {"nevus": 0, "melanoma": 20, "keratosis": 25}


def test_none_by_hand() -> None:
    """15 on the average, and 60 asked for on the average: four times as many."""
    assert SynthSpec(60, "none").counts(TRAIN) == {"nevus": 120, "melanoma": 40, "keratosis": 20}


def test_none_leaves_no_class_without_images() -> None:
    assert SynthSpec(1, "none").counts({"many": 1000, "few": 1}) == {"many": 2, "few": 1}


COUNTS = st.dictionaries(st.text(max_size=3), st.integers(1, 1000), min_size=1, max_size=6)


@given(COUNTS, st.integers(1, 1000))
def test_every_balance_has_every_class_in_its_order(train: dict[str, int], per_class: int) -> None:
    equal, none, fill = (SynthSpec(per_class, balance).counts(train) for balance in ("equal", "none", "fill"))
    assert list(equal) == list(none) == list(fill) == list(train)
    assert set(equal.values()) == {per_class}
    assert {train[name] + fill[name] for name in train} == {max(train.values())}
    assert min(none.values()) >= 1
    assert abs(sum(none.values()) - per_class * len(train)) <= len(train)  # but for rounding and the floor of one
    assert all(none[a] <= none[b] for a in train for b in train if train[a] <= train[b])


@given(COUNTS, st.integers(1, 1000))
def test_on_classes_of_one_size_none_is_equal_and_fill_is_nothing(train: dict[str, int], per_class: int) -> None:
    even = dict.fromkeys(train, 9)
    assert SynthSpec(per_class, "none").counts(even) == SynthSpec(per_class).counts(even)
    assert not any(SynthSpec(per_class, "fill").counts(even).values())
