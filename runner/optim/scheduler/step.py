"""A decay every so many steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["StepLR", "StepMomentum", "StepParamScheduler"]


class StepParamScheduler(_ParamScheduler):
    """Multiplies the value by `gamma` every `step_size` steps.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        step_size: Steps from one decay to the next.
        gamma: What the value is multiplied by.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    counted_in_epochs = ("step_size",)

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        step_size: Annotated[int, Interval(ge=1)],
        gamma: Annotated[float, Interval(ge=0)] = 0.1,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if step_size < 1:
            raise BuildError(f"step_size must be at least 1, got {step_size!r}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.last_step == 0 or self.last_step % self.step_size != 0:
            return [group[name] for group in groups]
        return [group[name] * self.gamma for group in groups]


class StepLR(LRSchedulerMixin, StepParamScheduler):
    """A learning rate that decays by `gamma` every `step_size` steps."""


class StepMomentum(MomentumSchedulerMixin, StepParamScheduler):
    """A momentum that decays by `gamma` every `step_size` steps."""
