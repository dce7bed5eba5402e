"""What the statements of a body bind, told without running them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Binding", "Bindings", "Definition", "Import", "Value", "bindings", "type_parameters"]


@dataclass(frozen=True, slots=True)
class Import:
    """A name bound by an import. Without `name` it is the module itself."""

    module: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A name bound by an assignment.

    Attributes:
        expr: What is assigned; None for a type parameter.
        annotation: The annotation; a type parameter's bound.
        parameters: The type parameters of a `type` statement.
    """

    expr: ast.expr | None
    annotation: ast.expr | None = None
    parameters: Mapping[str, list[Binding]] = field(default_factory=dict, hash=False)


Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Binding: TypeAlias = Definition | Import | Value
Bindings: TypeAlias = dict[str, list[Binding]]
"""What names are bound to, the preferred binding first."""


def bindings(body: Iterable[ast.stmt], package: str = "") -> tuple[Bindings, list[str], dict[str, ast.expr]]:
    """Collect what the statements of a body bind, without running them.

    Args:
        body: The statements.
        package: What relative imports start from.

    Returns:
        The names, the modules imported with a star, and the expressions assigned to `NAME.__doc__`.
    """
    collector = _Collector(package)
    collector.body(body)
    return collector.names, collector.stars, collector.docs


class _Collector:
    def __init__(self, package: str) -> None:
        self.package = package
        self.names: Bindings = {}
        self.stars: list[str] = []
        self.docs: dict[str, ast.expr] = {}

    def body(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            self.statement(node)

    def bind(self, name: str, binding: Binding) -> None:
        self.names.setdefault(name, []).insert(0, binding)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            self.bind(node.name, node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            self.assignment(node)
        elif isinstance(node, ast.If):
            truth = static_truth(node.test)
            if truth is None:
                self.alternative(node.orelse)
            self.body(node.orelse if truth is False else node.body)
        elif isinstance(node, ast.Try):
            for handler in node.handlers:
                self.alternative(handler.body)
            self.body([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, (ast.With, ast.For, ast.While)):
            self.body(node.body)
        elif node.__class__.__name__ == "TypeAlias":  # `type X = ...`, from Python 3.12 on
            self.bind(getattr(node, "name").id, Value(getattr(node, "value"), parameters=type_parameters(node)))  # noqa: B009 - unknown to 3.10's ast

    def alternative(self, body: Iterable[ast.stmt]) -> None:
        """Bind what may be bound instead: behind what is there already."""
        other = _Collector(self.package)
        other.body(body)
        for name, found in other.names.items():
            self.names.setdefault(name, []).extend(found)
        self.stars += other.stars
        self.docs = {**other.docs, **self.docs}

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                self.bind(alias.asname or top, Import(alias.name if alias.asname else top))
            return
        module = absolute(node.module, node.level, self.package)
        for alias in node.names:
            if alias.name == "*":
                self.stars.insert(0, module)
            else:
                self.bind(alias.asname or alias.name, Import(module, alias.name))

    def assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        annotation = node.annotation if isinstance(node, ast.AnnAssign) else None
        if node.value is None:
            return  # `name: int` alone binds nothing
        for target in targets:
            if isinstance(target, ast.Name):
                self.bind(target.id, Value(node.value, annotation))
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for each, value in zip(target.elts, node.value.elts, strict=False):
                    if isinstance(each, ast.Name):
                        self.bind(each.id, Value(value))
            elif isinstance(target, ast.Attribute) and target.attr == "__doc__":
                self.docs[ast.unparse(target.value)] = node.value


def type_parameters(node: ast.AST) -> dict[str, list[Binding]]:
    """What `class A[T: bound]` or `def f[T: bound]` binds (Python 3.12 on): values without an expression."""
    return {each.name: [Value(None, getattr(each, "bound", None))] for each in getattr(node, "type_params", ())}


def absolute(module: str | None, level: int, package: str) -> str:
    """The absolute name of what `from ..module import` names."""
    if not level:
        return module or ""
    parts = package.split(".")
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, *([module] if module else [])])


def static_truth(test: ast.expr) -> bool | None:  # noqa: PLR0911 - one case after the other
    """What a condition on the interpreter will be; None where that depends on more."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        truth = static_truth(test.operand)
        return None if truth is None else not truth
    text = ast.unparse(test)
    if text.endswith("TYPE_CHECKING"):
        return True
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    try:
        bound = ast.literal_eval(test.comparators[0])
    except ValueError:
        return None
    if text.startswith("sys.platform"):
        return {ast.Eq: sys.platform == bound, ast.NotEq: sys.platform != bound}.get(type(test.ops[0]))
    if text.startswith("sys.version_info") and isinstance(bound, tuple):
        version = tuple(sys.version_info[: len(bound)])
        return {
            ast.GtE: version >= bound,
            ast.Gt: version > bound,
            ast.Lt: version < bound,
            ast.LtE: version <= bound,
        }.get(type(test.ops[0]))
    return None
