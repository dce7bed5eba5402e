"""Samples into batches: the order, the reading, and the random numbers drawn meanwhile.

sampler.py      the order of samples, as MMEngine's
order.py        the order of batches, from any batch on
fetch.py        reading a batch with the generators keyed
pool.py         who reads: the main process, or workers
course.py       how far a loader has come
dataloader.py   the loader that joins these
rebuild.py      a loader of ours from one that a user built
build.py        a loader of ours from its parts
streams.py      keys, and the random numbers of the training steps
collate.py, worker.py, subset.py
"""

from __future__ import annotations

from runner.dataset.build import build_dataloader
from runner.dataset.collate import default_collate, pseudo_collate
from runner.dataset.dataloader import DataLoader, LoaderState, Position, WorkersState
from runner.dataset.rebuild import rebuild
from runner.dataset.sampler import DefaultSampler, InfiniteSampler
from runner.dataset.streams import Streams, key, key_generators, set_random_seed
from runner.dataset.subset import Head
from runner.dataset.worker import worker_init_fn

__all__ = [
    "DataLoader",
    "DefaultSampler",
    "Head",
    "InfiniteSampler",
    "LoaderState",
    "Position",
    "Streams",
    "WorkersState",
    "build_dataloader",
    "default_collate",
    "key",
    "key_generators",
    "pseudo_collate",
    "rebuild",
    "set_random_seed",
    "worker_init_fn",
]
