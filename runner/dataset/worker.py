"""What a worker process does before it reads its first sample."""

from __future__ import annotations

import random
import signal
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = ["Shielded", "worker_init_fn"]


class Shielded:
    """What a worker calls first: signals to the whole process group are then the main process's to answer.

    It needs its workers for that: for the steps up to the one it stops after, and the save. Interrupts and SIGUSR1 are
    ignored. SIGTERM too, but by a handler, so that it ends what a data set has started: to ignore is inherited.

    Args:
        worker_init_fn: The user's, called after that.
    """

    def __init__(self, worker_init_fn: Callable[[int], Any] | None) -> None:
        self.worker_init_fn = worker_init_fn

    def __call__(self, worker_id: int) -> None:
        """Prepare a worker."""
        for number in (signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: None)
        if self.worker_init_fn is not None:
            self.worker_init_fn(worker_id)


def worker_init_fn(
    worker_id: int,
    num_workers: int,
    rank: int,
    seed: int,
    disable_subprocess_warning: bool = False,
    torch_num_threads: int = 1,
) -> None:
    """Prepare a worker process.

    The seeds set here are for what a data set draws while it opens its files; each batch is keyed by itself.

    Args:
        worker_id: From 0.
        num_workers: Workers of this loader.
        rank: Of the process that the worker belongs to.
        seed: The run's seed.
        disable_subprocess_warning: Silence warnings in all workers but the first.
        torch_num_threads: Threads that torch's operators may use in the worker.
    """
    worker_seed = num_workers * rank + worker_id + seed
    random.seed(worker_seed)
    np.random.seed(worker_seed % 2**32)  # noqa: NPY002 - the generator that users' transforms draw from
    torch.manual_seed(worker_seed)
    torch.set_num_threads(torch_num_threads)
    if disable_subprocess_warning and worker_id != 0:
        warnings.simplefilter("ignore")
