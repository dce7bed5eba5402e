"""What the parts of a run tell each other: scalars with their recent past, and current facts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from runner.logging.current import Current
from runner.logging.history_buffer import HistoryBuffer, settle

__all__ = ["MessageHub"]


class MessageHub(Current):
    """Scalars with their recent past, and facts of which only the latest counts.

    Keys of scalars begin with their mode: `train/loss`, `val/accuracy`. Recording waits for no device and keeps a
    bounded number of values.

    Args:
        name: What `get_instance` knows it by.
        log_scalars: Scalars to begin with, by key.
        runtime_info: Facts to begin with, by key.
        resumed_keys: Which of these checkpoints hold; those that are not named are not held.
        max_length: How many values each scalar keeps.

    Raises:
        TypeError: A scalar is no `HistoryBuffer`.
        ValueError: `resumed_keys` names what is not there.
    """

    def __init__(
        self,
        name: str = "runner",
        log_scalars: Mapping[str, HistoryBuffer] | None = None,
        runtime_info: Mapping[str, Any] | None = None,
        resumed_keys: Mapping[str, bool] | None = None,
        *,
        max_length: int = 1000,
    ) -> None:
        self.name = name
        self._max_length = max_length
        self._log_scalars: dict[str, HistoryBuffer] = dict(log_scalars or {})
        self._runtime_info: dict[str, Any] = dict(runtime_info or {})
        self._resumed_keys: dict[str, bool] = dict(resumed_keys or {})
        for key, each in self._log_scalars.items():
            if not isinstance(each, HistoryBuffer):
                raise TypeError(f"MessageHub: log_scalars['{key}'] must be a HistoryBuffer, got {type(each).__name__}")
        unknown = sorted(self._resumed_keys.keys() - self._log_scalars.keys() - self._runtime_info.keys())
        if unknown:
            raise ValueError(f"MessageHub: resumed_keys names {unknown}, which log_scalars and runtime_info lack")

    @property
    def log_scalars(self) -> dict[str, HistoryBuffer]:
        """The scalars by key."""
        return self._log_scalars

    @property
    def runtime_info(self) -> dict[str, Any]:
        """The facts by key."""
        return self._runtime_info

    @property
    def resumed_keys(self) -> dict[str, bool]:
        """Whether checkpoints hold a scalar or a fact, by key."""
        return self._resumed_keys

    def update_scalar(self, key: str, value: Any, count: int = 1, resumed: bool = True) -> None:
        """Record a scalar.

        Args:
            key: Its name, `mode/name`.
            value: A number, or a tensor or array that holds one; a tensor is not read before a statistic needs it.
            count: How much it counts in a mean: `value` is then a sum over `count` values.
            resumed: Whether checkpoints hold it; the same at each call for a key.

        Raises:
            TypeError: The value is none of these.
            ValueError: It holds more than one number, or none; or `resumed` changed.
        """
        if self._resumed_keys.get(key) is not resumed:
            self._declare(key, resumed)
        buffer = self._log_scalars.get(key)
        if buffer is None:
            buffer = self._log_scalars[key] = HistoryBuffer(max_length=self._max_length)
        try:
            buffer.update(value, count)
        except (TypeError, ValueError) as error:
            raise type(error)(f"message hub, scalar '{key}': {error}") from error

    def update_scalars(self, log_dict: Mapping[str, Any], resumed: bool = True) -> None:
        """Record several scalars.

        Args:
            log_dict: Values by key; `{"value": …, "count": …}` stands for a value with its count.
            resumed: Whether checkpoints hold them.

        Raises:
            ValueError: A mapping lacks `value`, or holds other keys than these.
        """
        for key, value in log_dict.items():
            if isinstance(value, Mapping):
                if "value" not in value or value.keys() - {"value", "count"}:
                    raise ValueError(f"message hub, scalar '{key}': needs 'value', may have 'count', got {list(value)}")
                self.update_scalar(key, value["value"], value.get("count", 1), resumed)
            else:
                self.update_scalar(key, value, 1, resumed)

    def update_info(self, key: str, value: Any, resumed: bool = True) -> None:
        """Set a fact.

        Args:
            key: Its name.
            value: Plain data, if checkpoints shall hold it.
            resumed: Whether checkpoints hold it; the same at each call for a key.
        """
        if self._resumed_keys.get(key) is not resumed:
            self._declare(key, resumed)
        self._runtime_info[key] = value

    def update_info_dict(self, info_dict: Mapping[str, Any], resumed: bool = True) -> None:
        """Set several facts; the arguments are those of `update_info`."""
        for key, value in info_dict.items():
            self.update_info(key, value, resumed)

    def pop_info(self, key: str, default: Any = None) -> Any:
        """Take a fact away and return it; `default` where there is none."""
        return self._runtime_info.pop(key, default)

    def get_scalar(self, key: str) -> HistoryBuffer:
        """The recent past of a scalar.

        Raises:
            KeyError: It was never recorded.
        """
        if key not in self._log_scalars:
            raise KeyError(f"message hub: no scalar '{key}'; recorded are {sorted(self._log_scalars)}")
        return self._log_scalars[key]

    def get_info(self, key: str, default: Any = None) -> Any:
        """A copy of a fact; `default` where there is none."""
        if key not in self._runtime_info:
            return default
        return copy.deepcopy(self._runtime_info[key])

    def settle(self) -> None:
        """Read everything that was recorded, the tensors of all scalars at once; this waits for the device."""
        settle(self._log_scalars.values())

    def start_epoch(self, mode: str) -> None:
        """Begin the window `epoch` of every scalar of a mode anew."""
        for key, buffer in self._log_scalars.items():
            if key.startswith(f"{mode}/"):
                buffer.start_epoch()

    def reserve(self, length: int) -> None:
        """Keep at least that many values of each scalar from now on."""
        self._max_length = max(self._max_length, length)
        for buffer in self._log_scalars.values():
            buffer.reserve(length)

    def _declare(self, key: str, resumed: bool) -> None:
        known = self._resumed_keys.setdefault(key, resumed)
        if known is not resumed:
            raise ValueError(
                f"message hub, '{key}': resumed={resumed}, but it was recorded with resumed={known} before"
            )

    def state_dict(self) -> dict[str, Any]:
        """All that was recorded with `resumed`, as plain data; statistics after a resume are equal bit for bit."""
        self.settle()
        resumed = self._resumed_keys
        return {
            "log_scalars": {key: each.state_dict() for key, each in self._log_scalars.items() if resumed.get(key)},
            "runtime_info": {key: each for key, each in self._runtime_info.items() if resumed.get(key)},
            "resumed_keys": {key: True for key, each in resumed.items() if each},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any] | MessageHub) -> None:
        """Take back what `state_dict` returned, in place of what is here under the same keys.

        Args:
            state_dict: The state, or another hub. Scalars that are not in this package's form, as in MMEngine's
                checkpoints, are left out.
        """
        state = state_dict.state_dict() if isinstance(state_dict, MessageHub) else state_dict
        for key, each in state.get("log_scalars", {}).items():
            if isinstance(each, Mapping) and "values" in each:
                buffer = self._log_scalars[key] = HistoryBuffer(max_length=self._max_length)
                buffer.load_state_dict(each)
                self._resumed_keys[key] = True
        for key, each in state.get("runtime_info", {}).items():
            self._runtime_info[key] = copy.deepcopy(each)
            self._resumed_keys[key] = True

    def __repr__(self) -> str:
        return f"MessageHub({self.name!r}, {len(self._log_scalars)} scalars, {len(self._runtime_info)} facts)"
