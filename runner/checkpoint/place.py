"""Where a checkpoint lies: a path, or an address on a remote store (`s3://bucket/run/epoch_1.pth`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

__all__ = ["Place", "Url", "is_remote", "place"]

_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Url:
    """An address on a remote store, whose parts are called as a path's are.

    Attributes:
        text: The address, without a slash at its end.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def protocol(self) -> str:
        """What stands before `://`."""
        return self.text.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part."""
        return self.text.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The last part's suffix, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Url:
        """The folder that it lies in; a bucket lies in none but itself."""
        start, _, rest = self.text.partition("://")
        return Url(f"{start}://{rest.rpartition('/')[0]}") if "/" in rest else self

    def __truediv__(self, other: str) -> Url:
        return Url(other) if is_remote(other) else Url(f"{self.text}/{other}")


Place: TypeAlias = Path | Url


def is_remote(text: str | os.PathLike[str] | Url) -> bool:
    """Whether a file lies elsewhere than in the file system."""
    return isinstance(text, Url) or ("://" in str(text) and not str(text).startswith(_FILE))


def place(text: str | os.PathLike[str] | Url) -> Place:
    """Return a path, or an address as such."""
    if isinstance(text, Url):
        return text
    return Url(str(text).rstrip("/")) if is_remote(text) else Path(str(text).removeprefix(_FILE))
