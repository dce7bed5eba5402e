"""What can go wrong with data on a disk.

The tree::

    runner.errors.RunnerError
    └── DatasetError           data is missing or is not what its format promises (a RuntimeError, as torchvision's)
        └── UnsafePickleError  a pickle names something else than plain arrays
"""

from __future__ import annotations

from runner.errors import RunnerError

__all__ = ["DatasetError", "UnsafePickleError"]


class DatasetError(RunnerError, RuntimeError):
    """Data is missing, or is not what its format promises."""


class UnsafePickleError(DatasetError):
    """A pickle names something else than plain arrays and containers, so it was not loaded."""
