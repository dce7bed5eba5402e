"""What the look at the weights takes before each save: as it is, and by a largest absolute value per tensor as it was.

    python benchmarks/finite_check.py [MEGABYTES] [--device cpu|cuda] [--dtype float32|bfloat16|float16]

Both ways are timed in turns on the same weights; a line each gives the median and the smallest of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

from runner.checkpoint.finite import require_finite

WIDTH, ROUNDS = 1000, 15


def weights(megabytes: float, device: str, dtype: torch.dtype) -> nn.Module:
    size = WIDTH * WIDTH * torch.finfo(dtype).bits / 8e6
    layers = [nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(max(1, round(megabytes / size)))]
    return nn.ModuleList(layers).to(device, dtype)


def largest(model: nn.Module) -> bool:
    """The way it was: the largest absolute value of each tensor."""
    norms = torch._foreach_norm([each.detach() for each in model.parameters()], float("inf"))  # noqa: SLF001
    return bool(torch.isfinite(torch.stack(norms)).all().item())


def seconds(function: Callable[[], object], device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("megabytes", nargs="?", type=float, default=200)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = weights(given.megabytes, given.device, getattr(torch, given.dtype))
    ways: dict[str, Callable[[], object]] = {
        "largest value of each": lambda: largest(model),
        "require_finite": lambda: require_finite(model, "weights"),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(seconds(way, given.device))
    for name, each in times.items():
        sys.stdout.write(
            f"{name:22} {statistics.median(each) * 1e3:8.2f} ms at the median, {min(each) * 1e3:8.2f} at least\n"
        )
    before, after = (statistics.median(each) for each in times.values())
    sys.stdout.write(f"{given.megabytes:g} MB of {given.dtype} on {given.device}: {before / after:.1f} times as fast\n")


if __name__ == "__main__":
    main()
