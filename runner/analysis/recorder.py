"""One forward pass of a model, watched operator by operator, and where in the model each is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Call", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operator that was called.

    Attributes:
        name: Its name, without `aten::`.
        overload: The operator, as torch's formulas know it.
        is_view: Whether it only looks at its input in another way.
        inputs: Its arguments; tensors on the meta device.
        keywords: Its keyword arguments.
        outputs: What it returned, as a list.
        within: The modules that are being called, the outermost first.
    """

    name: str
    overload: Any
    is_view: bool
    inputs: list[Any]
    keywords: dict[str, Any]
    outputs: list[Any]
    within: tuple[str, ...]


@dataclass(slots=True)
class _Stack:
    """The modules that are being called.

    Attributes:
        names: The outermost first.
        called: All that ever were.
    """

    names: list[str] = field(default_factory=list)
    called: set[str] = field(default_factory=set)

    def enter(self, name: str) -> Callable[..., None]:
        """The hook before a module's forward."""

        def hook(*_: Any) -> None:
            self.names.append(name)
            self.called.add(name)

        return hook

    def leave(self, *_: Any) -> None:
        """The hook after a module's forward."""
        self.names.pop()


class _Watching(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]  # torch leaves it untyped
    def __init__(self, calls: list[Call], stack: _Stack) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]  # as above
        self._calls = calls
        self._stack = stack

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        outputs = list(made) if isinstance(made, list | tuple) else [made]
        self._calls.append(
            Call(
                name=func.overloadpacket.__name__,
                overload=func.overloadpacket,
                is_view=func.is_view,
                inputs=[_without_data(each) for each in args],
                keywords={key: _without_data(value) for key, value in kwargs.items()},
                outputs=[_without_data(each) for each in outputs],
                within=tuple(self._stack.names),
            )
        )
        return made


def _without_data(value: Any) -> Any:
    # Shapes are enough, and keeping every activation is not.
    return torch.empty(value.shape, dtype=value.dtype, device="meta") if isinstance(value, torch.Tensor) else value


def watch(model: nn.Module, inputs: Any) -> tuple[list[Call], set[str]]:
    """Call a model and list the operators that it calls.

    Its buffers and torch's generator are put back, so that nothing is changed by it.

    Args:
        model: The model; it is called in the mode, training or evaluation, that it is in.
        inputs: A tensor, or a tuple of positional or a mapping of keyword arguments.

    Returns:
        The calls, and the names of all modules that were called.
    """
    calls: list[Call] = []
    stack = _Stack()
    with ExitStack() as context:
        context.enter_context(_nothing_changes(model))
        for name, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            context.callback(module.register_forward_pre_hook(stack.enter(name)).remove)
            context.callback(module.register_forward_hook(stack.leave, always_call=True).remove)
        with torch.no_grad(), _Watching(calls, stack):
            if isinstance(inputs, Mapping):
                model(**inputs)
            else:
                model(*inputs) if isinstance(inputs, list | tuple) else model(inputs)
    return calls, stack.called


@contextmanager
def _nothing_changes(model: nn.Module) -> Iterator[None]:
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    # The fast path of attention is a single operator that tells nothing of what it computes.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])
