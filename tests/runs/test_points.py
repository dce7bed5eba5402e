"""Which points are called in which order, and what may be done at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from noisy_run import Noisy, Share, Stream, every, fields, loader, train
from torch import nn

from runner import Hook, Runner
from runner.errors import BuildError


class Points(Hook):
    """Notes every point that is reached, first of all hooks."""

    priority = "HIGHEST"

    def __init__(self) -> None:
        self.seen: list[str] = []


def _note(point: str) -> Any:
    return lambda self, runner, *args, **kwargs: self.seen.append(point)


for _point in Hook.stages:
    setattr(Points, _point, _note(_point))

TWO, ONE = {"train_dataloader": loader(Noisy(8))}, {"val_dataloader": loader(Noisy(4))}
TEST = {"test_dataloader": loader(Noisy(8)), "test_cfg": {}, "test_evaluator": {"type": Share}}
STEP = ["before_train_iter", "after_train_iter"]
SAVE = ["before_save_checkpoint"]
VAL = ["before_val", "before_val_epoch", "before_val_iter", "after_val_iter", "after_val_epoch", "after_val"]
BEGIN, END = ["before_run", "before_train"], ["after_train", "after_run"]


def points(tmp_path: Path, **changes: Any) -> list[str]:
    seen = Points()
    train(tmp_path, param_scheduler=None, custom_hooks=[seen], **{**TWO, **ONE, **changes})
    return seen.seen


def test_by_epochs(tmp_path: Path) -> None:
    seen = points(tmp_path, default_hooks=every(by_epoch=True))
    epoch = ["before_train_epoch", *STEP, *STEP, "after_train_epoch", *SAVE, *VAL]
    assert seen == [*BEGIN, *epoch, *epoch, *END]


def test_by_iterations(tmp_path: Path) -> None:
    seen = points(tmp_path, train_cfg={"by_epoch": False, "max_iters": 3, "val_interval": 2})
    steps = [*STEP, *SAVE, *STEP, *SAVE, *VAL, *STEP, *SAVE, *VAL]
    assert seen == [*BEGIN, "before_train_epoch", *steps, "after_train_epoch", *END]


def test_a_checkpoint_is_loaded_before_the_training_begins(tmp_path: Path) -> None:
    points(tmp_path)
    seen = points(tmp_path / "weights", load_from=str(tmp_path / "iter_1.pth"))
    assert seen[:3] == ["before_run", "after_load_checkpoint", "before_train"]


def test_testing_and_validating(tmp_path: Path) -> None:
    seen = Points()
    runner = Runner(**fields(tmp_path, **ONE, **TEST), custom_hooks=[seen])
    runner.val()
    assert seen.seen == ["before_run", *VAL, "after_run"]
    seen.seen.clear()
    runner.test()
    iteration = ["before_test_iter", "after_test_iter"]
    expected = ["before_test", "before_test_epoch", *iteration, *iteration, "after_test_epoch", "after_test"]
    assert seen.seen == ["before_run", *expected, "after_run"]


def test_default_hooks_can_be_dropped(tmp_path: Path) -> None:
    names = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
    _, record = train(tmp_path, default_hooks=dict.fromkeys(names))
    assert len(record.steps) == 12
    assert not list(tmp_path.glob("*.pth"))


def test_a_hook_may_validate_amid_the_steps(tmp_path: Path) -> None:
    class Curious(Hook):
        def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            if batch_idx == 2:
                assert runner.val_loop is not None
                runner.val_loop.run()

    _, plain = train(tmp_path / "plain")
    _, curious = train(tmp_path / "curious", custom_hooks=[Curious()])
    assert len(curious.validations) == 2 * len(plain.validations)
    assert curious.steps == plain.steps


def test_validation_on_a_data_set_without_a_length(tmp_path: Path) -> None:
    _, counted = train(tmp_path / "counted")
    _, stream = train(tmp_path / "stream", val_dataloader=loader(Stream(9)))
    assert stream.validations == counted.validations


class Reset(fields(Path())["model"]["type"]):  # type: ignore[misc]  # a class from a mapping
    """Its weights are zero until something is loaded."""

    def init_weights(self) -> None:
        nn.init.zeros_(self.body[0].weight)


def test_weights_that_were_loaded_by_hand_are_not_initialized_again(tmp_path: Path) -> None:
    train(tmp_path)
    runner = Runner(**fields(tmp_path / "test", model={"type": Reset}, **TEST))
    runner.load_checkpoint(str(tmp_path / "iter_12.pth"))
    runner.test()
    assert runner.model.body[0].weight.abs().sum() > 0


def test_testing_a_run_to_resume_takes_its_newest_weights(tmp_path: Path) -> None:
    train(tmp_path)
    newest = Runner(**fields(tmp_path, resume=True, **TEST)).test()
    named = Runner(**fields(tmp_path, load_from=str(tmp_path / "iter_12.pth"), **TEST))
    assert named.test() == newest
    resumed = Runner(**fields(tmp_path, resume=True, model={"type": Reset}, **TEST))
    resumed.test()
    assert resumed.model.body[0].weight.abs().sum() > 0


@pytest.mark.parametrize("names", ["body", ["body.0", "body.4"]])
def test_activations_computed_again_change_no_number(tmp_path: Path, names: Any) -> None:
    _, plain = train(tmp_path / "plain")
    _, again = train(tmp_path / "again", activation_checkpointing=names)
    assert again.steps == plain.steps


def test_activation_checkpointing_names_a_module_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"activation_checkpointing.1: .*no module 'bodi'.*did you mean 'body'"):
        train(tmp_path, activation_checkpointing=["body.0", "bodi"])
