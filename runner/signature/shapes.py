"""Classes that a config writes as data: TypedDicts, dataclasses, Enums, and protocols of callables."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from runner.signature.bindings import Value
from runner.signature.classes import Class, Classes, Field
from runner.signature.defaults import evaluate, string
from runner.signature.docstring import parse_docstring
from runner.signature.fragments import Fragment, slot
from runner.signature.modules import Reading, Scope
from runner.signature.record import UNKNOWN

__all__ = ["Shapes", "docstring_of"]


def docstring_of(node: ast.AST, scope: Scope, reading: Reading) -> str:
    """A definition's docstring, also where it is put together or assigned to `NAME.__doc__`."""
    body = getattr(node, "body", [])
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value.value
    assigned = scope.module.docs.get(getattr(node, "name", ""))
    if assigned is None:
        for statement in body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__doc__":
                assigned = statement.value
    return string(assigned, scope, reading) if assigned is not None else ""


class Shapes:
    """Describes classes as JSON Schema fragments.

    Args:
        reading: Where names are looked up.
        classes: Where classes are found.
        translate: Turns an annotation into a fragment.
    """

    def __init__(self, reading: Reading, classes: Classes, translate: Callable[[ast.expr, Scope], Fragment]) -> None:
        self.reading = reading
        self.classes = classes
        self.translate = translate
        self._within: list[str] = []

    def of(self, cls: Class, lineage: tuple[str, ...]) -> Fragment | None:
        """The fragment of a class; None where a config cannot write it."""
        if cls.qualified in self._within:
            return {"type": "object"}  # it contains itself
        self._within.append(cls.qualified)
        try:
            return self._of(cls, lineage)
        finally:
            self._within.pop()

    def _of(self, cls: Class, lineage: tuple[str, ...]) -> Fragment | None:
        if "enum:Enum" in lineage:
            return self._enum(cls)
        if "typing:TypedDict" in lineage or "typing_extensions:TypedDict" in lineage:
            return self._typed_dict(cls)
        if "typing:Protocol" in lineage and cls.binding("__call__") is not None:
            return slot("function")
        if self.classes.generated(cls) in {"dataclass", "attrs"}:
            return self._dataclass(cls)
        return None

    def _enum(self, cls: Class) -> Fragment | None:
        values: list[Any] = []
        names: list[str] = []
        for each in reversed(self.classes.mro(cls)):
            for name, found in (each.scope.inner[0] if each.scope else {}).items():
                if name.startswith("_") or not isinstance(found[0], Value) or found[0].expr is None:
                    continue
                names.append(name)
                assert each.scope is not None
                value = evaluate(found[0].expr, each.scope, self.reading)
                if isinstance(value, (str, int, float)) and value not in values:
                    values.append(value)
        if not names and cls.live is not None:
            names = list(cls.live.__members__)
            values = [each.value for each in cls.live if isinstance(each.value, (str, int, float))]
        if not names:
            return None
        return {"enum": [*values, *(name for name in names if name not in values)], "x-python": cls.qualified}

    def _typed_dict(self, cls: Class) -> Fragment:
        properties: dict[str, Fragment] = {}
        required: list[str] = []
        for each in reversed(self.classes.mro(cls)):
            if each.node is None or each.scope is None:
                continue
            total = each.keyword("total", default=True)
            docs = self._docs(each)
            for field in each.fields():
                properties[field.name] = self._property(field, each.scope, docs)
                if _is_required(field.annotation, total=total):
                    required.append(field.name)
        return _closed(cls.named.name, properties, required)

    def functional(self, call: ast.Call, scope: Scope) -> Fragment | None:
        """The fragment of `TypedDict("Name", {"key": type}, total=False)`."""
        if len(call.args) != 2 or not isinstance(call.args[1], ast.Dict):
            return None
        total = not any(
            k.arg == "total" and isinstance(k.value, ast.Constant) and k.value.value is False for k in call.keywords
        )
        properties: dict[str, Fragment] = {}
        required: list[str] = []
        for key, annotation in zip(call.args[1].keys, call.args[1].values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                return None
            properties[key.value] = self.translate(annotation, scope)
            if _is_required(annotation, total=total):
                required.append(key.value)
        name = call.args[0].value if isinstance(call.args[0], ast.Constant) else ""
        return _closed(str(name), properties, required)

    def _dataclass(self, cls: Class) -> Fragment:
        from runner.signature.constructor import Constructors

        arguments = Constructors(self.reading, self.classes).of_class(cls)
        docs: dict[str, str] = {}
        for each in reversed(self.classes.mro(cls)):
            docs.update(self._docs(each))
        properties: dict[str, Fragment] = {}
        for argument in arguments.items:
            fragment = (
                self.translate(argument.annotation, argument.scope) if argument.annotation and argument.scope else {}
            )
            description = docs.get(argument.name) or _one_line(argument.doc)
            fragment = {**fragment, **({"description": description} if description else {})}
            if argument.default is not None and argument.scope is not None:
                default = evaluate(argument.default, argument.scope, self.reading)
                if default is not UNKNOWN:
                    fragment["default"] = list(default) if isinstance(default, (tuple, set, frozenset)) else default
            properties[argument.name] = fragment
        required = [argument.name for argument in arguments.items if argument.required]
        found = _closed(cls.named.name, properties, required)
        if arguments.open:
            found.pop("additionalProperties")
        return {**found, "x-python": cls.qualified}

    def _property(self, field: Field, scope: Scope, docs: dict[str, str]) -> Fragment:
        description = docs.get(field.name) or _one_line(field.doc)
        return {**self.translate(field.annotation, scope), **({"description": description} if description else {})}

    def _docs(self, cls: Class) -> dict[str, str]:
        if cls.node is None or cls.named.scope is None:
            return {}
        return parse_docstring(docstring_of(cls.node, cls.named.scope, self.reading)).parameters


def _closed(title: str, properties: dict[str, Fragment], required: list[str]) -> Fragment:
    return {
        "type": "object",
        "title": title,
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _is_required(annotation: ast.expr, *, total: bool) -> bool:
    text = ast.unparse(annotation).strip("'\"")
    head = text.partition("[")[0].rpartition(".")[2]
    if head in {"Annotated", "ReadOnly"}:
        head = next((word for word in ("NotRequired", "Required") if f"{word}[" in text), head)
    return {"Required": True, "NotRequired": False}.get(head, total)
