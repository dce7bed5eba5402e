"""A run that was interrupted goes on in the same process; a checkpoint may be written before a step, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from noisy_run import BATCH, SAMPLES, Model, Noisy, Record, Share, Stream, assert_equal, fields, loader, train
from torch.utils.data import DataLoader

from runner import Hook, Runner
from runner.dist import roll_call
from runner.errors import CheckpointError

BY_ITERATION = {"train_cfg": {"by_epoch": False, "max_iters": 11, "val_interval": 4}}


class CtrlC(Hook):
    """Ends the run once, where it is told to."""

    priority = "VERY_HIGH"

    def __init__(self, call: int) -> None:
        self.left = call

    def _reached(self, *args: Any, **kwargs: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupting(point: str, call: int) -> Hook:
    """A hook whose class overrides the point."""
    return type("CtrlC", (CtrlC,), {point: lambda self, *args, **kwargs: self._reached()})(call)


def run_to_the_end(work_dir: Path, *, calls: int = 2, **changes: Any) -> tuple[Runner, Record]:
    record = Record()
    hooks = [*changes.pop("custom_hooks", []), record]
    runner = Runner(**fields(work_dir, **changes), custom_hooks=hooks)
    for _ in range(calls - 1):
        with pytest.raises(KeyboardInterrupt):
            runner.train()
    runner.train()
    runner.close()
    return runner, record


def saved(work_dir: Path, name: str) -> dict[str, Any]:
    return torch.load(work_dir / name, weights_only=True)


class Breaking(Model):
    """Its forward pass is interrupted once."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        self.passes += mode == "loss"
        if self.passes == 8:
            self.passes += 100
            raise KeyboardInterrupt
        return super().forward(inputs, labels, mode)


KINDS = {
    "by epoch": {},
    "by iteration": BY_ITERATION,
    "streamed by iteration": {**BY_ITERATION, "train_dataloader": loader(Stream())},
    "read by two workers": {"train_dataloader": loader(Noisy(), num_workers=2)},
}


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_a_step_that_was_interrupted_is_taken_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}}, **changes}
    _, whole = train(tmp_path / "whole", **plain)
    runner, record = run_to_the_end(tmp_path / "broken", model={"type": Breaking}, **plain)
    assert record.steps == whole.steps
    assert record.validations == whole.validations
    assert runner.iter == len(whole.steps)
    last = f"iter_{runner.iter}.pth"
    for key in ("state_dict", "optimizer", "param_schedulers", "data"):
        assert_equal(saved(tmp_path / "broken", last)[key], saved(tmp_path / "whole", last)[key], key)


@pytest.mark.parametrize("kind", ["by epoch", "by iteration"])
@pytest.mark.parametrize(
    ("point", "call"),
    [
        ("before_train_iter", 8),
        ("before_val_iter", 2),
        ("before_train_epoch", 1),
        ("before_val", 1),
    ],
)
def test_between_the_steps_nothing_is_lost_or_done_twice(tmp_path: Path, kind: str, point: str, call: int) -> None:
    changes = KINDS[kind]
    plain = {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}}, **changes}
    _, whole = train(tmp_path / "whole", **plain)
    runner, record = run_to_the_end(tmp_path / "broken", custom_hooks=[interrupting(point, call)], **plain)
    assert record.steps == whole.steps
    assert record.validations == whole.validations
    assert (runner.epoch, runner.iter) == (runner.max_epochs, len(whole.steps))


@pytest.mark.parametrize(
    ("point", "call"), [("after_train_iter", 8), ("after_train_iter", 6), ("after_train_epoch", 1)]
)
def test_what_had_ended_counts_as_finished(tmp_path: Path, point: str, call: int) -> None:
    seen: list[int] = []

    class Seen(Hook):
        priority = "HIGHEST"

        def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
            seen.append(runner.iter)

    hooks = [Seen(), interrupting(point, call)]
    runner, record = run_to_the_end(tmp_path, custom_hooks=hooks)
    assert seen == list(range(12))
    assert (runner.epoch, runner.iter) == (2, 12)
    assert [iteration for iteration, _ in record.validations] == [6, 12]


def test_an_accumulation_window_that_lost_gradients_is_named(tmp_path: Path) -> None:
    runner, record = run_to_the_end(tmp_path, model={"type": Breaking}, log_level="INFO")
    assert runner.optim_wrapper is not None
    assert runner.optim_wrapper.inner_count == 12
    assert [iteration for iteration, *_ in record.steps] == list(range(12))
    (log,) = tmp_path.glob("*/*.log")
    text = log.read_text()
    assert "interrupted after iteration 7, and goes on with the next: the one that was under way is done again" in text
    assert "3 of the 4 losses of an accumulation window" in text


def test_a_loader_that_cannot_be_put_back_begins_its_epoch_anew(tmp_path: Path) -> None:
    class Own(DataLoader[Any]):
        def __iter__(self) -> Any:
            return super().__iter__()

    class Odd(torch.utils.data.Sampler[int]):
        def __iter__(self) -> Any:
            return iter(range(SAMPLES))

        def __len__(self) -> int:
            return SAMPLES

    own = Own(Noisy(), batch_size=BATCH, sampler=Odd())
    runner, record = run_to_the_end(tmp_path, train_dataloader=own, model={"type": Breaking})
    assert [iteration for iteration, *_ in record.steps] == [*range(7), *range(6, 12)]
    assert runner.iter == runner.max_iters == 12


def test_a_run_that_is_over_is_not_begun_anew(tmp_path: Path) -> None:
    runner, record = train(tmp_path)
    runner.train()
    assert len(record.steps) == 12


# ---- checkpoints that are written elsewhere than at a step's end ----------------------------------------------------


class SaveAt(Hook):
    """Writes a checkpoint at a point, the n-th time that it is reached."""

    priority = "LOWEST"

    def __init__(self, call: int) -> None:
        self.left = call

    def save(self, runner: Runner) -> None:
        self.left -= 1
        if self.left == 0:
            runner.save_checkpoint(runner.work_dir, "here.pth")


POINTS = [
    ("before_train_iter", 1),
    ("before_train_iter", 5),
    ("before_train_iter", 7),
    ("before_train_epoch", 1),
    ("before_val", 1),
    ("after_val_epoch", 1),
]


@pytest.mark.parametrize(
    ("kind", "point", "call"),
    [
        *((kind, *point) for kind in ("by epoch", "by iteration") for point in POINTS),
        ("streamed by iteration", "before_train_iter", 5),
        ("streamed by two workers, by iteration", "before_train_iter", 5),
        ("read by two workers", "before_train_iter", 5),
        ("by batches of different sizes", "before_train_iter", 5),
    ],
)
def test_a_checkpoint_written_there_goes_on_bit_for_bit(tmp_path: Path, kind: str, point: str, call: int) -> None:
    changes = KINDS.get(kind, {})
    if kind == "streamed by two workers, by iteration":
        changes = {**BY_ITERATION, "train_dataloader": loader(Stream(), num_workers=2)}
    elif kind == "by batches of different sizes":
        changes = {"train_dataloader": {"dataset": Noisy(), "batch_sampler": Uneven(), "collate_fn": "default_collate"}}
    saving = type("SaveHere", (SaveAt,), {point: lambda self, runner, *args, **kwargs: self.save(runner)})(call)
    _, whole = train(tmp_path, custom_hooks=[saving], **changes)
    meta = saved(tmp_path, "here.pth")["meta"]
    work_dir = tmp_path / "resumed"
    _, resumed = train(work_dir, resume=str(tmp_path / "here.pth"), **changes)
    assert resumed.steps == whole.steps[meta["iter"] :]
    later = [each for each in whole.validations if each[0] > meta["iter"]]
    now = [each for each in whole.validations if each[0] == meta["iter"]]
    assert resumed.validations == [*(now if point == "before_val" else []), *later]


class Uneven(torch.utils.data.Sampler[list[int]]):
    """Batches of 3, 5, 3, 5, …"""

    def __iter__(self) -> Any:
        left = list(range(SAMPLES))
        size = 3
        while left:
            yield left[:size]
            left, size = left[size:], 8 - size

    def __len__(self) -> int:
        return 6


@pytest.mark.world_size(2)
def test_a_rank_that_saves_alone_is_told(tmp_path: Path) -> None:
    roll_call.PATIENCE, roll_call.LIMIT, roll_call.LIMIT_FOR_RANK_0 = 0.2, 1.0, 1.0
    runner = Runner(**fields(tmp_path, model={"type": Model}, val_evaluator={"type": Share}))
    runner.prepare_training()
    runner.save_checkpoint(str(tmp_path), "together.pth")
    if runner.rank == 0:
        with pytest.raises(CheckpointError, match=r"rank 0 called save_checkpoint\(\), and rank 1 did not within 1 s"):
            runner.save_checkpoint(str(tmp_path), "alone.pth")
    assert not (tmp_path / "alone.pth").exists()
    assert (tmp_path / "together.pth").exists()
