"""From the `optim_wrapper` of a config to the object."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from runner.errors import BuildError
from runner.logging import MMLogger
from runner.optim.constructor import Build, DefaultOptimWrapperConstructor, build_by_name
from runner.optim.optim_wrapper import OptimWrapper
from runner.optim.optim_wrapper_dict import OptimWrapperDict

__all__ = ["build_optim_wrapper"]

_DEFAULT = "DefaultOptimWrapperConstructor"
_SEVERAL = OptimWrapperDict.__name__


def build_optim_wrapper(
    model: nn.Module, cfg: Mapping[str, Any] | OptimWrapper | Optimizer, build: Build | None = None
) -> OptimWrapper:
    """Build an optimizer wrapper for a model.

    Args:
        model: The model whose parameters are trained.
        cfg: A config's `optim_wrapper`; or a wrapper, returned as it is; or an optimizer, wrapped; or wrappers by name,
            which become an `OptimWrapperDict`.
        build: Resolves names, as `Builder.build` does; by default, through `runner.registry`.

    Raises:
        BuildError: The config asks for what does not go together, or a part of it could not be built.
    """
    if isinstance(cfg, OptimWrapper):
        return cfg
    if isinstance(cfg, Optimizer):
        return OptimWrapper(cfg)
    if not isinstance(cfg, Mapping):
        raise BuildError(f"optim_wrapper must be a mapping, an OptimWrapper or an optimizer, got {cfg!r}")
    options = dict(cfg)
    given = options.pop("constructor", _DEFAULT)
    if _holds_several(options):
        # The type tells the validator what the other keys are; a constructor of the user's own gets the optimizers.
        kind = options.pop("type", _SEVERAL)
        if given == _DEFAULT:
            return _build_several(_unwrapped(model), kind, options, build)
    paramwise = options.pop("paramwise_cfg", None)
    constructor = (build or build_by_name)(
        "optim_wrapper_constructor",
        dict(given) if isinstance(given, Mapping) else {"type": given},
        optim_wrapper_cfg=options,
        paramwise_cfg=paramwise,
    )
    if build is not None and isinstance(constructor, DefaultOptimWrapperConstructor):
        constructor.build = build
    wrapper = constructor(model)
    if not isinstance(wrapper, OptimWrapper):
        raise BuildError(f"{type(constructor).__name__} must return an OptimWrapper, got {wrapper!r}")
    return wrapper


def _holds_several(options: Mapping[str, Any]) -> bool:
    """Whether the keys are names of optimizers: the type says so, or there is no `optimizer` and every value has one."""
    if "type" in options:
        kind = options["type"]
        return issubclass(kind, OptimWrapperDict) if isinstance(kind, type) else str(kind).split(".")[-1] == _SEVERAL
    several = bool(options) and "optimizer" not in options
    return several and all(
        isinstance(each, OptimWrapper | Optimizer) or (isinstance(each, Mapping) and "optimizer" in each)
        for each in options.values()
    )


def _build_several(model: nn.Module, kind: Any, options: Mapping[str, Any], build: Build | None) -> OptimWrapper:
    """One wrapper for each name, on the submodules that it trains."""
    if "paramwise_cfg" in options:
        raise BuildError(f"{_SEVERAL} sorts no parameters itself; give paramwise_cfg to each of its optimizers")
    wrappers = {}
    for name, each in options.items():
        part, cfg = model, each
        if isinstance(each, Mapping) and not isinstance(each.get("optimizer"), Optimizer):
            cfg = dict(each)
            modules = cfg.pop("modules", name)
            part = _selected(model, [modules] if isinstance(modules, str) else list(modules), name)
        wrappers[name] = build_optim_wrapper(part, cfg, build)
    built: OptimWrapper = (build or build_by_name)("optim_wrapper", {"type": kind}, **wrappers)
    _say_what_is_left_out(model, wrappers)
    return built


def _selected(model: nn.Module, names: list[str], wrapper: str) -> nn.Module:
    """The submodule of a name; of several names, a module that holds just these under their full names."""
    found = {}
    for name in names:
        try:
            found[name] = model.get_submodule(name)
        except AttributeError as error:
            known = [each for each, _ in model.named_modules() if each]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known[:8])}"
            raise BuildError(
                f"optim_wrapper.{wrapper} is to train the submodule '{name}', and the model has none of that name; "
                f"{hint} Another name than the optimizer's own is given by `modules`"
            ) from error
    if len(found) == 1:
        return next(iter(found.values()))
    chosen = nn.Module()
    for name, module in found.items():
        *parents, last = name.split(".")
        holder = chosen
        for parent in parents:
            if parent not in dict(holder.named_children()):
                holder.add_module(parent, nn.Module())
            holder = holder.get_submodule(parent)
        holder.add_module(last, module)
    return chosen


def _say_what_is_left_out(model: nn.Module, wrappers: Mapping[str, OptimWrapper]) -> None:
    """Name the parameters that no optimizer updates, and those that several do."""
    owners: dict[int, list[str]] = {}
    for name, wrapper in wrappers.items():
        for group in wrapper.optimizer.param_groups:
            for parameter in group["params"]:
                owners.setdefault(id(parameter), []).append(name)
    logger = MMLogger.get_current_instance()
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    orphans = [name for name, parameter in trained if id(parameter) not in owners]
    if orphans:
        logger.warning("no optimizer updates %s", _some(orphans))
    shared = [name for name, parameter in trained if len(owners.get(id(parameter), ())) > 1]
    if shared:
        logger.warning("more than one optimizer updates %s", _some(shared))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, where it is wrapped for distributed training."""
    return model.module if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel) else model
