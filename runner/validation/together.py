"""What fields ask of each other, as far as standard keywords can say it: conditions on the whole config."""

from __future__ import annotations

from runner.config.triples import TRIPLES
from runner.validation.fields import Schema

__all__ = ["conditions"]


def conditions() -> list[Schema]:
    """One `if`/`then` for each thing that goes with another; the rules of the same names find the same.

    They hold for a file that is complete: what a base brings in is not seen here.
    """
    found = [
        {"if": _given(name), "then": _given(*(other for other in triple if other != name))}
        for triple in TRIPLES
        for name in triple
    ]
    found.append({"if": _given("param_scheduler"), "then": _given("optim_wrapper")})
    found.append(_scaling())
    return found


def _scaling() -> Schema:
    """`auto_scale_lr` needs its base batch size where it is turned on."""
    on = {"type": "object", "properties": {"enable": {"const": True}}, "required": ["enable"]}
    needs = {"properties": {"base_batch_size": {"not": {"type": "null"}}}, "required": ["base_batch_size"]}
    return {
        "if": {"properties": {"auto_scale_lr": on}, "required": ["auto_scale_lr"]},
        "then": {"properties": {"auto_scale_lr": needs}},
    }


def _given(*names: str) -> Schema:
    """Whether fields are there, with something in them."""
    something: dict[str, Schema] = {name: {"title": name, "not": {"type": "null"}} for name in names}
    return {"properties": something, "required": list(names)}
