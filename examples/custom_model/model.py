"""A model of one's own: a class, a decorator, and what each mode returns."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from layers import ResidualBlock
from torch import nn
from torch.nn.functional import cross_entropy

from runner.kinds import Interval
from runner.model import BaseModel
from runner.registry import MODELS


@MODELS.register_module()
class ResidualNet(BaseModel):
    """A few residual blocks and a linear layer.

    Args:
        num_classes: How many classes there are.
        channels: Channels of every block.
        blocks: How many blocks there are.
    """

    # What `runner validate` checks is this signature: names, types, bounds, defaults.
    def __init__(
        self,
        num_classes: int = 10,
        channels: Annotated[int, Interval(ge=1)] = 16,
        blocks: Annotated[int, Interval(ge=0)] = 1,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.head = nn.Linear(channels * 4, num_classes)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        features = nn.functional.adaptive_avg_pool2d(self.blocks(self.stem(inputs)), 2)
        logits = self.head(features.flatten(1))
        if mode == "loss":
            return {"loss": cross_entropy(logits, labels)}
        # The metric `Accuracy` takes scores as they are, and the labels from the batch.
        return logits
