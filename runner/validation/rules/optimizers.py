"""The optimizer wrapper: names of optimizers, and names of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.errors import Problem, Severity
from runner.kinds import KINDS
from runner.validation.mistake import did_you_mean, listed
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, part_at, value_at
from runner.validation.suggest import nearest

__all__ = ["custom_key_pattern", "optimizer_name"]

_WRAPPER = "runner.optim.optim_wrapper:OptimWrapper"
_SEVERAL = "OptimWrapperDict"
_CONSTRUCTOR = "runner.optim.constructor:DefaultOptimWrapperConstructor"
_PATTERNS = "*^$\\|"
"""Characters of patterns, which no name of a parameter has."""


def optimizer_name(context: Context) -> Iterator[Problem]:
    """Schedules by the name of an optimizer that there is not."""
    schedules = value_at(context, ("param_scheduler",)) if context.whole else None
    wrapper = part_at(context, "optim_wrapper", ("optim_wrapper",))
    if not isinstance(schedules, Mapping) or "type" in schedules or wrapper is None:
        return
    if any(base.rpartition(":")[2] == _SEVERAL for base in wrapper.signature.bases):
        known = sorted(_optimizers(wrapper))
        for name in schedules:
            if name not in known:
                suggestion = nearest(name, known)
                message = f"no optimizer is called so; optim_wrapper has {listed(known)}{did_you_mean(suggestion)}"
                place = ("param_scheduler", name)
                yield context.problem("optimizer-name", place, message, suggestion=suggestion)
    elif wrapper.is_a(_WRAPPER) and _is_built_as_it_stands(context):
        for name in schedules:
            message = (
                f"'{wrapper.name}' holds one optimizer, which has no name: every schedule would act on it; "
                "give one scheduler or a list"
            )
            yield context.problem("optimizer-name", ("param_scheduler", name), message)


def custom_key_pattern(context: Context) -> Iterator[Problem]:
    """Keys of `custom_keys` that are in no parameter's name, or in all of them, whatever the model is."""
    path = ("optim_wrapper", "paramwise_cfg", "custom_keys")
    keys = value_at(context, path[:2])
    keys = keys.get("custom_keys") if isinstance(keys, Mapping) else None
    if not isinstance(keys, Mapping) or not _is_built_as_it_stands(context):
        return
    for key in keys:
        severity: Severity = "warning"
        if key == "":
            message = "every name holds it, so all other rules of paramwise_cfg would be off; remove it, or name a part"
        elif ".." in key:
            severity = "error"
            message = "no parameter's name holds it: between two dots stands a module's name"
        elif key != key.strip() or any(character in key for character in _PATTERNS):
            message = (
                "a key is looked for in the parameters' names as it stands, it is no pattern; give a part of a name"
            )
        else:
            continue
        yield context.problem("custom-key-pattern", (*path, key), message, severity=severity)


def _optimizers(wrapper: Part) -> Iterator[str]:
    """The names in a wrapper of several optimizers: whatever is given beside its constructor's own parameters."""
    own = {"type", "paramwise_cfg", *KINDS["optim_wrapper"].engine_keys}
    own.update(parameter.name for parameter in wrapper.signature.parameters)
    return (name for name in wrapper.cfg if name not in own)


def _is_built_as_it_stands(context: Context) -> bool:
    """Whether the wrapper's constructor is the usual one; another may make of the mapping what it likes."""
    path = ("optim_wrapper", "constructor")
    given = context.section("optim_wrapper").get("constructor")
    default = KINDS["optim_wrapper"].engine_keys["constructor"]["default"]
    cfg = {"type": default if given is None else given} if not isinstance(given, Mapping) else given
    if not context.whole or context.doubtful(path):
        return False
    found = part_at(context, "optim_wrapper_constructor", path, cfg)
    return found is not None and found.is_just(_CONSTRUCTOR)
