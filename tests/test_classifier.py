"""The downstream classifier: shapes, training by seed, and that it learns what is to be learnt."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from ganaug.classify.arms import ClassifySpec, arm, batches
from ganaug.classify.fitting import masked_cross_entropy, predict, train_classifier
from ganaug.classify.networks import SmallCNN
from ganaug.classify.policies import MixStyle
from ganaug.classify.spec import ClassifierSpec
from ganaug.measure.scores import scores

CPU = torch.device("cpu")
SPEC = ClassifierSpec(width=4, steps=5, batch_size=8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("size", [8, 9, 16, 28, 32, 50, 64])
def test_logits_for_every_size(size: int, channels: int, depth: int) -> None:
    model = SmallCNN(channels, 5, size, width=4, depth=depth)
    assert model(torch.zeros(3, channels, size, size)).shape == (3, 5)
    blocks = [module for module in model.features if isinstance(module, torch.nn.MaxPool2d)]
    convolutions = [module for module in model.features if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == depth * (len(blocks) + 1)
    assert max(module.out_channels for module in convolutions) <= 16


def stripes(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Class 0: left half bright; class 1: right half; class 2: top half. With noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % 3
    images = rng.integers(0, 60, (count, 8, 8, 1), np.uint8)
    images[labels == 0, :, :4] += 150
    images[labels == 1, :, 4:] += 150
    images[labels == 2, :4] += 150
    return images, labels


def trained(spec: ClassifierSpec = SPEC, seed: int = 0) -> torch.nn.Module:
    draw = batches(arm("none", ClassifySpec()), stripes(), None, 3, spec.batch_size, 0)
    return train_classifier(draw, spec, 1, 3, 8, seed, CPU)


def state(model: torch.nn.Module) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_the_seed_decides_and_nothing_else_does() -> None:
    before = torch.get_rng_state()
    one = state(trained())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert state(trained()) == one
    assert state(trained(seed=1)) != one


@pytest.mark.parametrize("change", [{"lr": 1e-3}, {"steps": 6}, {"label_smoothing": 0.1}, {"weight_decay": 0.5}])
def test_every_setting_of_training_reaches_it(change: dict[str, float]) -> None:
    assert state(trained(replace(SPEC, **change))) != state(trained())  # type: ignore[arg-type]


def test_it_learns_what_is_plain_to_see() -> None:
    images, labels = stripes(90)
    model = trained(replace(SPEC, steps=60, width=8))
    assert not model.training
    assert (predict(model, images, CPU) == labels).mean() == 1.0


def test_soft_targets_are_learnt_from_too() -> None:
    images, labels = stripes()
    floats = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
    hard = torch.from_numpy(labels)
    soft = torch.nn.functional.one_hot(hard, 3).float()
    one = train_classifier(lambda step: (floats, hard), SPEC, 1, 3, 8, 0, CPU)
    other = train_classifier(lambda step: (floats, soft), SPEC, 1, 3, 8, 0, CPU)
    for (name, first), second in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.allclose(first, second, atol=1e-4), name


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_masked_loss_by_hand(smoothing: float) -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0], [0.0, 1.0, 2.0]], requires_grad=True)
    targets, seen = torch.tensor([0, 1, 2]), torch.tensor([[1, 1, 0], [1, 1, 0], [1, 1, 1]], dtype=torch.bool)
    loss = masked_cross_entropy(logits, targets, seen, smoothing)
    entropy = partial(torch.nn.functional.cross_entropy, label_smoothing=smoothing)
    of_two, of_all = entropy(logits[:2, :2], targets[:2], reduction="sum"), entropy(logits[2:], targets[2:])
    assert torch.allclose(loss, (of_two + of_all) / 3)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[:2, 2].tolist() == [0, 0]
    assert (logits.grad[:2, :2] != 0).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mask_that_hides_nothing_changes_nothing(smoothing: float) -> None:
    logits, targets = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 0])
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    assert torch.allclose(
        masked_cross_entropy(logits, targets, torch.ones(5, 4, dtype=torch.bool), smoothing), expected
    )
    alone = torch.eye(4, dtype=torch.bool)[targets]  # each class alone: nothing to learn
    assert masked_cross_entropy(logits, targets, alone, smoothing) == 0


def test_training_uses_the_mask_and_what_a_policy_attaches() -> None:
    """Batch normalisation couples classes, so the weights of a class that is never seen move by decay alone."""
    images, labels = stripes()
    floats, targets = (
        torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1,
        torch.from_numpy(labels),
    )
    part = targets < 2
    seen = torch.tensor([[True, True, False]]).expand(int(part.sum()), 3)
    spec = replace(SPEC, weight_decay=0.0)
    start = train_classifier(lambda step: (floats, targets), replace(spec, lr=1e-12), 1, 3, 8, 0, CPU)
    masked = train_classifier(lambda step: (floats[part], targets[part], seen), spec, 1, 3, 8, 0, CPU)
    assert torch.allclose(masked.head.weight[2], start.head.weight[2], atol=1e-9)
    assert not torch.allclose(masked.head.weight[:2], start.head.weight[:2], atol=1e-9)
    attach = MixStyle(probability=1.0).attach
    mixed = train_classifier(lambda step: (floats, targets), spec, 1, 3, 8, 0, CPU, attach)
    again = train_classifier(lambda step: (floats, targets), spec, 1, 3, 8, 0, CPU, attach)
    assert (
        state(mixed) == state(again) != state(train_classifier(lambda step: (floats, targets), spec, 1, 3, 8, 0, CPU))
    )
    assert torch.equal(mixed(floats), mixed(floats))  # nothing is left of it


def test_predictions_do_not_depend_on_the_company() -> None:
    model = trained()
    images, _ = stripes(30)
    many = np.concatenate([images] * 50)  # more than one chunk
    predicted = predict(model, many, CPU)
    assert predicted.shape == (1500,)
    assert predicted.dtype == np.int64
    assert (predicted.reshape(50, 30) == predict(model, images, CPU)).all()


def test_scores_by_hand() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 2])
    found = scores(predicted, labels, ["a", "b", "c"])
    assert found["accuracy"] == pytest.approx(400 / 6)
    assert found["recall"] == pytest.approx({"a": 200 / 3, "b": 50.0, "c": 100.0})
    assert found["balanced_accuracy"] == pytest.approx((200 / 3 + 50 + 100) / 3)
    assert found["macro_f1"] == pytest.approx(100 * reference.f1_score(labels, predicted, average="macro"))


def test_a_class_that_is_not_tested_has_no_recall() -> None:
    """The class counts in no mean but macro-F1, and there only where it is predicted."""
    found = scores(np.array([0, 2]), np.array([0, 1]), ["a", "b", "c", "d"])
    assert found["recall"] == {"a": 100.0, "b": 0.0, "c": None, "d": None}
    assert found["balanced_accuracy"] == pytest.approx(50.0)
    assert found["macro_f1"] == pytest.approx(100 / 3)
