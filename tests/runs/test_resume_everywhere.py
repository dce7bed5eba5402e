"""A run that goes on from the checkpoint of any iteration ends as the one that was not interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from noisy_run import LENGTH, Drawing, Noisy, Stream, assert_equal, every, fields, loader, newest, train

from runner import Runner
from runner.errors import CheckpointError, DamagedCheckpoint
from runner.loops import BaseLoop, EpochBasedTrainLoop

PARTS = ("state_dict", "optimizer", "param_schedulers", "data", "accumulation", "ranks")
AVERAGE = "ema_state_dict"


class OwnLoop(EpochBasedTrainLoop):
    """Written as for MMEngine: it knows hook points and counters, and nothing else."""

    def run_epoch(self) -> None:
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for idx, data_batch in enumerate(self.dataloader):
            self.run_iter(idx, data_batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1


class LoopOfItsOwn(BaseLoop):
    """Not even a counter is the engine's."""

    def __init__(self, runner: Runner, dataloader: Any, max_epochs: int) -> None:
        super().__init__(runner, dataloader)
        self.max_epochs = max_epochs
        self.max_iters = max_epochs * len(self.dataloader)
        self._epoch = self._iter = 0

    epoch = property(lambda self: self._epoch)
    iter = property(lambda self: self._iter)
    run_epoch, run_iter = OwnLoop.run_epoch, OwnLoop.run_iter

    def run(self) -> None:
        self.runner.call_hook("before_train")
        while self._epoch < self.max_epochs:
            self.run_epoch()
        self.runner.call_hook("after_train")


class ShortEpochs(EpochBasedTrainLoop):
    """Leaves each epoch before the data is through."""

    def run_epoch(self) -> None:
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for idx, data_batch in self.batches(self.epoch):
            if idx == LENGTH // 2:
                break
            self.run_iter(idx, data_batch)
        self.finish_epoch()


ITERATIONS = {"train_cfg": {"by_epoch": False, "max_iters": 13, "val_interval": 3}}
OWN = {"train_cfg": {"type": OwnLoop, "max_epochs": 2}}
WAYS: dict[str, dict[str, Any]] = {
    "epochs": {},
    "iterations": ITERATIONS,
    "endless": {**ITERATIONS, "train_dataloader": loader(Noisy(), sampler={"type": "InfiniteSampler"})},
    "stream": {**ITERATIONS, "train_dataloader": loader(Stream())},
    "user's loader": {"train_dataloader": torch.utils.data.DataLoader(Noisy(), batch_size=4, shuffle=True)},
    "own loop": OWN,
    "loop of its own": {
        "train_cfg": {"type": LoopOfItsOwn, "max_epochs": 2},
        **dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator")),
    },
    "short epochs": {"train_cfg": {"type": ShortEpochs, "max_epochs": 3}},
    "whole epochs": {"default_hooks": every(by_epoch=True)},
    "own loop, whole epochs": {**OWN, "default_hooks": every(by_epoch=True)},
    "average": {"custom_hooks": [{"type": "EMAHook", "momentum": 0.3, "begin_iter": 4}]},
    "average of buffers too": {
        **ITERATIONS,
        "custom_hooks": [
            {"type": "EMAHook", "ema_type": "MomentumAnnealingEMA", "gamma": 4, "interval": 2, "update_buffers": True}
        ],
    },
    "averaged at the end": {
        "train_cfg": {"by_epoch": True, "max_epochs": 3},
        "custom_hooks": [{"type": "SWAHook", "swa_begin": 1, "swa_lr": 0.02, "anneal_epochs": 2}],
    },
    "averaged at the end, by iterations": {
        **ITERATIONS,
        "custom_hooks": [
            {"type": "SWAHook", "swa_begin": 0.5, "swa_lr": 0.02, "anneal_epochs": 3, "by_epoch": False, "interval": 2}
        ],
    },
    "whole short epochs": {
        "train_cfg": {"type": ShortEpochs, "max_epochs": 3},
        "default_hooks": every(by_epoch=True),
    },
}


def assert_goes_on(tmp_path: Path, changes: dict[str, Any], steps: set[int] | None = None) -> None:
    changes = {**changes, "custom_hooks": [Drawing(), *changes.get("custom_hooks", ())]}
    _, straight = train(tmp_path / "straight", **changes)
    expected = newest(tmp_path / "straight")
    files = sorted((tmp_path / "straight").glob("[ei]*.pth"))
    assert files
    for file in files:
        done = torch.load(file, weights_only=True)["meta"]["iter"]
        if steps is not None and done not in steps:
            continue
        _, resumed = train(tmp_path / file.stem, load_from=str(file), resume=True, **changes)
        assert resumed.steps == straight.steps[done:], file.name
        assert resumed.validations == [each for each in straight.validations if each[0] >= done], file.name
        if resumed.steps:
            got = newest(tmp_path / file.stem)
            for part in PARTS:
                assert_equal(got[part], expected[part], f"{file.name}: {part}")
            assert_equal(got.get(AVERAGE), expected.get(AVERAGE), f"{file.name}: the average")
            assert_equal(got["hooks"].get("SWAHook"), expected["hooks"].get("SWAHook"), f"{file.name}: the mean")
        for mean in (tmp_path / "straight").glob("swa_*"):
            ours, theirs = (
                torch.load(folder / mean.name, weights_only=True) for folder in (tmp_path / file.stem, mean.parent)
            )
            assert_equal(ours["state_dict"], theirs["state_dict"], f"{file.name}: {mean.name}")


@pytest.mark.parametrize("changes", WAYS.values(), ids=WAYS)
def test_from_every_checkpoint(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert_goes_on(tmp_path, changes)


@pytest.mark.parametrize(
    ("name", "persistent", "steps"),
    [("epochs", True, {2, LENGTH}), ("iterations", False, {LENGTH + 1}), ("own loop", False, {LENGTH - 1})],
)
def test_with_workers(tmp_path: Path, name: str, persistent: bool, steps: set[int]) -> None:
    options = loader(Noisy(), num_workers=2, persistent_workers=persistent)
    assert_goes_on(tmp_path, {**WAYS[name], "train_dataloader": options}, steps=steps)


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    _, none = train(tmp_path / "none", **OWN)
    _, two = train(tmp_path / "two", **OWN, train_dataloader=loader(Noisy(), num_workers=2))
    assert two.steps == none.steps


def test_a_longer_run_by_iterations_goes_on_where_the_shorter_one_ended(tmp_path: Path) -> None:
    def run(work_dir: Path, max_iters: int, **more: Any) -> Any:
        cfg = {"by_epoch": False, "max_iters": max_iters}
        return train(work_dir, train_cfg=cfg, param_scheduler=None, default_hooks=every(by_epoch=True), **more)

    optimizer = {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}}}
    _, straight = run(tmp_path / "straight", 9, **optimizer)
    run(tmp_path / "resumed", 4, **optimizer)
    runner, resumed = run(tmp_path / "resumed", 9, resume=True, **optimizer)
    assert resumed.steps == straight.steps[4:]
    assert runner.epoch == 1
    assert [file.name for file in (tmp_path / "resumed").glob("*.pth")] == ["epoch_1.pth"]


@pytest.mark.parametrize("train_cfg", [{"by_epoch": True, "max_epochs": 1}, {"by_epoch": False, "max_iters": 6}])
def test_a_finished_run_is_not_finished_again(tmp_path: Path, train_cfg: dict[str, Any]) -> None:
    changes = {"train_cfg": train_cfg, "default_hooks": every(by_epoch=True)}
    train(tmp_path, **changes)
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.pth")}
    runner, record = train(tmp_path, **changes, resume=True)
    assert (runner.epoch, runner.iter, record.steps) == (1, 6, [])
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.pth")} == before


def test_resume_may_be_called_before_train(tmp_path: Path) -> None:
    train(tmp_path / "straight")
    runner = Runner(**fields(tmp_path / "resumed"))
    runner.resume(str(tmp_path / "straight" / "iter_5.pth"))
    runner.train()
    for part in PARTS:
        assert_equal(newest(tmp_path / "resumed")[part], newest(tmp_path / "straight")[part], part)


def test_a_second_runner_in_the_process_trains_as_the_first(tmp_path: Path) -> None:
    first, second = Runner(**fields(tmp_path / "first")), Runner(**fields(tmp_path / "second"))
    first.train()
    second.train()
    assert_equal(newest(tmp_path / "second")["state_dict"], newest(tmp_path / "first")["state_dict"])


@pytest.mark.parametrize(("wanted", "first"), [(True, 12), ("auto", 12), (4, 4), ("4", 4), ("iter_7.pth", 7)])
def test_resume_means_the_newest_a_step_or_a_path(tmp_path: Path, wanted: Any, first: int) -> None:
    train(tmp_path)
    wanted = str(tmp_path / wanted) if str(wanted).endswith(".pth") else wanted
    _, record = train(tmp_path, resume=wanted)
    assert [iteration for iteration, *_ in record.steps] == list(range(first, 12))


@pytest.mark.parametrize("wanted", [99, "no_such.pth"])
def test_a_checkpoint_that_is_not_there_is_an_error(tmp_path: Path, wanted: Any) -> None:
    train(tmp_path, default_hooks=every(by_epoch=True))
    with pytest.raises(CheckpointError, match=str(wanted)):
        train(tmp_path, resume=wanted)


def test_damaged_checkpoints_are_never_a_fresh_start(tmp_path: Path) -> None:
    train(tmp_path, default_hooks=every(by_epoch=True))
    for file in tmp_path.glob("*.pth"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with pytest.raises(DamagedCheckpoint, match="nothing to resume from"):
        train(tmp_path, resume=True)
