"""What is done with a trace of torch's profiler: a table in the log, a file for TensorBoard."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from runner.file_names import stay_inside
from runner.kinds import Interval

if TYPE_CHECKING:
    import torch

    from runner.runner import Runner

__all__ = ["LogTrace", "SortBy", "TbTrace", "TraceHandler"]

SortBy: TypeAlias = Literal[
    "count",
    "cpu_time",
    "cpu_time_total",
    "self_cpu_time_total",
    "cpu_memory_usage",
    "self_cpu_memory_usage",
    "cuda_time",
    "cuda_time_total",
    "self_cuda_time_total",
    "cuda_memory_usage",
    "self_cuda_memory_usage",
    "device_time",
    "device_time_total",
    "self_device_time_total",
    "device_memory_usage",
    "self_device_memory_usage",
]
"""Columns of the table; on other accelerators than CUDA `cuda` means that one too."""


class TraceHandler:
    """A function that is called with each trace, and knows the run.

    Attributes:
        runner: The run that is profiled.
        file: The trace's file, where one was written.
    """

    runner: Runner
    file: Path | None = None

    def __call__(self, profile: torch.profiler.profile) -> None:
        """Is called with each trace."""
        raise NotImplementedError


class LogTrace(TraceHandler):
    """Writes a table of the operators into the log.

    Args:
        sort_by: The column that rows are sorted by; by default they come in the order in which they were called.
        row_limit: Rows at most; -1 for all.
        max_src_column_width: Characters of the column with source lines.
        max_name_column_width: Characters of the column with names.
        max_shapes_column_width: Characters of the column with shapes.
        header: A line above the table.
        top_level_events_only: Leave out what is called by another operator.
    """

    def __init__(
        self,
        sort_by: SortBy | None = None,
        row_limit: Annotated[int, Interval(ge=-1)] = 100,
        max_src_column_width: Annotated[int, Interval(ge=1)] = 75,
        max_name_column_width: Annotated[int, Interval(ge=1)] = 55,
        max_shapes_column_width: Annotated[int, Interval(ge=1)] = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> None:
        self.options: dict[str, Any] = {
            "sort_by": sort_by,
            "row_limit": row_limit,
            "max_src_column_width": max_src_column_width,
            "max_name_column_width": max_name_column_width,
            "max_shapes_column_width": max_shapes_column_width,
            "header": header,
            "top_level_events_only": top_level_events_only,
        }

    def __call__(self, profile: torch.profiler.profile) -> None:
        """Write the table."""
        self.runner.logger.info("the profiler's table:\n%s", profile.key_averages().table(**self.options))


class TbTrace(TraceHandler):
    """Writes the trace as a file that TensorBoard's profiler, Perfetto and chrome://tracing show.

    No further package is needed for writing it.

    Args:
        dir_name: The folder; a relative one lies in the launch's folder of logs.
        worker_name: What the file's name begins with; by default the machine and the process.
        use_gzip: Compress the file.
    """

    def __init__(
        self, dir_name: str = "tf_tracing_logs", worker_name: str | None = None, use_gzip: bool = False
    ) -> None:
        is_elsewhere = Path(dir_name).is_absolute()
        self.dir_name = dir_name if is_elsewhere else stay_inside("TbTrace", "dir_name", dir_name)
        self.worker_name = worker_name and stay_inside("TbTrace", "worker_name", worker_name)
        self.use_gzip = use_gzip

    def __call__(self, profile: torch.profiler.profile) -> None:
        """Write the file."""
        folder = Path(self.runner.log_dir, self.dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        worker = self.worker_name or f"{socket.gethostname()}_{os.getpid()}"
        if self.worker_name and self.runner.world_size > 1:
            worker = f"{worker}_{self.runner.rank}"
        # TensorBoard's plugin finds files by this ending.
        self.file = folder / f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if self.use_gzip else ''}"
        profile.export_chrome_trace(str(self.file))
        self.runner.logger.info("the profiler's trace is in %s", self.file)
