"""Measures where the time goes, with torch's profiler."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import torch
from torch.profiler import ProfilerActivity
from typing_extensions import NotRequired

from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.hooks.traces import TraceHandler
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["ProfilerHook", "ProfilerSchedule"]


class ProfilerSchedule(TypedDict):
    """Which steps are recorded: cycles of steps that are waited, warmed up in, and recorded.

    Attributes:
        wait: Steps of a cycle in which the profiler is off.
        warmup: Steps of a cycle in which it is on and nothing is kept.
        active: Steps of a cycle that are recorded; a trace is ready after them.
        repeat: Cycles at most; 0 for as many as there are steps.
        skip_first: Steps before the first cycle.
    """

    wait: Annotated[int, Interval(ge=0)]
    warmup: Annotated[int, Interval(ge=0)]
    active: Annotated[int, Interval(ge=1)]
    repeat: NotRequired[Annotated[int, Interval(ge=0)]]
    skip_first: NotRequired[Annotated[int, Interval(ge=0)]]


class ProfilerHook(Hook):
    """Profiles the beginning of a training; afterwards it costs nothing.

    It begins with the first step of this launch, also of a resumed run. Every rank profiles itself.

    Args:
        by_epoch: Whether `profile_times` counts epochs; iterations otherwise.
        profile_times: How many are profiled; of epochs one only, since a trace takes memory with every operator.
        activity_with_cpu: Record what the CPU does.
        activity_with_cuda: Record what the accelerator does; on a CPU there is nothing to record.
        schedule: Which of these steps are recorded; all of them by default.
        on_trace_ready: What is done with a trace: `{type: log_trace}` writes a table into the log, `{type: tb_trace}` a
            file for TensorBoard, each with its options; or another function that takes the `torch.profiler.profile`.
        record_shapes: Record the shapes of operators' inputs.
        profile_memory: Record what memory is allocated and released.
        with_stack: Record the source lines that operators are called from.
        with_flops: Estimate the floating-point operations of matrix products and convolutions.
        json_trace_path: A file that the newest trace is written to, as chrome://tracing and Perfetto show it; ranks
            other than 0 put their number before its ending.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        *,
        by_epoch: bool = True,
        profile_times: Annotated[int, Interval(ge=1)] = 1,
        activity_with_cpu: bool = True,
        activity_with_cuda: bool = False,
        schedule: ProfilerSchedule | None = None,
        on_trace_ready: Callable[[torch.profiler.profile], Any] | dict[str, Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        json_trace_path: str | None = None,
    ) -> None:
        if profile_times < 1 or (by_epoch and profile_times > 1):
            raise BuildError(
                f"ProfilerHook: profile_times is {profile_times}; one epoch can be profiled, or with by_epoch: false as "
                "many iterations as you like, from 1 on"
            )
        if not activity_with_cpu and not activity_with_cuda:
            raise BuildError("ProfilerHook: activity_with_cpu and activity_with_cuda are false; record at least one")
        self.by_epoch = by_epoch
        self.profile_times = profile_times
        self.activity_with_cpu = activity_with_cpu
        self.activity_with_cuda = activity_with_cuda
        self.schedule = torch.profiler.schedule(**schedule) if schedule is not None else None
        self.on_trace_ready = _handler(on_trace_ready)
        self.json_trace_path = Path(json_trace_path) if json_trace_path is not None else None
        self.options: dict[str, Any] = {
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
            "with_flops": with_flops,
        }
        self.profiler: torch.profiler.profile | None = None
        self._steps = 0

    def before_train(self, runner: Runner) -> None:
        """Start the profiler."""
        length, unit = (runner.max_epochs, "epochs") if self.by_epoch else (runner.max_iters, "iterations")
        self._stop(runner)  # a training of before may have been interrupted
        if self.profile_times > length:
            raise BuildError(f"ProfilerHook: profile_times is {self.profile_times}, and the run has {length} {unit}")
        if isinstance(self.on_trace_ready, TraceHandler):
            self.on_trace_ready.runner = runner
        self._rank, self._warn = runner.rank, runner.logger.warning
        self._steps = 0
        self.profiler = torch.profiler.profile(
            activities=self._activities(runner), schedule=self.schedule, on_trace_ready=self._ready, **self.options
        )
        self.profiler.start()
        runner.logger.info("the first %d %s of this launch are profiled", self.profile_times, unit)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Count a step, and stop the profiler after the last one."""
        if self.profiler is None:
            return
        self._steps += 1
        if not self.by_epoch and self._steps == self.profile_times:
            self._stop(runner)
        else:
            self.profiler.step()

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop the profiler."""
        if self.by_epoch:
            self._stop(runner)

    def after_train(self, runner: Runner) -> None:
        """Stop the profiler, if the training ended before."""
        self._stop(runner)

    def on_exception(self, runner: Runner, exception: Exception) -> None:
        """Stop the profiler: torch has one for the whole process."""
        del exception
        self._stop(runner)

    def _stop(self, runner: Runner) -> None:
        if self.profiler is None:
            return
        profiler, self.profiler = self.profiler, None
        runner.logger.info("profiled %d iterations; writing what was recorded may take a while", self._steps)
        profiler.stop()

    def _ready(self, profile: torch.profiler.profile) -> None:
        """A trace is there: a cycle of the schedule is over, or all."""
        handler = self.on_trace_ready
        if handler is not None:
            handler(profile)
        if self.json_trace_path is None:
            return
        file = self.json_trace_path
        if self._rank > 0:
            file = file.with_name(f"{file.stem}.rank{self._rank}{file.suffix}")
        file.parent.mkdir(parents=True, exist_ok=True)
        written = handler.file if isinstance(handler, TraceHandler) else None
        if written is not None:
            _copy(written, file)  # torch gives a trace out once
            return
        try:
            profile.export_chrome_trace(str(file))
        except RuntimeError as error:
            self._warn("ProfilerHook: %s was not written, since on_trace_ready has taken the trace: %s", file, error)

    def _activities(self, runner: Runner) -> list[ProfilerActivity]:
        found = [ProfilerActivity.CPU] if self.activity_with_cpu else []
        if self.activity_with_cuda:
            accelerator = ProfilerActivity.__members__.get(runner.device.type.upper())
            if accelerator is None or runner.device.type == "cpu":
                runner.logger.warning(
                    "ProfilerHook: torch records nothing of its own on the device %s; activity_with_cuda is left out",
                    runner.device.type,
                )
            else:
                found.append(accelerator)
        if not found:
            raise BuildError(f"ProfilerHook: nothing is recorded on {runner.device.type}; give activity_with_cpu: true")
        return found


def _copy(source: Path, target: Path) -> None:
    """Copy a trace, compressed or not as the ending says."""
    with _opened(source, "rb") as given, _opened(target, "wb") as taken:
        shutil.copyfileobj(given, taken)


def _opened(file: Path, mode: Literal["rb", "wb"]) -> Any:
    return gzip.open(file, mode) if file.suffix == ".gz" else file.open(mode)


def _handler(given: Callable[[torch.profiler.profile], Any] | Mapping[str, Any] | None) -> Any:
    """What is done with a trace, built where Python code gave a mapping."""
    if isinstance(given, Mapping):
        from runner.registry import FUNCTIONS

        return FUNCTIONS.build(given)
    return given
