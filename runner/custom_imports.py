"""Run the files and packages that a config lists under `custom_imports`: the one place where a config's string is imported.

Commands that only read never come here; they read these files as text (`runner.signature.scan`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from runner.config import Config
from runner.errors import BuildError
from runner.kinds import KINDS
from runner.plugin import LOCAL, PROCESS_ENTRIES, Catalog, Entry, Registration

__all__ = ["run_custom_imports"]


def run_custom_imports(config: Config) -> list[str]:
    """Import what `custom_imports` lists, and take in what it registers and the classes that it names.

    A path is relative to the config file that names it, and lies in that file's folder or below. The folder goes to the
    end of `sys.path`, and the file is imported under its own name, so that its neighbours can import each other and a
    worker process, spawned ones too, finds its classes.

    Returns:
        What was imported, as the config names it.

    Raises:
        BuildError: A file is missing, lies elsewhere, or has the name of a module that is already imported; a class is
            not of the kind that it is listed as.
    """
    wanted = config.get("custom_imports") or {}
    names = wanted.get("imports") or []
    alone = isinstance(names, str)
    names = [names] if alone else names
    for number, name in enumerate(names):
        path = ("custom_imports", "imports", *(() if alone else (number,)))
        try:
            module = _import_file(name, config, path) if name.endswith(".py") else _import_package(name, config, path)
        except ImportError:
            if wanted.get("allow_failed_imports"):
                continue
            raise
        _register(module)
    return [*names, *_components(wanted.get("components") or {})]


def _components(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Offer the classes that are listed by kind and name; returns where they are."""
    from runner.build import load_entry

    targets: list[str] = []
    for kind, named in rows.items():
        catalog = Catalog()
        registration = Registration(catalog, plugin=LOCAL, distribution="")
        for name, target in named.items():
            registration.add(kind, name, target)
        for entry in catalog:
            base = KINDS[kind].base if KINDS[kind].is_torchs else None
            found, parent = load_entry(entry), load_entry(replace(entry, target=base)) if base else None
            if not (isinstance(found, type) and isinstance(parent, type) and issubclass(found, parent)):
                raise BuildError(
                    f"{entry.target} is no class that derives from {base or 'a class of torch'}, as what is listed here "
                    f"as a {kind} does; offer it from a plugin",
                    path=("custom_imports", "components", kind, entry.name),
                )
            _offer(replace(entry, obj=found))
            targets.append(entry.target)
    return targets


def _folder(config: Config, path: Sequence[str | int]) -> Path:
    """The folder of the file that names an import; of the config where no file does (an override, Python code)."""
    place = config.origin(".".join(map(str, path)))
    place = place and (place.via or place)
    file = place.file if place is not None and place.kind == "file" else config.filename
    return Path(file).resolve().parent if file else Path.cwd()


def _import_package(name: str, config: Config, path: Sequence[str | int]) -> ModuleType:
    """Import an installed package, or one that lies beside the config."""
    folder = _folder(config, path)
    beside = folder.joinpath(*name.split("."))
    if (beside.is_dir() or beside.with_suffix(".py").is_file()) and str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(name)


def _import_file(name: str, config: Config, path: Sequence[str | int]) -> ModuleType:
    folder = _folder(config, path)
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        raise BuildError(f"{name} lies outside {folder}, the folder of the config that names it", path=tuple(path))
    if not file.is_file():
        raise BuildError(f"there is no file {file}", path=tuple(path))
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    module = importlib.import_module(file.stem)
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != file:
        raise BuildError(
            f"the name '{file.stem}' already belongs to {found or 'a built-in module'}; rename {name}", path=tuple(path)
        )
    return module


def _register(module: ModuleType) -> None:
    register = getattr(module, "runner_register", None)
    if register is None:
        return
    catalog = Catalog()
    register(catalog=Registration(catalog, plugin=LOCAL, distribution=""))
    for entry in catalog:
        _offer(entry)


def _offer(entry: Entry) -> None:
    PROCESS_ENTRIES[:] = [
        other for other in PROCESS_ENTRIES if (other.registry, other.name) != (entry.registry, entry.name)
    ]
    PROCESS_ENTRIES.append(entry)
