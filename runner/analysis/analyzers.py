"""Counts of a model by module and by operator."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from typing_extensions import Self

from runner.analysis.handles import ACTIVATIONS, FLOPS, IGNORED, Handle, short_name
from runner.analysis.recorder import Call, watch
from runner.logging import MMLogger

__all__ = [
    "ActivationAnalyzer",
    "Analyzer",
    "FlopAnalyzer",
    "activation_count",
    "flop_count",
    "parameter_count",
]


_PLAIN = (_BatchNorm, _DropoutNd)
"""Layers whose kernels call small operators besides the one that counts, or that count as nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    counts: dict[str, Counter[str]]
    unsupported: dict[str, Counter[str]]
    uncalled: set[str]


class Analyzer:
    """Counts what one forward pass of a model does.

    An operator counts for the module whose forward calls it and for all modules around that one.

    Args:
        model: The model; it is called in the mode that it is in, and nothing of it is changed.
        inputs: What it is called with: a tensor, a tuple of positional or a mapping of keyword arguments.
    """

    handles: ClassVar[Mapping[str, Callable[[Call], int]]] = {}
    """How operators count, by name."""

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self._model = model
        self._inputs = inputs
        self._own: dict[str, Handle | None] = {}
        self._uses_defaults = True
        self._owners = True
        self._warns_of_unsupported = True
        self._warns_of_uncalled = True
        self._stats: _Counts | None = None
        self._aliases: dict[str, str] = {}
        first: dict[int, str] = {}
        for name, module in model.named_modules(remove_duplicate=False):
            self._aliases[name] = first.setdefault(id(module), name)

    def total(self, module_name: str = "") -> int:
        """The count of a module; of the whole model by default.

        Args:
            module_name: The module's dotted name.

        Raises:
            KeyError: There is no such module.
        """
        return sum(self.by_operator(module_name).values())

    def by_operator(self, module_name: str = "") -> Counter[str]:
        """The counts of a module by operator.

        Args:
            module_name: The module's dotted name.

        Raises:
            KeyError: There is no such module.
        """
        return self._analyzed().counts[self.canonical_module_name(module_name)]

    def by_module(self) -> Counter[str]:
        """The count of every module."""
        return Counter({name: sum(counts.values()) for name, counts in self._analyzed().counts.items()})

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """The counts of every module by operator."""
        return self._analyzed().counts

    def unsupported_ops(self, module_name: str = "") -> Counter[str]:
        """How often operators were called that have no formula.

        Args:
            module_name: The module's dotted name.

        Raises:
            KeyError: There is no such module.
        """
        return self._analyzed().unsupported[self.canonical_module_name(module_name)]

    def uncalled_modules(self) -> set[str]:
        """Modules that were not called as such; what they compute counts for the module around them."""
        return self._analyzed().uncalled

    def set_op_handle(self, *args: Any, **kwargs: Handle | None) -> Self:
        """Count operators in another way.

        Args:
            *args: Pairs of an operator's name (`addmm`, `aten::addmm`) and a function from inputs and outputs to a number;
                None leaves the operator out.
            **kwargs: The same by name.

        Raises:
            TypeError: A name is given without a function.
        """
        if len(args) % 2:
            raise TypeError("set_op_handle takes pairs of an operator's name and a function")
        given = {**dict(zip(args[::2], args[1::2], strict=True)), **kwargs}
        self._own.update({short_name(name.removeprefix("aten::")): handle for name, handle in given.items()})
        self._stats = None
        return self

    def clear_op_handles(self) -> Self:
        """Count no operator but those that are set from now on."""
        self._own, self._uses_defaults, self._stats = {}, False, None
        return self

    def canonical_module_name(self, name: str) -> str:
        """The name that a module's counts stand under: the first one, where it has several.

        Args:
            name: One of its names.

        Raises:
            KeyError: There is no such module.
        """
        if name not in self._aliases:
            raise KeyError(f"the model has no module '{name}'; there are {', '.join(filter(None, self._aliases))}")
        return self._aliases[name]

    def copy(self, new_model: nn.Module | None = None, new_inputs: Any = None) -> Self:
        """The same kind of count, with the same settings, of another model or other inputs.

        Args:
            new_model: By default this one's.
            new_inputs: By default this one's.
        """
        made = type(self)(
            self._model if new_model is None else new_model, self._inputs if new_inputs is None else new_inputs
        )
        made._own, made._uses_defaults, made._owners = dict(self._own), self._uses_defaults, self._owners  # noqa: SLF001 - its own class
        return made.unsupported_ops_warnings(self._warns_of_unsupported).uncalled_modules_warnings(
            self._warns_of_uncalled
        )

    def ancestor_mode(self, mode: Literal["owner", "caller"]) -> Self:
        """Say which modules an operator counts for.

        Args:
            mode: `owner`: the module that calls it and those that this one is a part of; `caller`: all that are being called.

        Raises:
            ValueError: Another mode.
        """
        if mode not in {"owner", "caller"}:
            raise ValueError(f"ancestor_mode is 'owner' or 'caller', got {mode!r}")
        self._owners, self._stats = mode == "owner", None
        return self

    def unsupported_ops_warnings(self, enabled: bool) -> Self:
        """Whether operators without a formula are named in the log."""
        self._warns_of_unsupported = enabled
        return self

    def uncalled_modules_warnings(self, enabled: bool) -> Self:
        """Whether modules that were not called are named in the log."""
        self._warns_of_uncalled = enabled
        return self

    def tracer_warnings(self, mode: str) -> Self:
        """Taken for MMEngine's sake: nothing is traced.

        Args:
            mode: `all`, `no_tracer_warning` or `none`.
        """
        del mode
        return self

    def _analyzed(self) -> _Counts:
        if self._stats is None:
            self._stats = self._analyze()
            self._warn(self._stats)
        return self._stats

    def _analyze(self) -> _Counts:
        calls, called = watch(self._model, self._inputs)
        modules = dict(self._model.named_modules())
        names = list(modules)
        counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        unsupported: dict[str, Counter[str]] = {name: Counter() for name in names}
        for call in calls:
            module = modules[call.within[-1]] if call.within else None
            name = short_name(call.name, module)
            number = self._count(name, call)
            passed = call.is_view or call.name in IGNORED or name in self._own or isinstance(module, _PLAIN)
            for within in self._ancestors(call):
                if number is not None:
                    counts[within][name] += number
                elif not passed:
                    unsupported[within][name] += 1
        callable_ones = {name for name, module in modules.items() if type(module).forward is not nn.Module.forward}
        return _Counts(counts=counts, unsupported=unsupported, uncalled=callable_ones - called)

    def _count(self, name: str, call: Call) -> int | None:
        """What an operator counts; None where it has no formula, or shall not count."""
        if name in self._own:
            own = self._own[name]
            return None if own is None else own(call.inputs, call.outputs)  # type: ignore[return-value]  # or a float
        handle = self.handles.get(name) if self._uses_defaults else None
        return None if handle is None else handle(call)

    def _ancestors(self, call: Call) -> set[str]:
        if not self._owners:
            return {"", *call.within}
        innermost = call.within[-1] if call.within else ""
        parts = innermost.split(".") if innermost else []
        return {".".join(parts[:length]) for length in range(len(parts) + 1)}

    def _warn(self, stats: _Counts) -> None:
        logger = MMLogger.get_current_instance()
        for name, times in stats.unsupported[""].items() if self._warns_of_unsupported else ():
            logger.warning(f"{name} was called {times} times and is not counted")
        if self._warns_of_uncalled and stats.uncalled:
            logger.warning(f"not called, or not as modules: {', '.join(sorted(stats.uncalled))}")


class FlopAnalyzer(Analyzer):
    """Counts FLOPs; a multiplication with its addition is one.

    Args:
        model: The model; it is called in the mode that it is in, and nothing of it is changed.
        inputs: What it is called with: a tensor, a tuple of positional or a mapping of keyword arguments.
    """

    handles = FLOPS


class ActivationAnalyzer(Analyzer):
    """Counts activations: the sizes of what convolutions and products of matrices give.

    Args:
        model: The model; it is called in the mode that it is in, and nothing of it is changed.
        inputs: What it is called with: a tensor, a tuple of positional or a mapping of keyword arguments.
    """

    handles = ACTIVATIONS

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        super().__init__(model, inputs)
        self._warns_of_unsupported = False  # most operators have no row, on purpose


def flop_count(
    model: nn.Module, inputs: Any, supported_ops: Mapping[str, Handle] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """The FLOPs of a model by operator, in units of 1e9, and the operators that are not counted.

    Args:
        model: The model.
        inputs: What it is called with.
        supported_ops: Functions that count operators in another way, by name.
    """
    return _counted(FlopAnalyzer(model, inputs), supported_ops, 1e9)


def activation_count(
    model: nn.Module, inputs: Any, supported_ops: Mapping[str, Handle] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """The activations of a model by operator, in units of 1e6, and the operators that are not counted.

    Args:
        model: The model.
        inputs: What it is called with.
        supported_ops: Functions that count operators in another way, by name.
    """
    return _counted(ActivationAnalyzer(model, inputs), supported_ops, 1e6)


def _counted(
    analyzer: Analyzer, supported_ops: Mapping[str, Handle] | None, unit: float
) -> tuple[defaultdict[str, float], Counter[str]]:
    analyzer.set_op_handle(**(supported_ops or {}))
    counts: defaultdict[str, float] = defaultdict(float)
    counts.update({name: number / unit for name, number in analyzer.by_operator().items()})
    return counts, analyzer.unsupported_ops()


def parameter_count(model: nn.Module) -> defaultdict[str, int]:
    """The numbers of a model's parameters, by module and by parameter; the whole model is called ``.

    Args:
        model: The model.
    """
    counts: defaultdict[str, int] = defaultdict(int)
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        for length in range(len(parts) + 1):
            counts[".".join(parts[:length])] += parameter.numel()
    return counts
