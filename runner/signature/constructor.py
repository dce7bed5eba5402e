"""The arguments of a constructor: its own, and those that come through `**kwargs` from the classes behind it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any

from runner.signature.bindings import Value, type_parameters
from runner.signature.bounds import type_name_in
from runner.signature.classes import Class, Classes, Field, FunctionNode
from runner.signature.handing import Handing, follow_arguments
from runner.signature.modules import Named, Reading, Scope
from runner.signature.record import UNKNOWN

__all__ = ["Argument", "Arguments", "Constructors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument as it is written.

    Attributes:
        name: Its keyword.
        annotation: Its annotation.
        default: Its default.
        scope: Where the names in both are looked up.
        required: Whether there is no default.
        positional: Whether it can be given by position.
        keyword: Whether it can be given by name.
        handed: The base class's argument that it is passed on to, unchanged.
        doc: What is written below a dataclass's field.
        live: Its default, where there is the object but no text.
    """

    name: str
    annotation: ast.expr | None = None
    default: ast.expr | None = None
    scope: Scope | None = None
    required: bool = True
    positional: bool = True
    keyword: bool = True
    handed: Argument | None = None
    doc: str = ""
    live: Any = UNKNOWN


@dataclass(slots=True)
class Arguments:
    """All arguments of a callable.

    Attributes:
        items: In order.
        open: Whether it may take others too.
        notes: Why.
        documented: The definitions that they come from, whose docstrings describe them.
    """

    items: list[Argument] = field(default_factory=list)
    open: bool = False
    notes: list[str] = field(default_factory=list)
    documented: list[tuple[ast.AST, Scope]] = field(default_factory=list)

    def add(self, argument: Argument) -> None:
        """Add one, unless there is one of that name."""
        if all(argument.name != other.name for other in self.items):
            self.items.append(argument)

    def opened(self, note: str) -> Arguments:
        """Mark it as taking more than is known."""
        self.open = True
        if note not in self.notes:
            self.notes.append(note)
        return self


class Constructors:
    """Finds the arguments of classes and functions.

    Args:
        reading: Where modules are opened.
        classes: Where classes are found.
    """

    def __init__(self, reading: Reading, classes: Classes) -> None:
        self.reading = reading
        self.classes = classes
        self._depth = 0

    def of_class(self, cls: Class) -> Arguments:
        """The arguments that a call of the class takes."""
        return self._from(self.classes.mro(cls), 0)

    def of_function(self, node: FunctionNode, scope: Scope) -> Arguments:
        """The arguments of a function."""
        return self._arguments(node, scope, None, 0, bound=0)

    def of_named(self, named: Named) -> Arguments:
        """The arguments of whatever a name stands for."""
        named = self.reading.defined(named)
        if isinstance(named.node, ast.ClassDef):
            return self.of_class(self.classes.of(named))
        if isinstance(named.node, (ast.FunctionDef, ast.AsyncFunctionDef)) and named.scope is not None:
            return self.of_function(named.node, named.scope)
        if isinstance(named.node, Value) and isinstance(named.node.expr, ast.Call) and named.scope is not None:
            found = self._partial(named.node.expr, named.scope)
            if found is not None:
                return found
        return Arguments().opened(f"{named.qualified} has no definition that can be read; any argument is accepted.")

    def _partial(self, call: ast.Call, scope: Scope) -> Arguments | None:
        """The arguments that `functools.partial(callable, …)` leaves."""
        function = self.reading.resolve(call.func, scope)
        if function is None or function.qualified != "functools:partial" or not call.args:
            return None
        inner = self.reading.resolve(call.args[0], scope)
        if inner is None:
            return None
        found = self.of_named(inner)
        taken = {each.name for each in _positional(found)[: len(call.args) - 1]}
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
        found.items = [
            replace(each, default=given[each.name], required=False, positional=False) if each.name in given else each
            for each in found.items
            if each.name not in taken
        ]
        return found

    def _from(self, mro: list[Class], start: int) -> Arguments:
        """The arguments that the constructor takes which is found from `start` on along the MRO."""
        for position in range(start, len(mro)):
            cls = mro[position]
            if not cls.known:
                name = cls.qualified.lstrip(":")
                return Arguments().opened(f"The base class {name} could not be read; any argument is accepted.")
            method = self._method(cls)
            if method is not None:
                arguments = self._arguments(*method, mro, position, bound=1)
                assert cls.node is not None
                arguments.documented.insert(0, (cls.node, cls.named.scope or method[1]))
                return arguments
            generated = self.classes.generated(cls)
            if generated is not None:
                return self._fields(mro, position, generated)
            if cls.node is None and cls.live is not None:
                from runner.signature.live import own_arguments

                found = own_arguments(cls.live)
                if found is not None:
                    return found
        return Arguments()

    def _method(self, cls: Class) -> tuple[FunctionNode, Scope] | None:
        new, init = self.classes.method(cls, "__new__"), self.classes.method(cls, "__init__")
        if new is None or (init is not None and _takes_anything(new[0])):
            return init
        return None if init is None and _takes_anything(new[0]) and not _hands_on(new[0]) else new

    def _arguments(
        self, node: FunctionNode, scope: Scope, mro: list[Class] | None, position: int, *, bound: int
    ) -> Arguments:
        """A function's own arguments and those that its `**kwargs` stand for."""
        scope = scope.inside(type_parameters(node))
        own = Arguments(_own(node, scope, bound), documented=[(node, scope)])
        handing = follow_arguments(node)
        self._depth += 1
        try:
            targets = self._targets(node, handing, scope, mro, position)
        finally:
            self._depth -= 1
        own.items = [_handed(each, handing, targets) for each in own.items]
        if node.args.kwarg is not None:
            self._keywords(own, node, handing, targets, scope)
        return own

    def _targets(
        self, node: FunctionNode, handing: Handing, scope: Scope, mro: list[Class] | None, position: int
    ) -> list[tuple[ast.Call, Arguments]]:
        """The calls that arguments are handed to, each with what it takes."""
        if self._depth > 12:
            return []
        found = []
        needed = node.args.kwarg is not None or any(map(_is_vague, _all_arguments(node)))
        for call in handing.supers if needed and mro is not None else ():
            assert mro is not None
            arguments = self._super(call, mro, position, scope)
            if arguments is not None:
                found.append((call, arguments))
        found += [(call, self._callee(call, scope, mro)) for call in handing.calls]
        return found

    def _super(self, call: ast.Call, mro: list[Class], position: int, scope: Scope) -> Arguments | None:
        assert isinstance(call.func, ast.Attribute)
        owner = call.func.value
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super":
            start = position + 1
            if owner.args:
                named = self.reading.resolve(owner.args[0], scope)
                start = next((n + 1 for n, cls in enumerate(mro) if named and cls.qualified == named.qualified), start)
            return self._from(mro, start)
        named = self.reading.resolve(owner, scope)
        if named is None or not call.args:
            return None
        start = next((n for n, cls in enumerate(mro) if cls.qualified == self.reading.defined(named).qualified), -1)
        return self._from(mro, start) if start >= 0 else None

    def _callee(self, call: ast.Call, scope: Scope, mro: list[Class] | None) -> Arguments:
        text = ast.unparse(call.func)
        if mro is not None and _is_own_method(call.func):
            for cls in mro:
                method = self.classes.method(cls, _last_name(call.func))
                if method is not None:
                    return self._arguments(*method, mro, mro.index(cls), bound=0 if _is_static(method[0]) else 1)
        named = self.reading.resolve(call.func, scope)
        if named is None or not named.name or named.module == "builtins":
            return Arguments().opened(
                f"**kwargs go to {text}(), which could not be followed; any argument is accepted."
            )
        return self.of_named(named)

    def _keywords(
        self,
        own: Arguments,
        node: FunctionNode,
        handing: Handing,
        targets: list[tuple[ast.Call, Arguments]],
        scope: Scope,
    ) -> None:
        """Add what `**kwargs` stand for."""
        assert node.args.kwarg is not None
        name = node.args.kwarg.arg
        for field_ in self._unpacked(node.args.kwarg.annotation, scope):
            own.add(field_)
        if own.items and any(True for _ in self._unpacked(node.args.kwarg.annotation, scope)):
            return
        naming = next((each for each in own.items if self._names_type(each)), None)
        if naming is not None:
            own.notes.append(f"Further arguments are those of the component that '{naming.name}' names.")
            return
        for key in handing.keys.values():
            if key.name not in {each.name for _, target in targets for each in target.items} or not key.passed:
                required = key.default is None and key.name not in handing.tested
                own.add(Argument(name=key.name, default=key.default, scope=scope, required=required, positional=False))
        for call, target in targets:
            if any(keyword.arg is None and _names(keyword.value, name) for keyword in call.keywords):
                self._inherit(own, call, target, handing, node)
        if handing.loose:
            own.opened(
                f"{node.name}() passes **{name} on in a way that could not be followed; any argument is accepted."
            )
        elif not handing.used:
            own.opened(f"{node.name}() accepts any argument under **{name}, and does not use it.")

    def _names_type(self, argument: Argument) -> bool:
        """Whether an argument names a component whose arguments `**kwargs` are."""
        scope = argument.scope
        return scope is not None and type_name_in(argument.annotation, scope, self.reading) is not None

    def _unpacked(self, annotation: ast.expr | None, scope: Scope) -> list[Argument]:
        """The keys of `**kwargs: Unpack[TypedDict]`."""
        if not isinstance(annotation, ast.Subscript) or not ast.unparse(annotation.value).endswith("Unpack"):
            return []
        named = self.reading.resolve(annotation.slice, scope)
        if named is None:
            return []
        found: list[Argument] = []
        for cls in reversed(self.classes.mro(self.classes.of(named))):
            total = cls.keyword("total", default=True)
            for each in cls.fields():
                text = ast.unparse(each.annotation)
                required = ("NotRequired[" not in text) if total else text.split("[")[0].endswith("Required")
                argument = Argument(
                    name=each.name,
                    annotation=each.annotation,
                    scope=cls.scope,
                    required=required,
                    positional=False,
                    doc=each.doc,
                )
                found = [other for other in found if other.name != each.name] + [argument]
        return found

    def _inherit(self, own: Arguments, call: ast.Call, target: Arguments, handing: Handing, node: FunctionNode) -> None:
        skip = 1 if _is_unbound_call(call) else 0
        args = call.args[skip:]
        starred = next((n for n, arg in enumerate(args) if isinstance(arg, ast.Starred)), None)
        positional = _positional(target)
        taken = {each.name for each in positional[: len(args) if starred is None else starred]}
        taken |= {keyword.arg for keyword in call.keywords if keyword.arg is not None}
        taken |= handing.bound | {key.name for key in handing.keys.values() if not key.passed}
        for each in target.items:
            if each.name in taken and self._names_type(each):
                own.opened(f"{node.name}() sets {each.name} itself; any argument is accepted.")
            if each.name in taken or not each.keyword:
                continue
            default = handing.keys.get(each.name)
            if default is not None and default.default is not None and each.required:
                each = replace(each, default=default.default, scope=each.scope, required=False)
            own.add(replace(each, positional=each.positional and starred is not None and node.args.vararg is not None))
        own.documented += target.documented
        for note in target.notes:
            if target.open:
                own.opened(note)
            else:
                own.notes.append(note)

    def _fields(self, mro: list[Class], position: int, generated: str) -> Arguments:
        """The arguments of a generated constructor: the fields of all its bases, the last class's first."""
        found: dict[str, Argument] = {}
        arguments = Arguments()
        for cls in reversed(mro[position:]):
            if cls.node is None or (cls is not mro[position] and self.classes.generated(cls) is None):
                continue
            arguments.documented.insert(0, (cls.node, cls.named.scope or Scope(_module(cls))))
            keyword_only = self.classes.kw_only(cls)
            for each in cls.fields():
                if ast.unparse(each.annotation).split(".")[-1] == "KW_ONLY":
                    keyword_only = True
                    continue
                argument = self._field(each, cls, generated, keyword_only=keyword_only)
                if argument is not None:
                    found[argument.name] = argument
                elif not ast.unparse(each.annotation).split("[")[0].endswith("ClassVar"):
                    found.pop(each.name, None)
        arguments.items = list(found.values())
        return arguments

    def _field(self, each: Field, cls: Class, generated: str, *, keyword_only: bool) -> Argument | None:
        head = ast.unparse(each.annotation).split("[")[0].split(".")[-1]
        if head in {"ClassVar", "'ClassVar"}:
            return None
        assert cls.scope is not None
        name = each.name.lstrip("_") if generated == "attrs" else each.name
        value, required = each.value, each.value is None
        doc = each.doc
        if isinstance(value, ast.Call) and _last_name(value.func) in {"field", "ib", "attrib"}:
            options = {keyword.arg: keyword.value for keyword in value.keywords}
            if _is_constant(options.get("init"), False):
                return None
            keyword_only = keyword_only or _is_constant(options.get("kw_only"), True)
            factory = options.get("default_factory", options.get("factory"))
            # `default_factory=list` makes what `list()` is; any other factory is no literal.
            value = options.get("default", ast.Call(factory, [], []) if factory is not None else None)
            required = value is None
        return Argument(
            name=name,
            annotation=each.annotation,
            default=value,
            scope=cls.scope,
            required=required,
            positional=not keyword_only,
            doc=doc,
        )


def _module(cls: Class) -> Any:
    assert cls.scope is not None
    return cls.scope.module


def _own(node: FunctionNode, scope: Scope, bound: int) -> list[Argument]:
    """The arguments of the definition itself, `self` left out."""
    if bound and _is_static(node) and node.name != "__new__":
        bound = 0
    names = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [*[None] * (len(names) - len(node.args.defaults)), *node.args.defaults]
    found = [
        Argument(
            name=arg.arg,
            annotation=arg.annotation,
            default=default,
            scope=scope,
            required=default is None,
            keyword=arg not in node.args.posonlyargs,
        )
        for arg, default in list(zip(names, defaults, strict=True))[bound:]
    ]
    found += [
        Argument(
            name=arg.arg,
            annotation=arg.annotation,
            default=default,
            scope=scope,
            required=default is None,
            positional=False,
        )
        for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    ]
    return found


def _all_arguments(node: FunctionNode) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args[1:], *node.args.kwonlyargs]


def _is_vague(arg: ast.arg) -> bool:
    """Whether an annotation says so little that the base class's may say more."""
    if arg.annotation is None:
        return True
    text = ast.unparse(arg.annotation)
    return any(word in text for word in ("dict", "Dict", "Mapping", "Any", "Config"))


def _handed(argument: Argument, handing: Handing, targets: list[tuple[ast.Call, Arguments]]) -> Argument:
    """The argument with the base class's one that it is passed to as it came."""
    if argument.name in handing.assigned:
        return argument
    for call, target in targets:
        if call not in handing.supers:
            continue
        by_name = next((k.arg for k in call.keywords if k.arg is not None and _names(k.value, argument.name)), None)
        args = call.args[1 if _is_unbound_call(call) else 0 :]
        place = next((n for n, arg in enumerate(args) if _names(arg, argument.name)), None)
        if by_name is None and place is not None and not any(isinstance(arg, ast.Starred) for arg in args[:place]):
            positional = _positional(target)
            by_name = positional[place].name if place < len(positional) else None
        for each in target.items:
            if each.name == by_name:
                return replace(argument, handed=each)
    return argument


def _positional(arguments: Arguments) -> list[Argument]:
    return [each for each in arguments.items if each.positional]


def _names(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def _last_name(expr: ast.expr) -> str:
    return expr.attr if isinstance(expr, ast.Attribute) else expr.id if isinstance(expr, ast.Name) else ""


def _is_own_method(func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and _last_name(func.value) in {"self", "cls"}


def _is_constant(expr: ast.expr | None, value: object) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is value


def _is_static(node: FunctionNode) -> bool:
    return any(_names(decorator, "staticmethod") for decorator in node.decorator_list)


def _is_unbound_call(call: ast.Call) -> bool:
    """Whether it is `Base.__init__(self, …)`, whose first argument is the instance."""
    func = call.func
    is_constructor = isinstance(func, ast.Attribute) and func.attr in {"__init__", "__new__"}
    if not is_constructor:
        return False
    assert isinstance(func, ast.Attribute)
    by_super = isinstance(func.value, ast.Call) and _last_name(func.value.func) == "super"
    return not by_super or func.attr == "__new__"


def _takes_anything(node: FunctionNode) -> bool:
    """Whether it names no argument of its own: `def __new__(cls, *args, **kwargs)`."""
    args = node.args
    return len(args.posonlyargs) + len(args.args) <= 1 and not args.kwonlyargs and bool(args.kwarg or args.vararg)


def _hands_on(node: FunctionNode) -> bool:
    handing = follow_arguments(node)
    return any(any(keyword.arg is None for keyword in call.keywords) for call in (*handing.supers, *handing.calls))
