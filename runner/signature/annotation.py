"""From an annotation to a JSON Schema fragment.

An annotation is read as a list of alternatives, each a fragment; `join` turns the list into one fragment.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from runner.kinds import KINDS
from runner.signature.bindings import Value
from runner.signature.bounds import apply_bounds, slot_default, slot_of, type_name_of
from runner.signature.classes import Classes
from runner.signature.fragments import ANY, NULL, OBJECT, Fragment, array, fixed_array, join, opaque, slot
from runner.signature.known import NOT_OPENED
from runner.signature.modules import Named, Reading, Scope
from runner.signature.shapes import Shapes

__all__ = ["Annotations"]

Alternatives: TypeAlias = list[Fragment]

_TYPING = frozenset({"builtins", "typing", "typing_extensions", "collections", "collections.abc", "_collections_abc"})
_ARRAYS = frozenset(
    [
        "list",
        "sequence",
        "mutablesequence",
        "iterable",
        "iterator",
        "collection",
        "reversible",
        "container",
        "generator",
        "deque",
        "asynciterable",
        "asynciterator",
        "valuesview",
        "keysview",
    ]
)
_SETS = frozenset({"set", "frozenset", "abstractset", "mutableset"})
_OBJECTS = frozenset(
    {"dict", "mapping", "mutablemapping", "defaultdict", "ordereddict", "counter", "chainmap", "userdict"}
)
_ANYTHING = frozenset({"any", "object", "self", "hashable", "never", "noreturn", "sized", "paramspec", "type"})
_TRANSPARENT = frozenset({"required", "notrequired", "readonly", "final", "classvar", "unpack", "awaitable"})

_DTYPES = (
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "half",
    "float",
    "double",
    "complex64",
    "complex128",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "short",
    "int",
    "long",
    "bool",
    "float8_e4m3fn",
    "float8_e5m2",
)

_SIMPLE: dict[str, Fragment] = {
    "builtins:int": {"type": "integer"},
    "builtins:float": {"type": "number"},
    "builtins:str": {"type": "string"},
    "builtins:bool": {"type": "boolean"},
    "builtins:None": NULL,
    "types:NoneType": NULL,
    "typing:Text": {"type": "string"},
    "typing:LiteralString": {"type": "string"},
    "typing:AnyStr": {"type": "string"},
    "typing:SupportsInt": {"type": "number"},
    "typing:SupportsFloat": {"type": "number"},
    "typing:SupportsIndex": {"type": "integer"},
    "numbers:Number": {"type": "number"},
    "numbers:Real": {"type": "number"},
    "numbers:Integral": {"type": "integer"},
    "os:PathLike": {"type": "string", "format": "path", "x-python": "pathlib:Path"},
    **{
        f"pathlib:{name}": {"type": "string", "format": "path", "x-python": "pathlib:Path"}
        for name in ("Path", "PurePath", "PosixPath", "PurePosixPath")
    },
    "torch:device": {
        "type": "string",
        "pattern": r"^(cpu|cuda|mps|xpu|xla|hpu|npu|mlu|musa|meta|mtia|privateuseone)(:\d+)?$",
        "x-python": "torch:device",
    },
    "torch:dtype": {"enum": [*_DTYPES, *(f"torch.{name}" for name in _DTYPES)], "x-python": "torch:dtype"},
    "torch._C:Size": {"type": "array", "items": {"type": "integer"}},
    "dataclasses:InitVar": ANY,
}
_OPAQUE = frozenset(
    {
        "torch._tensor:Tensor",
        "torch._C:Generator",
        "torch.nn.parameter:Parameter",
        "torch.utils.data.dataloader:DataLoader",
    }
)

_BASES: dict[str, str] = {
    name: kind.name for kind in KINDS.values() if kind.base is not None for name in (kind.base, *kind.aliases)
}
"""Which kind a base class stands for."""


@dataclass(frozen=True, slots=True)
class _Context:
    """What is known where an annotation is read.

    Attributes:
        scope: Where its names are looked up.
        leaf: The kind that stands wherever the annotation leaves open what may stand.
        variables: What type variables stand for.
        aliases: The aliases that are being followed.
    """

    scope: Scope
    leaf: str | None = None
    variables: Mapping[str, Alternatives] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()

    def kind(self, found: str) -> str:
        """The kind of a slot: a module among transforms is one of them."""
        return self.leaf if self.leaf == "transform" and found == "model" else found

    def any(self) -> Alternatives:
        """What stands where anything may stand."""
        return [slot(self.leaf)] if self.leaf else [ANY]


class Annotations:
    """Translates annotations.

    Args:
        reading: Where names are looked up.
        classes: Where classes are found.

    Attributes:
        notes: What could not be known since it was last emptied.
    """

    def __init__(self, reading: Reading, classes: Classes) -> None:
        self.reading = reading
        self.classes = classes
        self.notes: list[str] = []
        self.shapes = Shapes(reading, classes, self.alternatives_in)
        self._generic: dict[str, Callable[[Sequence[ast.expr], _Context], Alternatives]] = {
            "optional": lambda args, context: [*self._all(args, context), NULL],
            "union": self._all,
            "literal": self._literal,
            "annotated": self._annotated,
            "tuple": self._tuple,
            "callable": lambda _, context: [slot(context.leaf or "function")],
            **dict.fromkeys(_ARRAYS, self._array),
            **dict.fromkeys(_SETS, self._set),
            **dict.fromkeys(_OBJECTS, self._object),
            **dict.fromkeys(_TRANSPARENT, self._first),
            **dict.fromkeys(_ANYTHING, lambda _, context: context.any()),
            "initvar": self._first,
        }

    def fragment(self, expr: ast.expr, scope: Scope, leaf: str | None = None) -> Fragment:
        """The fragment of an annotation.

        Args:
            expr: The annotation.
            scope: Where its names are looked up.
            leaf: The kind of component that stands wherever the annotation leaves open what may stand.
        """
        return join(self._read(expr, _Context(scope, leaf)), self.notes)

    def alternatives_in(self, expr: ast.expr, scope: Scope) -> Fragment:
        """The fragment of an annotation within a class that is described as an object."""
        return self.fragment(expr, scope)

    def _read(self, expr: ast.expr, context: _Context) -> Alternatives:
        if isinstance(expr, ast.Constant):
            return self._constant(expr, context)
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
            return [*self._read(expr.left, context), *self._read(expr.right, context)]
        args: Sequence[ast.expr] = ()
        head = expr
        if isinstance(expr, ast.Subscript):
            head = expr.value
            # `tuple[()]` has an argument, and it is empty.
            args = expr.slice.elts if isinstance(expr.slice, ast.Tuple) and expr.slice.elts else [expr.slice]
        if not isinstance(head, (ast.Name, ast.Attribute)):
            return self._unknown(ast.unparse(expr), context)
        named = self.reading.resolve(head, context.scope)
        if named is None:
            return self._unknown(ast.unparse(head), context)
        return self._named(named, args, context)

    def _constant(self, expr: ast.Constant, context: _Context) -> Alternatives:
        if expr.value is None:
            return [NULL]
        if isinstance(expr.value, str):
            try:
                return self._read(ast.parse(expr.value.strip(), mode="eval").body, context)
            except (SyntaxError, ValueError):
                return self._unknown(expr.value, context)
        return context.any()

    def _unknown(self, text: str, context: _Context) -> Alternatives:
        note = f"the annotation '{text}' could not be followed; any value is accepted"
        if note not in self.notes and context.leaf is None:
            self.notes.append(note)
        return context.any()

    def _named(self, named: Named, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        module = "typing" if named.module == "typing_extensions" else named.module
        qualified = f"{module}:{named.name}"
        if qualified in _SIMPLE and not (qualified == "dataclasses:InitVar" and args):
            return [_SIMPLE[qualified]]
        if module in _TYPING or qualified == "dataclasses:InitVar":
            handler = self._generic.get(named.name.lower())
            if handler is not None:
                return handler(args, context)
        if qualified in _BASES:
            return [slot(context.kind(_BASES[qualified]))]
        if qualified in _OPAQUE or (
            named.node is None and named.live is None and module.partition(".")[0] in NOT_OPENED
        ):
            return self._opaque(qualified, context)
        if named.live is not None and not isinstance(named.live, type):
            from runner.signature.live import annotation_of

            expr, scope = annotation_of(named.live, context.scope)
            return self._read(expr, replace(context, scope=scope))
        return self._defined(self.reading.defined(named), args, context)

    def _opaque(self, qualified: str, context: _Context) -> Alternatives:
        return context.any() if context.leaf else [opaque(qualified)]

    def _defined(self, named: Named, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        if isinstance(named.node, Value):
            return self._value(named, named.node, args, context)
        if isinstance(named.node, ast.ClassDef) or isinstance(named.live, type):
            return self._class(named, context)
        return self._unknown(named.name or named.module, context)

    def _class(self, named: Named, context: _Context) -> Alternatives:
        cls = self.classes.of(named)
        lineage = self.classes.lineage(cls)
        for qualified in lineage:
            if qualified in _BASES:
                return [slot(context.kind(_BASES[qualified]))]
        shape = self.shapes.of(cls, lineage)
        if shape is not None:
            return [shape]
        return self._opaque(cls.qualified, context)

    def _value(self, named: Named, value: Value, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        """A type alias, a type variable, a NewType, or a type that a call makes."""
        assert named.scope is not None
        if named.qualified in context.variables:
            return context.variables[named.qualified]
        inside = replace(context, scope=named.scope, aliases=context.aliases | {named.qualified})
        if named.qualified in context.aliases:
            return context.any()
        if value.expr is None:
            return self._read(value.annotation, inside) if value.annotation is not None else context.any()
        if isinstance(value.expr, ast.Call):
            return self._made(named, value.expr, inside)
        if isinstance(value.expr, ast.Constant) and value.expr.value is None:
            return self._unknown(named.name, context)  # `Thing = None` where an import failed
        if value.parameters:
            inside = replace(inside, scope=named.scope.inside(dict(value.parameters)))
        if args:
            given = [self._read(arg, context) for arg in args]
            names = self._variables(value.expr, inside.scope)
            inside = replace(inside, variables={**context.variables, **dict(zip(names, given, strict=False))})
        return self._read(value.expr, inside)

    def _made(self, named: Named, call: ast.Call, context: _Context) -> Alternatives:
        function = self.reading.resolve(call.func, context.scope)
        name = function.name if function is not None else ""
        if name == "NewType" and len(call.args) == 2:
            return self._read(call.args[1], context)
        if name == "TypeVar":
            bound = next((keyword.value for keyword in call.keywords if keyword.arg == "bound"), None)
            if bound is not None:
                return self._read(bound, context)
            return self._all(call.args[1:], context) if len(call.args) > 1 else context.any()
        if name == "TypeAliasType" and len(call.args) == 2:
            return self._read(call.args[1], context)
        if name == "TypedDict":
            shape = self.shapes.functional(call, context.scope)
            if shape is not None:
                return [shape]
        return self._unknown(named.name, context)

    def _variables(self, expr: ast.expr, scope: Scope) -> list[str]:
        """The type variables of a generic alias, in the order in which they appear."""
        found: dict[str, None] = {}
        for node in ast.walk(expr):
            if isinstance(node, ast.Name):
                named = self.reading.resolve(node, scope)
                if named is not None and isinstance(named.node, Value) and _is_variable(named.node):
                    found[named.qualified] = None
        return list(found)

    def _all(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        return [each for arg in args for each in self._read(arg, context)] or context.any()

    def _first(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        return self._read(args[0], context) if args else context.any()

    def _joined(self, expr: ast.expr, context: _Context) -> Fragment:
        return join(self._read(expr, context), self.notes)

    def _items(self, args: Sequence[ast.expr], context: _Context) -> Fragment:
        return self._joined(args[0], context) if args else join(context.any(), self.notes)

    def _array(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        return [array(self._items(args, context))]

    def _set(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        return [{**array(self._items(args, context)), "uniqueItems": True, "x-python": "builtins:set"}]

    def _tuple(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        if not args or (len(args) == 2 and isinstance(args[1], ast.Constant) and args[1].value is ...):
            return self._array(args, context)
        if isinstance(args[0], ast.Tuple):
            args = args[0].elts
        return [fixed_array([self._joined(arg, context) for arg in args])]

    def _object(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        values = self._joined(args[1], replace(context, leaf=None)) if len(args) == 2 else ANY
        if values == ANY and context.leaf:
            return [slot(context.leaf)]
        keys = self._joined(args[0], replace(context, leaf=None)) if args else ANY
        found = dict(OBJECT)
        if values != ANY:
            found["additionalProperties"] = values
        if "enum" in keys:
            found["propertyNames"] = {"enum": keys["enum"]}
        return [found]

    def _literal(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        values: list[Any] = []
        for arg in args:
            if isinstance(arg, (ast.Constant, ast.UnaryOp)):
                values.append(ast.literal_eval(arg))
                continue
            named = self.reading.resolve(arg, context.scope) if isinstance(arg, ast.Attribute) else None
            if named is not None and isinstance(named.node, Value) and isinstance(named.node.expr, ast.Constant):
                values += [named.node.expr.value, named.name.rpartition(".")[2]]  # an Enum's member, by value or name
            else:
                return self._read(arg, context)
        values = [value for number, value in enumerate(values) if not _is_in(value, values[:number])]
        return [{"enum": values}]

    def _annotated(self, args: Sequence[ast.expr], context: _Context) -> Alternatives:
        if not args:
            return context.any()
        kind = slot_of(args[1:], context.scope, self.reading)
        found = self._read(args[0], replace(context, leaf=kind or context.leaf))
        if kind is not None and not any("x-slot" in str(each) for each in found):
            found = [*found, slot(kind)]
        default = slot_default(args[1:], context.scope, self.reading)
        if default is not None:
            found = [{**each, "x-default-type": default} if "x-slot" in each else each for each in found]
        named = type_name_of(args[1:], context.scope, self.reading)
        if named is not None:
            found = [{**each, "x-type-name": named} if each == {"type": "string"} else each for each in found]
        return [apply_bounds(each, args[1:], context.scope, self.reading) for each in found]


def _is_in(value: object, values: Sequence[object]) -> bool:
    """Whether a value is among others, where True is not 1."""
    return any(type(value) is type(other) and value == other for other in values)


def _is_variable(value: Value) -> bool:
    if value.expr is None:
        return True
    func = value.expr.func if isinstance(value.expr, ast.Call) else None
    return isinstance(func, (ast.Name, ast.Attribute)) and ast.unparse(func).endswith("TypeVar")
