"""Strategies: what says twice, and differently, how the model is spread, and weights that nobody draws."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.signature import UNKNOWN
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, number, part_at, value_at

__all__ = ["skip_init_weights", "strategy_arguments"]

_DDP, _FSDP = "runner.strategy.ddp:DDPStrategy", "runner.strategy.fsdp:FSDPStrategy"
_TENSOR = "runner.strategy.tensor_parallel:TensorParallelStrategy"
_SINGLE = "runner.strategy.single:SingleDeviceStrategy"
_SHARDING = ("modules", "mixed_precision", "cpu_offload", "reshard_after_forward", "replicas", "tensor_parallel_plan")
"""What `model_wrapper` says in FSDPStrategy's place."""
_FIELDS = ("model_wrapper_cfg", "find_unused_parameters", "sync_bn")
"""What DDPStrategy alone reads."""


def strategy_arguments(context: Context) -> Iterator[Problem]:
    """A wrapper beside the arguments that it takes the place of, a field that the strategy does not read."""
    strategy = part_at(context, "strategy", ("strategy",))
    if strategy is None:
        return
    wraps = strategy.given("model_wrapper") and strategy.value("model_wrapper") is not None
    if strategy.is_just(_FSDP):
        if wraps:
            yield from _beside_the_wrapper(strategy)
        yield from _halves(strategy)
    if strategy.is_just(_FSDP, _TENSOR, _SINGLE):
        yield from _unread(context, strategy)
    if strategy.is_just(_DDP) and wraps and context.has("model_wrapper_cfg"):
        message = "strategy.model_wrapper says how the model is wrapped, and this is not read; remove one of the two"
        yield context.problem("strategy-arguments", ("model_wrapper_cfg",), message)


def _beside_the_wrapper(strategy: Part) -> Iterator[Problem]:
    for name in _SHARDING:
        parameter = strategy.signature.parameter(name)
        value = strategy.value(name)
        if strategy.given(name) and value is not UNKNOWN and parameter is not None and value != parameter.default:
            message = "model_wrapper says how the model is dealt out, and this does too; remove one of the two"
            yield strategy.context.problem("strategy-arguments", (*strategy.path, name), message)


def _halves(strategy: Part) -> Iterator[Problem]:
    size, plan = number(strategy, "tensor_parallel_size"), strategy.value("tensor_parallel_plan")
    if size is None or plan is UNKNOWN:
        return
    if size > 1 and not plan:
        message = "missing; tensor_parallel_size says how many ranks compute layers together, and this would say which"
        yield strategy.context.problem("strategy-arguments", (*strategy.path, "tensor_parallel_plan"), message)
    elif plan and size == 1:
        message = "missing; the plan says which layers ranks compute together, and this would say how many do"
        yield strategy.context.problem("strategy-arguments", (*strategy.path, "tensor_parallel_size"), message)


def _unread(context: Context, strategy: Part) -> Iterator[Problem]:
    instead = {
        _FSDP: "give it as strategy.model_wrapper",
        _TENSOR: "give its arguments to the strategy",
        _SINGLE: "take DDPStrategy",
    }[strategy.signature.bases[0]]
    for name in _FIELDS:
        value = value_at(context, (name,))
        if value is UNKNOWN or not value:
            continue
        message = f"'{strategy.name}' does not read it; remove it"
        if name == "model_wrapper_cfg":
            message = f"{message}, or {instead}"
        yield context.problem("strategy-arguments", (name,), message)


def skip_init_weights(context: Context) -> Iterator[Problem]:
    """Weights that are neither drawn nor loaded."""
    strategy = part_at(context, "strategy", ("strategy",))
    if strategy is None or not strategy.takes("skip_init_weights") or strategy.value("skip_init_weights") is not True:
        return
    loads = any(context.misspelt(name) for name in ("load_from", "resume")) or context.has("load_from")
    if loads or not context.whole or (context.has("resume") and context.data.get("resume") is not False):
        return
    message = "nothing is loaded, so the weights would be what memory held; set load_from or resume, or leave it out"
    yield context.problem("skip-init-weights", (*strategy.path, "skip_init_weights"), message)
