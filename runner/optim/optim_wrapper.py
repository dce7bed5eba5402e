"""An optimizer with gradient accumulation and clipping, behind MMEngine's interface."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.dist.sharding import scatter_optimizer_state
from runner.errors import BuildError
from runner.kinds import Interval
from runner.logging import MMLogger
from runner.optim.clip import ClipGrad, Clipper, make_clipper
from runner.optim.unobserved import clear_gradients, step_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["OptimWrapper"]

_NOTHING = contextlib.nullcontext()


class ScalarSink(Protocol):
    """What takes the norm of the gradients: a `MessageHub`."""

    def update_scalar(self, key: str, value: Any) -> None:
        """Record one value."""


class OptimWrapper:
    """Updates parameters from a loss: scale, backward, clip, step, clear.

    Accumulation works in windows of `accumulative_counts` calls of `update_params`: each loss is divided by the length
    of its window and the parameters change at the window's end. The window is counted over the whole run, across
    epochs; the last one, which the run may cut short, is divided by the length that it has.

    What is not defined here is looked up on the optimizer (`optim_wrapper.state`, `optim_wrapper.add_param_group`).

    Args:
        optimizer: Updates the parameters.
        accumulative_counts: Iterations whose gradients are averaged for one update.
        clip_grad: How gradients are clipped before an update; null does not clip.

    Attributes:
        grad_norm: Norm of the gradients at the last update that measured it, a tensor on their device: reading it as a
            number waits for the device.
        message_hub: Where `train/grad_norm` is recorded after each update; None records nothing.
        log_name: The optimizer's name, where there are several: then it is `train/<name>.grad_norm`.
        syncs_every_step: Whether ranks with shares of the gradients add them up after each backward of a window; false
            for at its end (FSDP2; other wrappers are asked for `no_sync`).
    """

    syncs_every_step: bool = True

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        accumulative_counts: Annotated[int, Interval(ge=1)] = 1,
        clip_grad: ClipGrad | None = None,
    ) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise BuildError(
                f"optimizer must be a torch optimizer, got {optimizer!r}; "
                "build_optim_wrapper(model, cfg) builds one from a mapping"
            )
        if type(accumulative_counts) is not int or accumulative_counts < 1:
            raise BuildError(f"accumulative_counts must be an integer of at least 1, got {accumulative_counts!r}")
        self.optimizer = optimizer
        self.message_hub: ScalarSink | None = None
        self.log_name = ""
        self.grad_norm: torch.Tensor | None = None
        self._accumulative_counts = accumulative_counts
        self._clip: Clipper | None = None
        self.clip_grad_kwargs: dict[str, Any] | None = None
        if clip_grad is not None:
            self._clip, self.clip_grad_kwargs = make_clipper(clip_grad)
        self._inner_count = 0
        self._first_count = 0
        self._next_counts: int | None = None
        self._was_changed = False
        self._max_counts = -1
        self._remainder_counts = -1
        # One group per parameter hides the learning rate that they all were derived from: it is kept, and scheduled,
        # in a group of its own, which the optimizer never sees.
        self.base_param_settings: dict[str, Any] | None = None
        if len(optimizer.param_groups) > 1:
            self.base_param_settings = {"params": torch.tensor([0.0]), **optimizer.defaults}

    # One update

    def update_params(
        self,
        loss: torch.Tensor,
        step_kwargs: Mapping[str, Any] | None = None,
        zero_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Back-propagate a loss, and update the parameters if its window is full.

        Args:
            loss: A scalar with a graph, not divided by the window's length.
            step_kwargs: Arguments for the optimizer's `step`.
            zero_kwargs: Arguments for its `zero_grad`.
        """
        self.backward(self.scale_loss(loss))
        if self.should_update():
            if step_kwargs:
                self.step(**step_kwargs)
            else:
                self.step()
            if zero_kwargs:
                self.zero_grad(**zero_kwargs)
            else:
                self.zero_grad()

    def scale_loss(self, loss: torch.Tensor) -> torch.Tensor:
        """Divide a loss by the length of the window that it falls in."""
        if self._accumulative_counts == 1:
            return loss  # a division by one costs a kernel forward and another backward
        return loss / self._window_length()

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Back-propagate, and count. A subclass that overrides this adds 1 to `_inner_count` too."""
        loss.backward(**kwargs)  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients, if asked to, and step the optimizer."""
        if self._clip is not None:
            self._clip_grad()
        step_of(self.optimizer)(**kwargs)

    def zero_grad(self, **kwargs: Any) -> None:
        """Clear the gradients."""
        if kwargs:
            self.optimizer.zero_grad(**kwargs)
        else:
            clear_gradients(self.optimizer)
        if self._next_counts is not None:
            self._change_counts(self._next_counts)

    def _clip_grad(self) -> None:
        """Clip the gradients of all groups together; keep their norm, which stays on the device."""
        assert self._clip is not None
        norm = self._clip([parameter for group in self.optimizer.param_groups for parameter in group["params"]])
        if norm is not None:
            self.grad_norm = norm
            if self.message_hub is not None:
                name = f"train/{self.log_name}.grad_norm" if self.log_name else "train/grad_norm"
                self.message_hub.update_scalar(name, norm)

    def optim_context(self, model: nn.Module) -> AbstractContextManager[Any]:
        """What the forward pass runs in: no gradient synchronization while a window is being filled.

        Args:
            model: The model as it is called; one with `no_sync` (DistributedDataParallel) is asked for it.
        """
        if not self.syncs_every_step and hasattr(model, "set_requires_gradient_sync"):
            model.set_requires_gradient_sync(self.should_sync())  # type: ignore[operator]  # FSDP2's method
        if self._accumulative_counts == 1 or self.should_sync() or not hasattr(model, "no_sync"):
            return _NOTHING
        context: AbstractContextManager[Any] = model.no_sync()  # type: ignore[operator]  # a wrapper's method
        return context

    # Windows of accumulation

    @property
    def inner_count(self) -> int:
        """How many losses were back-propagated since the run began."""
        return self._inner_count

    @property
    def inside_window(self) -> bool:
        """Whether gradients are held for an update that is still to come: a checkpoint has to carry them."""
        return not self.should_update()

    def should_update(self) -> bool:
        """Whether the loss that was just back-propagated was its window's last."""
        count = self._inner_count
        return (count - self._first_count) % self._accumulative_counts == 0 or count == self._max_counts

    def should_sync(self) -> bool:
        """Whether the loss that comes next is its window's last, so that ranks have to share gradients."""
        count = self._inner_count + 1
        return (count - self._first_count) % self._accumulative_counts == 0 or count == self._max_counts

    @property
    def accumulative_counts(self) -> int:
        """Losses of a window, but for the run's last one."""
        return self._accumulative_counts

    def accumulate(self, counts: int) -> None:
        """Average the gradients of another number of losses from here on; a window that is open is filled before.

        Args:
            counts: Losses of a window.

        Raises:
            BuildError: It is below 1.
        """
        if counts < 1:
            raise BuildError(f"the gradients of at least one loss make an update; accumulate({counts}) was called")
        self._next_counts = counts if counts != self._accumulative_counts else None
        if self._next_counts is not None and not self.inside_window:
            self._change_counts(counts)

    def _change_counts(self, counts: int) -> None:
        self._next_counts, self._was_changed = None, True
        self._accumulative_counts, self._first_count = counts, self._inner_count
        self._remainder_counts = (self._max_counts - self._first_count) % counts

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        """Say where the run stands and where it ends, so that its last window is updated even if it is not full.

        Args:
            model: The model, looked through for batch norm, which sees each batch of a window by itself.
            init_counts: Losses that were back-propagated before.
            max_counts: How many it will be at the end of the run.
        """
        self._inner_count = init_counts
        self._max_counts = max_counts
        self._remainder_counts = (max_counts - self._first_count) % self._accumulative_counts
        if self._accumulative_counts == 1:
            return
        if any(isinstance(module, _BatchNorm) for module in model.modules()):
            MMLogger.get_current_instance().warning(
                "The model has batch norm layers, which see one batch at a time: accumulating the gradients of %d "
                "batches is not the same as a batch that is larger by as much.",
                self._accumulative_counts,
            )

    def count_state(self) -> dict[str, int]:
        """Where the run stands in its windows: plain data for a checkpoint.

        Returns:
            `inner_count`, and `window_length`, by which the losses whose gradients are held were divided; where
            `accumulate` was called, also `accumulative_counts`, and `first_count`, from which windows are counted.
        """
        state = {"inner_count": self._inner_count, "window_length": self._window_length(self._inner_count - 1)}
        if self._was_changed:
            state |= {"accumulative_counts": self._accumulative_counts, "first_count": self._first_count}
        return state

    def load_count_state(self, state: Mapping[str, int]) -> None:
        """Go on at the place in a window where a checkpoint was saved.

        To be called after `initialize_count_status`, which sets the count, and after the gradients were put back:
        where the run's new end, or a new `accumulative_counts`, changes the length of the open window, they are
        scaled to it.

        Args:
            state: What `count_state` returned.
        """
        self._inner_count = state["inner_count"]
        if "accumulative_counts" in state:
            self._was_changed = True
            self._accumulative_counts, self._first_count = state["accumulative_counts"], state["first_count"]
            self._remainder_counts = (self._max_counts - self._first_count) % self._accumulative_counts
        if not self.inside_window:
            return
        held = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not held:
            MMLogger.get_current_instance().warning(
                "The run goes on after %d of the %d losses of an accumulation window, whose gradients were not saved: "
                "the next update is made of fewer.",
                (self._inner_count - self._first_count) % self._accumulative_counts,
                self._accumulative_counts,
            )
            return
        before, now = state.get("window_length", 0), self._window_length(self._inner_count - 1)
        if before not in {0, now}:
            for gradient in held:
                gradient.mul_(before / now)

    def _window_length(self, index: int | None = None) -> int:
        """How many losses the window of a loss has; by default of the one that comes next. Counted from 0."""
        index = self._inner_count if index is None else index
        if self._max_counts - self._remainder_counts <= index < self._max_counts:
            return self._remainder_counts
        return self._accumulative_counts

    # The optimizer behind it

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The optimizer's parameter groups, and `base_param_settings` after them where there are several."""
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        return groups if self.base_param_settings is None else [*groups, self.base_param_settings]

    @property
    def defaults(self) -> dict[str, Any]:
        """The optimizer's default options."""
        defaults: dict[str, Any] = self.optimizer.defaults
        return defaults

    def get_lr(self) -> dict[str, list[float]]:
        """The learning rate of each group under `lr`, and the one they derive from under `base_lr`, if several."""
        rates = {"lr": [group["lr"] for group in self.optimizer.param_groups]}
        if self.base_param_settings is None:
            return rates
        return {"base_lr": [self.base_param_settings["lr"]], **rates}

    def get_momentum(self) -> dict[str, list[float]]:
        """The momentum of each group: SGD's `momentum`, Adam's first beta, 0 where there is none."""
        return {"momentum": [_momentum(group) for group in self.optimizer.param_groups]}

    def scale_lr(self, ratio: float) -> None:
        """Multiply every learning rate, before a scheduler takes it as its initial value.

        Args:
            ratio: The batch size of this run over the one that the learning rate was chosen for.

        Raises:
            BuildError: A scheduler was built already.
        """
        if any("initial_lr" in group for group in self.param_groups):
            raise BuildError("the learning rate must be scaled before parameter schedulers are built on it")
        for group in self.param_groups:
            group["lr"] = group["lr"] * ratio

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and `base_param_settings` where there are several groups."""
        state: dict[str, Any] = self.optimizer.state_dict()
        if self.base_param_settings is not None:
            state["base_param_settings"] = dict(self.base_param_settings)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        state = dict(state_dict)
        base = state.pop("base_param_settings", None)
        if base is not None and self.base_param_settings is not None:
            self.base_param_settings = dict(base)
        self.optimizer.load_state_dict(scatter_optimizer_state(self.optimizer, state))

    def __getattr__(self, name: str) -> Any:
        if name == "optimizer":  # not set yet: while unpickling, or before a subclass called __init__
            raise AttributeError(name)
        try:
            return getattr(self.optimizer, name)
        except AttributeError:
            raise AttributeError(
                f"neither {type(self).__name__} nor its optimizer {type(self.optimizer).__name__} has '{name}'"
            ) from None

    def __repr__(self) -> str:
        return (
            f"Type: {type(self).__name__}\n"
            f"_accumulative_counts: {self._accumulative_counts}\n"
            f"optimizer: \n{self.optimizer!r}\n"
        )


def _momentum(group: Mapping[str, Any]) -> float:
    if "momentum" in group:
        momentum: float = group["momentum"]
        return momentum
    first: float = group["betas"][0] if "betas" in group else 0
    return first
