"""Puts weights into a model, and says in words what did not fit."""

from __future__ import annotations

import difflib
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from runner.checkpoint.loader import MapLocation, load
from runner.dist.sharding import scatter_weights
from runner.errors import CheckpointError

__all__ = ["STRIP_MODULE", "WeightReport", "load_checkpoint", "load_state_dict"]

STRIP_MODULE: Final = ((r"^module\.", ""),)
"""Takes away the prefix that wrappers for distributed training put before each key."""
SHOWN_KEYS: Final = 10

_SIZE_MISMATCH = re.compile(r"size mismatch for (\S+?):")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightReport:
    """What came of loading weights. It is true where something did not fit, and its text says what.

    Attributes:
        loaded: How many of the model's parameters and buffers were set.
        missing_keys: The model has them, the checkpoint does not.
        unexpected_keys: The checkpoint has them, the model does not.
        mismatched: Keys of both whose shapes differ, with the checkpoint's shape and the model's.
        errors: What else torch said.
        hints: What was probably meant.
    """

    loaded: int
    missing_keys: tuple[str, ...] = ()
    unexpected_keys: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    errors: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing_keys or self.unexpected_keys or self.mismatched or self.errors)

    def __str__(self) -> str:
        if not self:
            return f"all {self.loaded} weights fit"
        lines = [f"the checkpoint and the model do not match: {self.loaded} weights were loaded"]
        shapes = [f"{key} (checkpoint {list(theirs)}, model {list(ours)})" for key, theirs, ours in self.mismatched]
        for title, items in (
            ("missing in the checkpoint, left as they were", self.missing_keys),
            ("unknown to the model, not used", self.unexpected_keys),
            ("of another shape, left as they were", shapes),
            ("errors", self.errors),
        ):
            lines += _listing(title, items)
        return "\n".join([*lines, *(f"  hint: {hint}" for hint in self.hints)])


def load_checkpoint(
    model: nn.Module,
    filename: str | PathLike[str],
    map_location: MapLocation = "cpu",
    strict: bool = False,
    revise_keys: Sequence[tuple[str, str]] = STRIP_MODULE,
) -> dict[str, Any]:
    """Load a file's weights into a model, and return all that the file holds.

    Args:
        model: What the weights go into.
        filename: A checkpoint of this package, of MMEngine or MMCV, or a saved `state_dict`.
        map_location: Where the tensors are read to.
        strict: Whether anything that does not fit is an error.
        revise_keys: Pairs of a regular expression and what replaces it in the keys.

    Raises:
        CheckpointError: The file is no checkpoint, nothing of it fits, or not all of it does under `strict`.
    """
    checkpoint = load(filename, map_location=map_location)
    load_state_dict(model, checkpoint.get("state_dict", checkpoint), strict=strict, revise_keys=revise_keys)
    return checkpoint


def load_state_dict(
    model: nn.Module,
    state_dict: Mapping[str, Any],
    strict: bool = False,
    revise_keys: Sequence[tuple[str, str]] = STRIP_MODULE,
) -> WeightReport:
    """Load weights into a model.

    Weights of a wrong shape are left out. Counters of batch norm (`num_batches_tracked`) may be missing, as they are in
    old checkpoints.

    Args:
        model: What the weights go into.
        state_dict: The weights by their names.
        strict: Whether anything that does not fit is an error.
        revise_keys: Pairs of a regular expression and what replaces it in the keys.

    Returns:
        What did not fit; it is false if everything did.

    Raises:
        CheckpointError: Nothing fits, or not everything does under `strict`.
    """
    weights = _revise(state_dict, revise_keys)
    report = _load(model, weights)
    if strict and report:
        raise CheckpointError(str(report))
    if weights and model.state_dict() and not report.loaded:
        raise CheckpointError(f"no weight of the checkpoint fits the model; {report}")
    return report


def _revise(state_dict: Mapping[str, Any], revise_keys: Sequence[tuple[str, str]]) -> OrderedDict[str, Any]:
    """Rename keys, and the layers that `_metadata` tells the version of along with them."""

    def rename(key: str) -> str:
        for pattern, replacement in revise_keys:
            key = re.sub(pattern, replacement, key)
        return key

    if not all(isinstance(key, str) for key in state_dict):
        raise CheckpointError("weights are named by strings, but the checkpoint has other keys; is it a state_dict?")
    revised = OrderedDict((rename(key), weight) for key, weight in state_dict.items())
    if len(revised) != len(state_dict):
        twice = [key for key, count in Counter(map(rename, state_dict)).items() if count > 1]
        raise CheckpointError(f"revise_keys gives several weights the same name: {', '.join(twice[:SHOWN_KEYS])}")
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is not None:
        vars(revised)["_metadata"] = OrderedDict((rename(key), value) for key, value in metadata.items())
    return revised


def _load(model: nn.Module, weights: OrderedDict[str, Any]) -> WeightReport:
    ours = model.state_dict()
    scatter_weights(weights, ours)
    before = {key: tuple(weight.shape) for key, weight in ours.items() if _has_shape(weight)}
    mismatched: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    refused: set[str] = set()
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        # torch has loaded what fits, but says nothing about the rest: asked again without what it refused, it does.
        mismatched = tuple(
            key for key in _SIZE_MISMATCH.findall(str(error)) if key in before and _has_shape(weights.get(key))
        )
        errors = tuple(
            line.strip() for line in str(error).splitlines()[1:] if line.strip() and not _SIZE_MISMATCH.search(line)
        )
        refused = {*mismatched, *(key for key in weights if any(f'"{key}"' in line for line in errors))}
        rest = OrderedDict((key, weight) for key, weight in weights.items() if key not in refused)
        vars(rest).update(vars(weights))
        try:
            missing, unexpected = model.load_state_dict(rest, strict=False)
        except RuntimeError as second:
            raise CheckpointError(f"the weights can't be loaded: {second}") from second
        missing = [key for key in missing if key not in refused]
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    unfit = {*missing, *refused}
    return WeightReport(
        loaded=sum(key in weights and key not in unfit for key in ours),
        missing_keys=tuple(missing),
        unexpected_keys=tuple(unexpected),
        mismatched=tuple((key, tuple(weights[key].shape), before[key]) for key in mismatched),
        errors=errors,
        hints=tuple(_hints(missing, unexpected, ours)),
    )


def _has_shape(weight: object) -> bool:
    return isinstance(weight, torch.Tensor) and not is_lazy(weight)


def _hints(missing: Sequence[str], unexpected: Sequence[str], ours: Iterable[str]) -> list[str]:
    """What was probably meant: a prefix too much or too little, else names that look alike."""
    known = set(ours)
    if not missing or not unexpected:
        return []
    for prefix in _prefixes(unexpected):
        fitting = sum(key.startswith(prefix) and key[len(prefix) :] in known for key in unexpected)
        if fitting * 2 > len(unexpected):
            return [f"{fitting} of them fit without '{prefix}': revise_keys=[('^{re.escape(prefix)}', '')]"]
    for prefix in _prefixes(missing):
        fitting = sum(prefix + key in known for key in unexpected)
        if fitting * 2 > len(unexpected):
            return [f"{fitting} of them fit with '{prefix}' before them: revise_keys=[('^', '{prefix}')]"]
    hints = []
    for key in unexpected[:SHOWN_KEYS]:
        close = difflib.get_close_matches(key, missing, n=1, cutoff=0.8)
        if close:
            hints.append(f"'{key}' may be meant for '{close[0]}'")
    return hints


def _prefixes(keys: Sequence[str]) -> list[str]:
    """`a.`, `a.b.` and so on, from the first key on, the shortest first."""
    parts = keys[0].split(".")
    return [".".join(parts[:count]) + "." for count in range(1, len(parts))]


def _listing(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    more = f", and {len(items) - SHOWN_KEYS} more" if len(items) > SHOWN_KEYS else ""
    return [f"  {title} ({len(items)}): {', '.join(items[:SHOWN_KEYS])}{more}"]
