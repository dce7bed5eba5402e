"""A folder of checkpoints that a kill, a full disk or a flipped bit can cost one save, and never the run.

A checkpoint is written under a temporary name and flushed, its digest goes into the index, and only then does it get
its own name. So under a final name there is always a whole file, the one before it or the new one; and whether its
bytes are still the ones that were written can be told, which neither zip nor torch checks on reading.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Final, Literal, cast

import torch

from runner.checkpoint.best import best_of, best_to_resume, is_best
from runner.checkpoint.contents import Contents, OnDamage
from runner.checkpoint.digesting import DigestingStream
from runner.checkpoint.index import (
    NOTHING,
    About,
    Index,
    Record,
    read_index,
    write_index,
    write_text,
)
from runner.checkpoint.place import Place, Url, place
from runner.checkpoint.remote import WEB
from runner.checkpoint.shares import delete, digest_of, size_of
from runner.checkpoint.storage import is_checkpoint
from runner.errors import CheckpointError, DamagedCheckpoint, SaveError, StorageError

__all__ = ["LAST_CHECKPOINT", "CheckpointStore", "find_latest_checkpoint"]

LAST_CHECKPOINT: Final = "last_checkpoint"
NON_FINITE: Final = "non_finite_"
"""How the name of a checkpoint begins whose weights are not finite: nothing goes on from it."""
READ_SIZE: Final = 1 << 20


class CheckpointStore(Contents):
    """The checkpoints of one folder, of a file system or of a remote store.

    It keeps nothing of them in memory: several stores over one folder see the same. One process writes. The arguments
    are those of `Contents`.
    """

    def save(
        self,
        state: dict[str, Any],
        name: str,
        *,
        step: int,
        resumable: bool | None = None,
        about: About = NOTHING,
        write: Callable[[dict[str, Any], Path], tuple[str, int]] | None = None,
    ) -> Place:
        """Write a checkpoint; when this returns, it is on the disk under its name.

        Args:
            state: Plain data and tensors, as `to_plain` returns them.
            name: The file's name. `{sha256}` in it becomes the first eight digits of the file's digest.
            step: Iterations that the run has finished.
            resumable: Whether a run can go on from it; by default, whether it holds an `optimizer`.
            about: What the index tells beside that.
            write: Writes and flushes it under the temporary name that it is given, a file or a folder, and returns its
                digest and its size; by default `torch.save`.

        Raises:
            SaveError: It could not be written. What there was before is as it was.
            CheckpointError: Its name leads into another folder.
        """
        if Path(name).name != name:
            raise CheckpointError(f"a checkpoint's name is {name!r}; it can't lead into another folder")
        if resumable is None:
            resumable = "optimizer" in state
        part = self.storage.part(name)
        try:
            self.storage.prepare(part)
            sha256, size = (write or self._write)(state, part)
            name = name.replace("{sha256}", sha256[:8])
            index = read_index(self.storage, self._on_damage)
            record = Record(
                sha256=sha256,
                size=size,
                step=step,
                order=_next_order(index),
                resumable=resumable,
                time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                **asdict(about),
            )
            if self.storage.names_first:
                replaced = self._announce(index, name, record)
                self._publish(part, name)
                if replaced:
                    self._forget(name, record)
            else:
                self._publish_and_announce(part, name, index, record)
        except (OSError, StorageError) as error:
            with suppress(OSError):
                delete(part)
            raise SaveError(
                f"{self.folder / name} could not be written: {reason(error)}; the checkpoints saved before it are "
                f"untouched. {advice(error)}".rstrip()
            ) from error
        return self.folder / name

    def newest(self, on_damage: OnDamage | None = None, *, at_most: int | None = None) -> Place | None:
        """Return the newest whole checkpoint that a run can go on from.

        Damaged ones are named and passed over. Where this folder has none at all, and `last_checkpoint` names one in
        another folder (`CheckpointHook`'s `out_dir`), that folder is searched.

        Args:
            on_damage: Takes the place of the store's own.
            at_most: Those of later iterations are passed over; None is then returned also where all others are damaged.

        Returns:
            None where there has never been one.

        Raises:
            DamagedCheckpoint: There are some, and every one of them is damaged.
            CheckpointError: There are whole ones, and none of them holds more than weights.
        """
        if on_damage is not None:
            return self.beside(self.folder, on_damage).newest(at_most=at_most)
        damaged: list[str] = []
        weights_only: list[str] = []
        unreadable: list[tuple[Place, str]] = []
        for path, record in self._candidates(unreadable):
            try:
                if at_most is not None and self.step_of(path, record) > at_most:
                    continue
                purpose = self._purpose(path, record)
                if purpose == "resume":
                    self.verify(path)
                    return path
            except DamagedCheckpoint as error:
                damaged.append(str(error))
                self._report(str(error))
            else:
                if purpose == "weights":
                    weights_only.append(path.name)
        damaged = [*(reason for _, reason in unreadable), *damaged]
        if damaged and at_most is None:
            listing = "\n".join(f"  {reason}" for reason in damaged)
            raise DamagedCheckpoint(
                f"every checkpoint in {self.folder} is damaged, so there is nothing to resume from:\n{listing}\n"
                "Delete them to start afresh"
            )
        if weights_only and at_most is None:
            raise CheckpointError(
                f"the checkpoints in {self.folder} hold weights without an optimizer's state, so a run can't go on from "
                f"them: {', '.join(weights_only)}. Give one of them as load_from, or delete them to start afresh"
            )
        elsewhere = self._elsewhere()
        return elsewhere.newest(at_most=at_most) if elsewhere else None

    def find(self, wanted: str | int, default: str | None = None) -> Place | None:
        """Return the checkpoint that the field `resume` means.

        Args:
            wanted: True or `auto` for `default`, or the newest where there is none; else a step, `last`, `best`,
                `best:METRIC`, or a path or address, of a folder the newest in it. What is best goes on from the periodic
                checkpoint of the same step.
            default: The field `load_from`.

        Returns:
            None where the newest is meant and there has never been one.

        Raises:
            CheckpointError: There is no such checkpoint, or it is damaged.
        """
        if wanted is True or wanted == "auto":
            return (self.named(default) or place(default)) if default is not None else self.newest()
        name = str(wanted)
        if name == "last":
            return self._last()
        if is_best(name):
            return best_to_resume(self, name)
        if name.isdecimal():
            return self.at_step(int(name))
        return self._given(name)

    def _given(self, name: str) -> Place:
        """What a path or an address names: a checkpoint, or a folder of some."""
        found = place(name)
        store = self.beside(found.parent)
        if store.storage.has(found.name):
            store.verify(found)
            return found
        if isinstance(found, Url) or found.is_dir():
            newest = self.beside(found).newest()
            if newest is not None:
                return newest
        raise CheckpointError(f"there is no checkpoint {name} to resume from")

    def named(self, wanted: str) -> Place | None:
        """Return the checkpoint of this folder that the field `load_from` means; None where that is a path.

        Args:
            wanted: A step, `last`, `best`, `best:METRIC` or a path.

        Raises:
            CheckpointError: There is no such checkpoint in this folder, or it is damaged.
        """
        if wanted == "last":
            return self._last()
        if wanted.isdecimal():
            return self.at_step(int(wanted))
        if is_best(wanted):
            path, _ = best_of(self, wanted)
            self.verify(path)
            return path
        return None

    def weights(self, wanted: str) -> str | Place:
        """Return what the field `load_from` means: as `named` has it, or the path or address that it is.

        Args:
            wanted: A step, `last`, `best`, `best:METRIC`, a path or an address.

        Raises:
            CheckpointError: There is no such checkpoint in this folder.
            DamagedCheckpoint: An index tells what was written, and that is not what is there.
        """
        path = self.named(wanted)
        if path is not None:
            return path
        file = place(wanted)
        if self._is_known(file):
            self.verify(file)
        return wanted

    def _is_known(self, file: Place) -> bool:
        """Whether there is an index beside a checkpoint, which tells what was written."""
        if isinstance(file, Url) and (file.protocol in WEB or "::" in file.text):
            return False
        storage = self.beside(file.parent).storage
        try:
            return file.name in read_index(storage, self._on_damage) and storage.has(file.name)
        except StorageError as error:
            # Who may read a file need not be allowed to look for others.
            self._report(f"{file} is not held against an index: {error}")
            return False

    def _last(self) -> Place:
        path = self.newest()
        if path is None:
            raise CheckpointError(f"{self.folder} has no checkpoint, so there is no last one")
        return path

    def note_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write into the index what was measured with the weights of a step; nothing where it has none of that step.

        Args:
            step: Iterations that the run had finished.
            metrics: Numbers by their names.

        Raises:
            SaveError: The index could not be written.
        """
        index = read_index(self.storage, self._on_damage)
        found = [name for name, records in index.items() if records[0].step == step]
        for name in found:
            records = index[name]
            index[name] = [replace(records[0], metrics={**(records[0].metrics or {}), **metrics}), *records[1:]]
        if found:
            try:
                write_index(self.storage, index)
            except (OSError, StorageError) as error:
                raise SaveError(
                    f"{self.folder}: the metrics of step {step} could not be noted: {reason(error)}. {advice(error)}".rstrip()
                ) from error

    def at_step(self, step: int) -> Place:
        """Return the checkpoint that was saved after a number of iterations.

        Args:
            step: Iterations that the run had finished.

        Raises:
            DamagedCheckpoint: It is damaged.
            CheckpointError: There is none; the error lists those that there are.
        """
        unreadable: list[tuple[Place, str]] = []
        candidates = self._candidates(unreadable)
        found = {
            path: self.step_of(path, record) for path, record in candidates if self._purpose(path, record) == "resume"
        }
        for path, its_step in found.items():
            if its_step == step:
                self.verify(path)
                return path
        listing = ", ".join(f"{path.name} (step {its_step})" for path, its_step in found.items()) or "none at all"
        listing += "".join(f"\n  {reason}" for _, reason in unreadable)
        raise CheckpointError(f"{self.folder} has no checkpoint of step {step}; there are: {listing}")

    def remove(self, path: str | os.PathLike[str] | Url) -> bool:
        """Delete a checkpoint, then its entry; whether there was one.

        Args:
            path: A checkpoint of this folder.
        """
        name = place(path).name
        existed = self.storage.has(name)
        self.storage.delete(name)
        index = read_index(self.storage, self._on_damage)
        if index.pop(name, None) is not None:
            write_index(self.storage, index)
        return existed

    def _write(self, state: dict[str, Any], part: Path) -> tuple[str, int]:
        """Write and flush the temporary file; its digest and its size."""
        with part.open("wb", buffering=READ_SIZE) as stream:
            digesting = DigestingStream(stream)
            torch.save(state, cast("IO[bytes]", digesting))
            digesting.finish()
            os.fsync(stream.fileno())
        return digesting.sha256.hexdigest(), digesting.size

    def _announce(self, index: Index, name: str, record: Record) -> bool:
        """Put a file into the index before it gets its name; whether it will replace one: the index knows both then."""
        replaced = self.storage.has(name)
        before = index.get(name, []) if replaced else []
        if replaced and not before:
            path = self.storage.local(name)
            known = Record(
                sha256=digest_of(path), size=size_of(path), step=record.step, order=0, resumable=record.resumable
            )
            before = [known]
        index[name] = [record, *before]
        write_index(self.storage, index)
        return replaced

    def _publish(self, part: Path, name: str) -> None:
        """Give the file its name."""
        self.storage.publish(part, name)

    def _forget(self, name: str, record: Record) -> None:
        """Take what was replaced out of the index."""
        index = read_index(self.storage, self._on_damage)
        index[name] = [record]
        write_index(self.storage, index)

    def _publish_and_announce(self, part: Path, name: str, index: Index, record: Record) -> None:
        """Give a file its name, then put it into the index; while it replaces one, the index knows neither.

        Either is verified by its own checksums then, and tells its step itself.
        """
        if (before := index.pop(name, None)) is not None:
            write_index(self.storage, index)
        try:
            self._publish(part, name)
        except (OSError, StorageError):
            if before is not None:
                # Where it broke off is not known: the new one may be there already.
                write_index(self.storage, {**index, name: [*before, record]})
            raise
        index[name] = [record]
        write_index(self.storage, index)

    def _purpose(self, path: Place, record: Record | None) -> Literal["resume", "weights", "other"]:
        """What a checkpoint is there for: to go on from, a run's weights alone, or something else."""
        if record is not None:
            parts = {"meta", "optimizer"} if record.resumable else {"meta"}
        else:
            parts = set(self._meta(path)["keys"])
        if "optimizer" in parts and not path.name.startswith(NON_FINITE):
            return "resume"
        if path.name.startswith(NON_FINITE):
            return "other"
        # A run may have a best checkpoint before it has its first periodic one: it has none to go on from then.
        return "weights" if "meta" in parts and not path.name.startswith("best_") else "other"

    def _elsewhere(self) -> CheckpointStore | None:
        """The store of the folder that `last_checkpoint` points into, if that is another one."""
        named = find_latest_checkpoint(self.folder) if isinstance(self.folder, Path) else None
        if named is None or (found := place(named)).parent == self.folder:
            return None
        if isinstance(found, Path) and (
            not is_checkpoint(found) or found.parent.resolve() == Path(str(self.folder)).resolve()
        ):
            return None
        return self.beside(found.parent)


def find_latest_checkpoint(path: str | os.PathLike[str]) -> str | None:
    """Return what a work directory's `last_checkpoint` names, if there is one.

    Args:
        path: The work directory.
    """
    try:
        return (Path(path) / LAST_CHECKPOINT).read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def note_latest_checkpoint(work_dir: str | os.PathLike[str], path: str | os.PathLike[str] | Url) -> None:
    """Write a work directory's `last_checkpoint`.

    Args:
        work_dir: The work directory.
        path: The checkpoint; its absolute path is written, or its address.
    """
    found = place(path)
    write_text(Path(work_dir) / LAST_CHECKPOINT, str(found if isinstance(found, Url) else found.absolute()))


def reason(error: OSError | StorageError) -> str:
    """Why a file could not be written."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def advice(error: OSError | StorageError) -> str:
    """What to do about a file of a checkpoint that could not be written; an error of ours says so itself."""
    if not isinstance(error, OSError):
        return ""
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "Give this user the right to write there, or set CheckpointHook's out_dir"
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}:
        return "See whether the folder is there and mounted, or set CheckpointHook's out_dir"
    return "Make room, or set CheckpointHook's max_keep_ckpts or out_dir"


def is_name(wanted: object) -> bool:
    """Whether a field asks for a checkpoint of the run's folder by what it is, and not by where it lies."""
    name = str(wanted)
    return name == "last" or name.isdecimal() or is_best(name)


def _next_order(index: Index) -> int:
    return max((record.order for records in index.values() for record in records), default=0) + 1
