"""Training by epochs and by iterations."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from torch import nn
from torch.utils.data import DataLoader

from runner.dataset import DataLoader as KeyedDataLoader
from runner.errors import BuildError
from runner.kinds import Interval
from runner.loops.base import BaseLoop

if TYPE_CHECKING:
    from runner.loops.splitting import Splitter
    from runner.runner import Runner

__all__ = ["EpochBasedTrainLoop", "IterBasedTrainLoop", "TrainLoop"]

NEVER = 10**9
"""The validation interval of a run without validation."""


class TrainLoop(BaseLoop):
    """What both ways of training share: counters, one step, and when to validate.

    Attributes:
        stop_training: Set by a hook to end the run after the current epoch or iteration.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
        val_begin: The first epoch or iteration that is followed by a validation.
        val_interval: Epochs or iterations from one validation to the next.
        dynamic_intervals: Pairs of (epoch or iteration, interval from there on).
        on_oom: Whether a step that runs out of memory is an error, or is taken again in parts.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        *,
        val_begin: int,
        val_interval: int,
        dynamic_intervals: Sequence[tuple[int, int]] | None,
        on_oom: Literal["raise", "split"] = "raise",
    ) -> None:
        super().__init__(runner, dataloader)
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        self._resumed = False
        self._splitter = _splitter(runner) if on_oom == "split" else None
        pairs = sorted(tuple(pair) for pair in dynamic_intervals or ())
        self.dynamic_milestones = [0, *(milestone for milestone, _ in pairs)]
        self.dynamic_intervals = [val_interval, *(interval for _, interval in pairs)]
        if isinstance(self.dataloader, KeyedDataLoader):
            # Nothing has to be put back after a fetch: each step puts its own stream back.
            self.dataloader.guards_torch = False
        runner.message_hub.update_info("dataset_meta", getattr(self.dataloader.dataset, "metainfo", None))

    @property
    def max_epochs(self) -> int:
        """Epochs of the whole run."""
        raise NotImplementedError

    @property
    def max_iters(self) -> int:
        """Iterations of the whole run."""
        raise NotImplementedError

    @property
    def epoch(self) -> int:
        """Epochs that are finished."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Iterations that are finished."""
        return self._iter

    def restore(self, epoch: int, iteration: int) -> None:
        """Go on after `iteration` steps, `epoch` whole epochs."""
        super().restore(epoch, iteration)
        self._resumed = True
        self.in_step = False

    def skip_validation(self) -> None:
        """Go on with the next step: the validation that follows the restored position was made before."""
        self._resumed = False

    @property
    def micro_batch(self) -> int | None:
        """Samples that are taken at once since a step ran out of memory; None as long as every batch has fitted."""
        return self._splitter.micro_batch if self._splitter is not None else None

    @micro_batch.setter
    def micro_batch(self, samples: int | None) -> None:
        if self._splitter is not None:
            self._splitter.micro_batch = samples

    def run_step(self, idx: int, data_batch: Any) -> None:
        """One training step with its hooks: the data in, the weights changed, the counter up.

        Args:
            idx: The batch's number in its epoch.
            data_batch: What the loader gave.
        """
        runner, hooks = self._runner, self._runner.hooks
        self.in_step = True
        for method in hooks.at("before_train_iter"):
            method(runner, batch_idx=idx, data_batch=data_batch)
        runner.streams.enter_step(self._iter)
        if self._splitter is None:
            outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)  # type: ignore[operator]
        else:
            outputs = self._splitter.step(data_batch, self._iter)
        runner.streams.leave_step()
        runner.finishing = "iter"
        for method in hooks.at("after_train_iter"):
            method(runner, batch_idx=idx, data_batch=data_batch, outputs=outputs)
        runner.finishing = None
        self._iter += 1
        self.in_step = False

    def finish_epoch(self) -> None:
        """Call the hooks of an epoch's end, and count it."""
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def batches(self, epoch: int) -> Iterator[tuple[int, Any]]:
        """What an epoch has left, each batch with its number in the epoch.

        Args:
            epoch: The epoch, from 0, that the samplers and the generators of the data are keyed by.
        """
        if isinstance(self.dataloader, KeyedDataLoader):
            self.dataloader.set_epoch(epoch)
            return self._awaited(enumerate(self.dataloader, self.dataloader.first_batch))
        return self._awaited(enumerate(self.dataloader))

    def _awaited(self, batches: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """The same batches; `awaited_batch` tells whether one is being waited for."""
        self.awaited_batch = getattr(self.dataloader, "first_batch", 0)
        try:
            for numbered in batches:
                self.awaited_batch = None
                yield numbered
                self.awaited_batch = numbered[0] + 1
        finally:
            self.awaited_batch = None

    def decide_val_interval(self, position: int) -> None:
        """Take the interval that `dynamic_intervals` sets after so many epochs or iterations."""
        # As MMEngine counts: the interval of the epoch, or iteration, that comes next.
        self.val_interval = self.dynamic_intervals[bisect.bisect_right(self.dynamic_milestones, position + 1) - 1]

    def _decide_current_val_interval(self) -> None:
        """The same for where the loop is now, under MMEngine's name: loops of a user's own call it."""
        self.decide_val_interval(self._epoch if self.epochs_are_passes else self._iter)

    def is_validation_due(self, position: int, end: int) -> bool:
        """Whether a validation follows the epoch or iteration number `position` (from 1) of `end`."""
        return (
            self.runner.val_loop is not None
            and position >= self.val_begin
            and (position % self.val_interval == 0 or position == end)
        )

    def validate_if_due(self, position: int, end: int) -> None:
        """Run the validation that follows a position, if one does."""
        self.decide_val_interval(position)
        if self.is_validation_due(position, end):
            val_loop = self.runner.val_loop
            assert val_loop is not None
            val_loop.run()


def _splitter(runner: Runner) -> Splitter:
    from runner.loops.splitting import Splitter  # few runs need it, and it imports what shards tensors

    return Splitter(runner)


class EpochBasedTrainLoop(TrainLoop):
    """Go through the data set a number of times.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
        max_epochs: How often the whole data set is gone through.
        val_begin: The first epoch, from 1, that is followed by a validation.
        val_interval: Epochs from one validation to the next.
        dynamic_intervals: Pairs of (epoch, validation interval from there on).
        on_oom: What is done about a step that runs out of memory: `split` takes it again in halves of the batch, and
            those that follow in parts of that size, with the gradient of the whole.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        max_epochs: Annotated[int, Interval(ge=1)],
        val_begin: Annotated[int, Interval(ge=1)] = 1,
        val_interval: Annotated[int, Interval(ge=1)] = 1,
        dynamic_intervals: list[tuple[Annotated[int, Interval(ge=0)], Annotated[int, Interval(ge=1)]]] | None = None,
        on_oom: Literal["raise", "split"] = "raise",
    ) -> None:
        super().__init__(
            runner,
            dataloader,
            val_begin=val_begin,
            val_interval=val_interval,
            dynamic_intervals=dynamic_intervals,
            on_oom=on_oom,
        )
        self._max_epochs = max_epochs
        try:
            self._max_iters = max_epochs * len(self.dataloader)
        except TypeError as error:
            raise BuildError(
                "an epoch of a data set without a length has no end to count to; use IterBasedTrainLoop with max_iters",
                path=("train_cfg",),
            ) from error

    @property
    def max_epochs(self) -> int:
        """Epochs of the whole run."""
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations of the whole run."""
        return self._max_iters

    def run(self) -> nn.Module:
        """Train, validating in between."""
        self.runner.call_hook("before_train")
        if self._resumed and self._starts_an_epoch():
            # The checkpoint was written at the epoch's end, before the validation that follows it.
            self.validate_if_due(self._epoch, self._max_epochs)
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self.validate_if_due(self._epoch, self._max_epochs)
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """Go through the data set once, or through what a resumed epoch has left."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for idx, data_batch in self.batches(self._epoch):
            self.run_iter(idx, data_batch)
        self.finish_epoch()

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One step; what a custom loop overrides.

        Args:
            idx: The batch's number in its epoch.
            data_batch: What the loader gave.
        """
        self.run_step(idx, data_batch)

    def _starts_an_epoch(self) -> bool:
        return self._epoch > 0 and getattr(self.dataloader, "first_batch", 0) == 0


class IterBasedTrainLoop(TrainLoop):
    """Train for a number of steps, going through the data set as often as it takes.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
        max_iters: Steps of the whole run.
        val_begin: The first iteration, from 1, that is followed by a validation.
        val_interval: Iterations from one validation to the next.
        dynamic_intervals: Pairs of (iteration, validation interval from there on).
        on_oom: What is done about a step that runs out of memory: `split` takes it again in halves of the batch, and
            those that follow in parts of that size, with the gradient of the whole.

    Attributes:
        dataloader_iterator: Gives batches without end, from where the run stands on.
    """

    epochs_are_passes = False

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        max_iters: Annotated[int, Interval(ge=1)],
        val_begin: Annotated[int, Interval(ge=1)] = 1,
        val_interval: Annotated[int, Interval(ge=1)] = 1000,
        dynamic_intervals: list[tuple[Annotated[int, Interval(ge=0)], Annotated[int, Interval(ge=1)]]] | None = None,
        on_oom: Literal["raise", "split"] = "raise",
    ) -> None:
        super().__init__(
            runner,
            dataloader,
            val_begin=val_begin,
            val_interval=val_interval,
            dynamic_intervals=dynamic_intervals,
            on_oom=on_oom,
        )
        self._max_iters = max_iters
        self._max_epochs = 1  # the whole run counts as one epoch, as hooks of MMEngine expect
        self.dataloader_iterator = self._batches()

    @property
    def max_epochs(self) -> int:
        """The whole run counts as one epoch."""
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations of the whole run."""
        return self._max_iters

    def run(self) -> nn.Module:
        """Train, validating in between."""
        self.runner.call_hook("before_train")
        if self._epoch < self.max_epochs:
            self.run_epoch()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """The whole run, or what a resumed one has left."""
        self.runner.call_hook("before_train_epoch")
        if self._resumed and self._iter > 0:
            # The checkpoint was written at the end of the step, before the validation that follows it.
            self.validate_if_due(self._iter, self._max_iters)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self.validate_if_due(self._iter, self._max_iters)
        self.finish_epoch()

    def restore(self, epoch: int, iteration: int) -> None:
        """Go on after `iteration` steps; a run that was longer than the saved one is in its one epoch again."""
        super().restore(epoch if iteration >= self._max_iters else 0, iteration)
        self.dataloader_iterator = self._batches()

    def run_iter(self, data_batch: Any) -> None:
        """One step; what a custom loop overrides.

        Args:
            data_batch: What the loader gave.
        """
        self.run_step(self._iter, data_batch)

    def _batches(self) -> Iterator[Any]:
        """Batches without end: the next pass begins where the last one stopped."""
        position = getattr(self.dataloader, "position", None)
        passes = position.epoch if position is not None else 0
        while True:
            seen = getattr(self.dataloader, "first_batch", 0)
            for _, batch in self.batches(passes):
                seen += 1
                yield batch
            if seen == 0:
                raise BuildError(
                    "the training data set gives no batch; is it empty, or smaller than one with drop_last?"
                )
            passes += 1
