"""How gradients are clipped: each way has a limit of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Path, Problem
from runner.validation.mistake import listed
from runner.validation.rules.context import Context
from runner.validation.rules.parts import optim_wrappers

__all__ = ["clipping_limit"]

_OURS = frozenset({"OptimWrapper", "AmpOptimWrapper"})
_KEYS = {
    "norm": ("max_norm", "norm_type", "error_if_nonfinite", "foreach"),
    "value": ("clip_value", "foreach"),
}
"""What each `type` takes, the limit first."""


def clipping_limit(context: Context) -> Iterator[Problem]:
    """`norm` needs `max_norm`, `value` needs `clip_value`, and neither takes what the other does."""
    for path, wrapper in optim_wrappers(context):
        yield from _limit(context, (*path, "clip_grad"), wrapper)


def _limit(context: Context, place: Path, wrapper: Mapping[str, Any]) -> Iterator[Problem]:
    clip = wrapper.get("clip_grad")
    if str(wrapper.get("type", "OptimWrapper")).rpartition(".")[2] not in _OURS or not isinstance(clip, Mapping):
        return
    kind = clip.get("type", "norm")
    if context.doubtful(place) or not isinstance(kind, str):
        return
    limit, *_ = keys = _KEYS[kind]
    strangers = [key for key in clip if key != "type" and key not in keys]
    for key in strangers:
        other = next(name for name in _KEYS if key in _KEYS[name])
        message = f"it belongs to 'type: {other}', and this is '{kind}', which takes {listed(keys)}"
        yield context.problem("clipping-limit", (*place, key), message)
    if limit not in clip and not strangers:
        yield context.problem("clipping-limit", (*place, limit), f"missing; '{kind}' needs it")
