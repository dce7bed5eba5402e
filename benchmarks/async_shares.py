"""How long training stands still for a checkpoint in shares, written at once or in the background, and what a step then takes.

    python benchmarks/async_shares.py [MEGABYTES]

Two processes on gloo deal out (FSDP2) what `async_save.py` trains, whose state is as large, and save it as that one does. The
figures are rank 0's.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from async_save import Measure, Wide
from torch import distributed
from torch.utils.data import TensorDataset

from runner import Runner

RANKS, SAVES, STEPS_BETWEEN = 2, 4, 6


def run(megabytes: float, folder: str, *, background: bool | None) -> Measure:
    measure = Measure(background=background, every=STEPS_BETWEEN)
    runner = Runner(
        model=Wide(megabytes),
        work_dir=folder,
        train_dataloader={
            "dataset": TensorDataset(torch.randn(8, 1)),
            "batch_size": 8,
            "sampler": {"type": "InfiniteSampler"},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": False, "max_iters": SAVES * STEPS_BETWEEN},
        optim_wrapper={"optimizer": {"type": "Adam", "lr": 1e-4, "foreach": True}},
        default_hooks={"checkpoint": None, "logger": None},
        custom_hooks=[measure],
        randomness={"seed": 0},
        log_level="ERROR",
        device="cpu",
        strategy={"type": "FSDPStrategy", "state_dict_cfg": "sharded"},
    )
    runner.train()
    runner.close()
    return measure


def rank(megabytes: float, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    medians = {}
    for name, background in (("none", None), ("at once", False), ("background", True)):
        measure = run(megabytes, str(Path(folder, name)), background=background)
        # The first save makes the memory that the others use again.
        stall = statistics.median(measure.stalls[1:]) if measure.stalls else 0.0
        medians[name] = (stall, statistics.median(measure.steps))
        if distributed.get_rank() == 0:
            sys.stdout.write(
                f"{name:11} stall {stall * 1e3:8.1f} ms; step {medians[name][1] * 1e3:.2f} ms at the median of "
                f"{len(measure.steps)}\n"
            )
    stalls, steps = ({name: pair[index] for name, pair in medians.items()} for index in (0, 1))
    if distributed.get_rank() == 0:
        sys.stdout.write(
            f"stall: {stalls['background'] / stalls['at once']:.3f} of one at once; "
            f"step: {steps['background'] / steps['none']:.3f} of one without saves\n"
        )
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("megabytes", nargs="?", type=float, default=200)
    parser.add_argument("--folder")
    given = parser.parse_args()
    if given.folder:
        rank(given.megabytes, given.folder)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(RANKS)}
        command = [sys.executable, __file__, str(given.megabytes), "--folder", folder]
        ranks = [subprocess.Popen(command, env={**environment, "RANK": str(each)}) for each in range(RANKS)]
        sys.exit(max(each.wait() for each in ranks))


if __name__ == "__main__":
    main()
