"""Test-time augmentation: one prediction from those for several views of a sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import nn

from runner.kinds import Slot
from runner.model.base_model import BaseModel

__all__ = ["BaseTTAModel"]


class BaseTTAModel(BaseModel):
    """Tests a model on several views of each sample, and merges what it says about them in `merge_preds`.

    A batch holds the views of its samples: `{"inputs": [[a1, b1], [a2, b2]], "data_samples": [[…], […]]}` for the samples
    a and b with two views each, as a transform that makes lists and `pseudo_collate` give it; or the same as a list or
    tuple of entries. Where the first entry is a list of views and another one is a tensor (labels that `default_collate`
    stacked), that one belongs to every view.

    Args:
        module: The model that is tested, built or as a mapping; it has `test_step`.
        data_preprocessor: Takes the place of the one in `module`, where that is a mapping.
    """

    def __init__(
        self,
        module: Annotated[dict[str, Any] | nn.Module, Slot("model")],
        data_preprocessor: Annotated[dict[str, Any] | nn.Module | None, Slot("data_preprocessor")] = None,
    ) -> None:
        super().__init__()
        if isinstance(module, Mapping):
            from runner.registry import MODELS

            more = {} if data_preprocessor is None else {"data_preprocessor": data_preprocessor}
            module = MODELS.build({**module, **more})
        if not isinstance(module, nn.Module) or not hasattr(module, "test_step"):
            raise TypeError(
                f"{type(self).__name__}: module must be a mapping or an nn.Module with test_step, "
                f"got {type(module).__name__}"
            )
        self.module = module

    @abstractmethod
    def merge_preds(self, data_samples_list: list[Any]) -> list[Any]:
        """Merge what was predicted for the views of each sample.

        Args:
            data_samples_list: For each sample a tuple with its views' predictions.

        Returns:
            A prediction for each sample.
        """
        raise NotImplementedError(f"{type(self).__name__} has no merge_preds(data_samples_list)")

    def test_step(self, data: Any) -> list[Any]:
        """The merged predictions for a batch.

        Args:
            data: A batch of views; see the class.

        Raises:
            TypeError: The batch is no mapping, list or tuple of views.
        """
        predictions = [self.module.test_step(view) for view in _views(data)]  # type: ignore[operator]  # looked for above
        return self.merge_preds(list(zip(*predictions, strict=True)))

    def forward(self, *args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
        """It has no forward of its own; `test_step` does the work."""
        del args, mode, kwargs
        raise NotImplementedError(f"{type(self).__name__} is called by test_step alone")


def _views(data: Any) -> list[Any]:
    """A batch for each view.

    Raises:
        TypeError: There are no views to be seen.
    """
    if isinstance(data, Mapping):
        entries = list(data.values())
    elif isinstance(data, (list, tuple)):
        entries = list(data)
    else:
        raise TypeError(f"a batch of views is a mapping, a list or a tuple, and this is a {type(data).__name__}")
    if not entries or not isinstance(entries[0], (Sequence, torch.Tensor)) or isinstance(entries[0], str):
        raise TypeError(
            "the batch has no views; test-time augmentation takes a tta_pipeline that makes several of each"
        )
    by_list = isinstance(entries[0], (list, tuple))

    def of_view(entry: Any, number: int) -> Any:
        return entry if by_list and isinstance(entry, torch.Tensor) else entry[number]

    views = range(len(entries[0]))
    if isinstance(data, Mapping):
        return [{key: of_view(entry, number) for key, entry in data.items()} for number in views]
    return [[of_view(entry, number) for entry in entries] for number in views]
