"""The Python file that `runner init custom` writes beside the config: a data set, a model and a metric to change."""

from __future__ import annotations

__all__ = ["MODEL_PY"]

MODEL_PY = '''\
"""A data set, a model and a metric of one's own. Each class is registered under its name, and its constructor is what
`runner validate` checks the config against: arguments, types, bounds and defaults."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import Dataset

from runner.evaluator import BaseMetric
from runner.kinds import Interval
from runner.model import BaseModel
from runner.registry import DATASETS, METRICS, MODELS


@DATASETS.register_module()
class NoisyLine(Dataset):
    """Points near a line: y = 2 x - 1, and some noise.

    Args:
        size: How many points there are.
        noise: The noise's standard deviation.
        seed: Which points: the same seed, the same points.
    """

    def __init__(
        self, size: Annotated[int, Interval(ge=1)] = 256, noise: Annotated[float, Interval(ge=0)] = 0.1, seed: int = 0
    ) -> None:
        drawn = torch.Generator().manual_seed(seed)
        self.inputs = torch.rand(size, 1, generator=drawn)
        self.targets = 2 * self.inputs - 1 + noise * torch.randn(size, 1, generator=drawn)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[index], self.targets[index]


@MODELS.register_module()
class SmallNet(BaseModel):
    """Two linear layers.

    Args:
        width: How many values there are between the layers.
    """

    def __init__(self, width: Annotated[int, Interval(ge=1)] = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, mode: str = "tensor") -> Any:
        """The losses by name in training, what the metrics take in validation."""
        outputs = self.layers(inputs)
        if mode == "loss":
            return {"loss": mse_loss(outputs, targets)}
        return outputs


@METRICS.register_module()
class MeanError(BaseMetric):
    """How far off the outputs are on average: `error`."""

    yields = ("error",)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        _, targets = data_batch
        for output, target in zip(data_samples, targets, strict=True):
            self.results.append(abs(float(output) - float(target)))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"error": sum(results) / len(results)}
'''
