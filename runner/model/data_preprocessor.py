"""What happens to a batch between the loader and the model: it goes to the device and is normalized."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import Self

from runner.kinds import Interval

__all__ = ["BaseDataPreprocessor", "ImgDataPreprocessor", "stack_batch"]


class BaseDataPreprocessor(nn.Module):
    """Moves a batch to the device of the model that it belongs to.

    It follows the model wherever `to`, `cuda` or a wrapper takes it.

    Args:
        non_blocking: Whether no copy is waited for. False: none to a CUDA device is, where the order of work is kept
            without waiting; a copy to any other device is.
    """

    def __init__(self, non_blocking: bool | None = False) -> None:
        super().__init__()
        self._non_blocking = bool(non_blocking)
        self._device = torch.empty(0).device

    @property
    def device(self) -> torch.device:
        """Where batches are moved to."""
        return self._device

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        # Every move of a module, its parents' included, ends here: a probe tells where to.
        self._device = fn(torch.empty(0, device=self._device)).device
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return moved

    def _goes_on(self) -> bool:
        # From pinned memory the copy runs beside the host; from other memory CUDA stages it before it returns.
        return self._non_blocking or self._device.type == "cuda"

    def cast_data(self, data: Any) -> Any:
        """Move every tensor of a batch, and whatever else has `.to(device, non_blocking=...)`.

        Args:
            data: Tensors in any nesting of mappings, lists, tuples and named tuples; other values stay as they are.

        Returns:
            The batch in new containers of the same types.
        """
        if isinstance(data, torch.Tensor):
            if data.device == self._device:
                return data
            return data.to(self._device, non_blocking=self._goes_on())
        if type(data) is dict:
            return {key: self.cast_data(value) for key, value in data.items()}
        if isinstance(data, list):
            device = self._device
            # Most often nothing has to be moved: asking here halves what a batch costs.
            return [
                each if each.__class__ is torch.Tensor and each.device == device else self.cast_data(each)
                for each in data
            ]
        return self._cast_other(data)

    def _cast_other(self, data: Any) -> Any:
        """What is rarer in a batch."""
        if callable(getattr(data, "to", None)):
            return data.to(self._device, non_blocking=self._goes_on())
        if isinstance(data, Mapping):
            make: Callable[[dict[Any, Any]], Any] = type(data)
            return make({key: self.cast_data(value) for key, value in data.items()})
        if isinstance(data, tuple):
            cast = [self.cast_data(each) for each in data]
            return type(data)(*cast) if hasattr(data, "_fields") else tuple(cast)
        return data

    def forward(self, data: Any, training: bool = False) -> Any:  # noqa: ARG002 - subclasses may need it
        """Prepare a batch for the model.

        Args:
            data: A batch of the loader.
            training: Whether it is a step of training.
        """
        return self.cast_data(data)


class ImgDataPreprocessor(BaseDataPreprocessor):
    """Converts channels, normalizes, pads and stacks the images of a batch, which is a mapping with `inputs`.

    `inputs` is a list of images (C, H, W) or one tensor (N, C, H, W), of any dtype. The result has
    `inputs` as one float tensor (N, C, H', W'), and `data_samples`, None where the batch has none.

    Args:
        mean: Subtracted from each channel, in the images' units; one value or three. Needs `std`.
        std: What each channel is divided by; one value or three. Needs `mean`.
        pad_size_divisor: Height and width are padded, at the bottom and right, to a multiple of this.
        pad_value: What is padded with, after normalization.
        bgr_to_rgb: Reverse the three channels.
        rgb_to_bgr: Reverse the three channels.
        non_blocking: Whether no copy is waited for. False: none to a CUDA device is, where the order of work is kept
            without waiting; a copy to any other device is.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        mean: Sequence[float | int] | None = None,
        std: Sequence[float | int] | None = None,
        pad_size_divisor: Annotated[int, Interval(ge=1)] = 1,
        pad_value: float = 0,
        bgr_to_rgb: bool = False,
        rgb_to_bgr: bool = False,
        non_blocking: bool | None = False,
    ) -> None:
        super().__init__(non_blocking)
        if bgr_to_rgb and rgb_to_bgr:
            raise ValueError("ImgDataPreprocessor: bgr_to_rgb and rgb_to_bgr exclude each other; give one of them")
        if (mean is None) != (std is None):
            raise ValueError(f"ImgDataPreprocessor: mean and std are given together, got mean={mean}, std={std}")
        self._normalize = mean is not None
        if mean is not None and std is not None:
            for name, values in (("mean", mean), ("std", std)):
                if len(values) not in {1, 3}:
                    raise ValueError(f"ImgDataPreprocessor: {name} must have 1 or 3 values, got {len(values)}")
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self._reverse = bgr_to_rgb or rgb_to_bgr
        self.pad_size_divisor = pad_size_divisor
        self.pad_value = pad_value

    def forward(self, data: Any, training: bool = False) -> Any:  # noqa: ARG002 - subclasses may need it
        """Prepare a batch of images.

        Args:
            data: A mapping with `inputs`, and mostly `data_samples`.
            training: Whether it is a step of training.

        Raises:
            TypeError: `inputs` is neither a tensor nor a list of tensors.
            ValueError: An image does not have the number of dimensions or of channels that is asked for.
        """
        batch = self.cast_data(data)
        if not isinstance(batch, Mapping) or "inputs" not in batch:
            raise TypeError(f"ImgDataPreprocessor: a batch must be a mapping with 'inputs', got {type(data).__name__}")
        inputs = batch["inputs"]
        if isinstance(inputs, torch.Tensor):
            if inputs.dim() != 4:
                raise ValueError(f"ImgDataPreprocessor: inputs must be (N, C, H, W), got {tuple(inputs.shape)}")
            size = [_rounded_up(length, self.pad_size_divisor) for length in inputs.shape[2:]]
            stacked = _padded(self._prepared(inputs), size, self.pad_value)
        elif isinstance(inputs, (list, tuple)) and inputs and all(isinstance(each, torch.Tensor) for each in inputs):
            stacked = stack_batch([self._prepared(each) for each in inputs], self.pad_size_divisor, self.pad_value)
        else:
            raise TypeError(
                f"ImgDataPreprocessor: inputs must be a tensor or a list of tensors, got {type(inputs).__name__}"
            )
        return {"data_samples": None, **batch, "inputs": stacked}

    def _prepared(self, image: torch.Tensor) -> torch.Tensor:
        """One image or one stack of images with its channels turned and normalized."""
        channels = image.shape[-3] if image.dim() >= 3 else 0
        if self._reverse:
            if channels != 3:
                raise ValueError(f"ImgDataPreprocessor: only 3 channels can be reversed, got {tuple(image.shape)}")
            image = image.flip(-3)
        image = image.float()
        if not self._normalize:
            return image
        if len(self.mean) == 3 and channels != 3:
            raise ValueError(
                f"ImgDataPreprocessor: mean has 3 values, so images must be (3, H, W), got {tuple(image.shape)}"
            )
        return (image - self.mean) / self.std


def stack_batch(tensor_list: Sequence[torch.Tensor], pad_size_divisor: int = 1, pad_value: float = 0) -> torch.Tensor:
    """Pad tensors at their ends to a common size and stack them.

    Args:
        tensor_list: Tensors (C, ...) with the same number of dimensions and of channels.
        pad_size_divisor: Every size but the channels' becomes a multiple of this.
        pad_value: What is padded with.

    Returns:
        One tensor (N, C, ...).

    Raises:
        ValueError: There is no tensor, or they differ in dimensions or channels.
    """
    if not tensor_list:
        raise ValueError("stack_batch: got no tensors")
    shapes = [tuple(tensor.shape) for tensor in tensor_list]
    if len({(len(shape), shape[0] if shape else 0) for shape in shapes}) > 1 or not shapes[0]:
        raise ValueError(f"stack_batch: tensors must agree in dimensions and channels, got {shapes}")
    size = [_rounded_up(max(lengths), pad_size_divisor) for lengths in list(zip(*shapes, strict=True))[1:]]
    return torch.stack([_padded(tensor, size, pad_value) for tensor in tensor_list])


def _rounded_up(length: int, divisor: int) -> int:
    return math.ceil(length / divisor) * divisor


def _padded(tensor: torch.Tensor, size: Sequence[int], value: float) -> torch.Tensor:
    """Pad the last `len(size)` dimensions at their ends."""
    if not size:
        return tensor
    missing = [wanted - length for wanted, length in zip(size, tensor.shape[-len(size) :], strict=True)]
    if not any(missing):
        return tensor
    # functional.pad takes the last dimension first, as (before, after).
    return functional.pad(tensor, [each for length in reversed(missing) for each in (0, length)], value=value)
