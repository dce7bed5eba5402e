"""What has changed between a checkpoint and the run that goes on from it: what is said, and what does not fit any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from runner.config import Config, compose
from runner.errors import ConfigError, Problem
from runner.optim import OptimWrapperDict

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["conditions", "kinds", "misfits", "name_differences", "problem", "refuse"]

NOT_COMPARED = frozenset({"resume", "load_from", "work_dir"})


def conditions(runner: Runner) -> dict[str, Any]:
    """What decides the bits beside the checkpoint itself; plain data."""
    compiles: Any = runner.compile_options
    return {
        "world_size": runner.world_size,
        "tensor_parallel_size": runner.strategy.tensor_parallel_size,
        "device": runner.device.type,
        "device_name": torch.cuda.get_device_name(runner.device) if runner.device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "deterministic": runner.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "matmul_precision": torch.get_float32_matmul_precision(),
        "compile": compiles if isinstance(compiles, bool) else repr(compiles),
        "torch": str(torch.__version__),
    }


def kinds(runner: Runner) -> dict[str, Any]:
    """The types of the parts whose state is in the checkpoint; plain data."""
    return {
        "loop": type(runner.train_loop).__name__,
        "optimizers": {name: type(each.optimizer).__name__ for name, each in _wrappers(runner)},
    }


def name_differences(runner: Runner, checkpoint: Mapping[str, Any], filename: str) -> None:
    """Say what differs from the run that wrote the checkpoint, since it may decide the numbers from here on."""
    meta = checkpoint.get("meta", {})
    found = [
        f"{name}: {meta[name]} -> {value}"
        for name, value in (("max_epochs", runner.max_epochs), ("max_iters", runner.max_iters), ("seed", runner.seed))
        if name in meta and meta[name] != value
    ]
    before = meta.get("conditions", {})
    found += [
        f"{name}: {before[name]} -> {value} (the numbers will not be bit-equal)"
        for name, value in conditions(runner).items()
        if name in before and before[name] != value
    ]
    found += _config_changes(meta.get("cfg", ""), runner.cfg)
    if found:
        runner.logger.warning(f"changed since {filename} was written: " + "; ".join(dict.fromkeys(found)))


def misfits(
    runner: Runner, checkpoint: Mapping[str, Any], *, optimizer: bool, schedulers: bool
) -> dict[str, list[Problem]]:
    """Find the parts whose state can't go into this run's, before any of it does.

    Args:
        runner: The run.
        checkpoint: One of ours.
        optimizer: Whether the optimizer's state is wanted.
        schedulers: Whether the schedulers' positions are.

    Returns:
        Problems by part: `optimizer`, `schedulers`, `loop`; a part that fits is not in it.
    """
    found = {
        "optimizer": list(_of_optimizers(runner, checkpoint)) if optimizer else [],
        "schedulers": list(_of_schedulers(runner, checkpoint)) if schedulers else [],
        "loop": list(_of_loop(runner, checkpoint)),
    }
    return {part: problems for part, problems in found.items() if problems}


def problem(runner: Runner, path: str, message: str) -> Problem:
    """A problem of a part whose state does not fit, with the place in the config that decides the part."""
    here = path
    origin = runner.cfg.origin(here)
    while origin is None and "." in here:
        here = here.rpartition(".")[0]
        origin = runner.cfg.origin(here)
    return Problem(code="state-does-not-fit", path=path, message=message, origin=origin)


def refuse(runner: Runner, problems: Sequence[Problem], filename: str) -> None:
    """Refuse to go on, or say what is left out where `allow_config_change` lets the run go on.

    Raises:
        ConfigError: There are problems, and the run may not be another one than the checkpoint's.
    """
    if not problems:
        return
    if not runner.allow_config_change:
        raise ConfigError(problems, sources=runner.cfg.composition.sources)
    for each in problems:
        runner.logger.warning(f"{filename}: {each.path}: {each.message}; this part begins anew")


def _of_optimizers(runner: Runner, checkpoint: Mapping[str, Any]) -> Iterator[Problem]:
    state = checkpoint.get("optimizer")
    if state is None:
        return
    wrappers = dict(_wrappers(runner))
    before = checkpoint["meta"].get("kinds", {}).get("optimizers", {})
    if before and before.keys() != wrappers.keys():
        names = [", ".join(filter(None, each)) or "one" for each in (before, wrappers)]
        yield problem(runner, "optim_wrapper", f"the checkpoint has the optimizers {names[0]}, the config {names[1]}")
        return
    for name, wrapper in wrappers.items():
        path = ".".join(filter(None, ("optim_wrapper", name, "optimizer", "type")))
        now = type(wrapper.optimizer).__name__
        if before.get(name, now) != now:
            yield problem(runner, path, f"the checkpoint has the state of {before[name]}, which {now} can't go on from")
            continue
        groups = state.get(name, {}).get("param_groups") if name else state.get("param_groups")
        count = len(wrapper.optimizer.param_groups)
        if groups is not None and len(groups) != count:
            path = ".".join(filter(None, ("optim_wrapper", name, "paramwise_cfg")))
            yield problem(runner, path, f"the checkpoint has {len(groups)} parameter groups, the optimizer has {count}")


def _of_schedulers(runner: Runner, checkpoint: Mapping[str, Any]) -> Iterator[Problem]:
    states, own = checkpoint.get("param_schedulers"), runner.param_schedulers
    if states is None or isinstance(states, Mapping) != isinstance(own, Mapping):
        return  # several optimizers or one: told there
    pairs = (
        [("", states, own)] if not isinstance(own, Mapping) else [(key, states.get(key, ()), own[key]) for key in own]
    )
    for name, saved, built in pairs:
        before = [state.get("shape", {}).get("type") for state in saved]
        now = [type(each).__name__ for each in built]
        if None not in before and before != now:
            path = ".".join(filter(None, ("param_scheduler", name)))
            was, is_now = (", ".join(map(str, each)) or "none" for each in (before, now))
            yield problem(runner, path, f"the checkpoint has the positions of {was}; the config has {is_now}")


def _of_loop(runner: Runner, checkpoint: Mapping[str, Any]) -> Iterator[Problem]:
    now = type(runner.train_loop).__name__
    before = checkpoint["meta"].get("kinds", {}).get("loop", now)
    if before != now:
        yield problem(runner, "train_cfg", f"the checkpoint was written by {before}, and this run's loop is {now}")


def _wrappers(runner: Runner) -> Iterator[tuple[str, Any]]:
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        yield from wrapper.items()
    elif wrapper is not None:
        yield "", wrapper


def _config_changes(text: Any, config: Config) -> list[str]:
    """Paths of a config whose values differ from those in a checkpoint, and where the new values stand."""
    if not config or not text or not isinstance(text, str):
        return []
    # As they are dumped, with references in place of what the environment brought in: it is not for the log.
    old, new = (
        dict(_leaves(compose("a checkpoint's config", text=each, file_format=".yaml").raw))
        for each in (text, config.dump())
    )
    if not old:
        return ["the checkpoint's config is none of ours, and was not compared"]
    return [
        f"{path}: {old.get(path, '(absent)')} -> {new.get(path, '(absent)')}{_place(config, path)}"
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path) and path.partition(".")[0] not in NOT_COMPARED
    ]


def _place(config: Config, path: str) -> str:
    origin = config.origin(path)
    if origin is None or origin.kind not in {"file", "override"}:
        return ""
    return f" ({origin.file}:{origin.line})" if origin.kind == "file" else f" ({origin.file})"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves(each, f"{path}.{number}")
    else:
        yield path, value
