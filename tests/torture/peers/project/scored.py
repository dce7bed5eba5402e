"""What the config of our own run names beside the config."""

from __future__ import annotations

from typing import Any

import torch
from parts import TRACE, Net, Samples, Spec, save_final, score

from runner import Hook, Runner
from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.registry import DATASETS, HOOKS, METRICS, MODELS


@MODELS.register_module()
class Scored(BaseModel):
    """The network.

    Args:
        spec: The file of the launch.
    """

    def __init__(self, spec: str) -> None:
        super().__init__()
        self.net = Net(Spec.read(spec))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": self.net.loss(inputs, labels, index)} if mode == "loss" else self.net.predict(inputs)


@DATASETS.register_module()
class Shared(Samples):
    """The samples.

    Args:
        spec: The file of the launch.
        is_training: Whether they are trained on.
    """

    def __init__(self, spec: str, is_training: bool = True) -> None:
        super().__init__(Spec.read(spec), is_training=is_training)


@METRICS.register_module()
class Score(BaseMetric):
    """The score."""

    def process(self, data_batch: Any, data_samples: list[torch.Tensor]) -> None:
        self.results += [float(seen) for seen in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"score": score(results[0])}


@HOOKS.register_module()
class Told(Hook):
    """Writes down where a launch begins and what it ends with.

    Args:
        spec: The file of the launch.
    """

    priority = "VERY_LOW"

    def __init__(self, spec: str) -> None:
        self.spec = Spec.read(spec)

    def before_train(self, runner: Runner) -> None:
        TRACE.start(runner.iter)

    def after_train(self, runner: Runner) -> None:
        average = next((hook.ema_model for hook in runner.hooks if hasattr(hook, "ema_model")), None)
        save_final(self.spec, runner.unwrapped_model, average)
