"""What `custom_imports` names, files and classes: read as text, never run, and put beside the other components."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import Path as KeyPath
from runner.errors import Problem, RegistryError, RunnerError, Severity, SignatureError, dotted
from runner.kinds import KINDS
from runner.plugin import LOCAL, Catalog, Registration
from runner.signature import LocalFile, describe, scan
from runner.validation.suggest import nearest

if TYPE_CHECKING:
    from runner.config import Composition

__all__ = ["LocalCode", "read_local_code"]

_LISTED = frozenset(kind.name for kind in KINDS.values() if kind.is_torchs)
"""Kinds whose classes a config may name by where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCode:
    """What a config's own files add.

    Attributes:
        catalog: The catalog with their components; the given one where there are none.
        folders: Where the files lie, for reading classes that they import from each other.
        problems: What could not be found or read.
        definitions: The classes and functions in the files, registered or not, with the file of each.
    """

    catalog: Catalog
    folders: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    definitions: Mapping[str, Path] = field(default_factory=dict)


def read_local_code(section: Any, composed: Composition, catalog: Catalog) -> LocalCode:
    """Read the files that `custom_imports` names.

    Args:
        section: The field's value; anything but a mapping with `imports` is left to the field's schema.
        composed: The config, for the places of its values.
        catalog: What is on offer without them.
    """
    paths, rows = list(_imports(section)), list(_rows(section))
    if not paths and not rows:
        return LocalCode(catalog=catalog)
    severity: Severity = "warning" if section.get("allow_failed_imports") is True else "error"
    catalog = catalog.copy()
    read: list[LocalFile] = []
    problems: list[Problem] = []
    for place, name in paths:
        problems += _add(name, place, composed, catalog, read, severity)
    for place, target in rows:
        problems += _offer(target, place, composed, catalog)
    return LocalCode(
        catalog=catalog,
        folders=tuple(dict.fromkeys(local.folder for local in read)),
        problems=tuple(problems),
        definitions={name: file for local in read for name, file in local.definitions.items()},
    )


def _add(
    name: str, place: KeyPath, composed: Composition, catalog: Catalog, read: list[LocalFile], severity: Severity
) -> list[Problem]:
    """Put one import's components into the catalog, and what was read to the others; returns what is wrong with it."""
    folder = _folder(composed, place)
    try:
        file = _file(name, folder) if _is_path(name) else _module(name, folder)
        local = scan(file) if file is not None else None
        for entry in local.entries if local is not None else ():
            catalog.add(entry)
    except _UnusableError as error:
        return [_problem(error.code, place, str(error), composed, severity)]
    except (SignatureError, RegistryError) as error:
        return [_problem("component-unreadable", place, str(error), composed, severity)]
    if local is None:
        return []
    read.append(local)
    return [_problem("component-unreadable", place, note, composed, "warning") for note in local.notes]


def _offer(target: str, place: KeyPath, composed: Composition, catalog: Catalog) -> list[Problem]:
    """Put one class that is named by where it is into the catalog; returns what is wrong with it."""
    kind, name = KINDS[str(place[-2])], str(place[-1])
    offered = Catalog()
    try:
        Registration(offered, plugin=LOCAL, distribution="").add(kind.name, name, target)
        if kind.base not in describe(target).bases:
            message = (
                f"{target} is no class that derives from {kind.base}, as every {kind.name} does; offer it from a plugin, "
                "or from a file under custom_imports"
            )
            return [_problem("not-of-its-kind", place, message, composed, "error")]
        for entry in offered:
            catalog.add(entry)
    except (SignatureError, RegistryError) as error:
        return [_problem("component-unreadable", place, str(error), composed, "error")]
    return []


class _UnusableError(RunnerError):
    """An import that can't be followed."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def _imports(section: Any) -> Iterator[tuple[KeyPath, str]]:
    imports = section.get("imports") if isinstance(section, dict) else None
    place: KeyPath = ("custom_imports", "imports")
    if isinstance(imports, str):
        yield place, imports
    elif isinstance(imports, list):
        for index, name in enumerate(imports):
            if isinstance(name, str):
                yield (*place, index), name


def _rows(section: Any) -> Iterator[tuple[KeyPath, str]]:
    """The classes that are named by where they are; anything else is left to the field's schema."""
    components = section.get("components") if isinstance(section, dict) else None
    for kind, named in components.items() if isinstance(components, dict) else ():
        for name, target in named.items() if isinstance(named, dict) and kind in _LISTED else ():
            if isinstance(target, str):
                yield ("custom_imports", "components", kind, name), target


def _folder(composed: Composition, place: KeyPath) -> Path:
    """The folder of the file that names an import; of the config where no file does (an override, Python code)."""
    origin = composed.marks.value_at(place)
    origin = origin.via or origin
    return Path(origin.file if origin.kind == "file" else composed.filename).parent


def _is_path(name: str) -> bool:
    return name.endswith(".py") or "/" in name


def _file(name: str, folder: Path) -> Path:
    folder = folder.resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        raise _UnusableError(
            "import-outside", f"'{name}' lies outside {folder}; a config's files lie beside or below it"
        )
    if file.suffix != ".py" or not file.is_file():
        near = nearest(name.removeprefix("./"), (other.name for other in folder.glob("*.py")))
        hint = f"did you mean './{near}'?" if near else "write a file's path with its ending, relative to the config"
        raise _UnusableError("import-not-found", f"there is no file {file}; {hint}")
    return file


def _module(name: str, folder: Path) -> Path | None:
    """The source of an importable module, found by path: looking it up by its full name would import its parents."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise _UnusableError("import-not-found", f"'{name}' is no module's name; a file is written './{name}.py'")
    search: Sequence[str] = [*sys.path, str(folder.resolve())]
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, search)
        if spec is None:
            raise _UnusableError(
                "import-not-found",
                f"no module '{name}' is installed or lies in {folder.resolve()}; a file is written './{name}.py'",
            )
        search = list(spec.submodule_search_locations or ())
    # A namespace package or a compiled module has no text to read.
    source = spec.origin if spec is not None else None
    return Path(source) if source is not None and source.endswith(".py") else None


def _problem(code: str, place: KeyPath, message: str, composed: Composition, severity: Severity) -> Problem:
    origin = composed.marks.value_at(place)
    return Problem(code=code, path=dotted(place), message=message, severity=severity, origin=origin)
