"""Literal class attributes, read from the source: what a class declares about itself beside its constructor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.errors import SignatureError
from runner.signature import cache
from runner.signature.record import UNKNOWN, Parameter, Signature

if TYPE_CHECKING:
    from runner.signature.classes import Class, Classes
    from runner.signature.modules import Reading

__all__ = ["Attribute", "class_attributes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A name that a class, or one of its bases, binds in its body.

    Attributes:
        value: The literal that it is bound to; `UNKNOWN` for a method, a property, or what is no literal.
        depth: How many classes of the MRO come before the one that binds it.
    """

    value: Any
    depth: int


def class_attributes(
    target: str | type, names: Sequence[str], *, paths: Sequence[str | os.PathLike[str]] = ()
) -> Mapping[str, Attribute]:
    """Find what names are bound to along a class's MRO, without importing anything of it.

    Args:
        target: `package.module:Class`, or a class of this process.
        names: The attributes that are asked for.
        paths: Folders that are searched before `sys.path`.

    Returns:
        The attributes that were found. Behind a base whose text was not found, a name is `UNKNOWN`.

    Raises:
        SignatureError: There is no such module or class, or its text is no Python.
    """
    if not isinstance(target, str):
        return _of_class(target, names)
    # A record like a constructor's, with the attributes for parameters: it lives in the same cache.
    key = cache.make_key(f"{target}.{{{','.join(names)}}}", paths)
    found = cache.load(key)
    if found is None:
        found, reading = _read(target, names, key[1])
        if not target.startswith("__main__:"):
            cache.store(key, found, reading.files, reading.roots)
    return {each.name: Attribute(value=each.default, depth=int(each.annotation)) for each in found.parameters}


def _of_class(cls: type, names: Sequence[str]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for depth, base in enumerate(cls.__mro__):
        for name, value in vars(base).items():
            if name in names:
                plain = isinstance(value, (bool, int, float, str, tuple, list, type(None)))
                found.setdefault(name, Attribute(value=value if plain else UNKNOWN, depth=depth))
    return found


def _read(target: str, names: Sequence[str], paths: Sequence[str]) -> tuple[Signature, Reading]:
    from runner.signature.classes import Classes
    from runner.signature.modules import Reading, without_collecting

    reading = Reading(paths)
    with without_collecting():
        named = reading.find(target)
        if named is None:
            raise SignatureError(f"{target}: there is no such class")
        classes = Classes(reading)
        found: dict[str, Parameter] = {}
        for depth, cls in enumerate(classes.mro(classes.of(named))):
            for name in names:
                value = _bound(cls, name, classes)
                if value is not None and name not in found:
                    found[name] = Parameter(name=name, annotation=str(depth), default=value[0])
    return Signature(target=target, parameters=tuple(found.values())), reading


def _bound(cls: Class, name: str, classes: Classes) -> tuple[object] | None:
    """What a class's own body binds a name to, in a tuple of one; None where it does not."""
    from runner.signature.bindings import Value
    from runner.signature.defaults import evaluate

    if not cls.known:
        return (UNKNOWN,)
    binding = cls.binding(name)
    if binding is None:
        return None
    if isinstance(binding, Value) and binding.expr is None:
        return None  # an annotation without a value binds nothing
    if isinstance(binding, Value) and binding.expr is not None and cls.scope is not None:
        return (evaluate(binding.expr, cls.scope, classes.reading),)
    return (UNKNOWN,)
