"""Early stopping ends at MMEngine's validation, with MMEngine's best score."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from runner.hooks import EarlyStoppingHook

theirs = pytest.importorskip("mmengine.hooks", reason="MMEngine is not installed")


def end(hook: Any, scores: list[float]) -> tuple[int, float, int]:
    runner = SimpleNamespace(train_loop=SimpleNamespace(stop_training=False), logger=logging.getLogger("test"))
    for number, score in enumerate(scores):
        hook.after_val_epoch(runner, {"m": score})
        if runner.train_loop.stop_training:
            return number, hook.best_score, hook.wait_count
    return len(scores), hook.best_score, hook.wait_count


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rule", ["greater", "less"])
def test_it_ends_where_mmengine_does(rule: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = (torch.rand(30, generator=generator) + torch.arange(30) * 0.02 * (1 if rule == "greater" else -1)).tolist()
    options = {"rule": rule, "min_delta": (0.0, 0.1, 0.3)[seed % 3], "patience": 2 + seed % 4}
    if seed % 5 == 0:
        options["stopping_threshold"] = 1.2 if rule == "greater" else 0.1
    assert end(EarlyStoppingHook("m", **options), scores) == end(theirs.EarlyStoppingHook("m", **options), scores)
