"""The hot loop never waits for the device: between two log intervals nothing is read back from a tensor."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from runner import Hook, Runner
from runner.hooks import LossSpikeHook, NaNGuardHook
from runner.model import BaseModel


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        logits = self.linear(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits


class Reads(TorchDispatchMode):
    """Counts what a GPU would have to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            stack = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack()]
            if any("/torch/optim/" not in frame for frame in stack[-3:]):
                self.found.append(next(frame for frame in reversed(stack) if "/runner/" in frame))
        return func(*args, **(kwargs or {}))


class Between(Hook):
    """Counts from just after one log interval to just before the next: 100 steps."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.reads = Reads()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 101:
            self.reads.__enter__()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if batch_idx == 200:
            self.reads.__exit__(None, None, None)


def run(tmp_path: Any, *more: Hook) -> list[str]:
    inputs, labels = torch.randn(1204, 4), torch.randint(3, (1204,))
    between = Between()
    runner = Runner(
        model=Model(),
        work_dir=str(tmp_path),
        train_dataloader={
            "dataset": torch.utils.data.TensorDataset(inputs, labels),
            "batch_size": 4,
            "sampler": {"type": "DefaultSampler"},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}, "clip_grad": {"max_norm": 1.0}},
        param_scheduler={"type": "CosineAnnealingLR", "by_epoch": False, "T_max": 301},
        default_hooks={"logger": {"interval": 101}},
        custom_hooks=[between, *more],
        randomness={"seed": 0},
        device="cpu",
    )
    runner.train()
    return between.reads.found


def test_no_tensor_is_read_between_two_log_intervals(tmp_path: Any) -> None:
    assert run(tmp_path) == []


def test_a_guard_against_nan_reads_nothing_either(tmp_path: Any) -> None:
    assert run(tmp_path, NaNGuardHook("skip", interval=101)) == []


def test_nor_where_loss_spikes_are_looked_for(tmp_path: Any) -> None:
    assert run(tmp_path, LossSpikeHook("rollback", interval=101)) == []


@pytest.mark.parametrize(
    "hook",
    [
        {"type": "EMAHook"},
        {"type": "EMAHook", "ema_type": "MomentumAnnealingEMA", "update_buffers": True, "interval": 2},
        {"type": "EMAHook", "ema_type": "StochasticWeightAverage"},
        {"type": "SWAHook", "swa_begin": 3, "swa_lr": 0.01, "by_epoch": False},
    ],
    ids=str,
)
def test_averages_do_not_read_a_tensor_either(tmp_path: Any, hook: Any) -> None:
    assert run(tmp_path, hook) == []


def test_a_hook_that_reads_a_loss_is_caught(tmp_path: Any) -> None:
    class Reader(Hook):
        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            outputs["loss"].item()

    assert len(run(tmp_path, Reader())) == 100
