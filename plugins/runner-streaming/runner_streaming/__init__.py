"""Sharded streaming data, as a plugin of yaml-runner.

plugin.py    what is offered under which name; imports nothing heavy
dataset.py   TarShards: samples out of tar shards, with a position that can be saved
stream.py    one reader's way through its share of the shards, sample by sample
shares.py    which samples of which shards each reader takes
shards.py    where shards lie, and how many samples they hold
records.py   reading the samples of one shard, from any byte on
decoding.py  bytes to images, numbers and text
index.py     counts the samples of shards: python -m runner_streaming
errors.py    what can go wrong with shards
"""

from __future__ import annotations

__version__ = "0.1.0"
