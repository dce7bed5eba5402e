"""What can go wrong with shards."""

from __future__ import annotations

from runner.errors import RunnerError

__all__ = ["ShardError"]


class ShardError(RunnerError, RuntimeError):
    """A shard is missing, damaged, or not what its index or its config says."""
