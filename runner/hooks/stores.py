"""Where hooks put files: the arguments of MMEngine's that say so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.errors import BuildError

if TYPE_CHECKING:
    from runner.fileio import BackendArgs

__all__ = ["address_of", "backend_args_of"]

_LOCAL: Final = ("local", "disk")


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


def address_of(owner: str, out_dir: str | Path | None, backend_args: Mapping[str, Any] | None) -> str:
    """Where `out_dir` is, with the protocol that `backend_args.backend` may say in its place; "" for nowhere.

    Args:
        owner: The hook, for the error.
        out_dir: A folder, or an address.
        backend_args: What the driver needs.

    Raises:
        BuildError: They contradict each other.
    """
    backend = (backend_args or {}).get("backend")
    if out_dir is None:
        if backend_args and backend not in _LOCAL:
            raise BuildError(
                f"{owner}: backend_args are for out_dir, which is not given; give out_dir: s3://bucket/runs"
            )
        return ""
    text = str(out_dir)
    if "://" not in text:
        return text if backend is None or backend in _LOCAL else f"{backend}://{text.lstrip('/')}"
    if backend in _LOCAL and not text.startswith("file://"):
        raise BuildError(f"{owner}: out_dir is {text}, and backend_args.backend is '{backend}'; leave backend out")
    return text
