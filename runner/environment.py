"""What surrounds a run: process-wide settings, and a report of what it ran on."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import torch

from runner.plugin import default_plugins

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


class WatchdogCfg(TypedDict, total=False):
    """What `runner train` does about a run that hangs.

    Attributes:
        enable: Whether it watches; default True.
        timeout: Seconds from the end of a step to that of the next; default what a collective operation may take, and
            without a process group no limit.
        phase_timeout: Seconds for what lies between steps and takes its time: computing metrics, saving or loading a
            checkpoint, waiting for an upload. Default: as `timeout`, and no less than what a collective operation may take;
            without a process group no limit.
    """

    enable: bool
    timeout: float | None
    phase_timeout: float | None


class EnvCfg(TypedDict, total=False):
    """Process-wide settings.

    Attributes:
        cudnn_benchmark: Let cuDNN try algorithms for each new shape and keep the fastest; default False.
        mp_cfg: How worker processes are started.
        dist_cfg: How the process group is set up.
        watchdog: When a run counts as hanging.
        resource_limit: Open files that the process asks for; default 4096.
    """

    cudnn_benchmark: bool
    mp_cfg: MpCfg
    dist_cfg: DistCfg
    watchdog: WatchdogCfg
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


_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_TOOL_SECONDS = 20


def collect_env() -> dict[str, Any]:
    """Report what this process runs on, for the log and for bug reports. What is not there is no error.

    MMEngine's keys, with `runner` in place of `MMEngine`, then ours. Versions are read from what is installed; no package
    is imported for its own.

    Returns:
        `sys.platform`, `Python`, `CUDA available`, `MUSA available`, `numpy_random_seed`; with CUDA a `GPU 0,1` for each
        type of card, `CUDA_HOME` and `NVCC`; `GCC`, `PyTorch`, `PyTorch compiling details`; `TorchVision` and `OpenCV`
        where they are installed; `runner`, `plugins`, `NumPy`, `accelerator`, `platform`, `CPUs`, `threads`.
    """
    has_cuda = torch.cuda.is_available()
    musa: Any = getattr(torch, "musa", None)
    state: Any = np.random.get_state()  # noqa: NPY002 - the generator that transforms draw from
    report: dict[str, Any] = {
        "sys.platform": sys.platform,
        "Python": sys.version.replace("\n", ""),
        "CUDA available": has_cuda,
        "MUSA available": musa is not None and bool(musa.is_available()),
        "numpy_random_seed": int(state[1][0]),
        **(_cuda() if has_cuda else {}),
        "GCC": _compiler(),
        "PyTorch": torch.__version__,
        "PyTorch compiling details": torch.__config__.show(),
    }
    optional = {"TorchVision": _installed(["torchvision"]), "OpenCV": _installed(_OPENCV)}
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return {
        **report,
        **{name: found for name, found in optional.items() if found is not None},
        "runner": _installed(["yaml-runner"]),
        "plugins": ", ".join(f"{plugin.distribution} {plugin.version}" for plugin in default_plugins().found),
        "NumPy": np.__version__,
        "accelerator": accelerator.type if accelerator is not None else None,
        "platform": platform.platform(),
        "CPUs": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _installed(names: Sequence[str]) -> str | None:
    """The version of the first of some distributions that is there."""
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _cuda() -> dict[str, Any]:
    """The cards, those of one type together, and the toolkit."""
    cards: dict[str, list[str]] = {}
    for number in range(torch.cuda.device_count()):
        cards.setdefault(torch.cuda.get_device_name(number), []).append(str(number))
    report: dict[str, Any] = {f"GPU {','.join(numbers)}": name for name, numbers in cards.items()}
    home = _cuda_home()
    report["CUDA_HOME"] = home
    if home is not None:
        shown = _said_by(str(Path(home, "bin", "nvcc")), "-V")
        release = [line for line in (shown or "").splitlines() if line.startswith("Cuda compilation tools")]
        report["NVCC"] = release[0] if release else "Not Available"
    return report


def _cuda_home() -> str | None:
    """Where the toolkit is: as torch's own search, without the compilers that importing that brings in."""
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if named:
        return named
    nvcc = shutil.which("nvcc")
    if nvcc is not None:
        return str(Path(nvcc).parents[1])
    usual = Path("/usr/local/cuda")
    return str(usual) if usual.exists() else None


def _compiler() -> str:
    """The compiler that Python was built with, as far as it is there."""
    compiler = (sysconfig.get_config_var("CC") or "").split()[:1]
    shown = _said_by(Path(compiler[0]).name, "--version") if compiler else None
    return shown.partition("\n")[0].strip() if shown else "n/a"


@functools.cache
def _said_by(tool: str, argument: str) -> str | None:
    """What a tool says about itself; None where there is none, or it does not answer."""
    found = shutil.which(tool)
    if found is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a compiler's own question for its version
            [found, argument], capture_output=True, text=True, check=True, timeout=_TOOL_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
