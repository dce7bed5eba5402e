"""What happens when the loss leaps up."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import torch

from runner import dist
from runner.errors import BuildError, GoBack, LossSpikeError
from runner.hooks.actions import newest_checkpoint, optimizers
from runner.hooks.guard import GuardHook
from runner.kinds import Interval

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from runner.runner import Runner

__all__ = ["LossSpikeHook"]

_DEVIATION = 1.4826
"""A normal distribution's standard deviation, in median absolute deviations."""
_LEAST = 0.01
"""The deviation that is counted with at least, as a share of the median."""


class _Spike(NamedTuple):
    iteration: int
    loss: float
    median: float


class LossSpikeHook(GuardHook):
    """Acts when the loss of a batch lies far above what it was in the batches before.

    A loss is a spike when it is more than `threshold` standard deviations above the median of the `window` losses before
    it. The deviation is estimated from the median distance to the median, and is at least 1 % of it, so that one spike does
    not hide the next; nothing is judged before the window is full. Losses are averaged over all ranks. One that is not a
    number is NaNGuardHook's.

    Nothing waits for the device in a step: losses are kept there, and read every `interval` iterations, at the end of an
    epoch and before anything is saved, so that a checkpoint is never newer than a spike that nobody has seen.

    `warn` logs it, once for spikes that follow each other. `raise` ends the run. `rollback` goes back and trains on
    without the `leave_out` batches that end with the spike: these are read, and neither weights, nor the optimizer's state,
    nor buffers (as those of batch norm) learn from them. In an accumulation window the whole window is left out. It goes
    back to the newest whole checkpoint from before these batches; where each is newer, to the newest from before the spike,
    with a warning, as what was learnt from the batches before it stays.

    Each action is a warning in the log, a line in `loss_spikes.jsonl` in the log directory, and an entry of the message
    hub's `loss_spikes`.

    Args:
        policy: What to do.
        key: Which entry of the training step's outputs is looked at.
        window: Losses that one is compared with.
        threshold: Standard deviations above their median from which on it is a spike.
        leave_out: Batches that `rollback` leaves out: the one with the spike, and those right before it.
        limit: After so many times of going back the next spike ends the run; null for no limit.
        interval: Iterations from one look to the next.
    """

    priority = "ABOVE_NORMAL"

    def __init__(
        self,
        policy: Literal["warn", "rollback", "raise"] = "warn",
        key: str = "loss",
        window: Annotated[int, Interval(ge=4)] = 100,
        threshold: Annotated[float, Interval(gt=0)] = 10.0,
        leave_out: Annotated[int, Interval(ge=1)] = 2,
        limit: Annotated[int, Interval(ge=1)] | None = 10,
        interval: Annotated[int, Interval(ge=1)] = 10,
    ) -> None:
        super().__init__("loss_spikes")
        self.policy = policy
        self.key = key
        self.threshold = threshold
        self.leave_out = leave_out
        self.limit = limit
        self.interval = interval
        self._losses: deque[float] = deque(maxlen=window)
        self._lasts = False
        self._is_spoiled = False
        self._has_stepped = False

    def before_train(self, runner: Runner) -> None:
        """Stand before each step of the optimizers, where batches may have to be left out."""
        super().before_train(runner)
        if self.policy == "rollback" or self._left_out:
            self._handles = [each.register_step_pre_hook(self._before_step) for each in optimizers(runner)]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Remember what a batch that is left out must not change."""
        if runner.iter + 1 in self._left_out:
            self._is_spoiled = True
            self._buffers.keep(runner.unwrapped_model)

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        self._has_stepped = True
        if self._is_spoiled:
            for group in optimizer.param_groups:
                for each in group["params"]:
                    each.grad = None  # what has no gradient is left alone, by decay and momentum too

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Keep the loss, and look at intervals."""
        iteration = runner.iter + 1
        if iteration in self._left_out:
            self._buffers.put_back()
        else:
            self._unread.append((iteration, self._loss(outputs or {})))
        if self._has_stepped or (self._is_spoiled and not _holds_gradients(runner)):
            self._has_stepped = self._is_spoiled = False
        if iteration % self.interval == 0:
            self._look(runner)

    def _loss(self, outputs: dict[str, Any]) -> Any:
        loss = outputs.get(self.key)
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            loss = loss.detach().reshape(())
            return loss if loss._base is None else loss.clone()  # noqa: SLF001 - a view of what the next step may change
        if isinstance(loss, int | float):
            return loss
        what = f"a {type(loss).__name__}" if self.key in outputs else f"not among them ({', '.join(outputs) or 'none'})"
        raise BuildError(
            f"LossSpikeHook: key is {self.key!r}, which has to be a number in the outputs of the training step, and is "
            f"{what}",
            path=("custom_hooks",),
        )

    def _look(self, runner: Runner) -> None:
        """Read the losses since the last look, and act on the first spike."""
        if not self._unread:
            return
        iterations, losses = zip(*self._unread, strict=True)
        self._unread.clear()
        for iteration, loss in zip(iterations, _read(losses, runner.device), strict=True):
            spike = self._judge(iteration, loss)
            if spike is not None:
                self._act(runner, spike)

    def _judge(self, iteration: int, loss: float) -> _Spike | None:
        """Take a loss into the window; whether a spike begins with it."""
        if not math.isfinite(loss):
            return None
        losses, is_spike, median = self._losses, False, 0.0
        if len(losses) == losses.maxlen:
            median = _median(losses)
            distance = _DEVIATION * _median([abs(each - median) for each in losses])
            deviation = max(distance, _LEAST * abs(median))
            is_spike = deviation > 0 and loss > median + self.threshold * deviation
        losses.append(loss)
        begins, self._lasts = is_spike and not self._lasts, is_spike
        return _Spike(iteration, loss, median) if begins else None

    def _act(self, runner: Runner, spike: _Spike) -> None:
        what = (
            f"the {self.key} of iteration {spike.iteration} is {spike.loss:.4g}, and {spike.median:.4g} is the median of "
            f"the {self._losses.maxlen} before it"
        )
        row = {"iter": spike.iteration, "action": self.policy, "loss": spike.loss, "median": spike.median}
        if self.policy == "warn":
            self._done.record(runner, [row])
            runner.logger.warning(what)
            return
        done = sum(each["action"] == "rollback" for each in self.actions)
        is_over = self.limit is not None and done >= self.limit
        if self.policy == "raise" or is_over:
            self._done.record(runner, [{**row, "action": "raise"}])
            raise LossSpikeError(
                f"{what}{f', after going back {done} times' if is_over else ''}; look at the data and at the learning "
                "rate there, clip the gradients, or set LossSpikeHook's policy to warn or rollback, or its threshold higher"
            )
        first = max(1, spike.iteration - self.leave_out + 1)
        back = newest_checkpoint(runner, before=first)
        if back is None and (back := newest_checkpoint(runner, before=spike.iteration)) is not None:
            runner.logger.warning(
                f"no whole checkpoint in {runner.store.folder} is from before iteration {first}, the first that leave_out "
                f"({self.leave_out}) leaves out: what was learnt from it up to {back} stays. Keep more checkpoints "
                "(CheckpointHook's max_keep_ckpts), or leave out fewer batches"
            )
        if back is None:
            raise LossSpikeError(
                f"{what}, and there is no checkpoint in {runner.store.folder} to go back to that is from before"
            )
        self._done.record(runner, [row])
        self._left_out |= set(range(first, spike.iteration + 1))
        runner.logger.warning(
            f"{what}: back to {back}, and from there without the batches of iterations {first} to {spike.iteration}"
        )
        raise GoBack(back)

    def state_dict(self) -> dict[str, Any]:
        """The window, and what was done so far. All losses up to here are in it, since they are read before a save."""
        return {
            "losses": list(self._losses),
            "lasts": self._lasts,
            "is_spoiled": self._is_spoiled,
            "left_out": sorted(self._left_out),
            "actions": list(self.actions),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned; what was done since, before going back, is not forgotten."""
        self._losses.clear()
        self._losses.extend(state_dict["losses"])
        self._lasts = state_dict["lasts"]
        self._is_spoiled, self._has_stepped = state_dict["is_spoiled"], False
        self._left_out |= set(state_dict["left_out"])
        self._done.restore(state_dict["actions"])


def _holds_gradients(runner: Runner) -> bool:
    """Whether an update is still to come; a loss scale that is dynamic may have left it out, without a step."""
    wrapper = runner.optim_wrapper
    assert wrapper is not None
    return wrapper.inside_window


def _read(losses: Sequence[Any], device: torch.device) -> list[float]:
    """The losses, each the mean over all ranks: one read from the device."""
    values = torch.stack([torch.as_tensor(each, dtype=torch.float32, device=device) for each in losses])
    dist.all_reduce(values, "mean")
    return values.tolist()


def _median(values: Sequence[float] | deque[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
