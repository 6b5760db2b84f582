"""One training by several processes, as ``torchrun`` starts them: each learns from its part of every batch.

Every process draws what a single one would draw for the whole batch, and keeps its rows of that: so random states stay
equal. Gradients are averaged: so weights do. What looks at a whole batch (batch normalisation, the means that steer ADA
and LeCam, a translator's diversity) is put together. So the training is that of one process, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ganaug.errors import UserError
from ganaug.gan.spec import GanSpec


@dataclass(frozen=True)
class Ranks:
    """This process's ``rank`` among ``count``; it has every ``count``-th row of a batch, from row ``rank`` on."""

    rank: int = 0
    count: int = 1

    def part(self, images: int, what: str = "gan.batch_size") -> int:
        """How many of so many ``images`` are this process's. Raises UserError, on ``what``, if they do not divide."""
        if images % self.count:
            raise UserError(
                f"{what}: must be a multiple of {self.count}, the processes of torchrun, got {images}; change it, or "
                "start fewer"
            )
        return images // self.count

    def from_first(self, value: Any) -> Any:
        """What the first process has for ``value``: tensors and plain values."""
        if self.count == 1:
            return value
        shared = [value if self.rank == 0 else None]
        distributed.broadcast_object_list(shared, device=torch.device("cpu"))
        return shared[0]

    def drawing(self) -> AbstractContextManager[object]:
        """Around a step: draws and batch normalisation are those of the whole batch."""
        return nullcontext() if self.count == 1 else _Jointly(self)

    def joined(self, rows: Tensor) -> Tensor:
        """This process's rows (n, ...) -> those of all, (N, ...), in the batch's order; gradients go back to each."""
        if self.count == 1:
            return rows
        whole = rows.new_zeros((len(rows) * self.count, *rows.shape[1:]))
        whole[self.rank :: self.count] = rows
        return self.sum(whole)

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, of the same shape."""
        return value if self.count == 1 else cast(Tensor, _Summed.apply(value))

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes, of the same shape."""
        return value if self.count == 1 else self.sum(value) / self.count

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Of ``parameters``, over all processes: in one message, since each message has to be waited for."""
        gradients = [one.grad for one in parameters if one.grad is not None]
        if self.count == 1 or not gradients:
            return
        means = self.mean(torch.cat([one.flatten() for one in gradients])).split([one.numel() for one in gradients])
        torch._foreach_copy_(gradients, [mean.view(one.shape) for mean, one in zip(means, gradients, strict=True)])


_ALONE = Ranks()
_HERE = ContextVar("ranks", default=_ALONE)


def here() -> Ranks:
    """This process's: alone but within ``sharing``, since a process group of the user's own is for other work."""
    return _HERE.get()


@contextmanager
def sharing(ranks: Ranks) -> Iterator[None]:
    """Trainings in the block are shared by the processes of torch's process group, where this one is of ``ranks``."""
    token = _HERE.set(ranks)
    try:
        yield
    finally:
        _HERE.reset(token)


def of(spec: GanSpec) -> Ranks:
    """Those of a training by ``spec``. Raises UserError if D would have to see the images of all processes at once."""
    found = here()
    for one in spec.regularisers:
        if one.looks_at_batch and found.count > 1:
            raise UserError(
                f"gan.regularisers: {one.kind} compares all images of a batch, but each process of torchrun has a part "
                "of it; remove it, or start one process"
            )
    return found


class _Summed(torch.autograd.Function):
    """The sum over all processes; every process's loss depends on it, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return cast(Tensor, _Summed.apply(gradient))


class _Jointly(TorchFunctionMode):
    """Within it, of whatever is drawn for ``n`` images the rows of this process among ``n`` times their count."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        self.own: dict[Any, Callable[..., Any]] = {
            torch.rand: self._drawn_evenly,
            torch.randn: self._drawn,
            torch.randint: self._drawn_below,
            F.dropout: self._dropout,
            F.batch_norm: self._batch_norm,
        }

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        known = self.own.get(func)
        return known(func, *args, **kwargs or {}) if known else func(*args, **kwargs or {})

    def _drawn(self, func: Callable[..., Tensor], size: int | tuple[int, ...], **others: Any) -> Tensor:
        first, *rest = (size,) if isinstance(size, int) else size
        return func((first * self.ranks.count, *rest), **others)[self.ranks.rank :: self.ranks.count]

    def _drawn_evenly(self, func: Callable[..., Tensor], size: int | tuple[int, ...], **others: Any) -> Tensor:
        if isinstance(size, int) or len(size) != 2:
            return self._drawn(func, size, **others)
        numbers, images = size  # as augmentation draws: all images' first numbers, then their second ones
        return func((numbers, images * self.ranks.count), **others)[:, self.ranks.rank :: self.ranks.count]

    def _drawn_below(self, func: Callable[..., Tensor], high: int, size: tuple[int, ...], **others: Any) -> Tensor:
        return self._drawn(lambda whole, **more: func(high, whole, **more), size, **others)

    def _dropout(
        self, func: Callable[..., Tensor], units: Tensor, p: float = 0.5, training: bool = True, **_: Any
    ) -> Tensor:
        ones = units.new_ones((len(units) * self.ranks.count, *units.shape[1:]))
        return units * func(ones, p, training)[self.ranks.rank :: self.ranks.count]

    def _batch_norm(
        self,
        func: Callable[..., Tensor],
        maps: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """By mean and variance of the whole batch. (torch.nn.SyncBatchNorm is for CUDA alone.)"""
        if not training:
            return func(maps, running_mean, running_var, weight, bias, training, momentum, eps)
        dims, shape = [0, *range(2, maps.dim())], (1, -1, *[1] * (maps.dim() - 2))
        values, count = maps.float(), maps.numel() // maps.shape[1] * self.ranks.count
        own_var, own_mean = torch.var_mean(values, dims, correction=0)
        mean, squares = self.ranks.mean(torch.stack([own_mean, own_var + own_mean.square()]))  # in one message
        var = (squares - mean.square()).clamp(min=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * (count / (count - 1)), momentum)
        made: Tensor = (values - mean.view(shape)) * (var + eps).rsqrt().view(shape)
        if weight is not None and bias is not None:
            made = torch.addcmul(bias.view(shape), made, weight.view(shape))
        return made.to(maps.dtype)
