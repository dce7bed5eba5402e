"""Small seeded trainings beside MMEngine's own Runner: the same losses, the same validations, hooks in the same order."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("mmengine.runner")

LIBRARIES = ("runner", "mmengine")
SAMPLES = 22


def of(library: str) -> SimpleNamespace:
    """What a user imports, by the same names from both."""
    modules = {
        "BaseModel": "model",
        "BaseMetric": "evaluator",
        "Evaluator": "evaluator",
        "Hook": "hooks",
        "BaseDataElement": "structures",
    }
    found = {name: getattr(importlib.import_module(f"{library}.{module}"), name) for name, module in modules.items()}
    found["Runner"] = importlib.import_module("runner" if library == "runner" else "mmengine.runner").Runner
    return SimpleNamespace(**found)


class Data(torch.utils.data.Dataset[Any]):
    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(SAMPLES, 6, generator=generator)
        self.labels = torch.randint(3, (SAMPLES,), generator=generator)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.inputs[index], int(self.labels[index])


def model(library: SimpleNamespace) -> nn.Module:
    class Model(library.BaseModel):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(5)
            self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

        def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
            scores = self.body(inputs)
            losses = {
                "loss_ce": nn.functional.cross_entropy(scores, labels),
                "acc": (scores.argmax(1) == labels).float(),
            }
            if mode == "loss":
                return losses
            losses["loss_parts"] = [scores.mean(), scores.std()]
            # A data element with nothing but losses, after the predictions.
            return [*scores.argmax(1), library.BaseDataElement(loss={**losses, "acc": losses["acc"].mean()})]

    return Model()


def metric(library: SimpleNamespace) -> Any:
    class Share(library.BaseMetric):
        def process(self, data_batch: Any, data_samples: Any) -> None:
            assert len(data_samples) == len(data_batch[1])
            self.results += [float(one == other) for one, other in zip(data_batch[1], data_samples, strict=True)]

        def compute_metrics(self, results: list[float]) -> dict[str, float]:
            return {"share": sum(results) / len(results)}

    return library.Evaluator(Share())


def recorder(library: SimpleNamespace) -> Any:
    class Record(library.Hook):
        """Notes each point that is reached, and what is known there."""

        priority = "LOWEST"

        def __init__(self) -> None:
            self.points: list[Any] = []
            self.losses: list[float] = []
            self.rates: list[float] = []
            self.validations: list[Any] = []

    def note(point: str) -> Any:
        def method(self: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
            self.points.append((point, runner.epoch, runner.iter, kwargs.get("batch_idx")))
            if point == "after_train_iter":
                self.losses.append(float(kwargs["outputs"]["loss"]))
                self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])
            elif point in {"after_val_epoch", "after_test_epoch"}:
                self.validations.append((runner.epoch, runner.iter, dict(kwargs["metrics"])))

        return method

    for point in library.Hook.stages:
        setattr(Record, point, note(point))
    return Record()


def loader(shuffle: bool) -> dict[str, Any]:
    return {
        "dataset": Data(),
        "batch_size": 4,
        "sampler": {"type": "DefaultSampler", "shuffle": shuffle},
        "collate_fn": {"type": "default_collate"},
    }


def run(name: str, work_dir: Path, what: str = "train", **changes: Any) -> Any:
    library = of(name)
    record = recorder(library)
    evaluating = {"dataloader": loader(shuffle=False), "cfg": {}, "evaluator": metric(library)}
    fields = {
        "model": model(library),
        "train_dataloader": loader(shuffle=True),
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}},
        "param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.1, "end": 5, "by_epoch": False},
            {"type": "MultiStepLR", "milestones": [2], "by_epoch": True},
        ],
        **{f"val_{key}": value for key, value in evaluating.items()},
        **{f"test_{key}": value for key, value in evaluating.items()},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 2}},
        "custom_hooks": [record],
        "randomness": {"seed": 7},
        "log_level": "ERROR",
        "experiment_name": f"{work_dir.name}-{name}",
        "work_dir": str(work_dir / name),
        **changes,
    }
    runner = library.Runner(**fields)
    try:
        getattr(runner, what)()
    finally:
        logging.shutdown()
    return record


def beside(work_dir: Path, what: str = "train", **changes: Any) -> tuple[Any, Any]:
    ours, theirs = (run(name, work_dir, what, **changes) for name in LIBRARIES)
    return ours, theirs


EPOCHS = {"by_epoch": True, "max_epochs": 5}
ITERATIONS = {"by_epoch": False, "max_iters": 17}

LOOPS = {
    "by epochs": EPOCHS,
    "by epochs, from the third on, every second": {**EPOCHS, "val_begin": 3, "val_interval": 2},
    "by epochs, more often later on": {**EPOCHS, "val_interval": 3, "dynamic_intervals": [(3, 2), (4, 1)]},
    "by iterations": {**ITERATIONS, "val_interval": 5},
    "by iterations, from the seventh on": {**ITERATIONS, "val_begin": 7, "val_interval": 3},
    "by iterations, more often later on": {**ITERATIONS, "val_interval": 8, "dynamic_intervals": [(9, 4), (13, 2)]},
}


@pytest.fixture(autouse=True)
def _awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their loop by iterations sleeps two seconds wherever its data begins anew."""
    import mmengine.runner.loops

    monkeypatch.setattr(mmengine.runner.loops.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("train_cfg", LOOPS.values(), ids=LOOPS)
def test_the_same_training(tmp_path: Path, train_cfg: dict[str, Any]) -> None:
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": train_cfg["by_epoch"]}}
    ours, theirs = beside(tmp_path, train_cfg=train_cfg, default_hooks=hooks)
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-6)
    assert len(ours.losses) == (30 if train_cfg["by_epoch"] else 17)
    assert ours.rates == pytest.approx(theirs.rates, rel=1e-12)
    assert [each[:2] for each in ours.validations] == [each[:2] for each in theirs.validations]
    for (*_, one), (*_, other) in zip(ours.validations, theirs.validations, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
        assert one.keys() >= {"share", "val_loss", "loss_ce", "loss_parts", "acc"}
    if not train_cfg["by_epoch"]:
        # A run by iterations is one epoch, which is over at its end; theirs never counts it.
        assert [each[0] for each in ours.points[-2:]] == ["after_train", "after_run"]
        ours.points[-2:] = [(point, epoch - 1, *rest) for point, epoch, *rest in ours.points[-2:]]
    assert ours.points == theirs.points


def test_the_same_accumulated_and_clipped(tmp_path: Path) -> None:
    wrapper = {
        "optimizer": {"type": "AdamW", "lr": 0.01},
        "accumulative_counts": 4,
        "clip_grad": {"max_norm": 0.5},
        "paramwise_cfg": {"bias_lr_mult": 2.0},
    }
    ours, theirs = beside(tmp_path, train_cfg=EPOCHS, optim_wrapper=wrapper)
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-6)


@pytest.mark.parametrize("what", ["val", "test"])
@pytest.mark.parametrize("fp16", [False, True])
def test_the_same_measuring(tmp_path: Path, what: str, fp16: bool) -> None:
    ours, theirs = beside(tmp_path, what, train_cfg=EPOCHS, **{f"{what}_cfg": {"fp16": fp16}})
    assert ours.points == theirs.points
    (*_, one), (*_, other) = ours.validations[0], theirs.validations[0]
    assert one == pytest.approx(other, abs=1e-6)
    assert f"{what}_loss" in one
