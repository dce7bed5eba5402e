"""Checkpoints in an object store: the same contract as in a folder."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import stat
import sys
import threading

import pytest
import torch

from runner.checkpoint import CheckpointStore, load
from runner.checkpoint.listing import list_checkpoints
from runner.checkpoint.shares import RUN_FILE, write_manifest
from runner.errors import CheckpointError, DamagedCheckpoint, SaveError, StorageError

INDEX = "checkpoints.json"


def state(step, size=1000):
    return {"meta": {"iter": step}, "optimizer": {"lr": 0.1}, "weights": torch.full((size,), float(step))}


class Killed(BaseException):
    """Stands for the end of the process, which nobody sees to."""


def kill_after(count, backend):
    """Let a driver end with the change after so many; returns whether that has happened."""
    happened, left = threading.Event(), itertools.count(count, -1)

    def until_then(change):
        def changing(*args, **kwargs):
            if happened.is_set() or next(left) <= 0:
                happened.set()
                raise Killed
            return change(*args, **kwargs)

        return changing

    for name in ("copyfile", "copyfile_from_local", "move", "put", "remove", "rmtree"):
        setattr(backend, name, until_then(getattr(backend, name)))
    return happened


@pytest.fixture
def opened(store):
    return CheckpointStore(f"{store.bucket}/runs/demo", backend_args=store.backend_args)


@pytest.fixture
def three(opened):
    for step in (1, 2, 3):
        opened.save(state(step), f"iter_{step}.pth", step=step)
    return opened


def flip(store, name, position, bit=0):
    content = bytearray(store.read(name))
    content[position] ^= 1 << bit
    store.write(name, bytes(content))


def test_what_is_saved_is_whole_and_the_newest(three, store):
    newest = three.newest()
    assert str(newest) == f"{store.bucket}/runs/demo/iter_3.pth"
    three.verify(newest)
    assert load(three.local(newest))["weights"][0] == 3
    assert store.names("runs/demo") == [INDEX, "iter_1.pth", "iter_2.pth", "iter_3.pth"]
    (record,) = json.loads(store.read(f"runs/demo/{INDEX}"))["checkpoints"]["iter_2.pth"]
    content = store.read("runs/demo/iter_2.pth")
    assert (record["step"], record["size"]) == (2, len(content))
    assert record["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_step_a_removal_and_a_name_that_is_used_again(three, store):
    assert three.at_step(2).name == "iter_2.pth"
    assert three.remove("iter_3.pth")
    assert not three.remove("iter_3.pth")
    assert three.newest().name == "iter_2.pth"
    three.save(state(22), "iter_2.pth", step=22)
    assert load(three.local(three.newest()))["weights"][0] == 22
    assert len(json.loads(store.read(f"runs/demo/{INDEX}"))["checkpoints"]["iter_2.pth"]) == 1


def test_nothing_is_there_yet(opened):
    assert opened.newest() is None
    with pytest.raises(CheckpointError, match="no checkpoint, so there is no last one"):
        opened.find("last")


class TestDamage:
    def test_a_flipped_bit_is_found_and_the_one_before_is_taken(self, three, store):
        generator = random.Random(5)
        name = "runs/demo/iter_3.pth"
        whole = store.read(name)
        for _ in range(3):
            store.write(name, whole)
            flip(store, name, generator.randrange(len(whole)), generator.randrange(8))
            told: list[str] = []
            assert three.newest(told.append).name == "iter_2.pth"
            assert f"{store.bucket}/{name} is damaged: its SHA-256" in told[0]

    def test_a_truncated_object(self, three, store):
        content = store.read("runs/demo/iter_3.pth")
        store.write("runs/demo/iter_3.pth", content[:-100])
        told: list[str] = []
        assert three.newest(told.append).name == "iter_2.pth"
        assert f"it has {len(content) - 100} bytes, {len(content)} were written" in told[0]

    def test_what_the_index_does_not_know_is_verified_by_itself(self, three, store):
        content = store.read("runs/demo/iter_3.pth")
        store.driver().rm_file(f"{store.bucket}/runs/demo/{INDEX}")
        three.verify(three.folder / "iter_3.pth")
        assert three.newest().name == "iter_3.pth"
        flip(store, "runs/demo/iter_3.pth", content.index(torch.full((4,), 3.0).numpy().tobytes()))
        told: list[str] = []
        assert three.newest(told.append).name == "iter_2.pth"
        assert f"{store.bucket}/runs/demo/iter_3.pth is damaged" in told[0]

    def test_all_damaged_is_an_error_that_names_them(self, three, store):
        for step in (1, 2, 3):
            flip(store, f"runs/demo/iter_{step}.pth", 400)
        with pytest.raises(DamagedCheckpoint, match=r"every checkpoint in s3://.* is damaged") as caught:
            three.newest()
        assert all(f"iter_{step}.pth" in str(caught.value) for step in (1, 2, 3))

    def test_an_address_that_is_given_is_verified(self, three, store):
        flip(store, "runs/demo/iter_3.pth", 400)
        with pytest.raises(DamagedCheckpoint, match=r"iter_3\.pth is damaged"):
            three.find(f"{store.bucket}/runs/demo/iter_3.pth")
        assert three.find(f"{store.bucket}/runs/demo").name == "iter_2.pth"
        with pytest.raises(CheckpointError, match=r"there is no checkpoint s3://.*/iter_9\.pth"):
            three.find(f"{store.bucket}/runs/demo/iter_9.pth")

    def test_they_are_listed_and_verified(self, three, store):
        flip(store, "runs/demo/iter_2.pth", 400)
        rows = list_checkpoints(three, verify=True)
        assert [(row["file"], row["state"]) for row in rows] == [
            ("iter_3.pth", "whole"),
            ("iter_2.pth", "damaged"),
            ("iter_1.pth", "whole"),
        ]


class TestShares:
    """A folder that ranks wrote their shares into is uploaded file by file; without its last one it is no checkpoint."""

    @staticmethod
    def write(state, part):
        part.mkdir(parents=True)
        (part / "__0_0.distcp").write_bytes(b"a share" * 100)
        torch.save(state, part / RUN_FILE)
        return write_manifest(part)

    def test_saved_verified_replaced_and_removed(self, opened, store):
        for step in (1, 2):
            opened.save(state(step), "shares.pth", step=step, write=self.write)
            assert opened.newest().name == "shares.pth"
            assert torch.load(opened.local(opened.newest()) / RUN_FILE, weights_only=True)["weights"][0] == step
        flip(store, "runs/demo/shares.pth/__0_0.distcp", 10)
        with pytest.raises(DamagedCheckpoint, match=r"shares\.pth is damaged: its SHA-256"):
            opened.verify(opened.folder / "shares.pth")
        assert opened.remove("shares.pth")
        assert store.names("runs/demo") == [INDEX]

    def test_what_a_kill_left_of_one_is_no_checkpoint_and_is_cleared_away(self, opened, store):
        opened.save(state(1), "iter_1.pth", step=1)
        store.write("runs/demo/iter_2.pth/__0_0.distcp", b"a share")
        assert opened.newest().name == "iter_1.pth"
        opened.save(state(3), "iter_3.pth", step=3)
        assert store.names("runs/demo") == [INDEX, "iter_1.pth", "iter_3.pth"]

    @pytest.mark.parametrize("protocol", ["s3", "memory"])
    def test_a_kill_at_any_point_of_a_replacement_leaves_a_whole_one(self, store, tmp_path, protocol):
        bucket, args = (store.bucket, store.backend_args) if protocol == "s3" else (f"memory://{tmp_path.name}", None)
        seen = set()
        for changes in (3, 5, 7, 99) if protocol == "s3" else itertools.count():
            folder = f"{bucket}/runs/{changes}"
            victim = CheckpointStore(folder, backend_args=args)
            victim.save(state(1), "shares.pth", step=1, write=self.write)
            killed = kill_after(changes, victim.storage._backend)
            try:
                victim.save(state(2), "shares.pth", step=2, write=self.write)
            except Killed:
                assert killed.is_set()
            after = CheckpointStore(folder, backend_args=args)
            newest = after.newest()
            assert newest.name == "shares.pth"
            saved = torch.load(after.local(newest) / RUN_FILE, weights_only=True)["meta"]["iter"]
            seen.add(saved)
            # The next save brings it to its end, and leaves nothing hidden behind.
            after.save(state(3), "iter_3.pth", step=3)
            after.verify(newest)
            assert torch.load(after.local(newest) / RUN_FILE, weights_only=True)["meta"]["iter"] >= saved
            driver, _ = after.storage._backend._at(folder)
            there = {each.rpartition("/")[2] for each in driver.ls(folder, detail=False)}
            assert there == {INDEX, "iter_3.pth", "shares.pth"}
            if not killed.is_set():
                break
        assert saved == 2
        assert seen == {1, 2}

    def test_a_failure_after_the_old_one_is_gone_leaves_the_new_one_and_an_index_that_knows_it(
        self, opened, monkeypatch
    ):
        def fail(*_):
            raise ConnectionError("the store is gone")

        opened.save(state(1), "shares.pth", step=1, write=self.write)
        with monkeypatch.context() as patch:
            patch.setattr(opened.storage._backend, "copyfile", fail)
            with pytest.raises(SaveError, match="the store is gone"):
                opened.save(state(2), "shares.pth", step=2, write=self.write)
        newest = opened.newest()
        assert torch.load(opened.local(newest) / RUN_FILE, weights_only=True)["meta"]["iter"] == 2

    def test_one_that_is_deleted_does_not_come_back(self, opened, store):
        opened.save(state(1), "shares.pth", step=1, write=self.write)
        for each in store.names("runs/demo/shares.pth"):
            store.write(f"runs/demo/.shares.pth.part/{each}", store.read(f"runs/demo/shares.pth/{each}"))
        assert opened.remove("shares.pth")
        assert opened.newest() is None
        assert store.names("runs/demo") == [INDEX]


class TestTwoRuns:
    def test_the_one_that_began_last_goes_on_and_the_other_stops_before_it_writes(self, three, store):
        other = CheckpointStore(three.folder, backend_args=store.backend_args)
        assert three.storage.claim() is None
        three.save(state(4), "iter_4.pth", step=4)
        assert f"process {os.getpid()} on " in other.storage.claim()
        before = {name: store.read(f"runs/demo/{name}") for name in store.names("runs/demo")}
        with pytest.raises(SaveError, match=r"was taken over by process \d+ on .*writes nothing there any more"):
            three.save(state(5), "iter_4.pth", step=5)
        with pytest.raises(StorageError, match="taken over"):
            three.remove("iter_1.pth")
        assert {name: store.read(f"runs/demo/{name}") for name in store.names("runs/demo")} == before
        three.storage.release()
        other.save(state(6), "iter_6.pth", step=6)
        assert other.newest().name == "iter_6.pth"

    def test_one_that_has_ended_leaves_no_note(self, three, store):
        three.storage.claim()
        three.storage.release()
        assert "checkpoints.owner.json" not in store.names("runs/demo")


class TestWhatCannotBe:
    def test_no_bucket(self, store):
        missing = CheckpointStore("s3://no-such-bucket/run", backend_args=store.backend_args)
        with pytest.raises(SaveError, match=r"s3://no-such-bucket/run/iter_1\.pth.*bucket does not exist"):
            missing.save(state(1), "iter_1.pth", step=1)
        with pytest.raises(StorageError, match=r"s3://no-such-bucket/run.*bucket does not exist"):
            missing.storage.claim()

    def test_no_credentials(self, store, monkeypatch, tmp_path):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        nobody = CheckpointStore(f"{store.bucket}/run", backend_args={"endpoint_url": store.url})
        with pytest.raises(StorageError, match=r"Unable to locate credentials.*AWS_ACCESS_KEY_ID"):
            nobody.newest()

    def test_nobody_there(self, store):
        args = {
            **store.backend_args,
            "endpoint_url": "http://127.0.0.1:9",
            "storage_options": {"config_kwargs": {"retries": {"max_attempts": 1}}},
        }
        with pytest.raises(StorageError, match=r"(?i)connect.*endpoint_url"):
            CheckpointStore(f"{store.bucket}/run", backend_args=args).newest()

    def test_no_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ossfs", None)
        with pytest.raises(StorageError, match="pip install ossfs"):
            CheckpointStore("oss://bucket/run").newest()

    def test_a_chain(self):
        with pytest.raises(StorageError, match="chain of drivers"):
            CheckpointStore("simplecache::s3://bucket/run")


def test_no_room_to_write_it_before_the_upload(three, store, tmp_path):
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / ".iter_4.pth.part").mkdir()
    (staging / ".iter_4.pth.part" / "x").touch()
    full = CheckpointStore(three.folder, backend_args=store.backend_args, staging=staging)
    with pytest.raises(SaveError, match="untouched"):
        full.save(state(4), "iter_4.pth", step=4)
    assert three.newest().name == "iter_3.pth"
    assert stat.S_ISDIR(staging.stat().st_mode)


def test_a_store_of_folders_shows_no_half_file(tmp_path):
    """fsspec's other drivers write under another name first."""
    memory = CheckpointStore(f"memory://{tmp_path.name}/run")
    for step in (1, 2):
        memory.save(state(step), "iter.pth", step=step)
    assert load(memory.local(memory.newest()))["weights"][0] == 2
    assert memory.storage.names() == {"checkpoints.json", "iter.pth"}
