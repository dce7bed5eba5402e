"""Data sets made of data sets: joined, repeated, and with rare classes repeated."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import numpy as np
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Dataset

from runner.dataset.base_dataset import force_full_init, initialize
from runner.dataset.subset import read_together
from runner.kinds import Interval

__all__ = ["ClassBalancedDataset", "ConcatDataset", "RepeatDataset"]


class _NoSubset:
    """For wrappers, of which a part is not well defined."""

    def get_subset_(self, indices: Sequence[int] | int) -> NoReturn:  # noqa: ARG002 - as BaseDataset's
        """Refuse: take the part of the data set within.

        Raises:
            NotImplementedError: Always.
        """
        name = type(self).__name__
        raise NotImplementedError(f"a part of a {name} could mean two things; give `indices` to the data set within")

    def get_subset(self, indices: Sequence[int] | int) -> NoReturn:
        """Refuse: take the part of the data set within.

        Raises:
            NotImplementedError: Always.
        """
        self.get_subset_(indices)


class ConcatDataset(_NoSubset, TorchConcatDataset[Any]):
    """Data sets one after the other.

    What is known of the data (`metainfo`) is the first one's, and the others have to agree.

    Args:
        datasets: The data sets, built or as mappings with `type`. Any with a length will do.
        lazy_init: Do not load their annotations before `full_init` is called.
        ignore_keys: Keys of `metainfo` that may differ.

    Raises:
        TypeError: One of them is no data set, or a key of their `metainfo` has values of different types.
        ValueError: A key of their `metainfo` differs, or is missing in one.
    """

    def __init__(
        self,
        datasets: Sequence[Mapping[str, Any] | Dataset[Any]],
        lazy_init: bool = False,
        ignore_keys: str | list[str] | None = None,
    ) -> None:
        self.datasets: list[Any] = [_built(dataset) for dataset in datasets]
        if not self.datasets:
            raise ValueError("ConcatDataset: 'datasets' is empty; give at least one")
        if not isinstance(ignore_keys, (str, list, type(None))):
            raise TypeError(f"ignore_keys is a {type(ignore_keys).__name__}; give a key or a list of keys")
        self.ignore_keys = [ignore_keys] if isinstance(ignore_keys, str) else ignore_keys or []
        self._metainfo = _metainfo(self.datasets[0])
        _check_metainfo([_metainfo(dataset) for dataset in self.datasets], self.ignore_keys)
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is known of the first data set; a copy."""
        return copy.deepcopy(self._metainfo)

    def full_init(self) -> None:
        """Load the annotations of each data set, unless that was done."""
        if self._fully_initialized:
            return
        for dataset in self.datasets:
            _initialized(dataset)
        super().__init__(self.datasets)
        self._fully_initialized = True

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        """Which data set a sample lies in, and where in it."""
        if not -len(self) <= idx < len(self):
            raise ValueError(f"there is no sample {idx}: there are {len(self)}")
        idx %= len(self)
        number = bisect_right(self.cumulative_sizes, idx)
        return number, idx - (self.cumulative_sizes[number - 1] if number else 0)

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """What the annotations say of a sample."""
        number, place = self._get_ori_dataset_idx(idx)
        info: dict[str, Any] = self.datasets[number].get_data_info(place)
        return info

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """The categories of a sample."""
        number, place = self._get_ori_dataset_idx(idx)
        found: list[int] = self.datasets[number].get_cat_ids(place)
        return found

    @force_full_init
    def __len__(self) -> int:
        return super().__len__()

    def __getitem__(self, idx: int) -> Any:
        """Read a sample."""
        number, place = self._get_ori_dataset_idx(idx)
        return self.datasets[number][place]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Read several samples; those that follow each other in one data set together, where it can."""
        found: list[Any] = []
        places: list[int] = []
        number = 0
        for each, place in map(self._get_ori_dataset_idx, indices):
            if each != number and places:
                found += read_together(self.datasets[number], places)
                places = []
            number = each
            places.append(place)
        return found + (read_together(self.datasets[number], places) if places else [])


class _Wrapper(_NoSubset, Dataset[Any]):
    """A data set that deals out the samples of another in its own way."""

    def __init__(self, dataset: Mapping[str, Any] | Dataset[Any], lazy_init: bool) -> None:
        self.dataset = _built(dataset)
        self._metainfo = _metainfo(self.dataset)
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is known of the data; a copy."""
        return copy.deepcopy(self._metainfo)

    def full_init(self) -> None:
        """Load the annotations, unless that was done."""
        if self._fully_initialized:
            return
        _initialized(self.dataset)
        self._arrange()
        self._fully_initialized = True

    @abstractmethod
    def _arrange(self) -> None:
        """Work out which sample stands where."""

    @abstractmethod
    def _get_ori_dataset_idx(self, idx: int) -> int:
        """Where a sample lies in the data set within."""

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """What the annotations say of a sample."""
        info: dict[str, Any] = self.dataset.get_data_info(self._get_ori_dataset_idx(idx))
        return info

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """The categories of a sample."""
        found: list[int] = self.dataset.get_cat_ids(self._get_ori_dataset_idx(idx))
        return found

    def __getitem__(self, idx: int) -> Any:
        """Read a sample."""
        if not self._fully_initialized:
            initialize(self)
        return self.dataset[self._get_ori_dataset_idx(idx)]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Read several samples, together where the data set within can."""
        return read_together(self.dataset, [self._get_ori_dataset_idx(index) for index in indices])


class RepeatDataset(_Wrapper):
    """A data set several times over: longer epochs, for a small one whose epochs take less time than their start.

    Args:
        dataset: The data set, built or as a mapping with `type`.
        times: How often it is gone through in an epoch.
        lazy_init: Do not load its annotations before `full_init` is called.
    """

    def __init__(
        self,
        dataset: Mapping[str, Any] | Dataset[Any],
        times: Annotated[int, Interval(ge=1)],
        lazy_init: bool = False,
    ) -> None:
        self.times = times
        super().__init__(dataset, lazy_init)

    def _arrange(self) -> None:
        self._ori_len = len(self.dataset)

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> int:
        return idx % self._ori_len

    @force_full_init
    def __len__(self) -> int:
        return self.times * self._ori_len


class ClassBalancedDataset(_Wrapper):
    """A data set in which samples of rare categories are repeated.

    With f(c) the share of samples in which a category c appears, a sample is repeated
    ceil(max over its categories of max(1, sqrt(oversample_thr / f(c)))) times; one without categories once.

    Source: Gupta et al., "LVIS: A dataset for large vocabulary instance segmentation", 2019.

    Args:
        dataset: The data set, built or as a mapping with `type`; it needs `get_cat_ids(index)`.
        oversample_thr: Categories that appear in a smaller share of the samples are repeated.
        lazy_init: Do not load its annotations before `full_init` is called.
    """

    def __init__(
        self,
        dataset: Mapping[str, Any] | Dataset[Any],
        oversample_thr: Annotated[float, Interval(ge=0)],
        lazy_init: bool = False,
    ) -> None:
        self.oversample_thr = oversample_thr
        super().__init__(dataset, lazy_init)

    def _arrange(self) -> None:
        factors = self._get_repeat_factors(self.dataset, self.oversample_thr)
        self.repeat_indices = np.repeat(np.arange(len(factors)), [math.ceil(factor) for factor in factors])

    def _get_repeat_factors(self, dataset: Any, repeat_thr: float) -> list[float]:
        """How often each sample is to be repeated, before it is rounded up."""
        if not hasattr(dataset, "get_cat_ids"):
            raise TypeError(
                f"ClassBalancedDataset asks for the categories of each sample, and {type(dataset).__name__} has no "
                "get_cat_ids(index); give it one"
            )
        size = len(dataset)
        categories = [frozenset(dataset.get_cat_ids(index)) for index in range(size)]
        counts = Counter(category for found in categories for category in found)
        factors = {name: max(1.0, math.sqrt(repeat_thr / (count / size))) for name, count in counts.items()}
        return [max((factors[category] for category in found), default=1.0) for found in categories]

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> int:
        return int(self.repeat_indices[idx])

    @force_full_init
    def __len__(self) -> int:
        return len(self.repeat_indices)


def _built(dataset: Any) -> Any:
    if isinstance(dataset, Mapping):
        from runner.registry import DATASETS

        return DATASETS.build(dataset)
    if not hasattr(dataset, "__getitem__"):
        raise TypeError(
            f"a data set within another is to have samples by index; {type(dataset).__name__} has none. Give one that "
            "does, or a mapping with its 'type'"
        )
    return dataset


def _initialized(dataset: Any) -> None:
    if hasattr(dataset, "full_init"):
        dataset.full_init()


def _metainfo(dataset: Any) -> dict[str, Any]:
    return dict(getattr(dataset, "metainfo", None) or {})


def _check_metainfo(found: Sequence[Mapping[str, Any]], ignored: Sequence[str]) -> None:
    first = found[0]
    for name in sorted({name for each in found for name in each} - set(ignored)):
        for number, each in enumerate(found):
            if name not in each:
                raise ValueError(
                    f"the metainfo of data set {number} lacks '{name}', which another has; add it, or list it in ignore_keys"
                )
            if type(each[name]) is not type(first[name]):
                raise TypeError(
                    f"'{name}' in the metainfo of data set {number} is a {type(each[name]).__name__}, and a "
                    f"{type(first[name]).__name__} in the first; make them alike, or list it in ignore_keys"
                )
            if not _equal(each[name], first[name]):
                raise ValueError(
                    f"'{name}' in the metainfo of data set {number} is {each[name]!r}, and {first[name]!r} in the first; "
                    "make them alike, or list it in ignore_keys"
                )


def _equal(left: Any, right: Any) -> bool:
    return bool(np.array_equal(left, right)) if isinstance(left, np.ndarray) else bool(left == right)
