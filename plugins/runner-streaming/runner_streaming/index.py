"""Counts the samples of shards, and writes that down beside them.

    python -m runner_streaming 'data/train-*.tar' --out data/train.json

The headers of every shard are read for it, once. The format is that of webdataset's index files: `shardlist` with `url`
and `nsamples`.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import sys
from collections.abc import Sequence

import fsspec  # type: ignore[import-untyped] # it has no type hints

from runner_streaming.records import count
from runner_streaming.shards import find

__all__ = ["main", "write_index"]


def write_index(shards: str | Sequence[str], out: str) -> int:
    """Write an index.

    Args:
        shards: As `TarShards` takes them.
        out: Where to; a path or a URL. Shards below its folder are named relative to it.

    Returns:
        How many samples there are.

    Raises:
        ShardError: A shard is missing or damaged.
    """
    folder = posixpath.dirname(out)
    below = f"{folder}/" if folder else ""
    entries, samples = [], 0
    for shard in find(shards):
        held = count(shard.url)
        samples += held
        entries.append({"url": shard.url.removeprefix(below), "nsamples": held})
    text = json.dumps({"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": entries}, indent=1)
    with fsspec.open(out, "wt", encoding="utf-8") as file:
        file.write(text + "\n")
    return samples


def main(arguments: Sequence[str] | None = None) -> None:
    """Count and write, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m runner_streaming", description=str(__doc__).partition("\n")[0])
    parser.add_argument("shards", nargs="+", help="paths or URLs of tar files; braces and wildcards in quotes")
    parser.add_argument("--out", required=True, help="where the index is written, beside the shards")
    given = parser.parse_args(arguments)
    samples = write_index(given.shards, given.out)
    sys.stdout.write(f"{given.out}: {samples} samples\n")
