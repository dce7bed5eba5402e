"""The device and the process group that a config asks for."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.signature import UNKNOWN
from runner.validation.fields import load
from runner.validation.rules.context import Context
from runner.validation.rules.parts import optim_wrappers, part_at, value_at

__all__ = ["backend_without_gpu", "half_precision"]

_AMP = "runner.optim.amp:AmpOptimWrapper"


def backend_without_gpu(context: Context) -> Iterator[Problem]:
    """`nccl`, which joins GPUs, in a run that has none, or that is not distributed."""
    path = ("env_cfg", "dist_cfg", "backend")
    if value_at(context, path) != "nccl":
        return
    if context.device not in {None, "cuda"}:
        message = (
            f"nccl joins GPUs, and the run is to use {context.device}; give gloo, or null for what fits the device"
        )
        yield context.problem("backend-without-gpu", path, message, at="value", suggestion="gloo")
        return
    launcher = value_at(context, ("launcher",))
    if launcher is UNKNOWN and context.whole and not context.has("launcher") and not context.misspelt("launcher"):
        launcher = load("launcher")["default"]
    if launcher == "none":
        message = (
            "nothing uses it: without a launcher the run is one process; "
            "give launcher: pytorch (or the flag --launcher), or leave it out: nccl is the default on GPUs"
        )
        yield context.problem("backend-without-gpu", path, message, at="value", severity="warning")


def half_precision(context: Context) -> Iterator[Problem]:
    """float16 on a CPU, which computes it no faster and less exactly than bfloat16."""
    message = "the run is to use a CPU, whose mixed precision is bfloat16; give that, or null for what fits the device"
    for path, _ in optim_wrappers(context) if context.device == "cpu" else ():
        wrapper = part_at(context, "optim_wrapper", path)
        if wrapper is not None and wrapper.is_a(_AMP) and wrapper.value("dtype") == "float16":
            place = (*path, "dtype")
            yield context.problem(
                "half-precision", place, message, at="value", severity="warning", suggestion="bfloat16"
            )
