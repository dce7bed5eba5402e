"""What the commands that run a config do before they run it: start the processes, and say whose code runs."""

from __future__ import annotations

import os
import sys

import typer

from runner.config import Config

__all__ = ["announce_own_code", "started"]


def started(cfg: Config, nproc_per_node: int | None, device: str) -> int | None:
    """Start the processes of a distributed run where nobody has; their exit code, or None if this process is to run.

    Raises:
        typer.BadParameter: The environment and the flags say different things.
    """
    launcher = cfg.get("launcher") or "none"
    if launcher == "none":
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise typer.BadParameter(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']} and the launcher is none; add `--launcher pytorch`, or unset it",
                param_hint="--launcher",
            )
        if nproc_per_node is not None:
            raise typer.BadParameter(
                "it starts processes for a launcher, which is none; add `--launcher pytorch`",
                param_hint="--nproc-per-node",
            )
    if launcher != "pytorch" or ("RANK" in os.environ and "WORLD_SIZE" in os.environ):
        return None
    from runner.dist.launch import launch

    return launch(sys.argv[1:], nproc_per_node=nproc_per_node, device=device)


def announce_own_code(cfg: Config) -> None:
    """Say which files and packages the config makes this command run, before it does."""
    names = (cfg.get("custom_imports") or {}).get("imports") or []
    names = [names] if isinstance(names, str) else names
    if names and os.environ.get("RANK", "0") == "0":
        typer.echo(f"runs your own code: {', '.join(names)}", err=True)
