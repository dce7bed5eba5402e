"""Files and folders that a config reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Path, Problem
from runner.signature import UNKNOWN
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, initializers, part_at, value_at

__all__ = ["path_not_found"]

_READING = frozenset({"dataset", "transform", "model", "data_preprocessor", "metric", "function"})
"""Kinds whose paths are read; a hook's or a backend's are written."""

_ROOTS = re.compile(r"(data|ann|img|image|seg|label)_?(root|dir|file|path|folder)|root")
"""Parameters that name what is read although they are annotated as text."""

_WRITTEN = re.compile(r"(out|output|save|dump|log|work|cache|tmp|temp)(_|$)|.*_out(_|$)|outfile")
_PRETRAINED = "runner.model.weight_init:PretrainedInit"
_NO_BACKEND: tuple[Any, ...] = (None, {}, UNKNOWN)
_CREATES = ("download", "allow_missing")
"""Arguments with which what is not there is no mistake."""


def path_not_found(context: Context) -> Iterator[Problem]:
    """A checkpoint, a file or a folder that is not there."""
    if context.check_paths or value_at(context, ("resume",)) is True:
        yield from _missing(context, ("load_from",), what="checkpoint")
    if not context.check_paths:
        return
    resume = value_at(context, ("resume",))
    if isinstance(resume, str) and resume != "auto" and not resume.isdigit():
        yield from _missing(context, ("resume",), what="checkpoint", within=value_at(context, ("work_dir",)))
    for field, kind in _fields(context):
        part = part_at(context, kind, field)
        if part is not None:
            yield from _of_part(context, part)
    for part in initializers(context):
        if part.is_a(_PRETRAINED):
            yield from _missing(context, (*part.path, "checkpoint"))


def _fields(context: Context) -> Iterator[tuple[Path, str]]:
    yield ("model",), "model"
    yield ("data_preprocessor",), "data_preprocessor"
    for mode in ("train", "val", "test"):
        yield (f"{mode}_dataloader", "dataset"), "dataset"
        given = context.data.get(f"{mode}_evaluator")
        path: Path = (f"{mode}_evaluator",)
        if isinstance(given, Mapping) and "metrics" in given:
            path, given = (*path, "metrics"), given["metrics"]
        places = [(*path, index) for index in range(len(given))] if isinstance(given, list | tuple) else [path]
        yield from ((place, "metric") for place in places)


def _of_part(context: Context, part: Part) -> Iterator[Problem]:
    """What a component reads, and what the components in its slots do."""
    if any(part.value(name) is True for name in _CREATES):
        return
    for parameter in part.signature.parameters:
        path = (*part.path, parameter.name)
        value = part.cfg.get(parameter.name)
        if value is None or context.doubtful(path):
            continue
        if parameter.slot in _READING:
            yield from _in_slot(context, parameter.slot, path, value)
        elif isinstance(value, str) and _is_read(parameter.name, parameter.schema):
            # MMEngine's data sets look for the rest below their root.
            root = part.value("data_root") if parameter.name != "data_root" else None
            if part.value("backend_args") in _NO_BACKEND and not (isinstance(root, str) and "://" in root):
                yield from _missing(context, path, within=root)


def _in_slot(context: Context, kind: str, path: Path, value: Any) -> Iterator[Problem]:
    if isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _in_slot(context, kind, (*path, index), each)
        return
    part = part_at(context, kind, path) if isinstance(value, Mapping) else None
    if part is not None:
        yield from _of_part(context, part)


def _is_read(name: str, schema: Mapping[str, Any]) -> bool:
    if _WRITTEN.match(name):
        return False
    return any(each.get("format") == "path" for each in [schema, *schema.get("anyOf", ())]) or bool(
        _ROOTS.fullmatch(name)
    )


def _missing(context: Context, path: Path, *, what: str = "", within: Any = None) -> Iterator[Problem]:
    value = value_at(context, path)
    if not isinstance(value, str) or not value or "://" in value:
        return
    if what == "checkpoint" and (value in {"last", "best"} or value.startswith("best:") or value.isdecimal()):
        return
    folders = ["", within] if isinstance(within, str) else [""]
    places = [os.path.expanduser(os.path.join(folder, value)) for folder in folders]  # noqa: PTH111, PTH118 - text stays text
    if any(os.path.exists(place) for place in places):  # noqa: PTH110 - as above
        return
    below = f" or {within}" if isinstance(within, str) and within else ""
    message = (
        f"there is no {what or 'file or folder'} {value}; a relative path starts from the folder that the command is "
        f"run in, {os.getcwd()}{below}"  # noqa: PTH109 - as above
    )
    yield context.problem(
        "path-not-found", path, message, at="value", severity="error" if context.check_paths else "warning"
    )
