from __future__ import annotations

import argparse
import builtins
import collections
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from runner.checkpoint import Inert, load, load_checkpoint, to_plain
from runner.checkpoint.loader import read_meta
from runner.errors import CheckpointError, DamagedCheckpoint

MMENGINE = Path(__file__).with_name("data") / "mmengine-0.10.7-epoch_1.pth"


class Net(nn.Module):
    """The model whose weights MMEngine's file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.head = nn.Linear(3, 2)


class Called:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Mapping(dict):
    pass


class Listing(list):
    pass


class TestMMEngine:
    def test_weights(self):
        model = Net()
        checkpoint = load_checkpoint(model, MMENGINE, strict=True)
        assert sum(weight.double().sum().item() for weight in checkpoint["state_dict"].values()) == pytest.approx(
            8.1653, abs=1e-3
        )
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, checkpoint["state_dict"][name])
        assert model.norm.num_batches_tracked.item() == 4

    def test_optimizer(self):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.5)
        optimizer.load_state_dict(load(MMENGINE)["optimizer"])
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
        assert optimizer.param_groups[0]["momentum"] == 0.9
        assert all(state["momentum_buffer"].shape == p.shape for p, state in optimizer.state.items())
        assert len(optimizer.state) == 6

    def test_schedulers(self):
        linear, multistep = load(MMENGINE)["param_schedulers"]
        assert (linear["last_step"], linear["_global_step"], linear["base_values"]) == (2, 4, [0.1])
        assert multistep["milestones"] == collections.Counter({1: 1})
        assert multistep["by_epoch"] is True

    def test_message_hub(self):
        hub = load(MMENGINE)["message_hub"]
        losses = hub["log_scalars"]["train/loss"]
        assert isinstance(losses, Inert)
        assert losses.name == "mmengine.logging.history_buffer.HistoryBuffer"
        assert torch.allclose(
            losses.state["_log_history"], torch.tensor([0.32148924, 0.29761609, 0.23838356, 0.15597294]).double()
        )
        assert losses.state["_count_history"].tolist() == [1, 1, 1, 1]
        info = hub["runtime_info"]
        assert info["best_score"] == 0.625
        assert type(info["best_score"]) is float
        assert info["dataset_meta"]["palette"].tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_meta_without_the_tensors(self):
        meta = read_meta(MMENGINE)
        assert (meta["epoch"], meta["iter"]) == (1, 4)
        assert meta["keys"] == ["meta", "state_dict", "message_hub", "optimizer", "param_schedulers"]


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
class TestForeign:
    def write(self, path, value, is_zip):
        torch.save(value, path, _use_new_zipfile_serialization=is_zip)
        return path

    def test_classes_become_inert_records(self, tmp_path, is_zip):
        foreign = {
            "state_dict": {"w": torch.arange(3)},
            "namespace": argparse.Namespace(lr=0.1),
            "path": Path("/a"),
            "default": collections.defaultdict(list, a=[1]),
            "queue": collections.deque([1, 2], 3),
            "mapping": Mapping(a=1),
            "listing": Listing([1]),
            "numbers": [
                np.float64(2.5),
                np.arange(6).reshape(2, 3).T,
                np.bool_(True),
                np.str_("x"),
                np.arange(2, dtype=">i2"),
            ],
            "words": np.array(["a"]),
        }
        read = load(self.write(tmp_path / "a.pth", foreign, is_zip))
        assert torch.equal(read["state_dict"]["w"], torch.arange(3))
        assert read["namespace"].name == "argparse.Namespace"
        assert read["namespace"].state == {"lr": 0.1}
        assert Path(*read["path"].arguments) == Path("/a")
        assert read["default"] == {"a": [1]}
        assert read["queue"] == [1, 2]
        assert read["mapping"] == {"a": 1}
        assert read["listing"] == [1]
        scalar, array, truth, text, swapped = read["numbers"]
        assert (scalar, truth, text) == (2.5, True, "x")
        assert array.tolist() == [[0, 3], [1, 4], [2, 5]]
        assert swapped.tolist() == [0, 1]
        assert isinstance(read["words"], Inert)

    @pytest.mark.parametrize(
        "function",
        [os.system, builtins.eval, builtins.exec, subprocess.run, pickle.loads, shutil.rmtree, builtins.__import__],
    )
    def test_nothing_is_ever_called(self, tmp_path, is_zip, function):
        sentinel = tmp_path / "sentinel"
        sentinel.mkdir()
        argument = {
            os.system: f"rmdir {sentinel}",
            subprocess.run: ["rmdir", str(sentinel)],
            pickle.loads: pickle.dumps(Called(os.rmdir, str(sentinel))),
            shutil.rmtree: str(sentinel),
            builtins.__import__: "this",
        }.get(function, f"__import__('os').rmdir({str(sentinel)!r})")
        evil = {"state_dict": {}, "x": Called(function, argument)}
        try:
            read = load(self.write(tmp_path / "a.pth", evil, is_zip))
        except CheckpointError as error:
            assert "system" in str(error)  # noqa: PT017 - some are refused, the others are inert
            assert function is os.system
        else:
            assert isinstance(read["x"], Inert)
            assert read["x"].arguments == (argument,)
        assert sentinel.is_dir()

    def test_no_record_can_be_saved_again(self, tmp_path, is_zip):
        read = load(self.write(tmp_path / "a.pth", {"x": argparse.Namespace()}, is_zip))
        with pytest.raises(CheckpointError, match="Namespace"):
            to_plain(read, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds nothing"),
        (b"\0" * 5000, "holds nothing"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
        (b"random bytes", "torch.save did not write it"),
        (b"PK\x03\x04 and no more", "not those of a whole checkpoint"),
    ],
    ids=["empty", "zeros", "git-lfs", "html", "pickle", "text", "half-a-zip"],
)
def test_no_checkpoint(tmp_path, content, message):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_truncated(tmp_path):
    whole = MMENGINE.read_bytes()
    for length in range(100, len(whole), 997):
        path = tmp_path / "a.pth"
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpoint):
            load(path)


def test_no_file_and_no_mapping(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load(tmp_path / "a.pth")
    torch.save([1], tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="of type list"):
        load(tmp_path / "b.pth")
