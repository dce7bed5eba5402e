"""Packages that not everyone has: looked for when what needs them is built, imported when it is first used."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, Literal

from runner.errors import RunnerError

__all__ = ["MissingPackage", "require"]

_NEEDED: Final = {
    "draw": ("matplotlib",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}


class MissingPackage(RunnerError):  # noqa: N818 - it says what is missing
    """An optional package is not installed."""


def require(extra: Literal["draw", "tensorboard", "wandb", "mlflow"], what: str) -> None:
    """See that an extra of ours is installed; imports nothing.

    Args:
        extra: The extra's name.
        what: What needs it, for the message.

    Raises:
        MissingPackage: It is not.
    """
    for package in _NEEDED[extra]:
        if find_spec(package) is None:
            raise MissingPackage(f"{what} needs {package}, which is not installed: pip install 'yaml-runner[{extra}]'")
