"""MMEngine's comparisons for tests. All but the first return whether it holds, as there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from runner.utils.dl_utils import is_norm

__all__ = [
    "assert_allclose",
    "assert_attrs_equal",
    "assert_dict_contains_subset",
    "assert_dict_has_keys",
    "assert_is_norm_layer",
    "assert_keys_equal",
    "assert_params_all_zeros",
]


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str | Callable[[str], str] | None = "",
) -> None:
    """Raise an AssertionError unless tensors, or what can be made one, are close; types and devices don't count.

    Args:
        actual: What there is.
        expected: What there should be.
        rtol: The relative tolerance; by default the type's own, with `atol`.
        atol: The absolute tolerance.
        equal_nan: Whether NaN equals NaN.
        msg: What the error says; torch's own text by default.
    """
    wanted = torch.as_tensor(expected)
    torch.testing.assert_close(
        torch.as_tensor(actual),
        wanted,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=False,
        check_dtype=False,
        check_stride=False,
        msg=msg or None,
    )


def _differ(one: Any, other: Any) -> bool:
    """Whether two values differ, also where comparing gives a truth value for each element."""
    differing = one != other
    return bool(differing.any()) if hasattr(differing, "any") else bool(differing)


def assert_dict_contains_subset(dict_obj: Mapping[Any, Any], expected_subset: Mapping[Any, Any]) -> bool:
    """Whether a mapping has all items of another."""
    return not any(key not in dict_obj or _differ(dict_obj[key], value) for key, value in expected_subset.items())


def assert_attrs_equal(obj: Any, expected_attrs: Mapping[str, Any]) -> bool:
    """Whether an object has all of some attributes, with these values."""
    return not any(
        not hasattr(obj, name) or _differ(getattr(obj, name), value) for name, value in expected_attrs.items()
    )


def assert_dict_has_keys(obj: Mapping[str, Any], expected_keys: Iterable[str]) -> bool:
    """Whether a mapping has all of some keys."""
    return set(expected_keys) <= set(obj)


def assert_keys_equal(result_keys: Iterable[str], target_keys: Iterable[str]) -> bool:
    """Whether there are the same keys, in whatever order."""
    return set(result_keys) == set(target_keys)


def assert_is_norm_layer(module: nn.Module) -> bool:
    """Whether a module is a batch, instance, group or layer norm."""
    return is_norm(module)


def assert_params_all_zeros(module: nn.Module) -> bool:
    """Whether a module's weight, and its bias if it has one, is zero everywhere."""
    tensors: list[Any] = [module.weight, getattr(module, "bias", None)]
    return not any(bool(each.detach().any()) for each in tensors if each is not None)
