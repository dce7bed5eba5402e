"""Where shards lie, and how many samples they hold."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Sequence
from typing import Any, NamedTuple

import braceexpand
import fsspec  # type: ignore[import-untyped] # it has no type hints

from runner_streaming.errors import ShardError

__all__ = ["Shard", "digest", "find", "open_shard"]

_COMPRESSION = {".tgz": "gzip", ".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}


class Shard(NamedTuple):
    """A tar file of samples.

    Attributes:
        url: A path, or a URL that fsspec reads.
        samples: How many it holds; None where no index says so.
    """

    url: str
    samples: int | None = None


def find(shards: str | Sequence[str]) -> list[Shard]:
    """List the shards that a config names.

    Args:
        shards: Paths or URLs; with braces (`{000..099}`) or wildcards (`*`), or of an index (`.json`).

    Raises:
        ShardError: There are none, or an index is none.
    """
    found: list[Shard] = []
    for pattern in [shards] if isinstance(shards, str) else shards:
        for url in braceexpand.braceexpand(pattern):
            if url.endswith(".json"):
                found += _of_index(url)
            elif "*" in url:
                found += [Shard(each) for each in _matching(url)]
            else:
                found.append(Shard(url))
    if not found:
        raise ShardError(f"{shards}: no shards there; give paths or URLs of tar files, or of their index")
    return found


def digest(shards: Sequence[Shard]) -> str:
    """What tells one list of shards from another, wherever they lie."""
    told = json.dumps([(posixpath.basename(shard.url), shard.samples) for shard in shards])
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def open_shard(url: str) -> Any:
    """A context that gives the shard as an open file in which one can go anywhere.

    Compressed ones are read from their beginning to get there.
    """
    compression = next((name for ending, name in _COMPRESSION.items() if url.endswith(ending)), None)
    try:
        return fsspec.open(url, "rb", compression=compression)
    except (ValueError, ImportError) as error:  # an unknown protocol, or one whose package is not installed
        raise ShardError(f"{url}: {error}; a shard is a path, or a URL that fsspec reads") from error


def _of_index(url: str) -> list[Shard]:
    """The shards that an index lists; their places are told relative to its own."""
    try:
        with fsspec.open(url, "rt", encoding="utf-8") as file:
            entries = json.load(file)["shardlist"]
        told = [(str(entry["url"]), int(entry["nsamples"])) for entry in entries]
    except (OSError, ImportError) as error:
        raise ShardError(f"{url}: the index can't be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(
            f"{url}: this is no index of shards ({type(error).__name__}: {error}); it is JSON with a 'shardlist' of "
            "'url' and 'nsamples': python -m runner_streaming writes one"
        ) from error
    folder = posixpath.dirname(url)
    return [Shard(each if "://" in each else posixpath.join(folder, each), samples) for each, samples in told]


def _matching(pattern: str) -> list[str]:
    system, path = fsspec.core.url_to_fs(pattern)
    found = sorted(system.glob(path))
    return found if "://" not in pattern else [system.unstrip_protocol(each) for each in found]
