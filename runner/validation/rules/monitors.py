"""Metrics that something in the config waits for: the best checkpoint, early stopping, a scheduler."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from runner.config.scores import GREATER_KEYS, LESS_KEYS, told_rule
from runner.config.triples import TRIPLES
from runner.errors import Path, Problem
from runner.signature import UNKNOWN
from runner.validation.mistake import did_you_mean, listed
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs
from runner.validation.rules.parts import Part, hooks, part_at, schedules, value_at
from runner.validation.suggest import nearest

__all__ = ["metric_direction", "metric_without_validation", "metrics_of", "unknown_metric"]

_EVALUATOR = "runner.evaluator.evaluator:Evaluator"
_VAL_LOOP = "runner.loops.evaluation:ValLoop"
_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"
_EARLY_STOPPING = "runner.hooks.early_stopping:EarlyStoppingHook"
_PLATEAU = "runner.optim.scheduler.plateau:ReduceOnPlateauParamScheduler"
_ADAPTER = "runner.model.module_adapter:ModuleAdapter"
_OWN_LOSS = "val_loss"
"""What a validation yields besides, where the model gives its losses with its predictions."""
_ARGUMENT = re.compile(r"\{(\w+)\}")
_TURNED = re.compile(r"err|miss|fail|mape", re.IGNORECASE)
"""Parts of a name that turn what the rest of it tells: of `top1_error` less is better."""
_COMPUTED = ("compute_metrics", "evaluate", "_full_name")
"""Methods that decide what a metric yields: a class that overrides one below a declaration is not bound by it."""


def unknown_metric(context: Context) -> Iterator[Problem]:
    """The name of a metric that the validation does not yield."""
    names = _yielded(context)
    if names is None:
        return
    exact = [name for name in names if "*" not in name]
    gives_losses = _may_give_losses(context)
    for part, path, metric in _monitored(context):
        if (metric == _OWN_LOSS and gives_losses) or any(fnmatchcase(metric, name) for name in names):
            continue
        suggestion = next((name for name in exact if name.endswith(f"/{metric}")), nearest(metric, exact))
        message = (
            f"no metric is called '{metric}', which {part.name} waits for; val_evaluator yields {listed(names)}"
            f"{did_you_mean(suggestion)}"
        )
        if part.is_a(_PLATEAU) and path == part.path:
            message = f"{message}; that name is its default, give it another monitor"
            yield context.problem("unknown-metric", path, message, at="value", suggestion=suggestion)
        elif "loss" not in metric or not gives_losses:
            yield context.problem("unknown-metric", path, message, at="value", suggestion=suggestion)
        else:
            message = f"{message}; a model that gives its losses with its predictions yields them by their own names"
            yield context.problem("unknown-metric", path, message, at="value", severity="warning")


def metric_without_validation(context: Context) -> Iterator[Problem]:
    """The name of a metric in a training that is never followed by a validation."""
    validation = TRIPLES[1]
    if not context.whole or counts_epochs(context) is None or any(map(context.has, validation)):
        return
    if any(map(context.misspelt, validation)):
        return
    for part, path, metric in _monitored(context, auto=True):
        message = (
            f"{part.name} waits for '{metric}', and there is no validation; give {listed(validation)}, or remove it"
        )
        yield context.problem("metric-without-validation", path, message, at="value", severity="warning")


def metric_direction(context: Context) -> Iterator[Problem]:
    """A metric of which less is taken for better, and its name says more; or whose name says nothing where it has to."""
    names = _yielded(context)
    for part, path, metric in _monitored(context):
        is_unknown = names is not None and not any(fnmatchcase(metric, name) for name in [*names, _OWN_LOSS])
        if is_unknown or not part.is_a(_CHECKPOINT, _EARLY_STOPPING, _PLATEAU):
            continue
        if part.value("rule") is not None:
            yield from _against_name(context, part, path, metric)
            continue
        keys = []
        for name, usual in (("greater_keys", GREATER_KEYS), ("less_keys", LESS_KEYS)):
            given = part.value(name) if part.takes(name) else None
            keys.append([given] if isinstance(given, str) else usual if given is None else given)
        known = all(isinstance(each, list | tuple) and all(isinstance(key, str) for key in each) for each in keys)
        if known and told_rule(metric, *keys) is None:
            message = (
                f"the name '{metric}' does not tell whether more or less of it is better; give {part.name} rule: greater, "
                "or less"
            )
            yield context.problem("metric-direction", path, message, at="value")


def _against_name(context: Context, part: Part, path: Path, metric: str) -> Iterator[Problem]:
    """A rule that is another than the metric's name tells."""
    rule, place = part.value("rule"), (*part.path, "rule")
    if isinstance(rule, list | tuple) and isinstance(path[-1], int) and path[-1] < len(rule):
        rule, place = rule[path[-1]], (*place, path[-1])
    told = {told_rule(metric, GREATER_KEYS, ()), told_rule(metric, (), LESS_KEYS)} - {None}
    if _TURNED.search(metric) or rule not in ("greater", "less") or len(told) != 1 or rule in told:
        return
    wanted, better = ("greater", "more") if rule == "less" else ("less", "less")
    if part.given("rule"):
        message = f"{rule}, and by its name {better} of '{metric}' is better; give rule: {wanted}"
        yield context.problem("metric-direction", place, message, at="value", severity="warning")
    else:
        message = (
            f"by its name {better} of '{metric}' is better, and without a rule {part.name} takes the opposite; "
            f"give rule: {wanted}, or rule: {rule} where that is meant"
        )
        yield context.problem("metric-direction", path, message, at="value")


def metrics_of(part: Part) -> list[str] | None:
    """The names that a metric yields, with its prefix; a name may hold `*`. None where they are not declared.

    Args:
        part: The metric. Its class declares them in `yields`: literal names, with `{argument}` for the value of a
            constructor's argument (each of its values, where it is a list) and `*` for what is not known beforehand.
    """
    declared = part.attributes("yields", "default_prefix", *_COMPUTED)
    yields = declared.get("yields")
    if yields is None or not isinstance(yields.value, list | tuple) or not yields.value:
        return None
    if any(declared[name].depth < yields.depth for name in _COMPUTED if name in declared):
        return None
    prefixes = _prefixes(part, declared.get("default_prefix"))
    names: list[str] = []
    for pattern in yields.value:
        filled = _filled(part, pattern) if isinstance(pattern, str) else None
        if filled is None:
            return None
        names += filled
    return [f"{prefix}{name}" for prefix in prefixes for name in names]


def _prefixes(part: Part, default: Any) -> list[str]:
    prefix = part.value("prefix")
    if isinstance(prefix, str) and prefix:
        return [f"{prefix}/"]
    if prefix is UNKNOWN or (default is not None and not isinstance(default.value, str | None)):
        return ["", "*/"]  # the constructor may give it one itself
    return [f"{default.value}/"] if default is not None and default.value else [""]


def _filled(part: Part, pattern: str) -> list[str] | None:
    """A declared name with the arguments' values in it; None where one is not known."""
    names = _ARGUMENT.findall(pattern)
    choices: list[list[Any]] = []
    for name in names:
        value = part.value(name)
        several = list(value) if isinstance(value, list | tuple) else [value]
        if not all(isinstance(each, str | int | float) for each in several):
            return None
        choices.append(several)
    filled = []
    for chosen in itertools.product(*choices):
        values = iter(chosen)
        filled.append(_ARGUMENT.sub(lambda _: str(next(values)), pattern))  # noqa: B023 - used up in this very line
    return filled


def _yielded(context: Context) -> list[str] | None:
    """What the validation yields; None where that can't be known."""
    loop = part_at(context, "loop", ("val_cfg",), default_type="ValLoop")
    if loop is None or not loop.is_just(_VAL_LOOP):
        return None
    given = value_at(context, ("val_evaluator",)) if context.whole else UNKNOWN
    path: Path = ("val_evaluator",)
    if isinstance(given, Mapping) and "metrics" in given:
        evaluator = part_at(context, "evaluator", path)
        if evaluator is None or not evaluator.is_just(_EVALUATOR):
            return None
        path, given = (*path, "metrics"), given["metrics"]
    names: list[str] = []
    for place in [(*path, index) for index in range(len(given))] if isinstance(given, list | tuple) else [path]:
        metric = part_at(context, "metric", place)
        found = metrics_of(metric) if metric is not None else None
        if found is None:
            return None
        names += found
    return names or None


def _may_give_losses(context: Context) -> bool:
    """Whether the model may give its losses with its predictions: an adapter gives what its `predictions` says."""
    model = part_at(context, "model", ("model",))
    if model is None or not model.is_just(_ADAPTER):
        return True
    predictions = model.value("predictions")
    return predictions not in ("classes", "values") and (
        predictions != "auto" or model.value("loss") in (None, UNKNOWN)
    )


def _monitored(context: Context, *, auto: bool = False) -> Iterator[tuple[Part, Path, str]]:
    """Who waits for which metric, and where it says so."""
    for part in hooks(context):
        if part.is_a(_CHECKPOINT):
            for path, name in _listed(part, "save_best"):
                if name != "auto" or auto:
                    yield part, path, name
        elif part.takes("monitor", "patience"):
            yield from ((part, path, name) for path, name in _listed(part, "monitor"))
    for part in itertools.chain.from_iterable(schedules(context)):
        if part.takes("monitor", "patience"):
            yield from ((part, path, name) for path, name in _listed(part, "monitor"))


def _listed(part: Part, name: str) -> Iterator[tuple[Path, str]]:
    value = part.value(name)
    path = (*part.path, name) if part.given(name) else part.path
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Sequence):
        yield from (((*path, index), each) for index, each in enumerate(value) if isinstance(each, str))
