"""The parts of a run that a plan is made from: hooks, loop and schedules as they are, the rest as far as it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn
from typing_extensions import Self

from runner import assemble
from runner.build import Builder
from runner.hooks import HookList
from runner.logging import MessageHub, MMLogger
from runner.loops import TrainLoop
from runner.optim import OptimWrapper, OptimWrapperDict

__all__ = ["Data", "Group", "Loader", "Parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """How much data a loader gives.

    Attributes:
        batches: Batches of an epoch; None where the data set does not know its length.
        samples: Samples of the data set; None likewise.
        batch_size: Samples of a batch; None where a batch sampler does not say.
    """

    batches: int | None
    samples: int | None
    batch_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parameters with the same options; an optimizer may hold them as several groups.

    Attributes:
        optimizer: The optimizer's name where there are several, else empty.
        options: Their options at the start, before any schedule.
        parameters: Their names in the model; empty for a stand-in.
        numbers: How many numbers they have together; 0 for a stand-in.
    """

    optimizer: str
    options: dict[str, Any]
    parameters: tuple[str, ...]
    numbers: int


class Loader:
    """As long as a loader, with nothing in it.

    Args:
        length: Batches of an epoch.
        dataset: What it would read.
        batch_size: Samples of a batch.
    """

    sampler = batch_sampler = None

    def __init__(self, length: int, dataset: Any, batch_size: int | None) -> None:
        self._length = length
        self.dataset = dataset
        self.batch_size = batch_size

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[None]:
        """Nothing, as often as there are batches."""
        for _ in range(self._length):
            yield None


class _Samples:
    """A data set of which nothing is known but its length."""

    metainfo = None

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> None:
        """Nothing."""


class _StandIn(nn.Module):
    """A model of one number, for optimizers to have something."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))  # of two dimensions, which Muon asks for

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Any]:
        """Nothing is trained."""
        del data, optim_wrapper
        return {}

    def train(self, mode: bool = True) -> Self:
        """Nothing behaves differently in training; a loop may ask for it before each step."""
        del mode
        return self


class Parts:
    """As much of a Runner as hooks, loops and schedules are built with.

    Args:
        data: The config's fields.
        folder: A temporary folder, for what writes files.
        epoch_length: Batches of an epoch where the data sets are not to be built; None builds them.
    """

    rank = 1  # one that writes no files
    data_rank = 0
    world_size = data_world_size = 1
    distributed = False

    def __init__(self, data: Mapping[str, Any], folder: str, epoch_length: int | None) -> None:
        self.data = data
        self.epoch_length = epoch_length
        self.notes: list[str] = []
        self.builder = Builder(scope=data.get("default_scope") or "runner")
        self.seed = (data.get("randomness") or {}).get("seed") or 0
        self.mp_start_method = ((data.get("env_cfg") or {}).get("mp_cfg") or {}).get("mp_start_method", "fork")
        self.logger = MMLogger(log_level="CRITICAL")
        self.message_hub = MessageHub()
        self.work_dir = self.log_dir = folder
        self.device = torch.device("cpu")
        self.model: Any = _StandIn()
        self.hooks = HookList()
        self.train_dataloader = data.get("train_dataloader")
        self.val_dataloader = data.get("val_dataloader")
        self.val_loop: Any = None
        self.train_loop: TrainLoop | None = None
        self.optim_wrapper: Any = None
        self.param_schedulers: Any = []
        self.loaders: dict[int, Loader] = {}

    @property
    def unwrapped_model(self) -> nn.Module:
        """The model."""
        return cast("nn.Module", self.model)

    # ---- data --------------------------------------------------------------------------------------------------------

    def measure(self, name: Literal["train_dataloader", "val_dataloader"]) -> Data | None:
        """Build a loader to see how long it is; None where it can't be built, which is noted.

        An empty one takes its place for loops: as long as it is, or of one batch where nobody knows.
        """
        cfg = self.data[name]
        try:
            found: Any = assemble.dataloader(cast("Any", self), cfg, (name,))
        except Exception as error:  # noqa: BLE001 - a data set may raise anything; the plan goes on without it
            self.notes.append(f"{name} could not be built, so its batches are not counted: {_line(error)}")
            found, size = None, batch_size(cfg)
        else:
            size = found.batch_size or getattr(found.batch_sampler, "batch_size", None)
        measured = None
        if found is not None:
            measured = Data(batches=_length(found), samples=_length(found.dataset), batch_size=size)
        length = 1 if measured is None or measured.batches is None else measured.batches
        self.loaders[id(cfg)] = Loader(length, _Samples(length * (size or 1)) if found is None else found.dataset, size)
        return measured

    def build_dataloader(self, cfg: Any) -> Any:
        """An empty loader of the right length, for a loop; its data set is built unless the length is given."""
        if isinstance(cfg, Loader):
            return cfg
        if id(cfg) in self.loaders:
            return self.loaders[id(cfg)]
        if self.epoch_length is not None:
            size = batch_size(self.data["train_dataloader"])
            return Loader(self.epoch_length, _Samples(self.epoch_length * (size or 1)), size)
        loader = assemble.dataloader(cast("Any", self), cfg, ("train_dataloader",))
        size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
        return Loader(len(loader), loader.dataset, size)

    # ---- what is built as it is --------------------------------------------------------------------------------------

    def build_hooks(self) -> None:
        """The hooks, in calling order."""
        assemble.hooks(cast("Any", self), self.data.get("default_hooks"), self.data.get("custom_hooks"))

    def build_loop(self) -> TrainLoop:
        """The training loop on an empty loader."""
        cfg = assemble.train_loop_type(self.data["train_cfg"])
        cfg.pop("on_oom", None)  # the stand-in for a step takes no memory
        dataloader = self.train_dataloader
        loop = self.builder.build("loop", cfg, ("train_cfg",), runner=self, dataloader=dataloader)
        self.train_loop = loop
        return cast("TrainLoop", loop)

    def build_schedules(self, *, with_schedules: bool) -> None:
        """Scale the rates and put the schedules on them, as a Runner does."""
        runner = cast("Any", self)
        assemble.scale_lr(runner, self.data.get("auto_scale_lr"))
        if with_schedules:
            self.param_schedulers = assemble.param_schedulers(runner, self.data.get("param_scheduler"))

    # ---- the optimizer -----------------------------------------------------------------------------------------------

    def build_optimizer(self, *, on_model: bool) -> list[Group]:
        """The optimizer with its groups, equal ones made one: a schedule gives each of them the same values.

        Args:
            on_model: Whether to build the model, on the meta device where it can be; else a stand-in takes its place,
                and there is one group.
        """
        self.optim_wrapper = self._on_model() if on_model else self._on_stand_in()
        names = {id(parameter): name for name, parameter in self.unwrapped_model.named_parameters()}
        self.model = _StandIn()
        groups = []
        for name, wrapper in wrappers(self.optim_wrapper).items():
            groups += [_described(group, name, names if on_model else {}) for group in _merged(wrapper)]
        return groups

    def _on_model(self) -> Any:
        for device in ("meta", "cpu"):
            try:
                with torch.device(device):
                    self.model = assemble.model(
                        cast("Any", self), self.data["model"], self.data.get("data_preprocessor")
                    )
                    return assemble.optim_wrapper(cast("Any", self), self.data["optim_wrapper"])
            except Exception:  # some constructors need numbers; what they say on the CPU is what counts
                if device == "cpu":
                    raise
        raise AssertionError

    def _on_stand_in(self) -> Any:
        cfg = dict(self.data["optim_wrapper"])
        ignored = [key for key in _SORTING if cfg.pop(key, None)]
        if "optimizer" not in cfg:  # several, each on submodules that the stand-in has not
            cfg = {name: _on_whole(each) if isinstance(each, dict) else each for name, each in cfg.items()}
        if ignored:
            self.notes.append(
                f"{' and '.join(f'optim_wrapper.{key}' for key in ignored)} sorts parameters into groups; `--build` "
                "builds the model and shows them, and what is shown here is the schedule of what the groups derive from"
            )
        return assemble.optim_wrapper(cast("Any", self), cfg)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """What is logged meanwhile is not printed."""
        with self.message_hub.current(), self.logger.current():
            yield


_SORTING = ("constructor", "paramwise_cfg")


def _on_whole(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """One of several optimizers, for the whole model in one group."""
    return {**{key: value for key, value in cfg.items() if key not in _SORTING}, "modules": ""}


def batch_size(cfg: Mapping[str, Any]) -> int | None:
    """Samples of a batch, as a loader's mapping has it; None where a batch sampler keeps it to itself."""
    sampler = cfg.get("batch_sampler")
    if isinstance(sampler, Mapping) and "batch_size" in sampler:
        return cast("int", sampler["batch_size"])
    return cast("int | None", cfg.get("batch_size", 1))


def wrappers(optim_wrapper: Any) -> dict[str, OptimWrapper]:
    """The optimizer wrappers by name; a single one has none."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        return dict(optim_wrapper.items())
    return {"": optim_wrapper}


def _merged(wrapper: OptimWrapper) -> list[dict[str, Any]]:
    """Make one group of those with equal options, in the order of the first; returns them."""
    merged: dict[str, dict[str, Any]] = {}
    for group in wrapper.optimizer.param_groups:
        key = repr(sorted((name, value) for name, value in group.items() if name != "params"))
        if key in merged:
            merged[key]["params"] = [*merged[key]["params"], *group["params"]]
        else:
            merged[key] = group
    wrapper.optimizer.param_groups[:] = merged.values()
    return wrapper.optimizer.param_groups


def _described(group: Mapping[str, Any], optimizer: str, names: Mapping[int, str]) -> Group:
    own = [parameter for parameter in group["params"] if id(parameter) in names]
    return Group(
        optimizer=optimizer,
        options={key: _plain(value) for key, value in group.items() if key != "params"},
        parameters=tuple(names[id(parameter)] for parameter in own),
        numbers=sum(parameter.numel() for parameter in own),
    )


def _plain(value: Any) -> Any:
    """A group's option as plain data."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _length(sized: Any) -> int | None:
    try:
        return len(sized)
    except TypeError:
        return None


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
