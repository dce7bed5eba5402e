"""A thread that ends a run which hangs, and says where each rank stood."""

from __future__ import annotations

import faulthandler
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.dist.launch import FAILED
from runner.dist.process_group import TIMEOUT
from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner
    from runner.watch.signals import StopSignals

__all__ = ["WatchHook", "group_timeout", "phase_limit"]

FIRST = 3.0
"""How many time limits the first step has, in which kernels are compiled and caches filled."""
ANSWER = 5.0
"""Seconds that the other ranks have to write down where they stand."""
FOLDER, REPORT = "hang", "hang.txt"


class WatchHook(Hook):
    """Ends the run when no step of a training or of its validations has ended for too long.

    Then each rank writes the stacks of its threads into the log directory; one of them puts these into `hang.txt`, with
    what is known of ranks that do not answer. The run ends with the exit code 3, so that a supervisor starts it again. A
    single process that hangs in its data loader saves a checkpoint before.

    Work between steps has a limit of its own, and is called what it is: computing metrics, saving and loading
    checkpoints, waiting for an upload (`HookList.phase`). What is uploaded in the background counts only where the run
    waits for it.

    Several processes are watched by default, with the limit of a collective operation, `env_cfg.dist_cfg.timeout`, ten
    minutes where nothing is said; one process only where `env_cfg.watchdog.timeout` is set. What a user must set: where
    rank 0 computes metrics or writes a checkpoint for longer than ten minutes, a larger `dist_cfg.timeout`, since the
    others wait for it in a collective operation, which fails then whatever is set here; where a step, or a hook's work
    that is no phase, takes longer than `timeout`, a larger one.

    Args:
        timeout: Seconds from the end of one step to that of the next; the first step has three times as long.
        signals: What the command takes signals by.
        phase_timeout: Seconds that one such phase may take.
    """

    priority = "LOWEST"

    def __init__(self, timeout: float, signals: StopSignals, phase_timeout: float = math.inf) -> None:
        self.timeout = timeout
        self.phase_timeout = phase_timeout
        self.signals = signals
        self._phases: tuple[str, ...] = ()  # replaced, never changed: the other thread reads it
        self._steps = 0
        self._where = "before the first step"
        self._beat = time.monotonic()
        self._closed = threading.Event()
        self._runner: Runner | None = None

    def before_train(self, runner: Runner) -> None:
        """Begin to watch."""
        self._where, self._beat = "before the first step", time.monotonic()
        if self._runner is None:
            self._runner = runner
            self._folder = Path(runner.log_dir, FOLDER)
            threading.Thread(target=self._watch, name="runner-watchdog", daemon=True).start()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """A step has ended."""
        self._steps += 1
        self._where, self._beat = "after a training step", time.monotonic()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """A step of a validation has ended."""
        self._where, self._beat = "in a validation", time.monotonic()

    def after_val(self, runner: Runner) -> None:
        """A validation has ended."""
        self._where, self._beat = "after a validation", time.monotonic()

    def before_phase(self, runner: Runner, what: str) -> None:
        """Work begins whose length a step says nothing about."""
        self._phases, self._beat = (*self._phases, what), time.monotonic()

    def after_phase(self, runner: Runner) -> None:
        """It has ended."""
        self._beat = time.monotonic()  # first, as the limit may be a shorter one again
        self._phases = self._phases[:-1]

    def after_train(self, runner: Runner) -> None:
        """Watch no more."""
        self.close()

    def close(self) -> None:
        """Watch no more; called again, nothing happens."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(min(self.timeout / 10, 1.0)):
            beat = self._beat
            silent = time.monotonic() - beat
            hangs = silent > self._limit() or (self._folder.exists() and silent > 1)
            if hangs and beat == self._beat:  # it has not gone on in the meantime, into what has another limit
                self._end(silent)

    def _limit(self) -> float:
        if self._phases:
            return self.phase_timeout
        return self.timeout if self._steps else FIRST * self.timeout

    def timed_out(self, error: BaseException) -> str | None:
        """Say what is known when a collective operation has waited for too long; this rank's error ends the run.

        Args:
            error: What the operation raised.

        Returns:
            What to say; None where another rank says it, or where nothing is watched any more.
        """
        runner = self._runner
        if runner is None or self._closed.is_set():
            return None
        self.close()
        words = next(iter(str(error).splitlines()), "")
        place = f"waited in a collective operation of step {runner.iter + 1} for ranks that did not come ({words})"
        message = self._report(
            runner, "a collective operation has waited for too long", place, "".join(traceback.format_exception(error))
        )
        return message or "a collective operation has waited for too long; another rank says which"

    def _end(self, silent: float) -> None:
        """Say what is known, save what can be saved, and end the process."""
        runner = self._runner
        assert runner is not None
        what = f"no step has ended for {self.timeout:g} s"
        if self._phases and silent > self.phase_timeout:
            what = f"work between steps takes longer than {self.phase_timeout:g} s (env_cfg.watchdog.phase_timeout)"
        message = self._report(runner, what, self._place(runner, silent))
        if message is not None:
            sys.stderr.write(f"error: {message}\n")
            sys.stderr.flush()
        self._leave(runner)

    def _report(self, runner: Runner, what: str, place: str, stacks: str = "") -> str | None:
        """Write down where this rank stands, and wait for the others; the message, on the rank that is to say it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        own = self._folder / f"rank{runner.rank}.txt"
        part = own.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(f"rank {runner.rank} (process {os.getpid()}): {place}\n\n{stacks}")
            file.flush()
            if not stacks:
                faulthandler.dump_traceback(file, all_threads=True)
        part.rename(own)
        files = [self._folder / f"rank{rank}.txt" for rank in range(runner.world_size)]
        deadline = time.monotonic() + ANSWER
        while time.monotonic() < deadline and not all(file.exists() for file in files):
            time.sleep(0.1)
        message = _message(files, what)
        report = _write_once(Path(runner.log_dir, REPORT), message, files)
        return None if report is None else f"{message}\nThe stacks of all ranks are in {report}"

    def _place(self, runner: Runner, silent: float) -> str:
        if phases := self._phases:
            return f"{phases[-1]} after step {runner.iter}, for {silent:.0f} s"
        loop = runner.train_loop
        what = "waits for the data of" if loop.awaited_batch is not None else "is in"
        place = f"{what} step {runner.iter + 1}" if "training" in self._where or not self._steps else self._where
        return f"{place}; the last step ended {silent:.0f} s ago" if self._steps else f"{place}, for {silent:.0f} s"

    def _leave(self, runner: Runner) -> None:
        if runner.world_size == 1 and self.signals.leave_at_once():
            # The main thread waits for data: it can be asked to leave with a checkpoint, as by a user.
            self.signals.hangs = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            if self._closed.wait(max(self.timeout, 30.0)):
                return
        os._exit(FAILED)


def phase_limit(runner: Runner, timeout: float, given: float | None) -> float:
    """Seconds that a phase may take.

    Args:
        runner: The run.
        timeout: The limit of a step.
        given: What the config says.
    """
    if given:
        return given
    # Whoever waits for another rank gives up after this time in any case. A process by itself waits for nobody: how long
    # its metrics, disk and network take is known to the user alone, and a store's driver has limits of its own.
    group = group_timeout(runner)
    return math.inf if group is None else max(timeout, group)


def group_timeout(runner: Runner) -> float | None:
    """Seconds after which a collective operation of this run is an error; None without a group."""
    if not runner.distributed:
        return None
    return float(runner.env_cfg.get("dist_cfg", {}).get("timeout") or TIMEOUT)


def _message(files: Sequence[Path], what: str) -> str:
    """What a person should know: first of those that do not answer, and of those that wait for data."""
    said = {rank: file.read_text("utf-8").partition("\n")[0] for rank, file in enumerate(files) if file.exists()}
    lines = [
        f"rank {rank} does not answer: its process is stopped or dead" for rank in range(len(files)) if rank not in said
    ]
    lines += sorted(said.values(), key=lambda line: "waits for the data" not in line)
    return f"{what}, the run hangs\n" + "\n".join(f"  {line}" for line in lines)


def _write_once(path: Path, message: str, files: Sequence[Path]) -> Path | None:
    """Put the ranks' stacks into one file; None where another rank does so."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{message}\n")
            for each in files:
                if each.exists():
                    file.write(f"\n{each.read_text('utf-8')}")
    except FileExistsError:
        return None
    return path
