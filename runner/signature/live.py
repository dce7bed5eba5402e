"""Classes and functions of this process: their text where there is one, else what `inspect.signature` tells."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from runner.errors import SignatureError
from runner.signature import cache
from runner.signature.bindings import bindings
from runner.signature.constructor import Argument, Arguments
from runner.signature.modules import Module, Named, Reading, Scope, module_of, parse
from runner.signature.reader import Reader, read_target
from runner.signature.record import UNKNOWN, Signature

__all__ = ["annotation_of", "named_of", "own_arguments", "read_object"]

_Definition = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def read_object(obj: Callable[..., Any]) -> Signature:
    """The record of a class or function of this process.

    Raises:
        SignatureError: It has neither a text nor a signature.
    """
    module, name = getattr(obj, "__module__", None) or "", getattr(obj, "__qualname__", type(obj).__qualname__)
    target = f"{module}:{name}"
    if module != "__main__" and _importable(obj, module, name):
        key = cache.make_key(target, ())
        found = cache.load(key)
        if found is None:
            try:
                found, reading = read_target(target)
            except SignatureError:
                return _read_live(obj, target)
            cache.store(key, found, reading.files, reading.roots)
        return found
    return _read_live(obj, target)


def _read_live(obj: Callable[..., Any], target: str) -> Signature:
    reading = Reading()
    reader = Reader(reading)
    if isinstance(obj, type):
        cls = reader.classes.of_live(obj)
        return reader.record(target, cls.named, reader.constructors.of_class(cls), cls)
    named = named_of(obj, reading)
    if named is not None:
        return reader.signature(named, target)
    try:
        arguments = _arguments(inspect.signature(obj), _scope_of(obj))
    except (ValueError, TypeError) as error:
        raise SignatureError(f"{target} has neither a source nor a signature: {error}") from error
    return reader.record(target, Named(module=target.partition(":")[0], name=target.partition(":")[2]), arguments, None)


def _importable(obj: object, module: str, name: str) -> bool:
    """Whether the object is what its module's name stands for, so that the module's file describes it."""
    if "<locals>" in name or module not in sys.modules:
        return False
    found: object = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is obj


def named_of(obj: Any, reading: Reading) -> Named | None:
    """The definition of a class or function of this process; None where there is no text."""
    name = getattr(obj, "__qualname__", "")
    if obj.__module__ != "__main__" and _importable(obj, obj.__module__, name):
        found = reading.find(f"{obj.__module__}:{name}")
        return found if found is not None and isinstance(found.node, _Definition) else None
    code = _code(obj)
    file = code.co_filename if code is not None else getattr(sys.modules.get(obj.__module__), "__file__", None)
    module = _module(file, obj.__module__, reading) if file else None
    if module is None:
        return None
    return _within(module, name, code.co_firstlineno if code is not None else 0, _globals(obj))


def _module(file: str, name: str, reading: Reading) -> Module | None:
    if os.path.isfile(file):  # noqa: PTH113 - a file's name as the interpreter gives it
        return reading.open(file, name)
    # A notebook's cell, and what a debugger or a doctest compiles.
    text = "".join(linecache.getlines(file))
    try:
        return module_of(parse(text, file), name, file) if text else None
    except SyntaxError:
        return None


def _code(obj: Any) -> types.CodeType | None:
    if isinstance(obj, type):
        functions = [
            each for each in vars(obj).values() if inspect.isfunction(each) and each.__module__ == obj.__module__
        ]
        return functions[0].__code__ if functions else None
    code = getattr(inspect.unwrap(obj), "__code__", None)
    return code if isinstance(code, types.CodeType) else None


def _globals(obj: Any) -> dict[str, object]:
    return dict(vars(sys.modules[obj.__module__])) if obj.__module__ in sys.modules else {}


def _scope_of(obj: Any) -> Scope:
    module = getattr(obj, "__module__", None) or "__main__"
    empty = Module(name=module, file="", tree=ast.Module([], []), package=module.rpartition(".")[0])
    return Scope(empty, live=_globals(obj) if hasattr(obj, "__module__") else {})


def _within(module: Module, name: str, line: int, live: dict[str, object]) -> Named | None:
    """Find a definition by its qualified name, inside functions too."""
    scope = Scope(module, live=live)
    body: list[ast.stmt] = module.tree.body
    node: ast.stmt | None = None
    for part in name.replace(".<locals>", "").split("."):
        if isinstance(node, _Definition):
            names, _, _ = bindings(node.body, module.package)
            scope = scope.inside(names)
        found = [each for each in _definitions(body) if each.name == part]
        if not found:
            return None
        around = [each for each in found if each.lineno <= line <= (each.end_lineno or each.lineno)]
        node = (around or found)[-1]
        body = node.body
    assert isinstance(node, _Definition)
    return Named(module.name, name, node, scope)


def _definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, _Definition):
            yield node
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _definitions(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from _definitions(handler.body)


def own_arguments(cls: type) -> Arguments | None:
    """The arguments of a class without text that has a constructor of its own."""
    own = vars(cls)
    method = own.get("__init__") or own.get("__new__")
    if method is None:
        return None
    try:
        signature = inspect.signature(getattr(method, "__func__", method))
    except (ValueError, TypeError):
        return Arguments().opened(f"{cls.__qualname__} has neither a source nor a signature; any argument is accepted.")
    parameters = list(signature.parameters.values())[1:]
    return _arguments(signature.replace(parameters=parameters), _scope_of(cls))


def _arguments(signature: inspect.Signature, scope: Scope) -> Arguments:
    found = Arguments()
    for each in signature.parameters.values():
        if each.kind is each.VAR_KEYWORD:
            found.opened(f"**{each.name} could not be followed; any argument is accepted.")
        elif each.kind is not each.VAR_POSITIONAL:
            annotation, inner = None, scope
            if each.annotation is not each.empty:
                annotation, inner = annotation_of(each.annotation, scope)
            required = each.default is each.empty
            found.add(
                Argument(
                    name=each.name,
                    annotation=annotation,
                    scope=inner,
                    required=required,
                    positional=each.kind is not each.KEYWORD_ONLY,
                    keyword=each.kind is not each.POSITIONAL_ONLY,
                    live=each.default if not required and _is_plain(each.default) else UNKNOWN,
                )
            )
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(each) for pair in value.items() for each in pair)
    return value is None or type(value) in {bool, int, float, complex, str, bytes}


def annotation_of(obj: Any, scope: Scope) -> tuple[ast.expr, Scope]:
    """An annotation that is an object, as the expression that would make it, and the scope that knows its names."""
    names: dict[str, object] = {"typing": typing}
    expr = _expression(obj, names)
    return expr, Scope(scope.module, scope.inner, {**(scope.live or {}), **names})


def _expression(obj: Any, names: dict[str, object]) -> ast.expr:  # noqa: C901, PLR0911 - one case after the other
    if obj is None or obj is type(None):
        return ast.Constant(None)
    if obj is ... or isinstance(obj, (bool, int, str, bytes)):
        return ast.Constant(obj)
    if isinstance(obj, typing.ForwardRef):
        return ast.Constant(obj.__forward_arg__)
    if isinstance(obj, typing.TypeVar):
        return _expression(obj.__bound__, names) if obj.__bound__ is not None else _typing("Any")
    if hasattr(obj, "__supertype__"):
        return _expression(obj.__supertype__, names)
    if isinstance(obj, (list, tuple)):
        return ast.Constant(...)
    origin = typing.get_origin(obj)
    if origin is None:
        special = getattr(obj, "_name", None) if getattr(obj, "__module__", "") == "typing" else None
        return _typing(special) if isinstance(special, str) else _known(obj, names)
    if hasattr(obj, "__metadata__"):
        parts = [_expression(obj.__origin__, names), *(_metadata(each, names) for each in obj.__metadata__)]
        return _subscript(_typing("Annotated"), parts)
    args = [_expression(each, names) for each in typing.get_args(obj)]
    if origin in {typing.Union, types.UnionType}:
        return _subscript(_typing("Union"), args)
    if origin is typing.Literal:
        return _subscript(_typing("Literal"), args)
    return _subscript(_known(origin, names), args)


def _metadata(obj: Any, names: dict[str, object]) -> ast.expr:
    fields = getattr(type(obj), "__dataclass_fields__", {})
    given = {name: getattr(obj, name) for name in fields if isinstance(getattr(obj, name), (str, int, float))}
    keywords = [ast.keyword(name, ast.Constant(value)) for name, value in given.items()]
    return ast.Call(_known(type(obj), names), [], keywords)


def _known(obj: object, names: dict[str, object]) -> ast.expr:
    """A name that stands for an object."""
    name = f"{getattr(obj, '__qualname__', type(obj).__qualname__)}"
    while not name.isidentifier() or (name in names and names[name] is not obj):
        name = f"_{name.rpartition('.')[2].strip('<>')}"
    names[name] = obj
    return ast.Name(name, ast.Load())


def _typing(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("typing", ast.Load()), name, ast.Load())


def _subscript(head: ast.expr, args: list[ast.expr]) -> ast.expr:
    inner = args[0] if len(args) == 1 else ast.Tuple(args, ast.Load())
    return ast.Subscript(head, inner, ast.Load())
