"""Schedules that are a factor of the base value at each step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from runner.optim.scheduler.param_scheduler import _ParamScheduler

__all__ = ["FactorScheduler"]


class FactorScheduler(_ParamScheduler):
    """A schedule given by `factor(t)`: t steps after `begin` the value is `base * factor(t)`.

    In the recursive form that lets schedules chain, a step multiplies the current value by `factor(t) / factor(t - 1)`.
    From 0 no multiplication leads back: the step after it sets the value.
    """

    @abstractmethod
    def factor_at(self, step: int) -> float:
        """The factor `step` steps after `begin`."""

    def _get_value(self) -> Iterable[Any]:
        name, step = self.param_name, self.last_step
        groups = self.optimizer.param_groups
        now = self.factor_at(step)
        before = self.factor_at(step - 1) if step > 0 else 1.0
        if before == 0:
            return [base * now for base in self.base_values]
        return [group[name] * (now / before) for group in groups]
