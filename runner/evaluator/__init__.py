"""How good the model is: metrics that take the outputs batch by batch, and the evaluator that runs several."""

from __future__ import annotations

from runner.evaluator.dump import DumpResults
from runner.evaluator.evaluator import Evaluator, get_metric_value
from runner.evaluator.metric import BaseMetric
from runner.evaluator.torch_metric import TorchMetric

__all__ = ["BaseMetric", "DumpResults", "Evaluator", "TorchMetric", "get_metric_value"]
