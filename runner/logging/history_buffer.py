"""The recent values of one scalar, and sums over all of them."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
import torch

__all__ = ["HistoryBuffer", "Window", "settle"]

Window: TypeAlias = int | Literal["epoch", "global"] | None
"""How far a statistic looks back: that many values, this epoch's, or (`global`, None) all of them."""

_UNREAD_LIMIT: Final = 4096
"""Values that may wait to be read, so that a run that never logs does not grow."""

_UNSUMMED_LIMIT: Final = 512
"""Values that may wait to be added to the running sums, and to be dropped."""


class _Totals:
    """Sums and extremes of all values since a point in time.

    Values are added one after the other, in their order, so that a sum does not depend on when it was read.
    """

    __slots__ = ("count", "high", "low", "total")

    def __init__(self, total: float = 0.0, count: int = 0, low: float = math.inf, high: float = -math.inf) -> None:
        self.total = total
        self.count = count
        self.low = low
        self.high = high

    def add(self, values: Sequence[float], count: int, low: float, high: float) -> None:
        self.total = functools.reduce(operator.add, values, self.total)
        self.count += count
        # Not min(): once one of them is not a number it stays so.
        self.low = self.low if self.low <= low or math.isnan(self.low) else low
        self.high = self.high if self.high >= high or math.isnan(self.high) else high

    def state(self) -> list[float]:
        return [self.total, self.count, self.low, self.high]


class HistoryBuffer:
    """The recent values of one scalar.

    An update costs the same however many there were, and waits for no device: tensors are kept as they are until a
    statistic is asked for, then those of a device are read all at once. The last `max_length` values are kept; statistics
    over an epoch or over everything come from running sums.

    Args:
        log_history: Values to begin with.
        count_history: How much each of them counts in a mean; 1 each by default.
        max_length: How many values are kept; a message hub's buffers keep 1000, or what its `reserve` was asked for.
    """

    _statistics: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(
        self, log_history: Sequence[float] = (), count_history: Sequence[int] = (), max_length: int = 1000000
    ) -> None:
        if max_length < 1:
            raise ValueError(f"HistoryBuffer: max_length must be at least 1, got {max_length}")
        if count_history and len(count_history) != len(log_history):
            raise ValueError(
                f"HistoryBuffer: log_history and count_history must have the same length, "
                f"got {len(log_history)} and {len(count_history)}"
            )
        self._max_length = max_length
        # The last values, and older ones that were not dropped yet.
        self._values: list[float] = []
        self._counts: list[int] = []
        self._epoch = _Totals()
        self._global = _Totals()
        self._length = 0
        self._unsummed = 0
        self._new_values: list[Any] = []
        self._new_counts: list[int] = []
        self._new_are_floats = True
        self._new_epoch: int | None = None
        for value, count in zip(log_history, count_history or [1] * len(log_history), strict=True):
            self.update(value, count)

    def update(self, log_val: Any, count: int = 1) -> None:
        """Record a value.

        Args:
            log_val: A number, or a tensor or array that holds one; a tensor is not read before a statistic needs it.
            count: How much it counts in a mean: `log_val` is then a sum over `count` values.

        Raises:
            TypeError: It is none of these.
            ValueError: It holds more than one number, or none.
        """
        if log_val.__class__ is not float:
            self._new_are_floats = False
            if log_val.__class__ is torch.Tensor and log_val.requires_grad and not log_val.dim():
                # What a training step returns; see _accepted for why only a view is copied.
                log_val = log_val.detach() if log_val._base is None else log_val.detach().clone()  # noqa: SLF001
            else:
                log_val = _accepted(log_val)
        self._new_values.append(log_val)
        self._new_counts.append(count)
        if len(self._new_values) >= _UNREAD_LIMIT:
            settle((self,))

    def start_epoch(self) -> None:
        """Begin the window `epoch` anew with the next value."""
        # An epoch that began before, among values that nobody has read, leaves nothing.
        self._new_epoch = len(self._new_values)
        if not self._new_values:
            self._absorb()

    def reserve(self, length: int) -> None:
        """Keep at least that many values from now on."""
        if length > self.max_length:
            settle((self,))
            self._drop()
            self._max_length = length

    def has(self, window_size: Window) -> bool:
        """Whether anything was recorded in a window."""
        settle((self,))
        self._sum_up()
        return bool(self._epoch.count if window_size == "epoch" else self._length)

    @property
    def recorded(self) -> int:
        """How many values were ever recorded; nothing is read for it."""
        return self._length + len(self._new_values)

    @property
    def max_length(self) -> int:
        """How many values are kept."""
        return self._max_length

    @property
    def data(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The values that are kept and their counts, oldest first."""
        return self._log_history, self._count_history

    @property
    def _log_history(self) -> np.ndarray[Any, Any]:
        # Under MMEngine's name, since registered statistics read it.
        settle((self,))
        self._drop()
        return np.array(self._values, dtype=np.float64)

    @property
    def _count_history(self) -> np.ndarray[Any, Any]:
        settle((self,))
        self._drop()
        return np.array(self._counts)

    def __len__(self) -> int:
        """How many values were ever recorded."""
        settle((self,))
        return self._length

    @classmethod
    def register_statistics(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """Offer a function as a statistic under its own name, for `method_name` in a LogProcessor's `custom_cfg`.

        Args:
            method: Takes the buffer and `window_size`, a number of values.
        """
        cls._statistics[method.__name__] = method
        return method

    def statistics(self, method_name: str, *args: Any, **kwargs: Any) -> Any:
        """Compute a statistic by its name.

        Args:
            method_name: `mean`, `min`, `max`, `current`, or a registered one.
            *args: For the statistic.
            **kwargs: For the statistic.

        Raises:
            KeyError: There is no such statistic.
        """
        if method_name in {"mean", "min", "max", "current"}:
            return getattr(self, method_name)(*args, **kwargs)
        if method_name not in self._statistics:
            known = sorted({"mean", "min", "max", "current", *self._statistics})
            raise KeyError(f"no statistic '{method_name}'; there are {known}")
        return self._statistics[method_name](self, *args, **kwargs)

    def mean(self, window_size: Window = None) -> float:
        """The mean: the sum of the values by the sum of their counts.

        Args:
            window_size: How far to look back.

        Raises:
            ValueError: Nothing was recorded in the window, or it reaches further back than values are kept.
        """
        totals = self._totals(window_size)
        if totals is not None:
            return totals.total / totals.count
        assert isinstance(window_size, int)
        return self.past_mean(window_size, self._length)

    def keeps(self, recorded: int) -> bool:
        """Whether the value is kept that was the last one when so many were recorded."""
        return self._length - len(self._values) < recorded <= self.recorded

    def past_mean(self, window_size: int, recorded: int) -> float:
        """What `mean(window_size)` was some time ago.

        Args:
            window_size: How far to look back from there: a number of values.
            recorded: What `recorded` was then, at least 1.

        Raises:
            ValueError: The values of that time are not kept any more.
        """
        places = self._places(window_size, recorded)
        return math.fsum(self._values[places]) / sum(self._counts[places])

    def past_value(self, recorded: int) -> float:
        """What `current()` was some time ago; the arguments and errors are those of `past_mean`."""
        return self._values[self._places(1, recorded)][0]

    def _places(self, window_size: int, recorded: int) -> slice:
        """Where the values lie that were the last ones when so many were recorded."""
        if self._new_values:
            settle((self,))
        end = len(self._values) - self._length + recorded
        if end < 1:
            raise ValueError(f"HistoryBuffer: value number {recorded} is not kept any more")
        return slice(max(0, end - window_size), end)

    def max(self, window_size: Window = None) -> float:
        """The largest value; the arguments and errors are those of `mean`."""
        totals = self._totals(window_size)
        return totals.high if totals is not None else self._extreme(max, window_size)

    def min(self, window_size: Window = None) -> float:
        """The smallest value; the arguments and errors are those of `mean`."""
        totals = self._totals(window_size)
        return totals.low if totals is not None else self._extreme(min, window_size)

    def current(self) -> float:
        """The last value.

        Raises:
            ValueError: Nothing was recorded yet.
        """
        if self._new_values:
            settle((self,))
        if not self._values:
            raise ValueError("HistoryBuffer: nothing was recorded yet")
        return self._values[-1]

    def _totals(self, window_size: Window) -> _Totals | None:
        """The running sums that answer for a window; None where the kept values do."""
        if self._new_values:
            settle((self,))
        if isinstance(window_size, int):
            if window_size < 1:
                raise ValueError(f"HistoryBuffer: a window must be at least 1, got {window_size}")
            if window_size < self._length:
                self._check_reach(window_size)
                return None
            if 0 < self._length <= min(len(self._values), self._max_length):
                return None
            window_size = "global"
        if window_size not in {None, "epoch", "global"}:
            raise ValueError(f"HistoryBuffer: a window is a number, 'epoch' or 'global', got {window_size!r}")
        self._sum_up()
        totals = self._epoch if window_size == "epoch" else self._global
        if not totals.count:
            raise ValueError("HistoryBuffer: nothing was recorded yet in this window")
        return totals

    def _check_reach(self, window_size: int) -> None:
        if window_size > self.max_length:
            raise ValueError(
                f"HistoryBuffer: a window of {window_size} reaches further back than the {self.max_length} values that "
                "are kept; ask for more beforehand with message_hub.reserve(), or take the window 'global'"
            )

    def _extreme(self, pick: Callable[[Sequence[float]], float], window_size: Window) -> float:
        assert isinstance(window_size, int)
        values = self._values[self._places(window_size, self._length)]
        return math.nan if _has_nan(values) else pick(values)

    def _sort_out(self, batches: dict[Any, list[tuple[list[Any], int]]]) -> None:
        """Read what needs no waiting for; add the places of other tensors to those that are read in one go."""
        if self._new_are_floats:
            return
        values = self._new_values
        for index, value in enumerate(values):
            if value.__class__ is not float:
                if value.__class__ is torch.Tensor and value.is_cpu:
                    values[index] = float(value)
                else:
                    batches.setdefault((value.device, value.dtype), []).append((values, index))

    def _absorb(self) -> None:
        """Take in what was recorded, all of which is floats now, and begin an epoch where one began."""
        values, counts = self._new_values, self._new_counts
        self._new_values, self._new_counts, self._new_are_floats = [], [], True
        if self._new_epoch is not None:
            begin, self._new_epoch = self._new_epoch, None
            self._take_in(values[:begin], counts[:begin])
            self._sum_up()
            self._epoch = _Totals()
            values, counts = values[begin:], counts[begin:]
        self._take_in(values, counts)

    def _take_in(self, values: list[float], counts: list[int]) -> None:
        """Move values that were read to where statistics look; the running sums get them later, many at once."""
        if self._unsummed >= _UNSUMMED_LIMIT or len(self._values) >= self._max_length + _UNSUMMED_LIMIT:
            # Before, not after: what is read at one go stays at least until the next time. The second question is for
            # buffers whose sums are read often, so that little waits to be added.
            self._drop()
        self._values += values
        self._counts += counts
        number = len(values)
        self._length += number
        self._unsummed += number

    def _drop(self) -> None:
        """Leave the last `max_length` values alone, the others only in the sums."""
        self._sum_up()
        surplus = len(self._values) - self._max_length
        if surplus > 0:
            del self._values[:surplus], self._counts[:surplus]

    def _sum_up(self) -> None:
        """Bring the running sums up to date."""
        if not self._unsummed:
            return
        values, count = self._values[-self._unsummed :], sum(self._counts[-self._unsummed :])
        self._unsummed = 0
        low, high = min(values), max(values)
        if _has_nan(values):
            low = high = math.nan
        self._epoch.add(values, count, low, high)
        self._global.add(values, count, low, high)

    def state_dict(self) -> dict[str, Any]:
        """Everything as plain data; statistics after `load_state_dict` are equal bit for bit."""
        settle((self,))
        self._drop()
        return {
            "values": list(self._values),
            "counts": list(self._counts),
            "length": self._length,
            "max_length": self.max_length,
            "epoch": self._epoch.state(),
            "global": self._global.state(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self._max_length = max(int(state_dict["max_length"]), self.max_length)
        self._values = list(state_dict["values"])
        self._counts = list(state_dict["counts"])
        self._length = int(state_dict["length"])
        self._epoch = _Totals(*state_dict["epoch"])
        self._global = _Totals(*state_dict["global"])
        self._unsummed = 0
        self._new_values = []
        self._new_counts = []
        self._new_are_floats = True
        self._new_epoch = None


def settle(buffers: Iterable[HistoryBuffer]) -> None:
    """Read what was recorded: a device's tensors of one dtype, of all buffers, in one go, which waits for the device."""
    unread = [buffer for buffer in buffers if buffer._new_values]  # noqa: SLF001 - this function is a part of the class
    batches: dict[Any, list[tuple[list[Any], int]]] = {}
    for buffer in unread:
        buffer._sort_out(batches)  # noqa: SLF001 - as above
    for places in batches.values():
        numbers = torch.stack([values[index] for values, index in places]).tolist()
        for (values, index), number in zip(places, numbers, strict=True):
            values[index] = float(number)
    for buffer in unread:
        buffer._absorb()  # noqa: SLF001 - as above


def _accepted(value: Any) -> float | torch.Tensor:
    """A value as it is kept: a float, or a tensor of no dimensions that nobody else writes to."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise ValueError(f"a scalar is recorded from one number, got a tensor of shape {tuple(value.shape)}")
        # A result that autograd tracks is written to by nobody. Anything else may be a buffer that the next step
        # fills, and a view would keep all that it is a view of.
        if not value.requires_grad:
            kept = value.clone()
        elif value._base is None:  # noqa: SLF001 - the documented way to tell a view
            kept = value.detach()
        else:
            kept = value.detach().clone()
        return kept.reshape(()) if kept.dim() else kept
    if isinstance(value, (int, float, np.number, np.bool_)):
        return float(value)
    if isinstance(value, np.ndarray):
        if value.size != 1:
            raise ValueError(f"a scalar is recorded from one number, got an array of shape {value.shape}")
        return float(value.item())
    raise TypeError(f"a scalar is recorded from a number, a tensor or an array, got {type(value).__name__}")


def _has_nan(values: Sequence[float]) -> bool:
    # A sum is not a number where one of its terms is not; two infinities make it so too.
    return math.isnan(sum(values)) and any(map(math.isnan, values))
