"""Classes as text: bases, the method resolution order, and what each class defines itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from runner.signature.bindings import Binding, Import, Value
from runner.signature.known import PLAIN
from runner.signature.modules import Named, Reading, Scope

__all__ = ["Class", "Classes", "Field", "FunctionNode"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_DATACLASS = {
    "dataclasses:dataclass": "dataclass",
    "attr:s": "attrs",
    "attr:attrs": "attrs",
    "attr:dataclass": "attrs",
    "attr:define": "attrs",
    "attrs:define": "attrs",
    "attrs:mutable": "attrs",
    "attrs:frozen": "attrs",
    "attr:frozen": "attrs",
}


@dataclass(frozen=True, slots=True)
class Field:
    """An annotated name in a class's body.

    Attributes:
        name: The name.
        annotation: Its annotation.
        value: What is assigned to it.
        doc: The string below it.
    """

    name: str
    annotation: ast.expr
    value: ast.expr | None
    doc: str


@dataclass(slots=True, eq=False)
class Class:
    """A class, read or only known by name.

    Attributes:
        named: Where it is defined.
        bases: Its bases.
        known: False where its text was not found: it may take anything.
        live: The class itself, where there is no text but the object.
    """

    named: Named
    bases: list[Class] = field(default_factory=list)
    known: bool = True
    live: Any = None
    scope: Scope | None = None

    @property
    def qualified(self) -> str:
        """`module:Class`."""
        return self.named.qualified

    @property
    def node(self) -> ast.ClassDef | None:
        """Its definition."""
        return self.named.node if isinstance(self.named.node, ast.ClassDef) else None

    def binding(self, name: str) -> Binding | None:
        """What its own body binds a name to."""
        if self.scope is None:
            return None
        return next(iter(self.scope.inner[0].get(name, ())), None)

    def fields(self) -> list[Field]:
        """The annotated names of its own body, in order."""
        body = self.node.body if self.node else []
        found = []
        for number, statement in enumerate(body):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                after = body[number + 1] if number + 1 < len(body) else None
                doc = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
                found.append(
                    Field(
                        statement.target.id, statement.annotation, statement.value, doc if isinstance(doc, str) else ""
                    )
                )
        return found

    def keyword(self, name: str, default: bool) -> bool:
        """A boolean keyword of the class statement (`total=False`)."""
        for keyword in self.node.keywords if self.node else ():
            if keyword.arg == name and isinstance(keyword.value, ast.Constant):
                return bool(keyword.value.value)
        return default


class Classes:
    """Finds classes and their bases.

    Args:
        reading: Where modules are opened.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._found: dict[tuple[str, int], Class] = {}
        self._mro: dict[int, list[Class]] = {}

    def of(self, named: Named) -> Class:
        """The class that a name stands for."""
        if named.qualified in PLAIN:
            key = (named.qualified, 0)
            if key not in self._found:
                bases = [self.of(_named(base)) for base in PLAIN[named.qualified]]
                self._found[key] = Class(Named(named.module, named.name), bases)
            return self._found[key]
        if isinstance(named.live, type):
            return self.of_live(named.live)
        named = self.reading.defined(named)
        key = (named.qualified, id(named.node))
        if key not in self._found:
            self._found[key] = found = Class(named, known=isinstance(named.node, ast.ClassDef))
            if found.node is not None and named.scope is not None:
                found.scope = self.reading.body_scope(named)
                found.bases = [self._base(base, named.scope) for base in found.node.bases]
        return self._found[key]

    def of_live(self, cls: type) -> Class:
        """The class behind an object: its text where there is one, else the object itself."""
        from runner.signature.live import named_of

        key = (f"{cls.__module__}:{cls.__qualname__}", id(cls))
        if key not in self._found:
            named = Named(cls.__module__, cls.__qualname__) if key[0] in PLAIN else named_of(cls, self.reading)
            if named is None:
                found = Class(Named(cls.__module__, cls.__qualname__), live=cls)
            elif named.qualified in PLAIN:
                found = self.of(named)
            else:
                found = Class(named, scope=self.reading.body_scope(named), live=cls)
            self._found[key] = found
            # The object's own bases: a text may name them by variables.
            found.bases = [self.of_live(base) for base in cls.__bases__ if base is not object]
        return self._found[key]

    def _base(self, expr: ast.expr, scope: Scope) -> Class:
        while isinstance(expr, ast.Subscript):
            expr = expr.value
        named = self.reading.resolve(expr, scope)
        if named is None:
            return Class(Named("", ast.unparse(expr)), known=False)
        return self.of(named)

    def mro(self, cls: Class) -> list[Class]:
        """The method resolution order, the class itself first, `object` left out."""
        if id(cls) not in self._mro:
            self._mro[id(cls)] = [cls]  # a class that is among its own bases ends here
            self._mro[id(cls)] = self._linearize(cls)
        return self._mro[id(cls)]

    def _linearize(self, cls: Class) -> list[Class]:
        bases = [base for base in cls.bases if base.qualified != "builtins:object"]
        sequences = [list(self.mro(base)) for base in bases] + [list(bases)]
        order = [cls]
        while sequences := [sequence for sequence in sequences if sequence]:
            tails = [{_identity(each) for each in sequence[1:]} for sequence in sequences]
            heads = (sequence[0] for sequence in sequences)
            head = next((head for head in heads if not any(_identity(head) in tail for tail in tails)), sequences[0][0])
            order.append(head)
            sequences = [[each for each in sequence if _identity(each) != _identity(head)] for sequence in sequences]
        return order

    def lineage(self, cls: Class) -> tuple[str, ...]:
        """The qualified names along the MRO."""
        return tuple(each.qualified for each in self.mro(cls))

    def method(self, cls: Class, name: str) -> tuple[FunctionNode, Scope] | None:
        """A method that the class's own body defines, or takes from elsewhere by assignment."""
        binding = cls.binding(name)
        if isinstance(binding, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert cls.scope is not None
            # A method's annotations see the class's names; its body and its defaults are read in the same scope.
            return binding, cls.scope
        if isinstance(binding, (Value, Import)) and cls.scope is not None:
            named = self.reading.follow(binding, name, cls.scope)
            if named is not None and isinstance(named.node, (ast.FunctionDef, ast.AsyncFunctionDef)) and named.scope:
                return named.node, named.scope
        return None

    def generated(self, cls: Class) -> str | None:
        """Who writes the class's constructor: `dataclass`, `attrs`, `namedtuple`; None where nobody does."""
        if cls.node is None or cls.named.scope is None:
            return None
        for decorator in cls.node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            named = self.reading.resolve(call.func if call else decorator, cls.named.scope)
            kind = _DATACLASS.get(named.qualified) if named is not None else None
            if kind is not None and not _keyword_is(call, "init", False):
                return kind
        if any(base.qualified == "typing:NamedTuple" for base in cls.bases):
            return "namedtuple"
        return None

    def kw_only(self, cls: Class) -> bool:
        """Whether a dataclass's fields are keywords only."""
        calls = [
            decorator for decorator in (cls.node.decorator_list if cls.node else ()) if isinstance(decorator, ast.Call)
        ]
        return any(_keyword_is(call, "kw_only", True) for call in calls)


def _named(qualified: str) -> Named:
    module, _, name = qualified.partition(":")
    return Named(module, name)


def _keyword_is(call: ast.Call | None, name: str, value: object) -> bool:
    return call is not None and any(
        keyword.arg == name and isinstance(keyword.value, ast.Constant) and keyword.value.value is value
        for keyword in call.keywords
    )


def _identity(cls: Class) -> tuple[str, int]:
    return cls.qualified, id(cls.node)
