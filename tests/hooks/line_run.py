"""A run whose numbers can be followed by hand: each step takes 1 from the one weight, and a validation shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import Runner, dist
from runner.evaluator import BaseMetric
from runner.model import BaseModel


class Line(BaseModel):
    """The gradient of its weight is 1; its buffer counts steps, on the second rank in twos."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        if mode == "loss":
            self.seen += 1 + dist.get_rank()
            return {"loss": (self.weight * inputs).mean()}
        return [self.weight.detach().clone() for _ in inputs]


class Shown(BaseMetric):
    """The weight that the model was evaluated with."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [sample.item() for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"weight": results[-1]}


def loader(samples: int = 4, batch_size: int = 2) -> dict[str, Any]:
    return {
        "dataset": TensorDataset(torch.ones(samples)),
        "batch_size": batch_size,
        "sampler": {"type": "DefaultSampler"},
        "collate_fn": "default_collate",
    }


def line(work_dir: Path, *hooks: Any, max_epochs: int = 2, **changes: Any) -> Runner:
    """A Runner of epochs of two steps, with a validation after each and a checkpoint of each."""
    fields: dict[str, Any] = {
        "model": Line(),
        "train_dataloader": loader(),
        "train_cfg": {"by_epoch": True, "max_epochs": max_epochs},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 1.0}},
        "custom_hooks": list(hooks),
        "randomness": {"seed": 0},
        "log_level": "WARNING",
        "device": "cpu",
    }
    for mode in ("val", "test"):
        fields |= {f"{mode}_dataloader": loader(), f"{mode}_cfg": {}, f"{mode}_evaluator": {"type": Shown}}
    return Runner(work_dir=str(work_dir), **{**fields, **changes})


def value(runner: Runner) -> float:
    return float(runner.unwrapped_model.weight.item())


def shown(runner: Runner, name: str = "val/weight") -> list[float]:
    """What the validations showed, one after the other."""
    history, _ = runner.message_hub.get_scalar(name).data
    return [float(each) for each in history]
