"""A folder of checkpoints that a kill, a full disk or a flipped bit can cost one save, and never the run.

A checkpoint is written under a temporary name and flushed, its digest goes into the index, and only then does it get
its own name. So under a final name there is always a whole file, the one before it or the new one; and whether its
bytes are still the ones that were written can be told, which neither zip nor torch checks on reading.
"""

from __future__ import annotations

import errno
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias, cast

import torch

from runner.checkpoint.best import best_of, best_to_resume, is_best
from runner.checkpoint.digesting import DigestingStream
from runner.checkpoint.index import (
    NOTHING,
    TEMPORARY_PATTERN,
    About,
    Index,
    Record,
    flush_folder,
    read_index,
    temporary,
    write_index,
    write_text,
)
from runner.checkpoint.loader import load, read_meta
from runner.checkpoint.shares import delete, digest_of, is_folder_of_shares, size_of, verify_folder
from runner.errors import CheckpointError, DamagedCheckpoint, SaveError

__all__ = ["LAST_CHECKPOINT", "CheckpointStore", "find_latest_checkpoint"]

LAST_CHECKPOINT: Final = "last_checkpoint"
SUFFIXES: Final = frozenset({".pth", ".pt", ".ckpt"})
"""What a file is called that is taken for a checkpoint though the index does not know it."""
NON_FINITE: Final = "non_finite_"
"""How the name of a checkpoint begins whose weights are not finite: nothing goes on from it."""
READ_SIZE: Final = 1 << 20

OnDamage: TypeAlias = Callable[[str], object]


class CheckpointStore:
    """The checkpoints of one folder.

    It keeps nothing in memory: several stores over one folder see the same. One process writes.

    Args:
        folder: Where they lie; it is created by the first save.
        on_damage: Is told of each damaged file that is come across, in a sentence that names it.
    """

    def __init__(self, folder: str | os.PathLike[str], on_damage: OnDamage | None = None) -> None:
        self.folder = Path(folder)
        self._on_damage = on_damage

    def save(
        self,
        state: dict[str, Any],
        name: str,
        *,
        step: int,
        resumable: bool | None = None,
        about: About = NOTHING,
        write: Callable[[dict[str, Any], Path], tuple[str, int]] | None = None,
    ) -> Path:
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
        part = temporary(self.folder / name)
        try:
            self._prepare(part)
            sha256, size = (write or self._write)(state, part)
            path = self.folder / name.replace("{sha256}", sha256[:8])
            index = read_index(self.folder, self._on_damage)
            record = Record(
                sha256=sha256,
                size=size,
                step=step,
                order=_next_order(index),
                resumable=resumable,
                time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                **asdict(about),
            )
            replaced = self._announce(index, path, record)
            self._publish(part, path)
            if replaced:
                self._forget(path, record)
        except OSError as error:
            with suppress(OSError):
                delete(part)
            raise SaveError(
                f"{self.folder / name} could not be written: {error.strerror or error}; the checkpoints saved before it "
                f"are untouched. {advice(error)}"
            ) from error
        return path

    def newest(self, on_damage: OnDamage | None = None) -> Path | None:
        """Return the newest whole checkpoint that a run can go on from.

        Damaged ones are named and passed over. Where this folder has none at all, and `last_checkpoint` names one in
        another folder (`CheckpointHook`'s `out_dir`), that folder is searched.

        Args:
            on_damage: Takes the place of the store's own.

        Returns:
            None where there has never been one.

        Raises:
            DamagedCheckpoint: There are some, and every one of them is damaged.
            CheckpointError: There are whole ones, and none of them holds more than weights.
        """
        if on_damage is not None:
            return CheckpointStore(self.folder, on_damage).newest()
        damaged: list[str] = []
        weights_only: list[str] = []
        unreadable: list[tuple[Path, str]] = []
        for path, record in self._candidates(unreadable):
            try:
                purpose = _purpose(path, record)
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
        if damaged:
            listing = "\n".join(f"  {reason}" for reason in damaged)
            raise DamagedCheckpoint(
                f"every checkpoint in {self.folder} is damaged, so there is nothing to resume from:\n{listing}\n"
                "Delete them to start afresh"
            )
        if weights_only:
            raise CheckpointError(
                f"the checkpoints in {self.folder} hold weights without an optimizer's state, so a run can't go on from "
                f"them: {', '.join(weights_only)}. Give one of them as load_from, or delete them to start afresh"
            )
        elsewhere = self._elsewhere()
        return elsewhere.newest() if elsewhere else None

    def find(self, wanted: str | int, default: str | None = None) -> Path | None:
        """Return the checkpoint that the field `resume` means.

        Args:
            wanted: True or `auto` for `default`, or the newest where there is none; else a step, `last`, `best`,
                `best:METRIC` or a path. What is best goes on from the periodic checkpoint of the same step.
            default: The field `load_from`.

        Returns:
            None where the newest is meant and there has never been one.

        Raises:
            CheckpointError: There is no such checkpoint, or it is damaged.
        """
        if wanted is True or wanted == "auto":
            return (self.named(default) or Path(default)) if default is not None else self.newest()
        name = str(wanted)
        if name == "last":
            return self._last()
        if is_best(name):
            return best_to_resume(self, name)
        if name.isdecimal():
            return self.at_step(int(name))
        if not Path(name).exists():
            raise CheckpointError(f"there is no checkpoint {name} to resume from")
        return Path(name)

    def named(self, wanted: str) -> Path | None:
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

    def _last(self) -> Path:
        path = self.newest()
        if path is None:
            raise CheckpointError(f"{self.folder} has no checkpoint, so there is no last one")
        return path

    def entries(self, unreadable: list[tuple[Path, str]] | None = None) -> list[tuple[Path, Record | None]]:
        """Return all that could be a checkpoint, the newest first; those that the index does not know without a record.

        Args:
            unreadable: Takes the files that do not even say which step they are of, and why.
        """
        return list(self._candidates(unreadable if unreadable is not None else []))

    def note_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write into the index what was measured with the weights of a step; nothing where it has none of that step.

        Args:
            step: Iterations that the run had finished.
            metrics: Numbers by their names.

        Raises:
            SaveError: The index could not be written.
        """
        index = read_index(self.folder, self._on_damage)
        found = [name for name, records in index.items() if records[0].step == step]
        for name in found:
            records = index[name]
            index[name] = [replace(records[0], metrics={**(records[0].metrics or {}), **metrics}), *records[1:]]
        if found:
            try:
                write_index(self.folder, index)
            except OSError as error:
                raise SaveError(
                    f"{self.folder}: the metrics of step {step} could not be noted: {error.strerror or error}. {advice(error)}"
                ) from error

    def at_step(self, step: int) -> Path:
        """Return the checkpoint that was saved after a number of iterations.

        Args:
            step: Iterations that the run had finished.

        Raises:
            DamagedCheckpoint: It is damaged.
            CheckpointError: There is none; the error lists those that there are.
        """
        unreadable: list[tuple[Path, str]] = []
        candidates = self._candidates(unreadable)
        found = {path: self.step_of(path, record) for path, record in candidates if _purpose(path, record) == "resume"}
        for path, its_step in found.items():
            if its_step == step:
                self.verify(path)
                return path
        listing = ", ".join(f"{path.name} (step {its_step})" for path, its_step in found.items()) or "none at all"
        listing += "".join(f"\n  {reason}" for _, reason in unreadable)
        raise CheckpointError(f"{self.folder} has no checkpoint of step {step}; there are: {listing}")

    def verify(self, path: str | os.PathLike[str]) -> None:
        """Check that a checkpoint holds the bytes that were written.

        By the digest in the index, which covers every byte; a file that the index does not know by its zip archive's
        own checksums, which cover the content.

        Args:
            path: A checkpoint of this folder, or one elsewhere.

        Raises:
            DamagedCheckpoint: It does not.
            CheckpointError: There is no such file.
        """
        file = Path(path)
        if not _is_checkpoint(file):
            raise CheckpointError(f"{file}: there is no such checkpoint")
        records = read_index(file.parent, self._on_damage).get(file.name)
        if records is None:
            _verify_by_itself(file)
            return
        size = size_of(file)
        if not any(record.size == size for record in records):
            sizes = " or ".join(str(record.size) for record in records)
            raise DamagedCheckpoint(f"{file} is damaged: it has {size} bytes, {sizes} were written")
        if not any(record.sha256 == digest_of(file) for record in records):
            raise DamagedCheckpoint(f"{file} is damaged: its SHA-256 is not that of the bytes that were written")

    def remove(self, path: str | os.PathLike[str]) -> bool:
        """Delete a checkpoint, then its entry; whether there was one.

        Args:
            path: A checkpoint of this folder.
        """
        file = self.folder / Path(path).name
        existed = file.exists()
        delete(file)
        index = read_index(self.folder, self._on_damage)
        if index.pop(file.name, None) is not None:
            write_index(self.folder, index)
        return existed

    def _prepare(self, part: Path) -> None:
        """Make the folder, and clear away what killed saves left behind; into `part` ranks may have written already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(TEMPORARY_PATTERN):
            if leftover != part:
                delete(leftover)

    def _write(self, state: dict[str, Any], part: Path) -> tuple[str, int]:
        """Write and flush the temporary file; its digest and its size."""
        with part.open("wb", buffering=READ_SIZE) as stream:
            digesting = DigestingStream(stream)
            torch.save(state, cast("IO[bytes]", digesting))
            digesting.finish()
            os.fsync(stream.fileno())
        return digesting.sha256.hexdigest(), digesting.size

    def _announce(self, index: Index, path: Path, record: Record) -> bool:
        """Put a file into the index before it gets its name; whether it will replace one."""
        replaced = path.exists()
        before = index.get(path.name, []) if replaced else []
        if replaced and not before:
            before = [
                Record(
                    sha256=digest_of(path), size=size_of(path), step=record.step, order=0, resumable=record.resumable
                )
            ]
        index[path.name] = [record, *before]
        write_index(self.folder, index)
        return replaced

    def _publish(self, part: Path, path: Path) -> None:
        """Give the file its name, and make sure that the name is on the disk."""
        if part.is_dir() and path.exists():
            # A folder takes no other's place in one step: a kill between the two leaves the checkpoints before it.
            replaced = temporary(path.with_name(f"{path.name}.replaced"))
            delete(replaced)
            path.replace(replaced)
            part.replace(path)
            delete(replaced)
        else:
            part.replace(path)
        flush_folder(self.folder)

    def _forget(self, path: Path, record: Record) -> None:
        """Take what was replaced out of the index."""
        index = read_index(self.folder, self._on_damage)
        index[path.name] = [record]
        write_index(self.folder, index)

    def _candidates(self, unreadable: list[tuple[Path, str]]) -> Iterator[tuple[Path, Record | None]]:
        """Every file that could be a checkpoint, the newest first; those not in the index without a record.

        Args:
            unreadable: Takes what is wrong with the files that do not even say which step they are of.
        """
        if not self.folder.is_dir():
            return
        index = read_index(self.folder, self._on_damage)
        known = [(path, records[0]) for name, records in index.items() if _is_checkpoint(path := self.folder / name)]
        known.sort(key=lambda item: item[1].order, reverse=True)
        strangers: list[tuple[int, int, Path]] = []
        for path in sorted(self.folder.iterdir()):
            if (
                path.suffix in SUFFIXES
                and path.name not in index
                and not path.name.startswith(".")
                and _is_checkpoint(path)
            ):
                try:
                    strangers.append((self.step_of(path, None), path.stat().st_mtime_ns, path))
                except CheckpointError as error:
                    unreadable.append((path, str(error)))
                    self._report(str(error))
        strangers.sort(reverse=True)
        while known or strangers:
            # A file that the index does not know is newer than one that it knows if it is further on and younger.
            if strangers and (not known or _is_newer(strangers[0], known[0])):
                yield strangers.pop(0)[2], None
            else:
                yield known.pop(0)

    def step_of(self, path: Path, record: Record | None) -> int:
        """Return the iterations that a checkpoint's run had finished; read from the file where there is no record."""
        if record is not None:
            return record.step
        step = read_meta(path).get("iter", 0)
        return step if isinstance(step, int) else 0

    def _elsewhere(self) -> CheckpointStore | None:
        """The store of the folder that `last_checkpoint` points into, if that is another one."""
        named = find_latest_checkpoint(self.folder)
        if named is None or not _is_checkpoint(Path(named)) or Path(named).parent.resolve() == self.folder.resolve():
            return None
        return CheckpointStore(Path(named).parent, self._on_damage)

    def _report(self, message: str) -> None:
        if self._on_damage is not None:
            self._on_damage(message)


def find_latest_checkpoint(path: str | os.PathLike[str]) -> str | None:
    """Return what a work directory's `last_checkpoint` names, if there is one.

    Args:
        path: The work directory.
    """
    try:
        return (Path(path) / LAST_CHECKPOINT).read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def note_latest_checkpoint(work_dir: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write a work directory's `last_checkpoint`.

    Args:
        work_dir: The work directory.
        path: The checkpoint; its absolute path is written.
    """
    write_text(Path(work_dir) / LAST_CHECKPOINT, str(Path(path).absolute()))


def advice(error: OSError) -> str:
    """What to do about a file of a checkpoint that could not be written."""
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "Give this user the right to write there, or set CheckpointHook's out_dir"
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}:
        return "See whether the folder is there and mounted, or set CheckpointHook's out_dir"
    return "Make room, or set CheckpointHook's max_keep_ckpts or out_dir"


def _purpose(path: Path, record: Record | None) -> Literal["resume", "weights", "other"]:
    """What a checkpoint is there for: to go on from, a run's weights alone, or something else."""
    if record is not None:
        parts = {"meta", "optimizer"} if record.resumable else {"meta"}
    else:
        parts = set(read_meta(path)["keys"])
    if "optimizer" in parts and not path.name.startswith(NON_FINITE):
        return "resume"
    if path.name.startswith(NON_FINITE):
        return "other"
    # A run may have a best checkpoint before it has its first periodic one: it has none to go on from then.
    return "weights" if "meta" in parts and not path.name.startswith("best_") else "other"


def _next_order(index: Index) -> int:
    return max((record.order for records in index.values() for record in records), default=0) + 1


def _is_newer(stranger: tuple[int, int, Path], known: tuple[Path, Record]) -> bool:
    step, modified, _ = stranger
    path, record = known
    return step > record.step and modified >= path.stat().st_mtime_ns


_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, EOFError, OverflowError, OSError)
"""What Python's reader of zip archives raises, by which byte is wrong."""


def _is_checkpoint(path: Path) -> bool:
    """Whether there is a file, or a folder of shares, under a name."""
    return path.is_file() or is_folder_of_shares(path)


def _verify_by_itself(file: Path) -> None:
    """Verify a file that the index does not know."""
    if file.is_dir():
        verify_folder(file)
        return
    if not zipfile.is_zipfile(file):
        # The format before torch 1.6 has no checksums; a truncated zip archive ends up here too.
        load(file)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            wrong = archive.testzip()
    except _ZIP_ERRORS as error:
        raise DamagedCheckpoint(f"{file} is damaged: {str(error) or type(error).__name__}") from error
    if wrong is not None:
        raise DamagedCheckpoint(f"{file} is damaged: the checksum of {wrong} within it does not match")
    read_meta(file)
