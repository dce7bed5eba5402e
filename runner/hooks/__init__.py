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
    from runner.hooks.accumulation import GradientAccumulationScheduler
    from runner.hooks.checkpoint import CheckpointHook
    from runner.hooks.device_stats import DeviceStatsHook
    from runner.hooks.dispatch import HookList
    from runner.hooks.early_stopping import EarlyStoppingHook
    from runner.hooks.ema import EMAHook
    from runner.hooks.empty_cache import EmptyCacheHook
    from runner.hooks.exception_checkpoint import ExceptionCheckpointHook
    from runner.hooks.freeze import FreezeHook
    from runner.hooks.hook import Hook
    from runner.hooks.iter_timer import IterTimerHook
    from runner.hooks.logger import LoggerHook
    from runner.hooks.loss_spike import LossSpikeHook
    from runner.hooks.memory_snapshot import MemorySnapshotHook
    from runner.hooks.naive_visualization import NaiveVisualizationHook
    from runner.hooks.nan_guard import NaNGuardHook
    from runner.hooks.param_scheduler import ParamSchedulerHook
    from runner.hooks.precise_bn import PreciseBNHook
    from runner.hooks.prediction_writer import PredictionWriterHook
    from runner.hooks.prepare_tta import PrepareTTAHook, build_runner_with_tta
    from runner.hooks.priority import Priority, get_priority
    from runner.hooks.profiler import ProfilerHook
    from runner.hooks.runtime_info import RuntimeInfoHook
    from runner.hooks.sampler_seed import DistSamplerSeedHook
    from runner.hooks.swa import SWAHook
    from runner.hooks.switch_pipeline import SwitchPipelineHook
    from runner.hooks.sync_buffers import SyncBuffersHook
    from runner.hooks.throughput import ThroughputHook
    from runner.hooks.visualization import VisualizationHook

__all__ = [
    "CheckpointHook",
    "DeviceStatsHook",
    "DistSamplerSeedHook",
    "EMAHook",
    "EarlyStoppingHook",
    "EmptyCacheHook",
    "ExceptionCheckpointHook",
    "FreezeHook",
    "GradientAccumulationScheduler",
    "Hook",
    "HookList",
    "IterTimerHook",
    "LoggerHook",
    "LossSpikeHook",
    "MemorySnapshotHook",
    "NaNGuardHook",
    "NaiveVisualizationHook",
    "ParamSchedulerHook",
    "PreciseBNHook",
    "PredictionWriterHook",
    "PrepareTTAHook",
    "Priority",
    "ProfilerHook",
    "RuntimeInfoHook",
    "SWAHook",
    "SwitchPipelineHook",
    "SyncBuffersHook",
    "ThroughputHook",
    "VisualizationHook",
    "build_runner_with_tta",
    "get_priority",
]

_HOMES = {
    "PredictionWriterHook": "runner.hooks.prediction_writer",
    "ExceptionCheckpointHook": "runner.hooks.exception_checkpoint",
    "LossSpikeHook": "runner.hooks.loss_spike",
    "MemorySnapshotHook": "runner.hooks.memory_snapshot",
    "DeviceStatsHook": "runner.hooks.device_stats",
    "ThroughputHook": "runner.hooks.throughput",
    "GradientAccumulationScheduler": "runner.hooks.accumulation",
    "CheckpointHook": "runner.hooks.checkpoint",
    "DistSamplerSeedHook": "runner.hooks.sampler_seed",
    "EMAHook": "runner.hooks.ema",
    "EarlyStoppingHook": "runner.hooks.early_stopping",
    "EmptyCacheHook": "runner.hooks.empty_cache",
    "FreezeHook": "runner.hooks.freeze",
    "Hook": "runner.hooks.hook",
    "HookList": "runner.hooks.dispatch",
    "IterTimerHook": "runner.hooks.iter_timer",
    "LoggerHook": "runner.hooks.logger",
    "NaNGuardHook": "runner.hooks.nan_guard",
    "NaiveVisualizationHook": "runner.hooks.naive_visualization",
    "ParamSchedulerHook": "runner.hooks.param_scheduler",
    "PreciseBNHook": "runner.hooks.precise_bn",
    "PrepareTTAHook": "runner.hooks.prepare_tta",
    "Priority": "runner.hooks.priority",
    "ProfilerHook": "runner.hooks.profiler",
    "RuntimeInfoHook": "runner.hooks.runtime_info",
    "SWAHook": "runner.hooks.swa",
    "SwitchPipelineHook": "runner.hooks.switch_pipeline",
    "SyncBuffersHook": "runner.hooks.sync_buffers",
    "VisualizationHook": "runner.hooks.visualization",
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
