"""Any `nn.Module` as a model: what goes in, what the loss compares and what is predicted are said by the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import torch
from torch import nn

from runner.kinds import Slot
from runner.model.base_model import BaseModel
from runner.model.selection import NotThere, chosen, rows, select, size_of

__all__ = ["LossTerm", "ModuleAdapter"]

Selector: TypeAlias = int | str | list[int | str] | dict[str, int | str]
"""A part of a batch: by position, by key, by a dotted path; several as positional or, by name, as keyword arguments."""


class LossTerm(nn.Module):
    """One of several losses of a `ModuleAdapter`: with a weight, and with parts of its own to compare.

    Args:
        loss: The loss itself, as `{type: nn.SmoothL1Loss}`.
        weight: Multiplies it.
        outputs: Which part of the module's output it takes; by default the adapter's `outputs`.
        targets: Which part of the batch it takes; by default the adapter's `targets`.
    """

    def __init__(
        self, loss: nn.Module, weight: float = 1.0, outputs: Selector | None = None, targets: Selector | None = None
    ) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight
        self.outputs = outputs
        self.targets = targets

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The weighted loss."""
        value: torch.Tensor = self.loss(*args, **kwargs)
        return value if self.weight == 1 else value * self.weight


class ModuleAdapter(BaseModel):
    """Trains a plain `nn.Module`: torch's own, or one of torchvision, timm, transformers or your own.

    A part of the batch is chosen by its position or key: `0`, `image`, `0.image` for one within another. A list gives
    several positional arguments, a mapping keyword arguments: `{input_ids: input_ids, attention_mask: mask}`.

    In mode `loss` it returns `loss`, or `loss_NAME` for each of several; in mode `predict` what `predictions` says; in
    mode `tensor` the module's output. The weights' names begin with `net.`.

    Args:
        module: What is trained.
        loss: Called with the module's output and the targets; several by name, each of which may be a `LossTerm`. None
            for a module that computes its loss itself: its output is the loss, or a mapping whose entries with `loss`
            in their name are; all of them, where they are single numbers.
        inputs: What the module is called with.
        targets: What the losses are called with behind the output; None for nothing.
        outputs: Which part of the module's output the losses and predictions are about; None for the whole.
        predict_inputs: What the module is called with outside training, where that is something else.
        predictions: What metrics are given. `classes`: for each sample a mapping with `pred_score` (a probability for each
            class), `pred_label`, and `gt_label` where the batch has targets. `values`: for each sample a mapping with `pred`
            and, where the batch has targets, `target`. `raw`: the module's output. `auto`: `classes` for a matrix of
            scores trained with `nn.CrossEntropyLoss` or `nn.NLLLoss`, otherwise `values` where there is a loss, and `raw`
            where there is none.
        data_preprocessor: Moves a batch to the model's device; None is `BaseDataPreprocessor`.
        init_cfg: Initializers of the module: `layer`, `override` and `Pretrained` mean its layers and its weights.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: nn.Module | dict[str, nn.Module] | None,
        inputs: Selector = 0,
        targets: Selector | None = 1,
        outputs: Selector | None = None,
        predict_inputs: Selector | None = None,
        predictions: Literal["auto", "classes", "values", "raw"] = "auto",
        data_preprocessor: Annotated[dict[str, Any] | nn.Module | None, Slot("data_preprocessor")] = None,
        init_cfg: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Slot("weight_init")] = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.net = module
        named = loss if isinstance(loss, Mapping) else {} if loss is None else {"loss": loss}
        self.losses = nn.ModuleDict({_loss_name(name): _as_term(each) for name, each in named.items()})
        self.inputs = inputs
        self.targets = targets
        self.outputs = outputs
        self.predict_inputs = inputs if predict_inputs is None else predict_inputs
        self.predictions = predictions
        self._classifies = any(
            isinstance(_inner(each), nn.CrossEntropyLoss | nn.NLLLoss) for each in self.losses.values()
        )

    def _initialized(self) -> nn.Module:
        return self.net

    def forward(self, *args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
        """Call the module.

        Args:
            *args: The batch, where it is a sequence or a single value.
            mode: `loss`, `predict` or `tensor`; see the class.
            **kwargs: The batch, where it is a mapping.

        Raises:
            ValueError: The batch or the output has no such part, or the module returned no loss.
        """
        batch: Any = kwargs or args
        positional, keywords = chosen(
            batch, self.inputs if mode == "loss" else self.predict_inputs, "the batch", "inputs"
        )
        output = self.net(*positional, **keywords)
        if mode == "loss":
            return self._losses(output, batch) if self.losses else _own_losses(output)
        return output if mode == "tensor" else self._predicted(output, batch)

    def _losses(self, output: Any, batch: Any) -> dict[str, torch.Tensor]:
        found = {}
        for name, term in self.losses.items():
            assert isinstance(term, LossTerm)
            outputs = self.outputs if term.outputs is None else term.outputs
            said, said_by_name = chosen(output, outputs, "the module's output", "outputs")
            targets = self.targets if term.targets is None else term.targets
            true, true_by_name = ((), {}) if targets is None else chosen(batch, targets, "the batch", "targets")
            found[name] = term(*said, *true, **said_by_name, **true_by_name)
        return found

    def _predicted(self, output: Any, batch: Any) -> Any:
        if self.predictions == "raw" or (self.predictions == "auto" and not self.losses):
            return output
        said = output if self.outputs is None else select(output, self.outputs, "the module's output", "outputs")
        try:
            true = None if self.targets is None else select(batch, self.targets, "the batch", "targets")
        except NotThere:
            true = None  # a test set without labels
        is_matrix = isinstance(said, torch.Tensor) and said.dim() == 2
        if self.predictions == "classes" or (self.predictions == "auto" and self._classifies and is_matrix):
            return _as_classes(said, true)
        count = size_of(said)
        samples = [{"pred": each} for each in rows(said, count)]
        for sample, each in zip(samples, rows(true, count) if true is not None else (), strict=False):
            sample["target"] = each
        return samples


def _as_classes(scores: Any, labels: Any) -> list[dict[str, Any]]:
    """What classifiers say of each sample, under the names that metrics read."""
    if not isinstance(scores, torch.Tensor) or scores.dim() != 2:
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ValueError(
            f"predictions: classes needs scores of shape (N, classes), the output is {shape}; set `outputs`"
        )
    probabilities = scores.softmax(dim=1)
    samples: list[dict[str, Any]] = [
        {"pred_score": score, "pred_label": label}
        for score, label in zip(probabilities, probabilities.argmax(dim=1), strict=True)
    ]
    for sample, label in zip(samples, labels if labels is not None else (), strict=False):
        sample["gt_label"] = label
    return samples


def _own_losses(output: Any) -> dict[str, Any]:
    """The losses that a module has computed itself."""
    if isinstance(output, torch.Tensor):
        return {"loss": output}
    if isinstance(output, Mapping):
        found = {name: value for name, value in output.items() if "loss" in name and value is not None}
        if not found and all(isinstance(value, torch.Tensor) and not value.dim() for value in output.values()):
            found = {_loss_name(name): value for name, value in output.items()}  # detectors of torchvision
        if found:
            return found
    there = (
        f"{type(output).__name__} with {', '.join(map(str, output))}"
        if isinstance(output, Mapping)
        else type(output).__name__
    )
    raise ValueError(
        f"loss is null, so the module computes the loss itself, and it returned a {there}; give it the labels among "
        "`inputs`, or give a `loss`"
    )


def _as_term(loss: nn.Module) -> LossTerm:
    return loss if isinstance(loss, LossTerm) else LossTerm(loss)


def _inner(term: nn.Module) -> nn.Module:
    assert isinstance(term, LossTerm)
    return term.loss


def _loss_name(name: str) -> str:
    """Only what has `loss` in its name is minimized."""
    return name if "loss" in name else f"loss_{name}"
