"""Hooks that measure a run, or write down what it does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from runner import Hook, Runner, read_scalars
from runner.checkpoint import CheckpointStore
from runner.errors import BuildError
from runner.evaluator import BaseMetric
from runner.hooks import (
    DeviceStatsHook,
    EMAHook,
    ExceptionCheckpointHook,
    MemorySnapshotHook,
    PredictionWriterHook,
    ThroughputHook,
)
from runner.hooks.throughput import _elements, _samples
from runner.model import BaseModel

SAMPLES, BATCH, WIDTH = 11, 2, 4


class Rows(Dataset[Any]):
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": torch.full((WIDTH,), float(index)), "ids": torch.arange(3)}


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([Rows()[index] for index in range(SAMPLES)])


class Model(BaseModel):
    """Predicts the sum of its inputs, through a linear layer that is trained beside."""

    fails_at = -1

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH, bias=False)
        self.calls = 0

    def forward(self, inputs: torch.Tensor, ids: torch.Tensor, mode: str = "tensor") -> Any:
        if mode == "loss":
            self.calls += 1
            if self.calls == self.fails_at:
                raise ValueError("a batch that the model can't take")
            return {"loss": nn.functional.dropout(self.linear(inputs), 0.5).square().mean() / 100}
        return [{"sum": row.sum(), "name": f"sample {int(row[0])}"} for row in inputs]


class Listed(Model):
    """Its batches are lists of samples' fields."""

    def forward(self, inputs: Any, ids: Any, mode: str = "tensor") -> Any:
        return super().forward(torch.stack(list(inputs)), ids, mode)


class Count(BaseMetric):
    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.extend([1] * len(data_samples))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return {"count": float(len(results))}


def loader(shuffle: bool) -> dict[str, Any]:
    sampler = {"type": "DefaultSampler", "shuffle": shuffle}
    return {"dataset": Rows(), "batch_size": BATCH, "sampler": sampler, "collate_fn": "default_collate"}


def build(folder: Path, *hooks: Any, model: Any = Model, **changes: Any) -> Runner:
    fields: dict[str, Any] = {
        "model": {"type": model},
        "work_dir": str(folder),
        "train_dataloader": loader(shuffle=True),
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "val_dataloader": loader(shuffle=False),
        "val_cfg": {},
        "val_evaluator": {"type": Count},
        "test_dataloader": loader(shuffle=False),
        "test_cfg": {},
        "test_evaluator": {"type": Count},
        "default_hooks": {"logger": {"interval": 2}, "checkpoint": {"type": "CheckpointHook", "interval": 2}},
        "custom_hooks": list(hooks),
        "randomness": {"seed": 0},
        "log_level": "ERROR",
        "device": "cpu",
        **changes,
    }
    return Runner(**fields)


class TestThroughput:
    def test_records_go_on_after_a_checkpoint(self, tmp_path: Path) -> None:
        checkpoint = {"checkpoint": {"by_epoch": False, "interval": 5}}
        length = {"by_epoch": False, "max_iters": 20}
        hook = ThroughputHook(interval=2, flops=False)
        runner = build(tmp_path, hook, train_cfg=length, default_hooks=checkpoint)
        runner.train()
        assert len(runner.message_hub.get_scalar("train/samples_per_second").data[0]) == 10

    def test_counts_samples_tokens_and_operations(self, tmp_path: Path) -> None:
        hook = ThroughputHook(interval=2, tokens="ids", peak_flops=1e12)
        runner = build(tmp_path, hook)
        runner.train()
        last = {
            name: [row[name] for row in read_scalars(tmp_path) if name in row]
            for name in ("samples_per_second", "tokens_per_second", "tflops", "mfu")
        }
        assert all(last.values())
        samples, tokens, tflops, mfu = (values[-1] for values in last.values())
        assert tokens == pytest.approx(3 * samples)
        # Forward, and backward to the weights alone: two products of 4 by 4 a sample, two operations a term.
        assert tflops * 1e12 == pytest.approx(samples * 2 * 2 * WIDTH * WIDTH)
        assert mfu == pytest.approx(tflops)

    def test_tokens_of_lists(self, tmp_path: Path) -> None:
        """A collation that keeps samples apart gives a list of tensors."""
        hook = ThroughputHook(interval=2, tokens="ids", flops=False)
        rows = {**loader(shuffle=True), "collate_fn": "pseudo_collate"}
        runner = build(tmp_path, hook, train_dataloader=rows, model=Listed)
        runner.train()
        hub = runner.message_hub
        tokens, samples = (hub.get_scalar(f"train/{name}_per_second").current() for name in ("tokens", "samples"))
        assert tokens == pytest.approx(3 * samples)

    @pytest.mark.parametrize(
        ("batch", "part", "message"),
        [
            ((torch.zeros(2), torch.zeros(2)), "ids", "tokens is 'ids', and a batch is a tuple of 2; give"),
            ([torch.zeros(2)], 1, "tokens is 1, and a batch is a list of 1; give"),
            ({"a": 1, "b": 2}, "ids", "tokens is 'ids', and a batch is a mapping of 'a', 'b'; give"),
            ({"ids": "text"}, "ids", "tokens is 'ids', a str whose elements can't be counted"),
        ],
    )
    def test_a_part_that_is_not_there(self, batch: Any, part: Any, message: str) -> None:
        with pytest.raises(BuildError, match=re.escape(message)):
            _elements(batch, part)

    def test_counting_changes_no_numbers(self, tmp_path: Path) -> None:
        plain, counted = build(tmp_path / "a"), build(tmp_path / "b", ThroughputHook(interval=1))
        plain.train()
        counted.train()
        assert torch.equal(plain.model.linear.weight, counted.model.linear.weight)

    @pytest.mark.parametrize(
        ("batch", "samples"),
        [
            ({"inputs": torch.zeros(5, 2)}, 5),
            ([torch.zeros(5, 2), torch.zeros(5)], 5),
            ({"inputs": [torch.zeros(2), torch.zeros(3)]}, 2),
            ([[torch.zeros(2), torch.zeros(3), torch.zeros(1)], [0, 1, 2]], 3),
            (torch.zeros(7, 1), 7),
        ],
    )
    def test_what_a_batch_holds(self, batch: Any, samples: int) -> None:
        assert _samples(batch) == samples


def test_device_stats(tmp_path: Path) -> None:
    build(tmp_path, DeviceStatsHook(interval=2)).train()
    rows = [row for row in read_scalars(tmp_path) if "host_memory" in row]
    assert rows
    assert all(row["host_memory"] > 10 and row["cpu"] >= 0 and row["load"] >= 0 for row in rows)
    assert "device_memory" not in rows[0]


def test_a_memory_snapshot_needs_cuda(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, MemorySnapshotHook(), log_level="WARNING").train()
    assert "MemorySnapshotHook records CUDA devices, and this run is on cpu" in capsys.readouterr().out
    assert not list(tmp_path.rglob("memory_rank*.pickle"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_memory_snapshot_is_written(tmp_path: Path) -> None:
    build(tmp_path, MemorySnapshotHook(begin=1, iterations=2), device="cuda").train()
    (file,) = tmp_path.rglob("memory_rank0.pickle")
    assert file.stat().st_size > 100


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    (file,) = folder.rglob(f"predictions/{name}")
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


class TestPredictionWriter:
    def test_every_sample_once_and_in_order(self, tmp_path: Path) -> None:
        build(tmp_path, PredictionWriterHook(modes=["val", "test"])).test()
        rows = lines(tmp_path, "test.jsonl")
        assert [row["index"] for row in rows] == list(range(SAMPLES))
        assert [row["prediction"] for row in rows] == [
            {"sum": float(WIDTH * index), "name": f"sample {index}"} for index in range(SAMPLES)
        ]

    @pytest.mark.parametrize("is_first", [True, False])
    def test_what_is_measured_again_is_not_written(self, tmp_path: Path, is_first: bool) -> None:
        """EMAHook measures the weights themselves too, and a stream has no length that rows could be counted by."""
        stream = {"dataset": Stream(), "batch_size": BATCH, "collate_fn": "default_collate"}
        hooks = [PredictionWriterHook(modes=["val", "test"]), EMAHook(evaluate_on_origin=True)]
        runner = build(tmp_path, *(hooks if is_first else hooks[::-1]), val_dataloader=stream, test_dataloader=stream)
        runner.train()
        runner.test()
        for name in ("val_epoch_1.jsonl", "val_epoch_2.jsonl", "test.jsonl"):
            assert [row["index"] for row in lines(tmp_path, name)] == list(range(SAMPLES))

    def test_after_each_validation(self, tmp_path: Path) -> None:
        build(tmp_path, PredictionWriterHook(modes=["val"], fields=["name"])).train()
        assert lines(tmp_path, "val_epoch_2.jsonl")[4] == {"index": 4, "prediction": {"name": "sample 4"}}
        assert {file.name for file in tmp_path.rglob("predictions/*")} == {"val_epoch_1.jsonl", "val_epoch_2.jsonl"}

    @pytest.mark.world_size(2)
    def test_of_all_ranks(self, tmp_path: Path) -> None:
        runner = build(tmp_path, PredictionWriterHook(), launcher="pytorch")
        runner.test()
        torch.distributed.barrier()
        rows = lines(tmp_path, "test.jsonl")
        assert [(row["index"], row["prediction"]["name"]) for row in rows] == [
            (index, f"sample {index}") for index in range(SAMPLES)
        ]


class Failing(Model):
    fails_at = 8


class FailsLate(Hook):
    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 == 8:
            raise ValueError("a hook's mistake")


class TestExceptionCheckpoint:
    @pytest.mark.parametrize(("model", "hooks", "saved"), [(Failing, [], 7), (Model, [FailsLate()], 8)])
    def test_a_run_goes_on_from_where_it_failed(self, tmp_path: Path, model: Any, hooks: Any, saved: int) -> None:
        whole = build(tmp_path / "whole")
        whole.train()
        with pytest.raises(ValueError, match=r"mistake|can't take"):
            build(tmp_path / "failed", ExceptionCheckpointHook(), *hooks, model=model).train()
        newest = CheckpointStore(tmp_path / "failed").newest()
        assert newest is not None
        assert newest.name == f"exception_iter_{saved}.pth"
        resumed = build(tmp_path / "failed", resume=True)
        resumed.train()
        assert resumed.iter == whole.iter
        assert torch.equal(whole.model.linear.weight, resumed.model.linear.weight)

    def test_no_checkpoint_of_weights_that_may_be_half_changed(self, tmp_path: Path) -> None:
        class Broken(torch.optim.SGD):
            def step(self, closure: Any = None) -> None:
                raise ValueError("in the middle of a step")

        model = Model()
        wrapper = {"optimizer": Broken(model.parameters(), lr=0.1), "type": "OptimWrapper"}
        with pytest.raises(ValueError, match="in the middle"):
            build(tmp_path, ExceptionCheckpointHook(), model=lambda: model, optim_wrapper=wrapper).train()
        assert not list(tmp_path.glob("exception_*"))
