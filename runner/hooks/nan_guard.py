"""What happens when a gradient is not a number any more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch.optim import Optimizer

from runner import dist
from runner.dist.sharding import is_dtensor, local
from runner.errors import GoBack, NonFiniteError
from runner.hooks.actions import newest_checkpoint, optimizers
from runner.hooks.guard import GuardHook
from runner.kinds import Interval
from runner.optim import OptimWrapperDict
from runner.optim.clip import norm_of_all

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["NaNGuardHook"]


class NaNGuardHook(GuardHook):
    """Acts when the gradients of an update are not finite, as they are after a loss that is not.

    Nothing waits for the device in a step: whether an update's gradients were finite is noted there, and read every
    `interval` iterations, at the end of an epoch and before anything is saved, so that no checkpoint holds what a bad
    update left. In an accumulation window one bad loss spoils the update of the whole window. A loss scale that is
    dynamic leaves out such updates by itself, and they are none of this hook's.

    `raise` ends the run. `skip` leaves the update out: weights, the optimizer's state and its step counts stay what
    they were. Optimizers with `fused: true` do so at no cost; for others the weights and the optimizer's state are copied
    before each step. `rollback` goes back to the newest whole checkpoint and trains on from there, the same batches
    once more, without the updates that were bad; buffers learn nothing from their batches either. A batch whose inputs are
    not finite spoils batch norm's running statistics, which `rollback` undoes and `skip` does not.

    Each action is a warning in the log, a line in `nan_guard.jsonl` in the log directory, and an entry of the message
    hub's `nan_guard`.

    Args:
        policy: What to do.
        limit: After so many actions in a run the next bad update ends it, whatever the policy; null for no limit.
        interval: Iterations from one look to the next.
    """

    priority = "ABOVE_NORMAL"

    def __init__(
        self,
        policy: Literal["raise", "skip", "rollback"] = "raise",
        limit: Annotated[int, Interval(ge=1)] | None = 10,
        interval: Annotated[int, Interval(ge=1)] = 10,
    ) -> None:
        super().__init__("nan_guard")
        self.policy = policy
        self.limit = limit
        self.interval = interval
        self._undo: list[Callable[[], None]] = []

    def before_train(self, runner: Runner) -> None:
        """Stand before and behind each step of the optimizers."""
        super().before_train(runner)
        for optimizer in optimizers(runner):
            self._handles.append(
                optimizer.register_step_pre_hook(lambda each, *_: self._before_step(each, runner.iter + 1))
            )
            if self.policy == "skip":
                self._handles.append(optimizer.register_step_post_hook(lambda *_: self._after_step()))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Remember what the batches of an update that is left out must not change."""
        if not self._left_out:
            return
        wrapper, iteration = runner.optim_wrapper, runner.iter + 1
        assert wrapper is not None
        length = 1 if isinstance(wrapper, OptimWrapperDict) else wrapper.accumulative_counts
        if not wrapper.inside_window and not self._left_out.isdisjoint(range(iteration, iteration + length)):
            self._buffers.keep(runner.unwrapped_model)

    def _before_step(self, optimizer: Optimizer, iteration: int) -> None:
        parameters = [each for group in optimizer.param_groups for each in group["params"] if each.grad is not None]
        if iteration in self._left_out:
            for each in parameters:
                each.grad = None  # what has no gradient is left alone, by decay and momentum too
            return
        if not parameters or getattr(optimizer, "found_inf", None) is not None:
            return  # a gradient scaler looks by itself
        # Ranks that hold shares have to leave out the same updates. What is only read later is put together then.
        is_bad = _is_bad([each.grad for each in parameters], agree=self.policy == "skip")
        self._unread.append((iteration, is_bad))
        if self.policy == "skip":
            self._undo.append(_prepare_skip(optimizer, parameters, is_bad))

    def _after_step(self) -> None:
        while self._undo:
            self._undo.pop()()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Look at intervals."""
        if runner.iter + 1 in self._left_out:
            self._buffers.put_back()
        if self.every_n_train_iters(runner, self.interval):
            self._look(runner)

    def _look(self, runner: Runner) -> None:
        """Read what was noted since the last look, and act."""
        if not self._unread:
            return
        iterations = [iteration for iteration, _ in self._unread]
        flags = torch.stack([is_bad.float() for _, is_bad in self._unread])
        self._unread.clear()
        dist.all_reduce(flags, "max")  # so that all ranks do the same
        bad = sorted({number for number, flag in zip(iterations, flags.tolist(), strict=True) if flag})
        if bad:
            self._act(runner, bad)

    def _act(self, runner: Runner, bad: list[int]) -> None:
        what = f"the gradients of iteration {', '.join(map(str, bad))} are not finite"
        rows = [{"iter": each, "action": self.policy} for each in (bad if self.policy == "skip" else bad[:1])]
        done = len(self.actions)
        is_over = self.limit is not None and done + len(rows) > self.limit
        if self.policy == "raise" or is_over:
            self._done.record(runner, [{"iter": bad[0], "action": "raise"}])
            raise NonFiniteError(
                f"{what}{f', after {done} of {self.limit} actions' if is_over else ''}; look at the data and "
                "at the learning rate there, clip the gradients, or set NaNGuardHook's policy to skip or rollback"
            )
        self._done.record(runner, rows)
        if self.policy == "skip":
            runner.logger.warning(f"{what}: the update was left out")
            return
        checkpoint = newest_checkpoint(runner, before=bad[0])
        if checkpoint is None:
            raise NonFiniteError(
                f"{what}, and there is no checkpoint in {runner.store.folder} to go back to that is from before"
            )
        # What came after the first bad update came out of broken weights.
        self._left_out.add(bad[0])
        runner.logger.warning(f"{what}: back to {checkpoint}, and from there without the update of iteration {bad[0]}")
        raise GoBack(checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """What was done so far, and the iterations whose updates are left out."""
        return {"actions": list(self.actions), "left_out": sorted(self._left_out)} if self.actions else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned; what was done since, before going back, is not forgotten."""
        self._left_out |= set(state_dict["left_out"])
        self._done.restore(state_dict["actions"])


def _is_bad(gradients: list[torch.Tensor], *, agree: bool) -> torch.Tensor:
    """Whether any value is not finite: a boolean that stays on the device.

    Args:
        gradients: Of which this rank may hold shares, and of some nothing.
        agree: Whether ranks with shares put together what they found; otherwise each knows of its own.
    """
    bad = ~torch.isfinite(norm_of_all([local(each) for each in gradients], math.inf))
    if not agree or not any(map(is_dtensor, gradients)):
        return bad
    flag = bad.float()
    dist.all_reduce(flag, "max")
    return flag.bool()


def _prepare_skip(optimizer: Optimizer, parameters: list[torch.Tensor], is_bad: torch.Tensor) -> Callable[[], None]:
    """Make the step that follows change nothing if its gradients are bad, which only the device knows.

    Returns:
        What to call after the step.
    """
    target: Any = optimizer
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        # What a gradient scaler tells a fused optimizer: its kernels look at the flag themselves.
        target.grad_scale, target.found_inf = None, is_bad.float()

        def forget() -> None:
            del target.grad_scale, target.found_inf

        return forget
    before = {id(each): each.detach().clone() for each in (*parameters, *_state(optimizer))}

    @torch.no_grad()
    def put_back() -> None:
        for each in (*parameters, *_state(optimizer)):
            # State that the step made is that of an optimizer that has not stepped yet: nothing.
            old = before.get(id(each))
            torch.where(is_bad.to(each.device), torch.zeros_like(each) if old is None else old, each, out=each.detach())

    return put_back


def _state(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, torch.Tensor))
