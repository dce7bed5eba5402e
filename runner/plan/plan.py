"""What is known about a run before it begins."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.hooks import CheckpointHook, Hook, get_priority
from runner.hooks.hook import overrides
from runner.loops import IterBasedTrainLoop
from runner.plan.parts import Data, Group
from runner.plan.sampling import sample
from runner.plan.walk import Moment, Stage, Walk, each_schedule

__all__ = ["Checkpoints", "HookCall", "Plan", "Schedule", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An option of a group of parameters over the run.

    Attributes:
        option: The key in the group: `lr`, `momentum` (Adam's first beta too), `weight_decay`, what a schedule changes.
        group: The group's number in `Plan.groups`.
        steps: Iterations or epochs (`Plan.unit`), from 0. Those left out lie on a straight line, as good as.
        values: What the step of that number is trained with.
    """

    option: str
    group: int
    steps: list[int]
    values: list[float]

    @property
    def constant(self) -> bool:
        """Whether it never changes."""
        return all(value == self.values[0] for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """A hook at a point.

    Attributes:
        type: Its class.
        priority: From 0, called first, to 100.
    """

    type: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """What a checkpoint hook does beside saving at intervals.

    Attributes:
        keeps: How many of the periodic ones are kept; -1 for all.
        best: The metrics whose best checkpoint is kept.
    """

    keeps: int
    best: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        config: The config's file.
        loop: The training loop's class; None for a config that does not train.
        by_epoch: Whether the loop counts epochs.
        unit: What the schedules' steps are: `iteration`, or `epoch` where nobody knows how many iterations one has.
        epochs: Epochs of the run; 1 for a loop that counts iterations.
        iterations: Iterations of the run; None where nobody knows.
        epoch_length: Batches of an epoch; None where nobody knows, or epochs differ.
        data: How much data the loaders give, where they were built.
        groups: The groups of parameters: the optimizer's, or one that stands for them all.
        has_model: Whether the groups are the model's.
        schedules: Each option of each group over the run; empty where they could not be computed.
        validations: When the run validates.
        saves: When it saves, the best checkpoints left aside.
        checkpoints: What else the checkpoint hooks do.
        hooks: Who is called at each point, in order.
        notes: What could not be found out, and why.
    """

    config: str | None = None
    loop: str | None = None
    by_epoch: bool = True
    unit: str = "iteration"
    epochs: int = 0
    iterations: int | None = None
    epoch_length: int | None = None
    data: dict[str, Data] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    has_model: bool = False
    schedules: list[Schedule] = field(default_factory=list)
    validations: list[Moment] = field(default_factory=list)
    saves: list[Moment] = field(default_factory=list)
    checkpoints: list[Checkpoints] = field(default_factory=list)
    hooks: dict[str, list[HookCall]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Steps of the run, in `unit`."""
        return self.iterations if self.unit == "iteration" and self.iterations is not None else self.epochs

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        found = asdict(self)
        for moment in found["validations"]:
            del moment["file"]
        return found


def make_plan(config: Config, *, build: bool = False, epoch_length: int | None = None) -> Plan:
    """Find out what a run will do.

    Hooks, loop, optimizer and schedules are built, and the loop is run with nothing to train. The data sets are built
    to count their batches, and nothing is read from them.

    Args:
        config: A config that `runner.validation.check` finds in order.
        build: Whether to build the model, for the groups that its parameters are sorted into.
        epoch_length: Batches of an epoch, instead of building the data sets.

    Raises:
        BuildError: A component could not be built.
    """
    run_custom_imports(config)
    with tempfile.TemporaryDirectory(prefix="runner-plan-") as folder:
        stage = Stage(config.to_dict(), folder, epoch_length)
        plan = Plan(config=str(config.filename) if config.filename else None, notes=stage.notes)
        with stage.quiet():
            stage.build_hooks()
            if stage.data.get("train_cfg") is None:
                stage.notes.append("the config does not train: it has no train_cfg")
                plan.hooks = dict(_hook_calls(stage, ()))
            else:
                _plan_training(plan, stage, build=build)
    return plan


def _plan_training(plan: Plan, stage: Stage, *, build: bool) -> None:
    length = _count_batches(plan, stage)
    loop = stage.build_loop()
    plan.loop = type(loop).__name__
    plan.by_epoch = not isinstance(loop, IterBasedTrainLoop)
    counts = length is not None or not plan.by_epoch
    plan.unit = "iteration" if counts else "epoch"
    waiting = [] if length is not None else list(_need_length(stage.data.get("param_scheduler"), plan.by_epoch))
    if waiting:
        stage.notes.append(
            f"{', '.join(waiting)}: a schedule in iterations beside epochs needs the batches of an epoch, and nobody "
            "knows them; give `--epoch-length N`"
        )
    plan.groups = stage.build_optimizer(on_model=build)
    plan.has_model = build
    stage.build_schedules(with_schedules=not waiting)
    plan.notes += _of_metrics(stage)
    try:
        found = stage.walk(counts_iterations=counts)
    except Exception as error:  # noqa: BLE001 - a loop of the user's may raise anything where there is nothing to train
        stage.notes.append(
            f"{plan.loop} could not be run with nothing to train, so it is not known what happens when: "
            f"{type(error).__name__}: {error}"
        )
    else:
        _take(plan, found, stage, keep_schedules=not waiting)
    plan.hooks = dict(_hook_calls(stage, stage.found.points))
    if plan.by_epoch and not counts:
        plan.notes += _of_iterations(stage)


def _count_batches(plan: Plan, stage: Stage) -> int | None:
    """Batches of an epoch: as given, or as the data set has them."""
    if stage.epoch_length is not None:
        plan.epoch_length = stage.epoch_length
        return stage.epoch_length
    found = stage.measure("train_dataloader")
    if found is not None:
        plan.data["train"] = found
        plan.epoch_length = found.batches
        if found.batches is None:
            stage.notes.append("the training data set does not know its length, so its batches are not counted")
    if stage.data.get("val_dataloader") is not None:
        found = stage.measure("val_dataloader")
        if found is not None:
            plan.data["val"] = found
    return plan.epoch_length


def _need_length(cfg: Any, by_epoch: bool) -> Iterator[str]:
    """The schedules that can't be built, or not be laid over epochs, without the number of batches in one."""
    if isinstance(cfg, Mapping) and "type" not in cfg:
        for each in cfg.values():
            yield from _need_length(each, by_epoch)
        return
    for each in cfg if isinstance(cfg, list) else [cfg] if cfg is not None else []:
        if each.get("convert_to_iter_based", False) or (by_epoch and not each.get("by_epoch", True)):
            yield str(each.get("type"))


def _take(plan: Plan, walk: Walk, stage: Stage, *, keep_schedules: bool) -> None:
    """Put what was found on the way into the plan."""
    assert stage.train_loop is not None
    steps = max(map(len, walk.values.values()), default=0)
    plan.epochs = walk.epochs
    if plan.unit == "iteration":
        plan.iterations = steps
    if plan.by_epoch and plan.epoch_length is not None and plan.epoch_length * plan.epochs != steps:
        plan.epoch_length = None  # a loop that does not give its loader's batches, each once
    plan.validations, plan.saves = walk.validations, walk.saves
    plan.checkpoints = [
        Checkpoints(keeps=hook.max_keep_ckpts, best=hook.save_best)
        for hook in stage.hooks
        if isinstance(hook, CheckpointHook)
    ]
    if not keep_schedules:
        return
    boundaries = _boundaries(stage, plan)
    for (number, option), values in sorted(walk.values.items()):
        kept = sample(values, boundaries)
        plan.schedules.append(Schedule(option=option, group=number, steps=kept, values=[values[step] for step in kept]))


def _boundaries(stage: Stage, plan: Plan) -> set[int]:
    """The steps at which schedules begin and end, in the plan's unit."""
    length = (plan.epoch_length or 0) if plan.by_epoch and plan.unit == "iteration" else 1
    return {
        step * (length if schedule.by_epoch else 1)
        for schedule in each_schedule(stage)
        for step in (schedule.begin, schedule.end)
    }


def _hook_calls(stage: Stage, points: Mapping[str, None] | tuple[()]) -> Iterator[tuple[str, list[HookCall]]]:
    """The hooks at each point: MMEngine's, and those that the loop invented."""
    for point in (*Hook.stages, *(each for each in points if each not in Hook.stages)):
        calls = [
            HookCall(type=type(hook).__name__, priority=get_priority(hook.priority))
            for hook in stage.hooks
            if overrides(hook, point)
        ]
        if calls:
            yield point, calls


def _of_metrics(stage: Stage) -> Iterator[str]:
    for schedule in each_schedule(stage):
        if getattr(schedule, "need_val_args", False):
            yield f"{type(schedule).__name__} goes by the metrics of the validation: what it will do is not shown"


def _of_iterations(stage: Stage) -> Iterator[str]:
    for hook in stage.hooks:
        if isinstance(hook, CheckpointHook) and not hook.by_epoch:
            yield (
                f"{type(hook).__name__} saves every {hook.interval} iterations: give `--epoch-length N` to see when that is"
            )
