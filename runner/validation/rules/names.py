"""Files that a run writes under names of a config's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from runner.errors import Path, Problem
from runner.file_names import leads_out
from runner.validation.rules.context import Context
from runner.validation.rules.parts import hooks, part_at, value_at

__all__ = ["leaves_work_dir"]

_CHECKPOINTS: Final = (
    "runner.hooks.checkpoint:CheckpointHook",
    "runner.hooks.exception_checkpoint:ExceptionCheckpointHook",
)
_LOCAL: Final = "runner.visualization.vis_backend:LocalVisBackend"
_LOCAL_NAMES: Final = ("img_save_dir", "config_save_file", "scalar_save_file")
_PROFILER: Final = "runner.hooks.profiler:ProfilerHook"


def leaves_work_dir(context: Context) -> Iterator[Problem]:
    """A name of a file that leads out of the folder that it is meant for."""
    for part in hooks(context):
        if part.is_a(*_CHECKPOINTS):
            yield from _names(context, part.path, {"filename_tmpl": part.value("filename_tmpl")})
        trace = part.value("on_trace_ready") if part.is_a(_PROFILER) else None
        if isinstance(trace, Mapping):
            # A trace may lie elsewhere, by an absolute path.
            folder = trace.get("dir_name")
            named = folder if isinstance(folder, str) and not PurePosixPath(folder).is_absolute() else None
            found = {"dir_name": named, "worker_name": trace.get("worker_name")}
            yield from _names(context, (*part.path, "on_trace_ready"), found)
    backends = value_at(context, ("visualizer", "vis_backends"))
    for number, _ in enumerate(backends if isinstance(backends, list | tuple) else ()):
        backend = part_at(context, "vis_backend", ("visualizer", "vis_backends", number))
        if backend is not None and backend.is_a(_LOCAL):
            yield from _names(context, backend.path, {name: backend.value(name) for name in _LOCAL_NAMES})


def _names(context: Context, path: Path, values: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in values.items():
        where = (*path, name)
        if isinstance(value, str) and leads_out(value) and not context.doubtful(where):
            last = value.replace("\\", "/").rstrip("/").rpartition("/")[2]
            usable = last if last not in {"", ".", ".."} and not leads_out(last) else None
            hint = f"'{usable}', say" if usable else "a plain name"
            message = f"{value!r} leads out of the run's own folder; give a name, or a path below it: {hint}"
            yield context.problem("leaves-work-dir", where, message, at="value", suggestion=usable)
