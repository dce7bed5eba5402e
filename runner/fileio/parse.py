"""Text files of one item a line."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from typing import Any

from runner.errors import StorageError
from runner.fileio.backend import BackendArgs, PathLike
from runner.fileio.io import chosen, get_text

__all__ = ["dict_from_file", "list_from_file"]


def list_from_file(
    filename: PathLike,
    prefix: str = "",
    offset: int = 0,
    max_num: int = 0,
    encoding: str = "utf-8",
    file_client_args: dict[str, Any] | None = None,
    backend_args: BackendArgs | None = None,
) -> list[str]:
    """The lines of a text file.

    Args:
        filename: The file, local or behind a prefix such as `s3://`.
        prefix: What to put before each line.
        offset: How many lines to leave out at the start.
        max_num: How many lines to give; 0 for all.
        encoding: The text's encoding.
        file_client_args: MMEngine's older name for `backend_args`.
        backend_args: Where it comes from.
    """
    text = get_text(filename, encoding, chosen(file_client_args, backend_args))
    lines = itertools.islice(io.StringIO(text), offset, offset + max_num if max_num > 0 else None)
    return [prefix + line.rstrip("\n\r") for line in lines]


def dict_from_file(
    filename: PathLike,
    key_type: Callable[[str], Any] = str,
    encoding: str = "utf-8",
    file_client_args: dict[str, Any] | None = None,
    backend_args: BackendArgs | None = None,
) -> dict[Any, str | list[str]]:
    """A text file of columns as a mapping from the first column to the second, or to the list of the others.

    Args:
        filename: The file, local or behind a prefix such as `s3://`.
        key_type: What to make of the first column.
        encoding: The text's encoding.
        file_client_args: MMEngine's older name for `backend_args`.
        backend_args: Where it comes from.

    Raises:
        StorageError: A line has less than two columns.
    """
    mapping: dict[Any, str | list[str]] = {}
    text = get_text(filename, encoding, chosen(file_client_args, backend_args))
    for number, line in enumerate(io.StringIO(text), start=1):
        columns = line.split()
        if len(columns) < 2:
            raise StorageError(
                f"{filename}:{number}: the line has {len(columns)} columns; a key and a value are needed"
            )
        mapping[key_type(columns[0])] = columns[1] if len(columns) == 2 else columns[1:]
    return mapping
