"""Starting a group of processes again when it has died, to go on from the newest whole checkpoint."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runner.checkpoint.index import read_index
from runner.checkpoint.place import is_remote
from runner.checkpoint.storage import LocalFolder
from runner.checkpoint.store import LAST_CHECKPOINT, CheckpointStore, find_latest_checkpoint
from runner.dist.launch import FAILED, RESTART_FROM, attempt, settled
from runner.dist.launcher import Group

__all__ = ["restart_from", "supervise", "warn_of_shared_store"]

FUTILE = 3
"""Attempts in a row that saved nothing new, after which another one would not either."""

LONGEST_PAUSE = 60.0
"""Seconds between two attempts, at most: none after one that saved something new, else 1, doubled each time."""


def supervise(args: Sequence[str], group: Group, work_dir: str, max_restarts: int) -> int:
    """Start a group of processes, again where it dies; each attempt has an agent and a meeting of its own.

    torchrun's own restarts keep the key-value store of the dead group, in which gloo finds its addresses.

    Args:
        args: The command line after `runner`.
        group: Which processes.
        work_dir: Where their checkpoints lie.
        max_restarts: Attempts after the first. None follows on an exit code that says that a further one would end in
            the same way: a config with problems (1), a wrong command line (2), a run that was asked to stop (75).

    Returns:
        The exit code of the last attempt.
    """
    group = settled(group)
    checkpoint: str | None = None
    futile, seen = 0, _saves(work_dir)
    for number in range(max_restarts + 1):
        ending = attempt(args, group, number, checkpoint)
        if ending.what:
            _say(ending.what)
        if ending.code != FAILED or ending.signalled or max_restarts == 0:
            return ending.code
        # Compared with what was seen last: a shared folder may show a machine late what another one's rank has saved, and
        # it counts then, so that all machines count alike.
        before, seen = seen, _saves(work_dir)
        futile = 0 if seen > before else futile + 1
        if number == max_restarts:
            _say(f"that was the last of {max_restarts + 1} attempts")
        elif futile == FUTILE:
            _say(f"{FUTILE} attempts in a row saved nothing new, so no further one is made")
            break
        else:
            checkpoint = _newest(work_dir, _say)
            pause = min(2.0 ** (futile - 1), LONGEST_PAUSE) if futile else 0.0
            place = f"goes on from {checkpoint}" if checkpoint is not None else "starts over, as nothing was saved yet"
            place = "goes on from the newest checkpoint" if checkpoint == "last" else place
            when = f"in {pause:g} s" if futile else "at once"
            _say(f"attempt {number + 2} of {max_restarts + 1} {place}, {when}")
            time.sleep(pause)
    return FAILED


def restart_from(environ: Mapping[str, str], work_dir: str) -> str | None:
    """The checkpoint that a restarted rank goes on from, whatever the command line says; None elsewhere.

    Args:
        environ: The process's environment, in which our supervisor, or torchrun, says that it is one.
        work_dir: Where checkpoints lie.
    """
    if RESTART_FROM in environ:
        return environ[RESTART_FROM]
    if int(environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0:
        return _newest(work_dir)
    return None


def warn_of_shared_store(environ: Mapping[str, str]) -> str | None:
    """What is wrong with a torchrun that would restart this process; None where nothing is."""
    restarts = environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    if not restarts.isdecimal() or int(restarts) == 0 or environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    return (
        f"torchrun --max-restarts {restarts} starts a group again with the key-value store of the dead one, in which gloo "
        "finds the addresses of dead processes: two restarts of three fail or hang. Start it with --standalone or "
        "--rdzv-backend c10d, and with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment (without these flags the "
        "variable has no effect); or leave the restarts to `runner train --launcher pytorch --max-restarts "
        f"{restarts}`"
    )


def _saves(work_dir: str) -> tuple[int, int]:
    """What grows with each checkpoint that a run can go on from, also where they lie elsewhere."""
    index = read_index(LocalFolder(Path(work_dir)))
    order = max((record.order for records in index.values() for record in records if record.resumable), default=-1)
    note = Path(work_dir, LAST_CHECKPOINT)
    return order, note.stat().st_mtime_ns if note.exists() else -1


def _newest(work_dir: str, on_damage: Callable[[str], object] | None = None) -> str | None:
    """What to go on from; on a remote store, whose arguments are in the config, a process finds it by itself."""
    if is_remote(find_latest_checkpoint(work_dir) or ""):
        return "last"
    newest = CheckpointStore(work_dir, on_damage).newest()
    return None if newest is None else str(newest)


def _say(message: str) -> None:
    sys.stderr.write(f"launcher: {message}\n")
    sys.stderr.flush()
