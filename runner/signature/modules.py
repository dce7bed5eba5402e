"""Modules as text: where a module's file lies, what its names are bound to, what stands behind a dotted name.

Only a top-level package is looked up with `importlib`, which imports nothing; below it files are found by path.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import gc
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from runner.signature.bindings import Binding, Bindings, Definition, Import, Value, bindings, type_parameters
from runner.signature.known import CANONICAL, MODULES, NOT_OPENED
from runner.signature.locate import Stamp, find_module, stamp, texts

__all__ = ["Module", "Named", "Reading", "Scope", "module_of", "parse", "without_collecting"]


@dataclass(slots=True)
class Module:
    """A module's text, parsed.

    Attributes:
        name: Its dotted name.
        file: Its file.
        tree: The parsed text.
        package: The dotted name that its relative imports start from.
        names: Its top-level names.
        stars: The modules whose names it imports with a star, the last first.
        docs: What is assigned to `NAME.__doc__`.
    """

    name: str
    file: str
    tree: ast.Module
    package: str
    names: Bindings = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    docs: dict[str, ast.expr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names are looked up: class and function bodies from the inside out, then the module, then live objects."""

    module: Module
    inner: tuple[Bindings, ...] = ()
    live: Mapping[str, object] | None = None

    def inside(self, names: Bindings) -> Scope:
        """The scope of a body within this one."""
        return Scope(self.module, (names, *self.inner), self.live)


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for.

    Attributes:
        module: The dotted name of the module that defines it.
        name: Its qualified name there; empty for a module.
        node: Its definition; None for a module and for what is known by its name alone.
        scope: Where the names in the definition are looked up.
        live: The object itself, where there is no text.
    """

    module: str
    name: str
    node: Definition | Value | None = None
    scope: Scope | None = None
    live: object = None

    @property
    def qualified(self) -> str:
        """`module:name`."""
        return f"{self.module}:{self.name}"


_PARSED: OrderedDict[tuple[str, str], tuple[Stamp, Module]] = OrderedDict()
_PARSED_LIMIT = 64


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Keep the garbage collector off: trees are many objects and no garbage, and walking them takes a fifth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def parse(text: bytes | str, file: str) -> ast.Module:
    """Parse a module's text.

    Raises:
        SyntaxError: It is no Python; its own message says where.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the target's string escapes
            return ast.parse(text, file)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(f"{type(error).__name__}: {error}", (file, 1, 1, "")) from error


def module_of(tree: ast.Module, name: str, file: str) -> Module:
    """Index a parsed module."""
    is_package = Path(file).stem == "__init__"
    package = name if is_package else name.rpartition(".")[0]
    names, stars, docs = bindings(tree.body, package)
    return Module(name=name, file=file, tree=tree, package=package, names=names, stars=stars, docs=docs)


class Reading:
    """One look at the sources, which remembers what it opened.

    Args:
        paths: Folders that come before `sys.path`.

    Attributes:
        files: The files that were opened, with their stamps.
        roots: Where each top-level package was found.
        failures: Modules that could not be parsed, and why.
    """

    def __init__(self, paths: Sequence[str | Path] = ()) -> None:
        self.paths = tuple(os.fspath(path) for path in paths)
        self.files: dict[str, Stamp] = {}
        self.roots: dict[str, list[str] | None] = {}
        self.failures: dict[str, str] = {}
        self._modules: dict[tuple[str, bool], Module | None] = {}
        self._following: set[tuple[str, str]] = set()

    def module(self, name: str, *, stub: bool = False) -> Module | None:
        """Open a module by its dotted name; None where it has no text."""
        key = (name, stub)
        if key not in self._modules:
            file = self._file(name, stub=stub)
            self._modules[key] = self.open(file, name) if file else None
        return self._modules[key]

    def open(self, file: str, name: str) -> Module | None:
        """Open a file as the module of that name."""
        now = stamp(file)
        if now is None:
            return None
        self.files[file] = now
        kept = _PARSED.get((file, name))
        if kept is not None and kept[0] == now:
            _PARSED.move_to_end((file, name))
            return kept[1]
        try:
            module = module_of(parse(Path(file).read_bytes(), file), name, file)
        except (SyntaxError, OSError) as error:
            self.failures[name] = f"{file}: {error}"
            return None
        _PARSED[file, name] = now, module
        while len(_PARSED) > _PARSED_LIMIT:
            _PARSED.popitem(last=False)
        return module

    def _file(self, name: str, *, stub: bool) -> str | None:
        for place in find_module(name, self.paths, self.roots) or ():
            for file in texts(place, stub=stub):
                if os.path.isfile(file):  # noqa: PTH113 - as in `locate`
                    return file
        return None

    def exists(self, name: str) -> bool:
        """Whether a module of that name has a file or a folder."""
        return find_module(name, self.paths, self.roots) is not None

    def lookup(self, module: str, name: str) -> Named | None:
        """Find what `from module import name` binds, through re-exports, star imports and stubs."""
        canonical = CANONICAL.get(f"{module}:{name}")
        if canonical is not None:
            module, _, name = canonical.partition(":")
            return Named(module, name)
        if f"{module}.{name}" in MODULES:
            return Named(f"{module}.{name}", "")
        if module.partition(".")[0] in NOT_OPENED:
            return Named(module, name)
        key = (module, name)
        if key in self._following:
            return None
        self._following.add(key)
        try:
            return self._lookup(module, name)
        finally:
            self._following.discard(key)

    def _lookup(self, module: str, name: str) -> Named | None:
        for stub in (False, True):
            opened = self.module(module, stub=stub)
            if opened is not None:
                found = self._within(opened, name)
                if found is not None:
                    return found
        if self.exists(f"{module}.{name}"):
            return Named(f"{module}.{name}", "")
        return None

    def _within(self, module: Module, name: str) -> Named | None:
        scope = Scope(module)
        for binding in module.names.get(name, ()):
            found = self.follow(binding, name, scope)
            if found is not None:
                return found
        if not name.startswith("_"):
            for star in module.stars:
                found = self.lookup(star, name)
                if found is not None:
                    return found
        return None

    def follow(self, binding: Binding, name: str, scope: Scope) -> Named | None:
        """Find the definition behind a binding."""
        if isinstance(binding, Import):
            if binding.name is None:
                return Named(binding.module, "")
            return self.lookup(binding.module, binding.name)
        if isinstance(binding, Value) and isinstance(binding.expr, (ast.Name, ast.Attribute)):
            found = self._alias(binding.expr, name, scope)
            if found is not None:
                return found
        return Named(scope.module.name, name, binding, scope)

    def _alias(self, expr: ast.Name | ast.Attribute, name: str, scope: Scope) -> Named | None:
        key = (f"{scope.module.name} (alias)", name)
        if key in self._following:
            return None
        self._following.add(key)
        try:
            return self.resolve(expr, scope)
        finally:
            self._following.discard(key)

    def resolve(self, expr: ast.expr, scope: Scope) -> Named | None:
        """Find what a dotted name in a text stands for; None where that cannot be known."""
        if isinstance(expr, ast.Name):
            return self._name(expr.id, scope)
        if not isinstance(expr, ast.Attribute):
            return None
        owner = self.resolve(expr.value, scope)
        return None if owner is None else self.attribute(owner, expr.attr)

    def _name(self, name: str, scope: Scope) -> Named | None:
        for names in scope.inner:
            for binding in names.get(name, ()):
                if name in BUILTINS and isinstance(binding, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    continue  # a class with a method `float` still means the type in its annotations
                found = self.follow(binding, name, scope)
                if found is not None:
                    return found
        found = self._within(scope.module, name)
        if found is None and scope.module.file.endswith(".py"):
            stub = self.module(scope.module.name, stub=True) if name not in BUILTINS else None
            found = self._within(stub, name) if stub else None
        if found is None and scope.live is not None and name in scope.live:
            return self._living(scope.live[name], name, scope)
        if found is None and name in BUILTINS:
            return Named("builtins", name)
        return found

    def _living(self, obj: object, name: str, scope: Scope) -> Named | None:
        """What an object of this process is called, and its text where that can be found by name."""
        if isinstance(obj, ModuleType):
            return Named(obj.__name__, "")
        module = getattr(obj, "__module__", None)
        qualname = getattr(obj, "__qualname__", None) or getattr(obj, "_name", None)
        findable = isinstance(obj, type) or module == "typing"
        if findable and isinstance(module, str) and module != "__main__" and str(qualname).isidentifier():
            found = self.lookup(module, str(qualname))
            if found is not None:
                return found
        return Named(scope.module.name, name, scope=scope, live=obj) if obj is not None else None

    def attribute(self, owner: Named, name: str) -> Named | None:
        """Find an attribute of a module or of a class."""
        if owner.live is not None and owner.scope is not None:
            return self._living(getattr(owner.live, name, None), f"{owner.name}.{name}", owner.scope)
        if not owner.name:
            return self.lookup(owner.module, name)
        owner = self.defined(owner)
        if not isinstance(owner.node, ast.ClassDef) or owner.scope is None:
            return None
        scope = self.body_scope(owner)
        for binding in scope.inner[0].get(name, ()):
            found = self.follow(binding, name, scope)
            if found is not None and found.node is binding:
                return Named(found.module, f"{owner.name}.{name}", found.node, found.scope)
            if found is not None:
                return found
        return None

    def body_scope(self, owner: Named) -> Scope:
        """The scope of the body of a class."""
        assert isinstance(owner.node, ast.ClassDef)
        assert owner.scope is not None
        names, _, _ = bindings(owner.node.body, owner.scope.module.package)
        return owner.scope.inside(type_parameters(owner.node)).inside(names)

    def defined(self, named: Named) -> Named:
        """The same with its definition, where it was known by name alone and its module has a text."""
        if named.node is not None or named.live is not None or not named.name:
            return named
        module = self.module(named.module)
        found = self._within(module, named.name) if module is not None and "." not in named.name else None
        if found is None or found == named:
            return named
        return found if found.node is not None else self.defined(found)

    def find(self, target: str) -> Named | None:
        """Find `package.module:Attribute.of`."""
        module, _, attribute = target.partition(":")
        found: Named | None = Named(module, "")
        for part in attribute.split("."):
            if found is None:
                return None
            found = self.attribute(found, part)
        return self.defined(found) if found is not None else None


BUILTINS = frozenset(dir(builtins))
