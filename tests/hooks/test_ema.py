"""The average of the weights is validated, tested and saved; the weights go on, also after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from line_run import line, loader, shown, value

from runner import Hook, Runner, dist
from runner.checkpoint import load
from runner.errors import BuildError, CheckpointError
from runner.model import BaseAveragedModel, ExponentialMovingAverage

EMA = {"type": "EMAHook", "momentum": 0.5}
# The weights are -1, -2 | -3, -4; their average is -1, -1.5 | -2.25, -3.125.


def test_validations_show_the_average_and_the_weights_go_on(tmp_path: Path) -> None:
    runner = line(tmp_path, EMA)
    runner.train()
    assert shown(runner) == [-1.5, -3.125]
    assert value(runner) == -4
    assert runner.test() == {"weight": -3.125}
    assert value(runner) == -4


def test_both_may_be_evaluated(tmp_path: Path) -> None:
    runner = line(tmp_path, {**EMA, "evaluate_on_origin": True})
    runner.train()
    assert (shown(runner), shown(runner, "val/weight_origin")) == ([-1.5, -3.125], [-2, -4])
    assert '"weight_origin": -4.0' in next(tmp_path.rglob("scalars.json")).read_text()
    fresh = line(tmp_path / "test", {**EMA, "evaluate_on_origin": True}, load_from=str(tmp_path / "epoch_2.pth"))
    assert fresh.test() == {"weight": -3.125}
    assert shown(fresh, "test/weight_origin") == [-4]


def test_the_weights_alone_may_be_evaluated(tmp_path: Path) -> None:
    runner = line(tmp_path, {**EMA, "evaluate_on_ema": False})
    runner.train()
    assert shown(runner) == [-2, -4]
    assert load(tmp_path / "epoch_2.pth")["state_dict"]["weight"] == -3.125


def test_a_checkpoint_is_laid_out_as_mmengines(tmp_path: Path) -> None:
    line(tmp_path, EMA).train()
    checkpoint = load(tmp_path / "epoch_2.pth")
    assert checkpoint["state_dict"]["weight"] == -3.125
    average = checkpoint["ema_state_dict"]
    assert set(average) == {"steps", "module.weight", "module.seen"}
    assert (average["steps"], average["module.weight"], average["module.seen"]) == (4, -4, 4)
    assert average["steps"].dtype is torch.int64


@pytest.mark.parametrize("hooks", [[], [EMA]])
def test_who_loads_it_for_use_gets_the_average(tmp_path: Path, hooks: list[Any]) -> None:
    line(tmp_path, EMA).train()
    runner = line(tmp_path / "other", *hooks, max_epochs=1, load_from=str(tmp_path / "epoch_2.pth"))
    assert runner.test() == {"weight": -3.125}
    runner.train()
    assert value(runner) == -5.125
    # The average begins anew: -4.125, -4.625.
    assert shown(runner) == ([-4.625] if hooks else [-5.125])


@pytest.mark.parametrize(
    ("begin", "validations"),
    [
        ({"begin_iter": 3}, [-2, -3.5]),
        ({"begin_iter": 4}, [-2, -4]),
        ({"begin_epoch": 2}, [-2, -3.5]),
        ({"begin_epoch": 1}, [-1.5, -3.125]),
    ],
)
def test_until_it_begins_the_average_is_the_weights(
    tmp_path: Path, begin: dict[str, int], validations: list[float]
) -> None:
    runner = line(tmp_path, {**EMA, **begin})
    runner.train()
    assert shown(runner) == validations


@pytest.mark.parametrize(("begin", "what"), [({"begin_iter": 5}, "iteration 5"), ({"begin_epoch": 3}, "epoch 3")])
def test_it_has_to_begin_in_the_run(tmp_path: Path, begin: dict[str, int], what: str) -> None:
    with pytest.raises(BuildError, match=f"begins at {what}, and the run has"):
        line(tmp_path, {**EMA, **begin}).train()


def test_it_begins_once(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="give one of the two"):
        line(tmp_path, {**EMA, "begin_iter": 2, "begin_epoch": 1})


def test_a_run_without_the_hook_goes_on_from_the_weights(tmp_path: Path) -> None:
    line(tmp_path, EMA).train()
    resumed = line(tmp_path, resume=str(tmp_path / "epoch_1.pth"))
    resumed.train()
    assert value(resumed) == -4
    assert "goes on from the weights that were trained" in _log(resumed)


def test_a_run_with_a_new_hook_begins_the_average_there(tmp_path: Path) -> None:
    line(tmp_path).train()
    resumed = line(tmp_path, EMA, resume=str(tmp_path / "epoch_1.pth"))
    resumed.train()
    assert shown(resumed)[-2:] == [-2, -3.5]
    assert "the average begins anew" in _log(resumed)


def test_a_checkpoint_of_mmengine_is_resumed(tmp_path: Path) -> None:
    line(tmp_path, EMA).train()
    checkpoint = load(tmp_path / "epoch_1.pth")
    for key in ("ranks", "data", "hooks", "accumulation"):
        del checkpoint[key]
    torch.save(checkpoint, tmp_path / "theirs.pth")
    resumed = line(tmp_path / "other", EMA, resume=str(tmp_path / "theirs.pth"))
    resumed.train()
    assert (shown(resumed)[-1], value(resumed)) == (-3.125, -4)


def test_resume_may_be_called_before_train(tmp_path: Path) -> None:
    line(tmp_path, EMA).train()
    resumed = line(tmp_path / "other", EMA)
    resumed.resume(str(tmp_path / "epoch_1.pth"))
    resumed.train()
    assert (shown(resumed)[-1], value(resumed)) == (-3.125, -4)


@pytest.mark.parametrize("strict", [False, True])
def test_what_does_not_fit_in_the_average_is_said(tmp_path: Path, strict: bool) -> None:
    line(tmp_path, EMA).train()
    checkpoint = load(tmp_path / "epoch_1.pth")
    checkpoint["ema_state_dict"]["module.more"] = torch.zeros(1)
    torch.save(checkpoint, tmp_path / "more.pth")
    resumed = line(tmp_path / "other", {**EMA, "strict_load": strict}, resume=str(tmp_path / "more.pth"))
    if strict:
        with pytest.raises(CheckpointError, match=r"module\.more"):
            resumed.train()
        return
    resumed.train()
    assert "module.more" in _log(resumed)
    assert shown(resumed)[-1] == -3.125


class Stopped(Exception):  # noqa: N818 - stands for Ctrl-C
    pass


class Saving(Hook):
    """Saves amid a validation, and then stops it."""

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if runner.epoch == 1 and not hasattr(self, "done"):
            self.done = True
            runner.save_checkpoint(runner.work_dir, "amid.pth")
            raise Stopped


def test_a_validation_that_was_stopped_leaves_the_weights_as_they_were(tmp_path: Path) -> None:
    runner = line(tmp_path, EMA, Saving())
    with pytest.raises(Stopped):
        runner.train()
    amid = load(tmp_path / "amid.pth")
    assert (amid["state_dict"]["weight"], amid["ema_state_dict"]["module.weight"]) == (-1.5, -2)
    runner.train()
    assert value(runner) == -4
    assert shown(runner)[-1] == -3.125


class Latest(BaseAveragedModel):
    """As a user of MMEngine writes one."""

    def avg_func(self, averaged_param: torch.Tensor, source_param: torch.Tensor, steps: int) -> None:
        averaged_param.copy_(source_param)


class Doubled(ExponentialMovingAverage):
    def avg_func(self, averaged_param: torch.Tensor, source_param: torch.Tensor, steps: int) -> None:
        averaged_param.copy_(2 * source_param)


@pytest.mark.parametrize(("ema_type", "validations"), [(Latest, [-2, -4]), (Doubled, [-4, -8])])
def test_an_average_of_ones_own(tmp_path: Path, ema_type: Any, validations: list[float]) -> None:
    runner = line(tmp_path, {"type": "EMAHook", "ema_type": ema_type})
    runner.train()
    assert shown(runner) == validations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 0}, "momentum is 0"),
        ({"momentum": 1}, "momentum is 1"),
        ({"interval": 0}, "interval is 0"),
        ({"ema_type": "MomentumAnnealingEMA", "gamma": 0}, "gamma is 0"),
        ({"momentm": 0.1}, "momentm"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        line(tmp_path, {"type": "EMAHook", **options}).train()


def test_a_large_momentum_is_warned_of(tmp_path: Path) -> None:
    runner = line(tmp_path, {**EMA, "momentum": 0.9})
    runner.train()
    assert "Was 0.1 meant?" in _log(runner)


@pytest.mark.world_size(2)
def test_ranks_average_alike_and_go_on_alike(tmp_path: Path) -> None:
    def run(name: str, **changes: Any) -> Runner:
        hook = {**EMA, "update_buffers": True}
        runner = line(tmp_path / name, hook, launcher="pytorch", train_dataloader=loader(samples=8), **changes)
        runner.train()
        return runner

    straight = run("straight")
    resumed = run("resumed", resume=str(tmp_path / "straight" / "epoch_1.pth"))
    average, again = _average(straight), _average(resumed)
    for key, tensor in average.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key]), key
    weights, counts = (dist.all_gather(average.module.state_dict()[name]) for name in ("weight", "seen"))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(2 * counts[0], counts[1])
    assert shown(straight)[-1] == shown(resumed)[-1] == -3.125


def _average(runner: Runner) -> BaseAveragedModel:
    (average,) = (hook.ema_model for hook in runner.hooks if hasattr(hook, "ema_model"))
    return average


def _log(runner: Runner) -> str:
    return "".join(file.read_text() for file in Path(runner.work_dir).rglob("*.log"))
