"""Runs several metrics over the same outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from runner.dataset.collate import pseudo_collate
from runner.evaluator.metric import BaseMetric

__all__ = ["Evaluator", "get_metric_value"]


class Evaluator:
    """Runs one or several metrics over the same outputs.

    Args:
        metrics: The metrics, built or as mappings with `type`.
    """

    def __init__(self, metrics: dict[str, Any] | BaseMetric | Sequence[dict[str, Any] | BaseMetric]) -> None:
        given = metrics if isinstance(metrics, Sequence) else [metrics]
        self.metrics: list[BaseMetric] = [_built(metric) for metric in given]
        self._dataset_meta: Mapping[str, Any] | None = None

    @property
    def dataset_meta(self) -> Mapping[str, Any] | None:
        """What the dataset says about itself; set, it is handed to every metric."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: Mapping[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta
        for metric in self.metrics:
            metric.dataset_meta = dataset_meta

    def process(self, data_samples: Any, data_batch: Any = None) -> None:
        """Hand one batch to every metric.

        Args:
            data_samples: What the model returned. A sequence, or anything else that can be iterated but a mapping,
                reaches the metrics as a list, with data elements as mappings.
            data_batch: What the loader returned.
        """
        if isinstance(data_samples, Iterable) and not isinstance(data_samples, (Mapping, str)):
            data_samples = [_as_mapping(sample) for sample in data_samples]
        for metric in self.metrics:
            # By position: metrics may name these arguments as they like.
            metric.process(data_batch, data_samples)

    def evaluate(self, size: int) -> dict[str, Any]:
        """Compute all metrics.

        Args:
            size: How many samples the dataset has.

        Raises:
            ValueError: Two metrics return the same name.
        """
        metrics: dict[str, Any] = {}
        owners: dict[str, BaseMetric] = {}
        for metric in self.metrics:
            results = metric.evaluate(size)
            taken = sorted(metrics.keys() & results.keys())
            if taken:
                raise ValueError(
                    f"{self._place(metric)} returns {taken}, which {self._place(owners[taken[0]])} returned already; "
                    "give one of the two a prefix"
                )
            metrics.update(results)
            owners.update(dict.fromkeys(results, metric))
        return metrics

    def _place(self, metric: BaseMetric) -> str:
        """A metric as the config names it: its number counts from 0."""
        number = next(number for number, each in enumerate(self.metrics) if each is metric)
        return f"{type(metric).__name__} (metrics.{number})"

    def offline_evaluate(
        self, data_samples: Sequence[Any], data: Sequence[Any] | None = None, chunk_size: int = 1
    ) -> dict[str, Any]:
        """Compute all metrics from outputs that were kept.

        Args:
            data_samples: What the model returned, sample by sample.
            data: The samples of the dataset that they were made from, if a metric needs them; a chunk of them reaches
                the metrics collated by `pseudo_collate`, as a batch of a loader does.
            chunk_size: How many samples the metrics take at a time.

        Raises:
            ValueError: `data` and `data_samples` differ in length, or `chunk_size` is less than 1.
        """
        if chunk_size < 1:
            raise ValueError(f"offline_evaluate: chunk_size must be at least 1, got {chunk_size}")
        if data is not None and len(data) != len(data_samples):
            raise ValueError(
                f"data and data_samples must have the same length, got {len(data)} and {len(data_samples)}"
            )
        batches = _chunks(data, chunk_size) if data is not None else None
        size = 0
        for samples in _chunks(data_samples, chunk_size):
            size += len(samples)
            self.process(samples, pseudo_collate(next(batches)) if batches is not None else None)
        return self.evaluate(size)


def get_metric_value(indicator: str, metrics: Mapping[str, Any]) -> Any:
    """Find one metric by its full name, or by its name without prefix.

    Args:
        indicator: `prefix/name`, or `name` where only one metric is called so.
        metrics: What `Evaluator.evaluate` returned.

    Raises:
        ValueError: No metric, or more than one, is called so.
    """
    if indicator in metrics:
        return metrics[indicator]
    found = [name for name in metrics if "/" not in indicator and name.rpartition("/")[2] == indicator]
    if len(found) == 1:
        return metrics[found[0]]
    reason = f"several metrics are called so: {found}" if found else f"the metrics are {sorted(metrics)}"
    raise ValueError(f"Cannot find the metric '{indicator}': {reason}")


def _built(metric: dict[str, Any] | BaseMetric) -> BaseMetric:
    if not isinstance(metric, Mapping):
        return metric
    from runner.registry import METRICS

    built: BaseMetric = METRICS.build(metric)
    return built


def _as_mapping(sample: Any) -> Any:
    """A data element as a mapping, everything else as it is."""
    return sample.to_dict() if hasattr(sample, "metainfo_keys") and hasattr(sample, "to_dict") else sample


def _chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
