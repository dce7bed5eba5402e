"""Batch norm's statistics over many samples, with the weights as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from runner import dist
from runner.dataset import DefaultSampler, build_dataloader
from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.kinds import Interval
from runner.model import BaseModel

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["PreciseBNHook"]


class PreciseBNHook(Hook):
    """Computes batch norm's means and variances anew at the end of epochs, from training samples.

    What the layers gather while training is a moving average over weights that have changed since (Wu and Johnson,
    "Rethinking 'Batch' in BatchNorm", 2021). Layers that are in evaluation mode, or that track nothing, are left alone.
    The samples are read by a loader of its own: neither the training's place in its data nor what it draws changes.

    Args:
        num_samples: How many samples, of all ranks together; the data set's, where it has fewer.
        interval: Epochs from one time to the next.
    """

    def __init__(
        self, num_samples: Annotated[int, Interval(ge=1)] = 8192, interval: Annotated[int, Interval(ge=1)] = 1
    ) -> None:
        self.num_samples = num_samples
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Refuse what it can't work with."""
        if not isinstance(runner.unwrapped_model, BaseModel):
            name = type(runner.unwrapped_model).__name__
            raise BuildError(
                f"PreciseBNHook: the model is to be a BaseModel, whose forward pass is known, and is a {name}"
            )

    def after_train_epoch(self, runner: Runner) -> None:
        """Compute the statistics at intervals."""
        if not self.every_n_epochs(runner, self.interval):
            return
        layers = [
            module
            for module in runner.unwrapped_model.modules()
            if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
        ]
        if layers:
            runner.streams.enter_phase("precise_bn", runner.iter)
            self._compute(runner, layers)

    @torch.no_grad()
    def _compute(self, runner: Runner, layers: list[_BatchNorm]) -> None:
        model: Any = runner.unwrapped_model
        momenta = [layer.momentum for layer in layers]
        sums = [torch.zeros(2, layer.num_features, dtype=torch.float64, device=runner.device) for layer in layers]
        counts = [layer.num_batches_tracked for layer in layers]
        before = [None if count is None else count.clone() for count in counts]
        for layer in layers:
            layer.momentum = 1.0  # so that the running statistics are the batch's
        batches = 0
        for batch in self._batches(runner):
            model._run_forward(model.data_preprocessor(batch, True), mode="loss")  # noqa: SLF001 - a step without its update
            for layer, total in zip(layers, sums, strict=True):
                mean, variance = layer.running_mean, layer.running_var
                assert mean is not None
                assert variance is not None
                total += torch.stack([mean, variance + mean.square()])
            batches += 1
        number = torch.tensor(float(batches), dtype=torch.float64, device=runner.device)
        dist.all_reduce(number)
        for layer, total, momentum, count, old in zip(layers, sums, momenta, counts, before, strict=True):
            dist.all_reduce(total)
            mean, square = total / number
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(square - mean.square())
            layer.momentum = momentum
            if count is not None and old is not None:
                count.copy_(old)

    def _batches(self, runner: Runner) -> Any:
        """Batches of the training data set, each rank's share, in an order that the epoch decides."""
        loader: Any = runner.train_dataloader
        size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", 1)
        wanted = max(1, self.num_samples // (size * runner.data_world_size))
        sampler = DefaultSampler(loader.dataset, shuffle=True, seed=runner.seed)
        own = build_dataloader(
            loader.dataset,
            sampler,
            batch_size=size,
            seed=runner.seed,
            rank=runner.data_rank,
            collate_fn=loader.collate_fn,
        )
        own.set_epoch(runner.epoch)
        return (batch for batch, _ in zip(own, range(wanted), strict=False))
