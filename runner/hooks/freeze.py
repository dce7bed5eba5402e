"""Modules that are trained for a part of the run only."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

from torch import nn

from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["FreezeHook"]


class FreezeHook(Hook):
    """Freezes modules from one epoch on, and lets them be trained again from another.

    What is frozen gets no gradient, so neither an update nor weight decay nor momentum; what it had gathered in an
    accumulation window that is still open is dropped. Parameters that were frozen before stay so.

    Args:
        modules: The modules' dotted names, as `model.named_modules()` has them; `*` stands for anything (`backbone.*`).
        begin: The first epoch, from 0, that they are frozen in.
        end: The first epoch after it that they are trained in again; null for never.
        by_epoch: Whether `begin` and `end` count epochs; iterations otherwise.
        eval_mode: Whether the modules are in evaluation mode while they are frozen: no dropout, and batch norm neither
            looks at the batch nor counts it.
    """

    def __init__(
        self,
        modules: str | list[str],
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] | None = None,
        by_epoch: bool = True,
        eval_mode: bool = False,
    ) -> None:
        if end is not None and end <= begin:
            raise BuildError(f"FreezeHook: 'end' is {end} and not after 'begin', {begin}; nothing would ever be frozen")
        self.modules = [modules] if isinstance(modules, str) else list(modules)
        self.begin = begin
        self.end = end
        self.by_epoch = by_epoch
        self.eval_mode = eval_mode
        self._found: list[nn.Module] = []
        self._parameters: list[nn.Parameter] = []
        self._is_frozen = False

    def before_train(self, runner: Runner) -> None:
        """Find the modules.

        Raises:
            BuildError: A name matches nothing, or DDP does not expect parameters without a gradient.
        """
        model = runner.unwrapped_model
        self._found = [module for name in self.modules for module in _matching(model, name)]
        if not self._parameters:
            every = dict.fromkeys(parameter for module in self._found for parameter in module.parameters())
            self._parameters = [parameter for parameter in every if parameter.requires_grad]
        if runner.model is not model and getattr(runner.model, "find_unused_parameters", True) is False:
            raise BuildError(
                "FreezeHook: the distributed model waits for a gradient of every parameter; set find_unused_parameters: true"
            )
        self._apply(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Freeze or let go, where the epoch is one to do so."""
        if self.by_epoch:
            self._apply(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Freeze or let go, where the iteration is one to do so; hold the mode, which the loop sets anew."""
        if not self.by_epoch:
            self._apply(runner)
        if self.eval_mode and self._is_frozen:
            for module in self._found:
                if module.training:
                    module.eval()

    def _apply(self, runner: Runner) -> None:
        position = runner.epoch if self.by_epoch else runner.iter
        is_frozen = self.begin <= position and (self.end is None or position < self.end)
        if is_frozen == self._is_frozen:
            return
        self._is_frozen = is_frozen
        for parameter in self._parameters:
            parameter.requires_grad_(not is_frozen)
            parameter.grad = None
        if not is_frozen and self.eval_mode:
            for module in self._found:
                module.train()
        what = f"{sum(each.numel() for each in self._parameters):,} parameters of {', '.join(self.modules)}"
        runner.logger.info(f"{what} are {'frozen' if is_frozen else 'trained'} from here on")


def _matching(model: nn.Module, pattern: str) -> list[nn.Module]:
    found = [module for name, module in model.named_modules() if name and fnmatchcase(name, pattern)]
    if not found:
        known = [name for name, _ in model.named_modules() if name]
        close = difflib.get_close_matches(pattern, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}"
        raise BuildError(f"FreezeHook: the model has no module '{pattern}'; {hint}")
    return found
