"""Several optimizers under names, each behind a wrapper of its own."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import nn

from runner.errors import BuildError, CheckpointError
from runner.logging import MMLogger
from runner.optim.optim_wrapper import OptimWrapper, ScalarSink

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["OptimWrapperDict"]


class OptimWrapperDict(OptimWrapper):
    """Several optimizers by name, for models whose parts are trained by losses of their own (a GAN's two).

    In a config, each further key is the name of an optimizer and holds what an `optim_wrapper` holds, with a
    constructor, accumulation and clipping of its own:
    `{type: OptimWrapperDict, generator: {optimizer: …}, discriminator: {optimizer: …}}`. Each trains the submodule of
    its name, or the ones that its `modules` names.

    Which optimizer a loss is for is known to the model alone: its `train_step` calls
    `optim_wrapper["generator"].update_params(loss)`. Windows of accumulation are counted by each wrapper for itself,
    and an incomplete one at the end of the run is not updated.

    Args:
        **optim_wrapper_dict: The wrappers by name.
    """

    optim_wrappers: dict[str, OptimWrapper]

    def __init__(self, **optim_wrapper_dict: OptimWrapper) -> None:
        if not optim_wrapper_dict:
            raise BuildError("OptimWrapperDict holds optimizers by name; give at least one")
        given: dict[str, Any] = optim_wrapper_dict
        for name, wrapper in given.items():
            if not isinstance(wrapper, OptimWrapper) or isinstance(wrapper, OptimWrapperDict):
                raise BuildError(f"OptimWrapperDict holds an OptimWrapper under each name, and '{name}' is {wrapper!r}")
            wrapper.log_name = name
        self.optim_wrappers = optim_wrapper_dict

    # A mapping

    def items(self) -> ItemsView[str, OptimWrapper]:
        """The names with their wrappers."""
        return self.optim_wrappers.items()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self.optim_wrappers.keys()

    def values(self) -> ValuesView[OptimWrapper]:
        """The wrappers."""
        return self.optim_wrappers.values()

    def __getitem__(self, key: str) -> OptimWrapper:
        if key not in self.optim_wrappers:
            raise KeyError(f"no optimizer is called '{key}'; there are {', '.join(self.optim_wrappers)}")
        return self.optim_wrappers[key]

    def __contains__(self, key: object) -> bool:
        return key in self.optim_wrappers

    def __len__(self) -> int:
        return len(self.optim_wrappers)

    # What is each wrapper's own

    def _refuse(self, call: str) -> NoReturn:
        names = ", ".join(self.optim_wrappers)
        first = next(iter(self.optim_wrappers))
        raise NotImplementedError(
            f"there are several optimizers ({names}), and which one is meant is not known; call "
            f"optim_wrapper['{first}'].{call}. A model that they train has a train_step() of its own"
        )

    def update_params(
        self,
        loss: torch.Tensor,
        step_kwargs: Mapping[str, Any] | None = None,
        zero_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Refused: the loss is for one of the optimizers."""
        del loss, step_kwargs, zero_kwargs
        self._refuse("update_params(loss)")

    def scale_loss(self, loss: torch.Tensor) -> torch.Tensor:
        """Refused: each optimizer has windows of its own."""
        del loss
        self._refuse("scale_loss(loss)")

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Refused: the loss is for one of the optimizers, which may scale it."""
        del loss, kwargs
        self._refuse("backward(loss)")

    def step(self, **kwargs: Any) -> None:
        """Refused: each optimizer has its own turn."""
        del kwargs
        self._refuse("step()")

    def optim_context(self, model: nn.Module) -> AbstractContextManager[Any]:
        """Refused: precision and windows are each optimizer's own."""
        del model
        self._refuse("optim_context(model)")

    def should_update(self) -> bool:
        """Refused: each optimizer has windows of its own."""
        self._refuse("should_update()")

    def should_sync(self) -> bool:
        """Refused: each optimizer has windows of its own."""
        self._refuse("should_sync()")

    @property
    def inner_count(self) -> int:
        """Refused: each optimizer counts its own losses."""
        self._refuse("inner_count")

    # What all of them do together

    def zero_grad(self, **kwargs: Any) -> None:
        """Clear the gradients of all optimizers."""
        for wrapper in self.values():
            wrapper.zero_grad(**kwargs)

    def accumulate(self, counts: int) -> None:
        """Average the gradients of another number of losses, for all optimizers."""
        for wrapper in self.values():
            wrapper.accumulate(counts)

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        """Nothing: how many losses there will be for each optimizer is not known here."""

    @property
    def message_hub(self) -> ScalarSink | None:
        """Where each wrapper records `train/<name>.grad_norm`."""
        return next(iter(self.values())).message_hub

    @message_hub.setter
    def message_hub(self, hub: ScalarSink | None) -> None:
        for wrapper in self.values():
            wrapper.message_hub = hub

    @property
    def inside_window(self) -> bool:
        """Whether any gradients are held.

        One optimizer's loss may leave gradients in another's parameters, which that one's next update is made of too.
        """
        groups = (group for wrapper in self.values() for group in wrapper.optimizer.param_groups)
        return any(parameter.grad is not None for group in groups for parameter in group["params"])

    def count_state(self) -> dict[str, Any]:
        """Where each wrapper stands in its windows, by name."""
        return {name: wrapper.count_state() for name, wrapper in self.items()}

    def load_count_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `count_state` returned; a name that is not in it begins to count."""
        for name, wrapper in self.items():
            if isinstance(state.get(name), Mapping):
                wrapper.load_count_state(state[name])

    @property
    def param_groups(self) -> dict[str, list[dict[str, Any]]]:  # type: ignore[override]  # by name, as MMEngine's
        """The parameter groups of each optimizer, by name."""
        return {name: wrapper.param_groups for name, wrapper in self.items()}

    @property
    def defaults(self) -> dict[str, Any]:
        """The default options of each optimizer, by name."""
        return {name: wrapper.defaults for name, wrapper in self.items()}

    def get_lr(self) -> dict[str, list[float]]:
        """The learning rates of each optimizer: `generator.lr`, and `generator.base_lr` where it has several groups."""
        return {f"{name}.{key}": rates for name, wrapper in self.items() for key, rates in wrapper.get_lr().items()}

    def get_momentum(self) -> dict[str, list[float]]:
        """The momentum of each optimizer's groups: `generator.momentum`."""
        return {
            f"{name}.{key}": values for name, wrapper in self.items() for key, values in wrapper.get_momentum().items()
        }

    def scale_lr(self, ratio: float) -> None:
        """Multiply every learning rate of every optimizer."""
        for wrapper in self.values():
            wrapper.scale_lr(ratio)

    def state_dict(self) -> dict[str, Any]:
        """Each wrapper's state, by name."""
        return {name: wrapper.state_dict() for name, wrapper in self.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned.

        Raises:
            CheckpointError: It holds an optimizer that there is not. One that it lacks goes on as it is, with a warning.
        """
        unknown = [name for name in state_dict if name not in self.optim_wrappers]
        if unknown:
            raise CheckpointError(
                f"the checkpoint has the state of {', '.join(map(repr, unknown))}, and the optimizers are "
                f"{', '.join(map(repr, self.optim_wrappers))}; name them as in the run that wrote it"
            )
        for name, wrapper in self.items():
            if name in state_dict:
                wrapper.load_state_dict(state_dict[name])
            else:
                MMLogger.get_current_instance().warning(
                    "the checkpoint has no state of the optimizer '%s', which begins anew", name
                )

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__.get("optim_wrappers")
        if held is None:  # not set yet: while unpickling, or before a subclass called __init__
            raise AttributeError(name)
        first = next(iter(held))
        raise AttributeError(
            f"{type(self).__name__} has no '{name}'; its wrappers may: optim_wrapper['{first}'].{name}"
        )

    def __repr__(self) -> str:
        return "".join(f"name: {name}\n{wrapper!r}" for name, wrapper in self.items())
