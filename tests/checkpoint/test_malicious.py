"""A pickle that runs something, in each place in which a checkpoint is read."""

from __future__ import annotations

import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.checkpoint import CheckpointStore, load, load_checkpoint
from runner.checkpoint.listing import list_checkpoints
from runner.checkpoint.loader import read_meta
from runner.checkpoint.store import note_latest_checkpoint
from runner.errors import CheckpointError

sys.path.append(str(Path(__file__).parents[1] / "hooks"))
from line_run import Line, line


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.sentinel),)


def content(evil: Evil) -> dict[str, Any]:
    return {"meta": {"iter": 9, "cfg": evil}, "optimizer": {}, "state_dict": {"weight": torch.ones(1)}, "ranks": [evil]}


def as_zip(path: Path, evil: Evil) -> None:
    torch.save(content(evil), path)


def as_legacy(path: Path, evil: Evil) -> None:
    torch.save(content(evil), path, _use_new_zipfile_serialization=False)


def as_pickle(path: Path, evil: Evil) -> None:
    path.write_bytes(pickle.dumps(content(evil)))


def in_the_index(path: Path, evil: Evil) -> None:
    """As one who can write the folder would do it: the index vouches for the file."""
    torch.save(content(evil), path)
    store = CheckpointStore(path.parent)
    store.save({"meta": {}, "optimizer": {}}, "iter_1.pth", step=1)
    index = path.parent / "checkpoints.json"
    from runner.checkpoint import index as module
    from runner.checkpoint.shares import digest_of

    entries = json.loads(index.read_text())["checkpoints"]
    (record,) = entries["iter_1.pth"]
    entries[path.name] = [{**record, "sha256": digest_of(path), "size": path.stat().st_size, "step": 9, "order": 9}]
    index.write_text(json.dumps({"format": 1, "digest": module._digest(entries), "checkpoints": entries}))


def train(path: Path, **fields: Any) -> None:
    line(path.parent, default_hooks={"checkpoint": None}, **fields).train()


READERS: dict[str, Callable[[Path], object]] = {
    "load": load,
    "read_meta": read_meta,
    "load_checkpoint": lambda path: load_checkpoint(Line(), path),
    "verify": lambda path: CheckpointStore(path.parent).verify(path),
    "newest": lambda path: CheckpointStore(path.parent).newest(),
    "elsewhere": lambda path: (
        note_latest_checkpoint(path.parents[1], path),
        CheckpointStore(path.parents[1]).newest(),
    ),
    "at_step": lambda path: CheckpointStore(path.parent).at_step(9),
    "list": lambda path: list_checkpoints(CheckpointStore(path.parent), verify=True),
    "resume": lambda path: train(path, resume=str(path)),
    "resume: true": lambda path: train(path, resume=True),
    "load_from": lambda path: train(path, load_from=str(path)),
    "test": lambda path: line(path.parent, load_from=str(path)).test(),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("written", [as_zip, as_legacy, as_pickle, in_the_index], ids=lambda each: each.__name__)
def test_nothing_is_run(tmp_path: Path, reader: str, written: Callable[[Path, Evil], None]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    sentinel = tmp_path / "sentinel"
    path = folder / "iter_9.pth"
    written(path, Evil(sentinel))
    try:
        READERS[reader](path)
    except CheckpointError as error:
        assert "iter_9.pth" in str(error)  # noqa: PT017 - some readers only look at what a stranger's file is made of
    assert not sentinel.exists()


def test_the_sentinel_would_be_there(tmp_path: Path) -> None:
    as_zip(tmp_path / "a.pth", Evil(tmp_path / "sentinel"))
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        assert any(b"mkdir" in archive.read(name) for name in archive.namelist())
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "sentinel").exists()


@pytest.mark.parametrize("reader", ["load", "load_checkpoint", "resume", "resume: true", "load_from", "test"])
def test_and_what_would_use_it_is_refused(tmp_path: Path, reader: str) -> None:
    as_zip(tmp_path / "iter_9.pth", Evil(tmp_path / "sentinel"))
    with pytest.raises(CheckpointError, match="runs commands"):
        READERS[reader](tmp_path / "iter_9.pth")
