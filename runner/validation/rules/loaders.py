"""Data loaders: arguments that exclude each other, and samplers that fit the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Problem
from runner.signature import UNKNOWN
from runner.validation.fields import load
from runner.validation.mistake import shown
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs
from runner.validation.rules.parts import part_at, value_at

__all__ = [
    "batch_sampler_overrides",
    "called_with",
    "endless_sampler",
    "no_batches",
    "order_of_its_own",
    "workers_needed",
]

_LOADERS = {"train_dataloader": "train_cfg", "val_dataloader": "val_cfg", "test_dataloader": "test_cfg"}
_LOOPS = {"val_cfg": "runner.loops.evaluation:ValLoop", "test_cfg": "runner.loops.evaluation:TestLoop"}
_ITERABLE = "torch.utils.data.dataset:IterableDataset"
_OF_WORKERS = {"persistent_workers": True, "prefetch_factor": None, "multiprocessing_context": None}
"""What torch refuses without workers; where a value is named here, only that one."""


def workers_needed(context: Context) -> Iterator[Problem]:
    """Options of worker processes where there are none."""
    for loader in _LOADERS:
        if _argument(context, loader, "num_workers") != 0:
            continue
        for name, refused in _OF_WORKERS.items():
            value = value_at(context, (loader, name))
            if value is UNKNOWN or value is None or (refused is not None and value is not refused):
                continue
            message = f"{shown(value)} is for worker processes, and num_workers is 0; give num_workers, or remove it"
            yield context.problem("workers-needed", (loader, name), message)


def batch_sampler_overrides(context: Context) -> Iterator[Problem]:
    """`drop_last` of a loader whose batches are made by a batch sampler; `sampler` and `batch_size` are handed to it."""
    for loader in _LOADERS:
        batches = part_at(context, "batch_sampler", (loader, "batch_sampler"))
        if batches is None or value_at(context, (loader, "drop_last")) is not True:
            continue
        remedy = "give drop_last to the batch sampler" if batches.takes("drop_last") else "remove it"
        message = f"the batch_sampler decides which batches there are, and torch refuses this beside it; {remedy}"
        yield context.problem("batch-sampler-overrides", (loader, "drop_last"), message)


def order_of_its_own(context: Context) -> Iterator[Problem]:
    """What chooses samples by their index, beside a data set that gives them one after the other."""
    for loader in _LOADERS:
        dataset = part_at(context, "dataset", (loader, "dataset"))
        if dataset is None or not dataset.is_a(_ITERABLE):
            continue
        for name in ("sampler", "batch_sampler", "num_batch_per_epoch"):
            if value_at(context, (loader, name)) in (UNKNOWN, None):
                continue
            remedy = "write `sampler: null`" if name == "sampler" else "remove it"
            message = (
                f"'{dataset.name}' is iterable: its samples come in an order of its own, without an index; {remedy}"
            )
            yield context.problem("iterable-dataset", (loader, name), message)


def no_batches(context: Context) -> Iterator[Problem]:
    """Options about batches of a loader that makes none."""
    for loader in _LOADERS:
        if _argument(context, loader, "batch_size") is not None:
            continue
        for name, value in (("drop_last", True), ("batch_sampler", None)):
            given = value_at(context, (loader, name))
            if given is UNKNOWN or given is None or (value is not None and given is not value):
                continue
            message = (
                "`batch_size: null` hands on single samples, and this is about batches; give a batch_size, or remove it"
            )
            yield context.problem("no-batches", (loader, name), message)


def called_with(context: Context) -> Iterator[Problem]:
    """The batch, or the worker's number, that the loader itself calls a function with."""
    for loader in _LOADERS:
        for name in ("collate_fn", "worker_init_fn"):
            function = part_at(context, "function", (loader, name))
            if function is None or function.signature.bases or not function.signature.parameters:
                continue  # an object that is called has its constructor's arguments
            first = function.signature.parameters[0].name
            if function.given(first):
                message = f"the loader calls '{function.name}' with this argument itself; remove it"
                yield context.problem("injected-argument", (*function.path, first), message)


def endless_sampler(context: Context) -> Iterator[Problem]:
    """A sampler without an end, in a loop that goes through the data to its end."""
    for loader, loop in _LOADERS.items():
        sampler = part_at(context, "sampler", (loader, "sampler"))
        if sampler is None or not _ends_with_the_data(context, loop):
            continue
        if _argument(context, loader, "batch_sampler") is not None:
            continue  # which may end where it likes
        endless = sampler.attributes("endless").get("endless")
        if endless is None or endless.value is not True:
            continue
        what = "an epoch" if loop == "train_cfg" else "the loop"
        remedy = ", or train by iterations" if loop == "train_cfg" else ""
        message = f"'{sampler.name}' never ends, and neither would {what}; take DefaultSampler{remedy}"
        place = (*sampler.path, "type")
        yield context.problem("endless-sampler", place, message, at="value", suggestion="DefaultSampler")


def _argument(context: Context, loader: str, name: str) -> Any:
    """A loader's argument, or its default; `UNKNOWN` where there is no loader, or no telling."""
    given = context.data.get(loader)
    if not isinstance(given, Mapping) or context.doubtful((loader, name)) or not context.whole:
        return UNKNOWN
    if any(fault[:1] == (loader,) and len(fault) == 2 and fault[1] in given for fault in context.faulty):
        return given.get(name, UNKNOWN)  # one of the keys may be this one, misspelt
    return given.get(name, load(loader)["anyOf"][0]["properties"][name]["default"])


def _ends_with_the_data(context: Context, loop: str) -> bool:
    if loop == "train_cfg":
        return counts_epochs(context) is True
    found = part_at(context, "loop", (loop,), default_type="ValLoop" if loop == "val_cfg" else "TestLoop")
    return found is not None and found.is_just(_LOOPS[loop])
