"""A run as a checkpoint, and back: what goes in, and in which order it is taken out again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from runner import dist
from runner.checkpoint.averages import AVERAGES, exchange_averages
from runner.checkpoint.changes import conditions, kinds, misfits, name_differences, problem, refuse
from runner.checkpoint.finite import require_finite
from runner.checkpoint.format import to_plain
from runner.checkpoint.host_copies import HostCopies
from runner.checkpoint.index import About
from runner.checkpoint.loader import load
from runner.checkpoint.place import Place
from runner.checkpoint.saver import DEFAULT, SaveOptions, conclude
from runner.checkpoint.shares import RUN_FILE, Target, take_out, write_manifest, write_shares
from runner.checkpoint.store import CheckpointStore
from runner.checkpoint.weights import load_state_dict
from runner.dataset import DataLoader
from runner.dist.roll_call import roll_call
from runner.dist.sharding import drop_unshared_gradients, gather, is_dtensor, is_sharded, like, local, with_share
from runner.errors import CheckpointError, Problem
from runner.masking import mask_texts
from runner.optim.scheduler import restore_schedulers

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

    from runner.hooks import Hook
    from runner.runner import Runner

__all__ = ["load_weights", "restore", "save"]


# ---- saving ----------------------------------------------------------------------------------------------------------


def save(
    runner: Runner,
    path: Place,
    *,
    save_optimizer: bool,
    save_param_scheduler: bool,
    meta: Mapping[str, Any],
    options: SaveOptions = DEFAULT,
) -> None:
    """Write a checkpoint. Every rank calls this, since each has generators of its own; rank 0 writes.

    Raises:
        NonFiniteError: The weights are not finite; on every rank, and nothing is written.
        SaveError: It could not be written, or one before it that was written in the background; on every rank.
    """
    roll_call("save_checkpoint", runner.logger.warning)
    runner.saver.settle()
    runner.hooks.call(runner, "before_save")
    if not options.allow_non_finite:
        require_finite(runner.unwrapped_model, path.name)
    loop = runner.train_loop
    # What is over once the hook point that we are in is over.
    epoch, iteration = loop.epoch + (runner.finishing == "epoch"), loop.iter + (runner.finishing == "iter")
    # Rank 0 alone writes what each rank keeps; another has no use for more than its own.
    own = _of_this_rank(runner, epoch)
    per_rank = dist.gather_object(own) or [own]
    _keep_what_differs(per_rank)
    # An optimizer that is spread over the ranks puts its state together.
    optimizer = runner.optim_wrapper.state_dict() if save_optimizer and runner.optim_wrapper is not None else None
    # What is spread over the ranks has to be read by all of them; otherwise rank 0 has it all.
    is_spread = is_sharded(runner.unwrapped_model)
    if not (dist.is_main_process() or is_spread):
        conclude(runner.saver, options, None)
        return
    checkpoint = _content(runner, epoch, iteration, per_rank, optimizer)
    checkpoint["meta"].update(meta)
    if save_param_scheduler and runner.param_schedulers:
        checkpoint["param_schedulers"] = _scheduler_states(runner)
    copies = runner.saver.begin_copies() if options.background else None
    checkpoint = _let_hooks_change(runner, to_plain(checkpoint, owner="the run", copies=copies), copies)
    store, write, shares = _store(runner, path.parent), None, None
    if is_spread and runner.strategy.saves_shares:
        checkpoint, tensors = take_out(checkpoint)
        shares = _Shares(store.storage.part(path.name), tensors)
        if copies is not None:
            shares.copy(copies, runner.saver.own_group())
        write = shares.finish
    elif is_spread:
        checkpoint = gather(checkpoint, keep=dist.is_main_process())
        if copies is not None and dist.is_main_process():
            checkpoint = to_plain(checkpoint, owner="the run", copies=copies)
    about = About(metrics=options.metrics, best=options.best, config=_config_digest(checkpoint["meta"]))
    resumable = False if options.allow_non_finite else None
    conclude(
        runner.saver,
        options,
        lambda: store.save(checkpoint, path.name, step=iteration, resumable=resumable, about=about, write=write),
        shares.write if shares is not None else None,
    )


def _content(
    runner: Runner, epoch: int, iteration: int, per_rank: list[dict[str, Any]], optimizer: dict[str, Any] | None
) -> dict[str, Any]:
    """All that is saved but the schedulers' positions, as it is."""
    checkpoint: dict[str, Any] = {
        "meta": _meta(runner, epoch, iteration),
        "state_dict": runner.unwrapped_model.state_dict(),
        "message_hub": runner.message_hub.state_dict(),
        "data": per_rank[0]["data"],
        "ranks": per_rank,
        "hooks": {key: hook.state_dict() for key, hook in _stateful(runner)},
    }
    if hasattr(runner.train_loop, "state_dict"):
        checkpoint["loop"] = runner.train_loop.state_dict()
    if optimizer is not None and runner.optim_wrapper is not None:
        checkpoint["optimizer"] = optimizer
        checkpoint["accumulation"] = runner.optim_wrapper.count_state()
    return checkpoint


class _Shares:
    """What this rank has of a checkpoint's spread tensors.

    Args:
        part: The folder, under its temporary name; all ranks see it.
        tensors: As `take_out` returns them.
    """

    def __init__(self, part: Path, tensors: dict[str, torch.Tensor]) -> None:
        self._part, self._tensors = part, tensors
        self._group: ProcessGroup | None = None
        self._failure: OSError | None = OSError("not all ranks have written their shares")

    def copy(self, copies: HostCopies, group: ProcessGroup | None) -> None:
        """Take copies, which are written while training goes on, by a group of its own."""
        self._tensors = {name: with_share(copies.copy(local(each)), each) for name, each in self._tensors.items()}
        self._group = group

    def write(self) -> None:
        """Write this rank's share. Every rank calls this."""
        try:
            write_shares(self._part, self._tensors, self._group)
        except OSError as error:
            self._failure = error
        else:
            self._failure = None

    def finish(self, state: dict[str, Any], folder: Path) -> tuple[str, int]:
        """Write what is not spread beside the shares, on rank 0.

        Raises:
            OSError: Some rank could not write; here is the policy for saves that fail.
        """
        if self._failure is not None:
            raise self._failure
        torch.save(state, folder / RUN_FILE)
        return write_manifest(folder)


def _config_digest(meta: Mapping[str, Any]) -> str | None:
    return hashlib.sha256(meta["cfg"].encode()).hexdigest() if meta.get("cfg") else None


def _meta(runner: Runner, epoch: int, iteration: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "iter": iteration,
        "cfg": runner.cfg.dump() if runner.cfg else "",
        "seed": runner.seed,
        "experiment_name": runner.experiment_name,
        "time": time.strftime("%Y%m%d_%H%M%S"),
        "runner_version": version("yaml-runner"),
        "torch_version": str(torch.__version__),
        "dataset_meta": mask_texts(getattr(runner.train_loop.dataloader.dataset, "metainfo", None)),
        "max_epochs": runner.max_epochs,
        "max_iters": runner.max_iters,
        "conditions": conditions(runner),
        "kinds": kinds(runner),
        "validated": runner.finishing is None and not (runner.val_loop is not None and runner.val_loop.is_measuring),
    }


def _data(runner: Runner, epoch: int) -> dict[str, Any] | None:
    loop = runner.train_loop
    loader = loop.dataloader
    if not isinstance(loader, DataLoader):
        return None
    is_over = runner.finishing == "epoch" and loop.epochs_are_passes and epoch > loader.position.epoch
    # At `before_train_iter` a batch was taken, and nothing was done with it.
    return dict(loader.state_dict(finished_epoch=is_over, pending=loop.in_step and runner.finishing is None))


def _of_this_rank(runner: Runner, epoch: int) -> dict[str, Any]:
    """The generators, the data's position, and the gradients when the save falls inside an accumulation window.

    And the buffers, since ranks do not share batch norm's statistics.
    """
    state: dict[str, Any] = {"streams": runner.streams.state_dict(), "data": _data(runner, epoch)}
    if own := runner.strategy.state_dict():
        state["strategy"] = own
    if runner.train_loop.micro_batch is not None:
        state["micro_batch"] = runner.train_loop.micro_batch
    if runner.world_size > 1:
        named = runner.unwrapped_model.named_buffers()
        state["buffers"] = {name: local(buffer).detach().cpu() for name, buffer in named}
    wrapper = runner.optim_wrapper
    if wrapper is not None and wrapper.inside_window:
        state["gradients"] = {
            name: local(parameter.grad).detach().cpu()
            for name, parameter in runner.unwrapped_model.named_parameters()
            if parameter.grad is not None
        }
    return state


def _keep_what_differs(per_rank: list[dict[str, Any]]) -> None:
    """Leave out the buffers that a rank has in common with rank 0, whose are in the `state_dict`."""
    first = per_rank[0].get("buffers", {})
    for state in per_rank:
        own = state.pop("buffers", {})
        differing = {name: own[name] for name in own if name not in first or not torch.equal(own[name], first[name])}
        if differing:
            state["buffers"] = differing


def _stateful(runner: Runner) -> Iterator[tuple[str, Hook]]:
    """Hooks with a key each that is the same in the next launch: the class's name, and which of them it is."""
    counts: dict[str, int] = {}
    for hook in runner.hooks:
        name = type(hook).__name__
        counts[name] = counts.get(name, -1) + 1
        yield (f"{name}.{counts[name]}" if counts[name] else name), hook


def _scheduler_states(runner: Runner) -> Any:
    if isinstance(runner.param_schedulers, dict):
        return {name: [each.state_dict() for each in many] for name, many in runner.param_schedulers.items()}
    return [each.state_dict() for each in runner.param_schedulers]


def _let_hooks_change(runner: Runner, checkpoint: dict[str, Any], copies: HostCopies | None) -> dict[str, Any]:
    """Call `before_save_checkpoint` hook by hook, so that what can't be saved is put down to the one that added it."""
    for method in runner.hooks.at("before_save_checkpoint"):
        method(runner, checkpoint=checkpoint)
        hook: Any = method
        checkpoint = to_plain(checkpoint, owner=type(hook.__self__).__name__, copies=copies)
    return checkpoint


def _store(runner: Runner, folder: Place) -> CheckpointStore:
    return runner.store.beside(folder.absolute() if isinstance(folder, Path) else folder)


# ---- loading ---------------------------------------------------------------------------------------------------------


def load_weights(
    runner: Runner, filename: str, *, map_location: str, strict: bool, revise_keys: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Load weights alone, and say what did not fit."""
    checkpoint = load(runner.store.local(filename), map_location, _targets(runner))
    runner.call_hook("after_load_checkpoint", checkpoint=checkpoint)
    state_dict = checkpoint.get("state_dict", checkpoint)
    report = load_state_dict(runner.unwrapped_model, state_dict, strict=strict, revise_keys=revise_keys)
    if report:
        runner.logger.warning(f"{filename}: {report}")
    runner.logger.info(f"weights loaded from {filename}")
    return checkpoint


def _targets(runner: Runner) -> Target:
    """Which of a model's spread tensors what stands in a checkpoint will go into, so that a rank reads its share alone."""
    weights = runner.unwrapped_model.state_dict()
    wrapper = runner.optim_wrapper

    def target(where: tuple[Any, ...], shape: torch.Size) -> torch.Tensor | None:
        found: Any = None
        if where[0] == "state_dict":
            found = weights.get(where[1])
        elif where[0] == AVERAGES:
            found = weights.get(str(where[1]).removeprefix("module."))
        elif where[0] == "optimizer" and wrapper is not None and "state" in where:
            place = where.index("state")
            optimizer: Any = wrapper[where[1]] if place > 1 else wrapper  # type: ignore[index]  # several, by name
            parameters = [each for group in optimizer.optimizer.param_groups for each in group["params"]]
            found = parameters[where[place + 1]] if where[place + 1] < len(parameters) else None
        return found if is_dtensor(found) and found.shape == shape else None

    return target


def restore(runner: Runner, filename: str, *, resume_optimizer: bool, resume_param_scheduler: bool) -> None:
    """Put a run back to where a checkpoint was written."""
    ours = "ranks" in (checkpoint := load(runner.store.local(filename), target=_targets(runner)))
    name_differences(runner, checkpoint, filename)
    runner.call_hook("after_load_checkpoint", checkpoint=checkpoint)
    if AVERAGES in checkpoint and not runner.hooks.at("after_load_checkpoint"):
        exchange_averages(checkpoint)
        runner.logger.warning(
            f"{filename} was written by a run that averaged its weights (EMAHook), which this one does not: it goes on "
            "from the weights that were trained, and leaves the average"
        )
    unfit = misfits(runner, checkpoint, optimizer=resume_optimizer, schedulers=resume_param_scheduler) if ours else {}
    unfit |= _restore_model(runner, checkpoint, filename, strict=ours)
    refuse(runner, [each for problems in unfit.values() for each in problems], filename)
    resume_optimizer = resume_optimizer and not {"optimizer", "model"} & unfit.keys()
    _restore_position(runner, checkpoint)
    runner.unwrapped_model.zero_grad()  # a run that goes back may be inside an accumulation window
    drop_unshared_gradients(runner.unwrapped_model)
    if resume_optimizer and runner.optim_wrapper is not None and "optimizer" in checkpoint:
        runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
    if resume_param_scheduler and "param_schedulers" in checkpoint:
        for change in restore_schedulers(
            runner.param_schedulers,
            checkpoint["param_schedulers"],
            epoch=runner.epoch,
            iteration=runner.iter,
            epoch_length=runner.max_iters // runner.max_epochs,
            optimizer_restored=resume_optimizer,
        ):
            runner.logger.warning(change)
    if runner.optim_wrapper is not None:
        runner.optim_wrapper.initialize_count_status(runner.unwrapped_model, runner.iter, runner.max_iters)
    if ours:
        _restore_the_rest(runner, checkpoint, unfit)
    runner.logger.info(f"resumed from {filename}: epoch {runner.epoch}, iteration {runner.iter}")


def _restore_model(
    runner: Runner, checkpoint: Mapping[str, Any], filename: str, *, strict: bool
) -> dict[str, list[Problem]]:
    """Load the weights; what does not fit is a problem of a checkpoint of ours, and a warning of a foreign one."""
    if "state_dict" not in checkpoint:
        raise CheckpointError(
            f"{filename} has no 'state_dict': it is no checkpoint of a run, and can't be resumed from"
        )
    try:
        report = load_state_dict(runner.unwrapped_model, checkpoint["state_dict"])
    except CheckpointError as error:
        if not strict or runner.allow_config_change:
            raise
        return {"model": [problem(runner, "model", str(error))]}
    if report and strict:
        return {"model": [problem(runner, "model", str(report))]}
    if report:
        runner.logger.warning(f"{filename}: {report}")
    return {}


def _restore_position(runner: Runner, checkpoint: Mapping[str, Any]) -> None:
    """Put the loop and its loader back to where they were."""
    loop, meta = runner.train_loop, checkpoint.get("meta", {})
    loader: Any = loop.dataloader
    epoch, iteration = meta.get("epoch", 0), meta.get("iter", 0)
    loop.restore(epoch, iteration)
    validated = meta.get("validated", False)
    if validated:
        loop.skip_validation()
    ranks = checkpoint.get("ranks", ())
    # At another world size the position is all that ranks have in common.
    state = ranks[runner.rank]["data"] if _as_many(runner, checkpoint) else checkpoint.get("data")
    if isinstance(loader, DataLoader) and state is not None:
        for message in loader.load_state_dict(state):
            runner.logger.warning(message)
        was = meta.get("max_iters", 0) // meta.get("max_epochs", 1)
        length = runner.max_iters // runner.max_epochs
        if loop.epochs_are_passes and was not in {0, length}:
            before = epoch * was + min(state["batch"], was)
            now = epoch * length + min(loader.first_batch, length)
            _count_anew(runner, round(iteration * now / before) if before else 0, validated=validated)
        return
    if isinstance(loader, DataLoader):
        loader.set_epoch(epoch)
    if loop.epochs_are_passes and 0 < iteration - epoch * len(loader) < len(loader):
        runner.logger.warning(f"epoch {epoch + 1} begins anew: where in it the run was saved is not known")
        _count_anew(runner, epoch * len(loader), validated=validated)


def _as_many(runner: Runner, checkpoint: Mapping[str, Any]) -> bool:
    """Whether as many ranks saved it as there are now, and shared the data as they do."""
    before = checkpoint.get("meta", {}).get("conditions", {}).get("tensor_parallel_size", 1)
    return len(checkpoint.get("ranks", ())) == runner.world_size and before == runner.strategy.tensor_parallel_size


def _count_anew(runner: Runner, iteration: int, *, validated: bool) -> None:
    """Count as many iterations as there would be at this place, so that the run ends with `max_iters`."""
    if iteration != runner.iter:
        runner.logger.warning(f"iteration {runner.iter} of the saved run counts as {iteration} of this one")
        loop = runner.train_loop
        loop.restore(runner.epoch, iteration)
        if validated:
            loop.skip_validation()


def _restore_the_rest(runner: Runner, checkpoint: Mapping[str, Any], unfit: Collection[str]) -> None:
    runner.message_hub.load_state_dict(checkpoint["message_hub"])
    states = checkpoint["hooks"]
    for key, hook in _stateful(runner):
        if states.get(key):
            hook.load_state_dict(states[key])
    if "loop" in checkpoint and "loop" not in unfit and hasattr(runner.train_loop, "load_state_dict"):
        runner.train_loop.load_state_dict(checkpoint["loop"])
    sizes = [of_rank.get("micro_batch") for of_rank in checkpoint["ranks"]]
    if len(sizes) != runner.world_size:  # the smallest will do for whoever is here
        sizes = [min((size for size in sizes if size is not None), default=None)] * runner.world_size
    runner.train_loop.micro_batch = sizes[runner.rank]
    same_count = runner.iter == checkpoint["meta"]["iter"]
    if _as_many(runner, checkpoint):  # otherwise, as was named already, the run is not bit-equal
        of_rank = checkpoint["ranks"][runner.rank]
        if "model" not in unfit:
            _restore_buffers(runner.unwrapped_model, of_rank.get("buffers", {}))
        runner.strategy.load_state_dict(of_rank.get("strategy", {}))
        if same_count and "model" not in unfit:
            _restore_gradients(runner.unwrapped_model, of_rank.get("gradients", {}))
        runner.streams.load_state_dict(of_rank["streams"])
    if runner.optim_wrapper is not None and "accumulation" in checkpoint and same_count:
        runner.optim_wrapper.load_count_state(checkpoint["accumulation"])


def _restore_buffers(model: nn.Module, buffers: Mapping[str, torch.Tensor]) -> None:
    for name, buffer in model.named_buffers():
        if name in buffers:
            local(buffer).copy_(buffers[name])


def _restore_gradients(model: nn.Module, gradients: Mapping[str, torch.Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in gradients:
            parameter.grad = like(gradients[name].to(local(parameter).device, copy=True), parameter)
