"""What an exported program is called with."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import nn
from torch.utils import _pytree as pytree

from runner.build import Builder
from runner.config import Config
from runner.dataset import pseudo_collate
from runner.errors import BuildError, RunnerError

__all__ = ["Batch", "needed", "sample_batch", "size_of"]

Batch: TypeAlias = "list[Any] | dict[str, Any]"
"""A batch as the model's forward takes it: positional or keyword arguments."""

_LOADERS = ("test_dataloader", "val_dataloader", "train_dataloader")
_LEAST = 2
"""torch.export takes a dimension of one for one that is always one."""


def sample_batch(builder: Builder, cfg: Config) -> Any:
    """The first batch of the test data, else of the validation or training data, in the data set's order.

    Args:
        builder: Builds components.
        cfg: The config.

    Raises:
        RunnerError: The config has no loader, or its data set is empty.
    """
    data = cfg.to_dict()
    name = next((each for each in _LOADERS if data.get(each) is not None), None)
    if name is None:
        raise RunnerError(
            "there is no data to try the program on; the config needs a test, validation or training loader"
        )
    loader = data[name]
    dataset = builder.build("dataset", loader["dataset"], (name, "dataset"))
    if hasattr(dataset, "full_init"):
        dataset.full_init()
    wanted = max(loader.get("batch_size") or 1, _LEAST)
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        samples = [dataset[index] for index in range(min(wanted, len(dataset)))]
    else:
        samples = list(itertools.islice(iter(dataset), wanted))
    if not samples:
        raise RunnerError(f"{name}: the data set is empty; there is nothing to try the program on")
    samples = list(itertools.islice(itertools.cycle(samples), max(len(samples), _LEAST)))
    named = loader.get("collate_fn")
    collate = pseudo_collate if named is None else builder.build("function", named, (name, "collate_fn"))
    return collate(samples)


def needed(model: nn.Module, batch: Any) -> Batch:
    """The entries of a batch that the model's forward can't do without: images, and no labels.

    Args:
        model: The model.
        batch: What the loader gives, or what the preprocessor makes of it.

    Raises:
        BuildError: The batch is no list, tuple, mapping or tensor.
    """
    from runner.model import ModuleAdapter

    if isinstance(model, ModuleAdapter):
        return _selected(model.predict_inputs, batch)
    parameters = [
        each
        for each in inspect.signature(model.forward).parameters.values()
        if each.name != "mode" and each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    ]
    required = [each.name for each in parameters if each.default is each.empty]
    if isinstance(batch, Mapping):
        kept = [name for name in batch if name in required] or list(batch)[:1]
        return {str(name): batch[name] for name in kept}
    if isinstance(batch, (list, tuple)):
        return list(batch[: max(len(required), 1)] if parameters else batch)
    if pytree.tree_leaves(batch) == [batch]:
        return [batch]
    raise BuildError(f"a batch is a list, a tuple, a mapping or a tensor, and this is a {type(batch).__name__}")


def _selected(selector: Any, batch: Any) -> Batch:
    """The entries that a `ModuleAdapter`'s selector begins in."""
    if isinstance(selector, Mapping):
        chosen = list(selector.values())
    else:
        chosen = list(selector) if isinstance(selector, list) else [selector]
    heads = [str(each).partition(".")[0] for each in chosen]
    if isinstance(batch, Mapping):
        return {str(key): value for key, value in batch.items() if str(key) in heads}
    if not isinstance(batch, (list, tuple)):
        return [batch]
    return list(batch[: 1 + max(int(head) for head in heads)])


def size_of(batch: Batch) -> int:
    """How many samples a batch has: the first tensor's first dimension."""
    return next((int(leaf.shape[0]) for leaf in pytree.tree_leaves(batch) if getattr(leaf, "ndim", 0)), 0)
