"""A conditional DCGAN as tutorials write it: that of PyTorch's DCGAN tutorial at 28 pixels, with labels (Mirza 2014).

The tutorial's settings: widths of 64, 100 latents, batches of 128, Adam with a rate of 2e-4 and a first beta of 0.5,
weights from a normal distribution of 0.02. Labels enter the generator as an embedding beside the latent, and the
discriminator as an embedding that is one more channel of the image.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

LATENTS, WIDTH, BATCH, RATE, BETAS = 100, 64, 128, 2e-4, (0.5, 0.999)


class Generator(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, classes)
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(LATENTS + classes, 4 * WIDTH, 7, 1, 0, bias=False),
            nn.BatchNorm2d(4 * WIDTH),
            nn.ReLU(True),
            nn.ConvTranspose2d(4 * WIDTH, 2 * WIDTH, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * WIDTH),
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * WIDTH, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """(N, LATENTS), (N,) -> images (N, 1, 28, 28) in [-1, 1]."""
        joined = torch.cat([z, self.embed(y)], dim=1)
        return self.layers(joined[:, :, None, None])


class Discriminator(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, 28 * 28)
        self.layers = nn.Sequential(
            nn.Conv2d(2, WIDTH, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * WIDTH),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * WIDTH, 1, 7, 1, 0, bias=False),
            nn.Flatten(0),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(N, 1, 28, 28), (N,) -> logits (N,)."""
        return self.layers(torch.cat([x, self.embed(y).view(-1, 1, 28, 28)], dim=1))


def weights_init(module: nn.Module) -> None:
    """The tutorial's initial weights."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def train(batches: Iterable[tuple[Tensor, Tensor]], classes: int) -> Generator:
    """``batches``: images (N, 1, 28, 28) in [-1, 1] and labels (N,), for as long as it is to learn."""
    g, d = Generator(classes).apply(weights_init), Discriminator(classes).apply(weights_init)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), RATE, BETAS) for net in (g, d))
    loss = nn.BCEWithLogitsLoss()
    for images, labels in batches:
        count = len(images)
        real, fake = torch.ones(count), torch.zeros(count)
        made = g(torch.randn(count, LATENTS), labels)
        adam_d.zero_grad()
        loss(d(images, labels), real).backward()
        loss(d(made.detach(), labels), fake).backward()
        adam_d.step()
        adam_g.zero_grad()
        loss(d(made, labels), real).backward()
        adam_g.step()
    return g.eval()
