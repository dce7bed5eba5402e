"""Where hooks put files: the arguments of MMEngine's that say so, and what can't be yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from runner.errors import BuildError

if TYPE_CHECKING:
    from runner.fileio import BackendArgs

__all__ = ["LocalStore", "backend_args_of", "require_local"]

_LOCAL: Final = ("local", "disk")


class LocalStore(TypedDict, total=False):
    """Where checkpoints are written.

    Attributes:
        backend: The file system; `disk` is MMEngine's older word for it. Remote stores are not offered yet.
    """

    backend: Literal["local", "disk"]


def backend_args_of(
    owner: str, file_client_args: Mapping[str, Any] | None, backend_args: Mapping[str, Any] | None
) -> BackendArgs | None:
    """`backend_args`, also where they are given by MMEngine's older name.

    Args:
        owner: The hook, for the error.
        file_client_args: The older name.
        backend_args: The newer one.

    Raises:
        BuildError: Both are given.
    """
    if file_client_args is not None and backend_args is not None:
        raise BuildError(f"{owner}: file_client_args is the older name of backend_args; give one of them")
    given = file_client_args if backend_args is None else backend_args
    if given is None:
        return None
    found: Any = dict(given)
    if found.get("backend") == "disk":
        found["backend"] = "local"
    return found  # type: ignore[no-any-return]  # validated as such


def require_local(owner: str, out_dir: str | Path | None, backend_args: Mapping[str, Any] | None) -> None:
    """Refuse a place that is not in the file system.

    Raises:
        BuildError: It names the place, and what to do.
    """
    backend = (backend_args or {}).get("backend", "local")
    place = f"the backend '{backend}'" if backend not in _LOCAL else str(out_dir) if "://" in str(out_dir) else None
    if place is not None:
        raise BuildError(
            f"{owner}: checkpoints can't be written to {place} yet; give a local folder as out_dir, such as one where the "
            "store is mounted"
        )
