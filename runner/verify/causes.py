"""What a difference probably comes from."""

from __future__ import annotations

from collections.abc import Iterator

from runner.verify.findings import Difference, Kind, Record
from runner.verify.fingerprint import GENERATOR

__all__ = ["of_chance", "of_resumption"]

_ORDER: dict[Kind, tuple[str, ...]] = {
    "batch": ("data", "sampler", "hooks", "streams"),
    "outputs": ("model", "hooks", "loop", "streams"),
    "weights": ("hooks", "loop", "model", "streams"),
    "rates": ("hooks", "loop"),
    "generators": ("streams", "hooks", "loop", "model"),
    "scalars": ("metrics", "hooks", "loop", "model", "data"),
    "checkpoint": ("hooks", "loop", "model", "metrics"),
    "memory": ("hooks", "loop", "model"),
}
"""Whose memory comes into question for a difference, the likeliest first."""


def of_resumption(first: Difference, straight: Record, resumed: Record, seam: int) -> str:
    """Why a resumed run differs from the uninterrupted one, although two of these are the same.

    Args:
        first: What differs first.
        straight: The uninterrupted run.
        resumed: The one that was killed and resumed.
        seam: The steps that were finished at the kill.
    """
    forgotten = dict(_forgotten(straight.memories.get(seam, {}), resumed.memories.get(seam, {})))
    for part in _ORDER[first.kind]:
        for path, (one, other) in forgotten.get(part, {}).items():
            return _explained(part, path, one, other)
    for part in _ORDER[first.kind]:
        for path, text in straight.memories.get(seam, {}).get(part, {}).items():
            if text.startswith(GENERATOR) and part != "streams":
                return _explained(part, path, text, text)
    if first.kind == "memory":
        return _explained("loop" if first.path.startswith("loop ") else "hooks", first.path, first.one, first.other)
    return _UNKNOWN[first.kind] if first.kind in _UNKNOWN else _UNKNOWN["outputs"]


_UNKNOWN: dict[str, str] = {
    "batch": "the data set, its pipeline or its sampler keeps something between samples that is not to be seen from outside "
    "(a worker's copy, an open file, a global variable); what is drawn has to come from the global generators",
    "outputs": "the model keeps something between steps that is neither a parameter, a buffer nor an attribute (a global "
    "variable, a compiled extension's state); make it a buffer",
    "weights": "the optimizer, or a hook, keeps something that its state_dict() does not return",
    "rates": "a schedule or a hook keeps something that its state_dict() does not return",
    "scalars": "a metric or a hook keeps something between validations that its state_dict() does not return",
}


def of_chance(first: Difference, straight: Record, again: Record, *, device: str, deterministic: bool) -> str:
    """Why two uninterrupted runs of one config differ.

    Args:
        first: What differs first.
        straight: One of them.
        again: The other.
        device: The type of the device.
        deterministic: Whether `randomness.deterministic` is set.
    """
    start = min(straight.memories, default=0)
    for part, places in _forgotten(straight.memories.get(start, {}), again.memories.get(start, {})):
        for path, (one, _) in places.items():
            if part != "streams" and one.startswith(GENERATOR):
                return (
                    f"{path} is a {_class(one)} that is seeded anew in each process; draw from the global generators, or "
                    "seed it with a number that was drawn there"
                )
    if first.kind == "batch":
        return (
            "what is read depends on something outside: the clock, the order of a set or of a folder's files, a generator "
            "with no seed of its own"
        )
    if device != "cpu" and not deterministic:
        return (
            f"a kernel that is not deterministic on {device}; set `randomness: {{deterministic: true}}`, which makes torch "
            "choose others, and name those that have none"
        )
    return (
        "the model computes with something outside (the clock, the order of a set, a generator with no seed), or with an "
        "operation whose order of summation varies; look at what gives this value"
    )


def _forgotten(
    one: dict[str, dict[str, str]], other: dict[str, dict[str, str]]
) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """What two runs at the same place remember differently, by the part."""
    for part, places in one.items():
        its = other.get(part, {})
        differing = {
            path: (places.get(path, ""), its.get(path, ""))
            for path in [*places, *(path for path in its if path not in places)]
            if places.get(path) != its.get(path)
        }
        if differing:
            # A generator is the likeliest of them; then what is named first.
            yield part, dict(sorted(differing.items(), key=lambda item: not item[1][0].startswith(GENERATOR)))


def _explained(part: str, path: str, one: str, other: str) -> str:
    if one.startswith(GENERATOR):
        return (
            f"{path} is a {_class(one)} of its own, which no checkpoint holds; draw from the global generators, or make one "
            "from a number that was drawn there"
        )
    values = f" ({_short(one)} in the uninterrupted run, {_short(other)} in the resumed one)" if one != other else ""
    if part == "model":
        return (
            f"{path} is no parameter and no persistent buffer, so no checkpoint holds it{values}; register_buffer() it"
        )
    if part in {"hooks", "loop", "metrics"}:
        what = path.rpartition(".")[0]
        told = (
            "and a metric has no state in a checkpoint; compute it anew from the results"
            if part == "metrics"
            else ("which its state_dict() does not return; return it there, and take it back in load_state_dict()")
        )
        return f"{what} remembers {path.rpartition('.')[2]}{values}, {told}"
    if part == "data":
        return f"{path} is remembered between samples{values}; what a sample is may depend on its index and on what is drawn"
    if part == "sampler":
        return f"{path} is remembered between epochs{values}; let the order follow from the seed and set_epoch()"
    return f"{path} was not restored{values}"


def _class(text: str) -> str:
    return text.removeprefix(GENERATOR).partition(" ")[0]


def _short(text: str) -> str:
    return (text if len(text) <= 40 else f"{text[:37]}…") or "absent"
