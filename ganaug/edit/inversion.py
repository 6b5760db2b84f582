"""Inversion: the point of a generator's latent space whose image is nearest to a given one (Zhu 2016, section 4.1).

A point is what the generator's layers take, under the image's label. With normal latents that is the latent itself; an
encoder that learned from the generator's own samples gives a start. With codes it is a code or what lies between codes,
since normal numbers only choose among those; the start is the code whose image is nearest, for a training image its
own. Gradient descent on the pixels goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug import seeds
from ganaug.gan.nets.class_inputs import ClassTable, OneHot
from ganaug.gan.nets.compact import CompactBody
from ganaug.gan.nets.discriminator import BodyShape
from ganaug.gan.nets.generator import Generator
from ganaug.pixels import to_float, to_pixels

_CHUNK = 32  # images at a time, always: convolutions round differently at another batch size
_BATCH, _WIDTH, _LR = 32, 32, 2e-3  # of the encoder's training
_STEP = 0.1  # of the descent, in standard deviations of a latent


@dataclass(frozen=True)
class Inverted:
    """What images became in the latent space."""

    points: Tensor  # (N, z_dim), on the CPU
    labels: NDArray[np.int64]  # (N,), the classes that they are of
    images: NDArray[np.uint8]  # (N, H, W, C), what the generator makes of them
    errors: NDArray[np.float32]  # (N,), mean absolute difference from the images that were given, of pixels in 0..1


class Encoder(nn.Module):
    """Images (N, ``channels``, ``side``, ``side``) in [-1, 1] and labels (N,) in 0..``classes``-1 -> points (N,
    ``z_dim``)."""

    def __init__(self, channels: int, side: int, classes: int, z_dim: int) -> None:
        super().__init__()
        self.label = OneHot(classes)
        self.body = CompactBody(BodyShape(channels, classes, side, _WIDTH))
        self.point = nn.Linear(self.body.features, z_dim)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = self.point(self.body(images, self.label(labels)))
        return found


class Inverter:
    """Finds points of ``network``'s latent space on ``device``; its ``classes``.

    Where latents are normal, its encoder learns when it is made, in ``encoder_steps``, from samples drawn from
    ``seed``. What it finds for an image depends on that image and its label alone.
    """

    def __init__(
        self, network: Generator, classes: int, device: torch.device, seed: int = 0, encoder_steps: int = 400
    ) -> None:
        self.network, self.device, self.classes = devices.place(network, device).eval(), device, classes
        self.shortest, self.longest = _lengths(network)
        self.encoder = self._learned(seed, encoder_steps) if network.codes is None else None

    def invert(self, images: NDArray[np.uint8], labels: NDArray[np.int64], steps: int = 200) -> Inverted:
        """Points whose images are near to ``images`` (N, H, W, C) under ``labels`` (N,), all 0 where G knows no
        classes; after ``steps`` of descent."""
        pixels = to_float(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
        of = torch.from_numpy(labels)
        starts = self._nearest_codes(pixels, of) if self.encoder is None else self.in_chunks(self._encoded, pixels, of)
        points = self.in_chunks(partial(self._descended, steps), starts, pixels, of)
        made = self.render(points, labels)
        apart = np.abs(made.astype(np.float32) - images).reshape(len(images), -1).mean(axis=1) / 255
        return Inverted(points, labels, made, apart.astype(np.float32))

    def invert_any(self, images: NDArray[np.uint8]) -> Inverted:
        """As ``invert``, each of ``images`` (N, H, W, C) under the class whose image comes nearest."""
        every = np.arange(self.classes)
        found = self.invert(np.repeat(images, self.classes, axis=0), np.tile(every, len(images)))
        best = found.errors.reshape(-1, self.classes).argmin(axis=1) + self.classes * np.arange(len(images))
        return Inverted(found.points[best], found.labels[best], found.images[best], found.errors[best])

    def render(
        self, points: Tensor, labels: NDArray[np.int64], others: NDArray[np.int64] | None = None, share: float = 0.0
    ) -> NDArray[np.uint8]:
        """The images (N, H, W, C) of ``points`` (N, z_dim) under ``labels`` (N,), or ``share`` of the way from there to
        the labels ``others`` (N,)."""
        rows = (labels, labels if others is None else others)
        made = self.in_chunks(partial(_under_both, self.network, share), points, *map(torch.from_numpy, rows))
        return to_pixels(made)

    def in_chunks(self, make: Callable[..., Tensor], *rows: Tensor) -> Tensor:
        """What ``make`` makes of ``rows``, tensors (N, ...), in chunks of one size on the device; back on the CPU."""
        made = []
        for some in zip(*(one.split(_CHUNK) for one in rows), strict=True):
            padding = _CHUNK - len(some[0])
            padded = [torch.cat([one, one.new_zeros((padding, *one.shape[1:]))]).to(self.device) for one in some]
            made.append(make(*padded)[: _CHUNK - padding].float().cpu())
        return torch.cat(made)

    def held(self, points: Tensor) -> Tensor:
        """The nearest points of a length that the generator was trained on."""
        lengths: Tensor = torch.linalg.vector_norm(points, dim=1, keepdim=True).clamp(min=1e-12)
        return points * (lengths.clamp(self.shortest, self.longest) / lengths)

    @torch.no_grad()
    def drawn(self, latents: Tensor, labels: NDArray[np.int64]) -> Tensor:
        """The points (N, z_dim) of normal numbers ``latents`` (N, z_dim) under ``labels`` (N,)."""
        codes = self.network.codes
        return latents if codes is None else self.in_chunks(codes, latents, torch.from_numpy(labels))

    def _learned(self, seed: int, steps: int) -> Encoder:
        shape = self.in_chunks(self.network.forward, torch.zeros(1, self.network.z_dim), torch.zeros(1).long()).shape
        with torch.random.fork_rng(devices=[]):
            seeds.seed_cpu(seeds.derive(seed, "encoder", "weights"))
            encoder = Encoder(shape[1], shape[2], self.classes, self.network.z_dim)
        devices.place(encoder, self.device)
        weights = list(encoder.parameters())
        optimizer = torch.optim.Adam(weights, _LR, fused=True)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        rng = torch.Generator(self.device).manual_seed(seeds.derive(seed, "encoder"))
        for _ in range(steps):
            labels = torch.randint(self.classes, (_BATCH,), generator=rng, device=self.device)
            points = torch.randn((_BATCH, self.network.z_dim), generator=rng, device=self.device)
            with torch.no_grad():
                images = self.network.forward(points, labels)
            found = encoder(images, labels)
            # Zhu 2016, eq. 3, is the error of the image; that of the point is where its gradient has no direction yet.
            loss = F.l1_loss(self.network.forward(self.held(found), labels), images) + F.mse_loss(found, points)
            optimizer.zero_grad()
            loss.backward(inputs=weights)
            optimizer.step()
            rate.step()
        return encoder.eval()

    @torch.no_grad()
    def _encoded(self, images: Tensor, labels: Tensor) -> Tensor:
        assert self.encoder is not None
        return self.held(self.encoder(images, labels))

    @torch.no_grad()
    def _nearest_codes(self, images: Tensor, labels: Tensor) -> Tensor:
        """The code of each image's class whose image is nearest; of all where the class has none."""
        codes, found = self.network.codes, torch.zeros((len(images), self.network.z_dim))
        assert codes is not None
        for label in labels.unique().tolist():
            count, first = int(codes.count[label]), int(codes.first[label])
            points = codes.of(torch.arange(first, first + count) if count else torch.arange(len(codes.rows))).cpu()
            made = self.in_chunks(self.network.forward, points, torch.full((len(points),), label))
            apart = torch.cdist(images[labels == label].flatten(1), made.flatten(1), p=1)
            found[labels == label] = points[apart.argmin(dim=1)]
        return found

    def _descended(self, steps: int, starts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        points = starts.clone().requires_grad_()
        optimizer = torch.optim.Adam([points], _STEP)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        for _ in range(steps):
            # The sum over images leaves the gradient of each what it would be alone.
            errors = (self.network.forward(points, labels) - images).abs().flatten(1).mean(dim=1)
            (points.grad,) = torch.autograd.grad(errors.sum(), points)
            optimizer.step()
            rate.step()
            with torch.no_grad():
                points.copy_(self.held(points))
        return points.detach()


def _lengths(network: Generator) -> tuple[float, float]:
    """Of points, the least and the most that G saw in training: one where there are codes; else what 99 of 100 normal
    latents have."""
    from scipy.special import gammaincinv

    if network.codes is not None:
        return network.z_dim**0.5, network.z_dim**0.5
    shortest, longest = np.sqrt(2 * gammaincinv(network.z_dim / 2, [0.005, 0.995]))  # of the chi distribution
    return float(shortest), float(longest)


@torch.no_grad()
def _under_both(network: Generator, share: float, points: Tensor, labels: Tensor, others: Tensor) -> Tensor:
    """The images of ``points`` where all that a label gives a layer is ``share`` of the way to what the other does."""

    def blend(module: nn.Module, _: object, given: Tensor) -> Tensor:
        return torch.lerp(given, module.forward(others), share)

    inputs = [one for one in network.modules() if isinstance(one, ClassTable | OneHot)]
    hooks = [one.register_forward_hook(blend) for one in inputs if share]
    try:
        return network.forward(points, labels)
    finally:
        for hook in hooks:
            hook.remove()
