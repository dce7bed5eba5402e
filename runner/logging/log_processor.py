"""Turns recorded values into a line of the log."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence, Sized
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from typing_extensions import Required, TypedDict

from runner.kinds import Interval
from runner.logging.memory import peak_memory

if TYPE_CHECKING:
    from runner.logging.history_buffer import HistoryBuffer
    from runner.runner import Runner

__all__ = ["CustomLog", "LogProcessor"]


class CustomLog(TypedDict, total=False):
    """How one value is logged.

    Attributes:
        data_src: The recorded value, without its mode: `loss`, `time`.
        method_name: What is computed from it: `mean`, `min`, `max`, `current`, or a statistic registered by code.
        window_size: How far to look back: a number of values, or all of this epoch, or all since the start.
        log_name: Its name in the log; without one the value takes the place of `data_src`.
    """

    data_src: Required[str]
    method_name: Required[str]
    window_size: Annotated[int, Interval(ge=1)] | Literal["epoch", "global"]
    log_name: str


class _Column(NamedTuple):
    """What a line has of a recorded value: its name, whether it is shown at all, and whether as an average."""

    name: str
    shown: bool
    averaged: bool


class LogProcessor:
    """Turns recorded values into a line of the log, and into the scalars that backends keep.

    Args:
        window_size: Over how many steps values that match `mean_pattern` are averaged.
        by_epoch: Count in epochs; otherwise in iterations.
        custom_cfg: Values to be logged in another way.
        num_digits: How many digits follow the decimal point.
        log_with_hierarchy: Put the mode before each scalar's name (`train/loss`) in what backends get.
        mean_pattern: A regular expression; what it matches in a value's name is averaged, the rest is shown as it is.
    """

    def __init__(
        self,
        window_size: Annotated[int, Interval(ge=1)] = 10,
        by_epoch: bool = True,
        custom_cfg: Sequence[CustomLog] | None = None,
        num_digits: Annotated[int, Interval(ge=0)] = 4,
        log_with_hierarchy: bool = False,
        mean_pattern: str = r".*(loss|time|data_time|grad_norm).*",
    ) -> None:
        self.window_size = window_size
        self.by_epoch = by_epoch
        self.custom_cfg: list[CustomLog] = list(custom_cfg or ())
        self.num_digits = num_digits
        self.log_with_hierarchy = log_with_hierarchy
        self.mean_pattern = re.compile(mean_pattern)
        self._columns: dict[str, dict[str, _Column]] = {}
        self._check_custom_cfg()
        windows = [each.get("window_size") for each in self.custom_cfg]
        self.longest_window = max([window_size, *(window for window in windows if isinstance(window, int))])

    def _check_custom_cfg(self) -> None:
        names: set[str] = set()
        for index, each in enumerate(self.custom_cfg):
            unknown = sorted(each.keys() - CustomLog.__annotations__.keys())
            missing = sorted({"data_src", "method_name"} - each.keys())
            if unknown or missing:
                raise ValueError(
                    f"LogProcessor: custom_cfg[{index}] lacks {missing} or has unknown keys {unknown}; "
                    f"allowed are {sorted(CustomLog.__annotations__)}"
                )
            if not self.by_epoch and each.get("window_size") == "epoch":
                raise ValueError(f"LogProcessor: custom_cfg[{index}] has window_size 'epoch', but by_epoch is False")
            name = each.get("log_name", each["data_src"])
            if name in names:
                raise ValueError(f"LogProcessor: custom_cfg[{index}] gives '{name}' for the second time; set log_name")
            names.add(name)

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict[str, Any], str]:
        """What is logged after a step.

        Args:
            runner: The Runner at work.
            batch_idx: The step's index in its epoch.
            mode: `train`, `val` or `test`.

        Returns:
            The scalars by name, and the line.
        """
        shown, tag, memory = self._read_iter(runner, batch_idx, mode)
        # The rates stand first, and in scientific notation.
        rates = [f"{name}: {shown.pop(name):.{self.num_digits}e}" for name in list(shown) if name.endswith("lr")]
        parts = [" ".join(rates)]
        eta = runner.message_hub.runtime_info.get("eta")
        if eta is not None and "time" in shown and "data_time" in shown:
            parts.append(f"eta: {dt.timedelta(seconds=int(eta))}")
            parts += [f"{name}: {self._format(shown.pop(name))}" for name in ("time", "data_time")]
        if memory is not None:
            parts.append(f"memory: {memory}")
        if mode == "train":
            parts += [f"{name}: {self._format(value)}" for name, value in shown.items()]
        elif mode == "val":
            parts += [f"{name}: {self._format(value)}" for name, value in shown.items() if name.startswith("loss")]
        return tag, self._iter_header(runner, batch_idx, mode) + "  ".join(parts)

    def get_tag_later(self, runner: Runner, batch_idx: int, mode: str) -> Callable[[], dict[str, Any]]:
        """The scalars of `get_log_after_iter` at this moment, to be worked out a little later.

        Nothing is read here. To work out the scalars of several moments one after the other costs a fraction of doing
        it between steps, and their tensors are read at one go.

        Args:
            runner: The Runner at work.
            batch_idx: The step's index in its epoch.
            mode: `train`, `val` or `test`.

        Returns:
            What returns them. A value that was recorded, and read, more than 1000 times in between is left out.
        """
        if self.custom_cfg or type(self) is not LogProcessor:
            # Statistics of any kind look at what is there now.
            tag = self._read_iter(runner, batch_idx, mode)[1]
            return lambda: tag
        columns, marks = self._columns.setdefault(mode, {}), []
        for key, buffer in runner.message_hub.log_scalars.items():
            column = columns.get(key) or self._column(key, mode)
            if column.shown:
                marks.append((column, buffer, buffer.recorded))
        return partial(self._tag_of, runner, mode, marks, self._counters(runner, mode))

    def _tag_of(
        self, runner: Runner, mode: str, marks: list[tuple[_Column, HistoryBuffer, int]], counters: dict[str, int]
    ) -> dict[str, Any]:
        """The scalars of a moment in the past: how many values there were of each, and the counters."""
        runner.message_hub.settle()
        shown: dict[str, Any] = {}
        for column, buffer, recorded in marks:
            if buffer.keeps(recorded):
                past = buffer.past_mean(self.window_size, recorded) if column.averaged else buffer.past_value(recorded)
                shown[column.name] = past
        return self._tag(shown, mode, counters, peak_memory(runner.device))

    def _read_iter(
        self, runner: Runner, batch_idx: int, mode: str
    ) -> tuple[dict[str, Any], dict[str, Any], int | None]:
        """The scalars by the names that lines show, the same as they are recorded, and the memory in MiB."""
        shown = self._collect_scalars(runner, batch_idx, mode, self.custom_cfg)
        memory = peak_memory(runner.device)
        return shown, self._tag(shown, mode, self._counters(runner, mode), memory), memory

    def _counters(self, runner: Runner, mode: str) -> dict[str, int]:
        counts_epochs = self.by_epoch and mode in {"train", "val"}
        return {**({"epoch": self._get_epoch(runner, mode)} if counts_epochs else {}), "iter": runner.iter + 1}

    def _tag(self, shown: dict[str, Any], mode: str, counters: dict[str, int], memory: int | None) -> dict[str, Any]:
        tag = {**self._with_mode(shown, mode), **counters}
        if memory is not None:
            tag["memory"] = memory
        return tag

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict[str, Any], str]:
        """What is logged after a validation or a test.

        Args:
            runner: The Runner at work.
            batch_idx: How many batches there were.
            mode: `val` or `test`.
            with_non_scalar: Put metrics that are no single number among the scalars too.

        Returns:
            The scalars by name, times last, and the line.
        """
        sources = {each["data_src"].removeprefix(f"{mode}/") for each in self.custom_cfg}
        times: list[CustomLog] = [
            {"data_src": name, "window_size": "epoch", "method_name": "mean"}
            for name in ("time", "data_time")
            if name not in sources
        ]
        shown = self._collect_scalars(runner, batch_idx, mode, [*self.custom_cfg, *times])
        time_tag = {name: shown.pop(name) for name in list(shown) if name in {"time", "data_time"}}
        tag, time_tag = self._with_mode(shown, mode), self._with_mode(time_tag, mode)
        others = self._with_mode(self._collect_non_scalars(runner, mode), mode)
        items = [f"{name}: {self._format(value)}" for name, value in {**tag, **others, **time_tag}.items()]
        if with_non_scalar:
            tag.update(others)
        tag.update(time_tag)
        return tag, self._epoch_header(runner, mode) + "  ".join(items)

    def _collect_scalars(
        self, runner: Runner, batch_idx: int, mode: str, custom_cfg: Sequence[CustomLog]
    ) -> dict[str, Any]:
        """The mode's scalars by their names without the mode, all read from the device at once."""
        hub = runner.message_hub
        hub.settle()
        columns = self._columns.setdefault(mode, {})
        tag: dict[str, Any] = {}
        for key, buffer in hub.log_scalars.items():
            column = columns.get(key) or self._column(key, mode)
            if column.averaged:
                tag[column.name] = buffer.mean(self.window_size)
            elif column.shown:
                tag[column.name] = buffer.current()
        for each in custom_cfg:
            source, window = each["data_src"].removeprefix(f"{mode}/"), each.get("window_size")
            found = hub.log_scalars.get(f"{mode}/{source}")
            if found is not None and found.has(window):
                name = each.get("log_name", source)
                tag[name] = self._statistic(found, each["method_name"], window, runner.iter, batch_idx)
        return tag

    def _column(self, key: str, mode: str) -> _Column:
        """What a line of a mode has of a recorded value."""
        prefix = f"{mode}/"
        name = key.removeprefix(prefix)
        shown = key.startswith(prefix)
        column = _Column(name, shown, shown and self.mean_pattern.search(name) is not None)
        self._columns[mode][key] = column
        return column

    @staticmethod
    def _statistic(
        buffer: HistoryBuffer, method: str, window: int | Literal["epoch", "global"] | None, step: int, batch_idx: int
    ) -> Any:
        if method == "current":
            return buffer.current()
        if method not in {"mean", "min", "max"} and isinstance(window, str):
            # Statistics that users register slice the history, so they get a number.
            window = batch_idx + 1 if window == "epoch" else step + 1
        return buffer.statistics(method) if window is None else buffer.statistics(method, window_size=window)

    @staticmethod
    def _collect_non_scalars(runner: Runner, mode: str) -> dict[str, Any]:
        """Metrics that are no single number, which the hub holds as facts."""
        prefix = f"{mode}/"
        facts = runner.message_hub.runtime_info
        return {key[len(prefix) :]: value for key, value in facts.items() if key.startswith(prefix)}

    def _with_mode(self, tag: dict[str, Any], mode: str) -> dict[str, Any]:
        return {f"{mode}/{name}": value for name, value in tag.items()} if self.log_with_hierarchy else tag

    def _format(self, value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.{self.num_digits}f}"
        # Arrays begin on a line of their own.
        return f"\n{value}\n" if isinstance(value, (torch.Tensor, np.ndarray)) else str(value)

    def _iter_header(self, runner: Runner, batch_idx: int, mode: str) -> str:
        length = _length(runner, mode)
        total = "?" if length is None else str(length)
        position = str(batch_idx + 1).rjust(len(total))
        if not self.by_epoch:
            if mode == "train":
                total = str(runner.max_iters)
                position = str(runner.iter + 1).rjust(len(total))
            return f"Iter({mode}) [{position}/{total}]  "
        if mode == "test":
            return f"Epoch({mode}) [{position}/{total}]  "
        epoch = f"[{self._get_epoch(runner, mode)}]"
        if runner.max_epochs:
            # Three more for the brackets and the space, so that lines stay aligned to the last epoch.
            epoch = epoch.rjust(len(str(runner.max_epochs)) + 3)
        return f"Epoch({mode}){epoch}[{position}/{total}]  "

    def _epoch_header(self, runner: Runner, mode: str) -> str:
        length = _length(runner, mode)
        size = "?" if length is None else str(length)
        if not self.by_epoch:
            return f"Iter({mode}) [{size}/{size}]    "
        if mode == "val":
            return f"Epoch({mode}) [{self._get_epoch(runner, mode)}][{size}/{size}]    "
        return f"Epoch({mode}) [{size}/{size}]    "

    @staticmethod
    def _get_epoch(runner: Runner, mode: str) -> int:
        """The number of the epoch at work in training, of those that are done in validation."""
        return runner.epoch + 1 if mode == "train" else runner.epoch


def _length(runner: Runner, mode: str) -> int | None:
    """How many batches a mode's loader gives; None where it cannot tell."""
    loader: Any = getattr(runner, f"{mode}_dataloader")
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:  # a loader over an iterable dataset has a length that it refuses to give
        return None
