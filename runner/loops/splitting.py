"""Training steps that run out of memory, taken in parts."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from runner import dist
from runner.dataset import DataLoader as KeyedDataLoader
from runner.dataset import default_collate, pseudo_collate
from runner.dist.ddp import is_model_wrapper
from runner.errors import BuildError
from runner.loops.cutting import Collation, IndivisibleError, cut, samples_in
from runner.optim import OptimWrapper, OptimWrapperDict

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["Splitter", "average_gradients", "is_out_of_memory"]

_BUCKET = 25 * 2**20
"""Bytes of gradients that ranks exchange at once: where memory is short, no copy of all of them is made."""


class Splitter:
    """Takes training steps, and takes those that run out of memory in parts.

    A step that fails is forgotten: its gradients are dropped, those of the accumulation window's earlier steps are kept,
    and the random numbers are put back. The batch is halved, and each part's loss counts by its share of the samples, so
    that for a loss that is a mean over samples the gradient is that of the undivided batch. The optimizer steps once. The
    smaller size is kept for the steps that follow.

    With several ranks no part waits for another rank: gradients are averaged once, when the update is due. So ranks may
    divide their batches differently, and an error on one does not hang the others in the middle of a step.

    Attributes:
        micro_batch: Samples that are taken at once; None as long as everything has fitted.

    Args:
        runner: The runner.
    """

    def __init__(self, runner: Runner) -> None:
        self.micro_batch: int | None = None
        self._runner = runner
        self._model: Any = None

    def step(self, batch: Any, iteration: int) -> Any:
        """One training step.

        Args:
            batch: What the loader gave.
            iteration: The step's number, which keys its random numbers.

        Returns:
            What `train_step` returns; of several parts, the means by their shares.
        """
        runner = self._runner
        wrapper = runner.optim_wrapper
        assert wrapper is not None
        if self._model is None:
            self._check()
            # DDP would synchronize gradients in each backward pass.
            self._model = runner.unwrapped_model if is_model_wrapper(runner.model) else runner.model
        parameters = list(runner.unwrapped_model.parameters())
        held = [parameter.grad for parameter in parameters]
        count = wrapper.inner_count
        while True:
            _set_gradients(parameters, None)
            update = _Update(wrapper, count)
            try:
                outputs = self._attempt(batch, update, iteration)
            except BaseException:
                _set_gradients(parameters, held)
                update.forget()
                raise
            if outputs is not None:
                break
            # After the handler, since what it handled holds the failed step's tensors.
            _set_gradients(parameters, None)
            _free(runner.device)
            runner.streams.enter_step(iteration)
        if not update.drops_held:
            _add(parameters, held)
        held.clear()
        update.finish(parameters)
        return outputs[0]

    def _attempt(self, batch: Any, update: _Update, iteration: int) -> tuple[Any] | None:
        """Take the step, in parts where that is known to be needed; None where it is out of memory, and may be divided."""
        parts: list[Any] = []
        try:
            parts = self._parts(batch)
            outputs: list[tuple[Any, float]] = []
            for part, share in parts:
                update.begin_part(share, is_first=not outputs)
                result = self._model.train_step(part, optim_wrapper=update)
                outputs.append((_detached(result) if len(parts) > 1 else result, share))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not self._shrink(batch, len(parts), iteration):
                raise
            return None
        return (outputs[0][0] if len(outputs) == 1 else _mean(outputs),)

    def _parts(self, batch: Any) -> list[tuple[Any, float]]:
        if self.micro_batch is None:
            return [(batch, 1.0)]
        samples = self._samples(batch)
        if samples <= self.micro_batch:
            return [(batch, 1.0)]
        collation = self._collation()
        size = self.micro_batch
        spans = [(start, min(start + size, samples)) for start in range(0, samples, size)]
        return [
            (cut(batch, samples, start, stop, collation=collation), (stop - start) / samples) for start, stop in spans
        ]

    def _shrink(self, batch: Any, parts: int, iteration: int) -> bool:
        """Halve what is taken at once; False where there is nothing left to halve."""
        logger = self._runner.logger
        try:
            samples = self._samples(batch)
            tried = min(samples, self.micro_batch or samples)
            if tried < 2:
                logger.warning(f"iteration {iteration + 1}: out of memory with a single sample")
                return False
            cut(batch, samples, 0, 1, collation=self._collation())
        except IndivisibleError as error:
            logger.warning(f"iteration {iteration + 1}: out of memory, and the batch can't be divided: {error}")
            return False
        self.micro_batch = -(-tried // 2)
        logger.warning(
            f"iteration {iteration + 1}: out of memory with {tried} of {samples} samples at once"
            f"{f', in {parts} parts' if parts > 1 else ''}; from here on {self.micro_batch} are taken at once, and "
            "gradients are accumulated to the same update"
        )
        return True

    def _samples(self, batch: Any) -> int:
        loader = self._runner.train_loop.dataloader
        known = loader.last_size if isinstance(loader, KeyedDataLoader) else None
        return samples_in(batch) if known is None else known

    def _collation(self) -> Collation:
        collate: Any = getattr(self._runner.train_loop.dataloader, "collate_fn", None)
        collate = getattr(collate, "func", collate)  # with arguments bound
        if collate is pseudo_collate:
            return "listed"
        return "stacked" if collate in {default_collate, torch.utils.data.default_collate} else "other"

    def _check(self) -> None:
        """Refuse what can't be divided.

        Raises:
            BuildError: There are several optimizers, or a forward pass that waits for other ranks.
        """
        runner = self._runner
        path = ("train_cfg", "on_oom")
        wrapper, model = runner.optim_wrapper, runner.unwrapped_model
        if isinstance(wrapper, OptimWrapperDict) or not isinstance(wrapper, OptimWrapper):
            raise BuildError(
                "'split' divides a step with one update of one optimizer; with several optimizers give 'raise', and a "
                "smaller batch_size with accumulative_counts",
                path=path,
            )
        is_wrapped = is_model_wrapper(runner.model)
        in_parts = any(isinstance(module, DistributedDataParallel) for module in model.modules())
        if is_wrapped and (in_parts or not isinstance(runner.model, DistributedDataParallel)):
            raise BuildError(
                "'split' needs the whole model on each rank, without a wrapper or in one DistributedDataParallel, and it is "
                f"in a {type(runner.model).__name__}",
                path=path,
            )
        if is_wrapped and not {"train_step", "forward"}.isdisjoint(vars(runner.model)):
            raise BuildError("'split' takes the steps of a model that is not compiled, with several ranks", path=path)
        if runner.world_size == 1:
            return
        if any(isinstance(parameter, DTensor) for parameter in model.parameters()):
            raise BuildError("'split' needs the whole model on each rank, and its parameters are sharded", path=path)
        if any(isinstance(module, nn.SyncBatchNorm) for module in model.modules()):
            raise BuildError(
                "'split' lets ranks divide their batches differently, and SyncBatchNorm waits for all of them; "
                "leave sync_bn out",
                path=path,
            )


class _Update:
    """Stands in for the optimizer wrapper while a batch is trained on in parts: gradients add up, the update waits.

    What is not defined here is the wrapper's own.
    """

    def __init__(self, wrapper: OptimWrapper, count: int) -> None:
        self._wrapper = wrapper
        self._count = count
        self._share = 1.0
        self._is_first = True
        self._has_gradients = False
        self._steps: list[dict[str, Any]] = []
        self._clears: list[dict[str, Any]] = []
        self.drops_held = False

    def begin_part(self, share: float, *, is_first: bool) -> None:
        """Be ready for a part's loss."""
        self.forget()
        self._share, self._is_first = share, is_first
        self._has_gradients = False
        self._steps.clear()
        self._clears.clear()

    def update_params(
        self,
        loss: torch.Tensor,
        step_kwargs: Mapping[str, Any] | None = None,
        zero_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Back-propagate a part's loss; the update is made when all parts are done."""
        self.backward(self._wrapper.scale_loss(loss))
        if self._wrapper.should_update():
            self.step(**(step_kwargs or {}))
            self.zero_grad(**(zero_kwargs or {}))

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Back-propagate a part's loss, by the part's share."""
        if self._steps:
            raise BuildError(
                "'split' divides a step with one update, and train_step() makes a second one; give 'raise', and a smaller "
                "batch_size with accumulative_counts",
                path=("train_cfg", "on_oom"),
            )
        self._wrapper.backward(loss if self._share == 1 else loss * self._share, **kwargs)
        self._has_gradients = True

    def step(self, **kwargs: Any) -> None:
        """Note that the update is due."""
        self._steps.append(kwargs)

    def zero_grad(self, **kwargs: Any) -> None:
        """Note that the gradients are to be cleared after the update; before any was made, clear those of earlier steps."""
        if self._has_gradients:
            self._clears.append(kwargs)
        elif self._is_first:
            self.drops_held = True

    def optim_context(self, model: nn.Module) -> AbstractContextManager[Any]:
        """What the forward pass runs in."""
        return self._wrapper.optim_context(model)

    def forget(self) -> None:
        """Count as at the step's start."""
        self._wrapper._inner_count = self._count  # noqa: SLF001 - each part is the same loss to the window

    def finish(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make the update that the step has asked for."""
        for kwargs in self._steps:
            average_gradients(parameters)
            self._wrapper.step(**kwargs)
        for kwargs in self._clears:
            self._wrapper.zero_grad(**kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapper, name)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    # The allocators of mps and of the CPU raise plain errors.
    return isinstance(error, RuntimeError) and any(
        each in text for each in ("out of memory", "can't allocate memory", "not enough memory")
    )


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give all ranks the mean of their gradients; a parameter without one on some rank has a gradient of zero there.

    Args:
        parameters: In the same order on all ranks.
    """
    if dist.get_world_size() == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    used = torch.tensor([parameter.grad is not None for parameter in trained], dtype=torch.uint8)
    dist.all_reduce(used, "max")
    gradients = []
    for parameter, is_used in zip(trained, used.tolist(), strict=True):
        if is_used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        dist.all_reduce(flat, "mean")
        means = torch.split(flat, [gradient.numel() for gradient in bucket])
        for gradient, mean in zip(bucket, means, strict=True):
            gradient.copy_(mean.view_as(gradient))


def _buckets(gradients: Iterable[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Gradients of one type together, up to a size."""
    buckets: list[list[torch.Tensor]] = []
    room: dict[torch.dtype, tuple[list[torch.Tensor], int]] = {}
    for gradient in gradients:
        size = gradient.numel() * gradient.element_size()
        bucket, taken = room.get(gradient.dtype, ([], _BUCKET))
        if taken + size > _BUCKET:
            bucket, taken = [], 0
            buckets.append(bucket)
        bucket.append(gradient)
        room[gradient.dtype] = (bucket, taken + size)
    return buckets


def _set_gradients(parameters: list[nn.Parameter], gradients: list[torch.Tensor | None] | None) -> None:
    for number, parameter in enumerate(parameters):
        parameter.grad = None if gradients is None else gradients[number]


def _add(parameters: list[nn.Parameter], held: list[torch.Tensor | None]) -> None:
    """Add the gradients of a window's earlier steps, as the backward pass would have."""
    for parameter, earlier in zip(parameters, held, strict=True):
        if earlier is None:
            continue
        parameter.grad = earlier if parameter.grad is None else earlier.add_(parameter.grad)


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type != "cpu":
        torch.get_device_module(device).empty_cache()


def _detached(outputs: Any) -> Any:
    """The same without graphs, whose activations would be kept until the last part is done."""
    if isinstance(outputs, torch.Tensor):
        return outputs.detach()
    if isinstance(outputs, Mapping):
        return {key: _detached(value) for key, value in outputs.items()}
    return outputs


def _mean(outputs: list[tuple[Any, float]]) -> Any:
    """The mean of the parts' outputs by their shares; of what has no mean, the last part's."""
    last, _ = outputs[-1]
    if isinstance(last, Mapping):
        return {key: _mean([(output[key], share) for output, share in outputs if key in output]) for key in last}
    if isinstance(last, torch.Tensor | float) and all(isinstance(output, type(last)) for output, _ in outputs):
        shapes = {getattr(output, "shape", None) for output, _ in outputs}
        if len(shapes) == 1:
            total = sum(share for _, share in outputs)
            return sum(output * (share / total) for output, share in outputs)
    return last
