"""Hooks that run twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from runner.errors import Problem, Severity, dotted
from runner.signature import UNKNOWN
from runner.validation.fields import load
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, hooks

__all__ = ["duplicate_hook", "only_once"]

_SEVERAL = "runner.hooks.checkpoint:CheckpointHook"
"""Of this one a second may be meant: one saves by epochs, the other by iterations."""


def duplicate_hook(context: Context) -> Iterator[Problem]:
    """A hook of a default hook's very class beside that one."""
    known = load("default_hooks")["properties"]
    found = list(hooks(context))
    usual = {
        _class(part): str(part.path[1]) for part in found if part.path[0] == "default_hooks" and part.path[1] in known
    }
    for part in found:
        custom = part.path[0] == "custom_hooks"
        key = usual.get(_class(part))
        if key is None or part.path == ("default_hooks", key) or (not custom and part.path[1] in known):
            continue
        if custom and part.is_just(_SEVERAL):
            continue
        message = (
            f"a {part.name} runs already, as every run's default_hooks.{key}, and this is a second one; "
            f"configure it there, or give {key}: null"
        )
        yield context.problem("duplicate-hook", part.path, message, at="value" if custom else "key", severity="warning")


def only_once(context: Context) -> Iterator[Problem]:
    """Two hooks of one's own of which only one can do its work: the second undoes, overrules or overwrites the first."""
    seen: dict[str, list[Part]] = {}
    for part in hooks(context):
        for name, (clash, severity) in _ONCE.items():
            earlier = seen.setdefault(name, [])
            if part.is_a(name):
                found = next((why for other in earlier if (why := clash(other, part))), None)
                if found is not None and not _is_default(part):
                    at: Literal["key", "value"] = "value" if part.path[0] == "custom_hooks" else "key"
                    yield context.problem("duplicate-hook", part.path, found, at=at, severity=severity)
                earlier.append(part)


def _is_default(part: Part) -> bool:
    return part.path[0] == "default_hooks" and part.path[1] in load("default_hooks")["properties"]


def _always(what: str) -> Callable[[Part, Part], str | None]:
    return lambda first, second: f"a second {second.name} beside {dotted(first.path)}: {what}; keep one of them"


def _same_predictions(first: Part, second: Part) -> str | None:
    modes = [part.value("modes") for part in (first, second)]
    if first.value("out_dir") != second.value("out_dir") or not all(isinstance(each, list | tuple) for each in modes):
        return None
    both = [mode for mode in modes[0] if mode in modes[1]]
    if not both:
        return None
    return f"{dotted(first.path)} writes {both[0]} into the same file; give one of them another out_dir, or other modes"


def _same_checkpoints(first: Part, second: Part) -> str | None:
    """Of this one a second is meant where it counts, names or places its files in another way, or saves the best alone."""
    if any(first.value(name) != second.value(name) for name in ("by_epoch", "filename_tmpl", "out_dir")):
        return None
    if any(part.value("interval") in (-1, UNKNOWN) for part in (first, second)):
        return None
    return (
        f"{dotted(first.path)} writes files of the same names into the same folder, and max_keep_ckpts of one deletes the other's; "
        "configure that one, or give this one by_epoch: false, a filename_tmpl or an out_dir"
    )


_ONCE: Mapping[str, tuple[Callable[[Part, Part], str | None], Severity]] = {
    "runner.hooks.nan_guard:NaNGuardHook": (_always("both would act on the same update"), "error"),
    "runner.hooks.accumulation:GradientAccumulationScheduler": (
        _always("each sets how many batches make an update, and the last one wins"),
        "error",
    ),
    "runner.hooks.profiler:ProfilerHook": (
        _always("torch profiles once at a time, and both begin at the start"),
        "error",
    ),
    "runner.hooks.prediction_writer:PredictionWriterHook": (_same_predictions, "error"),
    "runner.hooks.prepare_tta:PrepareTTAHook": (_always("each puts the test's model into its wrapper"), "error"),
    "runner.hooks.memory_snapshot:MemorySnapshotHook": (_always("both write the same file"), "warning"),
    "runner.hooks.exception_checkpoint:ExceptionCheckpointHook": (_always("both save the same checkpoint"), "warning"),
    "runner.hooks.throughput:ThroughputHook": (_always("both record the same curves"), "warning"),
    "runner.hooks.device_stats:DeviceStatsHook": (_always("both record the same curves"), "warning"),
    "runner.hooks.precise_bn:PreciseBNHook": (_always("the statistics would be computed twice"), "warning"),
    "runner.hooks.sync_buffers:SyncBuffersHook": (_always("buffers would be averaged twice"), "warning"),
    _SEVERAL: (_same_checkpoints, "warning"),
}
"""Classes of which a second object gets in the way of the first: whether a pair does, and how bad that is."""


def _class(part: Part) -> str:
    return part.signature.bases[0] if part.signature.bases else part.entry.target
