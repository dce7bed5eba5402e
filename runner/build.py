"""From mappings to objects: the only place that resolves a type into a class.

What a parameter takes is read from the same records that `validate` turns into schemas, so what passes there is built
here in the same way: components in slots first, then the component that they are for.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner.conversion import convert
from runner.errors import BuildError, Path, PluginError, SignatureError
from runner.kinds import KINDS
from runner.masking import mask
from runner.plugin import Catalog, Entry, default_plugins
from runner.registry.scope import DefaultScope
from runner.signature import Signature, describe

__all__ = ["Builder", "load_entry"]


def load_entry(entry: Entry) -> Callable[..., Any]:
    """Import the class or function behind an entry.

    Raises:
        PluginError: The target does not exist; names the distribution.
    """
    if entry.obj is not None:
        found: Callable[..., Any] = entry.obj
        return found
    module, _, attribute = entry.target.partition(":")
    try:
        target = importlib.import_module(module)
        for part in attribute.split("."):
            target = getattr(target, part)
    except AttributeError as error:
        raise PluginError(
            f"'{entry.name}' is to be {entry.target}: {error}", distribution=entry.distribution
        ) from error
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # the module is there, and something that it imports is not: its own traceback says what
        raise PluginError(
            f"'{entry.name}' is to be {entry.target}: {error}", distribution=entry.distribution
        ) from error
    return target  # type: ignore[return-value]  # a module attribute that a plugin declared to be a component


class Builder:
    """Builds components of one run.

    Args:
        catalog: What is on offer; by default what is installed.
        scope: The plugin that wins where several offer a name (`default_scope`).
    """

    def __init__(self, catalog: Catalog | None = None, scope: str | None = None) -> None:
        self.catalog = catalog if catalog is not None else default_plugins().catalog
        self.scope = scope

    def build(self, kind: str, cfg: Any, path: Path = (), /, **injected: Any) -> Any:
        """Build one component.

        Args:
            kind: The role that it plays, a key of `runner.kinds.KINDS`.
            cfg: A mapping with `type` (a name, or the class itself) and the constructor's arguments. What is no
                mapping is taken for built and returned as it is.
            path: Where it stands in the config, for errors.
            **injected: What the engine passes beside it; `cfg` wins where both give an argument.

        Raises:
            RegistryError: The type is unknown or ambiguous.
            BuildError: The constructor raised; its own error is the cause.
        """
        if isinstance(cfg, str) and KINDS[kind].by_name:
            cfg = {"type": cfg}
        if not isinstance(cfg, Mapping):
            return cfg
        target, name = self.resolve(kind, cfg, path)
        arguments = {**injected, **{key: value for key, value in cfg.items() if key != "type"}}
        signature = _describe(target, self.catalog)
        for parameter in signature.parameters if signature is not None else ():
            key = parameter.name
            if key not in arguments and parameter.required and key in KINDS[kind].set_later:
                arguments[key] = None
            if key not in arguments or key in injected:
                continue
            if parameter.slot is not None:
                arguments[key] = self.fill(parameter.slot, arguments[key], (*path, key))
            else:
                arguments[key] = convert(arguments[key], parameter.schema)
        # A constructor that builds by a registry goes by the same scope.
        with DefaultScope.overwrite_default_scope(self.scope):
            return _call(target, name, arguments, path, called_later=kind in _CALLED_LATER)

    def resolve(self, kind: str, cfg: Mapping[str, Any], path: Path = ()) -> tuple[Callable[..., Any], str]:
        """The class that a mapping's `type` means, and its name."""
        named = cfg.get("type", KINDS[kind].default_type)
        if named is None:
            raise BuildError(f"a {kind} needs a 'type'; `runner components {kind}` lists what there is", path=path)
        if not isinstance(named, str):
            return named, getattr(named, "__name__", repr(named))
        return load_entry(self.catalog.resolve(kind, named, self.scope)), named

    def fill(self, kind: str, value: Any, path: Path = ()) -> Any:
        """Build what stands in a slot: a component, or a list or mapping of components."""
        if KINDS[kind].deferred:
            return value
        if isinstance(value, str) or (isinstance(value, Mapping) and "type" in value):
            return self.build(kind, value, path)
        if isinstance(value, Mapping):
            return {key: self.fill(kind, each, (*path, key)) for key, each in value.items()}
        if isinstance(value, Sequence):
            return [self.fill(kind, each, (*path, number)) for number, each in enumerate(value)]
        return value


def _describe(target: Callable[..., Any], catalog: Catalog) -> Signature | None:
    try:
        return describe(target, catalog=catalog)
    except SignatureError:
        return None  # a constructor without source takes what it is given


_CALLED_LATER = frozenset({"function", "transform"})
"""Kinds whose functions are components themselves; any other kind's function makes one, as `resnet18` makes a model."""


def _call(target: Callable[..., Any], name: str, arguments: dict[str, Any], path: Path, *, called_later: bool) -> Any:
    if called_later and not inspect.isclass(target):
        return functools.partial(target, **arguments) if arguments else target
    try:
        return target(**arguments)
    except Exception as error:
        if isinstance(error, BuildError) and error.path:
            raise
        raise BuildError(f"{name} could not be built: {type(error).__name__}: {mask(str(error))}", path=path) from error
