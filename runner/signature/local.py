"""What a file under `custom_imports` registers, read from its text: it is never run."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from runner.errors import Location, SignatureError
from runner.kinds import KINDS, kinds_of, registries
from runner.plugin import LOCAL, Entry
from runner.signature.bindings import Definition, Import
from runner.signature.classes import Classes
from runner.signature.defaults import evaluate
from runner.signature.modules import Module, Named, Reading, Scope
from runner.signature.record import UNKNOWN, LocalFile

__all__ = ["scan_file"]

_REGISTRIES = frozenset(registries())


def scan_file(file: Path) -> LocalFile:
    """List what a file and the neighbours that it imports register.

    Raises:
        SignatureError: It does not exist, or its text is no Python.
    """
    file = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow links, and the import does not
    if file.is_dir():
        file /= "__init__.py"
    package = file.stem == "__init__"
    folder = file.parent.parent if package else file.parent
    name = file.parent.name if package else file.stem
    reading = Reading([folder])
    module = reading.open(str(file), name)
    if module is None:
        raise SignatureError(reading.failures.get(name) or f"{file}: there is no such file")
    scanner = _Scanner(reading, folder)
    scanner.module(module)
    return LocalFile(
        file=file,
        module=name,
        folder=folder,
        entries=tuple(scanner.entries),
        files=tuple(Path(each) for each in reading.files if Path(each).is_relative_to(folder)),
        notes=tuple(scanner.notes),
        definitions=scanner.definitions,
    )


class _Scanner:
    def __init__(self, reading: Reading, folder: Path) -> None:
        self.reading = reading
        self.classes = Classes(reading)
        self.folder = folder
        self.entries: list[Entry] = []
        self.notes: list[str] = []
        self.definitions: dict[str, Path] = {}
        self._seen: set[str] = set()

    def module(self, module: Module) -> None:
        """List a module's registrations, those of the neighbours that it imports first, as they would happen."""
        if module.file in self._seen:
            return
        self._seen.add(module.file)
        for name in _imported(module):
            neighbour = self.reading.module(name) if self._is_near(name) else None
            if neighbour is not None:
                self.module(neighbour)
        scope = Scope(module)
        for node in _statements(module.tree.body):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                self.definitions[node.name] = Path(module.file)
                for decorator in node.decorator_list:
                    self._decorator(decorator, node, scope)
                if node.name == "runner_register" and isinstance(node, ast.FunctionDef):
                    self._register(node, scope)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._call(node.value, scope)

    def _is_near(self, name: str) -> bool:
        top = self.folder / name.partition(".")[0]
        return top.is_dir() or top.with_suffix(".py").is_file()

    def _registry(self, func: ast.expr, scope: Scope) -> str | None:
        """The registry whose `register_module` an expression names."""
        if not (isinstance(func, ast.Attribute) and func.attr == "register_module"):
            return None
        owner = func.value
        if isinstance(owner, ast.Name):
            for binding in scope.module.names.get(owner.id, ()):
                if isinstance(binding, Import) and binding.name in _REGISTRIES:
                    return binding.name
        name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        return name if name in _REGISTRIES else None

    def _decorator(self, decorator: ast.expr, node: Definition, scope: Scope) -> None:
        call = decorator if isinstance(decorator, ast.Call) else None
        registry = self._registry(call.func if call else decorator, scope)
        if registry is not None:
            self._add(registry, node.name, call, node, scope)

    def _call(self, call: ast.Call, scope: Scope) -> None:
        """`METRICS.register_module(name="X", module=X)`, and `METRICS.register_module("X")(X)`."""
        inner = call.func if isinstance(call.func, ast.Call) else None
        registry = self._registry(inner.func if inner else call.func, scope)
        if registry is None:
            return
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        module = (
            call.args[0] if inner and call.args else given.get("module", call.args[2] if len(call.args) > 2 else None)
        )
        named = self.reading.resolve(module, scope) if module is not None else None
        if named is None or not named.name or not isinstance(named.node, (ast.ClassDef, ast.FunctionDef)):
            self._note(call, scope, "which class it registers")
            return
        self._add(registry, named.name, inner or call, call, scope, named)

    def _add(
        self,
        registry: str,
        attribute: str,
        call: ast.Call | None,
        place: ast.stmt | ast.expr,
        scope: Scope,
        named: Named | None = None,
    ) -> None:
        given = {keyword.arg: keyword.value for keyword in call.keywords} if call else {}
        args = call.args if call else []
        name = evaluate(given.get("name", args[0] if args else ast.Constant(None)), scope, self.reading)
        force = evaluate(given.get("force", args[1] if len(args) > 1 else ast.Constant(False)), scope, self.reading)
        names = [name] if isinstance(name, str) else name if isinstance(name, (list, tuple)) else [attribute]
        if name is UNKNOWN:
            self._note(place, scope, "the name that it registers")
            return
        named = named or self.reading.find(f"{scope.module.name}:{attribute}")
        target = named.qualified if named is not None else f"{scope.module.name}:{attribute}"
        for each in names:
            self.entries.append(
                Entry(
                    kind=self._kind(registry, named),
                    name=each,
                    plugin=LOCAL,
                    target=target,
                    force=bool(force) and force is not UNKNOWN,
                    location=_location(scope.module, place),
                )
            )

    def _kind(self, registry: str, named: Named | None) -> str:
        """The kind whose base class it derives from, else the registry's first."""
        first, *others = kinds_of(registry)
        if others and named is not None and isinstance(named.node, ast.ClassDef):
            lineage = self.classes.lineage(self.classes.of(named))
            for kind in others:
                if kind.base in lineage:
                    return kind.name
        return first.name

    def _register(self, node: ast.FunctionDef, scope: Scope) -> None:
        """The literal calls in a `runner_register`."""
        catalog = node.args.args[0].arg if node.args.args else ""
        for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
            func = call.func
            if not (isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == catalog):
                continue
            names = ("kind", "name", "target") if func.attr == "add" else ("name", "target")
            given = {**dict(zip(names, call.args, strict=False)), **{k.arg: k.value for k in call.keywords if k.arg}}
            values = {key: evaluate(value, scope, self.reading) for key, value in given.items()}
            kind = values.get("kind", func.attr)
            if kind not in KINDS:
                self.notes.append(
                    f"{_location(scope.module, call)}: '{kind}' is no kind; the kinds are {', '.join(KINDS)}"
                )
            elif not isinstance(values.get("name"), str) or not isinstance(values.get("target"), str):
                self._note(call, scope, "the name and the target that it registers")
            else:
                schema = values.get("schema")
                self.entries.append(
                    Entry(
                        kind=kind,
                        name=values["name"],
                        plugin=LOCAL,
                        target=values["target"],
                        schema=schema if isinstance(schema, dict) else None,
                        location=_location(scope.module, call),
                    )
                )

    def _note(self, node: ast.stmt | ast.expr, scope: Scope, what: str) -> None:
        place = _location(scope.module, node)
        self.notes.append(f"{place}: {what} is known only when the file runs; write it as a literal to have it checked")


def _location(module: Module, node: ast.stmt | ast.expr) -> Location:
    return Location(file=module.file, line=node.lineno, column=node.col_offset + 1)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported."""
    for node in body:
        yield node
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))


def _imported(module: Module) -> list[str]:
    """The modules that importing it imports, in no certain order; a name may be a module too."""
    found: dict[str, None] = dict.fromkeys(module.stars)
    for names in module.names.values():
        for each in names:
            if isinstance(each, Import):
                found[each.module] = None
                if each.name is not None:
                    found[f"{each.module}.{each.name}"] = None
    return [name for name in found if name]
