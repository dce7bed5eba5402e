"""What is done for the accelerator's memory, and for buffers that ranks do not share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from line_run import line, loader

from runner import dist
from runner.hooks import EmptyCacheHook, HookList


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, 2),
        ({"before_epoch": True}, 4),
        ({"after_epoch": False, "after_iter": True}, 3),
        ({"after_epoch": False}, 0),
    ],
)
def test_when_the_cache_is_emptied(monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], calls: int) -> None:
    emptied: list[str] = []

    def module(device: torch.device) -> Any:
        return SimpleNamespace(empty_cache=lambda: emptied.append(device.type))

    monkeypatch.setattr(torch, "get_device_module", module)
    hooks = HookList([EmptyCacheHook(**options)])
    for device in ("cpu", "xpu"):
        runner: Any = SimpleNamespace(device=torch.device(device))
        for mode in ("train", "val"):
            hooks.call(runner, f"before_{mode}_epoch")
            for index in range(2 if mode == "train" else 1):
                hooks.call(runner, f"after_{mode}_iter", batch_idx=index, data_batch=None, outputs=None)
            hooks.call(runner, f"after_{mode}_epoch")
    assert emptied == ["xpu"] * calls


def test_on_a_cpu_it_changes_nothing(tmp_path: Path) -> None:
    hook = {"type": "EmptyCacheHook", "before_epoch": True, "after_iter": True}
    runner = line(tmp_path, hook)
    runner.train()
    assert runner.epoch == 2


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_an_accelerators_memory_is_released() -> None:
    device = torch.accelerator.current_accelerator()
    assert device is not None
    memory = torch.get_device_module(device)
    block = torch.empty(64 << 20, device=device)
    del block
    before = memory.memory_reserved()
    HookList([EmptyCacheHook()]).call(SimpleNamespace(device=device), "after_train_epoch")  # type: ignore[arg-type]
    assert memory.memory_reserved() < before


def buffers(runner: Any) -> list[float]:
    return [each.item() for each in dist.all_gather(runner.unwrapped_model.seen)]


@pytest.mark.world_size(2)
def test_ranks_share_their_buffers_at_an_epochs_end(tmp_path: Path) -> None:
    # Two steps an epoch count 2 on the first rank and 4 on the second.
    more = {"launcher": "pytorch", "train_dataloader": loader(samples=8), "max_epochs": 1}
    apart, together = line(tmp_path / "apart", **more), line(tmp_path / "together", {"type": "SyncBuffersHook"}, **more)
    apart.train()
    together.train()
    assert (buffers(apart), buffers(together)) == ([2, 4], [3, 3])


@pytest.mark.world_size(2)
def test_ranks_share_their_buffers_before_a_validation_in_between(tmp_path: Path) -> None:
    runner = line(
        tmp_path,
        {"type": "SyncBuffersHook"},
        launcher="pytorch",
        train_dataloader=loader(samples=8),
        train_cfg={"by_epoch": False, "max_iters": 4, "val_interval": 2},
    )
    runner.train()
    # (2 + 4) / 2, then 3 + 2 and 3 + 4.
    assert buffers(runner) == [6, 6]


def test_one_process_is_left_alone(tmp_path: Path) -> None:
    runner = line(tmp_path, {"type": "SyncBuffersHook"})
    runner.train()
    assert runner.unwrapped_model.seen == 4
