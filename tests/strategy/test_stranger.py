"""A folder of shares from a stranger, who put a pickle that runs something into each place that is read."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))
from training import build, train

from runner.checkpoint import CheckpointStore, load
from runner.checkpoint import index as index_module
from runner.checkpoint.shares import digest_of, size_of, write_manifest
from runner.errors import CheckpointError, DamagedCheckpoint

STRATEGY = {"type": "FSDPStrategy", "state_dict_cfg": "sharded"}


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return os.mkdir, (str(self.sentinel),)


def zipped(evil):
    stream = io.BytesIO()
    torch.save({"weight": evil}, stream)
    return stream.getvalue()


def in_metadata(folder, evil):
    (folder / ".metadata").write_bytes(pickle.dumps(evil))


def beside_the_metadata(folder, evil):
    found = pickle.loads((folder / ".metadata").read_bytes())
    found.planner_data = evil
    (folder / ".metadata").write_bytes(pickle.dumps(found))


def in_the_run(folder, evil):
    (folder / "run.pth").write_bytes(zipped({"state_dict": evil, "optimizer": {}, "meta": {"iter": 9}}))


def in_a_share(folder, evil):
    """With metadata that lead right to it."""
    content = zipped(evil)
    found = pickle.loads((folder / ".metadata").read_bytes())
    found.storage_data = {
        key: replace(place, offset=0, length=len(content)) for key, place in found.storage_data.items()
    }
    (folder / ".metadata").write_bytes(pickle.dumps(found))
    (folder / "__0_0.distcp").write_bytes(content)


def vouch(folder):
    """Let the manifest and the index say that all of this is as it was written."""
    write_manifest(folder)
    file = folder.parent / "checkpoints.json"
    entries = json.loads(file.read_text())["checkpoints"]
    entries[folder.name][0] |= {"sha256": digest_of(folder), "size": size_of(folder)}
    file.write_text(json.dumps({"format": 1, "digest": index_module._digest(entries), "checkpoints": entries}))


def restored(files):
    for file, content in files.items():
        file.write_bytes(content)


@pytest.mark.world_size(1)
def test_nothing_is_run_and_what_would_be_is_refused(tmp_path):
    train(tmp_path, STRATEGY, train_cfg={"by_epoch": False, "max_iters": 2})
    folder, sentinel, store = tmp_path / "iter_2.pth", tmp_path / "sentinel", CheckpointStore(tmp_path)
    files = {file: file.read_bytes() for file in [*folder.iterdir(), tmp_path / "checkpoints.json"]}
    assert store.newest() == folder
    for place in (in_metadata, beside_the_metadata, in_the_run, in_a_share):
        place(folder, Evil(sentinel))
        if place is not in_the_run:  # which is read by weights_only, and verified with the whole
            with pytest.raises(DamagedCheckpoint, match=r"\.metadata in it does not hold the bytes"):
                load(folder)
        assert store.newest().name == "iter_1.pth"
        vouch(folder)
        assert store.newest() == folder
        with pytest.raises(CheckpointError, match=r"iter_2\.pth"):
            load(folder)
        runner = build(tmp_path, STRATEGY, resume=True)
        with pytest.raises(CheckpointError):
            runner.prepare_training()
        runner.close()
        assert not sentinel.exists(), place.__name__
        restored(files)
    for name in ("checkpoints.json", "last_checkpoint"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil(sentinel)))
        assert store.newest() == folder
    assert not sentinel.exists()
    in_metadata(folder, Evil(sentinel))
    pickle.loads((folder / ".metadata").read_bytes())
    assert sentinel.exists()
