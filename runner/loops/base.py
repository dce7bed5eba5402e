"""The contract of a loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["BaseLoop"]


class BaseLoop(ABC):
    """What is done with each batch, and when to stop.

    A loop that keeps state beside its counters may have `state_dict()` and `load_state_dict(state)`: plain data, which
    goes into the checkpoint.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader[Any] | dict[str, Any]) -> None:
        self._runner = runner
        self.dataloader: DataLoader[Any] = runner.build_dataloader(dataloader)

    @property
    def runner(self) -> Runner:
        """The runner that the loop belongs to."""
        return self._runner

    @abstractmethod
    def run(self) -> Any:
        """Run the whole loop."""
