"""What hooks that guard a run share: they note something in each step, and look at it where it is safe to act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.hooks.actions import Actions, KeptBuffers
from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["GuardHook"]


class GuardHook(Hook):
    """Notes something in each step, and looks at it before anything is built on it: at the end of an epoch, and before a save.

    Subclasses say what is noted, and look in `_look`.

    Args:
        name: Of the file, and of the message hub's entry, that its actions are written to.
    """

    def __init__(self, name: str) -> None:
        self._done = Actions(name)
        self._buffers = KeptBuffers()
        self._left_out: set[int] = set()
        self._unread: list[tuple[int, Any]] = []
        self._handles: list[Any] = []

    @property
    def actions(self) -> list[dict[str, Any]]:
        """What was done so far."""
        return self._done.rows

    def before_train(self, runner: Runner) -> None:
        """Begin with nothing noted: another hook may have made the run go back."""
        self._release()
        self._buffers.forget()
        self._unread.clear()
        self._done.publish(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the end of an epoch."""
        self._look(runner)

    def before_save(self, runner: Runner) -> None:
        """Look before anything is saved; called on every rank."""
        self._look(runner)

    def after_train(self, runner: Runner) -> None:
        """Look once more, and let the optimizers be."""
        self._look(runner)
        self._release()

    def _release(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _look(self, runner: Runner) -> None:
        """Read what was noted since the last look, and act."""
        raise NotImplementedError
