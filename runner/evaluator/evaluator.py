"""Runs several metrics over the same outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

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
        for metric in self.metrics:
            results = metric.evaluate(size)
            taken = sorted(metrics.keys() & results.keys())
            if taken:
                raise ValueError(
                    f"{type(metric).__name__} returns {taken}, which another metric returned already; "
                    "give one of the two a prefix"
                )
            metrics.update(results)
        return metrics

    def offline_evaluate(
        self, data_samples: Sequence[Any], data: Sequence[Any] | None = None, chunk_size: int = 1
    ) -> dict[str, Any]:
        """Compute all metrics from outputs that were kept.

        Args:
            data_samples: What the model returned, sample by sample.
            data: What the loader returned for them, if a metric needs it.
            chunk_size: How many samples the metrics take at a time.

        Raises:
            ValueError: `data` and `data_samples` differ in length.
        """
        if data is not None and len(data) != len(data_samples):
            raise ValueError(
                f"data and data_samples must have the same length, got {len(data)} and {len(data_samples)}"
            )
        batches = _chunks(data, chunk_size) if data is not None else None
        for samples in _chunks(data_samples, chunk_size):
            self.process(samples, next(batches) if batches is not None else None)
        return self.evaluate(len(data_samples))


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
