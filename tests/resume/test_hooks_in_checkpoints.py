"""What hooks put into a checkpoint: NumPy's numbers come back, what could not be read again is refused at the save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from runner import CheckpointError, Hook, Runner
from runner.model import BaseModel


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        logits = self.linear(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits


class Counting(Hook):
    def __init__(self) -> None:
        self.seen = np.float64(0)
        self.loaded: Any = None

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.seen += 1

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["seen"] = self.seen
        checkpoint["meta"]["shape"] = np.arange(3)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        self.loaded = (checkpoint["seen"], checkpoint["meta"]["shape"])


class Careless(Hook):
    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["meta"]["notes"] = {"folder": Path("somewhere")}


class CarelessState(Hook):
    def state_dict(self) -> dict[str, Any]:
        return {"folder": Path("somewhere")}


def runner(work_dir: Path, hook: Hook, epochs: int = 1, **more: Any) -> Runner:
    return Runner(
        model=Model(),
        work_dir=str(work_dir),
        train_dataloader={
            "dataset": torch.utils.data.TensorDataset(torch.randn(12, 4), torch.randint(3, (12,))),
            "batch_size": 4,
            "sampler": {"type": "DefaultSampler"},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=[hook],
        randomness={"seed": 0},
        device="cpu",
        **more,
    )


def test_numpy_values_are_saved_and_come_back(tmp_path: Path) -> None:
    runner(tmp_path, Counting()).train()
    again = Counting()
    runner(tmp_path, again, epochs=2, resume=True).train()
    seen, shape = again.loaded
    assert seen == 3.0
    assert type(seen) is float
    assert torch.equal(shape, torch.arange(3))


@pytest.mark.parametrize(
    ("hook", "owner", "key"),
    [(Careless(), "Careless", "['notes']['folder']"), (CarelessState(), "CarelessState", "folder")],
)
def test_what_could_not_be_loaded_is_refused_by_the_name_of_its_hook(
    tmp_path: Path, hook: Hook, owner: str, key: str
) -> None:
    with pytest.raises(CheckpointError) as error:
        runner(tmp_path, hook).train()
    assert owner in str(error.value)
    assert key in str(error.value)
    assert "Path" in str(error.value)
    assert not list(tmp_path.glob("*.pth"))
