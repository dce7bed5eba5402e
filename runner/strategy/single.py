"""One device."""

from __future__ import annotations

from torch import nn

from runner import dist
from runner.errors import BuildError
from runner.strategy.base import BaseStrategy, Surroundings

__all__ = ["SingleDeviceStrategy"]


class SingleDeviceStrategy(BaseStrategy):
    """The model on one device, by one process: what a run without a launcher does."""

    def prepare(self, model: nn.Module, around: Surroundings) -> nn.Module:
        """Put the model on its device.

        Raises:
            BuildError: There are several processes, whose models would drift apart.
        """
        if dist.get_world_size() > 1:
            raise BuildError(
                f"SingleDeviceStrategy is for one process, and {dist.get_world_size()} train together; take DDPStrategy or "
                "FSDPStrategy, or start with --launcher none",
                path=("strategy",),
            )
        return super().prepare(model, around)
