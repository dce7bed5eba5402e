"""File formats: JSON, YAML, and pickles of plain data."""

from __future__ import annotations

import io
import json
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar

import numpy as np

from runner.fileio.backend import PathLike
from runner.fileio.plain_pickle import load_plain_pickle

__all__ = ["BaseFileHandler", "JsonHandler", "PickleHandler", "YamlHandler", "file_handlers", "register_handler"]

_T = TypeVar("_T", bound="type[BaseFileHandler]")


class BaseFileHandler(ABC):
    """Reads and writes one format.

    Attributes:
        str_like: Whether it works on text; otherwise on bytes.
    """

    str_like: ClassVar[bool] = True

    @abstractmethod
    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        """Read an open file."""

    @abstractmethod
    def dump_to_fileobj(self, obj: Any, file: Any, **kwargs: Any) -> None:
        """Write to an open file."""

    @abstractmethod
    def dump_to_str(self, obj: Any, **kwargs: Any) -> Any:
        """Write to a text, or to bytes where the format is one of bytes."""

    def load_from_path(self, filepath: PathLike, mode: str = "r", **kwargs: Any) -> Any:
        """Read a local file."""
        with Path(filepath).open(mode, encoding=None if "b" in mode else "utf-8") as file:
            return self.load_from_fileobj(file, **kwargs)

    def dump_to_path(self, obj: Any, filepath: PathLike, mode: str = "w", **kwargs: Any) -> None:
        """Write a local file."""
        with Path(filepath).open(mode, encoding=None if "b" in mode else "utf-8") as file:
            self.dump_to_fileobj(obj, file, **kwargs)


class JsonHandler(BaseFileHandler):
    """JSON; sets, ranges, and NumPy's arrays and numbers are written as lists and numbers."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """Read an open file."""
        return json.load(file, **kwargs)

    def dump_to_fileobj(self, obj: Any, file: IO[str], **kwargs: Any) -> None:
        """Write to an open file; `kwargs` are `json.dump`'s."""
        json.dump(obj, file, **{"default": _plain, **kwargs})

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        """Write to a text."""
        return json.dumps(obj, **{"default": _plain, **kwargs})


class YamlHandler(BaseFileHandler):
    """YAML 1.2, plain data only: a tag that would build an object is an error."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """Read an open file."""
        _refuse(kwargs, ())
        return _yaml().load(file)

    def dump_to_fileobj(self, obj: Any, file: IO[str], **kwargs: Any) -> None:
        """Write to an open file.

        Args:
            obj: Plain data; sets, ranges, and NumPy's arrays and numbers are written as lists and numbers.
            file: Where to.
            **kwargs: `sort_keys` (true by default), `default_flow_style`, `indent`, `width`, `allow_unicode`.
        """
        _refuse(kwargs, ("allow_unicode", "default_flow_style", "indent", "sort_keys", "width"))
        writer = _yaml()
        writer.sort_base_mapping_type_on_output = False  # they are sorted here, where a mix of types is no error
        writer.default_flow_style = kwargs.get("default_flow_style", False)
        writer.allow_unicode = kwargs.get("allow_unicode", True)
        if "indent" in kwargs:
            writer.indent = kwargs["indent"]
        if "width" in kwargs:
            writer.width = kwargs["width"]
        writer.dump(_sorted(obj, kwargs.get("sort_keys", True)), file)

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        """Write to a text."""
        text = io.StringIO()
        self.dump_to_fileobj(obj, text, **kwargs)
        return text.getvalue()


class PickleHandler(BaseFileHandler):
    """Pickles; only plain data and NumPy arrays are read back, and nothing is ever run."""

    str_like: ClassVar[bool] = False

    def load_from_fileobj(self, file: IO[bytes], **kwargs: Any) -> Any:
        """Read an open file.

        Args:
            file: Its bytes.
            **kwargs: `encoding`, for pickles of Python 2.

        Raises:
            StorageError: It asks for more than plain data and arrays.
        """
        _refuse(kwargs, ("encoding",))
        return load_plain_pickle(file, name=str(getattr(file, "name", "the pickle")), **kwargs)

    def load_from_path(self, filepath: PathLike, mode: str = "rb", **kwargs: Any) -> Any:
        """Read a local file."""
        return super().load_from_path(filepath, mode, **kwargs)

    def dump_to_fileobj(self, obj: Any, file: IO[bytes], **kwargs: Any) -> None:
        """Write to an open file; `kwargs` are `pickle.dump`'s, the protocol is 2 by default."""
        pickle.dump(obj, file, **{"protocol": 2, **kwargs})

    def dump_to_str(self, obj: Any, **kwargs: Any) -> bytes:
        """Write to bytes."""
        return pickle.dumps(obj, **{"protocol": 2, **kwargs})

    def dump_to_path(self, obj: Any, filepath: PathLike, mode: str = "wb", **kwargs: Any) -> None:
        """Write a local file."""
        super().dump_to_path(obj, filepath, mode, **kwargs)


def _yaml() -> Any:
    from ruamel.yaml import YAML

    # The parser in C reads YAML 1.1, where `no` is a truth value.
    return YAML(typ="safe", pure=True)


def _plain(obj: Any) -> Any:
    """What JSON has no word for, in words that it has."""
    if isinstance(obj, (set, frozenset, range)):
        return list(obj)
    if isinstance(obj, np.ndarray):
        return obj.tolist()
    if isinstance(obj, np.generic):
        return obj.item()
    raise TypeError(f"a {type(obj).__name__} can't be written; make plain data of it first")


def _sorted(obj: Any, sort_keys: bool) -> Any:
    """Plain data in the order of keys, which a mix of types has none of."""
    if isinstance(obj, dict):
        items = [(_sorted(key, sort_keys), _sorted(value, sort_keys)) for key, value in obj.items()]
        kinds = {str if isinstance(key, str) else type(key) for key, _ in items}
        return dict(sorted(items, key=lambda item: item[0]) if sort_keys and len(kinds) == 1 else items)
    if isinstance(obj, (list, tuple)):
        return [_sorted(value, sort_keys) for value in obj]
    if isinstance(obj, (set, frozenset, range, np.ndarray, np.generic)):
        return _sorted(_plain(obj), sort_keys)
    return obj


def _refuse(kwargs: dict[str, Any], allowed: Sequence[str]) -> None:
    for key in kwargs:
        if key not in allowed:
            known = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
            raise TypeError(f"'{key}' is no option of this format; {known}")


file_handlers: dict[str, BaseFileHandler] = {
    "json": JsonHandler(),
    "yaml": YamlHandler(),
    "yml": YamlHandler(),
    "pickle": PickleHandler(),
    "pkl": PickleHandler(),
}
"""The handlers by the endings of files."""


def register_handler(file_formats: str | list[str], **kwargs: Any) -> Callable[[_T], _T]:
    """A decorator that offers a handler of this process for the endings of files.

    Args:
        file_formats: An ending without its dot, or several.
        **kwargs: For the handler's constructor.
    """
    formats: Any = [file_formats] if isinstance(file_formats, str) else file_formats
    if not (isinstance(formats, list) and all(isinstance(each, str) for each in formats)):
        raise TypeError(f"register_handler: file_formats is {file_formats!r}; it must be a text or a list of texts")

    def decorate(cls: _T) -> _T:
        handler = cls(**kwargs)
        if not isinstance(handler, BaseFileHandler):
            raise TypeError(f"register_handler: {cls.__name__} must derive from BaseFileHandler")
        file_handlers.update(dict.fromkeys(formats, handler))
        return cls

    return decorate
