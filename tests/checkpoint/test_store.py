from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import random
import runpy
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from runner.checkpoint import CheckpointStore, find_latest_checkpoint, load
from runner.checkpoint.shares import RUN_FILE, write_manifest
from runner.checkpoint.store import note_latest_checkpoint
from runner.errors import CheckpointError, DamagedCheckpoint

MMENGINE = Path(__file__).with_name("data") / "mmengine-0.10.7-epoch_1.pth"
CHILD = Path(__file__).with_name("child.py")
INDEX = "checkpoints.json"


def state(step, size=1000):
    return {"meta": {"iter": step}, "optimizer": {"lr": 0.1}, "weights": torch.full((size,), float(step))}


def write_shares(state, part):
    part.mkdir(parents=True)
    torch.save(state, part / RUN_FILE)
    return write_manifest(part)


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path)


@pytest.fixture
def three(store):
    for step in (1, 2, 3):
        store.save(state(step), f"iter_{step}.pth", step=step)
    return store


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def seeded(seed):
    """A generator whose seed is shown where a test fails."""
    sys.stdout.write(f"seed {seed}\n")
    return random.Random(seed)


def flip(path, position, bit=0):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


class TestSaving:
    def test_what_is_saved_is_whole_and_the_newest(self, three, tmp_path):
        assert three.newest() == tmp_path / "iter_3.pth"
        three.verify(tmp_path / "iter_3.pth")
        assert load(three.newest())["weights"][0] == 3
        assert names_in(tmp_path) == [INDEX, "iter_1.pth", "iter_2.pth", "iter_3.pth"]

    def test_the_index_tells_digest_step_and_size(self, three, tmp_path):
        (record,) = json.loads((tmp_path / INDEX).read_text())["checkpoints"]["iter_2.pth"]
        assert record["step"] == 2
        assert record["size"] == (tmp_path / "iter_2.pth").stat().st_size
        assert record["sha256"] == hashlib.sha256((tmp_path / "iter_2.pth").read_bytes()).hexdigest()

    def test_a_name_can_be_used_again(self, three, tmp_path):
        three.save(state(33), "iter_3.pth", step=33)
        three.verify(tmp_path / "iter_3.pth")
        assert load(three.newest())["weights"][0] == 33
        assert len(json.loads((tmp_path / INDEX).read_text())["checkpoints"]["iter_3.pth"]) == 1

    def test_removed(self, three, tmp_path):
        assert three.remove(tmp_path / "iter_3.pth")
        assert not three.remove("iter_3.pth")
        assert three.newest() == tmp_path / "iter_2.pth"
        assert "iter_3.pth" not in json.loads((tmp_path / INDEX).read_text())["checkpoints"]

    def test_the_folder_is_made_and_names_cannot_leave_it(self, tmp_path):
        store = CheckpointStore(tmp_path / "a" / "b")
        assert store.newest() is None
        store.save(state(1), "iter_1.pth", step=1)
        with pytest.raises(CheckpointError, match="another folder"):
            store.save(state(1), "../iter_1.pth", step=1)

    def test_a_name_may_hold_the_digest(self, store):
        path = store.save(state(1), "iter_1-{sha256}.pth", step=1)
        (record,) = json.loads((store.folder / INDEX).read_text())["checkpoints"][path.name]
        assert path.name == f"iter_1-{record['sha256'][:8]}.pth"

    def test_leftovers_of_killed_saves_are_cleared_away(self, store, tmp_path):
        (tmp_path / ".iter_7.pth.part").write_bytes(b"half")
        store.save(state(1), "iter_1.pth", step=1)
        assert names_in(tmp_path) == [INDEX, "iter_1.pth"]

    def test_a_run_begun_anew_in_the_same_folder_counts_by_its_own_saves(self, three, tmp_path):
        three.save(state(1), "epoch_1.pth", step=1)
        assert three.newest() == tmp_path / "epoch_1.pth"

    def test_a_clock_that_goes_back_changes_nothing(self, three, tmp_path):
        for age, step in enumerate((1, 2, 3)):
            os.utime(tmp_path / f"iter_{step}.pth", (1000 - age, 1000 - age))
        assert three.newest() == tmp_path / "iter_3.pth"

    def test_last_checkpoint_is_a_text_with_an_absolute_path(self, three, tmp_path, monkeypatch):
        assert find_latest_checkpoint(tmp_path) is None
        monkeypatch.chdir(tmp_path)
        note_latest_checkpoint(".", "iter_3.pth")
        assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "iter_3.pth")
        assert find_latest_checkpoint(tmp_path) == str(tmp_path / "iter_3.pth")

    def test_a_step_can_be_asked_for(self, three, tmp_path):
        assert three.at_step(2) == tmp_path / "iter_2.pth"
        with pytest.raises(
            CheckpointError, match=r"no checkpoint of step 9; there are: iter_3\.pth \(step 3\), iter_2"
        ):
            three.at_step(9)

    def test_a_folder_can_be_moved(self, three, tmp_path):
        note_latest_checkpoint(tmp_path, tmp_path / "iter_3.pth")
        moved = tmp_path.with_name("moved")
        shutil.copytree(tmp_path, moved)
        assert CheckpointStore(moved).newest() == moved / "iter_3.pth"


class TestDamage:
    def test_a_flipped_bit_is_found_and_named(self, three, tmp_path):
        generator = seeded(7)
        path = tmp_path / "iter_3.pth"
        whole = path.read_bytes()
        for _ in range(200):
            path.write_bytes(whole)
            flip(path, generator.randrange(len(whole)), generator.randrange(8))
            told: list[str] = []
            assert three.newest(told.append) == tmp_path / "iter_2.pth"
            assert "iter_3.pth" in told[0]
            with pytest.raises(DamagedCheckpoint, match="SHA-256"):
                three.verify(path)

    def test_a_flipped_bit_is_found_without_an_index(self, three, tmp_path):
        (tmp_path / INDEX).unlink()
        path = tmp_path / "iter_3.pth"
        whole = path.read_bytes()
        start = whole.index(torch.full((8,), 3.0).numpy().tobytes())
        generator = seeded(8)
        for _ in range(20):
            path.write_bytes(whole)
            flip(path, start + generator.randrange(4000), generator.randrange(8))
            assert load(path)  # torch itself does not notice
            assert three.newest() == tmp_path / "iter_2.pth"

    @pytest.mark.parametrize("has_index", [True, False])
    def test_truncated(self, three, tmp_path, has_index):
        if not has_index:
            (tmp_path / INDEX).unlink()
        path = tmp_path / "iter_3.pth"
        whole = path.read_bytes()
        for length in sorted({0, 1, 100, len(whole) - 1, *(len(whole) * part // 50 for part in range(50))}):
            path.write_bytes(whole[:length])
            told: list[str] = []
            assert three.newest(told.append) == tmp_path / "iter_2.pth"
            assert "iter_3.pth" in told[0]

    def test_all_damaged_is_an_error_that_names_them(self, three, tmp_path):
        for step in (1, 2, 3):
            flip(tmp_path / f"iter_{step}.pth", 500)
        with pytest.raises(DamagedCheckpoint, match=r"(?s)every checkpoint.*iter_3.*iter_2.*iter_1"):
            three.newest()

    @pytest.mark.parametrize("has_index", [True, False])
    def test_the_only_one_is_damaged(self, store, tmp_path, has_index):
        store.save(state(1), "iter_1.pth", step=1)
        (tmp_path / "iter_1.pth").write_bytes(b"")
        if not has_index:
            (tmp_path / INDEX).unlink()
        with pytest.raises(DamagedCheckpoint, match="iter_1"):
            store.newest()

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"checkpoints": {}}', None], ids=repr)
    def test_a_damaged_index_is_told_and_the_files_speak_for_themselves(self, three, tmp_path, content):
        index = tmp_path / INDEX
        index.write_text(index.read_text().replace('"step": 3', '"step": 4') if content is None else content)
        told: list[str] = []
        assert three.newest(told.append) == tmp_path / "iter_3.pth"
        assert INDEX in told[0]
        three.save(state(4), "iter_4.pth", step=4)
        assert three.newest() == tmp_path / "iter_4.pth"


class TestStrangers:
    def test_an_index_without_files_is_nothing(self, three, tmp_path):
        for path in tmp_path.glob("*.pth"):
            path.unlink()
        assert three.newest() is None
        assert CheckpointStore(tmp_path / "never").newest() is None

    def test_an_entry_without_a_file_is_ignored(self, three, tmp_path):
        (tmp_path / "iter_3.pth").unlink()
        assert three.newest() == tmp_path / "iter_2.pth"

    def test_files_without_an_index_are_ordered_by_step(self, store, tmp_path):
        for step in (10, 9, 100):
            torch.save(state(step), tmp_path / f"iter_{step}.pth")
        assert store.newest() == tmp_path / "iter_100.pth"

    def test_a_file_without_an_entry_counts(self, three, tmp_path):
        torch.save(state(4), tmp_path / "iter_4.pth")
        assert three.newest() == tmp_path / "iter_4.pth"
        os.utime(tmp_path / "iter_4.pth", (1, 1))  # left there by an older run
        assert three.newest() == tmp_path / "iter_3.pth"

    @pytest.mark.parametrize("is_zip", [True, False])
    def test_a_work_directory_of_mmengine(self, store, tmp_path, is_zip):
        shutil.copy(MMENGINE, tmp_path / "epoch_1.pth")
        if not is_zip:
            torch.save(state(1), tmp_path / "epoch_1.pth", _use_new_zipfile_serialization=False)
        (tmp_path / "last_checkpoint").write_text("/gone/epoch_1.pth")
        assert store.newest() == tmp_path / "epoch_1.pth"

    def test_best_checkpoints_are_not_for_resuming(self, store):
        store.save({"meta": {}, "state_dict": {}}, "best_acc_epoch_1.pth", step=1)
        assert store.newest() is None

    def test_weights_alone_never_lead_to_a_silent_start_from_nothing(self, store):
        store.save({"meta": {}, "state_dict": {}}, "epoch_1.pth", step=1)
        with pytest.raises(CheckpointError, match=r"without an optimizer's state.*epoch_1\.pth"):
            store.newest()

    def test_the_folder_that_last_checkpoint_names_is_searched(self, store, tmp_path):
        elsewhere = CheckpointStore(tmp_path / "elsewhere")
        path = elsewhere.save(state(1), "iter_1.pth", step=1)
        note_latest_checkpoint(tmp_path, path)
        assert store.newest() == path


@pytest.fixture
def start(tmp_path):
    """Start `child.py` on a folder; its processes are forked from one that has imported torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "runner.checkpoint"])
    log = tmp_path.with_name(f"{tmp_path.name}.log")
    log.touch()

    def start_child(task, **names):
        names = {"folder": tmp_path, "log": log, **names}
        child = context.Process(target=runpy.run_path, args=(str(CHILD), {"task": task, "names": names}))
        child.start()
        child.log = log
        return child

    return start_child


class TestPermission:
    @pytest.mark.parametrize("what", ["folder", "index"])
    def test_a_clear_error_and_nothing_else_changed(self, three, tmp_path, start, what):
        tmp_path.chmod(0o555 if what == "folder" else 0o1777)
        before = names_in(tmp_path)
        child = start("no permission")
        child.join()
        tmp_path.chmod(0o755)
        log = child.log
        assert "iter_4.pth could not be written: " in log.read_text()
        assert "Give this user the right to write there" in log.read_text()
        assert names_in(tmp_path) == before
        assert three.newest() == tmp_path / "iter_3.pth"


def test_the_folder_of_temporary_files_plays_no_part(three, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    three.save(state(4), "iter_4.pth", step=4)
    three.verify(tmp_path / "iter_4.pth")
    assert not (tmp_path / "gone").exists()


class TestFullDisk:
    @pytest.mark.parametrize("limit", [1_000, 100_000])
    def test_a_clear_error_and_nothing_else_changed(self, three, tmp_path, start, limit):
        child = start("full disk", limit=limit)
        child.join()
        assert "iter_4.pth could not be written: File too large" in child.log.read_text()
        assert names_in(tmp_path) == [INDEX, "iter_1.pth", "iter_2.pth", "iter_3.pth"]
        assert three.newest() == tmp_path / "iter_3.pth"


class TestKill:
    @pytest.mark.parametrize("keep", [1, 2])
    @pytest.mark.parametrize(
        ("stage", "newest"),
        [
            ("before writing", 2),
            ("written", 2),
            ("before the index", 2),
            ("in the index", 2),
            ("renamed", 3),
            ("before deleting", 3),
            ("deleted", 3),
        ],
    )
    def test_at_each_stage_of_a_save(self, tmp_path, start, stage, newest, keep):
        child = start("loop", stage=stage, keep=keep)
        child.join()
        assert child.exitcode == -9
        path = CheckpointStore(tmp_path).newest()
        assert path == tmp_path / f"step_{newest}.pth"
        assert load(path)["weights"][0] == newest

    @pytest.mark.parametrize("stage", ["written", "in the index", "renamed"])
    def test_while_a_name_is_used_again(self, three, tmp_path, start, stage):
        child = start("over", stage=stage)
        child.join()
        assert child.exitcode == -9
        assert three.newest() == tmp_path / "iter_3.pth"
        assert load(three.newest())["weights"][0] == (0 if stage == "renamed" else 3)
        three.save(state(4), "iter_3.pth", step=4)
        three.verify(tmp_path / "iter_3.pth")
        assert load(three.newest())["weights"][0] == 4

    def test_at_each_rename_while_a_folder_of_shares_takes_anothers_place(self, tmp_path, monkeypatch):
        renamed, seen = os.replace, set()
        for renames in itertools.count():
            folder, left = tmp_path / str(renames), iter(range(renames))

            def replace(source, target, left=left):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return renamed(source, target)

            CheckpointStore(folder).save(state(1), "shares.pth", step=1, write=write_shares)
            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", replace)
                patch.setattr(os, "replace", replace)
                try:
                    CheckpointStore(folder).save(state(2), "shares.pth", step=2, write=write_shares)
                    was_killed = False
                except KeyboardInterrupt:
                    was_killed = True
            after = CheckpointStore(folder)
            newest = after.newest()
            assert newest == folder / "shares.pth"
            saved = load(after.local(newest) / RUN_FILE)["meta"]["iter"]
            seen.add(saved)
            after.save(state(3), "iter_3.pth", step=3)
            after.verify(newest)
            assert load(after.local(newest) / RUN_FILE)["meta"]["iter"] == saved
            assert sorted(path.name for path in folder.iterdir()) == [INDEX, "iter_3.pth", "shares.pth"]
            if not was_killed:
                break
        assert saved == 2
        assert seen == {1, 2}

    @pytest.mark.parametrize("keep", [1, 3])
    def test_at_random_moments(self, tmp_path, start, keep):
        generator = seeded(20 + keep)
        committed = 0
        for _ in range(5):
            child = start("loop", stage=None, keep=keep)
            before = child.log.read_text()
            while child.is_alive() and child.log.read_text() == before:
                time.sleep(0.005)
            time.sleep(generator.uniform(0, 0.2))
            child.kill()
            child.join()
            assert child.exitcode == -9
            committed = int(child.log.read_text().split()[-1])
            told: list[str] = []
            newest = CheckpointStore(tmp_path).newest(told.append)
            assert not told
            step = int(newest.stem.rpartition("_")[2])
            assert step in {committed, committed + 1}
            assert torch.equal(load(newest)["weights"], torch.full((40_000,), float(step)))
