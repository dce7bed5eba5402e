"""A process that saves, and is killed or hindered; the test gives its task, and `names` to go with it."""

from __future__ import annotations

import io
import os
import resource
import signal

import torch

from runner.checkpoint import CheckpointStore, to_plain
from runner.errors import CheckpointError

STAGES = {
    "before writing": ("_write", "before"),
    "written": ("_write", "after"),
    "before the index": ("_announce", "before"),
    "in the index": ("_announce", "after"),
    "renamed": ("_publish", "after"),
    "before deleting": ("remove", "before"),
    "deleted": ("remove", "after"),
}


def die_at(store, name, when):
    method = getattr(store, name)

    def dying(*args, **kwargs):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        method(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(store, name, dying)


def save_in_a_loop(folder, log, stage, keep):
    """Save until killed; with a stage, save two, and die at that stage of the third."""
    store = CheckpointStore(folder)
    newest = store.newest()
    kept = sorted(int(path.stem.rpartition("_")[2]) for path in store.folder.glob("step_*.pth"))
    for step in range(int(newest.stem.rpartition("_")[2]) + 1 if newest else 1, 10**6):
        if stage and step == 3:
            die_at(store, *STAGES[stage])
        state = {"meta": {"iter": step}, "optimizer": {}, "weights": torch.full((40_000,), float(step))}
        store.save(to_plain(state, "test"), f"step_{step}.pth", step=step)
        with log.open("a") as stream:
            stream.write(f"{step}\n")
        kept.append(step)
        while len(kept) > keep:
            store.remove(f"step_{kept.pop(0)}.pth")


def save_over(folder, log, stage):
    """Die at a stage of a save that replaces a file."""
    store = CheckpointStore(folder)
    die_at(store, *STAGES[stage])
    store.save({"optimizer": {}, "weights": torch.zeros(500)}, "iter_3.pth", step=3)


def save_on_a_full_disk(folder, log, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        CheckpointStore(folder).save({"optimizer": {}, "w": torch.zeros(100_000)}, "iter_4.pth", step=4)
    except CheckpointError as error:
        log.write_text(str(error))


def save_without_permission(folder, log):
    os.chdir(folder)  # the folders above it need not let another user in
    stream = log.open("w")
    torch.save({}, io.BytesIO())  # what it imports when first called may lie where another user can't read
    if os.getuid() == 0:  # whom modes do not hinder
        os.setgid(65534)
        os.setuid(65534)
    try:
        CheckpointStore(".").save({"optimizer": {}, "w": torch.zeros(100)}, "iter_4.pth", step=4)
    except CheckpointError as error:
        stream.write(str(error))
        stream.close()


torch.set_num_threads(1)
{
    "loop": save_in_a_loop,
    "over": save_over,
    "full disk": save_on_a_full_disk,
    "no permission": save_without_permission,
}[globals()["task"]](**globals()["names"])
