"""What `mmengine.utils.dl_utils` has and torch has not under a name of its own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from runner.environment import collect_env
from runner.utils.sequences import is_tuple_of
from runner.utils.time_counter import TimeCounter

__all__ = [
    "TORCH_VERSION",
    "TimeCounter",
    "collect_env",
    "has_batch_norm",
    "is_norm",
    "set_multi_processing",
    "tensor2imgs",
]

TORCH_VERSION = torch.__version__


def is_norm(layer: nn.Module, exclude: type | tuple[type, ...] | None = None) -> bool:
    """Whether a module is a batch, instance, group or layer norm.

    Args:
        layer: The module.
        exclude: Classes that don't count.
    """
    left_out = exclude if isinstance(exclude, tuple) or exclude is None else (exclude,)
    if left_out is not None and not is_tuple_of(left_out, type):
        raise TypeError(f"is_norm: exclude is {exclude!r}; it must be a class or a tuple of classes")
    if left_out and isinstance(layer, left_out):
        return False
    return isinstance(layer, (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm))


def has_batch_norm(model: nn.Module) -> bool:
    """Whether there is a batch norm in a module."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def tensor2imgs(
    tensor: Tensor,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    to_bgr: bool = True,
) -> list[np.ndarray[Any, Any]]:
    """Normalized images as arrays of pixels, of the tensor's type.

    Args:
        tensor: (images, channels, height, width), with one channel or three.
        mean: What was subtracted from each channel; 0 by default.
        std: What each channel was divided by; 1 by default.
        to_bgr: Turn the three channels round; with one channel it must be false.

    Returns:
        (height, width, channels) for each image.
    """
    if tensor.ndim != 4 or tensor.size(1) not in {1, 3}:
        raise ValueError(
            f"tensor2imgs: (images, 1 or 3 channels, height, width) is needed; found {tuple(tensor.shape)}"
        )
    channels = tensor.size(1)
    means, deviations = mean or (0,) * channels, std or (1,) * channels
    if not len(means) == len(deviations) == channels or (channels == 1 and to_bgr):
        raise ValueError(
            f"tensor2imgs: there are {channels} channels, {len(means)} means and {len(deviations)} deviations, and to_bgr "
            f"is {to_bgr}; one channel can't be turned round"
        )
    images = tensor.permute(0, 2, 3, 1) * tensor.new_tensor(deviations) + tensor.new_tensor(means)
    arrays = images.detach().cpu().numpy()
    return [np.ascontiguousarray(image[:, :, ::-1] if to_bgr else image) for image in arrays]


def set_multi_processing(
    mp_start_method: Literal["fork", "spawn", "forkserver"] = "fork",
    opencv_num_threads: int = 0,
    distributed: bool = False,
) -> None:
    """Set how this process starts others, and with how many threads they work.

    A run does this by its field `env_cfg`.

    Args:
        mp_start_method: `fork`, `spawn` or `forkserver`; not on Windows, which has only `spawn`.
        opencv_num_threads: OpenCV's threads, where it has been imported.
        distributed: Limit OpenMP and MKL to one thread in processes started from here, where the environment says
            nothing.
    """
    if sys.platform != "win32":
        current = multiprocessing.get_start_method(allow_none=True)
        if current not in {None, mp_start_method}:
            warnings.warn(f"processes were started by {current!r} so far, and by {mp_start_method!r} now", stacklevel=2)
        multiprocessing.set_start_method(mp_start_method, force=True)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(opencv_num_threads)
    if distributed:
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
