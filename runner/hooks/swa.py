"""Averages the weights of the last part of a training, and gives the model their mean at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from runner import dist
from runner.dataset import DataLoader
from runner.errors import BuildError
from runner.hooks.ema import EMAHook
from runner.hooks.hook import Hook
from runner.hooks.swa_rate import Strategy, SWARate
from runner.kinds import Interval
from runner.model.averaged_model import StochasticWeightAverage
from runner.model.base_model import BaseModel
from runner.optim import OptimWrapperDict

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["SWAHook"]


class SWAHook(Hook):
    """Stochastic weight averaging, by Izmailov et al., https://arxiv.org/abs/1803.05407.

    From `swa_begin` on the learning rate goes to a constant one, and the weights go into a mean at intervals. After the
    last epoch the model takes the mean, batch norm's statistics are computed anew from training samples, the model is
    validated once more (`swa/<metric>` in the log), and its weights are saved as `swa_epoch_<n>.pth` or
    `swa_iter_<n>.pth`. Until then validations and checkpoints are those of the weights that are trained, so that a run
    that was interrupted goes on bit for bit.

    Args:
        swa_begin: Epochs that are trained before, or as a number below 1 their share of the run. Iterations where
            `by_epoch` is false.
        swa_lr: The learning rate that all groups of the optimizer come to, or one for each; schedules no longer act then.
            None leaves the rate to the schedules.
        anneal_epochs: Epochs until it is reached, iterations where `by_epoch` is false; 0 is at once.
        anneal_strategy: Whether the way there is a cosine or a line.
        by_epoch: Whether all this counts epochs; iterations otherwise.
        interval: Epochs or iterations from one value of the mean to the next.
        bn_batches: Batches of each rank that batch norm's statistics are computed from; None takes all of the data set,
            0 keeps the statistics that were trained.
        evaluate: Whether the mean is validated.
        device: Where the mean is kept; by default beside each weight.

    Attributes:
        average: The mean.
        metrics: What the mean's validation gave; empty before that.
    """

    priority = 80  # after schedules were stepped (LOW), before checkpoints are saved (VERY_LOW)

    average: StochasticWeightAverage

    def __init__(
        self,
        swa_begin: Annotated[int, Interval(ge=0)] | Annotated[float, Interval(ge=0, lt=1)] = 0.75,
        swa_lr: Annotated[float, Interval(ge=0)] | list[Annotated[float, Interval(ge=0)]] | None = None,
        anneal_epochs: Annotated[int, Interval(ge=0)] = 10,
        anneal_strategy: Strategy = "cos",
        by_epoch: bool = True,
        interval: Annotated[int, Interval(ge=1)] = 1,
        bn_batches: Annotated[int, Interval(ge=0)] | None = None,
        evaluate: bool = True,
        device: torch.device | None = None,
    ) -> None:
        if swa_begin < 0 or interval < 1:
            raise BuildError(f"SWAHook: swa_begin is {swa_begin} and interval {interval}; at least 0 and 1 are needed")
        self.swa_begin = swa_begin
        self.by_epoch = by_epoch
        self.interval = interval
        self.bn_batches = bn_batches
        self.evaluate = evaluate
        self.device = device
        self.metrics: dict[str, Any] = {}
        self._rate = SWARate(swa_lr, anneal_epochs, anneal_strategy) if swa_lr is not None else None
        self._begin = 0
        self._is_over = False
        self._saved: dict[str, Any] | None = None

    def before_train(self, runner: Runner) -> None:
        """Find where it begins, and take up what a checkpoint held."""
        self._check(runner)
        length = runner.max_epochs if self.by_epoch else runner.max_iters
        self._begin = int(self.swa_begin * length) if isinstance(self.swa_begin, float) else self.swa_begin
        if self._begin + self.interval > length:
            unit = "epochs" if self.by_epoch else "iterations"
            raise BuildError(
                f"SWAHook begins after {self._begin} of {length} {unit}, and takes the weights every {self.interval}: "
                "there is nothing to average; begin earlier"
            )
        done = runner.epoch if self.by_epoch else runner.iter
        if done < length or not self._is_over:
            self._is_over = False
            if self._saved is not None or not hasattr(self, "average"):
                self.average = StochasticWeightAverage(runner.unwrapped_model, device=self.device)
        if self._saved is not None:
            self.average.load_state_dict(self._saved)
            self._saved = None
        self._set_rate(runner, done)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Take the weights, where iterations are counted; hold the rate against schedules."""
        if self.by_epoch:
            self._set_rate(runner, runner.epoch)
        else:
            self._advance(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Take the weights, where epochs are counted; hold the rate against schedules."""
        if self.by_epoch:
            self._advance(runner, runner.epoch + 1)
        else:
            self._set_rate(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Give the model the mean, validate it and save it."""
        if self._is_over or self.average.steps == 0:
            if not self._is_over:
                runner.logger.warning("SWAHook: the training ended before any weights were averaged")
            return
        self._is_over = True
        model = runner.unwrapped_model
        self.average.swap(model)
        self._compute_statistics(runner)
        if self.evaluate and runner.val_loop is not None:
            runner.streams.enter_phase("val", runner.iter)
            self.metrics = runner.val_loop.measure()
        name = f"swa_epoch_{runner.epoch}.pth" if self.by_epoch else f"swa_iter_{runner.iter}.pth"
        runner.save_checkpoint(runner.work_dir, name, save_optimizer=False, save_param_scheduler=False)
        scalars = {f"swa/{key}": value for key, value in self.metrics.items() if isinstance(value, (int, float))}
        if scalars:
            runner.visualizer.add_scalars(scalars, step=runner.epoch if self.by_epoch else runner.iter)
        told = ", ".join(f"{key} {value:.4f}" for key, value in scalars.items())
        runner.logger.info(
            "the mean of %d weights is saved as %s: %s", self.average.steps, name, told or "not validated"
        )

    def state_dict(self) -> dict[str, Any]:
        """The mean, and the rates that it began with; nothing once the model has the mean."""
        if self._is_over or not hasattr(self, "average"):
            return {}
        state: dict[str, Any] = {"average": self.average.state_dict()} if self.average.steps else {}
        if self._rate is not None and self._rate.start is not None:
            state["rates"] = list(self._rate.start)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self._saved = state_dict.get("average")
        if self._rate is not None:
            self._rate.start = state_dict.get("rates")

    def _advance(self, runner: Runner, done: int) -> None:
        """Count an epoch or iteration."""
        passed = done - self._begin
        if passed > 0 and passed % self.interval == 0:
            self.average.update_parameters(runner.unwrapped_model)
        self._set_rate(runner, done)

    def _set_rate(self, runner: Runner, done: int) -> None:
        if self._rate is not None and done >= self._begin:
            wrapper = runner.optim_wrapper
            assert wrapper is not None
            one_for_all = not isinstance(self._rate.target, Sequence)
            self._rate.set(wrapper.param_groups if one_for_all else wrapper.optimizer.param_groups, done - self._begin)

    def _compute_statistics(self, runner: Runner) -> None:
        """Compute batch norm's statistics anew: each is the mean of the batches', as `torch.optim.swa_utils.update_bn`."""
        model: Any = runner.unwrapped_model
        layers = _layers(model)
        if not layers or self.bn_batches == 0:
            return
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # torch's word for the mean of all batches
        runner.streams.enter_phase("swa", runner.iter)
        model.train()
        with torch.no_grad():
            for number, batch in enumerate(_training_batches(runner), start=1):
                model._run_forward(model.data_preprocessor(batch, True), mode="loss")  # noqa: SLF001 - a step without its update
                if number == self.bn_batches:
                    break
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            dist.all_reduce_params(each for each in (layer.running_mean, layer.running_var) if each is not None)

    def _check(self, runner: Runner) -> None:
        """Refuse what this can't work with."""
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise BuildError("SWAHook and EMAHook both take the weights' place in a checkpoint; keep one of them")
        if self.by_epoch and not runner.train_loop.epochs_are_passes:
            raise BuildError("SWAHook: the training counts iterations, and this epochs; give by_epoch: false beside it")
        if self._rate is not None and isinstance(runner.optim_wrapper, OptimWrapperDict):
            raise BuildError("SWAHook: swa_lr is for one optimizer; leave it out, and give the optimizers schedules")
        model = runner.unwrapped_model
        if self.bn_batches != 0 and _layers(model) and not isinstance(model, BaseModel):
            raise BuildError(
                f"SWAHook: batch norm's statistics are computed with the forward pass of a BaseModel, and the model is a "
                f"{type(model).__name__}; give bn_batches: 0 to keep those that were trained"
            )


def _layers(model: torch.nn.Module) -> list[_BatchNorm]:
    """The layers that gather statistics."""
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


def _training_batches(runner: Runner) -> DataLoader:
    """A pass over the training data by a loader of its own, in an order that no epoch of the training has."""
    given: Any = runner.train_loop.dataloader
    size = given.batch_size or getattr(given.batch_sampler, "batch_size", 1)
    shuffle = None if isinstance(given.dataset, torch.utils.data.IterableDataset) else True
    loader = DataLoader(
        given.dataset,
        size,
        shuffle,
        seed=runner.seed,
        rank=runner.data_rank,
        collate_fn=given.collate_fn,
        drop_last=given.drop_last,
    )
    loader.set_epoch(runner.max_epochs)
    return loader
