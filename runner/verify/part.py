"""One of the processes that a verification takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config import Config
from runner.verify.witness import Ender, Enough, Witness

__all__ = ["Part", "run_part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process does.

    Attributes:
        folder: Its work directory, and what it writes down.
        seam: The steps that are finished when the killed run is killed.
        last: The steps that are taken.
        kill: Whether this is the one to be killed.
        resume: The checkpoint to go on from.
    """

    folder: str
    seam: int
    last: int
    kill: bool = False
    resume: str | None = None


def run_part(cfg: Config, part: Part, device: str) -> None:
    """Train, writing down what happens; does not return where it is to be killed.

    Args:
        cfg: The checked config.
        part: What this process does.
        device: The value of `--device`.
    """
    from runner.runner import Runner

    folder = Path(part.folder)
    folder.mkdir(parents=True, exist_ok=True)
    runner = Runner.from_cfg(_adapted(cfg, part), device=device)
    try:
        last = min(part.last, runner.max_iters)
        witness = Witness(folder, part.seam, last)
        runner.register_hook(witness)
        runner.register_hook(Ender(witness, folder, part.seam if part.kill else None, last))
        runner.train()
    except Enough:
        return
    finally:
        runner.close()


def _adapted(cfg: Config, part: Part) -> Config:
    """The config with all that it writes in the part's folder, in one process."""
    cfg["work_dir"] = part.folder
    cfg["resume"] = part.resume or False
    cfg["launcher"] = "none"
    if part.resume is not None:
        cfg.pop("load_from", None)
    visualizer = cfg.get("visualizer")
    if visualizer is not None:
        visualizer["vis_backends"] = [{"type": "LocalVisBackend"}]
    hooks: list[Any] = [*(cfg.get("default_hooks") or {}).values(), *(cfg.get("custom_hooks") or [])]
    for hook in hooks:
        if isinstance(hook, dict):
            hook.pop("out_dir", None)
            hook.pop("backend_args", None)
    return cfg
