"""Standing by a run that a command started: signals that ask it to leave, and signs that it hangs.

signals.py      what a command does with SIGTERM, SIGINT and SIGUSR1
fence.py        which place in the run all ranks leave at
stop_hook.py    leaving there, with a checkpoint
failure.py      an exception on one rank ends all of them
watchdog.py     the end of a run that hangs, and where each rank stood

A Runner that is made in Python has none of this: a notebook's signals are its own.
"""

from __future__ import annotations

from runner.watch.failure import SharedFailure
from runner.watch.signals import StopSignals
from runner.watch.stop_hook import StopHook
from runner.watch.watchdog import WatchHook

__all__ = ["SharedFailure", "StopHook", "StopSignals", "WatchHook"]
