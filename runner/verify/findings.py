"""What differs between the records of two runs, the first thing first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from runner.logging import read_scalars
from runner.verify.fingerprint import fingerprints
from runner.verify.witness import FINAL, RECORD

__all__ = ["Difference", "Kind", "Record", "differences"]

Kind: TypeAlias = Literal["batch", "outputs", "weights", "rates", "generators", "checkpoint", "scalars", "memory"]

_IN_ORDER: tuple[Kind, ...] = ("batch", "outputs", "weights", "rates", "generators")
"""What a step consists of, causes before effects."""
_MEASURED = re.compile(
    r"(^|[./])(time|data_time|memory|eta|cfg|experiment_name|nan_guard)(\.|$)|actions\.\d+\.time|runtime_info\.(iter|epoch)$"
)
"""What is measured rather than computed, tells of the folder, or is written anew before each step."""
_COUNTED = ("model", "hooks", "loop")
"""Whose memory counts as a result of the run; that of the others explains what differs."""
_TIMES = {"time", "data_time", "memory", "eta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A place where two runs are not the same.

    Attributes:
        kind: What of the run.
        step: The iteration, from 1; that of the end for what was compared there.
        path: Which part of it.
        one: What the uninterrupted run had; empty where it had nothing.
        other: What the other one had.
    """

    kind: Kind
    step: int
    path: str
    one: str
    other: str

    @property
    def place(self) -> tuple[str, int, str]:
        """What it is about, whatever the values."""
        return self.kind, self.step, self.path


class Record:
    """What a run, in one process or several one after the other, has left behind.

    Args:
        folder: Its work directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: dict[int, dict[str, dict[str, str]]] = {}
        self.memories: dict[int, dict[str, dict[str, str]]] = {}
        for line in (folder / RECORD).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["kind"] == "step":
                self.steps[row["iter"]] = {kind: row[kind] for kind in _IN_ORDER}
            else:
                self.memories[row["iter"]] = row["memory"]

    @property
    def last(self) -> int:
        """The steps that were taken."""
        return max(self.steps, default=0)

    @cached_property
    def checkpoint(self) -> dict[str, str]:
        """All that the last checkpoint holds."""
        content = torch.load(self.folder / FINAL, weights_only=True)
        return {
            path: text.replace(str(self.folder), "…")
            for path, text in fingerprints(content)
            if not _MEASURED.search(path)
        }

    @cached_property
    def scalars(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The whole log."""
        try:
            rows = read_scalars(self.folder)
        except FileNotFoundError:  # so few steps that nothing was logged
            return {}
        return {
            (row["mode"], row["step"]): {key: repr(row[key]) for key in sorted(row) if key not in _TIMES}
            for row in rows
        }


def differences(one: Record, other: Record) -> list[Difference]:
    """What differs, in the order in which it came about."""
    found = [
        difference
        for step in sorted(one.steps.keys() | other.steps.keys())
        for difference in _of_step(one, other, step)
    ]
    found += [
        Difference(kind="scalars", step=key[1], path=f"{key[0]} {path}", one=left, other=right)
        for key in sorted(one.scalars.keys() | other.scalars.keys())
        for path, left, right in _differing(one.scalars.get(key, {}), other.scalars.get(key, {}))
    ]
    found += [
        Difference(kind="checkpoint", step=one.last, path=path, one=left, other=right)
        for path, left, right in _differing(one.checkpoint, other.checkpoint)
    ]
    end = one.memories.get(max(one.memories, default=0), {})
    other_end = other.memories.get(max(other.memories, default=0), {})
    found += [
        Difference(kind="memory", step=one.last, path=path, one=left, other=right)
        for part in _COUNTED
        for path, left, right in _differing(end.get(part, {}), other_end.get(part, {}))
    ]
    return found


def _of_step(one: Record, other: Record, step: int) -> Iterator[Difference]:
    left, right = one.steps.get(step, {}), other.steps.get(step, {})
    for kind in _IN_ORDER:
        for path, mine, its in _differing(left.get(kind, {}), right.get(kind, {})):
            yield Difference(kind=kind, step=step, path=path, one=mine, other=its)


def _differing(one: dict[str, str], other: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for key in [*one, *(key for key in other if key not in one)]:
        if one.get(key) != other.get(key):
            yield key, one.get(key, ""), other.get(key, "")
