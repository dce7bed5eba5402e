"""Going on with a schedule, also with one whose shape has changed in the meantime.

A scheduler's state is its position; its shape (`end`, `T_max`, `milestones`) comes from the config. Since each step
computes a value from the one before, the value in the optimizer is a product of the shapes of all schedulers that took
turns on it. So there are two cases, and the recorded shapes tell which it is:

- No shape has changed: the optimizer's values, which were saved bit for bit, are right as they are, whatever else
  changed them. The positions are loaded, and that is all.
- A shape has changed (`max_epochs` was raised, a milestone moved, a scheduler added): the schedulers of that value are
  rewound to their initial values and stepped to the saved position in the order in which a run steps them, those by
  iterations after each iteration and those by epochs after each `epoch_length` iterations. These are the operations of
  a run that had the new shape from the start, so the values are that run's, bit for bit. What other code did to the
  value (a hook that halves a learning rate) is not repeated.

The initial values are those of the checkpoint, where the optimizer's state was loaded: a learning rate that was scaled
by `auto_scale_lr` stays as it was scaled, and one that was changed in the config since then is named and not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from runner.errors import CheckpointError
from runner.optim.scheduler.param_scheduler import _ParamScheduler

__all__ = ["restore_schedulers"]

_State = Mapping[str, Any]


def restore_schedulers(
    schedulers: Sequence[_ParamScheduler] | Mapping[str, Sequence[_ParamScheduler]],
    states: Sequence[_State] | Mapping[str, Sequence[_State]],
    *,
    epoch: int | None = None,
    iteration: int | None = None,
    epoch_length: int | None = None,
    optimizer_restored: bool = True,
) -> list[str]:
    """Bring schedulers to a checkpoint's position, and the optimizer's values to theirs.

    To be called after the optimizer's own state was loaded.

    Args:
        schedulers: As built from the config, in its order; or such lists by the name of an optimizer.
        states: What their `state_dict` returned, in the same order; MMEngine's are understood.
        epoch: Epochs that the run has finished; needed for a scheduler by epochs where the checkpoint has none.
        iteration: Iterations that the run has finished; likewise.
        epoch_length: Iterations in an epoch; needed to interleave schedulers by epochs and by iterations.
        optimizer_restored: Whether the optimizer has the checkpoint's values; the schedule is recomputed from the
            config's initial values otherwise.

    Returns:
        What has changed since the checkpoint, a sentence each; empty where the schedule goes on as it was.

    Raises:
        CheckpointError: The position of a scheduler cannot be told, or one has lists by name and the other has not.
    """
    options = {"epoch": epoch, "iteration": iteration, "epoch_length": epoch_length}
    if isinstance(schedulers, Mapping) and isinstance(states, Mapping):
        return [
            f"{name}: {change}"
            for name, chain in schedulers.items()
            for change in _restore(chain, states.get(name, ()), optimizer_restored, **options)
        ]
    if isinstance(schedulers, Mapping) or isinstance(states, Mapping):
        raise CheckpointError(
            "the checkpoint and the config do not have the same number of optimizers: only one of them names its "
            "parameter schedulers by optimizer"
        )
    return _restore(schedulers, states, optimizer_restored, **options)


def _restore(
    schedulers: Sequence[_ParamScheduler],
    states: Sequence[_State],
    optimizer_restored: bool,
    *,
    epoch: int | None,
    iteration: int | None,
    epoch_length: int | None,
) -> list[str]:
    """Restore the schedulers of one optimizer."""
    changes = _name_changes(schedulers, states)
    notes = _name_initial_values(schedulers, states) if optimizer_restored else []
    targets = _targets(schedulers, states, epoch, iteration, epoch_length)
    for scheduler, state in zip(schedulers, states, strict=False):
        built = scheduler.base_values
        scheduler.load_state_dict(state)
        if not optimizer_restored:
            scheduler.base_values = built
    gone = {_shape(state).get("param_name") for state in states[len(schedulers) :]}
    for name in dict.fromkeys(scheduler.param_name for scheduler in schedulers):
        chain = [number for number, scheduler in enumerate(schedulers) if scheduler.param_name == name]
        if optimizer_restored and name not in gone and not any(number in changes for number in chain):
            continue
        if any(hasattr(schedulers[number], "need_val_args") for number in chain):
            notes.append(f"{name} goes on from the checkpoint's value: its schedule depends on validation results")
            continue
        _replay([schedulers[number] for number in chain], [targets[number] for number in chain], epoch_length)
    return [*changes.values(), *notes]


def _replay(chain: Sequence[_ParamScheduler], targets: Sequence[int], epoch_length: int | None) -> None:
    """Step schedulers of the same value from the start to their positions, in the order in which a run steps them."""
    _reset_values(chain)
    verbose = [scheduler.verbose for scheduler in chain]
    for scheduler in chain:
        scheduler.verbose = False
        scheduler.rewind()
        scheduler.step()
    target = dict(zip(map(id, chain), targets, strict=True))
    by = {
        True: [scheduler for scheduler in chain if scheduler.by_epoch],
        False: [scheduler for scheduler in chain if not scheduler.by_epoch],
    }
    epochs = max((target[id(scheduler)] for scheduler in by[True]), default=0)
    iterations = max((target[id(scheduler)] for scheduler in by[False]), default=0)
    for is_epoch in _order(epochs, iterations, epoch_length):
        for scheduler in by[is_epoch]:
            if scheduler._global_step < target[id(scheduler)]:  # noqa: SLF001 - MMEngine's name, of our own base class
                scheduler.step()
    for scheduler, flag in zip(chain, verbose, strict=True):
        scheduler.verbose = flag


def _reset_values(chain: Sequence[_ParamScheduler]) -> None:
    """Put the value of each group back to what it was before any scheduler changed it."""
    first = chain[0]
    name, key = first.param_name, f"initial_{first.param_name}"
    groups = first.optimizer.param_groups
    for group, base in zip(groups, first.base_values, strict=True):
        # A checkpoint without a schedule for this value has no initial value in its groups, and for the momentum of
        # Adam no value either.
        group.setdefault(name, base)
        initial = group.setdefault(key, _copied(group[name]))
        if isinstance(group[name], torch.Tensor):
            group[name].copy_(initial)
        else:
            group[name] = initial
    for scheduler in chain:
        scheduler.base_values = [group[key] for group in groups]


def _order(epochs: int, iterations: int, epoch_length: int | None) -> Iterator[bool]:
    """The order of the steps so far: True for an epoch, False for an iteration."""
    length = _epoch_length(epochs, iterations, epoch_length)
    for _ in range(epochs):
        yield from (False for _ in range(length))
        yield True
    yield from (False for _ in range(iterations - epochs * length))


def _epoch_length(epochs: int, iterations: int, given: int | None) -> int:
    """How many iterations the finished epochs had each: what is given, where it agrees with the position."""
    if epochs == 0:
        return 0
    if given is not None and epochs * given <= iterations <= (epochs + 1) * given:
        return given
    return iterations // epochs


def _targets(
    schedulers: Sequence[_ParamScheduler],
    states: Sequence[_State],
    epoch: int | None,
    iteration: int | None,
    epoch_length: int | None,
) -> list[int]:
    """How many steps each scheduler has taken after step 0."""
    known: dict[bool, int] = {}
    for number, state in enumerate(states):
        if "_global_step" not in state:
            raise CheckpointError(f"the checkpoint's param_scheduler.{number} has no position ('_global_step')")
        known[bool(_shape(state).get("by_epoch", True))] = int(state["_global_step"])
    if epoch is not None:
        known.setdefault(True, epoch)
    if iteration is not None:
        known.setdefault(False, iteration)
    if epoch_length and False in known:
        known.setdefault(True, known[False] // epoch_length)
    if epoch_length and True in known:
        known.setdefault(False, known[True] * epoch_length)
    for number, scheduler in enumerate(schedulers):
        if scheduler.by_epoch not in known:
            unit = "epochs" if scheduler.by_epoch else "iterations"
            raise CheckpointError(
                f"param_scheduler.{number} counts {unit}, and the checkpoint does not say how many there were; pass "
                f"restore_schedulers the run's {'epoch' if scheduler.by_epoch else 'iteration'}"
            )
    return [known[scheduler.by_epoch] for scheduler in schedulers]


def _name_changes(schedulers: Sequence[_ParamScheduler], states: Sequence[_State]) -> dict[int, str]:
    """What differs between the config's shapes and the checkpoint's, by the scheduler's number in the config."""
    changes = {}
    for number, (scheduler, state) in enumerate(zip(schedulers, states, strict=False)):
        now, before = scheduler.shape(), _shape(state)
        if "shape" not in state:
            for name in ("type", *scheduler.unknown_to_mmengine):
                now.pop(name)  # MMEngine does not record it
            before = {key: value for key, value in before.items() if key in now}
        differences = [
            f"{key} {before.get(key, '(none)')} -> {now.get(key, '(none)')}"
            for key in dict.fromkeys([*now, *before])
            if _listed(now.get(key)) != _listed(before.get(key))
        ]
        if differences:
            name = type(scheduler).__name__
            changes[number] = f"param_scheduler.{number} ({name}) has changed: {', '.join(differences)}"
    for number in range(len(states), len(schedulers)):
        changes[number] = f"param_scheduler.{number} ({type(schedulers[number]).__name__}) is new"
    for number in range(len(schedulers), len(states)):
        named = _shape(states[number]).get("type", "of unknown type")
        changes[number] = f"the checkpoint's param_scheduler.{number} ({named}) is gone"
    return changes


def _name_initial_values(schedulers: Sequence[_ParamScheduler], states: Sequence[_State]) -> list[str]:
    """Which initial values of the config give way to the checkpoint's."""
    notes = {}
    for scheduler, state in zip(schedulers, states, strict=False):
        if scheduler.sets_initial_values:
            continue
        ours, saved = scheduler.base_values, state.get("base_values", scheduler.base_values)
        if [float(value) for value in ours] != [float(value) for value in saved]:
            notes[scheduler.param_name] = (
                f"{scheduler.param_name} goes on from the checkpoint's initial value {float(saved[0]):g}, "
                f"not from the config's {float(ours[0]):g}"
            )
    return list(notes.values())


def _shape(state: _State) -> Mapping[str, Any]:
    """The shape that a state was counted on; MMEngine's states hold it beside the position."""
    shape: Mapping[str, Any] = state["shape"] if "shape" in state else {**state, "milestones": _milestones(state)}
    return shape


def _milestones(state: _State) -> list[int] | None:
    """MMEngine's Counter of milestones as a list."""
    counts = state.get("milestones")
    if not isinstance(counts, Mapping):
        return None
    return sorted(step for step, count in counts.items() for _ in range(count))


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value
