"""Whole runs whose checkpoints go to an object store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from remote_run import remote_run, weights

from runner import CheckpointStore, Hook, load_checkpoint
from runner.checkpoint import load
from runner.cli.app import app
from runner.errors import CheckpointError, DamagedCheckpoint, SaveError

RUN = Path(__file__).with_name("remote_run.py")


def place(store, **more):
    return {"out_dir": f"{store.bucket}/runs", "backend_args": store.backend_args, **more}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def straight(folder):
    runner = remote_run(str(folder / "straight"))
    runner.train()
    return weights(runner)


def killed_in_upload(store, folder, *, uploads, **checkpoint):
    """Train in a process that is killed with SIGKILL amid an upload, after so many whole ones."""
    arguments = json.dumps({"work_dir": str(folder), "checkpoint": place(store, **checkpoint)})
    process = subprocess.Popen(
        [sys.executable, str(RUN), arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    store.victim = (process, uploads)
    process.communicate("go\n", timeout=300)
    assert process.returncode == -signal.SIGKILL


class Began(Hook):
    """Where a training began."""

    def __init__(self, seen):
        self.seen = seen

    def before_train(self, runner):
        self.seen.append(runner.iter)


class TestKilledAmidAnUpload:
    @pytest.mark.parametrize("async_save", [False, True])
    def test_it_goes_on_from_the_one_before_bit_for_bit(self, store, tmp_path, async_save):
        killed_in_upload(store, tmp_path / "here" / "demo", uploads=2, async_save=async_save)
        assert [name for name in store.names("runs/demo") if name.endswith(".pth")] == ["epoch_1.pth", "epoch_2.pth"]
        assert CheckpointStore(f"{store.bucket}/runs/demo", backend_args=store.backend_args).newest().stem == "epoch_2"
        # On another machine: there is nothing in the work directory but its name.
        resumed = remote_run(str(tmp_path / "there" / "demo"), place(store, async_save=async_save), resume=True)
        started = []
        resumed.register_hook({"type": Began, "seen": started})
        resumed.train()
        assert started == [8]
        assert equal(weights(resumed), straight(tmp_path))
        assert not list((tmp_path / "there" / "demo" / ".upload").iterdir())

    def test_one_that_replaces_a_file_leaves_the_file(self, store, tmp_path):
        remote_run(str(tmp_path / "demo"), place(store)).train()
        before = store.read("runs/demo/epoch_1.pth")
        killed_in_upload(store, tmp_path / "demo", uploads=0)
        assert store.read("runs/demo/epoch_1.pth") == before
        opened = CheckpointStore(f"{store.bucket}/runs/demo", backend_args=store.backend_args)
        opened.verify(opened.folder / "epoch_1.pth")
        assert opened.newest().name == "epoch_4.pth"


class TestRuns:
    def test_old_ones_go_and_the_note_in_the_work_directory_is_the_address(self, store, tmp_path):
        runner = remote_run(str(tmp_path / "demo"), place(store, max_keep_ckpts=2))
        runner.train()
        assert store.names("runs/demo") == ["checkpoints.json", "epoch_3.pth", "epoch_4.pth"]
        assert (tmp_path / "demo" / "last_checkpoint").read_text() == f"{store.bucket}/runs/demo/epoch_4.pth"
        assert equal(weights(runner), straight(tmp_path))

    def test_a_damaged_one_is_named_and_the_one_before_it_is_taken(self, store, tmp_path, capsys):
        remote_run(str(tmp_path / "demo"), place(store)).train()
        content = bytearray(store.read("runs/demo/epoch_4.pth"))
        content[500] ^= 1
        store.write("runs/demo/epoch_4.pth", bytes(content))
        resumed = remote_run(str(tmp_path / "demo"), place(store), resume=True)
        resumed.train()
        assert "epoch_4.pth is damaged: its SHA-256" in capsys.readouterr().out
        assert equal(weights(resumed), straight(tmp_path))

    def test_all_damaged_is_an_error(self, store, tmp_path):
        remote_run(str(tmp_path / "demo"), place(store, max_keep_ckpts=1)).train()
        store.write("runs/demo/epoch_4.pth", store.read("runs/demo/epoch_4.pth")[:-1])
        with pytest.raises(DamagedCheckpoint, match="every checkpoint in s3://"):
            remote_run(str(tmp_path / "demo"), place(store), resume=True).train()

    @pytest.mark.parametrize("wanted", ["last", "12", "address", "folder"])
    def test_what_resume_may_say(self, store, tmp_path, wanted):
        remote_run(str(tmp_path / "demo"), place(store)).train()
        step = 12 if wanted in {"12", "address"} else 16
        wanted = {"address": f"{store.bucket}/runs/demo/epoch_3.pth", "folder": f"{store.bucket}/runs/demo"}.get(
            wanted, wanted
        )
        seen = []
        resumed = remote_run(str(tmp_path / "demo"), place(store), resume=wanted)
        resumed.register_hook({"type": Began, "seen": seen})
        resumed.train()
        assert seen == [step]
        assert equal(weights(resumed), straight(tmp_path))

    @pytest.mark.parametrize(("wanted", "step"), [("last", 16), ("12", 12)])
    def test_a_folder_that_is_still_empty_is_passed_over_for_the_work_directory(self, store, tmp_path, wanted, step):
        remote_run(str(tmp_path / "demo")).train()
        seen = []
        resumed = remote_run(str(tmp_path / "demo"), place(store), resume=wanted)
        resumed.register_hook({"type": Began, "seen": seen})
        resumed.train()
        assert seen == [step]
        loaded = remote_run(str(tmp_path / "demo"), place(store, out_dir=f"{store.bucket}/other"), load_from=wanted)
        loaded.prepare_training()
        assert equal(weights(loaded), load(tmp_path / "demo" / f"epoch_{step // 4}.pth")["state_dict"])

    def test_the_note_of_the_work_directory_leads_to_another_place_of_the_same_store(self, store, tmp_path):
        remote_run(str(tmp_path / "demo"), place(store)).train()
        seen = []
        moved = place(store, out_dir=f"{store.bucket}/moved")
        resumed = remote_run(str(tmp_path / "demo"), moved, resume=True)
        resumed.register_hook({"type": Began, "seen": seen})
        resumed.train()
        assert seen == [16]

    def test_without_arguments_the_environment_tells(self, account, tmp_path):
        where = {"out_dir": f"{account.bucket}/runs"}
        trained = remote_run(str(tmp_path / "demo"), where)
        trained.train()
        address = f"{account.bucket}/runs/demo/epoch_4.pth"
        loaded = remote_run(str(tmp_path / "other"), load_from=address)
        loaded.prepare_training()
        assert equal(weights(loaded), weights(trained))
        load_checkpoint(loaded.unwrapped_model, address)

    def test_a_folder_that_another_run_took_ends_the_first(self, store, tmp_path):
        class Other(Hook):
            def after_train_epoch(self, runner):
                if runner.epoch == 1:
                    CheckpointStore(f"{store.bucket}/runs/demo", backend_args=store.backend_args).storage.claim()

        with pytest.raises(SaveError, match="taken over by process"):
            remote_run(str(tmp_path / "demo"), place(store), custom_hooks=[Other()]).train()
        assert "epoch_2.pth" not in store.names("runs/demo")

    def test_a_bucket_that_is_not_there_is_found_before_the_first_step(self, store, tmp_path):
        runner = remote_run(str(tmp_path / "demo"), place(store) | {"out_dir": "s3://no-such-bucket/runs"})
        with pytest.raises(CheckpointError, match="no checkpoint can be written to s3://no-such-bucket/runs/demo"):
            runner.train()
        assert runner.iter == 0


def run(capsys, *args):
    code = app(list(args), standalone_mode=False)
    return code, capsys.readouterr()


def test_the_command_is_given_what_the_driver_needs(store, tmp_path, capsys, monkeypatch):
    CheckpointStore(f"{store.bucket}/runs", backend_args=store.backend_args).save({"optimizer": {}}, "a.pth", step=1)
    monkeypatch.setenv("THE_SECRET", store.backend_args["secret"])
    given = f'{{endpoint_url: "{store.url}", key: an-id, secret: "${{env:THE_SECRET}}"}}'
    code, told = run(capsys, "checkpoints", f"{store.bucket}/runs", "--verify", "--backend-args", given)
    assert code == 0
    assert "a.pth" in told.out
    with pytest.raises(typer.BadParameter, match="it is for a remote store"):
        run(capsys, "checkpoints", str(tmp_path), "--backend-args", given)


def test_the_command_lists_and_verifies(account, tmp_path, capsys):
    remote_run(str(tmp_path / "demo"), {"out_dir": f"{account.bucket}/runs"}).train()
    capsys.readouterr()
    code, told = run(capsys, "checkpoints", f"{account.bucket}/runs/demo", "--verify")
    assert code == 0
    assert told.out.count("whole") == 4
    account.write("runs/demo/epoch_2.pth", b"nothing")
    code, told = run(capsys, "checkpoints", f"{account.bucket}/runs/demo", "--verify")
    assert code == 3
    assert "epoch_2.pth is damaged: it has 7 bytes" in told.out
    assert run(capsys, "checkpoints", f"{account.bucket}/nothing")[1].out.strip().endswith("has no checkpoint")
