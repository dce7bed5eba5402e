"""The contract of strategies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from runner.model import revert_sync_batchnorm

if TYPE_CHECKING:
    from runner.build import Builder
    from runner.optim import OptimWrapper

__all__ = ["BaseStrategy", "Surroundings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a strategy is given beside the model.

    Attributes:
        device: This rank's.
        builder: Builds what the strategy names.
        say: Takes a sentence for the log.
        warn: Takes a sentence that somebody should read.
        initialize: Lets the model draw its weights, and gives all ranks rank 0's; to be called while they are whole.
            None where the run does that itself, later, or not at all.
        fields: The config's `model_wrapper_cfg`, `find_unused_parameters` and `sync_bn`, for strategies that leave
            them open.
    """

    device: torch.device
    builder: Builder
    say: Callable[[str], object]
    warn: Callable[[str], object] = str
    initialize: Callable[[nn.Module], None] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


class BaseStrategy:
    """How a model is spread over devices: what it becomes before it is trained, and how it is saved.

    A Runner calls `building` around what builds the model, `prepare` once with the built model, `adapt` once with the
    optimizer that was built on what `prepare` returned, and asks for `saves_shares` at each save. Parameters that are
    spread are DTensors: checkpoints put them together, and deal them out again, by what these say of themselves.

    Attributes:
        initializes: Whether the weights are to be drawn in `prepare`, since they can't be when it is over.
        needs_checkpoint: Whether there are no weights until some are loaded.
        tensor_parallel_size: How many ranks compute each layer together: they are given the same batches.
    """

    initializes: bool = False
    needs_checkpoint: bool = False
    tensor_parallel_size: int = 1

    def building(self) -> AbstractContextManager[Any]:
        """What the model is built in."""
        return contextlib.nullcontext()

    def prepare(self, model: nn.Module, around: Surroundings) -> nn.Module:
        """Spread a model.

        Args:
            model: As it was built, on the CPU or wherever its constructor put it.
            around: The rest of the run.

        Returns:
            What the loops call: the model, or a wrapper with it as `module`.
        """
        return revert_sync_batchnorm(model.to(around.device))

    def adapt(self, optim_wrapper: OptimWrapper) -> None:
        """Change what the optimizer does, where spread parameters need that."""

    @property
    def saves_shares(self) -> bool:
        """Whether each rank writes its own shares into a checkpoint's folder, in place of one file with all."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """This rank's own state beside the model's, as plain data for a checkpoint."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned on this rank."""
