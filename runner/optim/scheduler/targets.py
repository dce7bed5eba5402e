"""What is scheduled: mix-ins that bind a family of schedules to the learning rate or to the momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.errors import BuildError

if TYPE_CHECKING:
    from runner.optim.scheduler.param_scheduler import OptimizerLike

__all__ = ["LRSchedulerMixin", "MomentumSchedulerMixin"]


class LRSchedulerMixin:
    """Schedules the learning rate.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        *args: The family's.
        **kwargs: The family's.
    """

    def __init__(self, optimizer: OptimizerLike, *args: Any, **kwargs: Any) -> None:
        super().__init__(optimizer, "lr", *args, **kwargs)  # type: ignore[call-arg]  # the family's constructor


class MomentumSchedulerMixin:
    """Schedules the momentum of SGD and its kin, and the first beta of Adam and its kin.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        *args: The family's.
        **kwargs: The family's.
    """

    optimizer: OptimizerLike

    def __init__(self, optimizer: OptimizerLike, *args: Any, **kwargs: Any) -> None:
        self.use_betas = "momentum" not in optimizer.defaults
        if self.use_betas:
            if "betas" not in optimizer.defaults:
                have = ", ".join(optimizer.defaults)
                raise BuildError(f"a momentum scheduler needs an optimizer with 'momentum' or 'betas'; it has {have}")
            for group in optimizer.param_groups:
                group["momentum"] = group["betas"][0]
        super().__init__(optimizer, "momentum", *args, **kwargs)  # type: ignore[call-arg]  # the family's constructor

    def step(self, *args: Any) -> None:
        """Go one step on, and set the momentum of each group.

        Args:
            *args: The family's: the metrics, for one that looks at them.
        """
        super().step(*args)  # type: ignore[misc]  # the family's
        if self.use_betas:
            for group in self.optimizer.param_groups:
                group["betas"] = (group["momentum"], *group["betas"][1:])
