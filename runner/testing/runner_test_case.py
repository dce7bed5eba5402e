"""`RunnerTestCase`: a small run to try hooks and loops on."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest import TestCase
from uuid import uuid4

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from runner.config import Config
from runner.dist import destroy
from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.registry import DATASETS, METRICS, MODELS
from runner.runner import Runner

__all__ = ["RunnerTestCase", "ToyDataset", "ToyMetric", "ToyModel"]


class ToyModel(BaseModel):
    """Two linear layers, from (samples, 2) to (samples, 1).

    Args:
        data_preprocessor: As for `BaseModel`.
    """

    def __init__(self, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.linear1 = nn.Linear(2, 2)
        self.linear2 = nn.Linear(2, 1)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:  # type: ignore[override] # as models are written
        """The outputs, or in the mode `loss` the sum of their differences to the samples."""
        inputs = torch.stack(inputs) if isinstance(inputs, list) else inputs
        outputs = self.linear2(self.linear1(inputs))
        if mode != "loss":
            return outputs
        targets = torch.stack(data_samples) if isinstance(data_samples, list) else data_samples
        return {"loss": (targets - outputs).sum()}


class ToyDataset(Dataset[dict[str, Tensor]]):
    """Twelve samples of two numbers, each labelled 1."""

    METAINFO: ClassVar[dict[str, Any]] = {}
    data = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    label = torch.ones(12)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Nothing."""
        return self.METAINFO

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.data[index], "data_samples": self.label[index]}


class ToyMetric(BaseMetric):
    """Finds an accuracy of 1.

    Args:
        collect_device: As for `BaseMetric`.
        dummy_metrics: Taken for MMEngine's sake.
    """

    def __init__(self, collect_device: str = "cpu", dummy_metrics: Any = None) -> None:
        super().__init__(collect_device=collect_device)  # type: ignore[arg-type] # one of two words
        self.dummy_metrics = dummy_metrics

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Note that there was a batch."""
        del data_batch, data_samples
        self.results.append({"acc": 1})

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """The accuracy."""
        del results
        return {"acc": 1.0}


def _loader(shuffle: bool, sampler: str = "DefaultSampler") -> dict[str, Any]:
    return {
        "dataset": {"type": "ToyDataset"},
        "sampler": {"type": sampler, "shuffle": shuffle},
        "batch_size": 3,
        "num_workers": 0,
    }


class RunnerTestCase(TestCase):
    """Gives `self.epoch_based_cfg` and `self.iter_based_cfg`, of a small run in a temporary folder."""

    dist_cfg: ClassVar[dict[str, Any]] = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": 29600,
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
    }

    def setUp(self) -> None:
        """Make the folder, and offer the toys."""
        self.temp_dir = tempfile.TemporaryDirectory()
        MODELS.register_module(module=ToyModel, force=True)
        METRICS.register_module(module=ToyMetric, force=True)
        DATASETS.register_module(module=ToyDataset, force=True)
        self.epoch_based_cfg = Config(
            {
                "work_dir": self.temp_dir.name,
                "model": {"type": "ToyModel"},
                "train_dataloader": _loader(shuffle=True),
                "val_dataloader": _loader(shuffle=False),
                "val_evaluator": [{"type": "ToyMetric"}],
                "test_dataloader": _loader(shuffle=False),
                "test_evaluator": [{"type": "ToyMetric"}],
                "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
                "train_cfg": {"by_epoch": True, "max_epochs": 2, "val_interval": 1},
                "val_cfg": {},
                "test_cfg": {},
                "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
                "custom_hooks": [],
                "env_cfg": {},
                "experiment_name": "test1",
            }
        )
        self.iter_based_cfg = copy.deepcopy(self.epoch_based_cfg)
        self.iter_based_cfg.train_dataloader = _loader(shuffle=True, sampler="InfiniteSampler")
        self.iter_based_cfg.log_processor = {"by_epoch": False}
        self.iter_based_cfg.train_cfg = {"by_epoch": False, "max_iters": 12}
        self.iter_based_cfg.default_hooks = {
            "logger": {"type": "LoggerHook", "interval": 1},
            "checkpoint": {"type": "CheckpointHook", "interval": 12, "by_epoch": False},
        }

    def tearDown(self) -> None:
        """Forget the toys, leave the process group, and delete the folder."""
        for registry, name in ((MODELS, "ToyModel"), (METRICS, "ToyMetric"), (DATASETS, "ToyDataset")):
            registry.module_dict.pop(name, None)
        destroy()
        self.temp_dir.cleanup()

    def build_runner(self, cfg: Config) -> Runner:
        """A Runner of a config, under a name of its own."""
        cfg.experiment_name = self.experiment_name
        return Runner.from_cfg(cfg)

    @property
    def experiment_name(self) -> str:
        """A name that no other run has."""
        return f"{self._testMethodName}_{uuid4()}"

    def setup_dist_env(self) -> None:
        """Set the environment of a group of one process."""
        self.dist_cfg["MASTER_PORT"] += 1
        os.environ.update({name: str(value) for name, value in self.dist_cfg.items()})

    def clear_work_dir(self) -> None:
        """Empty the folder."""
        for path in Path(self.temp_dir.name).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
