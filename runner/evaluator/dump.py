"""Keeps what the model returned, to be measured later."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import numpy as np
import torch

from runner.evaluator.metric import BaseMetric, on_cpu
from runner.logging import print_log

__all__ = ["DumpResults"]


class DumpResults(BaseMetric):
    """Writes what the model returned for each sample to a file, in the order of the dataset; yields no metric.

    The name's ending says how: `.pkl` and `.pickle` as MMEngine does, which only a program that trusts the file should
    read; `.pt` for `torch.load` with `weights_only=True`; `.json` for text; `.npz` for arrays, one for each name in the
    samples, stacked. Tensors are on the CPU. `Evaluator.offline_evaluate` takes what was read back.

    Args:
        out_file_path: The file; its folder is made.
        collect_device: Where results travel when several processes gather them.
        collect_dir: Taken for the sake of configs that give it; nothing but the file is written to disk.
    """

    def __init__(
        self,
        out_file_path: str,
        collect_device: Literal["cpu", "gpu"] = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir)
        if Path(out_file_path).suffix not in _WRITERS:
            raise ValueError(
                f"DumpResults: out_file_path must end with one of {', '.join(_WRITERS)}, got {out_file_path!r}"
            )
        self.out_file_path = out_file_path

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Keep a batch's outputs, their tensors on the CPU.

        Args:
            data_batch: Not used.
            data_samples: What the model returned, one entry a sample.
        """
        del data_batch
        if isinstance(data_samples, Mapping):
            raise TypeError(
                "DumpResults keeps one entry a sample, and the model returned a mapping for the whole batch; "
                "return a list from it in mode 'predict'"
            )
        self.results.extend(on_cpu(each) for each in data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Write the file.

        Args:
            results: What was kept, of all processes.

        Returns:
            No metric.

        Raises:
            TypeError: The results hold what a file of this kind can't.
            ValueError: They are of several shapes, for `.npz`.
        """
        target = Path(self.out_file_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with partial.open("wb") as file:
                _WRITERS[target.suffix](results, file)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        print_log(f"{len(results)} results were written to {self.out_file_path}", logger="current")
        return {}


def _write_pickle(results: list[Any], file: BinaryIO) -> None:
    pickle.dump(results, file)


def _write_torch(results: list[Any], file: BinaryIO) -> None:
    torch.save(_changed(results, _as_tensor), file)


def _write_json(results: list[Any], file: BinaryIO) -> None:
    file.write(json.dumps(_changed(results, _as_number)).encode())


def _write_arrays(results: list[Any], file: BinaryIO) -> None:
    many = results if results and isinstance(results[0], Mapping) else [{"results": each} for each in results]
    columns: dict[str, list[Any]] = {}
    for sample in many:
        for name, value in sample.items():
            columns.setdefault(str(name), []).append(np.asarray(value))
    for name, column in columns.items():
        if len(column) != len(many) or len({each.shape for each in column}) > 1 or column[0].dtype == object:
            raise ValueError(
                f"DumpResults: '{name}' is no array of one shape in every sample, as .npz needs; write .pkl or .pt instead"
            )
    np.savez(file, **{name: np.stack(column) for name, column in columns.items()})  # type: ignore[arg-type]  # numpy's stub takes the arrays for its flag


_WRITERS: Final[dict[str, Callable[[list[Any], BinaryIO], None]]] = {
    ".pkl": _write_pickle,
    ".pickle": _write_pickle,
    ".pt": _write_torch,
    ".json": _write_json,
    ".npz": _write_arrays,
}


def _changed(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """The same with a function of every leaf; tuples stay tuples."""
    if isinstance(value, Mapping):
        return {key: _changed(each, leaf) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        kept = [_changed(each, leaf) for each in value]
        return tuple(kept) if isinstance(value, tuple) else kept
    return leaf(value)


def _as_tensor(value: Any) -> Any:
    """What `weights_only` refuses in a form that it takes."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return value.item() if isinstance(value, np.generic) else value


def _as_number(value: Any) -> Any:
    return value.tolist() if isinstance(value, (torch.Tensor, np.ndarray, np.generic)) else value
