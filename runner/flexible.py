"""MMEngine's name for a Runner with a strategy."""

from __future__ import annotations

from typing import Any

from torch import nn

from runner.runner import Runner

__all__ = ["FlexibleRunner"]


class FlexibleRunner(Runner):
    """A `Runner`, which has a `strategy` itself; kept for configs and code that name this one.

    Args:
        model: What is trained.
        work_dir: Where checkpoints and logs go.
        launcher: Who started the processes of a distributed run; null infers it from the environment.
        **kwargs: As the Runner's.
    """

    def __init__(
        self,
        model: nn.Module | dict[str, Any],
        *,
        work_dir: str = "work_dirs",
        launcher: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, work_dir, launcher="infer" if launcher is None else launcher, **kwargs)
