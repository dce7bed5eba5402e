"""A decay when a metric stops getting better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Annotated, Any, Literal

from typing_extensions import Self

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["ReduceOnPlateauLR", "ReduceOnPlateauMomentum", "ReduceOnPlateauParamScheduler"]


class ReduceOnPlateauParamScheduler(_ParamScheduler):
    """Multiplies the value by `factor` when a metric has not got better for more than `patience` validations.

    A step is an epoch; what is decided, is decided after each validation whose epoch lies in the window.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        monitor: The metric, by the name that the validation gives it.
        rule: Whether `less` or `greater` is better.
        factor: What the value is multiplied by, below 1.
        patience: Validations without a better metric that are let pass.
        threshold: By how much a metric has to be better than the best to count.
        threshold_rule: Whether that is a part of the best metric, or a difference.
        cooldown: Validations after a decay in which nothing is counted.
        min_value: The value that no decay goes below, for all groups or for each.
        eps: A decay by less than this is left out.
        begin: The first epoch at which the value may be changed.
        end: The epoch from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: True; validations are not counted in iterations.
        verbose: Log each value that is set.
    """

    need_val_args = True
    """Tells the hook that steps schedulers to hand over the metrics of each validation."""
    counters = ("best", "cooldown_counter", "num_bad_epochs")

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        monitor: str = "loss",
        rule: Literal["less", "greater"] = "less",
        factor: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
        patience: Annotated[int, Interval(ge=0)] = 10,
        threshold: Annotated[float, Interval(ge=0)] = 1e-4,
        threshold_rule: Literal["rel", "abs"] = "rel",
        cooldown: Annotated[int, Interval(ge=0)] = 0,
        min_value: Annotated[float, Interval(ge=0)] | list[Annotated[float, Interval(ge=0)]] = 0.0,
        eps: Annotated[float, Interval(ge=0)] = 1e-8,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if not by_epoch:
            raise BuildError("by_epoch: false has no meaning here: a plateau is counted in validations; leave it out")
        if not 0 <= factor < 1:
            raise BuildError(f"factor must be at least 0 and below 1, got {factor!r}")
        if threshold < 0:
            raise BuildError(f"threshold must be at least 0, got {threshold!r}")
        if rule not in {"less", "greater"} or threshold_rule not in {"rel", "abs"}:
            raise BuildError(
                f"rule must be 'less' or 'greater' and threshold_rule 'rel' or 'abs', got {rule!r} and {threshold_rule!r}"
            )
        self.monitor, self.rule, self.factor = monitor, rule, factor
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.threshold, self.threshold_rule = threshold, threshold_rule
        if hasattr(optimizer, "param_groups"):
            self.min_values = _for_each_group(min_value, optimizer)
        self.best = inf if rule == "less" else -inf
        self.cooldown_counter = self.num_bad_epochs = 0
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    @classmethod
    def build_iter_from_epoch(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: ARG003 - the base class's
        """Refuse: a plateau is counted in validations."""
        raise BuildError(f"{cls.__name__} is stepped by validations; leave convert_to_iter_based out")

    def step(self, metrics: Mapping[str, Any] | None = None) -> None:
        """Count an epoch, or look at the metrics of a validation.

        Args:
            metrics: What the validation yielded; None counts an epoch.

        Raises:
            BuildError: The monitored metric is not among them.
        """
        if metrics is None:
            self._global_step += 1
            # The first is the constructor's.
            self._last_value = [group[self.param_name] for group in self.optimizer.param_groups]
            return
        if self.begin <= self._global_step < self.end:
            self.last_step += 1
            self._look_at(self._monitored(metrics))
        self._last_value = [group[self.param_name] for group in self.optimizer.param_groups]

    def rewind(self) -> None:
        """Go back to before step 0, with no metric seen."""
        super().rewind()
        self.best = inf if self.rule == "less" else -inf
        self.cooldown_counter = self.num_bad_epochs = 0

    def _monitored(self, metrics: Mapping[str, Any]) -> float:
        if self.monitor not in metrics:
            raise BuildError(
                f"{type(self).__name__} monitors '{self.monitor}', and the validation yields {', '.join(metrics)}; "
                "give one of these"
            )
        return float(metrics[self.monitor])

    def _look_at(self, metric: float) -> None:
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._decay()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _decay(self) -> None:
        groups = self.optimizer.param_groups
        for group, value in zip(groups, self._get_value(), strict=False):
            if group[self.param_name] - value > self.eps:
                self._set(group, value)
        if self.verbose:
            self._report(groups)

    def _get_value(self) -> Iterable[Any]:
        groups = self.optimizer.param_groups
        pairs = zip(groups, self.min_values, strict=False)
        return [max(float(group[self.param_name]) * self.factor, lowest) for group, lowest in pairs]

    def _is_better(self, metric: float) -> bool:
        if self.rule == "less":
            limit = self.best * (1.0 - self.threshold) if self.threshold_rule == "rel" else self.best - self.threshold
            return metric < limit
        limit = self.best * (self.threshold + 1.0) if self.threshold_rule == "rel" else self.best + self.threshold
        return metric > limit


class ReduceOnPlateauLR(LRSchedulerMixin, ReduceOnPlateauParamScheduler):
    """A learning rate that decays when a metric stops getting better."""


class ReduceOnPlateauMomentum(MomentumSchedulerMixin, ReduceOnPlateauParamScheduler):
    """A momentum that decays when a metric stops getting better."""


def _for_each_group(values: float | list[float], optimizer: OptimizerLike) -> list[float]:
    groups = len(optimizer.param_groups)
    if not isinstance(values, list | tuple):
        return [values] * groups
    own = len(getattr(optimizer, "optimizer", optimizer).param_groups)
    if len(values) != own:
        raise BuildError(f"min_value gives {len(values)} values, and there are {own} parameter groups")
    # A wrapper's last group holds the settings that the others derive from.
    return [*values, *[values[-1]] * (groups - own)]
