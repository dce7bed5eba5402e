"""Checkpoints that are given by an address: of a store, with an index beside them, or of the web, without."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest
import torch

from runner.checkpoint import CheckpointStore, load
from runner.checkpoint.place import Url
from runner.checkpoint.shares import RUN_FILE, write_manifest
from runner.errors import CheckpointError, DamagedCheckpoint, StorageError
from runner.fileio import HTTPBackend, get_file_backend, register_backend
from runner.watch.stop_hook import replace_older

STATE = {"meta": {"iter": 3}, "optimizer": {}, "state_dict": {"w": torch.full((1000,), 3.0)}}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def memory(tmp_path):
    return CheckpointStore(f"memory://{tmp_path.name}/run")


def flip(file):
    content = bytearray(file.read_bytes())
    content[content.index(torch.full((4,), 3.0).numpy().tobytes())] ^= 1
    file.write_bytes(content)


class TestOfTheWeb:
    def test_weights_and_a_checkpoint_to_resume_from(self, web, tmp_path):
        folder, url = web
        torch.save(STATE, folder / "epoch_1.pth")
        store = CheckpointStore(tmp_path)
        assert store.weights(f"{url}/epoch_1.pth") == f"{url}/epoch_1.pth"
        assert load(store.local(f"{url}/epoch_1.pth"))["meta"]["iter"] == 3
        assert load(f"{url}/epoch_1.pth")["meta"]["iter"] == 3
        assert str(store.find(f"{url}/epoch_1.pth")) == f"{url}/epoch_1.pth"

    def test_a_damaged_one_is_not_gone_on_from(self, web, tmp_path):
        folder, url = web
        torch.save(STATE, folder / "epoch_1.pth")
        flip(folder / "epoch_1.pth")
        with pytest.raises(DamagedCheckpoint, match=r"http://.*/epoch_1\.pth is damaged"):
            CheckpointStore(tmp_path).find(f"{url}/epoch_1.pth")

    def test_there_is_none(self, web, tmp_path):
        _, url = web
        with pytest.raises(CheckpointError, match="there is no checkpoint http://"):
            CheckpointStore(tmp_path).find(f"{url}/epoch_1.pth")
        with pytest.raises(CheckpointError, match="there is no such checkpoint"):
            CheckpointStore(tmp_path).local(f"{url}/epoch_1.pth")


def test_weights_from_a_store_are_held_against_the_index_beside_them(memory, tmp_path):
    path = str(memory.save(STATE, "epoch_1.pth", step=3))
    store = CheckpointStore(tmp_path)
    assert store.weights(path) == path
    driver = fsspec.filesystem("memory")
    file = tmp_path / "copy"
    file.write_bytes(driver.cat_file(path))
    flip(file)
    driver.pipe_file(path, file.read_bytes())
    with pytest.raises(DamagedCheckpoint, match=r"memory://.*/epoch_1\.pth is damaged: its SHA-256"):
        store.weights(path)


def test_a_broken_connection_is_no_reason_to_take_a_folder_for_half_written(memory, monkeypatch):
    def write(state, part):
        part.mkdir(parents=True)
        torch.save(state, part / RUN_FILE)
        return write_manifest(part)

    memory.save(STATE, "epoch_1.pth", step=3, write=write)
    driver, info = fsspec.filesystem("memory"), type(fsspec.filesystem("memory")).info

    def broken(self, path, **options):
        if path.endswith(RUN_FILE):
            raise ConnectionError("connection reset")
        return info(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(driver), "info", broken)
        with pytest.raises(StorageError, match="connection reset"):
            memory.newest()
        with pytest.raises(StorageError, match="connection reset"):
            memory.storage.prepare(memory.storage.part("epoch_2.pth"))
    assert memory.newest().name == "epoch_1.pth"


def test_a_bucket_lies_in_nothing_but_itself():
    assert str(Url("s3://bucket").parent) == "s3://bucket"
    assert str(Url("s3://bucket/a.pth").parent) == "s3://bucket"
    assert str(Url("s3://bucket/runs/a.pth").parent) == "s3://bucket/runs"


def test_a_bucket_without_a_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint memory://nothing-there"):
        CheckpointStore(tmp_path).find("memory://nothing-there")


def test_a_storage_that_can_not_tell_files_apart(monkeypatch):
    monkeypatch.setattr("runner.fileio.choose._BACKENDS", {})
    monkeypatch.setattr("runner.fileio.choose._PREFIXES", {})
    register_backend("plain", type("Plain", (HTTPBackend,), {}), prefixes="plain")
    with pytest.raises(StorageError, match=r"Plain has no `stat`.*FsspecBackend"):
        CheckpointStore("plain://runs")


def test_reading_a_file_makes_no_other_of_it():
    """`sftp` tells when a file was last read: by that alone it would be downloaded anew each time."""
    driver, told = fsspec.filesystem("memory"), {"size": 3, "mtime": 5.0, "time": 6.0}
    backend = get_file_backend("memory://x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(driver), "info", lambda _self, _path: told)
        before = backend.stat("memory://x").tag
        told["time"] = 7.0
        assert backend.stat("memory://x").tag == before
        told["mtime"] = 7.0
        assert backend.stat("memory://x").tag != before


def test_an_older_one_that_can_not_be_deleted_does_not_spoil_a_stop(memory, monkeypatch):
    for step in (1, 2, 3):
        memory.save(STATE, f"stopped_iter_{step}.pth", step=step)
    told: list[str] = []

    def broken(self, path):
        raise ConnectionError("connection reset")

    with monkeypatch.context() as patch:
        patch.setattr(type(fsspec.filesystem("memory")), "rm_file", broken)
        replace_older(memory, "stopped_iter_3.pth", told.append)
    assert len(told) == 1
    assert "stopped_iter_3.pth is saved" in told[0]
    assert "connection reset" in told[0]
    replace_older(memory, "stopped_iter_3.pth", told.append)
    assert len(told) == 1
    assert memory.storage.names() == {"checkpoints.json", "stopped_iter_3.pth"}
