"""`describe`: the record of a component, from the cache where it still holds, else from the source."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runner.signature import cache
from runner.signature.record import Signature

if TYPE_CHECKING:
    from runner.plugin import Catalog

__all__ = ["describe"]

_OBJECTS: weakref.WeakKeyDictionary[Any, Signature] = weakref.WeakKeyDictionary()


def describe(
    target: str | Callable[..., Any], *, catalog: Catalog | None = None, paths: Sequence[str | os.PathLike[str]] = ()
) -> Signature:
    """Read a component's constructor without importing anything of it.

    Args:
        target: `package.module:Attribute`, or a class or function of this process, for which the source is read too
            where there is one.
        catalog: What is on offer. Not needed so far: what a slot takes is told by base classes.
        paths: Folders that are searched before `sys.path`, as `custom_imports` needs them.

    Raises:
        SignatureError: There is no such module or attribute, or its text is no Python.
    """
    del catalog
    if not isinstance(target, str):
        return _of_object(target)
    key = cache.make_key(target, paths)
    found = cache.load(key)
    if found is None:
        from runner.signature.reader import read_target

        found, reading = read_target(target, key[1])
        if not target.startswith("__main__:"):
            cache.store(key, found, reading.files, reading.roots)
    return found


def _of_object(target: Callable[..., Any]) -> Signature:
    try:
        return _OBJECTS[target]
    except (KeyError, TypeError):
        from runner.signature.live import read_object

        found = read_object(target)
    try:
        _OBJECTS[target] = found
    except TypeError:
        return found  # an object without weak references is read each time
    return found
