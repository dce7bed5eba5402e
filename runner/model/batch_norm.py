"""Batch norm that shares its statistics among processes, and back."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.errors import BuildError

__all__ = ["convert_sync_batchnorm", "revert_sync_batchnorm"]


class _BatchNormXd(_BatchNorm):
    """Batch norm for inputs of any number of dimensions."""

    def _check_input_dim(self, input: torch.Tensor) -> None:  # noqa: A002 - torch's name
        """Take all that come."""


def convert_sync_batchnorm(module: nn.Module, implementation: Literal["torch", "mmcv"] = "torch") -> nn.Module:
    """Turn a module's batch norm layers into ones that share their statistics over all processes.

    Args:
        module: The module; it is changed, but for a batch norm layer itself, which is replaced.
        implementation: `torch`'s, or `mmcv`'s where mmcv is installed.

    Returns:
        The module.

    Raises:
        ValueError: An unknown implementation.
        BuildError: mmcv is not installed.
    """
    if implementation not in {"torch", "mmcv"}:
        raise ValueError(f"sync_bn must be 'torch' or 'mmcv', got {implementation!r}")
    to: Any = nn.SyncBatchNorm if implementation == "torch" else _mmcv_sync_batch_norm()
    return _replaced(module, lambda each: isinstance(each, _BatchNorm) and not isinstance(each, to), to)


def revert_sync_batchnorm(module: nn.Module) -> nn.Module:
    """Turn batch norm layers that share their statistics into ordinary ones, for a run of one process.

    Args:
        module: The module; it is changed, but for a batch norm layer itself, which is replaced.

    Returns:
        The module.
    """
    return _replaced(module, _is_synchronized, _BatchNormXd)


def _replaced(module: nn.Module, is_meant: Any, to: Any) -> nn.Module:
    if is_meant(module):
        return _with_its_state(module, to)
    for name, child in module.named_children():
        new = _replaced(child, is_meant, to)
        if new is not child:
            module.add_module(name, new)
    return module


def _with_its_state(norm: Any, to: Any) -> nn.Module:
    new: nn.Module = to(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name in ("weight", "bias"):
        new.register_parameter(name, norm._parameters.get(name))  # noqa: SLF001 - an affine-less layer has none
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        new.register_buffer(name, norm._buffers.get(name))  # noqa: SLF001 - as above
    return new.train(norm.training)


def _is_synchronized(module: nn.Module) -> bool:
    # mmcv's is none of torch's classes; asking mmcv for it would import mmcv in every run.
    cls = type(module)
    of_mmcv = cls.__module__.partition(".")[0] == "mmcv" and cls.__name__ == "SyncBatchNorm"
    return isinstance(module, nn.SyncBatchNorm) or of_mmcv


def _mmcv_sync_batch_norm() -> Any:
    try:
        from mmcv.ops import SyncBatchNorm  # type: ignore[import-not-found,unused-ignore]  # not installed here
    except ImportError as error:
        raise BuildError(
            f"sync_bn: mmcv needs mmcv with its compiled operators ({error}); use 'torch', which needs nothing"
        ) from error
    return SyncBatchNorm
