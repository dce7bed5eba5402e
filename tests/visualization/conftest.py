from __future__ import annotations

import itertools

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from runner import Hook, Runner
from runner.evaluator import BaseMetric
from runner.model import BaseModel


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs, targets, mode="tensor"):
        lines = self.layer(inputs)
        return {"loss": (lines - targets).square().mean()} if mode == "loss" else list(lines)


class Mean(BaseMetric):
    default_prefix = "toy"

    def process(self, data_batch, data_samples):
        self.results.extend(float(each) for each in data_samples)

    def compute_metrics(self, results):
        return {"mean": sum(results) / len(results)}


class Halt(Hook):
    """Ends a run as a kill does, but for the process."""

    def __init__(self, at):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            raise KeyboardInterrupt


STEPS = 12


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """Train 12 iterations: scalars at each, a checkpoint every fifth, a validation every fourth.

    Each launch has a folder of its own, as if some time lay in between.
    """
    numbers = itertools.count()

    def launch(backend, *, halt_at=None, resume=False, work_dir="work", stamp=None, **fields):
        stamp = stamp or f"2026010{next(numbers)}_000000"
        monkeypatch.setattr("runner.setup.time.strftime", lambda *_: stamp)
        data = TensorDataset(*torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(0))[:, :, :2].unbind())
        loader = DataLoader(TensorDataset(data.tensors[0], data.tensors[1][:, :1]), batch_size=4)
        runner = Runner(
            model=Line(),
            work_dir=str(tmp_path / work_dir),
            train_dataloader=loader,
            train_cfg={"by_epoch": False, "max_iters": STEPS, "val_interval": 4},
            optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
            val_dataloader=loader,
            val_cfg={},
            val_evaluator=Mean(),
            default_hooks={
                "checkpoint": {"interval": 5, "by_epoch": False},
                "logger": {"interval": 1, "min_line_seconds": 0, "log_metric_by_epoch": False},
            },
            log_processor={"by_epoch": False},
            randomness={"seed": 0},
            visualizer={"vis_backends": [backend]},
            custom_hooks=[Halt(halt_at)] if halt_at else [],
            cfg={"model": {"type": "Line"}, "vars": {"note": "kept", "list": [1, 2]}},
            resume=resume,
            **fields,
        )
        if halt_at:
            with pytest.raises(KeyboardInterrupt):
                runner.train()
        else:
            runner.train()
        return runner

    return launch
