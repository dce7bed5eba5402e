"""What a constructor's body does with its arguments: which calls they are handed to, and which keys of `**kwargs` it reads."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from runner.signature.classes import FunctionNode

__all__ = ["Handing", "Key", "follow_arguments"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is read from `**kwargs` by its name.

    Attributes:
        name: The key.
        default: What is taken where it is missing; None where that fails.
        passed: Whether it stays in `**kwargs` and so reaches the next constructor too.
    """

    name: str
    default: ast.expr | None
    passed: bool


@dataclass(slots=True)
class Handing:
    """What happens to a function's arguments.

    Attributes:
        supers: Calls of a base class's constructor.
        calls: Other calls that get `**kwargs`.
        keys: Keys read from `**kwargs` by name.
        bound: Keys that the function sets in `**kwargs` itself.
        tested: Keys whose presence is asked for (`"key" in kwargs`), which are thus no must.
        loose: Whether `**kwargs` goes somewhere that cannot be followed.
        used: Whether `**kwargs` is used at all.
        assigned: Names that the function binds anew: an argument of that name is not handed on as it came.
    """

    supers: list[ast.Call] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    loose: bool = False
    used: bool = False
    tested: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)


def follow_arguments(node: FunctionNode) -> Handing:
    """Read a function's body."""
    visitor = _Visitor(node.args.kwarg.arg if node.args.kwarg else None, node.name)
    for statement in node.body:
        visitor.visit(statement)
    return visitor.handing


class _Visitor(ast.NodeVisitor):
    def __init__(self, kwargs: str | None, method: str) -> None:
        self.kwargs = kwargs
        self.method = method
        self.handing = Handing()

    def _is_kwargs(self, node: ast.expr | None) -> bool:
        return self.kwargs is not None and isinstance(node, ast.Name) and node.id == self.kwargs

    def visit_Call(self, node: ast.Call) -> None:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if owner is not None and self._is_kwargs(owner):
            self.handing.used = True
            self._mapping_method(node)
            return
        stars = [keyword for keyword in node.keywords if keyword.arg is None and self._is_kwargs(keyword.value)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == self.method and self.method in _CONSTRUCTORS:
            self.handing.supers.append(node)
        elif stars:
            self.handing.calls.append(node)
        self.handing.used |= bool(stars)
        for child in ast.iter_child_nodes(node):
            if child not in stars:
                self.visit(child)

    def _mapping_method(self, node: ast.Call) -> None:
        assert isinstance(node.func, ast.Attribute)
        method, args = node.func.attr, node.args
        key = args[0].value if args and isinstance(args[0], ast.Constant) else None
        if method in {"pop", "get", "setdefault"} and isinstance(key, str):
            default = args[1] if len(args) > 1 else None if method == "pop" else ast.Constant(None)
            self.handing.keys.setdefault(key, Key(key, default, passed=method != "pop"))
        elif method == "update" and all(keyword.arg is not None for keyword in node.keywords) and not args:
            self.handing.bound.update(keyword.arg for keyword in node.keywords if keyword.arg is not None)
        elif method != "update":
            self.handing.loose = True
        for child in (*args[1:], *(keyword.value for keyword in node.keywords)):
            self.visit(child)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not self._is_kwargs(node.value):
            self.generic_visit(node)
            return
        self.handing.used = True
        choices = [node.slice.body, node.slice.orelse] if isinstance(node.slice, ast.IfExp) else [node.slice]
        for choice in choices:
            key = choice.value if isinstance(choice, ast.Constant) else None
            if not isinstance(key, str):
                self.handing.loose = True
            elif isinstance(node.ctx, ast.Store):
                self.handing.bound.add(key)
            else:
                self.handing.keys.setdefault(key, Key(key, None, passed=isinstance(node.ctx, ast.Load)))

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        if any(map(self._is_kwargs, node.comparators)) and isinstance(node.left, ast.Constant):
            self.handing.tested.add(str(node.left.value))
        for operand in operands:
            if self._is_kwargs(operand):
                self.handing.used = True  # `"key" in kwargs` tells nothing about other keys
            else:
                self.visit(operand)

    def visit_If(self, node: ast.If) -> None:
        about_kwargs = any(self._is_kwargs(part) for part in ast.walk(node.test) if isinstance(part, ast.expr))
        if (
            about_kwargs
            and node.body
            and isinstance(node.body[-1], ast.Raise)
            and not isinstance(node.test, ast.Compare)
        ):
            self.handing.used = True  # `if kwargs: raise`: what is left over is refused, not used
            for statement in node.orelse:
                self.visit(statement)
            return
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, (ast.Store, ast.Del)):
            self.handing.assigned.add(node.id)
        if self._is_kwargs(node):
            self.handing.used = True
            self.handing.loose = True


_CONSTRUCTORS = frozenset({"__init__", "__new__"})
