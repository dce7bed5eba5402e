"""torch's elastic agent for one attempt: it waits for those that save, and not for those that can't end well."""

from __future__ import annotations

import math
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException

from runner.dist.launch import STOPPED

__all__ = ["GRACE", "Agent", "Death"]

GRACE = 5.0
"""Seconds that ranks have to end when another has died: what they wait for will not come, and there is nothing to save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The first rank of this machine that ended otherwise than well.

    Attributes:
        rank: Which.
        pid: Its process.
        code: Its exit code; a signal's negative number.
    """

    rank: int
    pid: int
    code: int


class Agent(LocalElasticAgent):
    """An agent whose ranks are not restarted.

    Args:
        spec: Which processes.
        saving: Seconds that ranks have to save when they are asked to leave.
    """

    def __init__(self, spec: WorkerSpec, saving: float) -> None:
        super().__init__(spec, logs_specs=DefaultLogsSpecs())
        self.first: Death | None = None
        self._saving = saving
        self._left: float | None = None

    def leave(self) -> None:
        """Leave the meeting of the machines, for good."""
        self._rdzv_handler.shutdown()

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        """Look at the ranks; where one has ended otherwise than well, end the others."""
        codes = self._codes()
        bad = [local_rank for local_rank, code in codes.items() if code]
        if bad and not self._is_leaving(codes):
            if self.first is None:
                # One that was killed was so before the others noticed; of these, each says itself whether it was first.
                local_rank = min(bad, key=lambda each: (codes[each] or 0) > 0)
                worker = worker_group.workers[local_rank]
                self.first = Death(rank=worker.global_rank, pid=worker.id, code=codes[local_rank] or 0)
            self._end(signal.SIGTERM, GRACE)
        elif bad:
            return RunResult(state=WorkerState.HEALTHY)
        result: RunResult = super()._monitor_workers(worker_group)
        return result

    def _codes(self) -> dict[int, int | None]:
        """Exit codes by local rank; None for those that run."""
        context: Any = self._pcontext  # of the kind that starts programs, whose handlers have no public name
        handlers = context.subprocess_handlers if context is not None else {}
        return {local_rank: handler.proc.poll() for local_rank, handler in handlers.items()}

    def _is_leaving(self, codes: dict[int, int | None]) -> bool:
        """Whether all that have ended left as they were asked to, and the others still have time to."""
        if {code for code in codes.values() if code} != {STOPPED} or None not in codes.values():
            return False
        self._left = time.monotonic() if self._left is None else self._left
        return time.monotonic() - self._left < self._saving

    def _shutdown(self, death_sig: signal.Signals = signal.SIGTERM, *args: Any, **kwargs: Any) -> None:
        """Hand a signal on to the ranks, and wait until they have ended.

        A further signal is handed on too; the second SIGINT stops them at once, so they are not waited for long.
        """
        del args, kwargs
        interrupts = int(death_sig == signal.SIGINT)
        deadline = time.monotonic() + self._saving
        while self._pcontext is not None:
            try:
                self._end(death_sig, max(deadline - time.monotonic(), 0.0))
            except SignalException as again:
                death_sig = again.sigval
                interrupts += death_sig == signal.SIGINT
                if interrupts > 1:
                    deadline = min(deadline, time.monotonic() + GRACE)
            else:
                return

    def _end(self, number: signal.Signals, seconds: float) -> None:
        """Send a signal to the ranks that run, and SIGKILL to those that run on after so long."""
        assert self._pcontext is not None
        for local_rank, code in self._codes().items():
            if code is None:
                # One that is stopped takes no signal before it goes on.
                _wake(self._pcontext.pids()[local_rank])
        self._pcontext.close(number, math.ceil(seconds))


def _wake(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGCONT)
    except ProcessLookupError:
        return  # it has ended since
