"""A run that is small, draws random numbers, and has batch norm: what a strategy has to get right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner import Hook, Runner
from runner.model import BaseModel

SAMPLES = 24


class Net(BaseModel):
    def __init__(self, dropout: float = 0.2, *, norm: bool = True) -> None:
        super().__init__(init_cfg={"type": "Kaiming", "layer": "Linear"})
        self.blocks = nn.Sequential(*(self.block(dropout, norm) for _ in range(2)))
        self.head = nn.Linear(7, 3)  # of which two ranks have uneven shares

    @staticmethod
    def block(dropout: float, norm: bool) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(7, 7, bias=not norm),
            nn.BatchNorm1d(7) if norm else nn.Identity(),
            nn.Tanh(),
            nn.Dropout(dropout),
        )

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        out = self.head(self.blocks(inputs))
        return {"loss": out.square().mean()} if mode == "loss" else out


class Samples(torch.utils.data.Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.sin(torch.arange(7.0) * (index + 1))


def collate(samples: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"inputs": torch.stack(samples)}


class Losses(Hook):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        assert outputs is not None
        self.seen.append(outputs["loss"].item())


SGD = {
    "type": "OptimWrapper",
    "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
    "clip_grad": {"max_norm": 1.0},
}


def build(work_dir: Path | str, strategy: Any, *, batch: int = 4, **fields: Any) -> Runner:
    fields = {
        "model": Net(),
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "optim_wrapper": SGD,
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}},
        **fields,
    }
    loader = {
        "dataset": Samples(),
        "batch_size": batch,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": collate,
    }
    return Runner(
        work_dir=str(work_dir),
        train_dataloader=loader,
        randomness={"seed": 3},
        device="cpu",
        log_level="ERROR",
        strategy=strategy,
        **fields,
    )


def train(work_dir: Path | str, strategy: Any, **fields: Any) -> Runner:
    runner = build(work_dir, strategy, **fields)
    runner.train()
    runner.close()
    return runner


def assert_equal(got: Any, expected: Any, path: str = "", tolerance: float | None = None) -> None:
    if isinstance(expected, torch.Tensor):
        if tolerance is None:
            assert torch.equal(got, expected), path
        else:
            assert torch.allclose(got, expected, atol=tolerance, rtol=0), path
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys(), path
        for key in expected:
            assert_equal(got[key], expected[key], f"{path}.{key}", tolerance)
    elif isinstance(expected, (list, tuple)):
        assert len(got) == len(expected), path
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            assert_equal(one, other, f"{path}.{number}", tolerance)
    else:
        assert got == expected, path


def parts(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same bit for bit after a resume."""
    names = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers", "ranks", "data", "accumulation")
    return {name: checkpoint[name] for name in names if name in checkpoint}
