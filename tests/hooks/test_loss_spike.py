"""A bad batch makes the loss leap up: it is said, ends the run, or the run goes back and leaves the batch out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import BuildError, Hook, LossSpikeError, Runner, dist
from runner.checkpoint import CheckpointStore
from runner.model import BaseModel

BAD = 17
"""The iteration, from 1, whose batch is bad."""
BATCHES = 24
WINDOW = 8


class Model(BaseModel):
    """A linear model behind a batch norm, whose running statistics a bad batch spoils too."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.linear = nn.Linear(3, 1)

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": (self.linear(self.norm(inputs)) - targets).square().mean(), "size": inputs.abs().mean()}


class LeaveOut(Hook):
    """What going back has to equal: the same run, in which nothing learns from some batches."""

    priority = "VERY_LOW"

    def __init__(self, *iterations: int) -> None:
        self.iterations = iterations

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter + 1 in self.iterations:
            self.buffers = {name: each.clone() for name, each in runner.model.named_buffers()}
            runner.optim_wrapper.step = lambda: delattr(runner.optim_wrapper, "step")

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 in self.iterations:
            for name, each in runner.model.named_buffers():
                each.copy_(self.buffers[name])


def loader(*bad: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(BATCHES * 4, 3, generator=generator)
    targets = torch.randn(BATCHES * 4, 1, generator=generator)
    for each in bad:
        rows = slice((each - 1) * 4, each * 4)
        inputs[rows] *= 1000
        targets[rows] *= 1000
    return {
        "dataset": TensorDataset(inputs, targets),
        "batch_size": 4,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": "default_collate",
    }


def spike(policy: str, **options: Any) -> dict[str, Any]:
    return {"type": "LossSpikeHook", "policy": policy, "window": WINDOW, "interval": 4, **options}


def run(folder: Path, *hooks: Any, max_iters: int = BATCHES, **changes: Any) -> Runner:
    fields: dict[str, Any] = {
        "model": {"type": Model},
        "work_dir": str(folder),
        "train_dataloader": loader(BAD),
        "train_cfg": {"by_epoch": False, "max_iters": max_iters},
        "optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.01}},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 5, "by_epoch": False}},
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
    return [json.loads(line) for line in Path(runner.log_dir, "loss_spikes.jsonl").read_text("utf-8").splitlines()]


def assert_equal(got: Runner, expected: Runner) -> None:
    for one, other in ((got.model, expected.model), (got.optim_wrapper.optimizer, expected.optim_wrapper.optimizer)):
        torch.testing.assert_close(dict(one.state_dict()), dict(other.state_dict()), rtol=0, atol=0)


def test_a_warning_changes_nothing(tmp_path: Path) -> None:
    watched = run(tmp_path / "watched", spike("warn"))
    assert_equal(watched, run(tmp_path / "alone"))
    (row,) = rows(watched)
    assert (row["iter"], row["action"]) == (BAD, "warn")
    assert row["loss"] > 1000 * row["median"]
    assert watched.message_hub.get_info("loss_spikes") == rows(watched)


def test_without_a_spike_there_is_nothing_to_say(tmp_path: Path) -> None:
    runner = run(tmp_path, spike("raise"), train_dataloader=loader())
    assert not Path(runner.log_dir, "loss_spikes.jsonl").exists()


def test_the_run_ends_at_the_next_look(tmp_path: Path) -> None:
    with pytest.raises(
        LossSpikeError, match=rf"the loss of iteration {BAD} is .* is the median of the {WINDOW} before it"
    ):
        run(tmp_path, spike("raise", interval=1000))
    newest = CheckpointStore(tmp_path).newest()  # the look before the next save came in time
    assert newest is not None
    assert Path(newest).name == "iter_15.pth"


@pytest.mark.parametrize("leave_out", [1, 2])
def test_the_run_goes_back_and_leaves_the_batches_out(tmp_path: Path, leave_out: int) -> None:
    guarded = run(tmp_path / "guarded", spike("rollback", leave_out=leave_out))
    expected = run(tmp_path / "expected", LeaveOut(*range(BAD - leave_out + 1, BAD + 1)))
    assert_equal(guarded, expected)
    assert guarded.iter == BATCHES
    assert [(row["iter"], row["action"]) for row in rows(guarded)] == [(BAD, "rollback")]


def test_what_was_recorded_before_it_went_back_is_logged(tmp_path: Path) -> None:
    # After the first line all wait for a checkpoint, and the look at iteration 20 comes before that.
    logger = {"type": "LoggerHook", "interval": 1, "min_line_seconds": 1000}
    runner = run(tmp_path, spike("rollback", leave_out=1), default_hooks={**every(5), "logger": logger})
    lines = (Path(runner.log_dir) / "vis_data" / "scalars.json").read_text("utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    assert [each["iter"] for each in logged] == [*range(1, 20), *range(16, BATCHES + 1)]
    first, second = [each["size"] for each in logged if each["iter"] == BAD + 1]
    assert first == second
    first, second = [each["loss"] for each in logged if each["iter"] == BAD + 1]
    assert first != second  # the bad batch was learnt from only once


def test_it_differs_from_the_run_that_learns_from_it(tmp_path: Path) -> None:
    guarded, spoiled = run(tmp_path / "guarded", spike("rollback")), run(tmp_path / "spoiled")
    assert not torch.equal(guarded.model.norm.running_var, spoiled.model.norm.running_var)
    assert not torch.equal(guarded.model.linear.weight, spoiled.model.linear.weight)


def every(iterations: int, **options: Any) -> dict[str, Any]:
    return {"checkpoint": {"type": "CheckpointHook", "interval": iterations, "by_epoch": False, **options}}


def test_it_goes_back_to_before_the_first_batch_that_it_leaves_out(tmp_path: Path) -> None:
    guarded = run(tmp_path / "guarded", spike("rollback", leave_out=3), default_hooks=every(8))
    expected = run(tmp_path / "expected", LeaveOut(BAD - 2, BAD - 1, BAD), default_hooks=every(8))
    assert_equal(guarded, expected)  # and not to iter_16.pth, into which two of the three have gone


def test_where_every_checkpoint_is_newer_that_is_said(tmp_path: Path) -> None:
    hooks = every(8, max_keep_ckpts=1)
    guarded = run(tmp_path / "guarded", spike("rollback", leave_out=3), default_hooks=hooks, log_level="WARNING")
    expected = run(tmp_path / "expected", LeaveOut(BAD), default_hooks=hooks)
    assert_equal(guarded, expected)
    (log,) = (tmp_path / "guarded").glob("*/*.log")
    assert f"is from before iteration {BAD - 2}, the first that leave_out (3) leaves out: what was" in log.read_text(
        "utf-8"
    )


def test_what_a_run_that_went_further_has_left_is_not_gone_back_to(tmp_path: Path) -> None:
    run(tmp_path / "guarded")
    guarded = run(tmp_path / "guarded", spike("rollback"), resume="5", default_hooks=every(25))
    expected = run(tmp_path / "expected", LeaveOut(BAD - 1, BAD))
    assert_equal(guarded, expected)


def test_in_an_accumulation_window_the_window_is_left_out(tmp_path: Path) -> None:
    window = {"optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.01}, "accumulative_counts": 4}}
    guarded = run(tmp_path, spike("rollback", leave_out=1), **window)
    state = guarded.optim_wrapper.optimizer.state[guarded.model.linear.weight]
    assert state["step"].item() == BATCHES // 4 - 1


def test_an_update_that_a_loss_scale_leaves_out_by_itself_does_not_cost_the_next_one(tmp_path: Path) -> None:
    scaled = {
        "type": "AmpOptimWrapper",
        "dtype": "float16",
        "loss_scale": {"init_scale": 4096.0, "growth_interval": 1000},
        "optimizer": {"type": "AdamW", "lr": 0.01},
    }
    guarded = run(tmp_path, spike("rollback", leave_out=1), optim_wrapper=scaled)
    assert guarded.optim_wrapper.loss_scaler.get_scale() == 2048.0  # the bad batch's gradients were infinite
    state = guarded.optim_wrapper.optimizer.state[guarded.model.linear.weight]
    assert state["step"].item() == BATCHES - 1


@pytest.mark.parametrize("policy", ["warn", "rollback"])
@pytest.mark.parametrize("stop", [BAD + 2, 20])
def test_a_resumed_run_does_the_same(tmp_path: Path, policy: str, stop: int) -> None:
    both = {"train_dataloader": loader(BAD, BAD + 5)}
    whole = run(tmp_path / "whole", spike(policy), **both)
    run(tmp_path / "again", spike(policy), max_iters=stop, **both)
    resumed = run(tmp_path / "again", spike(policy), resume=True, **both)
    assert_equal(resumed, whole)
    hook, expected = (
        next(each for each in runner.hooks if type(each).__name__ == "LossSpikeHook") for runner in (resumed, whole)
    )
    states = [each.state_dict() for each in (hook, expected)]
    for state in states:
        state["actions"] = [(row["iter"], row["action"], row["loss"]) for row in state["actions"]]
    assert states[0] == states[1]
    assert [iteration for iteration, *_ in states[0]["actions"]] == [BAD, BAD + 5]


def test_going_back_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(LossSpikeError, match=rf"iteration {BAD + 4} .* after going back 1 times"):
        run(tmp_path, spike("rollback", limit=1), train_dataloader=loader(BAD, BAD + 4))


def test_a_level_that_stays_is_said_once(tmp_path: Path) -> None:
    runner = run(tmp_path, spike("warn"), train_dataloader=loader(*range(BAD, BATCHES + 1)))
    assert [row["iter"] for row in rows(runner)] == [BAD]


def test_what_is_not_a_number_is_left_to_the_guard_of_that(tmp_path: Path) -> None:
    fields = {"train_dataloader": loader()}
    fields["train_dataloader"]["dataset"].tensors[1][BAD * 4 - 1] = float("nan")
    runner = run(tmp_path, spike("raise"), {"type": "NaNGuardHook", "policy": "skip"}, **fields)
    assert runner.iter == BATCHES
    assert torch.isfinite(runner.model.linear.weight).all()


def test_another_output_can_be_looked_at(tmp_path: Path) -> None:
    runner = run(tmp_path, spike("warn", key="size"))
    assert [row["iter"] for row in rows(runner)] == [BAD]


def test_an_output_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"key is 'lsos', .* not among them \(loss, size\)"):
        run(tmp_path, spike("warn", key="lsos"))


def test_there_may_be_nothing_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(LossSpikeError, match=r"there is no checkpoint in .* to go back to"):
        run(tmp_path, spike("rollback"), default_hooks={"checkpoint": None})


def test_a_checkpoint_that_is_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = CheckpointStore.save

    def slowly(self: Any, *args: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return original(self, *args, **options)

    monkeypatch.setattr(CheckpointStore, "save", slowly)
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": BAD - 1, "by_epoch": False, "async_save": True}}
    guarded = run(tmp_path, spike("rollback", interval=1), default_hooks=hooks)
    assert [row["iter"] for row in rows(guarded)] == [BAD]


@pytest.mark.world_size(2)
def test_all_ranks_act_where_one_rank_has_a_spike(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"launcher": "pytorch", "max_iters": BATCHES // 2}
    fields = {"train_dataloader": loader(BAD)}  # a batch of two ranks takes every other sample: the ninth is bad
    fields["train_dataloader"]["batch_size"] = 4
    runner = run(tmp_path, spike("rollback", window=6), **changes, **fields)
    assert runner.world_size == 2
    assert runner.iter == BATCHES // 2
    assert [row["iter"] for row in dist.all_gather_object(runner.message_hub.get_info("loss_spikes"))[1]] == [9]
