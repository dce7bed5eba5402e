"""From the `optim_wrapper` of a config to the object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from runner.errors import BuildError
from runner.optim.constructor import Build, DefaultOptimWrapperConstructor, build_by_name
from runner.optim.optim_wrapper import OptimWrapper

__all__ = ["build_optim_wrapper"]


def build_optim_wrapper(
    model: nn.Module, cfg: Mapping[str, Any] | OptimWrapper | Optimizer, build: Build | None = None
) -> OptimWrapper:
    """Build an optimizer wrapper for a model.

    Args:
        model: The model whose parameters are trained.
        cfg: A config's `optim_wrapper`; or a wrapper, returned as it is; or an optimizer, wrapped.
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
    given = options.pop("constructor", "DefaultOptimWrapperConstructor")
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
