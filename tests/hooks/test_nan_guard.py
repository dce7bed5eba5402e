"""A loss that is not a number: the run ends, the update is left out, or the run goes back and leaves it out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.utils.data import TensorDataset

from runner import Hook, NonFiniteError, Runner, dist
from runner.checkpoint import CheckpointStore, load
from runner.dist.sharding import local
from runner.hooks.nan_guard import NaNGuardHook, _is_bad
from runner.model import BaseModel

BAD = 7
"""The iteration, from 1, whose loss is not a number."""
BATCHES = 10

OPTIMIZERS = [
    {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    {"type": "AdamW", "lr": 0.01},
    {"type": "AdamW", "lr": 0.01, "fused": True},
    {"type": "SGD", "lr": 0.1, "momentum": 0.9, "fused": True},
]


class Model(BaseModel):
    """A linear model whose loss is not a number where the batch says so."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, inputs: torch.Tensor, factor: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": (self.linear(inputs).square() * factor).mean()}


class LeaveOut(Hook):
    """What skipping has to equal: the same run whose bad batch makes no update."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter + 1 == BAD:
            runner.optim_wrapper.step = lambda: delattr(runner.optim_wrapper, "step")


def data(bad: bool) -> TensorDataset:
    generator = torch.Generator().manual_seed(3)
    inputs, factors = torch.randn(BATCHES * 2, 3, generator=generator), torch.ones(BATCHES * 2, 1)
    if bad:
        factors[(BAD - 1) * 2] = float("nan")
    return TensorDataset(inputs, factors)


def run(folder: Path, *hooks: Any, bad: bool = True, optimizer: Any = None, **changes: Any) -> Runner:
    fields: dict[str, Any] = {
        "model": {"type": Model},
        "work_dir": str(folder),
        "train_dataloader": {
            "dataset": data(bad),
            "batch_size": 2,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": "default_collate",
        },
        "train_cfg": {"by_epoch": False, "max_iters": BATCHES},
        "optim_wrapper": {"optimizer": optimizer or OPTIMIZERS[0]},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False}},
        "custom_hooks": list(hooks),
        "randomness": {"seed": 0},
        "log_level": "ERROR",
        "device": "cpu",
        **changes,
    }
    runner = Runner(**fields)
    runner.train()
    return runner


def rows(runner: Runner) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(runner.log_dir, "nan_guard.jsonl").read_text("utf-8").splitlines()]


def is_equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(is_equal(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(is_equal, first, second))
    return first == second or (math.isnan(first) and math.isnan(second))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: f"{each['type']}-{each.get('fused', False)}")
@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_a_bad_update_is_left_out(tmp_path: Path, optimizer: dict[str, Any], policy: str) -> None:
    guarded = run(tmp_path / "guarded", {"type": "NaNGuardHook", "policy": policy}, optimizer=optimizer)
    expected = run(tmp_path / "expected", LeaveOut(), bad=False, optimizer=optimizer)
    assert is_equal(dict(guarded.model.state_dict()), dict(expected.model.state_dict()))
    assert is_equal(guarded.optim_wrapper.state_dict(), expected.optim_wrapper.state_dict())
    assert guarded.iter == BATCHES
    assert [(row["iter"], row["action"]) for row in rows(guarded)] == [(BAD, policy)]
    assert guarded.message_hub.get_info("nan_guard") == rows(guarded)


def test_without_it_the_weights_are_lost(tmp_path: Path) -> None:
    runner = run(tmp_path, default_hooks={"checkpoint": None})
    assert not torch.isfinite(runner.model.linear.weight).all()


def test_the_run_ends_at_the_next_look_and_nothing_bad_is_saved(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=f"iteration {BAD}.* are not finite; look at the data"):
        run(tmp_path, {"type": "NaNGuardHook", "interval": 1000})
    newest = CheckpointStore(tmp_path).newest()
    assert newest is not None
    assert newest.name == f"iter_{BAD - 1}.pth"
    assert all(torch.isfinite(each).all() for each in load(newest)["state_dict"].values())


def test_the_first_step_of_all_can_be_left_out(tmp_path: Path) -> None:
    dataset = data(bad=False)
    dataset.tensors[1][0] = float("nan")
    loader = {"dataset": dataset, "batch_size": 2, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    loader["collate_fn"] = "default_collate"
    guard = {"type": "NaNGuardHook", "policy": "skip"}
    runner = run(tmp_path, guard, optimizer=OPTIMIZERS[1], train_dataloader=loader)
    state = runner.optim_wrapper.optimizer.state[runner.model.linear.weight]
    assert torch.isfinite(runner.model.linear.weight).all()
    assert state["step"].item() == BATCHES - 1


def test_a_window_with_a_bad_loss_is_left_out_whole(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optim_wrapper": {"optimizer": OPTIMIZERS[1], "accumulative_counts": 2}}
    runner = run(tmp_path, {"type": "NaNGuardHook", "policy": "skip"}, **changes)
    assert runner.optim_wrapper.optimizer.state[runner.model.linear.weight]["step"].item() == BATCHES // 2 - 1
    assert [row["iter"] for row in rows(runner)] == [BAD + 1]


def test_actions_have_a_limit(tmp_path: Path) -> None:
    dataset = data(bad=True)
    dataset.tensors[1][BAD * 2] = float("nan")
    loader = {"dataset": dataset, "batch_size": 2, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    loader["collate_fn"] = "default_collate"
    guard = {"type": "NaNGuardHook", "policy": "skip", "limit": 1}
    with pytest.raises(NonFiniteError, match=f"iteration {BAD}, {BAD + 1} are not finite, after 0 of 1 actions"):
        run(tmp_path, guard, train_dataloader=loader)


def test_there_may_be_nothing_to_go_back_to(tmp_path: Path) -> None:
    hooks = {"checkpoint": None}
    with pytest.raises(NonFiniteError, match=r"there is no checkpoint in .* to go back to"):
        run(tmp_path, {"type": "NaNGuardHook", "policy": "rollback"}, default_hooks=hooks)


def test_a_resumed_run_leaves_out_the_same_updates(tmp_path: Path) -> None:
    guard = {"type": "NaNGuardHook", "policy": "rollback"}
    whole = run(tmp_path / "whole", guard)
    again = run(tmp_path / "again", guard, train_cfg={"by_epoch": False, "max_iters": BAD + 1})
    assert len(rows(again)) == 1
    resumed = run(tmp_path / "again", guard, resume=True)
    assert is_equal(dict(whole.model.state_dict()), dict(resumed.model.state_dict()))
    assert [row["iter"] for row in resumed.message_hub.get_info("nan_guard")] == [BAD]


def test_what_a_run_that_went_further_has_left_is_not_gone_back_to(tmp_path: Path) -> None:
    run(tmp_path / "guarded", bad=False)
    guard = {"type": "NaNGuardHook", "policy": "rollback"}
    guarded = run(tmp_path / "guarded", guard, resume="2", default_hooks={"checkpoint": None})
    expected = run(tmp_path / "expected", LeaveOut(), bad=False)
    assert is_equal(dict(guarded.model.state_dict()), dict(expected.model.state_dict()))


class Normed(Model):
    """With running statistics, which inputs that are not numbers spoil."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, inputs: torch.Tensor, factor: torch.Tensor, mode: str = "tensor") -> Any:
        return super().forward(self.norm(inputs), factor, mode)


@pytest.mark.parametrize("window", [1, 2])
def test_going_back_leaves_running_statistics_alone_too(tmp_path: Path, window: int) -> None:
    dataset = data(bad=False)
    dataset.tensors[0][(BAD - 1) * 2] = float("nan")
    fields: dict[str, Any] = {
        "model": {"type": Normed},
        "train_dataloader": {
            "dataset": dataset,
            "batch_size": 2,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": "default_collate",
        },
        "optim_wrapper": {"optimizer": OPTIMIZERS[1], "accumulative_counts": window},
    }
    runner = run(tmp_path, {"type": "NaNGuardHook", "policy": "rollback"}, **fields)
    assert runner.iter == BATCHES
    assert all(torch.isfinite(each).all() for each in runner.model.state_dict().values())
    assert runner.model.norm.num_batches_tracked.item() == BATCHES - window


class SaveOnce(Hook):
    """Saves where a window is over, two windows before the one with the bad loss is."""

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 == 4 and not list(Path(runner.work_dir).glob("*.pth")):
            runner.save_checkpoint(runner.work_dir, "once.pth", meta={"iter": 4})


def test_going_back_from_within_a_window_leaves_its_gradients_behind(tmp_path: Path) -> None:
    window = {"optim_wrapper": {"optimizer": OPTIMIZERS[1], "accumulative_counts": 2}, "default_hooks": {}}
    got, expected = (
        run(
            tmp_path / str(look), SaveOnce(), {"type": "NaNGuardHook", "policy": "rollback", "interval": look}, **window
        )
        for look in (9, 8)  # amid the window that follows the bad one, and at that one's end
    )
    assert [row["iter"] for row in rows(got)] == [BAD + 1]
    assert is_equal(dict(got.model.state_dict()), dict(expected.model.state_dict()))


@pytest.mark.world_size(2)
def test_nor_do_ranks_keep_what_they_have_not_shared_yet(tmp_path: Path) -> None:
    loader = {"dataset": data(bad=True), "batch_size": 1, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    loader["collate_fn"] = "default_collate"
    fields: dict[str, Any] = {
        "optim_wrapper": {"optimizer": OPTIMIZERS[0], "accumulative_counts": 2},
        "default_hooks": {},
        "train_dataloader": loader,
        "strategy": {"type": "FSDPStrategy", "sync_every_step": False, "state_dict_cfg": "full"},
        "launcher": "pytorch",
    }
    got, expected = (
        run(
            tmp_path / str(look), SaveOnce(), {"type": "NaNGuardHook", "policy": "rollback", "interval": look}, **fields
        )
        for look in (9, 8)  # amid the window that follows the bad one, and at that one's end
    )
    assert [row["iter"] for row in rows(got)] == [BAD + 1]
    weights = [{name: local(each) for name, each in runner.model.state_dict().items()} for runner in (got, expected)]
    assert is_equal(*weights)
    assert all(torch.isfinite(each).all() for each in weights[0].values())


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:2], ids=lambda each: each["type"])
@pytest.mark.world_size(2)
def test_ranks_of_which_one_has_no_share_leave_out_the_same_update(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    fields: dict[str, Any] = {
        "optimizer": optimizer,
        "strategy": {"type": "FSDPStrategy", "state_dict_cfg": "full"},
        "launcher": "pytorch",
        "train_cfg": {"by_epoch": False, "max_iters": BATCHES // 2},
        "default_hooks": {"checkpoint": None},
    }
    runner = run(tmp_path, {"type": "NaNGuardHook", "policy": "skip"}, **fields)
    assert local(runner.model.linear.weight).numel() == (3 if runner.rank == 0 else 0)
    assert torch.isfinite(local(runner.model.linear.weight)).all()
    guard = next(hook for hook in runner.hooks if isinstance(hook, NaNGuardHook))
    assert [row["iter"] for row in guard.actions] == [(BAD + 1) // 2]
    steps = {float(state["step"]) for state in runner.optim_wrapper.optimizer.state.values() if "step" in state}
    assert steps <= {BATCHES // 2 - 1.0}


@pytest.mark.world_size(2)
def test_no_rank_waits_in_a_step_for_what_is_read_later() -> None:
    mesh = init_device_mesh("cpu", (2,))
    gradient = distribute_tensor(torch.tensor([1.0, math.nan]), mesh, [Shard(0)])
    if dist.get_rank() == 1:
        assert _is_bad([gradient], agree=False)  # in which rank 0 takes no part
    assert bool(_is_bad([gradient], agree=False)) == (dist.get_rank() == 1)
    assert _is_bad([gradient], agree=True)


def test_goes_back_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    loop = {"by_epoch": True, "max_epochs": 2}
    guarded = run(tmp_path / "guarded", {"type": "NaNGuardHook", "policy": "rollback", "interval": 1}, train_cfg=loop)
    assert (guarded.epoch, guarded.iter) == (2, 2 * BATCHES)
    assert [row["iter"] for row in rows(guarded)] == [BAD, BATCHES + BAD]
    skipped = run(tmp_path / "skipped", {"type": "NaNGuardHook", "policy": "skip"}, train_cfg=loop)
    assert is_equal(dict(guarded.model.state_dict()), dict(skipped.model.state_dict()))


@pytest.mark.world_size(2)
def test_all_ranks_act_where_one_rank_has_a_bad_loss(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"launcher": "pytorch", "train_cfg": {"by_epoch": False, "max_iters": BATCHES // 2}}
    runner = run(tmp_path, {"type": "NaNGuardHook", "policy": "rollback"}, **changes)
    assert runner.world_size == 2
    assert runner.iter == BATCHES // 2
    assert len(rows(runner)) == 1
    assert all(torch.isfinite(each).all() for each in runner.model.state_dict().values())
