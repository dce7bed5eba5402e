"""What can go wrong with data on a disk.

The tree::

    runner.errors.RunnerError
    └── DatasetError  data is missing or is not what its format promises (a RuntimeError, as torchvision's)
"""

from __future__ import annotations

from runner.errors import RunnerError

__all__ = ["DatasetError"]


class DatasetError(RunnerError, RuntimeError):
    """Data is missing, or is not what its format promises."""
