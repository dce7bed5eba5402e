"""Loops: what is done with each batch, and when to stop."""

from __future__ import annotations

from runner.loops.base import BaseLoop
from runner.loops.evaluation import EvaluationLoop, TestLoop, ValLoop
from runner.loops.train import EpochBasedTrainLoop, IterBasedTrainLoop, TrainLoop

__all__ = [
    "BaseLoop",
    "EpochBasedTrainLoop",
    "EvaluationLoop",
    "IterBasedTrainLoop",
    "TestLoop",
    "TrainLoop",
    "ValLoop",
]
