"""From a target to its record: finds the definition, its arguments, their schemas and their descriptions."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence
from typing import Any

from runner.errors import SignatureError
from runner.signature.annotation import Annotations
from runner.signature.classes import Class, Classes
from runner.signature.constructor import Argument, Arguments, Constructors
from runner.signature.defaults import evaluate
from runner.signature.docstring import Docstring, parse_docstring
from runner.signature.fragments import NULL, Fragment, accepts, array, join, slot, slots_in
from runner.signature.modules import Named, Reading, Scope, without_collecting
from runner.signature.record import REQUIRED, UNKNOWN, Parameter, Signature
from runner.signature.shapes import docstring_of

__all__ = ["Reader", "read_target"]

_PIPELINES = frozenset({"pipeline", "transforms"})
"""Parameters that take transforms, or lists of them."""

_TRANSFORMS = frozenset({"transform", "target_transform"})
"""Parameters that take a transform where they take a callable."""


def read_target(target: str, paths: Sequence[str] = ()) -> tuple[Signature, Reading]:
    """Read the record of `package.module:Attribute`.

    Raises:
        SignatureError: There is no such module or attribute, or its text is no Python.
    """
    reading = Reading(paths)
    module, colon, attribute = target.partition(":")
    if not (colon and module and attribute):
        raise SignatureError(f"'{target}' is no target; write 'package.module:Class'")
    with without_collecting():
        named = reading.find(target)
        if named is None or not named.name:
            named = _hidden(reading, module, attribute, target)
        return Reader(reading).signature(named, target), reading


def _hidden(reading: Reading, module: str, attribute: str, target: str) -> Named:
    """What a module without text, or one that makes its names at run time, may hold."""
    opened = reading.module(module)
    if module in reading.failures:
        raise SignatureError(f"{target}: {reading.failures[module]}")
    if opened is None:
        if reading.exists(module):
            return Named(module, attribute)  # an extension module
        raise SignatureError(
            f"{target}: there is no module '{module}'; install the package that has it, or mend the target"
        )
    if "__getattr__" in opened.names and "." not in attribute:
        return Named(module, attribute)
    near = difflib.get_close_matches(attribute, opened.names, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise SignatureError(f"{target}: {opened.file} has no '{attribute}'{hint}")


class Reader:
    """Makes records.

    Args:
        reading: Where modules are opened.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.classes = Classes(reading)
        self.constructors = Constructors(reading, self.classes)
        self.annotations = Annotations(reading, self.classes)

    def signature(self, named: Named, target: str) -> Signature:
        """The record of a class, a function, or what an assignment makes of them."""
        arguments = self.constructors.of_named(named)
        cls = self.classes.of(named) if isinstance(named.node, ast.ClassDef) else None
        return self.record(target, named, arguments, cls)

    def record(self, target: str, named: Named, arguments: Arguments, cls: Class | None) -> Signature:
        """Put a record together."""
        docs = self._docstrings(named, arguments, cls)
        described: dict[str, str] = {}
        for doc in docs:
            for name, text in doc.parameters.items():
                described.setdefault(name, text)
        bare: list[str] = []
        notes = list(arguments.notes)
        parameters = []
        for each in arguments.items:
            if each.keyword:
                self.annotations.notes.clear()
                parameters.append(self._parameter(each, described, bare))
                notes += [f"{each.name}: {note}." for note in self.annotations.notes]
        if bare:
            notes.append(f"No annotation, so any value is accepted: {', '.join(bare)}.")
        node = named.node if isinstance(named.node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) else None
        return Signature(
            target=target,
            parameters=tuple(parameters),
            open=arguments.open,
            summary=docs[0].summary if docs else "",
            doc=docs[0].text if docs else "",
            bases=self.classes.lineage(cls) if cls is not None else (),
            file=named.scope.module.file if named.scope is not None else "",
            line=node.lineno if node is not None else 1,
            notes=tuple(notes),
        )

    def _docstrings(self, named: Named, arguments: Arguments, cls: Class | None) -> list[Docstring]:
        """The docstrings that may describe the arguments, the most telling first."""
        places: list[tuple[ast.AST, Scope]] = []
        if isinstance(named.node, ast.AST) and named.scope is not None:
            places.append((named.node, named.scope))
        places += arguments.documented
        for each in self.classes.mro(cls) if cls is not None else ():
            if each.node is not None and each.named.scope is not None:
                places.append((each.node, each.named.scope))
        seen: set[int] = set()
        found = []
        for node, scope in places:
            if id(node) not in seen:
                seen.add(id(node))
                found.append(parse_docstring(docstring_of(node, scope, self.reading)))
        return found

    def _parameter(self, argument: Argument, described: dict[str, str], bare: list[str]) -> Parameter:
        default = self._default(argument)
        schema = self._schema(argument, default)
        if schema is None:
            bare.append(argument.name)
            schema = {}
        if schema and default is not REQUIRED and default is not UNKNOWN and not accepts(schema, default):
            # An implicit Optional, or a default that only the code's author knows the meaning of.
            plain = list(default) if isinstance(default, (tuple, set, frozenset)) else default
            extra: Fragment = NULL if default is None else {"enum": [plain]}
            if not isinstance(plain, (bytes, complex)):
                schema = join([schema, extra], [])
        kinds = slots_in(schema)
        return Parameter(
            name=argument.name,
            annotation=_text(argument.annotation),
            schema=schema,
            default=default,
            default_text=_text(argument.default) if argument.default is not None else _repr(default),
            doc=described.get(argument.name) or " ".join(argument.doc.split()),
            slot=kinds[0] if kinds else None,
        )

    def _default(self, argument: Argument) -> Any:
        if argument.required:
            return REQUIRED
        if argument.default is None or argument.scope is None:
            return argument.live
        return evaluate(argument.default, argument.scope, self.reading)

    def _schema(self, argument: Argument, default: object) -> Fragment | None:
        """The fragment of an argument; None where nothing says what it is."""
        if argument.annotation is None or argument.scope is None:
            return self._unannotated(argument, default)
        leaf = "transform" if argument.name in _PIPELINES else None
        before = list(self.annotations.notes)
        found = self.annotations.fragment(argument.annotation, argument.scope, leaf)
        if argument.name in _TRANSFORMS and "function" in slots_in(found):
            self.annotations.notes[:] = before
            found = self.annotations.fragment(argument.annotation, argument.scope, "transform")
        if argument.handed is not None and not slots_in(found):
            inherited = self._schema(argument.handed, self._default(argument.handed))
            if inherited and slots_in(inherited):
                return inherited
        return found

    def _unannotated(self, argument: Argument, default: object) -> Fragment | None:
        plain = default is None or default is REQUIRED
        if argument.name in _PIPELINES and (plain or isinstance(default, (list, tuple))):
            several = [slot("transform"), array(slot("transform"))]
            return join([*several, NULL] if default is None else several, [])
        if argument.name in _TRANSFORMS and plain:
            return join([slot("transform"), NULL] if default is None else [slot("transform")], [])
        if argument.handed is not None:
            return self._schema(argument.handed, self._default(argument.handed))
        return None


def _text(expr: ast.expr | None) -> str:
    return ast.unparse(expr) if expr is not None else ""


def _repr(default: object) -> str:
    return "" if default is REQUIRED or default is UNKNOWN else repr(default)
