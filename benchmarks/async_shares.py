"""How long training stands still for a checkpoint in shares, written at once or in the background, and what a step then takes.

    python benchmarks/async_shares.py [MEGABYTES]

Two processes on gloo deal out (FSDP2) what `async_save.py` trains, whose state is as large, and save it as that one does. The
figures are rank 0's.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from async_save import WAYS, Measure, report, train
from torch import distributed

RANKS, STEPS_BETWEEN = 2, 6


def rank(megabytes: float, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    strategy = {"type": "FSDPStrategy", "state_dict_cfg": "sharded"}
    measures = {}
    for name, background in WAYS.items():
        measure = Measure(background=background, every=STEPS_BETWEEN)
        measures[name] = train(measure, megabytes, str(Path(folder, name)), device="cpu", strategy=strategy)
    if distributed.get_rank() == 0:
        report(measures)
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
