"""Maps keep channels last on the way back."""

import torch
from torch import nn

from ganaug.classify.networks import SmallCNN
from ganaug.layout import Flatten


def gradient(flatten: nn.Module) -> torch.Tensor:
    """Of a value that is curved in the maps, as the layer before them gets it."""
    found: list[torch.Tensor] = []
    maps = torch.randn(3, 5, 4, 4, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    given = maps.requires_grad_() * 1.0
    rows = flatten(given)
    given.register_hook(found.append)  # hooks run in the order of their registration
    (rows**3 * torch.arange(80.0)).sum().backward()
    return found[0]


def test_a_gradient_comes_back_with_channels_last_and_the_same_values() -> None:
    usual, ours = gradient(nn.Flatten()), gradient(Flatten())
    assert torch.equal(usual, ours)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert not usual.is_contiguous(memory_format=torch.channels_last)  # or there is no need of it


def test_second_derivatives_go_through_it() -> None:
    maps = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda one: Flatten()(one) ** 3, maps, check_undefined_grad=False)


def test_relu_after_pooling_is_relu_before_it() -> None:
    """With ties and negative maps too: the same logits and gradients, to the bit."""
    torch.manual_seed(0)
    one = SmallCNN(1, 4, 16, 4, 2).train()
    layers = list(one.features)
    for place in [place for place, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]:
        layers[place], layers[place + 1] = layers[place + 1], layers[place]
        assert isinstance(layers[place], nn.ReLU)
    images = torch.randint(-1, 2, (8, 1, 16, 16)).float()
    found = []
    for features in (one.features, nn.Sequential(*layers)):
        one.zero_grad()
        logits = one.head(one.flatten(features(images)))
        logits.square().sum().backward()
        found.append([logits, *(parameter.grad for parameter in one.parameters())])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))
