"""The number of batches that make an update, as the training goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import BuildError, Hook, Runner
from runner.hooks import GradientAccumulationScheduler
from runner.model import BaseModel

LENGTH = 6


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": self.linear(inputs).square().mean()}


class Updates(Hook):
    """Notes after which iterations the weights have changed, and by which gradients."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.weight: Any = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.weight = runner.model.linear.weight.detach().clone()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if not torch.equal(self.weight, runner.model.linear.weight):
            self.at.append(runner.iter + 1)


def run(folder: Path, *hooks: Any, **changes: Any) -> Runner:
    inputs = torch.randn(LENGTH * 2, 2, generator=torch.Generator().manual_seed(0))
    fields: dict[str, Any] = {
        "model": {"type": Model},
        "work_dir": str(folder),
        "train_dataloader": {
            "dataset": TensorDataset(inputs),
            "batch_size": 2,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": "default_collate",
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 3},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}},
        "custom_hooks": list(hooks),
        "randomness": {"seed": 0},
        "log_level": "ERROR",
        "device": "cpu",
        **changes,
    }
    runner = Runner(**fields)
    runner.train()
    return runner


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ([(1, 3)], [1, 2, 3, 4, 5, 6, 9, 12, 15, 18]),
        ([(2, 1), (0, 2)], [2, 4, 6, 8, 10, 12, 13, 14, 15, 16, 17, 18]),
        # A window that is open is filled first; the run's last one is cut short.
        ([(0, 4), (1, 5)], [4, 8, 13, 18]),
        ([(0, 4), (1, 7)], [4, 8, 15, 18]),
    ],
)
def test_updates_come_where_windows_end(tmp_path: Path, schedule: Any, expected: list[int]) -> None:
    updates = Updates()
    run(tmp_path, GradientAccumulationScheduler(schedule), updates)
    assert updates.at == expected


def test_by_iterations(tmp_path: Path) -> None:
    updates = Updates()
    schedule = GradientAccumulationScheduler([(4, 2)], by_epoch=False)
    run(tmp_path, schedule, updates, train_cfg={"by_epoch": False, "max_iters": 9})
    assert updates.at == [1, 2, 3, 4, 6, 8, 9]


def test_each_window_is_averaged_over_its_own_length(tmp_path: Path) -> None:
    two = run(tmp_path / "a", GradientAccumulationScheduler([(0, 2)]), train_cfg={"by_epoch": True, "max_epochs": 1})
    loader = {"batch_size": 4, "sampler": {"type": "DefaultSampler", "shuffle": False}, "collate_fn": "default_collate"}
    inputs = torch.randn(LENGTH * 2, 2, generator=torch.Generator().manual_seed(0))
    loop = {"by_epoch": True, "max_epochs": 1}
    large = run(tmp_path / "b", train_cfg=loop, train_dataloader={"dataset": TensorDataset(inputs), **loader})
    assert torch.allclose(two.model.linear.weight, large.model.linear.weight, atol=1e-6)


@pytest.mark.parametrize("at", [5, 7, 8, 11, 14])
def test_resumed_bit_for_bit(tmp_path: Path, at: int) -> None:
    hook = {"type": "GradientAccumulationScheduler", "schedule": [[0, 4], [1, 5]]}
    whole = run(tmp_path, hook)
    updates = Updates()
    resumed = run(tmp_path / "resumed", hook, updates, load_from=str(tmp_path / f"iter_{at}.pth"), resume=True)
    assert torch.equal(whole.model.linear.weight, resumed.model.linear.weight)
    assert updates.at == [step for step in [4, 8, 13, 18] if step > at]


@pytest.mark.parametrize(("schedule", "said"), [([], "is empty"), ([(1, 2), (1, 3)], "gives two numbers for 1")])
def test_what_is_no_schedule(schedule: Any, said: str) -> None:
    with pytest.raises(BuildError, match=said):
        GradientAccumulationScheduler(schedule)
