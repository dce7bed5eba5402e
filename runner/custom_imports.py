"""Run the files and packages that a config lists under `custom_imports`: the one place where a config's string is imported.

Commands that only read never come here; they read these files as text (`runner.signature.scan`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from runner.config import Config
from runner.errors import BuildError
from runner.plugin import LOCAL, PROCESS_ENTRIES, Catalog, Registration

__all__ = ["run_custom_imports"]


def run_custom_imports(config: Config) -> list[str]:
    """Import what `custom_imports` lists, and take in what it registers.

    A path is relative to the config file that names it, and lies in that file's folder or below. The folder goes to the
    end of `sys.path`, and the file is imported under its own name, so that its neighbours can import each other and a
    worker process, spawned ones too, finds its classes.

    Returns:
        What was imported, as the config names it.

    Raises:
        BuildError: A file is missing, lies elsewhere, or has the name of a module that is already imported.
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
    return list(names)


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
        PROCESS_ENTRIES[:] = [
            other for other in PROCESS_ENTRIES if (other.registry, other.name) != (entry.registry, entry.name)
        ]
        PROCESS_ENTRIES.append(entry)
