"""The schema in a workspace: written once, named by configs or by the workspace's settings, refreshed when it is old."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.config import Composition, compose
from runner.config.find import find_configs
from runner.editor import settings
from runner.editor.fingerprint import comment, fingerprint, written
from runner.editor.modeline import schema_in, with_modeline
from runner.errors import RunnerError
from runner.plugin import Catalog, default_plugins
from runner.validation import fields
from runner.validation.bundle import bundle, require_schema
from runner.validation.local_code import LocalCode, read_local_code

__all__ = ["Written", "install", "refresh", "workspace"]

FOLDER = ".runner"
SHARED = "schema.json"
_ROOTS = (FOLDER, ".vscode", ".git", "pyproject.toml")
_RUNS = "work_dirs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file that an installation needs.

    Attributes:
        file: Where it lies.
        what: `schema`, `modeline` or `settings`.
        changed: Whether it was written now; it was as it should be otherwise.
    """

    file: Path
    what: str
    changed: bool


def workspace(path: Path) -> Path:
    """The folder that an editor opens: the nearest one above that looks like a project's.

    It holds `.runner`, `.vscode`, `.git` or `pyproject.toml`; the home directory is none. Without one, it is the folder
    itself, or the one that the file lies in.
    """
    start = _absolute(path) if path.is_dir() else _absolute(path).parent
    home = Path.home()
    for folder in (start, *start.parents):
        if folder == home:
            break
        if any((folder / name).exists() for name in _ROOTS):
            return folder
    return start


def install(path: Path) -> list[Written]:
    """Put the schema into a workspace, and name it in a config (a modeline) or, for a folder, in the settings.

    The schema lies in `.runner/schema.json` of the workspace. A config whose `custom_imports` add components has one of
    its own beside it, `.runner/PATH/OF/CONFIG.schema.json`, and always a modeline: settings know of no such thing.

    Args:
        path: A config, or a folder whose configs are meant.

    Returns:
        The files that it takes, the schema first.

    Raises:
        RunnerError: There is no config, a JSON file can hold no modeline, or the settings can't be changed safely.
    """
    if path.is_dir():
        return _install_folder(path)
    if not path.is_file():
        raise RunnerError(f"there is no file {path}; give a config or a folder")
    if path.suffix not in {".yaml", ".yml"}:
        raise RunnerError(f"{path}: only YAML has comments to put a modeline into; install its folder for settings")
    return list(_install_config(path, _local(_composed(path))))


def refresh(composition: Composition) -> list[Path]:
    """Bring the schemas up to date that were installed for a config; where none were, nothing happens.

    Args:
        composition: The config.

    Returns:
        The schemas that were out of date, and were written anew.

    Raises:
        OSError: One could not be written.
    """
    file = Path(composition.filename)
    root = workspace(file)
    old = []
    shared = root / FOLDER / SHARED
    if (mark := written(shared)) is not None and mark != _shared_mark():
        _write_schema(shared, LocalCode(catalog=default_plugins().catalog), _shared_mark())
        old.append(shared)
    named = schema_in(composition.sources.get(str(file), ""))
    own = _absolute(file.parent / named) if named and "://" not in named else None
    if own is not None and own != shared and (mark := written(own)) is not None:
        local = _local(composition)
        if mark != (now := fingerprint(local.catalog, local.folders)):
            _write_schema(own, local, now)
            old.append(own)
    return old


def _install_config(file: Path, local: LocalCode) -> Iterator[Written]:
    root = workspace(file)
    if local.folders:
        inside = _absolute(file).relative_to(root)
        schema = root / FOLDER / inside.with_name(f"{inside.stem}.schema.json")
    else:
        schema = root / FOLDER / SHARED
    yield _with_schema(schema, local)
    reference = Path(os.path.relpath(schema, _absolute(file).parent)).as_posix()
    text = _read(file)
    yield _write(file, "modeline", text, with_modeline(text, reference))


def _install_folder(folder: Path) -> list[Written]:
    root = workspace(folder)
    found = [
        Path(name)
        for name in find_configs([str(folder)], fields.names()).files
        if _RUNS not in Path(name).parts and Path(name).suffix != ".json"
    ]
    if not found:
        raise RunnerError(f"{folder}: no YAML file in it or below is a config; write one with `runner init`")
    done = [_with_schema(root / FOLDER / SHARED, LocalCode(catalog=default_plugins().catalog))]
    shared = []
    for file in found:
        local = _local(_composed(file))
        if local.folders:
            done += _install_config(file, local)
        else:
            shared.append(_absolute(file).relative_to(root))
    if shared:
        target = root / settings.FILE
        before = _read(target) if target.exists() else ""
        after = settings.with_schema(before, f"./{FOLDER}/{SHARED}", _patterns(folder, root, shared), target)
        done.append(_write(target, "settings", before, after))
    return done


def _patterns(folder: Path, root: Path, configs: Sequence[Path]) -> list[str]:
    """Which files have the schema: all YAML of the folder, or, of a whole workspace, of its folders that hold configs."""
    if _absolute(folder) != root:
        tops = [_absolute(folder).relative_to(root).as_posix()]
    else:
        tops = sorted({file.parts[0] for file in configs if len(file.parts) > 1})
    single = [file.as_posix() for file in configs if len(file.parts) == 1]
    return [f"{top}/**/*.{suffix}" for top in tops for suffix in ("yaml", "yml")] + single


def _absolute(path: Path) -> Path:
    """The path from the root on; links are not followed, since an editor does not follow them either."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute leaves `..` in it


def _composed(file: Path) -> Composition:
    return compose(file, find_package=default_plugins().bases)


def _local(composition: Composition) -> LocalCode:
    """What is on offer for a config; what is wrong with its own files is for `runner validate` to say."""
    return read_local_code(composition.data.get("custom_imports"), composition, default_plugins().catalog)


@functools.cache
def _mark(catalog: Catalog) -> str:
    return fingerprint(catalog)


def _shared_mark() -> str:
    return _mark(default_plugins().catalog)


def _with_schema(file: Path, local: LocalCode) -> Written:
    mark = fingerprint(local.catalog, local.folders)
    changed = written(file) != mark
    if changed:
        _write_schema(file, local, mark, sure=not any(entry.schema for entry in local.catalog))
    return Written(file=file, what="schema", changed=changed)


def _write_schema(file: Path, local: LocalCode, mark: str, *, sure: bool = True) -> None:
    schema = bundle(local.catalog, local.folders, comment=comment(mark))
    if not sure:
        require_schema(schema)
    file.parent.mkdir(parents=True, exist_ok=True)
    ignored = next(parent for parent in file.parents if parent.name == FOLDER) / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")  # it says what is installed here, which is another thing elsewhere
    _replace(file, json.dumps(schema) + "\n")


def _write(file: Path, what: str, before: str, after: str) -> Written:
    if before != after:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as stream:
            stream.write(after)
    return Written(file=file, what=what, changed=before != after)


def _read(file: Path) -> str:
    with file.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def _replace(file: Path, text: str) -> None:
    """Write a file so that an editor that reads it meanwhile sees the old one or the new one."""
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
