"""A loader from its parts, with MMEngine's defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from runner.dataset.collate import pseudo_collate
from runner.dataset.dataloader import DataLoader
from runner.dataset.subset import Head
from runner.dataset.worker import worker_init_fn as default_worker_init_fn
from runner.dist import broadcast_object_list, get_data_rank, get_data_world_size, sync_random_seed

__all__ = ["accepted", "build_dataloader"]


def build_dataloader(
    dataset: Any,
    sampler: Any = None,
    batch_sampler: Any = None,
    batch_size: int | None = 1,
    num_workers: int = 0,
    *,
    seed: int | None = None,
    rank: int | None = None,
    diff_rank_seed: bool = False,
    num_batch_per_epoch: int | None = None,
    collate_fn: Callable[[Any], Any] | None = None,
    worker_init_fn: Callable[..., None] | None = None,
    disable_subprocess_warning: bool = False,
    **kwargs: Any,
) -> DataLoader:
    """Put a loader together.

    Args:
        dataset: A built data set.
        sampler: A sampler, or a function that makes one from `dataset=` and `seed=`. None takes the samples in turn.
        batch_sampler: A batch sampler, or a function that makes one from `sampler=` and `batch_size=`.
        batch_size: Samples of a batch on each rank.
        num_workers: Processes that read ahead; 0 reads in the main process.
        seed: The run's seed; None draws one on rank 0 for all ranks.
        rank: What the draws of a batch are keyed by; this process's by default.
        diff_rank_seed: Ranks were given different seeds; their samplers take rank 0's.
        num_batch_per_epoch: Use the head of the data set alone, so that an epoch has so many batches. The sampler then
            has to be given as a function, since it is made for that head.
        collate_fn: Samples to a batch; `pseudo_collate` by default.
        worker_init_fn: Called in each worker with `worker_id`, and with what it asks for of `num_workers`, `rank` and
            `seed`; by default our own, which is seeded.
        disable_subprocess_warning: Silence warnings in all workers but the first.
        **kwargs: torch's: `pin_memory`, `drop_last`, `persistent_workers`, `prefetch_factor`, ….
    """
    seed = sync_random_seed() if seed is None else seed
    rank = get_data_rank() if rank is None else rank
    shared = [seed]
    if diff_rank_seed:
        broadcast_object_list(shared)
    if num_batch_per_epoch is not None:
        dataset = _head(dataset, num_batch_per_epoch, batch_size, sampler)
    if sampler is not None and not hasattr(sampler, "__iter__"):
        sampler = sampler(dataset=dataset, seed=shared[0])
    if batch_sampler is not None:
        if not hasattr(batch_sampler, "__iter__"):
            batch_sampler = batch_sampler(sampler=sampler, batch_size=batch_size)
        # torch refuses the two together with what they replace.
        sampler, batch_size = None, 1
    if num_workers > 0:
        offered = {"num_workers": num_workers, "rank": rank, "seed": seed}
        if disable_subprocess_warning:
            offered["disable_subprocess_warning"] = True
        worker_init_fn = _with_lacking(worker_init_fn or default_worker_init_fn, offered)
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        batch_sampler=batch_sampler,
        num_workers=num_workers,
        seed=seed,
        rank=rank,
        collate_fn=collate_fn or pseudo_collate,
        worker_init_fn=worker_init_fn,
        **kwargs,
    )


def accepted(target: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """What a constructor takes of the arguments on offer.

    Args:
        target: A class or a function.
        offered: The arguments; `dataset` is given under torch's name `data_source` where that is asked for.
    """
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return dict(offered)  # without a signature, it takes what it is given
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(offered)
    found = {name: value for name, value in offered.items() if name in parameters}
    if "dataset" in offered and "data_source" in parameters:
        found["data_source"] = offered["dataset"]
    return found


def _with_lacking(function: Callable[..., None], offered: Mapping[str, Any]) -> Callable[..., None]:
    """Bind what a function asks for and has not been given."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function
    bound = function.keywords if isinstance(function, partial) else {}
    lacking = {name: value for name, value in offered.items() if name in parameters and name not in bound}
    return partial(function, **lacking) if lacking else function


def _head(dataset: Any, num_batch_per_epoch: int, batch_size: int | None, sampler: Any) -> Head:
    if hasattr(sampler, "__iter__"):
        raise TypeError(
            "num_batch_per_epoch cuts the data set, and the sampler given was made for the whole of it; "
            "give the sampler as a function of dataset= and seed="
        )
    if not hasattr(dataset, "__len__"):
        raise TypeError(
            f"num_batch_per_epoch cuts the data set, and {type(dataset).__name__} has no length; let the data set itself "
            "end earlier, or count the training in iterations"
        )
    return Head(dataset, num_batch_per_epoch * (batch_size or 1) * get_data_world_size())
