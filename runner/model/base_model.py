"""The base class of models: what one step of training, validation and testing does."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import nn

from runner.kinds import Slot
from runner.model.base_module import BaseModule
from runner.model.data_preprocessor import BaseDataPreprocessor

if TYPE_CHECKING:
    from runner.optim import OptimWrapper

__all__ = ["BaseModel"]


class BaseModel(BaseModule):
    """A model that is called as `forward(*batch, mode=...)`.

    In mode `loss` it returns a mapping of losses, in mode `predict` what the metrics take, in mode `tensor` plain
    tensors. The batch is what the data preprocessor returns: a mapping is passed as keywords, a list or tuple as
    positional arguments, anything else as one argument.

    Args:
        data_preprocessor: Moves a batch to the model's device and normalizes it; None is `BaseDataPreprocessor`.
        init_cfg: An initializer, or several that are applied in order: `{type: Kaiming, layer: Conv2d}`.
    """

    def __init__(
        self,
        data_preprocessor: Annotated[dict[str, Any] | nn.Module | None, Slot("data_preprocessor")] = None,
        init_cfg: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Slot("weight_init")] = None,
    ) -> None:
        super().__init__(init_cfg)
        if data_preprocessor is None:
            data_preprocessor = BaseDataPreprocessor()
        elif isinstance(data_preprocessor, Mapping):
            from runner.registry import MODELS

            data_preprocessor = MODELS.build({"type": "BaseDataPreprocessor", **data_preprocessor})
        if not isinstance(data_preprocessor, nn.Module):
            raise TypeError(
                f"{type(self).__name__}: data_preprocessor must be a mapping or an nn.Module, "
                f"got {type(data_preprocessor).__name__}"
            )
        self.data_preprocessor: nn.Module = data_preprocessor

    def forward(self, *args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
        """Compute what `mode` asks for; every model overrides this.

        Args:
            *args: The batch, where it is a sequence or a single value.
            mode: `loss`: a mapping of losses; `predict`: what the metrics take; `tensor`: plain tensors.
            **kwargs: The batch, where it is a mapping.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(..., mode='loss'|'predict'|'tensor')")

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        """Forward, backward and one step of the optimizer.

        Args:
            data: A batch of the training loader.
            optim_wrapper: Updates the parameters.

        Returns:
            What is logged: `loss` (the sum that was minimized) and every entry of the model's losses, on its device.
        """
        # As `self.data_preprocessor`, which torch looks for everywhere else first, 4 us.
        preprocessor = self._modules.get("data_preprocessor") or self.data_preprocessor
        with optim_wrapper.optim_context(self):
            losses = self._run_forward(preprocessor(data, True), mode="loss")
        loss, log_vars = self.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return log_vars

    def val_step(self, data: Any) -> Any:
        """The predictions for a batch of the validation loader."""
        return self._run_forward(self.data_preprocessor(data, False), mode="predict")

    def test_step(self, data: Any) -> Any:
        """The predictions for a batch of the test loader."""
        return self._run_forward(self.data_preprocessor(data, False), mode="predict")

    def parse_losses(
        self, losses: Mapping[str, torch.Tensor | list[torch.Tensor]]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Add up the losses.

        Args:
            losses: Tensors, or lists of tensors, by name. A tensor counts by its mean, a list by the sum of the means.

        Returns:
            The sum of all entries whose name contains `loss`, and every entry as a scalar, `loss` first. Nothing is
            read from the device.

        Raises:
            TypeError: An entry is neither a tensor nor a list of tensors.
            ValueError: No name contains `loss`.
        """
        entries: dict[str, torch.Tensor] = {}
        loss: torch.Tensor | None = None
        for name, value in losses.items():
            entry = entries[name] = self._scalar(name, value)
            if "loss" in name:
                # A single term stays the tensor that the model returned: adding to zero would cost as much again.
                loss = entry if loss is None else loss + entry
        if loss is None:
            raise ValueError(
                f"{type(self).__name__}: forward(mode='loss') returned {sorted(losses)}; "
                "nothing to minimize, at least one name must contain 'loss'"
            )
        return loss, {"loss": loss, **entries}

    def _scalar(self, name: str, value: object) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value.mean() if value.dim() else value
        if isinstance(value, (list, tuple)) and value:
            # Checked entry by entry, since a model may return anything.
            terms = [self._scalar(f"{name}.{index}", each) for index, each in enumerate(value)]
            return functools.reduce(operator.add, terms)
        raise TypeError(
            f"{type(self).__name__}: forward(mode='loss')[{name!r}] must be a tensor or a list of tensors, "
            f"got {type(value).__name__}"
        )

    def _run_forward(self, data: Any, mode: str) -> Any:
        if isinstance(data, (list, tuple)):
            return self(*data, mode=mode)
        if isinstance(data, Mapping):
            return self(**data, mode=mode)
        return self(data, mode=mode)
