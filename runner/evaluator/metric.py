"""The base class of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from runner.dist import broadcast_object_list, collect_results, is_main_process
from runner.logging import print_log

__all__ = ["BaseMetric", "on_cpu"]


class BaseMetric(ABC):
    """Collects something from each batch, and computes the metrics from all of it on the main process.

    Args:
        collect_device: Where results travel when several processes gather them: `cpu` or `gpu`. The process group's
            backend decides; neither writes files.
        prefix: Put before every name, as `prefix/name`; by default the class's `default_prefix`.
        collect_dir: Taken for the sake of configs that give it; nothing is written to disk on the way. Only with `cpu`.
    """

    default_prefix: ClassVar[str | None] = None
    """The prefix where none is given."""

    yields: ClassVar[tuple[str, ...]] = ()
    """The names that `compute_metrics` returns, without prefix, where they are known beforehand; empty if not.

    `{argument}` stands for the value of a constructor's argument, `*` for what is not known: `("top{topk}", "class_*")`.
    `validate` reads them from the source, and holds `save_best` and `monitor` against them. They no longer count for a
    class that overrides `compute_metrics` or `evaluate` and declares none of its own.
    """

    def __init__(
        self,
        collect_device: Literal["cpu", "gpu"] = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        if collect_device not in {"cpu", "gpu"}:
            raise ValueError(f"{type(self).__name__}: collect_device must be 'cpu' or 'gpu', got {collect_device!r}")
        if collect_dir is not None and collect_device != "cpu":
            raise ValueError(f"{type(self).__name__}: collect_dir goes with collect_device 'cpu'; remove one of them")
        self.collect_device = collect_device
        self.collect_dir = collect_dir
        self.prefix = prefix or self.default_prefix
        self.results: list[Any] = []
        self._dataset_meta: Mapping[str, Any] | None = None

    @property
    def dataset_meta(self) -> Mapping[str, Any] | None:
        """What the dataset says about itself (`metainfo`), such as the names of its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: Mapping[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta

    @abstractmethod
    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in one batch: append to `self.results` what the metric needs of it, best one entry a sample.

        Args:
            data_batch: What the loader returned.
            data_samples: What the model returned.
        """

    @abstractmethod
    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Compute the metrics; called on the main process only.

        Args:
            results: The entries of all processes, in the order of the dataset, on the CPU.

        Returns:
            Values by name.
        """

    def evaluate(self, size: int) -> dict[str, Any]:
        """Gather what was collected, compute the metrics and forget it.

        Args:
            size: How many samples the dataset has; what was added to fill up the last round of processes is dropped.

        Returns:
            The metrics on every process, scalars as Python numbers.
        """
        if not self.results:
            print_log(
                f"{type(self).__name__} got no results; does its process() append to self.results?",
                logger="current",
                level="WARNING",
            )
        gathered = collect_results(self.results, size, self.collect_device)
        self.results = []
        metrics: list[dict[str, Any] | None] = [None]
        if is_main_process():
            computed = self.compute_metrics(on_cpu(gathered))
            metrics = [{self._full_name(name): _plain(value) for name, value in computed.items()}]
        broadcast_object_list(metrics)
        assert metrics[0] is not None
        return metrics[0]

    def _full_name(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def on_cpu(value: Any) -> Any:
    """A value with every tensor in it on the CPU; containers are rebuilt, data elements are moved by their `cpu`."""
    if callable(getattr(value, "cpu", None)):
        return value.cpu()
    if isinstance(value, Mapping):
        return {key: on_cpu(each) for key, each in value.items()}
    if isinstance(value, list):
        return [on_cpu(each) for each in value]
    if isinstance(value, tuple):
        moved = [on_cpu(each) for each in value]
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    return value


def _plain(value: Any) -> Any:
    """A scalar tensor or NumPy scalar as a Python number; what has more than one number, or none, stays."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size == 1):
        return value.item()
    return value
