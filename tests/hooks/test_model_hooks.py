"""Hooks that change the model or its data in the course of a run: freezing, batch norm's statistics, pipelines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from runner import BuildError, Hook, Runner
from runner.dataset import RepeatDataset
from runner.hooks import FreezeHook, PreciseBNHook, SwitchPipelineHook
from runner.model import BaseModel

SAMPLES, BATCH = 24, 4
LENGTH = SAMPLES // BATCH


class Numbers(Dataset[Any]):
    """Random rows, with transforms."""

    def __init__(self, transform: Callable[[Any], Any] | None = None) -> None:
        self.rows = torch.randn(SAMPLES, 3, generator=torch.Generator().manual_seed(0)) * 2 + 1
        self.transform = transform

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> torch.Tensor:
        row = self.rows[index]
        return row if self.transform is None else self.transform(row)


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, 1)

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        outputs = self.head(self.body(inputs))
        return {"loss": (outputs - 1).square().mean()} if mode == "loss" else list(outputs)


class Look(Hook):
    """Notes something after each step."""

    def __init__(self, what: Callable[[Runner, Any], Any]) -> None:
        self.what = what
        self.seen: list[Any] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.seen.append(self.what(runner, data_batch))


def run(folder: Path, *hooks: Any, dataset: Any = None, loader: dict[str, Any] | None = None, **changes: Any) -> Runner:
    fields: dict[str, Any] = {
        "model": {"type": Model},
        "work_dir": str(folder),
        "train_dataloader": {
            "dataset": dataset or Numbers(),
            "batch_size": BATCH,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "collate_fn": "default_collate",
            **(loader or {}),
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 3},
        "optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.05, "weight_decay": 0.1}},
        "custom_hooks": list(hooks),
        "randomness": {"seed": 0},
        "log_level": "ERROR",
        "device": "cpu",
        **changes,
    }
    runner = Runner(**fields)
    runner.train()
    return runner


def weights(runner: Runner, _batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return runner.unwrapped_model.body[0].weight.detach().clone(), runner.unwrapped_model.head.weight.detach().clone()


def is_same(first: Runner, second: Runner) -> bool:
    states = first.model.state_dict(), second.model.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


class TestFreeze:
    def test_neither_gradients_nor_decay_move_what_is_frozen(self, tmp_path: Path) -> None:
        look = Look(weights)
        run(tmp_path, FreezeHook("body.*", begin=1, end=2), look)
        body, head = zip(*look.seen, strict=True)
        moved = [not torch.equal(*pair) for pair in itertools.pairwise(body)]
        assert moved == [True] * (LENGTH - 1) + [False] * LENGTH + [True] * LENGTH
        assert not any(torch.equal(*pair) for pair in itertools.pairwise(head))

    def test_by_iterations(self, tmp_path: Path) -> None:
        look = Look(weights)
        run(tmp_path, FreezeHook(["body.0"], begin=2, end=5, by_epoch=False), look)
        body = [first for first, _ in look.seen]
        moved = [not torch.equal(*pair) for pair in itertools.pairwise(body)]
        assert moved[:6] == [True, False, False, False, True, True]

    @pytest.mark.parametrize("eval_mode", [False, True])
    def test_batch_norm_may_count_on(self, tmp_path: Path, eval_mode: bool) -> None:
        look = Look(lambda runner, _: int(runner.unwrapped_model.body[1].num_batches_tracked))
        run(tmp_path, FreezeHook("body", end=2, eval_mode=eval_mode), look)
        assert look.seen[2 * LENGTH - 1] == (0 if eval_mode else 2 * LENGTH)
        assert look.seen[-1] == (LENGTH if eval_mode else 3 * LENGTH)

    def test_resumed_in_the_middle(self, tmp_path: Path) -> None:
        hook = {"type": "FreezeHook", "modules": "body", "begin": 1, "end": 2, "eval_mode": True}
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}}
        whole = run(tmp_path / "a", hook, default_hooks=hooks)
        stop = Stop(LENGTH + 2)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "b", hook, stop, default_hooks=hooks)
        assert is_same(whole, run(tmp_path / "b", hook, default_hooks=hooks, resume=True))

    def test_names_that_match_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(BuildError, match=r"no module 'bodi'; did you mean 'body'\?"):
            run(tmp_path, FreezeHook("bodi"))
        with pytest.raises(BuildError, match="'end' is 2 and not after 'begin', 2"):
            FreezeHook("body", begin=2, end=2)

    @pytest.mark.world_size(2)
    def test_distributed(self, tmp_path: Path) -> None:
        hook, loop = {"type": "FreezeHook", "modules": "body", "begin": 1}, {"by_epoch": True, "max_epochs": 2}
        with pytest.raises(BuildError, match="set find_unused_parameters: true"):
            run(tmp_path / "a", hook, launcher="pytorch", train_cfg=loop)
        look = Look(weights)
        run(tmp_path / "b", hook, look, launcher="pytorch", train_cfg=loop, find_unused_parameters=True)
        assert torch.equal(look.seen[2][0], look.seen[-1][0])
        assert not torch.equal(look.seen[2][1], look.seen[-1][1])


class Stop(Hook):
    """Stops the run as Ctrl-C does, after the checkpoint of a step."""

    priority = "LOWEST"

    def __init__(self, at: int) -> None:
        self.at = at

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 == self.at:
            raise KeyboardInterrupt


class TestPreciseBN:
    def test_the_statistics_are_the_data_sets(self, tmp_path: Path) -> None:
        runner = run(tmp_path, PreciseBNHook())
        norm = runner.model.body[1]
        with torch.no_grad():
            features = runner.model.body[0](Numbers().rows)
        assert torch.allclose(norm.running_mean, features.mean(0), atol=1e-6)
        # Each batch's own variance, unbiased, and how far the batches' means lie apart.
        assert torch.allclose(norm.running_var, features.var(0), rtol=0.3)
        assert int(norm.num_batches_tracked) == 3 * LENGTH
        assert norm.momentum == 0.1

    def test_fewer_samples_and_now_and_then(self, tmp_path: Path) -> None:
        plain = run(tmp_path / "a", train_cfg={"by_epoch": True, "max_epochs": 1})
        skipped = run(tmp_path / "b", PreciseBNHook(8, interval=2), train_cfg={"by_epoch": True, "max_epochs": 1})
        assert is_same(plain, skipped)
        twice = run(tmp_path / "c", PreciseBNHook(8, interval=1), train_cfg={"by_epoch": True, "max_epochs": 1})
        assert not torch.equal(twice.model.body[1].running_mean, plain.model.body[1].running_mean)

    def test_training_goes_on_as_without_it(self, tmp_path: Path) -> None:
        losses = [Look(lambda _runner, batch: batch.clone()) for _ in range(2)]
        plain, precise = run(tmp_path / "a", losses[0]), run(tmp_path / "b", PreciseBNHook(), losses[1])
        assert all(map(torch.equal, losses[0].seen, losses[1].seen))
        assert torch.equal(plain.model.body[0].weight, precise.model.body[0].weight)

    def test_a_model_whose_forward_pass_is_not_known(self, tmp_path: Path) -> None:
        class Bare(nn.Linear):
            def train_step(self, data: Any, optim_wrapper: Any) -> Any:
                raise AssertionError

        with pytest.raises(BuildError, match=r"is to be a BaseModel, .* and is a Bare"):
            run(tmp_path, PreciseBNHook(), model=Bare(3, 1))

    @pytest.mark.world_size(2)
    def test_ranks_share_it(self, tmp_path: Path) -> None:
        runner = run(tmp_path, PreciseBNHook(), launcher="pytorch")
        means = [torch.empty(4) for _ in range(2)]
        torch.distributed.all_gather(means, runner.unwrapped_model.body[1].running_mean)
        assert torch.equal(*means)
        with torch.no_grad():
            features = runner.unwrapped_model.body[0](Numbers().rows)
        assert torch.allclose(means[0], features.mean(0), atol=1e-6)


def plus(number: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return Plus(number)


class Plus:
    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, row: torch.Tensor) -> torch.Tensor:
        return row.clamp(-50, 50) + self.number


def per_epoch(values: Sequence[float]) -> list[bool]:
    return [value > 500 for value in values]


class TestSwitchPipeline:
    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("wraps", [False, True])
    def test_from_its_epoch_on(self, tmp_path: Path, workers: int, wraps: bool) -> None:
        look = Look(lambda _, batch: float(batch.mean()))
        dataset: Any = RepeatDataset(Numbers(plus(0)), 1) if wraps else Numbers()
        loader = {"num_workers": workers, "persistent_workers": workers > 0}
        run(tmp_path, SwitchPipelineHook(1, [plus(1000)]), look, dataset=dataset, loader=loader)
        assert per_epoch(look.seen) == [False] * LENGTH + [True] * 2 * LENGTH

    def test_a_resumed_run_reads_on_in_the_new_way(self, tmp_path: Path) -> None:
        hook = SwitchPipelineHook(1, [plus(1000)])
        run(tmp_path, hook, train_cfg={"by_epoch": True, "max_epochs": 2})
        look = Look(lambda _, batch: float(batch.mean()))
        run(tmp_path, SwitchPipelineHook(1, [plus(1000)]), look, resume=True)
        assert per_epoch(look.seen) == [True] * LENGTH

    def test_what_can_not_be_switched(self, tmp_path: Path) -> None:
        with pytest.raises(BuildError, match="counts epochs"):
            run(tmp_path / "a", SwitchPipelineHook(1, []), train_cfg={"by_epoch": False, "max_iters": 2})
        bare = torch.utils.data.TensorDataset(torch.zeros(8, 3))
        with pytest.raises(
            BuildError, match="TensorDataset holds no transforms in any of pipeline, transform, transforms"
        ):
            run(tmp_path / "b", SwitchPipelineHook(1, []), dataset=bare)
