"""Code that runs at fixed points of a run: the contract, who is called when, and the hooks that come with the engine.

- `hook.py`: `Hook`, the 22 points and what a hook may ask there
- `priority.py`: `Priority`, who comes first
- `dispatch.py`: `HookList`, who is called at a point
- one file for each hook
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.hooks.checkpoint import CheckpointHook
    from runner.hooks.dispatch import HookList
    from runner.hooks.ema import EMAHook
    from runner.hooks.hook import Hook
    from runner.hooks.iter_timer import IterTimerHook
    from runner.hooks.logger import LoggerHook
    from runner.hooks.nan_guard import NaNGuardHook
    from runner.hooks.param_scheduler import ParamSchedulerHook
    from runner.hooks.prepare_tta import PrepareTTAHook, build_runner_with_tta
    from runner.hooks.priority import Priority, get_priority
    from runner.hooks.runtime_info import RuntimeInfoHook
    from runner.hooks.sampler_seed import DistSamplerSeedHook

__all__ = [
    "CheckpointHook",
    "DistSamplerSeedHook",
    "EMAHook",
    "Hook",
    "HookList",
    "IterTimerHook",
    "LoggerHook",
    "NaNGuardHook",
    "ParamSchedulerHook",
    "PrepareTTAHook",
    "Priority",
    "RuntimeInfoHook",
    "build_runner_with_tta",
    "get_priority",
]

_HOMES = {
    "CheckpointHook": "runner.hooks.checkpoint",
    "DistSamplerSeedHook": "runner.hooks.sampler_seed",
    "EMAHook": "runner.hooks.ema",
    "Hook": "runner.hooks.hook",
    "HookList": "runner.hooks.dispatch",
    "IterTimerHook": "runner.hooks.iter_timer",
    "LoggerHook": "runner.hooks.logger",
    "NaNGuardHook": "runner.hooks.nan_guard",
    "ParamSchedulerHook": "runner.hooks.param_scheduler",
    "PrepareTTAHook": "runner.hooks.prepare_tta",
    "Priority": "runner.hooks.priority",
    "RuntimeInfoHook": "runner.hooks.runtime_info",
    "build_runner_with_tta": "runner.hooks.prepare_tta",
    "get_priority": "runner.hooks.priority",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
