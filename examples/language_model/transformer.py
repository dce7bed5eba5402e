"""A small transformer that predicts the next character, and how well it does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from runner.evaluator import BaseMetric
from runner.kinds import Interval
from runner.model import BaseModel
from runner.registry import METRICS, MODELS

CHARACTERS = 128


@MODELS.register_module()
class CharacterTransformer(BaseModel):
    """A decoder-only transformer over ASCII characters (Radford et al., 2018, at a thousandth of the size).

    Args:
        width: The size of a character's representation; a multiple of `heads`.
        layers: How many blocks there are.
        heads: Attention heads of each block.
        context: The most characters it sees at once.
        dropout: The share of values that are dropped in training.
    """

    def __init__(
        self,
        width: Annotated[int, Interval(ge=1)] = 96,
        layers: Annotated[int, Interval(ge=1)] = 2,
        heads: Annotated[int, Interval(ge=1)] = 4,
        context: Annotated[int, Interval(ge=1)] = 128,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.characters = nn.Embedding(CHARACTERS, width)
        self.places = nn.Embedding(context, width)
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, CHARACTERS, bias=False)
        mask = nn.Transformer.generate_square_subsequent_mask(context)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, mode: str = "tensor") -> Any:
        length = inputs.shape[1]
        features = self.characters(inputs) + self.places.weight[:length]
        features = self.blocks(features, mask=self.mask[:length, :length], is_causal=True)
        logits = self.head(features)
        if mode == "tensor":
            return logits
        losses = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        if mode == "loss":
            return {"loss": losses.mean()}
        return losses.unflatten(0, targets.shape).mean(1).float()


@METRICS.register_module()
class BitsPerCharacter(BaseMetric):
    """The bits that the model needs to tell the next character, the fewer the better; 7 for one that knows nothing."""

    yields: ClassVar[tuple[str, ...]] = ("bits_per_character",)

    def process(self, data_batch: Any, data_samples: Sequence[torch.Tensor]) -> None:  # noqa: ARG002 - every metric takes both
        self.results.extend(sample.item() for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"bits_per_character": sum(results) / len(results) / math.log(2)}
