"""The value of a default, where it can be told from the text: literals, arithmetic on them, and module-level constants."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from runner.signature.bindings import Value
from runner.signature.modules import Named, Reading, Scope
from runner.signature.record import UNKNOWN

__all__ = ["evaluate", "string"]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_CONTAINERS: dict[str, Callable[..., Any]] = {
    "builtins:dict": dict,
    "builtins:frozenset": frozenset,
    "builtins:list": list,
    "builtins:set": set,
    "builtins:tuple": tuple,
}
_CONSTANTS: dict[str, float] = {
    f"{module}:{name}": value
    for module in ("math", "numpy", "torch")
    for name, value in {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e}.items()
}
_LARGEST = 1 << 16
"""Operands beyond this are left alone: `10 ** 10 ** 10` must not be worked out."""


class _NotLiteral(Exception):  # noqa: N818 - it is how the walk ends, nobody sees it
    pass


def evaluate(expr: ast.expr, scope: Scope, reading: Reading) -> Any:
    """The value of an expression, or `UNKNOWN`. Nothing is called but the containers' own constructors."""
    try:
        return _value(expr, scope, reading, 0)
    except (_NotLiteral, TypeError, ValueError, ArithmeticError):
        return UNKNOWN


def string(expr: ast.expr, scope: Scope, reading: Reading) -> str:  # noqa: PLR0911 - one case after the other
    """The text of a docstring that is put together from pieces; what is not known is left out."""
    if isinstance(expr, ast.JoinedStr):
        return "".join(string(part, scope, reading) for part in expr.values)
    if isinstance(expr, ast.FormattedValue):
        return string(expr.value, scope, reading)
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add):
        return string(expr.left, scope, reading) + string(expr.right, scope, reading)
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Mod):
        return string(expr.left, scope, reading)
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "format":
        return string(expr.func.value, scope, reading)
    if isinstance(expr, (ast.Name, ast.Attribute)):
        named = reading.resolve(expr, scope)
        if named is not None and isinstance(named.node, Value) and named.node.expr is not None and named.scope:
            return string(named.node.expr, named.scope, reading)
    return expr.value if isinstance(expr, ast.Constant) and isinstance(expr.value, str) else ""


def _value(expr: ast.expr, scope: Scope, reading: Reading, depth: int) -> Any:  # noqa: C901, PLR0911 - as `string`
    def value(part: ast.expr) -> Any:
        return _value(part, scope, reading, depth + 1)

    if depth > 50:
        raise _NotLiteral
    if isinstance(expr, ast.Constant):
        if expr.value is ...:  # a stub's way to say that there is a default
            raise _NotLiteral
        return expr.value
    if isinstance(expr, (ast.Tuple, ast.List, ast.Set)):
        kind = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(expr)]
        return kind(value(part) for part in expr.elts)
    if isinstance(expr, ast.Dict):
        return _dict(expr, value)
    if isinstance(expr, ast.UnaryOp):
        return _UNARY[type(expr.op)](value(expr.operand))
    if isinstance(expr, ast.BinOp):
        return _arithmetic(expr, value)
    if isinstance(expr, (ast.Name, ast.Attribute)):
        if isinstance(expr, ast.Attribute) and _is_enum(reading.resolve(expr.value, scope), reading):
            raise _NotLiteral  # `Color.RED` is a member, not its value
        return _constant(reading.resolve(expr, scope), reading, depth)
    if isinstance(expr, ast.Call):
        return _call(expr, reading.resolve(expr.func, scope), value)
    raise _NotLiteral


def _dict(expr: ast.Dict, value: Callable[[ast.expr], Any]) -> dict[Any, Any]:
    if None in expr.keys:
        raise _NotLiteral
    return {value(key): value(each) for key, each in zip(expr.keys, expr.values, strict=True) if key is not None}


def _arithmetic(expr: ast.BinOp, value: Callable[[ast.expr], Any]) -> Any:
    left, right = value(expr.left), value(expr.right)
    large = any(isinstance(side, (int, float)) and abs(side) > _LARGEST for side in (left, right))
    long = any(isinstance(side, (str, bytes, tuple, list)) and len(side) > _LARGEST for side in (left, right))
    power = isinstance(expr.op, (ast.Pow, ast.LShift)) and not abs(right) <= 64
    repeated = isinstance(expr.op, ast.Mult) and not all(isinstance(side, (int, float)) for side in (left, right))
    if type(expr.op) not in _BINARY or power or long or (large and repeated):
        raise _NotLiteral
    return _BINARY[type(expr.op)](left, right)


def _constant(named: Named | None, reading: Reading, depth: int) -> Any:
    if named is None:
        raise _NotLiteral
    if named.qualified in _CONSTANTS:
        return _CONSTANTS[named.qualified]
    named = reading.defined(named)
    if isinstance(named.node, Value) and named.node.expr is not None and named.scope is not None:
        return _value(named.node.expr, named.scope, reading, depth + 1)
    if isinstance(named.live, (bool, int, float, str, bytes)):
        return named.live
    raise _NotLiteral


def _is_enum(named: Named | None, reading: Reading, depth: int = 0) -> bool:
    if named is None or not named.name or depth > 8:
        return False
    if named.module == "enum":
        return True
    named = reading.defined(named)
    if not isinstance(named.node, ast.ClassDef) or named.scope is None:
        return False
    scope = named.scope
    return any(_is_enum(reading.resolve(base, scope), reading, depth + 1) for base in named.node.bases)


def _call(expr: ast.Call, named: Named | None, value: Callable[[ast.expr], Any]) -> Any:
    qualified = named.qualified if named is not None else ""
    if qualified == "builtins:float" and len(expr.args) == 1 and not expr.keywords:
        return float(value(expr.args[0]))
    if qualified not in _CONTAINERS or len(expr.args) > 1:
        raise _NotLiteral
    arguments = [value(arg) for arg in expr.args]
    keywords = {keyword.arg: value(keyword.value) for keyword in expr.keywords if keyword.arg is not None}
    if len(keywords) != len(expr.keywords) or any(isinstance(arg, int) for arg in arguments):
        raise _NotLiteral
    return _CONTAINERS[qualified](*arguments, **keywords)
