"""What is logged and measured: names that two things would have, and windows and patterns that make no sense."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.errors import Path, Problem
from runner.signature import UNKNOWN
from runner.validation.mistake import listed
from runner.validation.rules.context import Context
from runner.validation.rules.monitors import metrics_of
from runner.validation.rules.parts import part_at, value_at

__all__ = ["backend_twice", "log_pattern", "log_twice", "log_window", "metric_twice"]

_PROCESSOR = "runner.logging.log_processor:LogProcessor"
_EVALUATOR = "runner.evaluator.evaluator:Evaluator"


def log_twice(context: Context) -> Iterator[Problem]:
    """Two entries of `custom_cfg` that log under one name."""
    names: dict[str, int] = {}
    for number, (path, entry) in enumerate(_custom(context)):
        name = entry.get("log_name", entry.get("data_src"))
        if not isinstance(name, str):
            continue
        if name in names:
            message = f"'{name}' is logged by custom_cfg.{names[name]} already; give this one a log_name of its own"
            place = (*path, "log_name" if "log_name" in entry else "data_src")
            yield context.problem("log-named-twice", place, message, at="value")
        names.setdefault(name, number)


def log_window(context: Context) -> Iterator[Problem]:
    """A window over the epoch in a log that counts iterations."""
    part = part_at(context, "log_processor", ("log_processor",))
    if part is None or part.value("by_epoch") is not False:
        return
    for path, entry in _custom(context):
        if entry.get("window_size") == "epoch":
            message = "the log counts iterations (by_epoch: false), and has no epochs; give a number, or 'global'"
            yield context.problem("log-window", (*path, "window_size"), message, at="value", suggestion="global")


def log_pattern(context: Context) -> Iterator[Problem]:
    """A pattern that is no regular expression."""
    path: Path = ("log_processor", "mean_pattern")
    pattern = value_at(context, path)
    part = part_at(context, "log_processor", ("log_processor",))
    if not isinstance(pattern, str) or part is None or not part.is_a(_PROCESSOR):
        return
    try:
        re.compile(pattern)
    except re.error as error:
        yield context.problem(
            "log-pattern",
            path,
            f"this is no regular expression: {error}; it is searched in the values' names",
            at="value",
        )


def _custom(context: Context) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    part = part_at(context, "log_processor", ("log_processor",))
    path: Path = ("log_processor", "custom_cfg")
    given = value_at(context, path)
    if part is None or not part.is_a(_PROCESSOR) or not isinstance(given, list | tuple):
        return
    for number, entry in enumerate(given):
        if isinstance(entry, Mapping):
            yield (*path, number), entry


def backend_twice(context: Context) -> Iterator[Problem]:
    """Two backends of one type."""
    path: Path = ("visualizer", "vis_backends")
    given = value_at(context, path)
    kept: dict[str, int] = {}
    for number in range(len(given)) if isinstance(given, list | tuple) else ():
        part = part_at(context, "vis_backend", (*path, number))
        if part is None:
            continue
        name = part.entry.target
        if name in kept:
            message = (
                f"there is a {part.name} already, vis_backends.{kept[name]}; each type of backend can be there once"
            )
            yield context.problem("duplicate-backend", (*path, number), message, at="value")
        kept.setdefault(name, number)


def metric_twice(context: Context) -> Iterator[Problem]:
    """Two metrics that give one name."""
    for field in ("val_evaluator", "test_evaluator"):
        owners: dict[str, int] = {}
        for number, path in enumerate(_metrics(context, field)):
            part = part_at(context, "metric", path)
            names = metrics_of(part) if part is not None else None
            if part is None or names is None:
                continue
            taken = sorted(name for name in names if name in owners and "*" not in name)
            if taken:
                message = (
                    f"{listed(taken)} is what the metric number {owners[taken[0]] + 1} gives already, and the evaluation "
                    "would end with an error; give one of the two a prefix"
                )
                yield context.problem("metric-named-twice", path, message, at="value")
            owners.update((name, number) for name in names if name not in owners)


def _metrics(context: Context, field: str) -> Sequence[Path]:
    path: Path = (field,)
    given = value_at(context, path)
    if isinstance(given, Mapping) and "metrics" in given:
        evaluator = part_at(context, "evaluator", path)
        if evaluator is None or not evaluator.is_a(_EVALUATOR):
            return ()
        path, given = (*path, "metrics"), given["metrics"]
    if given is UNKNOWN or not isinstance(given, list | tuple):
        return ()
    return [(*path, number) for number in range(len(given))]
