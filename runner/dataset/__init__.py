"""Samples into batches: the order, the reading, and the random numbers drawn meanwhile.

sampler.py      the order of samples, as MMEngine's
grouping.py     batches of samples that are alike
order.py        the order of batches, from any batch on
fetch.py        reading a batch with the generators keyed
pool.py         who reads: the main process, or workers
course.py       how far a loader has come
dataloader.py   the loader that joins these
rebuild.py      a loader of ours from one that a user built
base_dataset.py annotation files and pipelines; records.py keeps them where workers share them
dataset_wrapper.py  data sets made of data sets
build.py        a loader of ours from its parts
streams.py      keys, and the random numbers of the training steps
collate.py, worker.py, subset.py
"""

from __future__ import annotations

from runner.dataset.base_dataset import BaseDataset, force_full_init
from runner.dataset.build import build_dataloader
from runner.dataset.collate import default_collate, pseudo_collate
from runner.dataset.compose import Compose
from runner.dataset.dataloader import DataLoader, LoaderState, Position, WorkersState
from runner.dataset.dataset_wrapper import ClassBalancedDataset, ConcatDataset, RepeatDataset
from runner.dataset.fetch import Reader
from runner.dataset.grouping import GroupedBatchSampler
from runner.dataset.rebuild import rebuild
from runner.dataset.sampler import DefaultSampler, InfiniteSampler
from runner.dataset.streams import Streams, key, key_generators, set_random_seed
from runner.dataset.subset import Head
from runner.dataset.worker import worker_init_fn

__all__ = [
    "BaseDataset",
    "ClassBalancedDataset",
    "Compose",
    "ConcatDataset",
    "DataLoader",
    "DefaultSampler",
    "GroupedBatchSampler",
    "Head",
    "InfiniteSampler",
    "LoaderState",
    "Position",
    "Reader",
    "RepeatDataset",
    "Streams",
    "WorkersState",
    "build_dataloader",
    "default_collate",
    "force_full_init",
    "key",
    "key_generators",
    "pseudo_collate",
    "rebuild",
    "set_random_seed",
    "worker_init_fn",
]
