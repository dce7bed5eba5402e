"""A checkpoint of a run that an exception ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from runner.errors import CheckpointError
from runner.file_names import stay_inside
from runner.hooks.hook import Hook
from runner.optim import OptimWrapperDict

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["ExceptionCheckpointHook"]


class ExceptionCheckpointHook(Hook):
    """Saves a checkpoint when the training ends in an exception, which then goes on its way.

    It stands after the last finished iteration, so `--resume` takes the one that failed again, with the same batch and the
    same random numbers. Batch norm's running statistics may have seen that batch already. There is none where the weights
    may have been changed by half (the exception came in or after the backward pass), where they are not finite, or where
    several processes train: only the one that failed knows of it.

    Args:
        filename_tmpl: The file's name in the work directory, with one `{}` for the iterations that are finished.
    """

    priority = "LOWEST"

    def __init__(self, filename_tmpl: str = "exception_iter_{}.pth") -> None:
        self.filename_tmpl = stay_inside("ExceptionCheckpointHook", "filename_tmpl", filename_tmpl)

    def on_exception(self, runner: Runner, exception: BaseException) -> None:
        """Save, where that is safe."""
        why_not = _why_not(runner)
        if why_not is not None:
            runner.logger.warning(f"no checkpoint of the exception: {why_not}")
            return
        # A hook that fails after a step does so before it is counted.
        finished = runner.iter + (runner.finishing == "iter")
        name = self.filename_tmpl.format(finished)
        try:
            runner.save_checkpoint(str(runner.store.folder), name)
        except CheckpointError as error:
            # The exception that ended the run is the one to be seen.
            runner.logger.warning(f"no checkpoint of the exception: {error}")
            return
        runner.logger.warning(
            f"{type(exception).__name__} after iteration {finished}; saved {runner.store.folder}/{name}"
        )


def _why_not(runner: Runner) -> str | None:
    if runner.world_size > 1:
        return "several processes train"
    if runner.optim_wrapper is None:
        return "the training had not begun"
    wrapper = runner.optim_wrapper
    counts = [each.inner_count for each in (wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper])]
    if runner.train_loop.in_step and runner.finishing is None and any(count != runner.iter for count in counts):
        return "it came in or after the backward pass, which may have changed the weights"
    if not all(torch.isfinite(value).all() for value in runner.unwrapped_model.parameters()):
        return "the weights are not finite"
    return None
