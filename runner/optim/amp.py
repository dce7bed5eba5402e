"""Automatic mixed precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import torch
from torch import nn

from runner import dist
from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.clip import ClipGrad
from runner.optim.optim_wrapper import OptimWrapper
from runner.optim.options import check_keys, check_number

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["AmpOptimWrapper", "LossScale"]

_DTYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
_REDUCED = (torch.float16, torch.bfloat16)


class LossScale(TypedDict, total=False):
    """How losses are scaled so that small gradients survive in float16: the arguments of `torch.amp.GradScaler`.

    Attributes:
        init_scale: The factor at the start. Default: 65536.
        growth_factor: What it is multiplied by after `growth_interval` updates without an infinite gradient.
            Default: 2.
        backoff_factor: What it is multiplied by after an infinite gradient, whose update is left out. Default: 0.5.
        growth_interval: Updates from one growth to the next. Default: 2000.
        enabled: Whether losses are scaled at all. Default: true.
    """

    init_scale: Annotated[float, Interval(gt=0)]
    growth_factor: Annotated[float, Interval(gt=1)]
    backoff_factor: Annotated[float, Interval(gt=0, lt=1)]
    growth_interval: Annotated[int, Interval(ge=1)]
    enabled: bool


class AmpOptimWrapper(OptimWrapper):
    """Runs the forward pass in reduced precision where that is safe, on any device that torch can do it on.

    Losses are scaled in float16 only, since bfloat16 has float32's range; a `loss_scale` other than `dynamic` is
    obeyed in any precision. Where losses are scaled, each update waits for the device: GradScaler reads whether a
    gradient was infinite.

    Args:
        loss_scale: `dynamic` adapts the scale; a number keeps it fixed; a mapping sets GradScaler's arguments.
        dtype: What to compute in. null takes torch's choice for the device: bfloat16 on a CPU, float16 on a GPU.
            `float32` and `float64` leave the forward pass as it is.
        use_fsdp: Whether the model's parameters are spread over ranks: then all ranks leave out an update when one has
            an infinite gradient.
        optimizer: Updates the parameters. Their device is the one that the forward pass runs on.
        accumulative_counts: Iterations whose gradients are averaged for one update.
        clip_grad: How gradients are clipped before an update; null does not clip.

    Attributes:
        loss_scaler: The `torch.amp.GradScaler`; not enabled where losses are not scaled.
    """

    loss_scaler: torch.amp.GradScaler

    def __init__(
        self,
        loss_scale: Literal["dynamic"] | Annotated[float, Interval(gt=0)] | LossScale = "dynamic",
        dtype: Literal["float16", "bfloat16", "float32", "float64"] | None = None,
        use_fsdp: bool = False,
        *,
        optimizer: torch.optim.Optimizer,
        accumulative_counts: Annotated[int, Interval(ge=1)] = 1,
        clip_grad: ClipGrad | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts, clip_grad)
        self.cast_dtype = _dtype(dtype)
        self._use_fsdp = use_fsdp
        self._loss_scale = _scaler_arguments(loss_scale)
        # A number keeps the scale: GradScaler would back off from it and grow again.
        self._fixed_scale = None if isinstance(loss_scale, str | Mapping) else float(loss_scale)
        self._first = optimizer.param_groups[0]["params"][0]
        self._device_type = ""
        self._use_device(self._first.device.type)

    def _use_device(self, device_type: str) -> None:
        """Choose precision and scaler for a device; again when the parameters have moved since."""
        if not torch.amp.is_autocast_available(device_type):
            raise BuildError(f"torch has no mixed precision on {device_type}; use OptimWrapper there")
        dtype = self.cast_dtype or torch.get_autocast_dtype(device_type)
        scaling = self._loss_scale if self._loss_scale is not None else {"enabled": dtype == torch.float16}
        scaler = _scaler_type(is_sharded=self._use_fsdp and dist.is_distributed())(device_type, **scaling)
        if self._device_type and self.loss_scaler.is_enabled():
            scaler.load_state_dict(self.loss_scaler.state_dict())
        self._device_type = device_type
        self._dtype = dtype
        self._casts = dtype in _REDUCED
        self.loss_scaler = scaler
        self._scales = scaler.is_enabled()

    def optim_context(self, model: nn.Module) -> AbstractContextManager[Any]:
        """What the forward pass runs in: autocast, and no gradient synchronization while a window is being filled.

        Args:
            model: The model as it is called.
        """
        device_type = self._first.device.type
        if device_type != self._device_type:
            self._use_device(device_type)
        outer = super().optim_context(model)
        if not self._casts:
            return outer
        autocast = torch.autocast(device_type, dtype=self._dtype)
        return autocast if self.should_sync() else _both(outer, autocast)

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Scale the loss, back-propagate, and count."""
        super().backward(self.loss_scaler.scale(loss) if self._scales else loss, **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients, if asked to, and step the optimizer, unless one of them is infinite."""
        if not self._scales:
            super().step(**kwargs)
            return
        if self._clip is not None:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._fixed_scale)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and the scaler's under `loss_scaler`."""
        return {**super().state_dict(), "loss_scaler": self.loss_scaler.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned; a state without a scaler's leaves the scaler as it is."""
        state = dict(state_dict)
        scaler = state.pop("loss_scaler", None)
        if scaler:
            self.loss_scaler.load_state_dict(scaler)
        super().load_state_dict(state)


@contextlib.contextmanager
def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[Any]) -> Iterator[None]:
    with outer, inner:
        yield


def _scaler_type(*, is_sharded: bool) -> type[torch.amp.GradScaler]:
    if not is_sharded:
        return torch.amp.GradScaler
    from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler  # it takes a second to import

    return ShardedGradScaler


def _dtype(value: object) -> torch.dtype | None:
    if value is None or value in _DTYPES.values():
        return value  # type: ignore[return-value]  # code may pass the dtype itself
    if value not in _DTYPES:
        raise BuildError(f"dtype must be one of {', '.join(_DTYPES)}, got {value!r}")
    return _DTYPES[str(value)]


def _scaler_arguments(loss_scale: object) -> dict[str, Any] | None:
    """GradScaler's arguments; None where the precision decides whether there is anything to scale."""
    if loss_scale == "dynamic":
        return None
    if isinstance(loss_scale, Mapping):
        return dict(check_keys(loss_scale, LossScale.__annotations__, name="loss_scale"))
    if isinstance(loss_scale, str):
        raise BuildError(f"loss_scale must be 'dynamic', a number or a mapping, got {loss_scale!r}")
    return {"init_scale": float(check_number(loss_scale, name="loss_scale", above=0))}
