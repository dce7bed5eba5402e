"""Samples described by an annotation file, each made by a pipeline when it is read."""

from __future__ import annotations

import copy
import functools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from torch.utils.data import Dataset
from typing_extensions import Self

from runner.dataset.compose import Compose
from runner.dataset.records import Records
from runner.kinds import Interval, Slot
from runner.logging import print_log

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runner.fileio import BackendArgs

__all__ = ["BaseDataset", "Compose", "force_full_init"]

Method = TypeVar("Method", bound=Callable[..., Any])

_ANNOTATIONS = frozenset({"data_list", "_records"})


def force_full_init(old_func: Method) -> Method:
    """Let a method call `full_init()` first, with a warning, where the data set has not been initialized.

    Args:
        old_func: A method of a class that has `full_init`.
    """

    @functools.wraps(old_func)
    def wrapper(obj: Any, *args: Any, **kwargs: Any) -> Any:
        if not getattr(obj, "_fully_initialized", False):
            initialize(obj)
        return old_func(obj, *args, **kwargs)

    return cast("Method", wrapper)


def initialize(dataset: Any) -> None:
    """Initialize a data set that is used before anyone did, with a warning.

    Raises:
        AttributeError: It has no `full_init`.
    """
    name = type(dataset).__name__
    if not hasattr(dataset, "full_init"):
        raise AttributeError(f"{name} has no full_init(), which loads what is used here; give it one")
    print_log(
        f"{name} is used before full_init(), which is called now; call it before workers start, or each reads the "
        "annotations for itself",
        logger="current",
        level=logging.WARNING,
    )
    dataset.full_init()
    dataset._fully_initialized = True  # noqa: SLF001 - the name is a contract that user classes share


class BaseDataset(Dataset[Any]):
    """Samples from an annotation file, each a mapping that a pipeline turns into data.

    The file (JSON, YAML or pickle) holds `{metainfo: {…}, data_list: [{…}, …]}`. A subclass reads other formats by
    overriding `load_data_list`, and chooses samples by overriding `filter_data`.

    What is known of the data (`metainfo`) is collected from the file, then the class's `METAINFO`, then the argument; the
    later wins.

    Args:
        ann_file: The annotation file: a path, or an address such as `s3://bucket/annotations.json`.
        metainfo: What is known of the data: names of classes, colours. Text that names a file stands for the list of its
            lines; an address (`s3://…`) does where it ends in `.txt`.
        data_root: The folder that `ann_file` and `data_prefix` lie in, where they are not absolute.
        data_prefix: For each key of a sample that holds a path, the folder that it lies in.
        filter_cfg: How samples are chosen, for `filter_data` of a subclass.
        indices: Use only the first so many samples, the last ones for a negative number, or those at these places.
        serialize_data: Keep the samples as one block of bytes, which worker processes share instead of copying.
        pipeline: What is done to a sample when it is read, in order. One that returns None lets another be read.
        test_mode: A pipeline that gives None is an error.
        lazy_init: Do not load the annotations before `full_init` is called.
        max_refetch: How many other samples are tried, drawn at random, where the pipeline gives None.
        backend_args: How the files are read: `backend`, and the options of that file system.

    Raises:
        TypeError: The annotation file does not hold a mapping, or a sample is none.
        ValueError: The annotation file lacks `metainfo` or `data_list`.
    """

    METAINFO: ClassVar[dict[str, Any]] = {}
    """What is known of the data, for all data sets of the class."""

    backend_args: BackendArgs | None = None
    _fully_initialized: bool = False

    def __init__(
        self,
        ann_file: str | None = "",
        metainfo: Mapping[str, Any] | None = None,
        data_root: str | None = "",
        data_prefix: Mapping[str, str] = {"img_path": ""},
        filter_cfg: Mapping[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Annotated[Sequence[Any], Slot("transform")] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
        max_refetch: Annotated[int, Interval(ge=0)] = 1000,
        backend_args: BackendArgs | None = None,
    ) -> None:
        self.ann_file = ann_file
        if backend_args is not None:  # a subclass of the old days may have set its own before
            self.backend_args = backend_args
        self._metainfo = self._load_metainfo(copy.deepcopy(metainfo))
        self.data_root = data_root
        self.data_prefix = dict(data_prefix)
        self.filter_cfg = copy.deepcopy(filter_cfg)
        self._indices = indices
        self.serialize_data = serialize_data
        self.test_mode = test_mode
        self.max_refetch = max_refetch
        self.data_list: list[dict[str, Any]] = []
        self._records = Records.pack(())
        self._join_prefix()
        self.pipeline = Compose(pipeline)
        if not lazy_init:
            self.full_init()

    # ---- what is known of the data -----------------------------------------------------------------------------------

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is known of the data; a copy."""
        return copy.deepcopy(self._metainfo)

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Put the argument over the class's own; text that names a file stands for the list of its lines."""
        collected = copy.deepcopy(cls.METAINFO)
        if metainfo is None:
            return collected
        if not isinstance(metainfo, Mapping):
            raise TypeError(f"metainfo is a {type(metainfo).__name__}; give a mapping")
        for name, value in metainfo.items():
            collected[name] = _lines(value) if isinstance(value, str) and value else value
        return collected

    def _join_prefix(self) -> None:
        """Put `data_root` in front of the paths that are not absolute."""
        if self.ann_file:
            self.ann_file = self._below_root(self.ann_file)
        for name, prefix in self.data_prefix.items():
            if not isinstance(prefix, str):
                raise TypeError(f"data_prefix.{name} is a {type(prefix).__name__}; give a folder, as text")
            self.data_prefix[name] = self._below_root(prefix)

    def _below_root(self, path: str) -> str:
        return path if not self.data_root or _is_absolute(path) else _join(self.data_root, path)

    # ---- loading the annotations -------------------------------------------------------------------------------------

    def full_init(self) -> None:
        """Load the annotations, choose the samples and serialize them, unless that was done."""
        if self._fully_initialized:
            return
        self.data_list = self.load_data_list()
        self.data_list = self.filter_data()
        if self._indices is not None:
            self.data_list = self._get_unserialized_subset(self._indices)
        if self.serialize_data:
            self.data_bytes, self.data_address = self._serialize_data()
        self._fully_initialized = True

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file; a subclass reads other formats here.

        Returns:
            A mapping for each sample.
        """
        from runner import fileio

        annotations = fileio.load(self.ann_file, backend_args=self.backend_args)
        if not isinstance(annotations, dict):
            raise TypeError(
                f"{self.ann_file} holds a {type(annotations).__name__}; an annotation file holds a mapping with "
                "'metainfo' and 'data_list'"
            )
        missing = [name for name in ("metainfo", "data_list") if name not in annotations]
        if missing:
            raise ValueError(
                f"{self.ann_file} lacks {' and '.join(map(repr, missing))}; an annotation file holds 'metainfo' and "
                "'data_list', and a subclass reads others in load_data_list()"
            )
        for name, value in annotations["metainfo"].items():
            self._metainfo.setdefault(name, value)
        return [sample for raw in annotations["data_list"] for sample in self._parsed(raw)]

    def _parsed(self, raw: Any) -> list[dict[str, Any]]:
        found = self.parse_data_info(raw)
        samples = found if isinstance(found, list) else [found]
        for sample in samples:
            if not isinstance(sample, dict):
                raise TypeError(
                    f"{type(self).__name__}.parse_data_info() returned a {type(sample).__name__}; it returns a "
                    "mapping, or a list of mappings"
                )
        return samples

    def parse_data_info(self, raw_data_info: dict[str, Any]) -> dict[str, Any] | list[dict[str, Any]]:
        """Turn an entry of the annotation file into a sample, or into several.

        Here, `data_prefix` is put in front of the paths that it names.
        """
        for name, prefix in self.data_prefix.items():
            if name not in raw_data_info:
                raise KeyError(
                    f"data_prefix names '{name}', which an entry of {self.ann_file} lacks: it has "
                    f"{', '.join(map(repr, raw_data_info)) or 'nothing'}"
                )
            raw_data_info[name] = _join(prefix, raw_data_info[name]) if prefix else raw_data_info[name]
        return raw_data_info

    def filter_data(self) -> list[dict[str, Any]]:
        """Choose among `self.data_list`, as `self.filter_cfg` says; here, all are taken."""
        return self.data_list

    def get_cat_ids(self, idx: int) -> list[int]:
        """The categories of a sample, which `ClassBalancedDataset` asks for; a subclass tells them."""
        raise NotImplementedError(
            f"{type(self).__name__} does not tell the categories of a sample; give it get_cat_ids()"
        )

    # ---- what is kept of them ----------------------------------------------------------------------------------------

    @property
    def data_bytes(self) -> NDArray[np.uint8]:
        """The serialized samples, end to end."""
        return self._records.data.numpy()

    @data_bytes.setter
    def data_bytes(self, value: NDArray[np.uint8]) -> None:
        self._records.data = _tensor(value, torch.uint8)

    @property
    def data_address(self) -> NDArray[np.int64]:
        """Where each sample ends in `data_bytes`."""
        return self._records.ends.numpy()

    @data_address.setter
    def data_address(self, value: NDArray[np.int64]) -> None:
        self._records.ends = _tensor(value, torch.int64)

    def _serialize_data(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Serialize `data_list` and empty it."""
        records = Records.pack(self.data_list)
        self.data_list.clear()
        return records.data.numpy(), records.ends.numpy()

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """What the annotations say of a sample, a copy, with its place under `sample_idx`."""
        info: dict[str, Any] = self._records[idx] if self.serialize_data else copy.deepcopy(self.data_list[idx])
        info["sample_idx"] = idx if idx >= 0 else len(self) + idx
        return info

    @force_full_init
    def __len__(self) -> int:
        return len(self._records if self.serialize_data else self.data_list)

    # ---- reading -----------------------------------------------------------------------------------------------------

    def __getitem__(self, idx: int) -> Any:
        """Read a sample, or another one where the pipeline gives None.

        The other is drawn by NumPy's generator, which the loader keys for each batch, so that a resumed run draws the same.
        """
        if not self._fully_initialized:
            initialize(self)
        first = idx
        for _ in range(1 if self.test_mode else self.max_refetch + 1):
            data = self.prepare_data(idx)
            if data is not None:
                return data
            if not self.test_mode:
                idx = self._rand_another()
        name = type(self).__name__
        if self.test_mode:
            raise RuntimeError(f"the pipeline of {name} gave None for sample {first}, and test_mode takes no other")
        raise RuntimeError(
            f"the pipeline of {name} gave None for sample {first} and for {self.max_refetch} others (max_refetch); "
            "look at the files and at the transforms"
        )

    def prepare_data(self, idx: int) -> Any:
        """Send a sample through the pipeline; None where it gives up on it."""
        return self.pipeline(self.get_data_info(idx))

    def _rand_another(self) -> int:
        return int(np.random.randint(0, len(self)))  # noqa: NPY002 - the generator that a fetch keys

    # ---- parts of the data set ---------------------------------------------------------------------------------------

    @force_full_init
    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep the first so many samples, the last ones for a negative number, or those at the places given."""
        if self.serialize_data:
            self._records = self._chosen(indices)
        else:
            self.data_list = self._get_unserialized_subset(indices)

    @force_full_init
    def get_subset(self, indices: Sequence[int] | int) -> Self:
        """A data set of the first so many samples, the last ones for a negative number, or those at the places given."""
        subset = self._copy_without_annotation()
        if self.serialize_data:
            vars(subset).update(data_list=[], _records=self._chosen(indices))
        else:
            chosen = copy.deepcopy(self._get_unserialized_subset(indices))
            vars(subset).update(data_list=chosen, _records=Records.pack(()))
        return subset

    def _chosen(self, indices: Sequence[int] | int) -> Records:
        _check_indices(indices)
        return self._records.subset(indices)

    def _get_serialized_subset(self, indices: Sequence[int] | int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        records = self._chosen(indices)
        return records.data.numpy(), records.ends.numpy()

    def _get_unserialized_subset(self, indices: Sequence[int] | int) -> list[dict[str, Any]]:
        _check_indices(indices)
        if isinstance(indices, int):
            return self.data_list[:indices] if indices >= 0 else self.data_list[indices:]
        return [self.data_list[index] for index in indices]

    def _copy_without_annotation(self, memo: dict[int, Any] | None = None) -> Self:
        """A deep copy of everything but the annotations."""
        memo = {} if memo is None else memo
        other = memo[id(self)] = type(self).__new__(type(self))
        kept = {name: value for name, value in vars(self).items() if name not in _ANNOTATIONS}
        vars(other).update(copy.deepcopy(kept, memo))
        return other


def _check_indices(indices: object) -> None:
    if isinstance(indices, str) or not isinstance(indices, (int, Sequence)):
        raise TypeError(f"indices is a {type(indices).__name__}; give a number of samples, or a list of places")


def _tensor(array: NDArray[Any], dtype: torch.dtype) -> torch.Tensor:
    # torch warns of memory that is not to be written, as `np.frombuffer` of bytes gives.
    return torch.as_tensor(array if array.flags.writeable else array.copy(), dtype=dtype)


def _is_absolute(path: str) -> bool:
    return os.path.isabs(path) or "://" in path  # noqa: PTH117 - an address is no path


def _join(folder: str, path: str) -> str:
    from runner import fileio

    return str(fileio.join_path(folder, path))


def _lines(value: str) -> str | list[str]:
    """The lines of the file that the text names; the text itself where there is none."""
    from runner import fileio

    # A page on the web that is named there is not fetched.
    if "://" in value and not value.endswith(".txt"):
        return value
    return list(fileio.list_from_file(value)) if fileio.isfile(value) else value
