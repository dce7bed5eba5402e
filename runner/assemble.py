"""The parts of a run, each made from its top-level field."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.utils.data import DataLoader

from runner import dist
from runner.config.triples import TRIPLES
from runner.dataset import build_dataloader as keyed_dataloader
from runner.dataset import rebuild
from runner.dataset.build import accepted
from runner.dist.ddp import MMDistributedDataParallel
from runner.dist.fully_sharded import MMFullyShardedDataParallel
from runner.errors import BuildError, Path
from runner.evaluator import Evaluator
from runner.hooks import Hook
from runner.model import (
    BaseModel,
    turn_on_activation_checkpointing,
    turn_on_efficient_conv_bn_eval,
)
from runner.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from runner.optim.scheduler import _ParamScheduler
from runner.strategy import BaseStrategy, DDPStrategy, FSDPStrategy, SingleDeviceStrategy
from runner.strategy.base import Surroundings

if TYPE_CHECKING:
    from runner.build import Builder
    from runner.config import Config
    from runner.loops import EvaluationLoop, TrainLoop
    from runner.runner import Runner

__all__ = [
    "DEFAULT_HOOKS",
    "arguments",
    "check_triples",
    "checkpoint_activations",
    "compile_step",
    "dataloader",
    "evaluation_loop",
    "evaluator",
    "hooks",
    "init_weights",
    "log_size",
    "model",
    "optim_wrapper",
    "param_schedulers",
    "register_hook",
    "require_weights",
    "scale_lr",
    "strategy",
    "train_loop",
    "train_loop_type",
    "wrapped_model",
]

DEFAULT_HOOKS: dict[str, dict[str, Any]] = {
    "runtime_info": {"type": "RuntimeInfoHook"},
    "timer": {"type": "IterTimerHook"},
    "sampler_seed": {"type": "DistSamplerSeedHook"},
    "logger": {"type": "LoggerHook"},
    "param_scheduler": {"type": "ParamSchedulerHook"},
    "checkpoint": {"type": "CheckpointHook", "interval": 1},
}
"""What every run has, in the order in which hooks of equal priority are called."""


def arguments(config: Config, known: Collection[str]) -> dict[str, Any]:
    """A Runner's arguments from a config: what is no argument is read elsewhere, or null, or validation has refused it.

    Args:
        config: The config.
        known: The names of the constructor's parameters.
    """
    data = {name: value for name, value in config.to_dict().items() if name in known}
    if data.get("work_dir") is None:
        data["work_dir"] = f"work_dirs/{PurePath(config.filename).stem if config.filename else 'run'}"
    return data


def check_triples(fields: Mapping[str, Any]) -> None:
    """Refuse a half-described way of running.

    Raises:
        BuildError: Some fields of a triple are given and some are not; names both.
    """
    for triple in TRIPLES:
        given = [name for name in triple if fields[name] is not None]
        if given and len(given) < len(triple):
            missing = [name for name in triple if name not in given]
            raise BuildError(
                f"{', '.join(given)} given without {', '.join(missing)}; they go together: give all of {', '.join(triple)}, or none"
            )
    if fields["param_scheduler"] is not None and fields["optim_wrapper"] is None:
        raise BuildError("param_scheduler given without optim_wrapper; a schedule needs an optimizer to change")


def model(runner: Runner, cfg: nn.Module | Mapping[str, Any], data_preprocessor: Any) -> nn.Module:
    """Build the model, with the top-level `data_preprocessor` where the model's own mapping gives none."""
    if isinstance(cfg, Mapping) and data_preprocessor is not None:
        cfg = {"data_preprocessor": data_preprocessor, **cfg}
    built = runner.builder.build("model", cfg, ("model",))
    if not isinstance(built, nn.Module):
        raise BuildError(f"the model is to be a torch.nn.Module, and is a {type(built).__name__}", path=("model",))
    return built


def strategy(
    runner: Runner, cfg: BaseStrategy | Mapping[str, Any] | None, wrapper: Mapping[str, Any] | None
) -> BaseStrategy:
    """Build the strategy; without one, a model is trained whole, or in the way of its wrapper, on all devices.

    Raises:
        BuildError: It is none.
    """
    if cfg is None:
        if not runner.distributed:
            return SingleDeviceStrategy()
        return FSDPStrategy(model_wrapper=dict(wrapper)) if wrapper and _shards(runner, wrapper) else DDPStrategy()
    built = runner.builder.build("strategy", cfg, ("strategy",))
    if not isinstance(built, BaseStrategy):
        raise BuildError(
            f"a strategy derives from BaseStrategy, and {type(built).__name__} does not", path=("strategy",)
        )
    return built


def _shards(runner: Runner, wrapper: Mapping[str, Any]) -> bool:
    """Whether a wrapper deals the model out, which takes a strategy that knows when the weights are drawn."""
    if "type" not in wrapper:
        return False
    target, _ = runner.builder.resolve("model_wrapper", wrapper, ("model_wrapper_cfg",))
    return target is MMFullyShardedDataParallel


def wrapped_model(
    runner: Runner,
    cfg: nn.Module | Mapping[str, Any],
    data_preprocessor: Any,
    fields: Any,
    initialize: Callable[[nn.Module], None],
) -> nn.Module:
    """Build the model, and let the strategy spread it.

    Args:
        runner: The run.
        cfg: The model, or its mapping.
        data_preprocessor: What it prepares batches with, where its own mapping does not say.
        fields: The config's top-level fields.
        initialize: Draws the weights, for a strategy after which that is no longer possible.

    Raises:
        BuildError: `sync_bn` is asked for where its implementation can't work, or `efficient_conv_bn_eval` names a
            module that the model does not have.
    """
    with runner.strategy.building():
        built = model(runner, cfg, data_preprocessor)
    if fields["channels_last"]:
        built = built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    if fields["efficient_conv_bn_eval"]:
        pairs = turn_on_efficient_conv_bn_eval(built, fields["efficient_conv_bn_eval"])
        runner.logger.info(f"{pairs} convolutions are computed as one with their batch norm in evaluation mode")
    trains = fields["train_cfg"] is not None or fields["init_weights_for_test_or_val"] is not False
    around = Surroundings(
        device=runner.device,
        builder=runner.builder,
        say=runner.logger.info,
        warn=runner.logger.warning,
        initialize=initialize if runner.strategy.initializes and trains else None,
        fields={name: fields[name] for name in ("model_wrapper_cfg", "find_unused_parameters", "sync_bn")},
    )
    return runner.strategy.prepare(built, around)


def init_weights(model: nn.Module) -> None:
    """Call a model's `init_weights`, if it has one, and give all ranks what rank 0 drew."""
    initialize: Any = getattr(model, "init_weights", None)
    if initialize is None:
        return
    initialize()
    # Ranks may draw differently, and the wrapper compared them when it was made, before this.
    for tensor in model.state_dict().values():
        dist.broadcast(tensor)


def checkpoint_activations(model: nn.Module, names: str | Sequence[str] | None) -> None:
    """Let modules compute their activations again in the backward pass.

    Raises:
        BuildError: The model has no such module.
    """
    turn_on_activation_checkpointing(model, names or ())


def log_size(runner: Runner) -> None:
    """Say how many parameters the model has."""
    parameters = list(runner.unwrapped_model.parameters())
    total, trained = (
        sum(each.numel() for each in parameters),
        sum(each.numel() for each in parameters if each.requires_grad),
    )
    runner.logger.info(f"{type(runner.unwrapped_model).__name__}: {total:,} parameters, {trained:,} of them trained")


def compile_step(model: nn.Module, options: bool | Mapping[str, Any] | None) -> None:
    """Let `torch.compile` compile what a training step computes, where the field `compile` asks for it.

    That is the model's forward in mode `loss`; the whole step of a model that has a `train_step` of its own.
    """
    if options is False or options is None:
        return
    arguments = options if isinstance(options, Mapping) else {}
    if getattr(type(model), "train_step", None) in {BaseModel.train_step, MMDistributedDataParallel.train_step}:
        plain = model.forward
        compiled = torch.compile(plain, **arguments)

        def forward(*args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
            return (compiled if mode == "loss" else plain)(*args, mode=mode, **kwargs)

        model.forward = forward
    else:
        step: Any = model.train_step
        model.train_step = torch.compile(step, **arguments)  # type: ignore[assignment]  # a method, not a submodule


def dataloader(runner: Runner, cfg: DataLoader[Any] | Mapping[str, Any], path: Path = ()) -> DataLoader[Any]:
    """Build a loader, or put the one that a user built together again so that it resumes exactly."""
    if not isinstance(cfg, Mapping):
        loader, exact = rebuild(cfg, seed=runner.seed, rank=runner.data_rank)
        if not exact:
            runner.logger.warning(
                f"the {type(cfg).__name__} given is used as it is: its sampler is none that can be put back to a place in "
                "mid-epoch, so the run resumes exactly at the end of an epoch only"
            )
        return loader
    cfg = dict(cfg)
    builder = runner.builder
    dataset = builder.build("dataset", cfg.pop("dataset"), (*path, "dataset"))
    if hasattr(dataset, "full_init"):
        dataset.full_init()
    # As functions, since `num_batch_per_epoch` makes them for the head of the data set.
    for name in ("sampler", "batch_sampler"):
        if isinstance(cfg.get(name), Mapping):
            cfg[name] = functools.partial(_ordering, builder, name, cfg[name], (*path, name))
    for name in ("collate_fn", "worker_init_fn"):
        if cfg.get(name) is not None:
            cfg[name] = builder.build("function", cfg[name], (*path, name))
    if cfg.get("num_workers", 0) > 0:
        cfg.setdefault("multiprocessing_context", runner.mp_start_method)
    return keyed_dataloader(dataset, seed=runner.seed, rank=runner.data_rank, **cfg)


def _ordering(builder: Builder, kind: str, cfg: Mapping[str, Any], path: Path, **offered: Any) -> Any:
    """Build a sampler or batch sampler with what its constructor takes of `dataset`, `seed`, `sampler`, `batch_size`."""
    target, _ = builder.resolve(kind, cfg, path)
    return builder.build(kind, cfg, path, **accepted(target, offered))


def evaluator(runner: Runner, cfg: Evaluator | Mapping[str, Any] | Sequence[Any], path: Path = ()) -> Evaluator:
    """Build an evaluator from itself, a metric, a list of metrics, or a mapping with `metrics`."""
    if isinstance(cfg, Evaluator):
        return cfg
    if isinstance(cfg, Mapping) and "metrics" in cfg:
        built: Evaluator = runner.builder.build("evaluator", cfg, path)
        return built
    metrics = cfg if isinstance(cfg, Sequence) else [cfg]
    return Evaluator([runner.builder.build("metric", each, (*path, number)) for number, each in enumerate(metrics)])


def hooks(runner: Runner, default: Mapping[str, Any] | None, custom: Sequence[Any] | None) -> None:
    """Register the default hooks, as `default_hooks` changes them, then the custom ones."""
    default = dict(default or {})
    merged: dict[str, Any] = {**DEFAULT_HOOKS, **default}
    for name, cfg in merged.items():
        if cfg is None:
            continue
        if isinstance(cfg, Mapping) and "type" not in cfg and name in DEFAULT_HOOKS:
            cfg = {**DEFAULT_HOOKS[name], **cfg}
        register_hook(runner, cfg, ("default_hooks", name))
    for number, cfg in enumerate(custom or ()):
        register_hook(runner, cfg, ("custom_hooks", number))


def register_hook(runner: Runner, cfg: Hook | Mapping[str, Any], path: Path) -> None:
    """Build a hook, with the `priority` that the engine reads beside the constructor's arguments, and add it."""
    priority = None
    if isinstance(cfg, Mapping):
        cfg = dict(cfg)
        priority = cfg.pop("priority", None)
    runner.hooks.add(runner.builder.build("hook", cfg, path), priority)


def train_loop(runner: Runner, cfg: Any) -> TrainLoop:
    """Build the training loop.

    Raises:
        BuildError: There is none; or `by_epoch` and `type` are both given.
    """
    if cfg is None:
        raise BuildError("there is no training loop: give train_cfg, train_dataloader and optim_wrapper")
    cfg = train_loop_type(cfg) if isinstance(cfg, Mapping) else cfg
    return _loop(runner, cfg, ("train_cfg",), dataloader=runner.train_dataloader)  # type: ignore[no-any-return]  # as its kind says


def evaluation_loop(
    runner: Runner, mode: Literal["val", "test"], cfg: Any, loader: Any, measure: Any
) -> EvaluationLoop:
    """Build the loop of validations or tests.

    Args:
        runner: The runner.
        mode: Which.
        cfg: The loop, or its mapping.
        loader: Its loader, or the mapping of one.
        measure: Its evaluator, or what to build one from.
    """
    if isinstance(cfg, Mapping):
        cfg = {"type": {"val": "ValLoop", "test": "TestLoop"}[mode], **cfg}
    return _loop(runner, cfg, (f"{mode}_cfg",), dataloader=loader, evaluator=measure)  # type: ignore[no-any-return]  # as above


def _loop(runner: Runner, cfg: Any, path: Path, **more: Any) -> Any:
    if not isinstance(cfg, Mapping):
        return cfg
    loop = runner.builder.build("loop", cfg, path, runner=runner, **more)
    metainfo = getattr(getattr(loop.dataloader, "dataset", None), "metainfo", None)
    if metainfo is not None:
        runner.visualizer.dataset_meta = metainfo
    return loop


def train_loop_type(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Write a loop's mapping with `by_epoch` as one with `type`.

    Raises:
        BuildError: Both are given, or neither.
    """
    cfg = dict(cfg)
    if "by_epoch" in cfg and "type" in cfg:
        raise BuildError("'by_epoch' and 'type' exclude each other; keep one of them", path=("train_cfg",))
    if "type" not in cfg:
        by_epoch = cfg.pop("by_epoch", "max_iters" not in cfg)
        cfg["type"] = "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    return cfg


def require_weights(strategy: BaseStrategy) -> None:
    """Refuse to train a model that was built without weights, and given none.

    Raises:
        BuildError: The strategy asked for that.
    """
    if strategy.needs_checkpoint:
        raise BuildError(
            "strategy.skip_init_weights leaves the model without weights until some are loaded; set load_from, or "
            "resume from a checkpoint that is there",
            path=("strategy", "skip_init_weights"),
        )


def optim_wrapper(runner: Runner, cfg: OptimWrapper | Mapping[str, Any]) -> OptimWrapper:
    """Build the optimizer wrapper through its constructor, and let it record the gradients' norm."""
    built = build_optim_wrapper(runner.unwrapped_model, cfg, build=runner.builder.build)
    model = runner.unwrapped_model
    if isinstance(built, OptimWrapperDict) and getattr(type(model), "train_step", None) is BaseModel.train_step:
        raise BuildError(
            f"{type(model).__name__} is trained by several optimizers ({', '.join(built.keys())}), and has no "
            "train_step() of its own that says which loss is for which; define one",
            path=("optim_wrapper",),
        )
    built.message_hub = runner.message_hub
    return built


def param_schedulers(runner: Runner, cfg: Any) -> list[_ParamScheduler] | dict[str, list[_ParamScheduler]]:
    """Build the schedulers: one, a list, or by the optimizer's name; with several optimizers, each gets its own."""
    path: Path = ("param_scheduler",)
    wrapper = runner.optim_wrapper
    by_name = isinstance(cfg, Mapping) and "type" not in cfg
    if isinstance(wrapper, OptimWrapperDict) and cfg is not None:
        chains = cfg if by_name else dict.fromkeys(wrapper.keys(), cfg)
        unknown = [name for name in chains if name not in wrapper]
        if unknown:
            raise BuildError(f"no optimizer is called '{unknown[0]}'; there are {', '.join(wrapper.keys())}", path=path)
        return {
            name: _schedulers(runner, wrapper[name], each, (*path, name) if by_name else path)
            for name, each in chains.items()
        }
    if by_name:
        return {name: _schedulers(runner, wrapper, each, (*path, name)) for name, each in cfg.items()}
    return _schedulers(runner, wrapper, cfg, path)


def _schedulers(runner: Runner, optimizer: OptimWrapper | None, cfg: Any, path: Path) -> list[_ParamScheduler]:
    if cfg is None:
        return []
    many = cfg if isinstance(cfg, Sequence) else [cfg]
    return [_scheduler(runner, optimizer, each, (*path, number)) for number, each in enumerate(many)]


def _scheduler(runner: Runner, optimizer: OptimWrapper | None, cfg: Any, path: Path) -> _ParamScheduler:
    if not isinstance(cfg, Mapping):
        built: _ParamScheduler = cfg
        return built
    cfg = dict(cfg)
    loop = runner.train_loop
    convert = cfg.pop("convert_to_iter_based", False)
    by_epoch = cfg.setdefault("by_epoch", True)
    cfg.setdefault("end", loop.schedule_epochs if by_epoch else loop.schedule_iters)
    if convert:
        target, name = runner.builder.resolve("param_scheduler", cfg, path)
        epoch_length = len(loop.dataloader)
        cfg = {key: value for key, value in cfg.items() if key != "type"}
        try:
            from_epochs: _ParamScheduler = target.build_iter_from_epoch(  # type: ignore[attr-defined]
                optimizer=optimizer, epoch_length=epoch_length, **cfg
            )
        except (TypeError, ValueError, BuildError) as error:
            raise BuildError(f"{name} could not be built: {error}", path=path) from error
        return from_epochs
    return runner.builder.build("param_scheduler", cfg, path, optimizer=optimizer)  # type: ignore[no-any-return]


def scale_lr(runner: Runner, cfg: Mapping[str, Any] | None) -> None:
    """Scale the learning rates linearly with the global batch size, where `auto_scale_lr` is enabled.

    Raises:
        BuildError: `base_batch_size` is missing.
    """
    if not cfg or not cfg.get("enable", False):
        return
    if "base_batch_size" not in cfg:
        raise BuildError(
            "enabled without 'base_batch_size', the global batch size that the rates were found with",
            path=("auto_scale_lr",),
        )
    loader = runner.train_loop.dataloader
    batch_size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
    if batch_size is None:
        raise BuildError(
            "enabled, and the loader's batch sampler does not tell its batch_size", path=("auto_scale_lr",)
        )
    ratio = runner.data_world_size * batch_size / cfg["base_batch_size"]
    runner.logger.info(
        f"learning rates are scaled by {ratio:g}: {runner.data_world_size} x {batch_size} samples a step"
    )
    assert runner.optim_wrapper is not None
    runner.optim_wrapper.scale_lr(ratio)
