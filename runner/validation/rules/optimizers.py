"""The optimizer wrapper: names of optimizers and of parameters, and arguments that exclude or need each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.errors import Path, Problem, Severity
from runner.kinds import KINDS
from runner.signature import UNKNOWN
from runner.validation.mistake import did_you_mean, listed
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, optim_wrappers, optimizer_names, part_at, value_at
from runner.validation.suggest import nearest

__all__ = ["custom_key_pattern", "optimizer_arguments", "optimizer_name"]

_WRAPPER = "runner.optim.optim_wrapper:OptimWrapper"
_CONSTRUCTOR = "runner.optim.constructor:DefaultOptimWrapperConstructor"
_LAYER_DECAY = "runner.optim.layer_decay:LearningRateDecayOptimWrapperConstructor"
_PATTERNS = "*^$\\|"
"""Characters of patterns, which no name of a parameter has."""
_TORCH = "torch.optim.optimizer:Optimizer"
_SGD = "torch.optim.sgd:SGD"


def optimizer_name(context: Context) -> Iterator[Problem]:
    """Schedules by the name of an optimizer that there is not."""
    schedules = value_at(context, ("param_scheduler",)) if context.whole else None
    wrapper = part_at(context, "optim_wrapper", ("optim_wrapper",))
    if not isinstance(schedules, Mapping) or "type" in schedules or wrapper is None:
        return
    known = optimizer_names(wrapper)
    if known is not None:
        for name in schedules:
            if name not in known:
                suggestion = nearest(name, known)
                message = f"no optimizer is called so; optim_wrapper has {listed(known)}{did_you_mean(suggestion)}"
                place = ("param_scheduler", name)
                yield context.problem("optimizer-name", place, message, suggestion=suggestion)
    elif wrapper.is_a(_WRAPPER) and _is_built_as_it_stands(context, ("optim_wrapper",)):
        for name in schedules:
            message = (
                f"'{wrapper.name}' holds one optimizer, which has no name: every schedule would act on it; "
                "give one scheduler or a list"
            )
            yield context.problem("optimizer-name", ("param_scheduler", name), message)


def custom_key_pattern(context: Context) -> Iterator[Problem]:
    """Keys of `custom_keys` that are in no parameter's name, or in all of them, whatever the model is."""
    for path, wrapper in optim_wrappers(context):
        paramwise = wrapper.get("paramwise_cfg")
        keys = paramwise.get("custom_keys") if isinstance(paramwise, Mapping) else None
        place = (*path, "paramwise_cfg")
        if isinstance(keys, Mapping) and not context.doubtful(place) and _is_built_as_it_stands(context, path):
            for key in keys:
                yield from _custom_key(context, (*place, "custom_keys", key), key)


def _custom_key(context: Context, path: Path, key: str) -> Iterator[Problem]:
    severity: Severity = "warning"
    if key == "":
        message = "every name holds it, so all other rules of paramwise_cfg would be off; remove it, or name a part"
    elif ".." in key:
        severity = "error"
        message = "no parameter's name holds it: between two dots stands a module's name"
    elif key != key.strip() or any(character in key for character in _PATTERNS):
        message = "a key is looked for in the parameters' names as it stands, it is no pattern; give a part of a name"
    else:
        return
    yield context.problem("custom-key-pattern", path, message, severity=severity)


def optimizer_arguments(context: Context) -> Iterator[Problem]:
    """Nesterov's momentum without momentum, two implementations at once, groups for several optimizers together."""
    wrapper = part_at(context, "optim_wrapper", ("optim_wrapper",))
    several = wrapper is not None and optimizer_names(wrapper) is not None
    place: Path = ("optim_wrapper", "paramwise_cfg")
    given = value_at(context, place)
    if several and given not in (None, UNKNOWN) and _is_built_as_it_stands(context, ("optim_wrapper",)):
        message = "it sorts the parameters of one optimizer, and there are several here; give each of them its own"
        yield context.problem("optimizer-arguments", place, message)
    for path, _ in optim_wrappers(context):
        optimizer = part_at(context, "optimizer", (*path, "optimizer"))
        if optimizer is not None and optimizer.is_a(_TORCH):
            yield from _nesterov(context, optimizer)
            yield from _implementations(context, optimizer)


def _nesterov(context: Context, optimizer: Part) -> Iterator[Problem]:
    if not optimizer.is_a(_SGD) or optimizer.value("nesterov") is not True:
        return
    place = (*optimizer.path, "nesterov")
    if optimizer.value("momentum") == 0:
        message = "Nesterov's momentum needs one: give momentum above 0, such as 0.9, or remove it"
        yield context.problem("optimizer-arguments", place, message)
    elif optimizer.value("dampening") not in {0, UNKNOWN}:
        message = "Nesterov's momentum is not dampened: remove dampening, or this"
        yield context.problem("optimizer-arguments", place, message)


def _implementations(context: Context, optimizer: Part) -> Iterator[Problem]:
    """Torch's optimizers take one of these at a time."""
    on = [name for name in ("foreach", "fused", "differentiable") if optimizer.value(name) is True]
    if len(on) > 1 and optimizer.entry.target.startswith("torch.optim:"):
        message = f"'{optimizer.name}' takes this or {on[0]}, and both are on; remove one of the two"
        yield context.problem("optimizer-arguments", (*optimizer.path, on[1]), message)


def _is_built_as_it_stands(context: Context, wrapper: Path) -> bool:
    """Whether a wrapper's constructor is one of ours; another may make of the mapping what it likes."""
    path = (*wrapper, "constructor")
    given = value_at(context, path)
    default = KINDS["optim_wrapper"].engine_keys["constructor"]["default"]
    given = default if given is UNKNOWN or given is None else given
    cfg = given if isinstance(given, Mapping) else {"type": given}
    if not context.whole or context.doubtful(path):
        return False
    found = part_at(context, "optim_wrapper_constructor", path, cfg)
    return found is not None and found.is_just(_CONSTRUCTOR, _LAYER_DECAY)
