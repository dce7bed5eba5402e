"""What logging costs late in a long run against early in it: time of a step, memory, the checkpoint's size.

A million values are recorded as a run does: five scalars at each step, one of them a tensor, a line every ten steps,
statistics over the epoch and over everything. Beside it, where MMEngine is installed, its own hub with a tenth of that.
"""

from __future__ import annotations

import argparse
import io
import time
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from runner.logging import LogProcessor, MessageHub

NAMES = ("lr", "data_time", "time", "grad_norm", "loss")
CUSTOM = [
    {"data_src": "loss", "log_name": "loss_epoch", "method_name": "mean", "window_size": "epoch"},
    {"data_src": "loss", "log_name": "loss_lowest", "method_name": "min", "window_size": "global"},
]
EPOCH = 1000


def view(hub: Any) -> SimpleNamespace:
    """What a log processor sees of a Runner."""
    loader = [None] * EPOCH
    loop = SimpleNamespace(dataloader=loader)
    return SimpleNamespace(
        iter=0,
        epoch=0,
        max_iters=10**6,
        max_epochs=1000,
        train_dataloader=loader,
        train_loop=loop,
        _train_loop=loop,
        model=None,
        device="cpu",
        message_hub=hub,
    )


def run(hub: Any, processor: Any, steps: int, new_epoch: Callable[[], None]) -> list[float]:
    """Record as many steps, and log; seconds a step, for each tenth of them the least of its epochs: others use the machine too."""
    runner = view(hub)
    loss = torch.tensor(0.5, requires_grad=True)
    epochs = []
    for begin in range(0, steps, EPOCH):
        new_epoch()
        start = time.perf_counter()
        for step in range(begin, begin + EPOCH):
            runner.iter = step
            for name in NAMES[:-1]:
                hub.update_scalar(f"train/{name}", 0.001 * (step % 17))
            hub.update_scalar("train/loss", loss * 2)
            if step % 10 == 9:
                processor.get_log_after_iter(runner, step - begin, "train")
        epochs.append((time.perf_counter() - start) / EPOCH)
    tenth = max(1, len(epochs) // 10)
    return [min(epochs[index : index + tenth]) for index in range(0, len(epochs), tenth)]


def checkpoint_size(hub: Any) -> int:
    """Bytes of what a checkpoint holds of the hub."""
    buffer = io.BytesIO()
    torch.save(hub.state_dict(), buffer)
    return buffer.tell()


def ours(steps: int) -> None:
    """Measure this package's hub."""
    hub, processor = MessageHub(), LogProcessor(custom_cfg=CUSTOM)
    early_run = run(hub, processor, steps // 10, lambda: hub.start_epoch("train"))
    early_size = checkpoint_size(hub)
    times = run(hub, processor, steps, lambda: hub.start_epoch("train"))
    print(f"ours, {steps * len(NAMES):,} values")
    print(f"  a step, last tenth : first tenth   {times[-1] / times[0]:.2f}   ({times[-1] * 1e6:.1f} us)")
    print(f"  checkpoint, end : after a tenth    {checkpoint_size(hub) / early_size:.2f}   ({early_size:,} bytes)")
    del early_run
    sizes = []
    for count in (steps // 10, steps // 2):
        hub = MessageHub()
        tracemalloc.start()
        run(hub, LogProcessor(custom_cfg=CUSTOM), count, lambda hub=hub: hub.start_epoch("train"))
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    print(f"  memory, after a half : a tenth     {sizes[1] / sizes[0]:.2f}   ({sizes[0]:,} bytes)")


def theirs(steps: int) -> None:
    """Measure MMEngine's, if it is there."""
    try:
        from mmengine.logging import MessageHub as TheirHub
        from mmengine.runner import LogProcessor as TheirProcessor
    except ImportError:
        print("MMEngine is not installed beside; nothing to compare with")
        return
    hub, processor = TheirHub("growth"), TheirProcessor(custom_cfg=CUSTOM)
    run(hub, processor, steps // 10, lambda: None)
    early_size = checkpoint_size(hub)
    times = run(hub, processor, steps, lambda: None)
    print(f"MMEngine, {steps * len(NAMES):,} values")
    print(f"  a step, last tenth : first tenth   {times[-1] / times[0]:.2f}   ({times[-1] * 1e6:.1f} us)")
    print(f"  checkpoint, end : after a tenth    {checkpoint_size(hub) / early_size:.2f}   ({early_size:,} bytes)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1_000_000, help="how many values are recorded in all")
    arguments = parser.parse_args()
    number = max(arguments.values // len(NAMES) // (10 * EPOCH), 1) * 10 * EPOCH
    ours(number)
    theirs(max(number // 10, 10 * EPOCH))
