"""Digits from noise: a generator and a discriminator, each trained by its own loss and optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from runner.evaluator import BaseMetric
from runner.kinds import Interval
from runner.model import BaseModel
from runner.optim import OptimWrapper, OptimWrapperDict
from runner.registry import METRICS, MODELS

SIDE = 8


@MODELS.register_module()
class DigitGAN(BaseModel):
    """Two networks of a few linear layers.

    Args:
        noise: How many numbers an image is made from.
        width: Features of each layer.
    """

    def __init__(self, noise: Annotated[int, Interval(ge=1)] = 16, width: Annotated[int, Interval(ge=1)] = 64) -> None:
        super().__init__()
        self.noise = noise
        self.generator = nn.Sequential(
            nn.Linear(noise, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, SIDE * SIDE), nn.Sigmoid(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(SIDE * SIDE, width), nn.LeakyReLU(0.2), nn.Dropout(0.3),
            nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor | None = None, mode: str = "tensor") -> Any:
        """As many images as there are inputs; in training the losses are made in `train_step`."""
        del labels, mode
        return self.generate(len(inputs))

    def generate(self, count: int) -> torch.Tensor:
        """Draw images of shape (count, 1, 8, 8) from 0 to 1."""
        noise = torch.randn(count, self.noise, device=next(self.parameters()).device)
        return self.generator(noise).view(count, 1, SIDE, SIDE)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        assert isinstance(optim_wrapper, OptimWrapperDict)
        real, _ = self.data_preprocessor(data, training=True)
        with optim_wrapper["discriminator"].optim_context(self):
            fake = self.generate(len(real))
            on_real = adversarial(self.discriminator(real), real=True)
            on_fake = adversarial(self.discriminator(fake.detach()), real=False)
        optim_wrapper["discriminator"].update_params(on_real + on_fake)

        self.discriminator.requires_grad_(requires_grad=False)  # this loss is the generator's alone
        with optim_wrapper["generator"].optim_context(self):
            fooled = adversarial(self.discriminator(fake), real=True)
        optim_wrapper["generator"].update_params(fooled)
        self.discriminator.requires_grad_(requires_grad=True)
        return {"loss_real": on_real.detach(), "loss_fake": on_fake.detach(), "loss_generator": fooled.detach()}


def adversarial(logits: torch.Tensor, *, real: bool) -> torch.Tensor:
    """How far the discriminator is from saying that all images are real, or none."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


@METRICS.register_module()
class PixelGap(BaseMetric):
    """How far generated images are from the real ones of the batch, pixel by pixel: in their mean, and in their spread."""

    default_prefix = "pixels"
    yields = ("mean_gap", "spread_gap")

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        images, _ = data_batch
        self.results += [(real.cpu(), fake.cpu()) for real, fake in zip(images, data_samples, strict=True)]

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        real, fake = (torch.stack(each) for each in zip(*results, strict=True))
        return {
            "mean_gap": float((real.mean(0) - fake.mean(0)).abs().mean()),
            "spread_gap": float((real.std(0) - fake.std(0)).abs().mean()),
        }
