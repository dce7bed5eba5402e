"""Components as rules see them: what a config gives, with the constructor's own defaults behind it.

A value that a rule can't rely on, since it is not known or has a problem of its own, is `UNKNOWN`. No rule says
anything about such a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import Path, RegistryError, SignatureError
from runner.kinds import KINDS
from runner.plugin import Entry
from runner.signature import REQUIRED, UNKNOWN, Signature, describe
from runner.signature.attributes import Attribute, class_attributes
from runner.validation.fields import load
from runner.validation.rules.context import Context
from runner.validation.suggest import nearest

__all__ = [
    "Part",
    "hooks",
    "initializers",
    "number",
    "optim_wrappers",
    "optimizer_names",
    "part_at",
    "schedules",
    "train_loop",
    "value_at",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A component that a config names.

    Attributes:
        path: Where it stands.
        cfg: What the config gives, and what the engine gives in its place.
        entry: Who offers it.
        signature: Its constructor.
        context: The config that it belongs to.
    """

    path: Path
    cfg: Mapping[str, Any]
    entry: Entry
    signature: Signature
    context: Context

    @property
    def name(self) -> str:
        """What the config calls it."""
        return self.entry.name

    def is_a(self, *bases: str) -> bool:
        """Whether its class is, or derives from, one of these (`module:Class`)."""
        return not set(bases).isdisjoint(self.signature.bases)

    def is_just(self, *classes: str) -> bool:
        """Whether its class is one of these and no subclass, which may behave in its own way."""
        return self.signature.bases[:1] != () and self.signature.bases[0] in classes

    def takes(self, *names: str) -> bool:
        """Whether its constructor has all these parameters."""
        return all(self.signature.parameter(name) is not None for name in names)

    def given(self, name: str) -> bool:
        """Whether the config itself gives an argument, and one that can be relied on."""
        return value_at(self.context, (*self.path, name)) is not UNKNOWN

    def value(self, name: str) -> Any:
        """An argument: what the config gives, else the constructor's default, else `UNKNOWN`."""
        if self.context.doubtful((*self.path, name)):
            return UNKNOWN
        if name in self.cfg:
            return self.cfg[name]
        if not self.context.whole or self._may_be_misspelt(name):
            return UNKNOWN
        parameter = self.signature.parameter(name)
        return UNKNOWN if parameter is None or parameter.default is REQUIRED else parameter.default

    def attributes(self, *names: str) -> Mapping[str, Attribute]:
        """What its class declares, read from its source; nothing where that can't be read."""
        target = self.entry.obj if isinstance(self.entry.obj, type) else self.entry.target
        try:
            return class_attributes(target, names, paths=self.context.folders)
        except SignatureError:
            return {}

    def _may_be_misspelt(self, name: str) -> bool:
        """Whether a key that nothing reads may stand for this argument."""
        return any(
            len(fault) == len(self.path) + 1
            and fault[:-1] == self.path
            and fault[-1] in self.cfg
            and nearest(str(fault[-1]), [name]) == name
            for fault in self.context.faulty
        )


def value_at(context: Context, path: Path) -> Any:
    """What stands at a path; `UNKNOWN` where that can't be relied on or where nothing is."""
    return UNKNOWN if context.doubtful(path) else _standing(context, path)


def number(part: Part, name: str) -> int | None:
    """An argument that is an integer; None where it is not, or not known."""
    value = part.value(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def part_at(context: Context, kind: str, path: Path, cfg: Any = None, default_type: str | None = None) -> Part | None:
    """The component at a path; None where there is none or where its type is not known.

    Args:
        context: The config.
        kind: The role that it plays there.
        path: Where it stands.
        cfg: What it is given, where that is more than what stands at the path.
        default_type: What it is without a `type`; by default the kind's own.
    """
    if path not in context.parts:
        given = _standing(context, path) if cfg is None else cfg
        context.parts[path] = _part(context, kind, path, given, default_type or KINDS[kind].default_type)
    found: Part | None = context.parts[path]
    return found


def _standing(context: Context, path: Path) -> Any:
    value: Any = context.data
    for key in path:
        listed = isinstance(value, list | tuple) and isinstance(key, int) and key < len(value)
        if not (listed or (isinstance(value, Mapping) and key in value)):
            return UNKNOWN
        value = value[key]
    return value


def _part(context: Context, kind: str, path: Path, cfg: Any, default_type: str | None) -> Part | None:
    if not isinstance(cfg, Mapping) or (*path, "type") in context.faulty or path in context.faulty:
        return None
    named = cfg.get("type", default_type)
    if isinstance(named, type):
        target = f"{named.__module__}:{named.__qualname__}"
        entry = Entry(kind=kind, name=named.__name__, plugin="local", target=target, obj=named)
    elif isinstance(named, str):
        try:
            entry = context.catalog.resolve(kind, named, context.scope)
        except RegistryError:
            return None
    else:
        return None
    try:
        signature = describe(entry.obj if entry.obj is not None else entry.target, paths=context.folders)
    except SignatureError:
        return None
    return Part(path=path, cfg=cfg, entry=entry, signature=signature, context=context)


def train_loop(context: Context) -> Part | None:
    """The training loop, whether `by_epoch` or `type` chooses it."""
    cfg = context.section("train_cfg")
    if "type" in cfg and "by_epoch" in cfg:
        return None
    types = load("train_cfg")["anyOf"][0]["x-default-type"]["by_epoch"]
    return part_at(context, "loop", ("train_cfg",), default_type=types.get(str(cfg.get("by_epoch")).lower()))


def hooks(context: Context) -> Iterator[Part]:
    """All hooks of a run, the default ones among them."""
    given = context.section("default_hooks")
    properties = load("default_hooks")["properties"]
    for key in [*properties, *(key for key in given if key not in properties)]:
        default = properties.get(key, {}).get("default", {})
        cfg = given.get(key, default)
        if isinstance(cfg, Mapping):
            found = part_at(context, "hook", ("default_hooks", key), {**default, **cfg} if "type" not in cfg else cfg)
            if found is not None:
                yield found
    custom = context.data.get("custom_hooks")
    for position, cfg in enumerate(custom if isinstance(custom, list | tuple) else ()):
        found = part_at(context, "hook", ("custom_hooks", position), cfg)
        if found is not None:
            yield found


def initializers(context: Context) -> Iterator[Part]:
    """All initializers under an `init_cfg` of the model or of a part of it, those of an `override` among them."""
    for path in _under_init_cfg(context.data.get("model"), ("model",)):
        part = part_at(context, "weight_init", path)
        if part is not None:
            yield part


def _under_init_cfg(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _under_init_cfg(each, (*path, number))
    elif isinstance(value, Mapping):
        if "init_cfg" in path:
            yield path
        for key, each in value.items():
            yield from _under_init_cfg(each, (*path, key))


_SEVERAL = "OptimWrapperDict"


def optimizer_names(wrapper: Part) -> list[str] | None:
    """The names of the optimizers in a wrapper of several; None where it holds one."""
    if not any(base.rpartition(":")[2] == _SEVERAL for base in wrapper.signature.bases):
        return None
    own = {"type", "paramwise_cfg", *KINDS["optim_wrapper"].engine_keys}
    own.update(parameter.name for parameter in wrapper.signature.parameters)
    return sorted(name for name in wrapper.cfg if name not in own)


def optim_wrappers(context: Context) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Where optimizer wrappers are described, and what stands there: the run's own, or each of several by name."""
    path: Path = ("optim_wrapper",)
    given = context.section("optim_wrapper")
    wrapper = part_at(context, "optim_wrapper", path)
    names = optimizer_names(wrapper) if wrapper is not None else None
    if names is None:
        yield path, given
        return
    for name in names:
        if isinstance(given.get(name), Mapping):
            yield (*path, name), given[name]


def schedules(context: Context) -> Iterator[list[Part]]:
    """The parameter schedulers, those that act on the same optimizer together."""
    given = context.data.get("param_scheduler")
    by_name = isinstance(given, Mapping) and "type" not in given
    for root, cfg in given.items() if isinstance(given, Mapping) and by_name else [(None, given)]:
        path: Path = ("param_scheduler",) if root is None else ("param_scheduler", root)
        many = (
            [((*path, index), each) for index, each in enumerate(cfg)]
            if isinstance(cfg, list | tuple)
            else [(path, cfg)]
        )
        yield [part for place, each in many if (part := part_at(context, "param_scheduler", place, each)) is not None]
