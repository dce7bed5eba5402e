"""Goes through a run step by step with nothing to train, and notes what happens.

The loop, the schedules and the hooks that step them and that save are the engine's own, or a plugin's: a plan repeats
none of their rules.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from runner.checkpoint.saver import Saver
from runner.checkpoint.store import CheckpointStore
from runner.hooks import CheckpointHook, Hook, HookList, ParamSchedulerHook
from runner.loops import IterBasedTrainLoop, TrainLoop
from runner.plan.parts import Parts, wrappers

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["Moment", "Stage", "Walk", "each_schedule"]

_TRACKED = ("lr", "momentum", "weight_decay")
"""Options whose values are noted whether or not a schedule changes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something happens: after so many epochs and iterations.

    Attributes:
        epoch: Epochs that are finished.
        iter: Iterations that are finished; None where nobody knows how many an epoch has.
        unit: Which of the two it goes by.
        file: The checkpoint that is written; empty for a validation.
    """

    epoch: int
    iter: int | None
    unit: Literal["epoch", "iteration"]
    file: str = ""

    @property
    def count(self) -> int:
        """How many of its unit are finished."""
        return self.iter if self.unit == "iteration" and self.iter is not None else self.epoch


@dataclass(slots=True, kw_only=True)
class Walk:
    """What happened on the way.

    Attributes:
        values: The values that each step was to be trained with, by the group's number among all and the option's name.
        validations: When a validation would have run.
        saves: When a checkpoint would have been written.
        points: The points at which hooks were called, in the order in which they were reached.
        epochs: How many there were.
    """

    values: dict[tuple[int, str], array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    validations: list[Moment] = field(default_factory=list)
    saves: list[Moment] = field(default_factory=list)
    points: dict[str, None] = field(default_factory=dict)
    epochs: int = 0


class Stage(Parts):
    """What a loop takes for its Runner: the parts, and notes in place of training, validating and saving."""

    finishing: Literal["iter", "epoch"] | None = None

    def __init__(self, data: Mapping[str, Any], folder: str, epoch_length: int | None) -> None:
        super().__init__(data, folder, epoch_length)
        self.found = Walk()
        self.saver = Saver()
        self.streams = _Streams()
        self.counts_iterations = True

    def walk(self, *, counts_iterations: bool) -> Walk:
        """Run the loop, once hooks, loop, optimizer and schedules are built.

        Args:
            counts_iterations: Whether an epoch has as many batches as in the run; else it has one, and what counts
                iterations is left out.
        """
        assert self.train_loop is not None
        self.counts_iterations = counts_iterations
        every = self.hooks
        self.hooks = HookList([_Recorder(self), *(hook for hook in every if self._takes_part(hook))])
        if self.data.get("val_cfg") is not None:
            self.val_loop = _Validation(self)
        try:
            for hook in self.hooks:
                if isinstance(hook, CheckpointHook):
                    hook.before_run(cast("Any", self))
            self.train_loop.run()
        finally:
            self.hooks = every
        self.found.epochs = self.train_loop.epoch
        return self.found

    def open_store(self, *_: Any) -> CheckpointStore:
        """Return a store in the folder of the plan, wherever a run would keep its checkpoints."""
        return CheckpointStore(self.work_dir)

    def _takes_part(self, hook: Hook) -> bool:
        if isinstance(hook, CheckpointHook):
            return self.counts_iterations or hook.by_epoch
        return isinstance(hook, ParamSchedulerHook)

    @property
    def _loop(self) -> TrainLoop:
        assert self.train_loop is not None
        return self.train_loop

    @property
    def iter(self) -> int:
        """Iterations that are finished."""
        return self._loop.iter

    @property
    def epoch(self) -> int:
        """Epochs that are finished."""
        return self._loop.epoch

    @property
    def max_iters(self) -> int:
        """Iterations of the whole run."""
        return self._loop.max_iters

    @property
    def max_epochs(self) -> int:
        """Epochs of the whole run."""
        return self._loop.max_epochs

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call a point, and note that it was reached."""
        self.found.points[fn_name] = None
        outer, self.finishing = self.finishing, "epoch" if fn_name == "after_train_epoch" else self.finishing
        self.hooks.call(cast("Any", self), fn_name, **kwargs)
        self.finishing = outer

    def moment(self, file: str = "") -> Moment:
        """Now; what is being finished counts."""
        epoch = self.epoch + (self.finishing == "epoch")
        step = self.iter + (self.finishing == "iter")
        amid = self.finishing == "iter" or (self.finishing is None and isinstance(self.train_loop, IterBasedTrainLoop))
        return Moment(
            epoch=epoch,
            iter=step if self.counts_iterations else None,
            unit="iteration" if amid else "epoch",
            file=file,
        )

    def save_checkpoint(self, out_dir: str, filename: str, **options: Any) -> None:
        """Note it."""
        del out_dir, options
        self.found.saves.append(self.moment(filename))


class _Validation:
    """Notes when it would have run."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.dataloader = stage.build_dataloader(stage.val_dataloader)

    def run(self) -> Mapping[str, Any]:
        """Note it; there are no metrics."""
        self._stage.found.validations.append(self._stage.moment())
        return {}


class _Streams:
    """Draws nothing, so keys nothing."""

    def enter_step(self, iteration: int) -> None:
        """Nothing."""

    def leave_step(self) -> None:
        """Nothing."""


class _Recorder(Hook):
    """Notes what each step is trained with."""

    priority = "HIGHEST"

    def __init__(self, stage: Stage) -> None:
        self._wrappers = list(wrappers(stage.optim_wrapper).values())
        self._names = list(dict.fromkeys([*_TRACKED, *(each.param_name for each in each_schedule(stage))]))
        self._values = stage.found.values

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note the groups' options."""
        del runner, batch_idx, data_batch
        number = 0
        for wrapper in self._wrappers:
            for group in wrapper.optimizer.param_groups:
                for name in self._names:
                    if name in group:
                        self._values[number, name].append(float(group[name]))
                    elif name == "momentum" and "betas" in group:
                        self._values[number, name].append(float(group["betas"][0]))
                number += 1


def each_schedule(stage: Parts) -> Iterator[Any]:
    """All schedules, of whichever optimizer."""
    schedules = stage.param_schedulers
    for each in schedules.values() if isinstance(schedules, dict) else [schedules]:
        yield from each
