"""Any value as short texts that tell whether it is the same."""

from __future__ import annotations

import enum
import hashlib
import random
from collections import deque
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import nn

__all__ = ["GENERATOR", "fingerprints", "own_attributes"]

GENERATOR: Final = "generator "
"""How the text of a random number generator begins."""
_DEEPEST: Final = 6
_LONGEST: Final = 1000
"""Entries of a list or mapping that are looked into; of a longer one the length alone counts."""

_OPAQUE: Final = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
_MODULE_KEYS: Final = frozenset(vars(nn.Module()))


def fingerprints(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The texts, by the place in the value that each stands for.

    Args:
        value: Tensors, arrays, numbers, texts, generators, objects with attributes, and containers of them.
        path: The place of the value itself.
    """
    yield from _walk(value, path, 0, set())


def own_attributes(thing: Any, name: str) -> dict[str, str]:
    """What an object remembers that no checkpoint holds by itself.

    Args:
        thing: A module, whose weights and persistent buffers are left out, or any other object.
        name: What it is called.
    """
    if isinstance(thing, nn.Module):
        return dict(_of_module(thing, name))
    return dict(_walk(thing, name, 0, set()))


def _of_module(module: nn.Module, name: str) -> Iterator[tuple[str, str]]:
    for place, each in module.named_modules():
        where = f"{name}.{place}" if place else name
        seen: set[int] = {id(part) for part in module.modules()}
        for key, value in vars(each).items():
            if key not in _MODULE_KEYS:
                yield from _walk(value, f"{where}.{key}", 1, seen)
        for key in sorted(each._non_persistent_buffers_set):  # noqa: SLF001 - torch has no public name for it
            yield from _walk(each._buffers[key], f"{where}.{key}", 1, seen)  # noqa: SLF001 - as above


def _walk(value: Any, path: str, depth: int, seen: set[int]) -> Iterator[tuple[str, str]]:
    text = _text(value)
    if text is not None:
        yield path, text
        return
    if isinstance(value, _OPAQUE) or depth > _DEEPEST or id(value) in seen:
        return
    seen.add(id(value))
    parts = _parts(value)
    if len(parts) > _LONGEST:
        yield path, f"{type(value).__name__} of {len(parts)}"
        return
    for key, part in parts.items():
        yield from _walk(part, f"{path}.{key}" if path else str(key), depth + 1, seen)


def _text(value: Any) -> str | None:
    """What a value that has no parts is; None for others."""
    if value is None or isinstance(value, (bool, int, float, str, np.generic, enum.Enum, torch.dtype, torch.device)):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return f"bytes {_digest(bytes(value))}"
    if isinstance(value, torch.Tensor):
        return _of_tensor(value)
    if isinstance(value, np.ndarray):
        content = value.tobytes() if value.dtype != object else repr(value.tolist()).encode()
        return f"array {value.dtype} {value.shape} {_digest(content)}"
    return _of_generator(value)


def _of_tensor(tensor: torch.Tensor) -> str:
    if tensor.is_meta:
        return f"meta {tensor.dtype} {tuple(tensor.shape)}"
    plain = tensor.detach().cpu()
    if plain.layout != torch.strided or plain.is_quantized:
        plain = plain.to_dense() if plain.layout != torch.strided else plain.dequantize()
    if plain.numel() == 1:
        return f"{plain.item()!r}"
    content = plain.contiguous().flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return f"{str(plain.dtype).removeprefix('torch.')} {tuple(plain.shape)} {_digest(content)}"


def _of_generator(value: Any) -> str | None:
    if isinstance(value, torch.Generator):
        return f"{GENERATOR}torch.Generator {_digest(value.get_state().numpy().tobytes())}"
    if isinstance(value, random.Random):
        return f"{GENERATOR}random.Random {_digest(repr(value.getstate()).encode())}"
    if isinstance(value, np.random.RandomState):
        return f"{GENERATOR}numpy.random.RandomState {_digest(repr(value.get_state(legacy=False)).encode())}"
    if isinstance(value, np.random.Generator):
        return f"{GENERATOR}numpy.random.Generator {_digest(repr(value.bit_generator.state).encode())}"
    return None


def _parts(value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple, deque)):
        return dict(enumerate(value))
    if isinstance(value, (set, frozenset)):
        return {"members": ", ".join(sorted(map(repr, value)))}
    if isinstance(value, nn.Module):
        return dict(value.state_dict())
    # Who refers to the engine, or to torch's parts, does not own their state.
    if type(value).__module__.partition(".")[0] in {"runner", "torch", "logging", "threading", "structlog"}:
        own = getattr(value, "keys", None)
        return {key: value.get(key) for key in value.keys()} if callable(own) and hasattr(value, "get") else {}  # noqa: SIM118 - no mapping
    return dict(getattr(value, "__dict__", {}))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
