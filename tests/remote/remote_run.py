"""A run whose checkpoints go to a store; as a program, with its arguments as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import Runner
from runner.model import BaseModel


class Small(BaseModel):
    """Its dropout draws, so that a run that goes on with other generators ends with other weights."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.3), nn.Linear(64, 1))

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        out = self.net(inputs)
        return {"loss": out.square().mean()} if mode == "loss" else out


def remote_run(work_dir: str, checkpoint: dict[str, Any] | None = None, **changes: Any) -> Runner:
    """A Runner of four epochs of four steps."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    fields: dict[str, Any] = {
        "model": Small(),
        "train_dataloader": {
            "dataset": TensorDataset(torch.randn(16, 4, generator=generator)),
            "batch_size": 4,
            "sampler": {"type": "DefaultSampler"},
            "collate_fn": "default_collate",
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 4},
        "optim_wrapper": {"optimizer": {"type": "Adam", "lr": 0.01}},
        "default_hooks": {"checkpoint": {"interval": 1, **(checkpoint or {})}},
        "randomness": {"seed": 3},
        "log_level": "WARNING",
        "device": "cpu",
    }
    return Runner(work_dir=work_dir, **{**fields, **changes})


def weights(runner: Runner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in runner.unwrapped_model.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    runner = remote_run(**json.loads(sys.argv[1]))
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    sys.stdin.readline()
    runner.train()
    runner.close()
