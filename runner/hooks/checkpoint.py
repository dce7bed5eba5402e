"""Saves checkpoints: periodically, the last one, and the best ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from runner.checkpoint.format import to_plain
from runner.checkpoint.loader import load
from runner.checkpoint.place import Place, place
from runner.checkpoint.saver import SaveOptions, agree
from runner.checkpoint.store import NON_FINITE, note_latest_checkpoint
from runner.errors import BuildError, NonFiniteError, SaveError, StorageError
from runner.file_names import numbers_files, stay_inside
from runner.hooks.best import GREATER_KEYS, LESS_KEYS, Best, Rule, find_metric, infer_rule
from runner.hooks.clock import SharedClock
from runner.hooks.hook import Hook
from runner.hooks.stores import address_of, backend_args_of
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.fileio import BackendArgs
    from runner.runner import Runner

__all__ = ["CheckpointHook"]


class CheckpointHook(Hook):
    """Saves a checkpoint every few epochs or iterations, and the best ones by the metrics of the validation.

    An old checkpoint is deleted only when the one that takes its place is whole and on the disk. After each save,
    `last_checkpoint` in the work directory names the newest. What the hook knows is in the checkpoint, and in the
    message hub under `last_ckpt`, `keep_ckpt_ids`, `best_score` and `best_ckpt` (with several metrics
    `best_score_<metric>` and `best_ckpt_<metric>`).

    Args:
        interval: Save every so many epochs or iterations; -1 for never, but for the last and the best.
        by_epoch: Whether `interval`, `save_begin` and the files' numbers count epochs; iterations otherwise.
        save_optimizer: Whether a checkpoint holds the optimizer's state, which a resume needs.
        save_param_scheduler: Whether a checkpoint holds the parameter schedulers' state.
        out_dir: Checkpoints go into a folder of this one, named like the work directory; by default into the work
            directory itself. It may be on a remote store (`s3://bucket/runs`): a run that goes on looks there too.
        max_keep_ckpts: How many periodic checkpoints are kept; -1 for all. The best ones do not count.
        save_last: Whether the last epoch or iteration is saved whatever the interval, also where the training is
            stopped early.
        save_best: The metric, or the metrics, whose best checkpoint is kept as `best_<metric>_epoch_<n>.pth`, weights
            without the optimizer's state; `auto` is the first metric of the first validation.
        rule: Whether `greater` or `less` is better, for all metrics or one by one; by default told by their names.
        greater_keys: Names, or parts of names, of metrics of which more is better.
        less_keys: Names, or parts of names, of metrics of which less is better.
        file_client_args: The older name of `backend_args`.
        filename_tmpl: The periodic files' name, with one `{}` for the number, or `{:03d}` and the like; by default
            `epoch_{}.pth` or `iter_{}.pth`.
        backend_args: What the driver of `out_dir` needs, where that is a remote store; by default it looks for itself, in
            the environment and in its own files.
        published_keys: After the training, the last and the best checkpoints are written once more with these parts
            alone, the file's digest in their names.
        save_begin: The epoch or iteration with which the saves by `interval` begin.
        interval_minutes: Save also when so many minutes have passed since the last save, at the end of an iteration, by
            the clock of rank 0. Where `by_epoch` holds, that is one `iter_<n>.pth`, which goes when a newer one is whole.
        async_save: Copy the state to host memory and write it from there while training goes on. It takes as much host
            memory as a checkpoint has; a save waits for the one before it, the end of the training for all of them.
        on_non_finite: What is done about a save when the weights are not finite: `stop` saves nothing and ends the run,
            `skip` saves nothing, `mark` saves them as `non_finite_<name>`, which nothing goes on from.
        on_save_error: What a checkpoint that could not be written means: `stop` ends the run; `continue` logs an error
            and tries again at the next save. A training whose last save failed ends with an error all the same.

    Attributes:
        bests: The best score of each metric of `save_best`, and its checkpoint.
        last_ckpt: The newest periodic checkpoint.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        interval: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        out_dir: str | Path | None = None,
        max_keep_ckpts: Literal[-1] | Annotated[int, Interval(ge=1)] = -1,
        save_last: bool = True,
        save_best: str | list[str] | None = None,
        rule: Literal["greater", "less"] | list[Literal["greater", "less"]] | None = None,
        greater_keys: Sequence[str] | None = None,
        less_keys: Sequence[str] | None = None,
        file_client_args: BackendArgs | None = None,
        filename_tmpl: str | None = None,
        backend_args: BackendArgs | None = None,
        published_keys: str | list[str] | None = None,
        save_begin: Annotated[int, Interval(ge=0)] = 0,
        interval_minutes: Annotated[float, Interval(gt=0)] | None = None,
        async_save: bool = False,
        on_save_error: Literal["stop", "continue"] = "stop",
        on_non_finite: Literal["stop", "skip", "mark"] = "stop",
    ) -> None:
        self.backend_args = backend_args_of("CheckpointHook", file_client_args, backend_args)
        self.interval = interval
        self.by_epoch = by_epoch
        self.save_optimizer = save_optimizer
        self.save_param_scheduler = save_param_scheduler
        self.out_dir = address_of("CheckpointHook", out_dir, self.backend_args)
        self.max_keep_ckpts = max_keep_ckpts
        self.save_last = save_last
        self.filename_tmpl = filename_tmpl or ("epoch_{}.pth" if by_epoch else "iter_{}.pth")
        self.published_keys = _names("published_keys", published_keys)
        self.save_begin = save_begin
        self.greater_keys = _names("greater_keys", greater_keys) or GREATER_KEYS
        self.less_keys = _names("less_keys", less_keys) or LESS_KEYS
        self.save_best = _names("save_best", save_best)
        self._rules = _rules(rule, self.save_best)
        self.interval_minutes = interval_minutes
        self.async_save = async_save
        self.on_save_error = on_save_error
        self.on_non_finite = on_non_finite
        self._clock = SharedClock(interval_minutes * 60) if interval_minutes is not None else None
        self._timed: str | None = None
        self._stale: list[str] = []
        self._undo: Callable[[], None] | None = None
        self._failure: SaveError | None = None
        self.last_ckpt: str | None = None
        self.keep_ckpt_ids: list[int] = []
        self.bests: dict[str, Best] = {}
        self._is_training = False
        if self.save_best and self.save_best != ("auto",):
            self._follow(self.save_best)
        self._check()

    @property
    def best_ckpt_path(self) -> str | None:
        """The best checkpoint by the first metric of `save_best`."""
        return next((best.path for best in self.bests.values()), None)

    def before_run(self, runner: Runner) -> None:
        """Find the folder; from here on the run reads and writes its checkpoints there."""
        work_dir = Path(runner.work_dir).absolute()
        folder: Place = place(self.out_dir) / work_dir.resolve().name if self.out_dir else work_dir
        if isinstance(folder, Path):
            folder = folder.absolute()
        self._folder = folder
        self._store = runner.store = runner.open_store(folder, self.backend_args)

    def before_train(self, runner: Runner) -> None:
        """Take the folder, and what a resumed run has told about what lies in it."""
        folder = self._folder
        self._claim(runner)
        runner.logger.info("checkpoints will be saved to %s", folder)
        self._is_training = True
        if self.last_ckpt is None:
            self._take_over(runner.message_hub.runtime_info)
        else:
            self.last_ckpt = str(folder / self.last_ckpt)
        for best in self.bests.values():
            best.path = best.path and str(folder / best.path)
        self._take_back(runner)
        if self._clock is not None:
            self._clock.start()

    def _claim(self, runner: Runner) -> None:
        """Let rank 0 take the folder for all.

        Raises:
            SaveError: Nothing can be written there; on every rank.
        """
        failure: SaveError | None = None
        if runner.rank == 0:
            try:
                before = self._store.storage.claim()
            except (OSError, StorageError) as error:
                failure = SaveError(f"no checkpoint can be written to {self._folder}: {error}")
            else:
                if before is not None:
                    runner.logger.info(
                        "%s was last written by %s, which did not come to its end; should it still run, it will stop at its "
                        "next save",
                        self._folder,
                        before,
                    )
        agree(failure)

    def _take_back(self, runner: Runner) -> None:
        """Delete what a process that was killed after a save had yet to delete."""
        if runner.rank == 0:
            self._delete(self._surplus())
        self._forget_surplus(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Save, if it counts iterations and one is due, or if it is time."""
        is_time = self._clock is not None and self._clock.strikes()
        if self.by_epoch and not is_time:
            return  # what nearly every step comes to
        if (
            is_time
            or self.every_n_train_iters(runner, self.interval, self.save_begin)
            or (self.save_last and (self.is_last_train_iter(runner) or _is_stopped(runner)))
        ):
            position = {"epoch": runner.epoch, "iter": runner.iter + 1}
            self._save(runner, runner.iter + 1, position, is_timed=self.by_epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save, if it counts epochs and one is due."""
        if not self.by_epoch:
            return
        if self.every_n_epochs(runner, self.interval, self.save_begin) or (
            self.save_last and (self.is_last_train_epoch(runner) or _is_stopped(runner))
        ):
            self._save(runner, runner.epoch + 1, {"epoch": runner.epoch + 1, "iter": runner.iter})

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save the best checkpoints, if a score is better than the best; not outside of a training."""
        if not self._is_training:
            return
        if metrics and runner.rank == 0:
            step, numbers = runner.iter, _numbers(metrics)
            runner.saver.follow(lambda: self._note(runner, step, numbers))
        if not self.save_best:
            return
        if not metrics:
            runner.logger.warning("the validation gave no metrics, so no checkpoint can be the best one")
            return
        if not self.bests:
            self._follow((next(iter(metrics)),))
        # The periodic checkpoint of this very moment does not know of it, and need not: a run that goes on from there
        # begins with this validation.
        for best in self.bests.values():
            self._improve(runner, best, metrics)

    def after_val(self, runner: Runner) -> None:
        """Save, if this validation has ended the training and what was trained last is not saved yet."""
        if not (self._is_training and self.save_last and _is_stopped(runner)):
            return
        step = runner.epoch if self.by_epoch else runner.iter
        if self.last_ckpt != self._path(step):
            self._save(runner, step, {"epoch": runner.epoch, "iter": runner.iter})

    def after_train(self, runner: Runner) -> None:
        """Wait until all is on the disk, and publish the last checkpoint and the best ones.

        Raises:
            SaveError: The training is done, and its last save failed.
        """
        self._is_training = False
        with runner.hooks.phase(runner, "finishes its checkpoints"):
            self._settle(runner)
            if self.async_save:
                runner.saver.close()
            self._finish(runner)
        if runner.rank == 0:
            self._store.storage.release()

    def _finish(self, runner: Runner) -> None:
        if self._failure is not None:
            raise SaveError(f"the training is done, but not all of it could be saved: {self._failure}")
        if not self.published_keys or runner.rank != 0:
            return
        paths = [self.last_ckpt] if self.save_last else []
        for path in dict.fromkeys([*paths, *(best.path for best in self.bests.values())]):
            if path is not None:
                self._publish(runner, place(path))

    def state_dict(self) -> dict[str, Any]:
        """Return the best scores and what is kept; files by their names, so that a folder can be moved."""
        return {
            "last_ckpt": Path(self.last_ckpt).name if self.last_ckpt else None,
            "keep_ckpt_ids": list(self.keep_ckpt_ids),
            **({"timed": self._timed} if self._timed is not None else {}),
            **({"stale": list(self._stale)} if self._stale else {}),
            "bests": {
                metric: {"score": best.score, "file": Path(best.path).name}
                for metric, best in self.bests.items()
                if best.path is not None
            },
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned; the files are looked for in this run's folder."""
        self.last_ckpt = state_dict["last_ckpt"]
        self.keep_ckpt_ids = list(state_dict["keep_ckpt_ids"])
        self._timed, self._stale = state_dict.get("timed"), list(state_dict.get("stale", ()))
        saved = state_dict["bests"]
        if self.save_best == ("auto",) and saved:
            self._follow(tuple(saved))
        for metric, best in self.bests.items():
            if metric in saved:
                best.score, best.path = saved[metric]["score"], saved[metric]["file"]

    def on_exception(self, runner: Runner, exception: BaseException) -> None:
        """Wait until all is on the disk."""
        del exception
        with runner.hooks.phase(runner, "finishes its checkpoints"):
            runner.saver.wait()

    def _save(self, runner: Runner, step: int, meta: dict[str, Any], *, is_timed: bool = False) -> None:
        """Save a periodic checkpoint; when it is whole, those that are too many are deleted."""
        self._settle(runner)
        unit = "iterations" if is_timed or not self.by_epoch else "epochs"
        runner.logger.info("saving checkpoint at %d %s", step, unit)
        before = self.last_ckpt, self.keep_ckpt_ids, self._timed
        name = f"iter_{step}.pth" if is_timed else self.filename_tmpl.format(step)
        self.last_ckpt = path = str(self._folder / name)
        # What goes is in the checkpoint: should this process die before it is deleted, the next one will know of it.
        self._stale = [self._timed] if self._timed not in {None, name} else []
        self._timed = name if is_timed else None
        if self.max_keep_ckpts > 0 and not is_timed:
            self.keep_ckpt_ids = [*(kept for kept in self.keep_ckpt_ids if kept != step), step]
        self._tell(runner)

        def undo() -> None:
            self.last_ckpt, self.keep_ckpt_ids, self._timed = before
            self._tell(runner)

        surplus = self._surplus()
        options = SaveOptions(background=self.async_save, then=lambda _: self._conclude(runner, path, surplus))
        parts = {"save_optimizer": self.save_optimizer, "save_param_scheduler": self.save_param_scheduler}
        if self._write(runner, name, undo, meta=meta, by_epoch=self.by_epoch, options=options, **parts):
            self._forget_surplus(runner)
            if self._clock is not None:
                self._clock.reset()
            if not self.async_save:
                self._failure = None

    def _write(self, runner: Runner, name: str, undo: Callable[[], None], **arguments: Any) -> bool:
        """Write a checkpoint, or begin to; whether that went well."""
        try:
            runner.save_checkpoint(str(self._folder), name, **arguments)
        except BaseException as error:
            undo()
            if isinstance(error, NonFiniteError) and self.on_non_finite != "stop":
                self._leave_out(runner, name, error, arguments)
            elif isinstance(error, SaveError):
                self._fail(runner, error)
            else:
                raise
            return False
        self._undo = undo if self.async_save else None
        return True

    def _leave_out(self, runner: Runner, name: str, error: NonFiniteError, arguments: dict[str, Any]) -> None:
        """Go on without a checkpoint of weights that are not finite, or with one that is called so."""
        runner.logger.warning("%s", error)
        if self.on_non_finite == "mark":
            try:
                runner.save_checkpoint(
                    str(self._folder),
                    f"{NON_FINITE}{name}",
                    **{**arguments, "options": SaveOptions(allow_non_finite=True)},
                )
            except SaveError as failure:
                self._fail(runner, failure)

    def _settle(self, runner: Runner) -> None:
        """Wait for the checkpoint that is being written, if one is, and learn what came of it."""
        undo, self._undo = self._undo, None
        if undo is None:
            return
        try:
            with runner.hooks.phase(runner, "waits for the checkpoint that is written in the background"):
                runner.saver.settle()
        except SaveError as error:
            undo()
            self._fail(runner, error)
        else:
            self._failure = None

    def _fail(self, runner: Runner, error: SaveError) -> None:
        """Do what `on_save_error` says."""
        self._failure = error
        if self.on_save_error == "stop":
            raise error
        runner.logger.error("%s. The run goes on, and tries again at the next save", error)

    def _surplus(self) -> list[str]:
        """The files that are too many."""
        ids = self.keep_ckpt_ids[: -self.max_keep_ckpts] if self.max_keep_ckpts > 0 else []
        return [*(self.filename_tmpl.format(each) for each in ids), *self._stale]

    def _conclude(self, runner: Runner, path: str, surplus: list[str]) -> None:
        """What follows when a checkpoint is whole; on rank 0, perhaps in the background."""
        note_latest_checkpoint(runner.work_dir, path)
        self._delete(surplus)

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._store.remove(name)

    def _forget_surplus(self, runner: Runner) -> None:
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = self.keep_ckpt_ids[-self.max_keep_ckpts :]
        self._stale = []
        self._tell(runner)

    def _improve(self, runner: Runner, best: Best, metrics: dict[str, float]) -> None:
        """Save the best checkpoint of a metric, if this is it, then delete the one that was."""
        find_metric(best.metric, list(metrics))
        if metrics[best.metric] is None:
            return
        score = float(metrics[best.metric])
        if not best.is_beaten_by(score):
            return
        self._settle(runner)
        before = best.score, best.path
        count = runner.epoch if self.by_epoch else runner.iter
        name = f"best_{best.metric.replace('/', '_')}_{self.filename_tmpl.format(count)}"
        best.score, best.path = score, str(self._folder / name)
        self._tell(runner)

        def undo() -> None:
            best.score, best.path = before
            self._tell(runner)

        surplus = [Path(before[1]).name] if before[1] not in {None, best.path} else []
        is_written = self._write(
            runner,
            name,
            undo,
            save_optimizer=False,
            save_param_scheduler=False,
            meta={"epoch": runner.epoch, "iter": runner.iter},
            by_epoch=False,
            options=SaveOptions(
                background=self.async_save,
                then=lambda _: self._delete(surplus),
                metrics=_numbers(metrics),
                best=best.metric,
            ),
        )
        if is_written:
            unit = "epochs" if self.by_epoch else "iterations"
            runner.logger.info(
                "best checkpoint so far: %s %.4f at %d %s, saved to %s", best.metric, score, count, unit, name
            )

    def _note(self, runner: Runner, step: int, metrics: dict[str, float]) -> None:
        """Put metrics into the index, beside the periodic checkpoint that was saved before they were known."""
        try:
            self._store.note_metrics(step, metrics)
        except SaveError as error:
            runner.logger.warning("%s", error)  # the checkpoint itself is whole

    def _publish(self, runner: Runner, path: Place) -> None:
        checkpoint = load(self._store.local(path))
        missing = [key for key in self.published_keys if key not in checkpoint]
        if missing:
            runner.logger.warning("%s has no %s to publish; it has %s", path, ", ".join(missing), ", ".join(checkpoint))
        parts = {key: value for key, value in checkpoint.items() if key in self.published_keys}
        name = f"{path.stem}-{{sha256}}.pth"
        plain = cast("dict[str, Any]", to_plain(parts, owner="CheckpointHook"))
        published = self._store.save(plain, name, step=runner.iter, resumable=False)
        runner.logger.info("%s is published as %s", path, published)

    def _follow(self, metrics: tuple[str, ...]) -> None:
        """Set which metrics are followed."""
        rules = self._rules * len(metrics) if len(self._rules) == 1 else self._rules
        self.bests = {
            metric: Best.none_yet(metric, rule or infer_rule(metric, self.greater_keys, self.less_keys))
            for metric, rule in zip(metrics, rules, strict=True)
        }

    def _take_over(self, info: dict[str, Any]) -> None:
        """Read from the message hub what a checkpoint of MMEngine has no other place for."""
        self.keep_ckpt_ids = list(info.get("keep_ckpt_ids", self.keep_ckpt_ids))
        for metric, best in self.bests.items():
            suffix = self._suffix(metric)
            score = info.get(f"best_score{suffix}")
            if isinstance(score, (int, float)) and isfinite(score):
                best.score, best.path = float(score), info.get(f"best_ckpt{suffix}")

    def _tell(self, runner: Runner) -> None:
        """Put into the message hub what the hook knows, under MMEngine's names."""
        hub = runner.message_hub
        if self.last_ckpt is not None:
            hub.update_info("last_ckpt", self.last_ckpt)
        if self.max_keep_ckpts > 0:
            hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        for metric, best in self.bests.items():
            if best.path is not None:
                hub.update_info(f"best_score{self._suffix(metric)}", best.score)
                hub.update_info(f"best_ckpt{self._suffix(metric)}", best.path)

    def _suffix(self, metric: str) -> str:
        return f"_{metric}" if len(self.bests) > 1 else ""

    def _path(self, step: int) -> str:
        return str(self._folder / self.filename_tmpl.format(step))

    def _check(self) -> None:
        stay_inside("CheckpointHook", "filename_tmpl", self.filename_tmpl)
        if not numbers_files(self.filename_tmpl):
            raise BuildError(
                f"CheckpointHook: filename_tmpl is {self.filename_tmpl!r}; it is a file's name with one {{}} for the "
                "epoch or iteration, which gives each a name of its own: 'epoch_{}.pth' or 'epoch_{:03d}.pth'"
            )
        if self.max_keep_ckpts == 0 or self.max_keep_ckpts < -1:
            raise BuildError(
                f"CheckpointHook: max_keep_ckpts is {self.max_keep_ckpts}; give how many are kept, or -1 for all of them. A "
                "run without periodic checkpoints has interval: -1 and save_last: false"
            )
        if self.save_begin < 0:
            raise BuildError(f"CheckpointHook: save_begin is {self.save_begin}; it can't be negative")


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """Metrics as the index can hold them."""
    return {
        name: float(value) for name, value in metrics.items() if isinstance(value, (int, float)) and isfinite(value)
    }


def _is_stopped(runner: Runner) -> bool:
    """Whether a hook has ended the training early."""
    return bool(getattr(runner.train_loop, "stop_training", False))


def _names(parameter: str, value: str | Sequence[str] | None) -> tuple[str, ...]:
    """One name or several as a tuple."""
    names = () if value is None else (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(cast("object", name), str) for name in names):
        raise BuildError(f"CheckpointHook: {parameter} is {value!r}; it is a name or a list of names")
    if len(set(names)) != len(names):
        raise BuildError(f"CheckpointHook: {parameter} names something twice: {', '.join(names)}")
    if "auto" in names and len(names) > 1 and parameter == "save_best":
        raise BuildError("CheckpointHook: save_best is 'auto' or a list of metrics, not both")
    return names


def _rules(rule: Rule | list[Rule] | None, metrics: tuple[str, ...]) -> tuple[Rule | None, ...]:
    """One rule for all metrics, or one for each."""
    rules: tuple[Rule | None, ...] = tuple(rule) if isinstance(rule, list) else (rule,)
    for each in rules:
        if each not in {"greater", "less", None}:
            raise BuildError(f"CheckpointHook: rule is {each!r}; it can be 'greater' or 'less'")
    if len(rules) not in {1, len(metrics)}:
        raise BuildError(f"CheckpointHook: {len(rules)} rules for {len(metrics)} metrics; give one, or one for each")
    return rules
