"""What all parameter schedulers share: the window, the position, and the step.

A scheduler is recursive, as MMEngine's are: a step computes the next value of each group from the group's current one,
so schedulers in a list chain by taking turns on the same value (a warm-up by iterations and a decay by epochs, say).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Protocol

import torch
from typing_extensions import Self

from runner.errors import BuildError
from runner.kinds import Interval
from runner.logging import MMLogger

__all__ = ["INF", "OptimizerLike", "_ParamScheduler", "check_factor"]

INF = 1_000_000_000
"""The `end` of a scheduler that has none."""

_POSITION = ("last_step", "_global_step", "base_values", "_last_value")
_NEITHER = frozenset({"optimizer", "verbose", "_built", "_before", *_POSITION})
_ABSENT = object()


class OptimizerLike(Protocol):
    """What is scheduled: a torch optimizer or an `OptimWrapper`."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Parameter groups with their hyper-parameters."""

    @property
    def defaults(self) -> dict[str, Any]:
        """Default hyper-parameters."""


class _ParamScheduler:
    """Changes a hyper-parameter of each parameter group step by step.

    A subclass sets its own attributes, calls this constructor, and defines `_get_value`. The constructor takes step 0;
    each call of `step` takes the next. Steps outside of `begin <= step < end` change nothing.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group: `lr`, `momentum`, `weight_decay`.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run. Another value needs groups that were
            scheduled before.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.

    Attributes:
        base_values: The value of each group before any scheduler changed it.
        last_step: The current step, counted from `begin`.
    """

    counted_in_epochs: ClassVar[tuple[str, ...]] = ()
    """Arguments beside `begin` and `end` that `build_iter_from_epoch` turns from epochs into iterations."""
    counters: ClassVar[tuple[str, ...]] = ()
    """Attributes that are position although they change in some steps only; MMEngine's states have them by these names."""
    unknown_to_mmengine: ClassVar[tuple[str, ...]] = ()
    """Attributes of the shape that MMEngine's states do not have."""
    sets_initial_values: ClassVar[bool] = False
    """Whether the initial values are part of the shape, whatever the optimizer was built with."""

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if not hasattr(optimizer, "param_groups"):
            raise BuildError(f"a scheduler needs an optimizer or an optimizer wrapper, got {optimizer!r}")
        if begin < 0 or end <= begin:
            raise BuildError(f"a scheduler works from step 'begin' up to 'end', got begin={begin}, end={end}")
        if last_step < -1:
            raise BuildError(f"last_step must be at least -1, got {last_step}")
        self.optimizer = optimizer
        self.param_name = param_name
        self.begin = begin
        self.end = end
        self.by_epoch = by_epoch
        self.verbose = verbose
        self.base_values = [
            _initial(group, param_name, number, last_step) for number, group in enumerate(_groups(self))
        ]
        self.last_step = last_step
        self._start = last_step
        self._global_step = -1
        self._last_value: list[Any] = []
        self._built: dict[str, Any] | None = None
        before = self._attributes()
        self.step()
        self._before = {key: before.get(key, _ABSENT) for key in _changed(before, self._attributes())}

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: Any,
        begin: float = 0,
        end: float = INF,
        by_epoch: bool = True,
        epoch_length: int | None = None,
        **kwargs: Any,
    ) -> Self:
        """Build a scheduler that steps by iterations from arguments in epochs (`convert_to_iter_based: true`).

        Args:
            *args: The constructor's.
            begin: In epochs.
            end: In epochs.
            by_epoch: True, since the arguments are in epochs.
            epoch_length: Iterations in an epoch.
            **kwargs: The constructor's; those in `counted_in_epochs` are in epochs.

        Raises:
            BuildError: `by_epoch` is false, or the length of an epoch is not known.
        """
        if not by_epoch:
            raise BuildError("convert_to_iter_based reads epochs; by_epoch: false says that these are iterations")
        if epoch_length is None or epoch_length < 1:
            raise BuildError(
                f"convert_to_iter_based needs the number of iterations in an epoch, got {epoch_length}; "
                "for data without a length, give iterations and by_epoch: false"
            )
        for name in cls.counted_in_epochs:
            value = kwargs.get(name)
            if value is not None:
                many = isinstance(value, list | tuple)
                kwargs[name] = [each * epoch_length for each in value] if many else value * epoch_length
        kwargs["begin"] = int(begin * epoch_length)
        kwargs["end"] = INF if end == INF else int(end * epoch_length)
        kwargs["by_epoch"] = False
        return cls(*args, **kwargs)

    def step(self) -> None:
        """Go one step on, and set the value of each group."""
        if self._built is None and self._global_step >= 0:
            self._built = self._attributes()
        self._global_step += 1
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.begin <= self._global_step < self.end:
            self.last_step += 1
            for group, value in zip(groups, self._get_value(), strict=False):
                self._set(group, value)
            if self.verbose:
                self._report(groups)
        self._last_value = [group[name] for group in groups]

    def _get_value(self) -> Iterable[Any]:
        """The next value of each group, from its current one. `last_step` is the step that they are for."""
        raise NotImplementedError

    def _set(self, group: dict[str, Any], value: Any) -> None:
        name = self.param_name
        if isinstance(group[name], torch.Tensor):
            group[name].copy_(value)  # a captured graph reads this very tensor
        else:
            group[name] = value

    def get_last_value(self) -> list[Any]:
        """The values of the groups after this scheduler's last step."""
        return self._last_value

    def _report(self, groups: list[dict[str, Any]]) -> None:
        logger = MMLogger.get_current_instance()
        for number, group in enumerate(groups):
            logger.info("%s of group %d is now %.4e", self.param_name, number, float(group[self.param_name]))

    # Position and shape

    def state_dict(self) -> dict[str, Any]:
        """The scheduler's position, and the shape that it was counted on.

        What stepping has changed since construction is the position; everything else is the shape, which comes from
        the config. The shape is recorded, so that a change can be found and named, and never loaded.

        Returns:
            `last_step`, `_global_step`, `base_values`, `_last_value` (MMEngine's names), whatever else a subclass
            changes as it steps, and `shape`.
        """
        attributes = self._attributes()
        built = attributes if self._built is None else self._built
        moved = {key: attributes[key] for key in _changed(built, attributes)}
        position = {key: getattr(self, key) for key in (*_POSITION, *self.counters)}
        return {**position, **moved, "shape": self.shape()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a position; the shape stays the config's.

        This does not touch the optimizer. Its values come with its own state; where the shape has changed they are
        another schedule's, and `runner.optim.scheduler.restore_schedulers` computes the right ones.

        Args:
            state_dict: What `state_dict` returned, or MMEngine's, whose shape is left aside.
        """
        if self._built is None:
            self._built = self._attributes()
        self._return_to(self._built)
        taken = {key: state_dict[key] for key in (*_POSITION, *self.counters) if key in state_dict}
        if "shape" in state_dict:
            taken.update({key: value for key, value in state_dict.items() if key not in {"shape", *_NEITHER}})
        for key, value in taken.items():
            setattr(self, key, list(value) if isinstance(value, list) else value)

    def rewind(self) -> None:
        """Go back to before step 0: position and whatever stepping changed, but not the optimizer's values."""
        built = self._attributes() if self._built is None else self._built
        self._return_to({**built, **self._before})
        self._built = built
        self.last_step = self._start
        self._global_step = -1

    def _return_to(self, attributes: Mapping[str, Any]) -> None:
        """Undo what stepping has changed."""
        for key in self._attributes().keys() - attributes.keys():
            delattr(self, key)
        for key, value in attributes.items():
            if value is not _ABSENT:
                setattr(self, key, _frozen(value))
            elif hasattr(self, key):
                delattr(self, key)

    def shape(self) -> dict[str, Any]:
        """What the config decides, as plain data: `{"type": "CosineAnnealingLR", "T_max": 6, "end": 6, …}`."""
        built = self._attributes() if self._built is None else self._built
        own = {key: value for key, value in built.items() if not key.startswith("_")}
        return {"type": type(self).__name__, **{key: value for key, value in own.items() if _is_plain(value)}}

    def _attributes(self) -> dict[str, Any]:
        """Every attribute that is neither position nor optimizer, lists and mappings copied."""
        left_out = _NEITHER.union(self.counters)
        return {key: _frozen(value) for key, value in self.__dict__.items() if key not in left_out}


def check_factor(value: float, *, name: str, zero: bool) -> float:
    """Refuse a factor that is not between 0 and 1.

    Args:
        value: The factor.
        name: What it is called in the config.
        zero: Whether it may be 0, from which no multiplication leads back.
    """
    if not (0 <= value <= 1) or (value == 0 and not zero):
        allowed = "between 0 and 1" if zero else "above 0 and at most 1; 1.0e-6 is as good as 0 for a start"
        raise BuildError(f"{name} must be {allowed}, got {value!r}")
    return value


def _groups(scheduler: _ParamScheduler) -> list[dict[str, Any]]:
    groups = scheduler.optimizer.param_groups
    for number, group in enumerate(groups):
        if scheduler.param_name not in group:
            have = ", ".join(key for key in group if key != "params")
            raise BuildError(f"parameter group {number} has no '{scheduler.param_name}' to schedule; it has {have}")
    return groups


def _initial(group: dict[str, Any], name: str, number: int, last_step: int) -> Any:
    """The value of a group before any scheduler changed it, which the first one leaves in the group."""
    key = f"initial_{name}"
    if key not in group:
        if last_step != -1:
            raise BuildError(
                f"last_step={last_step} goes on with a schedule, but parameter group {number} has no '{key}', which "
                "the schedule's beginning would have left there"
            )
        value = group[name]
        group[key] = value.clone() if isinstance(value, torch.Tensor) else value
    return group[key]


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [key for key, value in after.items() if key not in before or not _same(before[key], value)]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)


def _frozen(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, list):
        return [_frozen(each) for each in value]
    if isinstance(value, dict):
        return type(value)({key: _frozen(each) for key, each in value.items()})  # a Counter stays one
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, bool | int | float | str)
