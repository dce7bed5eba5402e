"""What surrounds a run: process-wide settings, and a report of what it ran on."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any, Literal, TypedDict

import torch

__all__ = ["AutoScaleLR", "DistCfg", "EnvCfg", "MpCfg", "Randomness", "apply_env_cfg", "collect_env"]


class MpCfg(TypedDict, total=False):
    """How worker processes are started.

    Attributes:
        mp_start_method: `fork`, `spawn` or `forkserver`, for the loaders' workers; default fork.
        opencv_num_threads: Threads that OpenCV may use in each process, where it is installed; default 0, its own choice off.
    """

    mp_start_method: Literal["fork", "spawn", "forkserver"]
    opencv_num_threads: int


class DistCfg(TypedDict, total=False):
    """How the process group is set up.

    Attributes:
        backend: `nccl`, `gloo`, …; default nccl on CUDA and gloo elsewhere.
        timeout: Seconds after which a collective that hangs is an error.
        port: Where the ranks of the launchers `slurm` and `mpi` meet; default `MASTER_PORT`, else 29500.
        init_method: Where the processes find each other, where the environment does not say (`tcp://…`, `file://…`).
        init_backend: Who sets it up; only `torch`.
    """

    backend: str | None
    timeout: float | None
    port: int | None
    init_method: str | None
    init_backend: Literal["torch"]


class EnvCfg(TypedDict, total=False):
    """Process-wide settings.

    Attributes:
        cudnn_benchmark: Let cuDNN try algorithms for each new shape and keep the fastest; default False.
        mp_cfg: How worker processes are started.
        dist_cfg: How the process group is set up.
        resource_limit: Open files that the process asks for; default 4096.
    """

    cudnn_benchmark: bool
    mp_cfg: MpCfg
    dist_cfg: DistCfg
    resource_limit: int


class Randomness(TypedDict, total=False):
    """What random numbers are drawn from.

    Attributes:
        seed: From 0; by default one is drawn and logged.
        diff_rank_seed: Give each rank a seed of its own; default False.
        deterministic: Use deterministic algorithms alone; default False.
    """

    seed: int | None
    diff_rank_seed: bool
    deterministic: bool


class AutoScaleLR(TypedDict, total=False):
    """Linear scaling of the learning rate (Goyal et al., https://arxiv.org/abs/1706.02677).

    Attributes:
        base_batch_size: The global batch size that the config's rates were found with.
        enable: Whether to scale; default False.
    """

    base_batch_size: int
    enable: bool


def apply_env_cfg(env_cfg: EnvCfg) -> None:
    """Apply the settings that hold for the whole process."""
    if env_cfg.get("cudnn_benchmark"):
        torch.backends.cudnn.benchmark = True
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(max(env_cfg.get("resource_limit", 4096), soft), hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    threads = env_cfg.get("mp_cfg", {}).get("opencv_num_threads")
    if threads is not None or _OPENCV_THREADS not in os.environ:
        _limit_opencv(threads or 0)


_OPENCV_THREADS = "OPENCV_FOR_THREADS_NUM"
"""What OpenCV reads when it is imported."""


def _limit_opencv(threads: int) -> None:
    """Set OpenCV's number of threads, whether the user's code has imported it or will, in workers too."""
    cv2 = sys.modules.get("cv2")
    if cv2 is not None:
        cv2.setNumThreads(threads)
    # There, 0 would mean as many as there are cores.
    os.environ[_OPENCV_THREADS] = str(max(threads, 1))


def collect_env() -> dict[str, Any]:
    """What the run runs on, for the log and for reports."""
    from importlib.metadata import version

    report: dict[str, Any] = {
        "platform": platform.platform(),
        "python": sys.version.replace("\n", ""),
        "runner": version("yaml-runner"),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
    }
    if torch.cuda.is_available():
        report["devices"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return report
