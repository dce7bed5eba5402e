"""A vision transformer for images of 8 x 8 pixels, and what is learned from its features."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from runner.kinds import Interval, Slot
from runner.model import BaseModel, BaseModule
from runner.registry import MODELS, TRANSFORMS

PATCH = 2
PATCHES = (8 // PATCH) ** 2


@TRANSFORMS.register_module()
def at_least_five(label: int) -> int:
    """Whether a digit is five or more, as a label."""
    return int(label >= 5)


@MODELS.register_module()
class DigitViT(BaseModule):
    """Patches of 2 x 2 pixels through layers of attention; returns their mean.

    The constructor of layer-wise decay finds the layers by their name, `layers`: what stands before them is the stem.

    Args:
        width: Features of each patch; a multiple of 4.
        depth: How many layers there are.
        init_cfg: How the weights are initialized, such as from a checkpoint.
    """

    def __init__(
        self,
        width: Annotated[int, Interval(ge=4)] = 32,
        depth: Annotated[int, Interval(ge=1)] = 4,
        init_cfg: Annotated[dict[str, Any] | None, Slot("weight_init")] = None,
    ) -> None:
        super().__init__(init_cfg)
        self.positions = nn.Parameter(torch.randn(1, PATCHES, width) * 0.02)
        self.patches = nn.Conv2d(1, width, PATCH, stride=PATCH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of shape (batch, width) of images of shape (batch, 1, 8, 8)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens).mean(1)


@MODELS.register_module()
class DigitClassifier(BaseModel):
    """A linear layer on the features of a backbone.

    Args:
        backbone: Gives features of its `norm`'s width.
        num_classes: How many classes there are.
    """

    def __init__(self, backbone: nn.Module, num_classes: Annotated[int, Interval(ge=2)] = 10) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(*backbone.norm.normalized_shape, num_classes)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        logits = self.head(self.backbone(inputs))
        return {"loss": cross_entropy(logits, labels)} if mode == "loss" else logits
