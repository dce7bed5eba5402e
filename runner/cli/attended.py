"""Training under a command's eye: what a signal makes of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from runner.cli.failure import FINE, RUN, STOPPED, killed_worker, lost_connection, users_traceback, waited_in_vain
from runner.cli.processes import rank
from runner.errors import LaunchError, Stopped
from runner.masking import mask

if TYPE_CHECKING:
    from runner.config import Config

__all__ = ["resumes_after_requeue", "train_attended"]


def train_attended(cfg: Config, device: str, *, requeue: bool = False, allow_config_change: bool = False) -> int:
    """Train; leave with a checkpoint where SIGTERM, SIGINT or SIGUSR1 asks for it.

    Args:
        cfg: The checked config.
        device: The value of `--device`.
        requeue: Whether a run that was left is put into SLURM's queue again.
        allow_config_change: Whether a resume loads what fits, where the config was changed.

    Returns:
        The command's exit code.

    Raises:
        LaunchError: There is no SLURM job to requeue, or SLURM refuses.
    """
    if requeue and "SLURM_JOB_ID" not in os.environ:
        raise LaunchError("--requeue: SLURM_JOB_ID is not in the environment; leave it out where SLURM runs no job")
    from runner.watch.signals import StopSignals

    with StopSignals() as signals:
        try:
            _train(cfg, device, signals, allow_config_change=allow_config_change)
        except Stopped as stopped:
            _say(stopped)
            if requeue and rank() == 0:
                _requeue()
            return RUN if signals.hangs else STOPPED
    return FINE


def _train(cfg: Config, device: str, signals: StopSignals, *, allow_config_change: bool) -> None:
    from runner import dist
    from runner.runner import Runner
    from runner.watch.failure import SharedFailure
    from runner.watch.stop_hook import StopHook

    runner = Runner.from_cfg(cfg, device=device)
    runner.allow_config_change = allow_config_change
    stop = StopHook(signals)
    runner.register_hook(stop)
    watch = _watch(runner, signals)
    failure = SharedFailure(signals.give_up, runner.saver.wait) if runner.world_size > 1 else None
    try:
        try:
            runner.train()
        except Stopped as stopped:
            if stopped.checkpoint is not None or not stop.listens:
                raise
            stop.leave(runner)  # the wait for data was left, and nothing is saved yet
        dist.barrier()  # a rank that leaves while another still talks to it would fail that one
    except Exception as error:
        if threading.current_thread() is threading.main_thread():
            # The loaders' workers are about to end too, and torch's handler would raise amid the interpreter's end.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        own = _write_down(error, runner) if failure is not None else None
        explained = _explained(error, watch, failure, own)
        if explained is None:
            raise
        raise explained from None
    finally:
        _close(runner, failure, [each for each in (watch, stop) if each is not None])


def _close(runner: Runner, failure: SharedFailure | None, hooks: Sequence[WatchHook | StopHook]) -> None:
    """Close all; a rank that hangs in that, for another one's sake, is ended by what it heard of the other by."""
    for hook in hooks:
        hook.close()
    if failure is None or failure.first is None:
        if failure is not None:
            failure.close()  # nobody has failed: the store goes with rank 0, as it should
        runner.close()
        return
    failure.closing()
    runner.close()
    failure.close()


def _write_down(error: Exception, runner: Runner) -> Path | None:
    """Keep the traceback of a rank's own error, whatever becomes of the rank; the file, None of an error that is not its own."""
    if lost_connection(error) or waited_in_vain(error) or killed_worker(error) is not None:
        return None
    file = Path(runner.log_dir, f"failed_rank{runner.rank}.txt")
    try:
        file.write_text(mask("".join(traceback.format_exception(error))), encoding="utf-8")
    except OSError as refused:  # the disk may be what the error is about, and that one is to be seen
        runner.logger.warning(f"{file} could not be written: {refused}")
        return None
    return file


def _watch(runner: Runner, signals: StopSignals) -> WatchHook | None:
    """Let a run that hangs be ended, where that is wanted."""
    from runner.watch.watchdog import WatchHook, group_timeout, phase_limit

    wanted = runner.env_cfg.get("watchdog", {})
    timeout = wanted.get("timeout") or group_timeout(runner)
    if not timeout or not wanted.get("enable", True):
        return None
    watch = WatchHook(timeout, signals, phase_limit(runner, timeout, wanted.get("phase_timeout")))
    runner.register_hook(watch)
    return watch


def _explained(
    error: Exception, watch: WatchHook | None, failure: SharedFailure | None, written: Path | None
) -> LaunchError | None:
    """What to say of an error that came of another rank, or after its; None of one that the others are to hear of.

    Args:
        error: What was raised.
        watch: Knows of ranks that did not come.
        failure: Tells the others, and knows who failed first.
        written: Where the traceback stands, of an error that is this rank's own.
    """
    if waited_in_vain(error) and watch is not None and (failure is None or failure.first is None):
        said = watch.timed_out(error)
        if said is not None:
            return LaunchError(said)
    if failure is None:
        return None
    from runner.watch.failure import in_short

    told = killed_worker(error)
    if not lost_connection(error):
        failure.tell(error, told)
    if failure.first is None:
        return None
    if lost_connection(error) or waited_in_vain(error):
        return LaunchError(failure.account())
    own = told or in_short(error)
    if own == failure.first[1]:  # an error of all ranks is told once
        where = f"; its own traceback is in {written}" if written is not None else ""
        return LaunchError(f"{failure.account()}{where}")
    if told is None:
        typer.echo(users_traceback(error), err=True, nl=False)  # at once: what is closed now may hang
    return LaunchError(f"{failure.account()}; it failed too: {own}")


def resumes_after_requeue() -> bool:
    """Whether SLURM has started this job before, so that `--requeue` goes on with what there is."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0


def _say(stopped: Stopped) -> None:
    if rank() != 0:
        return
    if stopped.checkpoint is None:
        typer.echo(f"stopped by {stopped.reason} before the first step: nothing is lost; run it again", err=True)
    else:
        typer.echo(
            f"stopped by {stopped.reason} after iteration {stopped.iteration}, saved in {stopped.checkpoint}; "
            "the same command with --resume goes on from there",
            err=True,
        )


def _requeue() -> None:
    scontrol, job = shutil.which("scontrol"), os.environ["SLURM_JOB_ID"]
    if scontrol is None:
        raise LaunchError(f"--requeue: scontrol is not on the PATH; run `scontrol requeue {job}` where it is")
    done = subprocess.run(  # noqa: S603 - SLURM's own tool
        [scontrol, "requeue", job], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise LaunchError(f"--requeue: `scontrol requeue {job}` failed: {done.stderr.strip() or done.stdout.strip()}")
    typer.echo(f"job {job} is in SLURM's queue again", err=True)


if TYPE_CHECKING:
    from runner.runner import Runner
    from runner.watch.failure import SharedFailure
    from runner.watch.signals import StopSignals
    from runner.watch.stop_hook import StopHook
    from runner.watch.watchdog import WatchHook
