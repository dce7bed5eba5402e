"""Keeps an average of the weights, and lets it take their place wherever the model is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch

from runner import dist
from runner.checkpoint.averages import AVERAGES, exchange_averages
from runner.checkpoint.weights import load_state_dict
from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.kinds import Interval, TypeName

if TYPE_CHECKING:
    from torch import nn

    from runner.model.averaged_model import BaseAveragedModel
    from runner.runner import Runner

__all__ = ["EMAHook"]


class EMAHook(Hook):
    """Averages the weights over the training; validations, tests and checkpoints use the average.

    In a checkpoint `state_dict` holds the average, so that it can be loaded for use as it is, and `ema_state_dict` the
    weights that were trained with the average's count of steps, as in MMEngine's. A resumed run takes both. Without
    `ema_state_dict`, the average begins anew from the weights in the checkpoint, and a run that goes on without this
    hook goes on from the weights that were trained.

    Args:
        ema_type: The kind of average. Further arguments are those of the component that it names.
        strict_load: Whether what does not fit in a checkpoint's average is an error rather than a warning.
        begin_iter: The first iteration, from 1, whose weights go into the average; 0 is the first too.
        begin_epoch: The first epoch, from 1, whose weights go into the average; 0 leaves it to `begin_iter`.
        evaluate_on_ema: Validate and test the average; the weights themselves otherwise.
        evaluate_on_origin: Validate and test the weights themselves too, after the average: their metrics are logged
            with `_origin` behind the name.
        **kwargs: Arguments of the average, such as `momentum`.

    Attributes:
        ema_model: The average.
        src_model: The model that is averaged, without its wrapper.
    """

    priority = "NORMAL"

    src_model: nn.Module
    ema_model: BaseAveragedModel

    def __init__(
        self,
        ema_type: Annotated[str, TypeName("averaged_model")] = "ExponentialMovingAverage",
        strict_load: bool = False,
        begin_iter: Annotated[int, Interval(ge=0)] = 0,
        begin_epoch: Annotated[int, Interval(ge=0)] = 0,
        evaluate_on_ema: bool = True,
        evaluate_on_origin: bool = False,
        **kwargs: Any,
    ) -> None:
        if begin_iter and begin_epoch:
            raise BuildError(f"EMAHook: begin_iter is {begin_iter} and begin_epoch {begin_epoch}; give one of the two")
        if begin_iter < 0 or begin_epoch < 0:
            raise BuildError(f"EMAHook: it can't begin before 0, and is to at {min(begin_iter, begin_epoch)}")
        self.ema_cfg = {"type": ema_type, **kwargs}
        self.strict_load = strict_load
        self.begin_iter = begin_iter
        self.begin_epoch = begin_epoch
        self.evaluate_on_ema = evaluate_on_ema
        self.evaluate_on_origin = evaluate_on_origin
        self._is_swapped = False
        self._starts_from_average = False
        self._buffers: list[dict[str, torch.Tensor]] = []

    def before_run(self, runner: Runner) -> None:
        """Copy the model, where that was not done."""
        self._build(runner)
        self._put_back()  # a validation of before may have been interrupted

    def before_train(self, runner: Runner) -> None:
        """Let the average begin with the weights that the run begins with."""
        begin, end, unit = self.begin_iter, runner.max_iters, "iteration"
        if self.begin_epoch:
            begin, end, unit = self.begin_epoch, runner.max_epochs, "epoch"
        if begin > end:
            raise BuildError(f"EMAHook begins at {unit} {begin}, and the run has {end}; begin earlier")
        if self._starts_from_average:
            self._starts_from_average = False
            self.ema_model.swap(self.src_model)
            self.ema_model.steps = 0
        self.ema_model.follow(self.src_model)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Let the weights go into the average."""
        if (runner.epoch + 1 >= self.begin_epoch) if self.begin_epoch else (runner.iter + 1 >= self.begin_iter):
            self.ema_model.update_parameters(self.src_model)

    def before_val_epoch(self, runner: Runner) -> None:
        """Put the average into the model."""
        self._swap_in()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Put the weights back."""
        self._put_back()
        self._measure_origin(runner, runner.val_loop, "val")

    def before_test_epoch(self, runner: Runner) -> None:
        """Put the average into the model."""
        self._swap_in()

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Put the weights back."""
        self._put_back()
        self._measure_origin(runner, runner.test_loop, "test")

    def before_save(self, runner: Runner) -> None:
        """Gather what ranks do not share: averages of buffers, of which each rank has its own."""
        self._build(runner)
        self._buffers = []
        if runner.world_size > 1 and self.ema_model.update_buffers:
            averaged = self.src_model if self._is_swapped else self.ema_model.module
            self._buffers = dist.all_gather_object({name: each.cpu() for name, each in averaged.named_buffers()})

    def state_dict(self) -> dict[str, Any]:
        """The averages of buffers by rank; all else is in the checkpoint's `ema_state_dict`."""
        return {"buffers": self._buffers, "shares": dist.get_data_world_size()} if self._buffers else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned, where there are as many ranks, and data is dealt out as it was."""
        of_ranks = state_dict["buffers"]
        as_before = state_dict.get("shares", len(of_ranks)) == dist.get_data_world_size()
        if len(of_ranks) == dist.get_world_size() and as_before:
            own = of_ranks[dist.get_rank()]
            for name, buffer in self.ema_model.module.named_buffers():
                if name in own:
                    buffer.copy_(own[name])

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Let the average take the weights' place."""
        self._build(runner)
        if not self._is_swapped:
            self.ema_model.follow(self.src_model)
        checkpoint[AVERAGES] = self.ema_model.state_dict()
        if not self._is_swapped:
            exchange_averages(checkpoint)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take the average, and let the weights take its place."""
        self._build(runner)
        self._put_back()
        wants_both = self.evaluate_on_origin or not self.evaluate_on_ema
        if AVERAGES in checkpoint and (runner.is_resuming or wants_both):
            exchange_averages(checkpoint)
            report = load_state_dict(self.ema_model, checkpoint[AVERAGES], strict=self.strict_load, revise_keys=())
            if report:
                runner.logger.warning(f"the checkpoint's average of the weights: {report}")
            self._starts_from_average = not runner.is_resuming
            return
        if runner.is_resuming:
            runner.logger.warning(
                f"the checkpoint has no '{AVERAGES}': the average begins anew, from the weights in its 'state_dict'"
            )
        if self.strict_load:
            load_state_dict(self.ema_model.module, checkpoint.get("state_dict", checkpoint), strict=True)
        self.ema_model.steps = 0

    def _build(self, runner: Runner) -> None:
        """Copy the model, once: `resume` may come before `before_run`, and a Runner that has trained may test."""
        if getattr(self, "src_model", None) is not runner.unwrapped_model:
            self.src_model = runner.unwrapped_model
            self.ema_model = runner.builder.build("averaged_model", self.ema_cfg, (), model=self.src_model)

    def _swap_in(self) -> None:
        if self.evaluate_on_ema and not self._is_swapped:
            self.ema_model.follow(self.src_model)
            self.ema_model.swap(self.src_model)
            self._is_swapped = True

    def _put_back(self) -> None:
        if self._is_swapped:
            self.ema_model.swap(self.src_model)
            self._is_swapped = False

    def _measure_origin(self, runner: Runner, loop: Any, mode: str) -> None:
        """Validate or test the weights themselves, with the same random numbers."""
        if not (self.evaluate_on_ema and self.evaluate_on_origin):
            return
        runner.streams.enter_phase(mode, runner.iter)
        for name, value in loop.measure().items():
            if isinstance(value, (int, float)) or (isinstance(value, torch.Tensor) and value.numel() == 1):
                runner.message_hub.update_scalar(f"{mode}/{name}_origin", value)
