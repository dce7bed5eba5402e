"""Where the time of a training step goes: clocks around the parts of a Runner, and of the bare loop."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from runner import Hook
from runner.dataset import fetch

if TYPE_CHECKING:
    from runner import Runner

READING, KEYS, FORWARD, UPDATE = "reading a batch", "data keys", "forward pass", "optimizer wrapper"
HOOKS, HUB, END = "hooks", "message hub", "end of the epoch"
PARTS = {
    READING: "the loader, its data set and its collation",
    KEYS: "keyed generators of fetches and steps, torch's stream kept apart",
    FORWARD: "train_step: the preprocessor, the model, the sum of its losses",
    UPDATE: "backward, step, zero_grad",
    HOOKS: "all hooks of a step: times, log, schedulers, ...",
    HUB: "what hooks and wrapper record, and reading it",
    END: "the checkpoint, shared out over the steps",
}

SHARED = ((fetch, "seed_generators"), (fetch.Keys, "at"))
"""What does not belong to one Runner, and gets its own back."""


class Clocks:
    """Seconds spent in each part, each without what it called of another one.

    A clock takes some 0.2 us itself, which is measured and taken off.

    Attributes:
        seconds: By part.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0
        self._own = self._measured()

    def _measured(self) -> float:
        """Seconds that a clock counts for a function that does nothing, over those that it takes without one."""
        self._own = 0.0
        timed = self.on("nothing", _nothing)
        for _ in range(2000):
            timed()
        own = self.seconds.pop("nothing") / 2000
        start = time.perf_counter()
        for _ in range(2000):
            _nothing()
        return own - (time.perf_counter() - start) / 2000

    def on(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with what it takes counted for a part."""
        seconds, running, clock = self.seconds, self._running, time.perf_counter

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            now = clock()
            if running:
                seconds[running[-1]] += now - self._since
            running.append(part)
            self._since = clock()
            try:
                return function(*args, **kwargs)
            finally:
                now = clock()
                seconds[part] += now - self._since - self._own
                running.pop()
                self._since = clock()

        return timed

    def each(self, part: str, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches, with what it takes to get each of them counted for a part."""
        following = self.on(part, iter(batches).__next__)
        while True:
            try:
                batch = following()
            except StopIteration:
                return
            yield batch

    def methods(self, part: str, owner: Any, *names: str) -> None:
        """Count what methods of an object take for a part."""
        for name in names:
            setattr(owner, name, self.on(part, getattr(owner, name)))


def _nothing() -> None:
    pass


class ClockHook(Hook):
    """Puts clocks on a Runner before its first step, and takes off after the last what is not the Runner's alone."""

    priority = "HIGHEST"

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def before_train(self, runner: Runner) -> None:
        clocks = self._clocks
        for hook in runner.hooks:
            for point, part in (("before_train_iter", HOOKS), ("after_train_iter", HOOKS), ("after_train_epoch", END)):
                if point in hook.get_triggered_stages():
                    clocks.methods(part, hook, point)
        clocks.methods(HUB, runner.message_hub, "update_scalar", "update_info", "settle")
        clocks.methods(KEYS, runner.streams, "enter_step", "leave_step")
        clocks.methods(UPDATE, runner.optim_wrapper, "update_params")
        clocks.methods(FORWARD, runner.model, "train_step")
        loop, batches = runner.train_loop, runner.train_loop.batches
        loop.batches = lambda epoch: clocks.each(READING, batches(epoch))  # type: ignore[method-assign]
        self._shared = [(owner, name, getattr(owner, name)) for owner, name in SHARED]
        for owner, name in SHARED:
            clocks.methods(KEYS, owner, name)

    def after_train(self, runner: Runner) -> None:
        for owner, name, function in self._shared:
            setattr(owner, name, function)


def table(ours: list[Clocks], bare: list[Clocks], steps: int) -> str:
    """Microseconds a step by part, of the Runner and of the bare loop.

    Args:
        ours: Of runs of a Runner; medians are shown.
        bare: Of runs of the bare loop.
        steps: Of each run.
    """
    lines = [f"{'us a step':18} Runner    bare"]
    for part, what in PARTS.items():
        columns = (statistics.median(clocks.seconds[part] for clocks in runs) for runs in (ours, bare))
        cells = (f"{1e6 * seconds / steps:7.1f}" if seconds else " " * 7 for seconds in columns)
        lines.append(f"{part:18}{' '.join(cells)}  {what}")
    return "\n".join(lines)
