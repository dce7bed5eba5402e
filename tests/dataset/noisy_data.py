from __future__ import annotations

import itertools
import random

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

SIZE = 22


class Noisy(Dataset):
    """Draws from all three generators for each sample."""

    def __init__(self, size=SIZE):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.rand()], dtype=torch.float64), torch.rand(2)


class Together(Noisy):
    """Reads a whole batch at once."""

    def __getitem__(self, index):
        raise AssertionError("read one by one")

    def __getitems__(self, indices):
        return [super(Together, self).__getitem__(index) for index in indices]


class Stream(IterableDataset):
    """Numbers in a stream, shared out among workers; no way to go back."""

    def __init__(self, size=SIZE):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        for number in range(start, self.size, step):
            yield torch.tensor([number, random.random(), np.random.rand(), float(torch.rand(()))])


class StatefulStream(IterableDataset):
    """The same with a state."""

    def __init__(self, size=SIZE):
        self.size = size
        self.given = 0
        self.resumed = 0

    def __iter__(self):
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        numbers = range(start, self.size, step)
        resumed, self.resumed = self.resumed, 0
        self.given = resumed
        for number in itertools.islice(numbers, resumed, None):
            self.given += 1
            yield torch.tensor([number, random.random(), np.random.rand(), float(torch.rand(()))])

    def state_dict(self):
        return {"given": self.given}

    def load_state_dict(self, state):
        self.resumed = state["given"]


def equal(left, right):
    """Whether two structures of tensors are the same, bit for bit."""
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and torch.equal(left, right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(equal(*pair) for pair in zip(left, right, strict=True))
    return left == right


def indices(batches):
    """The samples of batches of `Noisy` data."""
    return [batch[0][:, 0].long().tolist() for batch in batches]


def flat(lists):
    return list(itertools.chain.from_iterable(lists))
