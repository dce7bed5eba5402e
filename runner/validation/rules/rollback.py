"""Hooks that go back to a checkpoint, and whether there will be one."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs, run_length
from runner.validation.rules.parts import Part, hooks, number

__all__ = ["nothing_to_go_back_to"]

_GUARDS = ("runner.hooks.nan_guard:NaNGuardHook", "runner.hooks.loss_spike:LossSpikeHook")
_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"


def nothing_to_go_back_to(context: Context) -> Iterator[Problem]:
    """A guard that goes back to the newest checkpoint in a run that saves none before its end, and goes on from none."""
    parts = list(hooks(context))
    guards = [part for part in parts if part.is_a(*_GUARDS) and part.value("policy") == "rollback"]
    if not guards or not context.has("train_cfg") or _resumes(context) or _may_save_unseen(context, parts):
        return
    savers = [part for part in parts if part.is_a(_CHECKPOINT)]
    if any(_saves(context, part) for part in savers):
        return
    found = "CheckpointHook saves none before the run's end" if savers else "no hook saves any"
    for part in guards:
        message = (
            f"rollback goes back to the newest checkpoint, and {found}; give CheckpointHook an interval in the unit that the "
            "run counts in, or the guard another policy"
        )
        yield context.problem("nothing-to-go-back-to", (*part.path, "policy"), message, at="value")


def _resumes(context: Context) -> bool:
    """Whether the run may begin with a checkpoint in its folder. Weights of `load_from` are none to go back to."""
    return context.doubtful(("resume",)) or context.data.get("resume") not in {None, False}


def _saves(context: Context, part: Part) -> bool:
    """Whether a hook saves checkpoints before the run's end, or may: what is not known may."""
    by_epoch, interval = part.value("by_epoch"), number(part, "interval")
    if part.value("interval_minutes") is not None or interval is None or not isinstance(by_epoch, bool):
        return True
    if interval < 1 or (by_epoch and counts_epochs(context) is False):
        return False
    length = run_length(context, epochs=by_epoch)
    return length is None or interval < length


def _may_save_unseen(context: Context, parts: list[Part]) -> bool:
    """Whether something that is not known here may save: a user's own hook, or one that could not be read."""
    custom = context.data.get("custom_hooks")
    listed = len(custom) if isinstance(custom, list | tuple) else 0
    unread = listed - sum(part.path[0] == "custom_hooks" for part in parts)
    foreign = any(not (part.signature.bases[:1] or ("",))[0].startswith("runner.hooks.") for part in parts)
    return bool(unread) or foreign or context.doubtful(("default_hooks", "checkpoint"))
