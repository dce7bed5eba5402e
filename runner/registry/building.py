"""MMEngine's functions that build a component of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.errors import RegistryError
from runner.plugin import default_plugins
from runner.registry.registry import Registry
from runner.registry.scope import DefaultScope

if TYPE_CHECKING:
    from torch import nn

    from runner.optim import _ParamScheduler
    from runner.runner import Runner

__all__ = ["build_from_cfg", "build_model_from_cfg", "build_runner_from_cfg", "build_scheduler_from_cfg"]


def build_from_cfg(cfg: Any, registry: Registry, default_args: Mapping[str, Any] | None = None) -> Any:
    """Build a component.

    Args:
        cfg: Its name, or the class itself, under `type`, its arguments, and under `_scope_` the plugin that wins. What
            is no mapping is returned as it is.
        registry: Where it is looked up.
        default_args: Arguments that hold where `cfg` does not give them.

    Raises:
        RegistryError: The type is unknown or ambiguous.
        BuildError: The constructor refused its arguments.
    """
    from runner.build import Builder

    if not isinstance(cfg, Mapping):
        return cfg
    arguments = dict(cfg)
    defaults = dict(default_args or {})
    named = arguments.setdefault("type", defaults.pop("type", None))
    if named is None:
        del arguments["type"]
    with registry.switch_scope_and_registry(arguments.pop("_scope_", None)) as chosen:
        chosen.import_from_location()
        if chosen._table is not None:  # noqa: SLF001 - a table of its own is in no catalog
            return _build_own(arguments, chosen, defaults)
        scope = chosen.preferred(named) if isinstance(named, str) else None
        builder = Builder(default_plugins().catalog, scope=scope)
        return builder.build(chosen._kinds[0].name, arguments, **defaults)  # noqa: SLF001 - as above


def _build_own(arguments: dict[str, Any], registry: Registry, defaults: dict[str, Any]) -> Any:
    """Build what is in a table of its own: of the names there, and without slots."""
    named = arguments.pop("type", None)
    target = registry.get(named) if isinstance(named, str) else named
    if not callable(target):
        offered = ", ".join(registry.names()) or "nothing"
        raise RegistryError(f"'{named}' is not in {registry.name}, which has {offered}")
    return target(**{**defaults, **arguments})


def build_model_from_cfg(
    cfg: Any, registry: Registry, default_args: Mapping[str, Any] | None = None, **kwargs: Any
) -> nn.Module:
    """Build a module; a list of mappings makes a `Sequential`.

    Args:
        cfg: A mapping, or a list of them.
        registry: Where they are looked up.
        default_args: Arguments that hold where `cfg` does not give them.
        **kwargs: More of these.
    """
    defaults = {**kwargs, **(default_args or {})}
    if isinstance(cfg, (list, tuple)):
        from runner.model import Sequential

        return Sequential(*(build_from_cfg(each, registry, defaults) for each in cfg))
    module: nn.Module = build_from_cfg(cfg, registry, defaults)
    return module


def build_runner_from_cfg(cfg: Any, registry: Registry) -> Runner:
    """Build the Runner that a whole config names by `runner_type`, checked as `runner train` checks it.

    Args:
        cfg: The config.
        registry: Where the Runner's class is looked up.

    Raises:
        ConfigError: The config has problems; carries all of them.
    """
    named = cfg.get("runner_type", "Runner")
    found = registry.get(named) if isinstance(named, str) else named
    if found is None:
        raise RegistryError(f"no Runner is called '{named}'; `runner components runner` lists what there is")
    built: Runner = found.from_cfg(cfg)
    return built


def build_scheduler_from_cfg(
    cfg: Any, registry: Registry, default_args: Mapping[str, Any] | None = None, **kwargs: Any
) -> _ParamScheduler:
    """Build a scheduler; with `convert_to_iter_based` from epochs, whose length `epoch_length` gives.

    Args:
        cfg: The scheduler's mapping.
        registry: Where it is looked up.
        default_args: Arguments that hold where `cfg` does not give them: `optimizer`, `epoch_length`.
        **kwargs: More of these.
    """
    if not isinstance(cfg, Mapping):
        built: _ParamScheduler = cfg
        return built
    arguments = {**kwargs, **(default_args or {}), **cfg}
    if not arguments.pop("convert_to_iter_based", False):
        arguments.pop("epoch_length", None)
        scheduler: _ParamScheduler = build_from_cfg(arguments, registry)
        return scheduler
    named = arguments.pop("type")
    with DefaultScope.overwrite_default_scope(arguments.pop("_scope_", None)):
        found = registry.get(named) if isinstance(named, str) else named
    if found is None:
        raise RegistryError(
            f"no scheduler is called '{named}'; `runner components param_scheduler` lists what there is"
        )
    converted: _ParamScheduler = found.build_iter_from_epoch(**arguments)
    return converted
