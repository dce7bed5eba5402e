"""Methods and arguments: whether they are there, and whether they go."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["deprecated_api_warning", "deprecated_function", "has_method", "is_method_overridden"]

_F = TypeVar("_F", bound=Callable[..., Any])


def has_method(obj: object, method: str) -> bool:
    """Whether an object has a method of that name."""
    return callable(getattr(obj, method, None))


def is_method_overridden(method: str, base_class: type, derived_class: Any) -> bool:
    """Whether a class has a method of its own in place of a base class's.

    Args:
        method: The method's name, which the base class has.
        base_class: The class that it may be taken from.
        derived_class: A class that derives from it, or an instance of one.
    """
    if not isinstance(base_class, type):
        raise TypeError(f"is_method_overridden: base_class is a {type(base_class).__name__}; it must be a class")
    derived = derived_class if isinstance(derived_class, type) else type(derived_class)
    return bool(getattr(derived, method) != getattr(base_class, method))


def deprecated_api_warning(name_dict: Mapping[str, str], cls_name: str | None = None) -> Callable[[_F], _F]:
    """A decorator that takes arguments under their old names too, with a DeprecationWarning.

    Args:
        name_dict: The new name for each old one.
        cls_name: The class that the method belongs to, for the warning.
    """

    def decorate(function: _F) -> _F:
        shown = f"{cls_name}.{function.__name__}" if cls_name else function.__name__
        names = list(inspect.signature(function).parameters)

        @functools.wraps(function)
        def renamed(*args: Any, **kwargs: Any) -> Any:
            for old, new in name_dict.items():
                if old not in kwargs and old not in names[: len(args)]:
                    continue
                warnings.warn(f"{shown}: the argument '{old}' is called '{new}' now", DeprecationWarning, stacklevel=2)
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"{shown}: '{old}' is the old name of '{new}'; give one of them")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed  # type: ignore[return-value] # it takes more names than the function

    return decorate


def deprecated_function(since: str, removed_in: str, instructions: str) -> Callable[[_F], _F]:
    """A decorator that warns, in the log of the run, of a function that goes, and says so in its docstring.

    Args:
        since: The version that it is deprecated in.
        removed_in: The version that it goes in.
        instructions: What to do instead: `use other() instead`.
    """

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def warning(*args: Any, **kwargs: Any) -> Any:
            from runner.logging import print_log

            print_log(
                f"'{function.__module__}.{function.__name__}' is deprecated in version {since} and will be removed in "
                f"version {removed_in}. Please {instructions}.",
                logger="current",
                level="WARNING",
            )
            return function(*args, **kwargs)

        note = (
            f".. deprecated:: {since}\n    Deprecated and will be removed in version {removed_in}.\n"
            f"    Please {instructions}.\n"
        )
        warning.__doc__ = "\n\n".join(part for part in (note, inspect.getdoc(function)) if part)
        return warning  # type: ignore[return-value] # it is called as the function is

    return decorate
