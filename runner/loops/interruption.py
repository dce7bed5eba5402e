"""Going on with a training that an exception ended, as Ctrl-C does in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.dataset import DataLoader as KeyedDataLoader

if TYPE_CHECKING:
    from runner.loops.train import TrainLoop
    from runner.runner import Runner

__all__ = ["pick_up"]


def pick_up(runner: Runner) -> None:
    """Let counters, data and gradients agree again, so that the loop can be run once more.

    What was finished stays so, although some hooks of its end may not have been called. A step that was not finished is
    taken again, from its batch on and with the same random numbers; where the exception came after the optimizer had
    stepped, that batch is learnt from twice.

    Args:
        runner: Its training loop was ended by an exception; `finishing` and the loop's `in_step` tell where.
    """
    loop, finishing = runner.train_loop, runner.finishing
    runner.finishing = None
    is_redone = loop.in_step and finishing is None
    epoch = loop.epoch + (finishing == "epoch")
    iteration = loop.iter + (loop.in_step and finishing == "iter")
    is_validation_open = finishing is not None or (runner.val_loop is not None and runner.val_loop.is_measuring)
    loop.in_step = False
    if runner.val_loop is not None:
        runner.val_loop.is_measuring = False
    loader = loop.dataloader
    if isinstance(loader, KeyedDataLoader):
        is_over = finishing == "epoch" and loop.epochs_are_passes and epoch > loader.position.epoch
        for note in loader.load_state_dict(loader.state_dict(finished_epoch=is_over, pending=is_redone)):
            runner.logger.warning(note)
    elif loop.epochs_are_passes and iteration > epoch * len(loader):
        runner.logger.warning(f"epoch {epoch + 1} begins anew: its loader can't be put back to a batch")
        iteration = epoch * len(loader)
    loop.restore(epoch, iteration)
    if not is_validation_open:
        loop.skip_validation()
    _drop_gradients(runner, loop, is_redone=is_redone)
    runner.logger.warning(
        f"the training was interrupted after iteration {iteration}, and goes on with the next"
        f"{': the one that was under way is done again' if is_redone else ''}"
    )


def _drop_gradients(runner: Runner, loop: TrainLoop, *, is_redone: bool) -> None:
    """Forget what the step that is taken again may have added to the gradients, and to the count of losses."""
    wrapper = runner.optim_wrapper
    if not is_redone or wrapper is None:
        return
    for parameter in runner.unwrapped_model.parameters():
        parameter.grad = None
    state = wrapper.count_state()
    if type(state.get("inner_count")) is int and state["inner_count"] == loop.iter + 1:
        state["inner_count"] = loop.iter
    # Says so where gradients of earlier steps are missing now.
    wrapper.load_count_state(state)
