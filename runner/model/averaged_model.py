"""Averages of a model's weights over time: the mean of all (SWA), and exponential ones (EMA)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from runner.dist.sharding import copy_model, local, reshard
from runner.errors import BuildError
from runner.kinds import Interval
from runner.logging import print_log

__all__ = ["BaseAveragedModel", "ExponentialMovingAverage", "MomentumAnnealingEMA", "StochasticWeightAverage"]

_LARGE_MOMENTUM = 0.5


class BaseAveragedModel(nn.Module):
    """A copy of a model whose weights are an average of the model's.

    A subclass says in `avg_func` how one value goes into the average of one parameter; it may say in `avg_all` how all
    of them do at once. The first update copies the weights. Nothing here waits for the device, unless `device` is
    another one than the model's.

    Args:
        model: What is averaged; it is copied.
        interval: Updates from one that goes into the average to the next.
        device: Where the average is kept; by default beside each weight.
        update_buffers: Average the buffers that are saved too (of floating point: batch norm's statistics). Otherwise
            they are copied at each update.

    Attributes:
        module: The copy, with the averaged weights.
        steps: Updates so far. In a state dict it is a tensor, under this name, as in MMEngine's.
    """

    _averages: dict[str, Tensor] | None
    _copied: list[Tensor] | None

    def __init__(
        self,
        model: nn.Module,
        interval: Annotated[int, Interval(ge=1)] = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        super().__init__()
        if interval < 1:
            raise BuildError(f"{type(self).__name__}: interval is {interval}; it must be at least 1")
        self.module = copy_model(model).requires_grad_(requires_grad=False)
        if device is not None:
            self.module = self.module.to(device)
        self.interval = interval
        self.update_buffers = update_buffers
        self.steps = 0
        self._forget()

    @property
    def avg_parameters(self) -> dict[str, Tensor]:
        """What is averaged, by name: the parameters, and with `update_buffers` the buffers of the state dict."""
        # Looked up once: going through a model's modules takes as long as all else in an update.
        if self._averages is None:
            self._averages = self._tensors_of(self.module)
        return self._averages

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int) -> None:
        """Put one value into the average of one parameter, in place.

        Args:
            averaged_param: The average.
            source_param: The value, on the same device.
            steps: Updates before this one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no avg_func(averaged_param, source_param, steps)")

    def avg_all(self, averaged: list[Tensor], sources: list[Tensor], steps: int) -> None:
        """Put a value each into the averages of all parameters, in place; by default one by one.

        Args:
            averaged: The averages, of floating point.
            sources: The values, on the same devices.
            steps: Updates before this one.
        """
        for average, source in zip(averaged, sources, strict=True):
            self.avg_func(average, source, steps)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's forward."""
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Let the weights that a model has now go into the average.

        Args:
            model: The model, of the same structure as the one that was copied.
        """
        if self.steps % self.interval == 0:
            averaged, given = self.avg_parameters, self._tensors_of(model)
            if self.steps > 0:
                averaged = {name: average for name, average in averaged.items() if average.is_floating_point()}
            sources = [local(_beside(average, given[name])) for name, average in averaged.items()]
            if self.steps == 0:
                _copy(averaged.values(), sources)
            else:
                self.avg_all([local(average.detach()) for average in averaged.values()], sources, self.steps)
        if not self.update_buffers:
            if self._copied is None:
                self._copied = list(self.module.buffers())
            _copy(self._copied, model.buffers())
        self.steps += 1

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Take a model's weights and buffers as they are, as long as nothing has gone into the average."""
        if self.steps == 0:
            reshard(model)
            _copy(self.module.parameters(), model.parameters())
            _copy(self.module.buffers(), model.buffers())

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange the average with a model's weights (and with `update_buffers` its buffers); again puts them back."""
        reshard(model)
        averages: list[Tensor] = [*self.module.parameters()]
        sources: list[Tensor] = [*model.parameters()]
        if self.update_buffers:
            averages += self.module.buffers()
            sources += model.buffers()
        for average, source in zip(map(local, averages), map(local, sources), strict=True):
            kept = average.clone()
            average.data.copy_(source.data)
            source.data.copy_(kept)

    def _tensors_of(self, model: nn.Module) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = dict(model.named_parameters())
        if self.update_buffers:
            saved = model.state_dict()
            tensors.update((name, buffer) for name, buffer in model.named_buffers() if name in saved)
        return tensors

    def _forget(self) -> None:
        self._averages = None
        self._copied = None

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._forget()  # the tensors may be others after it
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}steps"] = torch.tensor(self.steps)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        self._forget()
        key = f"{prefix}steps"
        if key in state_dict:
            self.steps = int(state_dict[key])
        elif strict:
            missing_keys.append(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if key in unexpected_keys:  # it is no buffer
            unexpected_keys.remove(key)


class StochasticWeightAverage(BaseAveragedModel):
    """The mean of all weights (SWA), by Izmailov et al., https://arxiv.org/abs/1803.05407.

    Each value changes the average by `(value - average) / n`, where n counts the values with this one.
    """

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int) -> None:
        """Put one value into one mean."""
        averaged_param.add_(source_param - averaged_param, alpha=self._weight(steps))

    def avg_all(self, averaged: list[Tensor], sources: list[Tensor], steps: int) -> None:
        """Put a value each into all means, in few kernels."""
        if not averaged or _is_changed(self, StochasticWeightAverage.avg_func):
            super().avg_all(averaged, sources, steps)
        else:
            changes = torch._foreach_sub(sources, averaged)  # noqa: SLF001 - what torch's own optimizers call
            torch._foreach_add_(averaged, changes, alpha=self._weight(steps))

    def _weight(self, steps: int) -> float:
        return 1 / float(steps // self.interval + 1)


class ExponentialMovingAverage(BaseAveragedModel):
    """An average in which old values fade: `average = (1 - momentum) * average + momentum * value`.

    Args:
        model: What is averaged; it is copied.
        momentum: The weight of the newest value, usually small; not the average's own, as elsewhere.
        interval: Updates from one that goes into the average to the next.
        device: Where the average is kept; by default beside each weight.
        update_buffers: Average the buffers that are saved too (of floating point: batch norm's statistics). Otherwise
            they are copied at each update.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: Annotated[float, Interval(gt=0, lt=1)] = 0.0002,
        interval: Annotated[int, Interval(ge=1)] = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        super().__init__(model, interval, device, update_buffers)
        if not 0 < momentum < 1:
            raise BuildError(f"{type(self).__name__}: momentum is {momentum}; it must lie between 0 and 1")
        if momentum > _LARGE_MOMENTUM:
            print_log(
                f"{type(self).__name__}: momentum is the weight of the newest value, usually a small number; "
                f"{momentum} keeps little of the average. Was {1 - momentum:g} meant?",
                logger="current",
                level="WARNING",
            )
        self.momentum = momentum

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int) -> None:
        """Put one value into one average."""
        averaged_param.lerp_(source_param, self.momentum_at(steps))

    def avg_all(self, averaged: list[Tensor], sources: list[Tensor], steps: int) -> None:
        """Put a value each into all averages, in few kernels."""
        if not averaged or _is_changed(self, ExponentialMovingAverage.avg_func):
            super().avg_all(averaged, sources, steps)
        else:
            torch._foreach_lerp_(averaged, sources, self.momentum_at(steps))

    def momentum_at(self, steps: int) -> float:
        """The weight of the newest value.

        Args:
            steps: Updates before this one.
        """
        del steps
        return self.momentum


class MomentumAnnealingEMA(ExponentialMovingAverage):
    """An exponential average that begins with a large momentum: `max(momentum, gamma / (gamma + steps))`.

    Args:
        model: What is averaged; it is copied.
        momentum: The weight of the newest value in the long run.
        gamma: After so many updates it has come down to a half; the larger, the slower.
        interval: Updates from one that goes into the average to the next.
        device: Where the average is kept; by default beside each weight.
        update_buffers: Average the buffers that are saved too (of floating point: batch norm's statistics). Otherwise
            they are copied at each update.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: Annotated[float, Interval(gt=0, lt=1)] = 0.0002,
        gamma: Annotated[int, Interval(ge=1)] = 100,
        interval: Annotated[int, Interval(ge=1)] = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        super().__init__(model, momentum, interval, device, update_buffers)
        if gamma <= 0:
            raise BuildError(f"{type(self).__name__}: gamma is {gamma}; it must be above 0")
        self.gamma = gamma

    def momentum_at(self, steps: int) -> float:
        """The weight of the newest value, the larger the earlier."""
        return max(self.momentum, self.gamma / (self.gamma + steps))


def _is_changed(model: BaseAveragedModel, own: Callable[..., None]) -> bool:
    """Whether a subclass has an `avg_func` of its own, which no shorter way may pass by."""
    return type(model).avg_func is not own


def _copy(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> None:
    """Copy values into tensors, in few kernels."""
    into = [local(each) for each in targets]
    if into:
        torch._foreach_copy_(into, [local(each) for each in sources])


def _beside(average: Tensor, source: Tensor) -> Tensor:
    source = source.detach()
    return source if source.device == average.device else source.to(average.device)
