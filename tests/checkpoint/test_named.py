"""Checkpoints by name (`last`, `best`), as rows, and weights that are not finite."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from runner.checkpoint import load
from runner.checkpoint.listing import list_checkpoints
from runner.checkpoint.store import CheckpointStore
from runner.cli.app import run
from runner.errors import CheckpointError, DamagedCheckpoint, NonFiniteError

sys.path.append(str(Path(__file__).parents[1] / "hooks"))
from line_run import line, value


def trained(folder, **options):
    hook = {"interval": 1, "save_best": "weight", "rule": "less", **options}
    runner = line(folder, default_hooks={"checkpoint": hook})
    runner.train()
    return runner


def test_the_index_tells_time_metrics_best_and_config(tmp_path):
    trained(tmp_path)
    rows = {row["file"]: row for row in list_checkpoints(CheckpointStore(tmp_path), verify=True)}
    assert list(rows) == ["best_weight_epoch_2.pth", "epoch_2.pth", "epoch_1.pth"]
    assert [row["step"] for row in rows.values()] == [4, 4, 2]
    assert [row["metrics"]["weight"] for row in rows.values()] == [-4, -4, -2]
    assert [row["best"] for row in rows.values()] == ["weight", None, None]
    assert [row["last"] for row in rows.values()] == [False, True, False]
    assert [row["resumable"] for row in rows.values()] == [False, True, True]
    assert all(row["state"] == "whole" and row["time"].endswith("+00:00") for row in rows.values())


def test_an_index_of_before_is_read(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save({"optimizer": {}}, "iter_1.pth", step=1)
    path = tmp_path / "checkpoints.json"
    content = json.loads(path.read_text())
    for record in content["checkpoints"]["iter_1.pth"]:
        for key in ("time", "metrics", "best", "config"):
            del record[key]
    from runner.checkpoint import index

    content["digest"] = index._digest(content["checkpoints"])
    path.write_text(json.dumps(content))
    assert store.newest() == tmp_path / "iter_1.pth"


class TestNames:
    def test_last_and_best(self, tmp_path):
        trained(tmp_path)
        store = CheckpointStore(tmp_path)
        assert store.find("last") == tmp_path / "epoch_2.pth"
        assert store.find("best") == store.find("best:weight") == tmp_path / "epoch_2.pth"
        assert store.named("best") == tmp_path / "best_weight_epoch_2.pth"
        assert store.named("2") == tmp_path / "epoch_1.pth"
        assert store.named("some/where.pth") is None

    def test_a_best_one_without_its_periodic_one(self, tmp_path):
        trained(tmp_path, rule="greater", max_keep_ckpts=1)
        with pytest.raises(CheckpointError, match=r"best_weight_epoch_1\.pth holds weights without.*--load-from best"):
            CheckpointStore(tmp_path).find("best")

    def test_several_metrics(self, tmp_path):
        store = CheckpointStore(tmp_path)
        for metric in ("accuracy_top1", "loss"):
            torch.save({"meta": {"iter": 4}, "state_dict": {}}, tmp_path / f"best_{metric}_epoch_2.pth")
        with pytest.raises(CheckpointError, match="several metrics; say which: best:"):
            store.named("best")
        assert store.named("best:accuracy/top1") == tmp_path / "best_accuracy_top1_epoch_2.pth"
        with pytest.raises(CheckpointError, match="no checkpoint best:iou; there is"):
            store.named("best:iou")

    @pytest.mark.parametrize(("wanted", "message"), [("last", "there is no last"), ("best", "no best checkpoint")])
    def test_none(self, tmp_path, wanted, message):
        for ask in (CheckpointStore(tmp_path).find, CheckpointStore(tmp_path).named):
            with pytest.raises(CheckpointError, match=message):
                ask(wanted)

    @pytest.mark.parametrize("field", ["load_from", "resume"])
    def test_a_flipped_bit_is_found_in_one_that_is_given_by_its_path(self, tmp_path, field):
        trained(tmp_path / "before")
        path = tmp_path / "before" / "epoch_1.pth"
        content = bytearray(path.read_bytes())
        content[content.index(torch.tensor(-2.0).numpy().tobytes())] ^= 1
        path.write_bytes(content)
        assert load(path)  # torch itself does not notice
        with pytest.raises(DamagedCheckpoint, match=r"epoch_1\.pth is damaged: its SHA-256"):
            line(tmp_path / "after", **{field: str(path)}).train()

    def test_a_run_loads_and_resumes_by_name(self, tmp_path):
        trained(tmp_path, rule="greater")
        again = line(tmp_path, load_from="best", default_hooks={"checkpoint": None}, max_epochs=1)
        again.train()
        assert value(again) == -4.0  # two steps from where the first epoch ended
        resumed = line(tmp_path, resume="best", default_hooks={"checkpoint": None})
        resumed.train()
        assert (value(resumed), resumed.iter) == (-4.0, 4)


class TestCommand:
    def test_text_and_json(self, tmp_path, capsys):
        trained(tmp_path)
        assert run(["checkpoints", str(tmp_path)]) == 0
        head, best, last, first = capsys.readouterr().out.splitlines()
        assert head.split()[:3] == ["step", "file", "size"]
        assert "best:weight" in best
        assert "weight -4" in last
        assert "unverified" in first
        assert run(["checkpoints", str(tmp_path), "--format", "json"]) == 0
        assert [row["step"] for row in json.loads(capsys.readouterr().out)] == [4, 4, 2]

    def test_damage(self, tmp_path, capsys):
        trained(tmp_path)
        path = tmp_path / "epoch_1.pth"
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content)
        (tmp_path / "epoch_9.pth").write_bytes(b"PK\x03\x04 half")
        assert run(["checkpoints", str(tmp_path), "--verify"]) == 3
        out = capsys.readouterr().out
        assert out.count("  whole") == 2
        assert "epoch_1.pth: " in out
        assert "SHA-256" in out
        assert "epoch_9.pth: " in out

    def test_nothing_there(self, tmp_path, capsys):
        assert run(["checkpoints", str(tmp_path)]) == 0
        assert "has no checkpoint" in capsys.readouterr().out
        assert run(["checkpoints", str(tmp_path / "gone")]) == 2


def poisoned(folder, **options):
    runner = line(folder, default_hooks={"checkpoint": {"interval": 1, **options}}, max_epochs=3)
    train = runner.train_loop.run_epoch

    def run_epoch():
        with torch.no_grad():
            if runner.epoch == 1:
                runner.unwrapped_model.weight.fill_(float("nan"))
            elif runner.epoch == 2:
                runner.unwrapped_model.weight.zero_()
        train()

    runner.train_loop.run_epoch = run_epoch
    return runner


class TestNonFinite:
    def test_stop(self, tmp_path):
        with pytest.raises(NonFiniteError, match=r"epoch_2\.pth was not saved: weight is not finite"):
            poisoned(tmp_path).train()
        assert [path.name for path in tmp_path.glob("*.pth")] == ["epoch_1.pth"]
        assert CheckpointStore(tmp_path).newest() == tmp_path / "epoch_1.pth"

    @pytest.mark.parametrize("policy", ["skip", "mark"])
    def test_go_on(self, tmp_path, policy):
        poisoned(tmp_path, on_non_finite=policy, max_keep_ckpts=2).train()
        marked = ["non_finite_epoch_2.pth"] if policy == "mark" else []
        assert sorted(path.name for path in tmp_path.glob("*.pth")) == ["epoch_1.pth", "epoch_3.pth", *marked]
        (tmp_path / "epoch_3.pth").unlink()
        for _ in range(2):
            assert CheckpointStore(tmp_path).newest() == tmp_path / "epoch_1.pth"
            (tmp_path / "checkpoints.json").unlink(missing_ok=True)
        if marked:
            assert load(tmp_path / marked[0])["state_dict"]["weight"].isnan().all()

    def test_a_mask_may_hold_infinities(self, tmp_path):
        runner = line(tmp_path, max_epochs=1)
        runner.unwrapped_model.register_buffer("mask", torch.tensor([0.0, -float("inf")]))
        runner.train()
        assert CheckpointStore(tmp_path).newest() == tmp_path / "epoch_1.pth"
