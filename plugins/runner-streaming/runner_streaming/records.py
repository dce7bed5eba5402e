"""Reading the samples of one shard, from any byte on."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Generator, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from webdataset.tariterators import base_plus_ext  # type: ignore[import-untyped] # it has no type hints

from runner_streaming.errors import ShardError
from runner_streaming.shards import open_shard

__all__ = ["Record", "count", "records", "records_at"]

_META = re.compile(r"__[^/]*__($|/)")


class Record(NamedTuple):
    """A sample as it stands in its shard.

    Attributes:
        key: The name that its files have in common.
        url: Of its shard.
        offset: The byte at which its first header begins.
        following: The byte at which the next sample begins; None where there is none.
        parts: The content of each of its files, by the file's extension.
    """

    key: str
    url: str
    offset: int
    following: int | None
    parts: dict[str, bytes]


def records(url: str, offset: int = 0, skip: int = 0) -> Generator[Record, None, None]:
    """The samples of a shard.

    Args:
        url: Of the shard.
        offset: The byte at which a sample begins.
        skip: Samples to pass over; their headers are read, their contents are not.

    Raises:
        ShardError: The shard is missing or damaged.
    """
    try:
        with open_shard(url) as file:
            yield from _records(file, url, offset, skip)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ShardError(f"{url}: can't be read as a tar file after byte {offset}: {error}") from error


def records_at(url: str, offsets: list[int]) -> list[Record]:
    """The samples that begin at these bytes, and nothing between them."""
    found = {}
    try:
        with open_shard(url) as file:
            for offset in sorted(offsets):
                found[offset] = next(_records(file, url, offset, 0))
    except (OSError, EOFError, tarfile.TarError, StopIteration) as error:
        raise ShardError(
            f"{url}: there is no sample at byte {offset}, where there was one when the run was saved ({error}); "
            "give the shards as they were, or begin a new epoch"
        ) from error
    return [found[offset] for offset in offsets]


def count(url: str) -> int:
    """How many samples a shard holds, by its headers.

    Raises:
        ShardError: The shard is missing or damaged.
    """
    try:
        with open_shard(url) as file:
            tar = _opened(file, 0)
            samples = sum(1 for _ in groupby(_members(tar), lambda member: member[0]))
            _require_end(file, tar, url)
            return samples
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ShardError(f"{url}: can't be read as a tar file: {error}") from error


def _records(file: Any, url: str, offset: int, skip: int) -> Iterator[Record]:
    tar = _opened(file, offset)
    key, begin, parts, number = None, offset, dict[str, bytes](), -1
    for name, extension, member in _members(tar):
        if name != key:
            if key is not None and number >= skip:
                yield Record(key, url, begin, member.offset, parts)
            key, begin, parts, number = name, member.offset, {}, number + 1
        if number < skip:
            continue
        if extension in parts:
            raise ShardError(f"{url}: {name}.{extension} is there twice")
        content = tar.extractfile(member)
        assert content is not None  # it is a regular file
        parts[extension] = content.read()
    _require_end(file, tar, url)
    if key is not None and number >= skip:
        yield Record(key, url, begin, None, parts)


def _opened(file: Any, offset: int) -> tarfile.TarFile:
    file.seek(offset)
    return tarfile.open(fileobj=file, mode="r:")


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """The files that belong to samples: their key, their extension in small letters, their header."""
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined] # typeshed lacks it: tarfile keeps every header
        if not member.isreg() or _META.match(member.name):
            continue
        key, extension = base_plus_ext(member.name)
        if key is not None:
            yield key, extension.lower(), member


def _require_end(file: Any, tar: tarfile.TarFile, url: str) -> None:
    """See that the shard ends as a tar file does: tarfile takes a damaged header for the end."""
    file.seek(tar.offset)  # where tarfile looked for the next header
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or block.strip(b"\0"):
        raise ShardError(
            f"{url}: damaged or cut off at byte {tar.offset}: "
            "there is neither a file nor the end of the archive; write the shard again"
        )
