"""Writes what was recorded: to the log, to the visualizer's backends, to the terminal's progress line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import torch

from runner.fileio import get_file_backend
from runner.hooks.hook import Hook
from runner.hooks.stores import backend_args_of
from runner.kinds import Interval
from runner.logging.console import ProgressLine, summary
from runner.logging.log_processor import LogProcessor
from runner.logging.memory import peak_memory

if TYPE_CHECKING:
    from runner.fileio import BackendArgs
    from runner.runner import Runner

__all__ = ["LoggerHook"]

_MAX_WAIT: Final = 200
"""Steps that scalars may wait for the next line; the history of each goes back so much further."""


class LoggerHook(Hook):
    """Writes losses at intervals and metrics after each validation, and at the end where everything lies.

    Reading the losses is the one moment at which training waits for the device.

    Args:
        interval: Steps of an epoch from one line to the next.
        ignore_last: Write no line for the steps left over at an epoch's end, unless the epoch has no other.
        interval_exp_name: Iterations from one mention of the experiment's name to the next.
        out_dir: A folder to copy the logs to after the run; they go to a folder in it named as the work directory.
        out_suffix: Which files are copied: those whose names end so.
        keep_local: Keep the copied files in the work directory too.
        file_client_args: The older name of `backend_args`.
        log_metric_by_epoch: Give validation metrics the epoch as their step, else the iteration. A log processor that
            counts in iterations makes it the iteration in any case.
        backend_args: What the driver of `out_dir` needs, where that is a remote store (`s3://…`).
        min_line_seconds: Seconds from one line of training to the next at least, since a person reads no more. The
            scalars are recorded at each interval whatever the time, and handed to the visualizer's backends with the
            next line, before a checkpoint, or when training ends or fails. The last line of an epoch does not wait.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self,
        interval: Annotated[int, Interval(ge=1)] = 10,
        ignore_last: bool = True,
        interval_exp_name: Annotated[int, Interval(ge=1)] = 1000,
        out_dir: str | Path | None = None,
        out_suffix: str | Sequence[str] = (".json", ".jsonl", ".log", ".py", ".yaml"),
        keep_local: bool = True,
        file_client_args: BackendArgs | None = None,
        log_metric_by_epoch: bool = True,
        backend_args: BackendArgs | None = None,
        min_line_seconds: Annotated[float, Interval(ge=0)] = 0.1,
    ) -> None:
        if interval < 1 or interval_exp_name < 1:
            raise ValueError(
                f"LoggerHook: interval and interval_exp_name must be at least 1, got {interval} and {interval_exp_name}"
            )
        if out_dir is None and not keep_local:
            raise ValueError("LoggerHook: keep_local=False needs out_dir, or the logs would be lost")
        self.interval = interval
        self.ignore_last = ignore_last
        self.interval_exp_name = interval_exp_name
        self.out_dir = str(out_dir) if out_dir is not None else None
        self.backend_args = backend_args_of("LoggerHook", file_client_args, backend_args)
        if self.backend_args is not None and out_dir is None:
            raise ValueError("LoggerHook: backend_args are for out_dir, which is not given")
        self.out_suffix = (out_suffix,) if isinstance(out_suffix, str) else tuple(out_suffix)
        self.keep_local = keep_local
        self.log_metric_by_epoch = log_metric_by_epoch
        self.min_line_seconds = min_line_seconds
        self.json_log_path = ""
        self._next_line = 0.0
        self._last_flush = 0
        self._lines_can_wait = False
        self._epoch_length: int | None = None
        self._progress: ProgressLine | None = None
        self._logged: dict[str, Any] = {}
        self._metrics: dict[str, Any] = {}
        self._best: dict[str, Any] = {}
        self._started: float | None = None
        self._trained: str | None = None

    def before_run(self, runner: Runner) -> None:
        """Name the file, and see whether there is a terminal."""
        self.json_log_path = f"{runner.timestamp}.json"
        runner.message_hub.reserve(getattr(runner.log_processor, "longest_window", 1) + _MAX_WAIT)
        console = getattr(runner.logger, "console", None)
        self._progress = ProgressLine(console) if runner.rank == 0 and console is not None and console.live else None

    def before_train(self, runner: Runner) -> None:
        """Remember when the training began."""
        self._started = perf_counter()

    def before_train_epoch(self, runner: Runner) -> None:
        """Ask for the epoch's length once."""
        self._epoch_length = _length(runner.train_dataloader)
        # A log processor of the user's own, which knows nothing of the two halves, is always asked for both.
        self._lines_can_wait = type(runner.log_processor).get_log_after_iter is LogProcessor.get_log_after_iter

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Write a line at intervals."""
        done, length = batch_idx + 1, self._epoch_length
        step = runner.iter + 1
        if step % self.interval_exp_name == 0 or done == length:
            runner.logger.info("Exp name: %s", runner.experiment_name, transient=True)
        if done % self.interval == 0 or (done == length and (not self.ignore_last or done <= self.interval)):
            self._log_iter(runner, batch_idx, step, last=done == length)
        if self._progress is not None and (done == length or self._progress.due(perf_counter())):
            self._draw(runner, "train", done, length)

    def _log_iter(self, runner: Runner, batch_idx: int, step: int, *, last: bool) -> None:
        """Read what was recorded, and write it as a line if the last one was long enough ago."""
        now = perf_counter()
        if self._lines_can_wait and now < self._next_line and not last:
            tag = runner.log_processor.get_tag_later(runner, batch_idx, "train")
            runner.visualizer.queue_scalars(tag, step, self.json_log_path)
            if step - self._last_flush + self.interval > _MAX_WAIT:
                runner.visualizer.flush()
                self._last_flush = step
            return
        self._next_line, self._last_flush = now + self.min_line_seconds, step
        self._logged, line = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")
        runner.logger.info(line, transient=True)
        runner.visualizer.add_scalars(self._logged, step=step, file_path=self.json_log_path)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Let the backends have what was recorded before, so that a run that goes on from here lacks nothing."""
        runner.visualizer.flush()

    def after_train_epoch(self, runner: Runner) -> None:
        """Let the backends have what was recorded, and leave the epoch's last progress line on the terminal."""
        runner.visualizer.flush()
        if self._progress is not None:
            self._progress.keep()

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Write a line at intervals."""
        self._after_eval_iter(runner, batch_idx, "val")

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Write a line at intervals."""
        self._after_eval_iter(runner, batch_idx, "test")

    def _after_eval_iter(self, runner: Runner, batch_idx: int, mode: str) -> None:
        if self.every_n_inner_iters(batch_idx, self.interval):
            _, line = runner.log_processor.get_log_after_iter(runner, batch_idx, mode)
            runner.logger.info(line, transient=True)
        if self._progress is not None and self._progress.due(perf_counter()):
            self._draw(runner, mode, batch_idx + 1, _length(getattr(runner, f"{mode}_dataloader")))

    def _draw(self, runner: Runner, mode: str, done: int, length: int | None) -> None:
        assert self._progress is not None
        values = self._logged
        if mode != "train":
            memory = peak_memory(runner.device)
            values = {} if memory is None else {"memory": memory}
            title = f"Epoch({mode}) {runner.epoch}" if mode == "val" else "Test"
        elif getattr(runner.log_processor, "by_epoch", True):
            title = f"Epoch {runner.epoch + 1}/{runner.max_epochs}"
        else:
            title, done, length = "Iter", runner.iter + 1, runner.max_iters
        self._progress.draw(title, done, length, runner.message_hub.runtime_info.get("eta"), values)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics."""
        length = _length(runner.val_dataloader) or 0
        tag, line = runner.log_processor.get_log_after_epoch(runner, length, "val")
        self._clear_progress(runner)
        runner.logger.info(line)
        by_epoch = self.log_metric_by_epoch and getattr(runner.log_processor, "by_epoch", True)
        step = runner.epoch if by_epoch else runner.iter
        runner.visualizer.add_scalars(tag, step=step, file_path=self.json_log_path)
        self._metrics = dict(metrics or {})

    def after_val(self, runner: Runner) -> None:
        """Remember the metrics of the checkpoints that this validation made the best."""
        for key, path in _best_checkpoints(runner).items():
            if Path(self._best.get(key, {}).get("path", "")).name != Path(path).name:  # the folder may have moved
                scalars = {name: value for name, value in self._metrics.items() if isinstance(value, (int, float))}
                self._best[key] = {"path": path, "metrics": scalars}

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics, also to a JSON file in the log directory."""
        length = _length(runner.test_dataloader) or 0
        tag, line = runner.log_processor.get_log_after_epoch(runner, length, "test", with_non_scalar=True)
        self._clear_progress(runner)
        runner.logger.info(line)
        if runner.rank == 0:
            file = Path(runner.log_dir, self.json_log_path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{json.dumps(_jsonable(tag))}\n", encoding="utf-8")

    def after_train(self, runner: Runner) -> None:
        """Remember how far the training came."""
        seconds = perf_counter() - (self._started or perf_counter())
        minutes, seconds = divmod(seconds, 60)
        self._trained = f"{runner.epoch} epochs, {runner.iter} iterations in {int(minutes)} min {seconds:.1f} s"

    def after_run(self, runner: Runner) -> None:
        """Say where everything lies, close the backends, copy the logs."""
        self._clear_progress(runner)
        if self._trained is not None:
            runner.logger.info(summary(f"Training finished: {self._trained}", self._whereabouts(runner)))
            self._trained = None
        runner.visualizer.close()
        if self.out_dir is not None and runner.rank == 0:
            backend = get_file_backend(self.out_dir, backend_args=self.backend_args)
            self._copy_logs(runner, backend, backend.join_path(self.out_dir, Path(runner.work_dir).resolve().name))

    def _clear_progress(self, runner: Runner) -> None:
        if self._progress is not None:
            self._progress.clear()

    def _whereabouts(self, runner: Runner) -> dict[str, str]:
        """The rows of the summary."""
        rows: dict[str, str] = {}
        hub = runner.message_hub
        for key, path in _best_checkpoints(runner).items():
            label = f"best {key}".rstrip()
            score = hub.get_info(f"best_score_{key}" if key else "best_score")
            metrics = self._best.get(key, {}).get("metrics") or ({"score": score} if score is not None else {})
            rows[f"{label} checkpoint"] = path
            if metrics:
                rows[f"{label} metrics"] = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        if not rows and self._metrics:
            scalars = {name: value for name, value in self._metrics.items() if isinstance(value, (int, float))}
            rows["last metrics"] = ", ".join(f"{name} {value:.4f}" for name, value in scalars.items())
        last = hub.get_info("last_ckpt")
        if last is not None:
            rows["last checkpoint"] = str(last)
        rows["work directory"] = str(runner.work_dir)
        rows["logs and scalars"] = str(runner.log_dir)
        return rows

    def _copy_logs(self, runner: Runner, backend: Any, target: str) -> None:
        source = Path(runner.log_dir)
        runner.logger.info("Copying the logs to %s", target)
        for file in sorted(source.rglob("*")):
            if file.is_file() and file.name.endswith(self.out_suffix):
                copy = backend.join_path(target, source.name, file.relative_to(source).as_posix())
                backend.copyfile_from_local(str(file), copy)
                if not self.keep_local:
                    file.unlink()
        if not self.keep_local:
            # So that a later message begins a new file instead of going to the one that was removed.
            runner.logger.close()

    def state_dict(self) -> dict[str, Any]:
        """The best checkpoints so far with their metrics."""
        return {"best": self._best} if self._best else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self._best = {key: dict(value) for key, value in state_dict["best"].items()}


def _best_checkpoints(runner: Runner) -> dict[str, str]:
    """The best checkpoints by the metric in their key; '' where there is only one."""
    facts: Mapping[str, Any] = runner.message_hub.runtime_info
    return {
        key.removeprefix("best_ckpt").removeprefix("_"): str(value)
        for key, value in facts.items()
        if (key == "best_ckpt" or key.startswith("best_ckpt_")) and value is not None
    }


def _length(dataloader: Any) -> int | None:
    try:
        return len(dataloader)
    except TypeError:  # an iterable dataset does not know its length
        return None


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(each) for each in value]
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return value.tolist()
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
