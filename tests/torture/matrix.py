"""The configs that are tortured: every value of every axis, in combinations that a seed draws."""

from __future__ import annotations

import random
from typing import Any

__all__ = ["AXES", "BATCHES", "Variant", "config", "variants"]

Variant = dict[str, Any]

EPOCHS, BATCHES = 5, 8
STEPS = EPOCHS * BATCHES

AXES: dict[str, list[Any]] = {
    "loop": ["epoch", "iter"],
    "workers": [0, 2],
    "shuffle": [True, False],
    "augmentation": ["python", "numpy", "torch", "all", "none"],
    "dropout": [0.4, 0.0],
    "draws": ["both", "numpy", "python", "none"],
    "accumulation": [1, 3],
    "amp": ["none", "bf16"],
    "average": ["ema", "swa", "none"],
    "schedule": ["warmup", "plateau", "none"],
    "early_stopping": [False, True],
    "best": [True, False],
    "nan_guard": [False, True],
    "saves": ["each", "often, one kept", "asynchronous"],
    "optimizer": ["AdamW", "SGD"],
}
"""What a config of the matrix chooses."""


def variants(count: int, draw: random.Random) -> list[Variant]:
    """Draw combinations; in any so many of them as the longest axis has values, each value of each axis occurs.

    Args:
        count: How many.
        draw: What they are drawn from.
    """
    columns = {}
    for axis, values in AXES.items():
        column: list[Any] = []
        while len(column) < count:
            column += draw.sample(values, len(values))
        columns[axis] = column[:count]
    return [{axis: column[number] for axis, column in columns.items()} for number in range(count)]


def config(variant: Variant, *, forgetful: bool = False) -> dict[str, Any]:
    """A combination as a config, to lie in one folder with `tortured.py`.

    Args:
        variant: What `variants` drew.
        forgetful: Whether a hook takes part that breaks the promise.
    """
    by_epoch = variant["loop"] == "epoch"
    wrapper: dict[str, Any] = {
        "optimizer": {"type": "AdamW", "lr": 0.01}
        if variant["optimizer"] == "AdamW"
        else {"type": "SGD", "lr": 0.05, "momentum": 0.9},
        "accumulative_counts": variant["accumulation"],
        "clip_grad": {"max_norm": 1.0},
    }
    if variant["amp"] == "bf16":
        wrapper |= {"type": "AmpOptimWrapper", "dtype": "bfloat16", "loss_scale": 1.0}
    loader = {"batch_size": 8, "num_workers": variant["workers"], "collate_fn": "default_collate"}
    data = {"type": "Shaken", "samples": BATCHES * 8 - 2, "augmentation": variant["augmentation"]}
    return {
        "custom_imports": {"imports": ["./tortured.py"]},
        "model": {"type": "Drawing", "dropout": variant["dropout"], "draws": variant["draws"], "ballast": 500_000},
        "train_dataloader": {
            **loader,
            "sampler": {"type": "DefaultSampler" if by_epoch else "InfiniteSampler", "shuffle": variant["shuffle"]},
            "dataset": {**data, "is_poisoned": variant["nan_guard"]},
        },
        "train_cfg": {"by_epoch": True, "max_epochs": EPOCHS}
        if by_epoch
        else {"by_epoch": False, "max_iters": STEPS, "val_interval": 7},
        "optim_wrapper": wrapper,
        **_schedule(variant["schedule"], by_epoch=by_epoch),
        "val_dataloader": {**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}, "dataset": data},
        "val_cfg": {},
        "val_evaluator": {"type": "Share"},
        "default_hooks": {"logger": {"interval": 3}, "checkpoint": _saves(variant, by_epoch=by_epoch)},
        "custom_hooks": _hooks(variant, by_epoch=by_epoch) + [{"type": "Forgetful"}] * forgetful,
        "randomness": {"seed": 7},
    }


def _schedule(schedule: str, *, by_epoch: bool) -> dict[str, Any]:
    if schedule == "none":
        return {}
    if schedule == "plateau":
        plateau = {"type": "ReduceOnPlateauLR", "monitor": "share", "rule": "greater", "patience": 1, "factor": 0.5}
        return {"param_scheduler": plateau}
    cosine = {"T_max": EPOCHS} if by_epoch else {"T_max": STEPS, "by_epoch": False}
    warmup = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 7}
    return {"param_scheduler": [warmup, {"type": "CosineAnnealingLR", **cosine}]}


def _saves(variant: Variant, *, by_epoch: bool) -> dict[str, Any]:
    saves: dict[str, Any] = {"by_epoch": by_epoch, "interval": 1 if by_epoch else 7}
    if variant["saves"] == "often, one kept":
        saves = {"by_epoch": False, "interval": 3, "max_keep_ckpts": 1}
    elif variant["saves"] == "asynchronous":
        saves = {"by_epoch": False, "interval": 4, "max_keep_ckpts": 2, "async_save": True}
    return {**saves, "save_best": "share", "rule": "greater"} if variant["best"] else saves


def _hooks(variant: Variant, *, by_epoch: bool) -> list[dict[str, Any]]:
    hooks: list[dict[str, Any]] = []
    if variant["average"] == "ema":
        hooks.append({"type": "EMAHook", "momentum": 0.1})
    elif variant["average"] == "swa":
        swa = {"type": "SWAHook", "swa_begin": 0.4, "swa_lr": 0.02, "anneal_epochs": 1}
        hooks.append(swa if by_epoch else {**swa, "by_epoch": False, "interval": 2, "anneal_epochs": 5})
    if variant["early_stopping"]:
        stopping = {"type": "EarlyStoppingHook", "monitor": "share", "rule": "greater", "min_delta": 0.2, "patience": 3}
        hooks.append(stopping)
    if variant["nan_guard"]:
        hooks.append({"type": "NaNGuardHook", "policy": "skip", "limit": None})
    return hooks
