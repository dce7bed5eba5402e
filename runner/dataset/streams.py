"""Where random numbers come from: keyed generators, and torch's training stream kept apart from all else.

A key is a hash of a position, so the numbers drawn there depend on nothing that happened before. Three generators are
keyed together: Python's `random`, NumPy's legacy one, and torch's on the CPU.

* A fetch is keyed by (seed, epoch, rank, batch index, "data"), in a worker or not.
* Before each training step Python's and NumPy's are keyed by (seed, rank, iteration, "step"). Torch's runs on as it
  does in a hand-written loop, and is put back before each step to where the last one left it.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
from typing import Any, Final, TypeAlias

import numpy as np
import torch

from runner.dist import get_data_rank, sync_random_seed

__all__ = ["Keys", "Seeds", "Streams", "key", "key_generators", "seed_generators", "set_random_seed"]

_BEFORE_INDEX: Final = struct.Struct("<QQq")
_INDEX: Final = struct.Struct("<q")
_SEEDS: Final = struct.Struct("<QQI")
_MASK: Final = (1 << 64) - 1
_BLOCK: Final = 64
"""Positions whose keys are worked out together."""

_numpy: Final[Any] = np.random.mtrand._rand  # noqa: SLF001 - what `np.random.seed` and its kin are methods of
_python: Final[Any] = random._inst  # noqa: SLF001 - what `random.seed` and its kin are methods of
_python_seed: Final = super(random.Random, _python).seed
"""What `random.seed` does with an integer, but for forgetting the other half of a pair that `random.gauss` made."""

_hashers: Final[dict[str, Any]] = {}


def key(seed: int, epoch: int, rank: int, index: int, purpose: str) -> bytes:
    """Hash a position into 20 bytes: BLAKE2b of the four numbers, personalized by the purpose (0.5 us).

    Args:
        seed: The run's seed.
        epoch: From 0.
        rank: Of the process; 0 for what all ranks draw alike.
        index: Of the batch in the epoch, or of the iteration.
        purpose: What is drawn, so that two uses of one position differ; at most 16 bytes.
    """
    hasher = _hasher(seed, epoch, rank, purpose)
    hasher.update(_INDEX.pack(index))
    digest: bytes = hasher.digest()
    return digest


def _hasher(seed: int, epoch: int, rank: int, purpose: str) -> Any:
    """What has taken in all of a position but the index."""
    blank = _hashers.get(purpose)
    if blank is None:
        blank = _hashers[purpose] = hashlib.blake2b(digest_size=20, person=purpose.encode())
    hasher = blank.copy()
    hasher.update(_BEFORE_INDEX.pack(seed & _MASK, epoch & _MASK, rank))
    return hasher


Seeds: TypeAlias = tuple[int, int, int]
"""What Python's, torch's and NumPy's generators are seeded with at a position, in this order."""


class Keys:
    """The seeds of positions that differ in their index, worked out for many at once.

    Called between two steps, whose data drives it out of the processor's caches, the hash takes ten times as long.

    Args:
        seed: The run's seed.
        epoch: From 0.
        rank: Of the process.
        purpose: What is drawn.
    """

    def __init__(self, seed: int, epoch: int, rank: int, purpose: str) -> None:
        self.seed, self.epoch, self.rank, self.purpose = seed, epoch, rank, purpose
        self._first = 0
        self._block: list[Seeds] = []

    def at(self, index: int) -> Seeds:
        """The seeds of `key(seed, epoch, rank, index, purpose)`."""
        place = index - self._first
        if not 0 <= place < len(self._block):
            self._first, place = index, 0
            self._block = self._work_out(index)
        return self._block[place]

    def _work_out(self, first: int) -> list[Seeds]:
        block: list[Any] = []
        copy = _hasher(self.seed, self.epoch, self.rank, self.purpose).copy
        for index in range(first, first + _BLOCK):
            hasher = copy()
            hasher.update(_INDEX.pack(index))
            block.append(_SEEDS.unpack(hasher.digest()))
        return block


def key_generators(digest: bytes) -> None:
    """Seed Python's, NumPy's and torch's generators from a key (7 us, where `torch.manual_seed` takes 150)."""
    seeds: Any = _SEEDS.unpack(digest)
    seed_generators(seeds)


def seed_generators(seeds: Seeds) -> None:
    """Seed Python's, NumPy's and torch's generators."""
    for_python, for_torch, for_numpy = seeds
    _python_seed(for_python)
    _python.gauss_next = None
    _seed_numpy(for_numpy)
    torch.default_generator.manual_seed(for_torch)


def _seed_numpy(seed: int) -> None:
    """What `np.random.seed` does with an integer, without its detours."""
    try:
        _numpy.seed(seed)
    except TypeError:  # somebody has called np.random.set_bit_generator
        np.random.seed(seed)  # noqa: NPY002 - the generator that users' transforms draw from


class Streams:
    """The random numbers of the training steps, whatever else draws in between.

    A loop calls `enter_step` before each step and `leave_step` after it. Some 9 us a step together.

    Args:
        seed: The run's seed.
        rank: Of this process.
        device: Where the model trains; its generator is kept apart as the CPU's is.
    """

    def __init__(self, seed: int, rank: int = 0, device: torch.device | str | None = None) -> None:
        self.seed = seed
        self.rank = rank
        self._keys = Keys(seed, 0, rank, "step")
        self.device = torch.device(device or "cpu")
        self._cpu: torch.Tensor | None = None
        self._accelerator: torch.Tensor | None = None
        self._generator = _accelerator_generator(self.device)

    def enter_step(self, iteration: int) -> None:
        """Put torch's training stream back, and key Python's and NumPy's generators by the iteration."""
        if self._cpu is not None:
            torch.default_generator.set_state(self._cpu)
            if self._generator is not None:
                self._generator.set_state(self._accelerator)
        for_python, _, for_numpy = self._keys.at(iteration)
        _python_seed(for_python)
        _python.gauss_next = None
        _seed_numpy(for_numpy)

    def leave_step(self) -> None:
        """Remember where torch's training stream stands."""
        self._cpu = torch.default_generator.get_state()
        if self._generator is not None:
            self._accelerator = self._generator.get_state()

    def capture(self) -> None:
        """Take the state that torch's generators are in now as the training stream: the start of training."""
        self.leave_step()

    def enter_phase(self, name: str, iteration: int) -> None:
        """Key all generators for what runs between steps, as a validation; the next `enter_step` puts torch's back.

        Args:
            name: Of the phase (`val`), at most 16 bytes.
            iteration: Steps that are finished.
        """
        if self._cpu is None:
            self.capture()
        digest = key(self.seed, 0, self.rank, iteration, name)
        key_generators(digest)
        if self._generator is not None:
            _, for_torch, _ = _SEEDS.unpack(digest)
            self._generator.manual_seed(for_torch)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """This rank's training stream: the state of torch's generator on the CPU and, by its type, on the device."""
        if self._cpu is None:
            self.capture()
        assert self._cpu is not None
        state = {"cpu": self._cpu}
        if self._accelerator is not None:
            state[self.device.type] = self._accelerator
        return state

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on where the saved stream stood. What another type of device left is not used."""
        self._cpu = state["cpu"].cpu()
        if self._generator is not None:
            saved = state.get(self.device.type)
            self._accelerator = self._generator.get_state() if saved is None else saved.cpu()


def _accelerator_generator(device: torch.device) -> Any:
    """The device's default generator; None for the CPU."""
    if device.type == "cpu":
        return None
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()  # noqa: SLF001 - torch has no public name for it
    module = torch.get_device_module(device)
    module.init()
    # torch's stubs hide that a device without an index has None there.
    index: int | None = device.index
    return module.default_generators[module.current_device() if index is None else index]


def set_random_seed(seed: int | None = None, deterministic: bool = False, diff_rank_seed: bool = False) -> int:
    """Seed Python's, NumPy's and torch's generators on every device.

    Args:
        seed: None draws one on rank 0 for all ranks.
        deterministic: Let torch use deterministic algorithms only; an operation that has none raises an error.
        diff_rank_seed: Add the rank, so that ranks differ.

    Returns:
        The seed that this rank uses.
    """
    if seed is None:
        seed = sync_random_seed()
    if diff_rank_seed:
        seed += get_data_rank()
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the generator that users' transforms draw from
    torch.manual_seed(seed)
    if deterministic:
        # cuBLAS reads it when its first handle is made; without it torch refuses matrix products on CUDA.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True)
    return seed
