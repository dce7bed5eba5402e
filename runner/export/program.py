"""A model's forward as a program of torch.export, held against the original."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export, load, save
from torch.utils import _pytree as pytree

from runner.errors import RunnerError
from runner.export.batch import Batch, needed, size_of

__all__ = ["Mode", "Program", "difference", "trace"]

Mode: TypeAlias = Literal["tensor", "predict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A traced model.

    Attributes:
        exported: What torch.export made.
        module: The model with what is in the program around it, to compare with.
        batch: What it was traced with.
        mode: The model's mode.
        preprocesses: Whether the data preprocessor is part of the program.
        is_dynamic: Whether it takes batches of any size.
    """

    exported: ExportedProgram
    module: nn.Module
    batch: Batch
    mode: Mode
    preprocesses: bool
    is_dynamic: bool

    def save(self, path: str | PathLike[str]) -> None:
        """Write it for `torch.export.load`."""
        save(self.exported, path)

    def check(self, path: str | PathLike[str], tolerance: float) -> float:
        """Run a file's program and the original on the batch, and on its half where batches may have any size.

        Args:
            path: What `save` wrote.
            tolerance: The largest difference of two numbers that is let pass.

        Returns:
            The largest difference that there is.

        Raises:
            RunnerError: It is larger, or the outputs differ in form.
        """
        written = load(path).module()
        batches = [self.batch, _half(self.batch)] if self.is_dynamic else [self.batch]
        with torch.no_grad():
            found = max(difference(_called(written, batch), _called(self.module, batch)) for batch in batches)
        if not found <= tolerance:  # also where it is no number
            raise RunnerError(
                f"the program's outputs differ from the model's by up to {found:g}, and {tolerance:g} is let pass; "
                "nothing was written"
            )
        return found


class _Whole(nn.Module):
    """The preprocessor and the model, called as a loader's batch is."""

    def __init__(self, model: nn.Module, mode: Mode, *, preprocesses: bool) -> None:
        super().__init__()
        self.model = model
        self.mode = mode
        self.preprocesses = preprocesses

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run them."""
        batch: Any = dict(kwargs) if kwargs else list(args)
        if self.preprocesses:
            batch = self.model.data_preprocessor(batch, False)  # type: ignore[operator]  # a module
        return self.model(**batch, mode=self.mode) if isinstance(batch, Mapping) else self.model(*batch, mode=self.mode)


def trace(model: nn.Module, batch: Any, mode: Mode = "tensor") -> Program:
    """Make a program of a model's forward.

    The data preprocessor becomes a part of it where the batch is made of tensors; where it is what makes them of lists,
    the program takes what comes out of it. Entries that forward can do without (labels) are left out.

    Args:
        model: The model, in evaluation mode, with a `forward(…, mode=…)`.
        batch: What the test's loader gives.
        mode: What forward is asked for.

    Raises:
        RunnerError: The model can't be traced; torch's own words are the cause.
    """
    preprocessor: Any = getattr(model, "data_preprocessor", None)
    preprocesses = preprocessor is not None
    chosen = needed(model, batch)
    if preprocesses and not _is_tensors(chosen):
        with torch.no_grad():
            chosen = needed(model, preprocessor(batch, False))
        preprocesses = False
    if not _is_tensors(chosen):
        types = sorted(
            {type(leaf).__name__ for leaf in pytree.tree_leaves(chosen) if not isinstance(leaf, torch.Tensor)}
        )
        raise RunnerError(f"forward needs {', '.join(types)} beside tensors, which no program takes; give it a default")
    kind = _with_names(chosen) if isinstance(chosen, dict) else _Whole
    module = kind(model, mode, preprocesses=preprocesses).eval()
    positional, keywords = _arguments(chosen)
    size = size_of(chosen)
    if size < 2:
        exported, is_dynamic = _export(module, positional, keywords, None), False
    else:
        shapes = pytree.tree_map(lambda leaf: {0: Dim.AUTO} if leaf.ndim and leaf.shape[0] == size else None, chosen)
        exported = _export(module, positional, keywords, shapes)
        is_dynamic = _takes_any_size(exported, chosen)
    return Program(
        exported=exported, module=module, batch=chosen, mode=mode, preprocesses=preprocesses, is_dynamic=is_dynamic
    )


def _with_names(batch: dict[str, Any]) -> type[_Whole]:
    """The class with the batch's keys in its signature: torch.export takes no sizes for what comes in by `**kwargs`."""

    def forward(self: _Whole, **kwargs: Any) -> Any:
        return _Whole.forward(self, **kwargs)

    named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in batch if name.isidentifier()]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    vars(forward)["__signature__"] = inspect.Signature([itself, *named])
    return type(_Whole.__name__, (_Whole,), {"forward": forward})


def _export(module: nn.Module, positional: tuple[Any, ...], keywords: dict[str, Any], shapes: Any) -> ExportedProgram:
    dynamic = shapes if keywords or shapes is None else {"args": tuple(shapes)}
    try:
        with torch.no_grad():
            return export(module, positional, keywords, dynamic_shapes=dynamic, strict=False)
    except Exception as error:
        # torch.export raises errors of a dozen types of its own, and whatever the model's code does while it is traced.
        raise RunnerError(f"the model can't be traced: {str(error).strip().splitlines()[0]}") from error


def _takes_any_size(exported: ExportedProgram, batch: Batch) -> bool:
    """Whether the program runs on half of the batch: what was traced with a size written down refuses another."""
    try:
        with torch.no_grad():
            _called(exported.module(), _half(batch))
    except (AssertionError, RuntimeError, ValueError):
        return False
    return True


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference between the numbers of two outputs.

    Raises:
        RunnerError: They differ in form.
    """
    left, left_form = pytree.tree_flatten(ours)
    right, right_form = pytree.tree_flatten(theirs)
    if left_form != right_form:
        raise RunnerError(f"the program returns {left_form}, and the model {right_form}; nothing was written")
    return max(_differences(left, right), default=0.0)


def _differences(left: list[Any], right: list[Any]) -> Iterator[float]:
    for one, other in zip(left, right, strict=True):
        if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
            yield 0.0 if one == other else float("inf")
        elif one.shape != other.shape or one.dtype != other.dtype:
            yield float("inf")
        elif one.numel():
            gap = (one.double() - other.double()).abs()
            yield float(gap.masked_fill(torch.eq(one, other) | (one.isnan() & other.isnan()), 0).max())


def _is_tensors(batch: Any) -> bool:
    """Whether each entry is a tensor, or is made of tensors that are no lists of samples."""
    entries = list(batch.values()) if isinstance(batch, Mapping) else list(batch)
    return bool(entries) and all(
        isinstance(leaf, torch.Tensor)
        for entry in entries
        for leaf in ([entry] if not isinstance(entry, Mapping) else pytree.tree_leaves(entry))
    )


def _arguments(batch: Batch) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ((), batch) if isinstance(batch, dict) else (tuple(batch), {})


def _called(module: Any, batch: Batch) -> Any:
    positional, keywords = _arguments(batch)
    return module(*positional, **keywords)


def _half(batch: Batch) -> Batch:
    size = size_of(batch)
    halved: Batch = pytree.tree_map(
        lambda leaf: leaf[: max(size // 2, 1)] if leaf.ndim and leaf.shape[0] == size else leaf, batch
    )
    return halved
