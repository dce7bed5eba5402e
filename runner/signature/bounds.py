"""What `Annotated[…]` adds to a type: bounds, lengths, and marks for slots and for names of components."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from runner.kinds import KINDS
from runner.signature.bindings import Value
from runner.signature.defaults import evaluate
from runner.signature.fragments import Fragment
from runner.signature.modules import Reading, Scope

__all__ = ["apply_bounds", "slot_of", "type_name_in", "type_name_of"]

_NUMBERS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "string": {"min_length": "minLength", "max_length": "maxLength"},
}
_SINGLE = {
    "Ge": "ge",
    "Gt": "gt",
    "Le": "le",
    "Lt": "lt",
    "MultipleOf": "multiple_of",
    "MinLen": "min_length",
    "MaxLen": "max_length",
}
_SEVERAL = {"Interval": ("gt", "ge", "lt", "le"), "Len": ("min_length", "max_length"), "Field": ()}
_SOURCES = ("runner", "annotated_types", "pydantic", "msgspec")


def slot_of(metadata: Sequence[ast.expr], scope: Scope, reading: Reading) -> str | None:
    """The kind that a `Slot("kind")` among the metadata names."""
    return _kind_of("Slot", metadata, scope, reading)


def slot_default(metadata: Sequence[ast.expr], scope: Scope, reading: Reading) -> str | None:
    """The type that a `Slot(kind, default_type="Name")` among the metadata gives to mappings without one."""
    for name, call in _calls(metadata, scope, reading):
        if name == "Slot":
            value = next((each.value for each in call.keywords if each.arg == "default_type"), None)
            found = evaluate(value, scope, reading) if value is not None else None
            return found if isinstance(found, str) else None
    return None


def type_name_of(metadata: Sequence[ast.expr], scope: Scope, reading: Reading) -> str | None:
    """The kind that a `TypeName("kind")` among the metadata names."""
    return _kind_of("TypeName", metadata, scope, reading)


def type_name_in(annotation: ast.expr | None, scope: Scope, reading: Reading) -> str | None:
    """The kind that an annotation's `TypeName("kind")` names."""
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        return type_name_of(annotation.slice.elts[1:], scope, reading)
    return None


def _kind_of(mark: str, metadata: Sequence[ast.expr], scope: Scope, reading: Reading) -> str | None:
    for name, call in _calls(metadata, scope, reading):
        if name == mark:
            value = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "kind"), None)
            kind = evaluate(value, scope, reading) if value is not None else None
            if isinstance(kind, str) and kind in KINDS:
                return kind
    return None


def apply_bounds(fragment: Fragment, metadata: Sequence[ast.expr], scope: Scope, reading: Reading) -> Fragment:
    """Add the bounds that the metadata state to a number's, a string's or a list's fragment."""
    bounds: dict[str, Any] = {}
    for name, call in _calls(metadata, scope, reading):
        names = (_SINGLE[name],) if name in _SINGLE else _SEVERAL.get(name, ())
        given = [*zip(names, call.args, strict=False), *((keyword.arg, keyword.value) for keyword in call.keywords)]
        for key, expr in given:
            value = evaluate(expr, scope, reading)
            if key is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
                bounds[key] = value
    if not bounds:
        return fragment
    kind = fragment.get("type")
    words = _NUMBERS if kind in {"integer", "number"} else _LENGTHS.get(str(kind), {})
    return {**fragment, **{words[key]: value for key, value in bounds.items() if key in words}}


def _calls(metadata: Sequence[ast.expr], scope: Scope, reading: Reading) -> Iterator[tuple[str, ast.Call]]:
    for each in metadata:
        expr: ast.expr | None = each
        named = reading.resolve(each, scope) if isinstance(each, (ast.Name, ast.Attribute)) else None
        if named is not None and isinstance(named.node, Value):  # `Positive = Interval(gt=0)`
            expr = named.node.expr
        if isinstance(expr, ast.Call):
            function = reading.resolve(expr.func, scope)
            if function is not None and function.module.partition(".")[0] in _SOURCES:
                yield function.name, expr
