"""A GPU that torch only pretends to have: shapes, types and devices of all tensors, no values.

It finds what a GPU would refuse or wait for: operands on two devices, values that are looked at or moved on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda")
WARNINGS = ("ignore:Accessing the data pointer of FakeTensor", "ignore:.*`lr_scheduler.step\\(\\)` before")


class Waited(AssertionError):
    """Something that makes the program wait for the device, where nothing may."""


# Where a shape depends on values, one that it might have.
_UNKNOWN: dict[Any, Any] = {
    torch.ops.aten.nonzero.default: lambda one: (2, one.dim()),
    torch.ops.aten.bincount.default: lambda one, weights=None, minlength=0: (minlength,),
}


class FakeGpu(TorchDispatchMode):
    """While ``strict``, no value on the device is looked at, and no tensor of more than a number leaves it or, unless
    ``fed``, comes to it."""

    strict = fed = False

    @contextmanager
    def strictly(self, fed: bool = False) -> Iterator[None]:
        self.strict, self.fed = True, fed
        try:
            yield
        finally:
            self.strict = False

    def waits(self, why: str) -> None:
        if self.strict:
            raise Waited(why)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        aten = torch.ops.aten
        if func is aten._local_scalar_dense.default:
            if args[0].device.type == "cuda":
                self.waits("a value is looked at, as by .item(), float() or bool()")
            return True if args[0].dtype == torch.bool else 1
        if shape := _UNKNOWN.get(func):
            self.waits("a shape depends on values")
            return args[0].new_zeros(shape(*args, **(kwargs or {})), dtype=torch.int64)
        if func is aten._unique2.default:
            self.waits("a shape depends on values")
            return tuple(args[0].new_zeros(1, dtype=torch.int64) for _ in range(3))
        if func is aten.index.Tensor and any(one is not None and one.dtype == torch.bool for one in args[1]):
            self.waits("a shape depends on values")
            return args[0].clone()  # as if all were chosen
        made = func(*args, **(kwargs or {}))
        before, after = (_kinds(one) for one in ((args, kwargs), made))
        if "cuda" in before and "cpu" in after:
            self.waits(f"{func} takes a tensor from the device")
        if "cpu" in before and "cuda" in after and not self.fed:
            self.waits(f"{func} brings a tensor to the device")
        return made

    def looked_at(self, tensor: Tensor) -> np.ndarray:
        assert tensor.device.type == "cpu", "NumPy reads tensors of the CPU alone"
        return np.zeros(tensor.shape, str(tensor.dtype).removeprefix("torch."))


def _kinds(tensors: Any) -> set[str]:
    """The kinds of device where they lie, those of more than a number."""
    return {one.device.type for one in tree_leaves(tensors) if isinstance(one, Tensor) and one.dim()}


class _OnCpu(torch.Generator):
    """A generator of a device that is not there."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return super().__new__(cls)

    def set_state(self, state: Tensor) -> Any:  # one without values
        return self


def _moved(module: nn.Module, device: Any = None, **_: Any) -> nn.Module:
    """Module.to, which cannot put one kind of tensor in the place of another."""
    for one in module.modules() if device is not None else ():
        for name, value in one._parameters.items():
            if value is not None:
                one._parameters[name] = nn.Parameter(value.detach().to(device), value.requires_grad)
        for name, value in one._buffers.items():
            if value is not None:
                one._buffers[name] = value.to(device)
    return module


def _backward(loss: Tensor, gradient: Tensor | None = None, inputs: Any = None) -> None:
    """Tensor.backward, whose own needs a GPU: every weight that the loss depends on has a gradient then, and the
    ``inputs`` too that are asked for."""
    assert gradient is None or gradient.device == loss.device, f"its gradient lies on {gradient.device}"
    seen, todo = set(), [loss.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (weight := getattr(node, "variable", None)) is not None:
            assert weight.device == loss.device, f"a weight of {list(weight.shape)} lies on {weight.device}"
            weight.grad = torch.zeros_like(weight)
        todo += [before for before, _ in node.next_functions]


def _gradients(
    outputs: Tensor, inputs: Tensor, create_graph: bool = False, retain_graph: bool | None = None
) -> tuple[Tensor]:
    """torch.autograd.grad: of the inputs' shape, and with a graph dependent on whatever the outputs are."""
    return ((torch.zeros_like(inputs) * outputs) if create_graph else torch.zeros_like(inputs + 0 * outputs),)


@contextmanager
def fake_gpu() -> Iterator[FakeGpu]:
    """Within it ``cuda`` is there, and bfloat16 on it."""
    watch = FakeGpu()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "Generator", _OnCpu)
        patch.setattr(torch.Tensor, "numpy", lambda tensor: watch.looked_at(tensor))
        patch.setattr(
            torch.Tensor, "tolist", lambda tensor: (watch.waits(".tolist()"), np.zeros(tensor.shape).tolist())[1]
        )
        patch.setattr(torch.random, "fork_rng", lambda devices=(): nullcontext())
        patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        # Its own reads memory that such a tensor does not have.
        patch.setattr(torch.Tensor, "__deepcopy__", lambda one, memo: one.detach().clone())
        patch.setattr(nn.Module, "to", _moved)
        patch.setattr(torch.Tensor, "backward", _backward)
        patch.setattr(torch.autograd, "grad", _gradients)
        with FakeTensorMode(allow_non_fake_inputs=True), watch:
            yield watch
