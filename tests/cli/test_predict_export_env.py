"""`runner predict`, `runner export` and `runner env`, as commands."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from runner import collect_env

PARTS = """
import torch
from runner.infer import BaseInferencer
from runner.model import BaseModel
from runner.registry import DATASETS, INFERENCERS, MODELS
from torch.utils.data import Dataset


@DATASETS.register_module()
class Numbers(Dataset):
    \"\"\"Four pairs of numbers.\"\"\"

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.tensor([index, 1.0]), index % 2


@MODELS.register_module()
class Divide(BaseModel):
    \"\"\"Divides a weight by the first number.\"\"\"

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, pairs, labels=None, mode="tensor"):
        result = self.weight / pairs[:, 0]
        return [{"quotient": each, "pred_label": 1} for each in result] if mode == "predict" else result


@INFERENCERS.register_module()
class Words(BaseInferencer):
    \"\"\"Counts words.

    Args:
        factor: Multiplies the counts.
    \"\"\"

    def __init__(self, model=None, weights=None, device=None, scope=None, show_progress=True, factor: int = 1):
        super().__init__(model, weights, device, scope, show_progress)
        self.factor = factor

    def preprocess(self, inputs, batch_size=1):
        for file in inputs:
            with open(file) as stream:
                yield [len(stream.read().split())]

    def forward(self, inputs):
        return inputs

    def visualize(self, inputs, preds, show=False):
        return None

    def postprocess(self, preds, visualization, return_datasamples=False):
        return {"predictions": [self.factor * each for each in preds], "visualization": None}
"""

CONFIG = """
custom_imports: {imports: [./numbers_of_mine.py]}
model: {type: Divide}
test_dataloader: {batch_size: 2, collate_fn: default_collate, dataset: {type: Numbers}, sampler: {type: DefaultSampler, shuffle: false}}
test_cfg: {}
test_evaluator: {type: DumpResults, out_file_path: said.pkl}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers_of_mine.py").write_text(PARTS)
    (tmp_path / "cfg.yaml").write_text(CONFIG)
    np.save("stack.npy", np.array([[2.0, 1.0], [0.0, 1.0]], np.float32))
    torch.save(
        {"state_dict": {"weight": torch.tensor(3.0)}, "meta": {"dataset_meta": {"classes": ["a", "b"]}}}, "w.pth"
    )
    yield tmp_path
    sys.modules.pop("numbers_of_mine", None)


def test_predictions_are_json_lines(cli, project):
    done = cli("predict", "cfg.yaml", "w.pth", "stack.npy", "--device", "cpu", "--batch-size", "2")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert rows == [
        {"input": "stack.npy[0]", "quotient": 1.5, "pred_label": 1, "pred_class": "b"},
        {"input": "stack.npy[1]", "quotient": None, "pred_label": 1, "pred_class": "b"},  # JSON has no infinity
    ]
    done = cli("predict", "cfg.yaml", "w.pth", "stack.npy", "--device", "cpu", "--out", "said.jsonl")
    assert [json.loads(line) for line in (project / "said.jsonl").read_text().splitlines()] == rows
    assert not done.out


def test_an_inferencer_of_ones_own(cli, project):
    (project / "texts").mkdir()
    (project / "texts" / "b.txt").write_text("to be or not")
    (project / "texts" / "a.txt").write_text("to be")
    (project / "texts" / ".hidden").write_text("")
    words = "inferencer={type: Words, factor: 10}"
    done = cli("predict", "cfg.yaml", "w.pth", "texts", "--device", "cpu", "-o", words)
    assert done.code == 0, done.err
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"input": "texts/a.txt", "prediction": 20},
        {"input": "texts/b.txt", "prediction": 40},
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["cfg.yaml", "w.pth", "none.npy"], 2, "there is no 'none.npy'"),
        (["cfg.yaml", "none.pth", "stack.npy"], 2, "there is no 'none.pth'"),
        (["cfg.yaml", "w.pth", "a=b"], 2, "write an override as"),
        (["cfg.yaml", "w.pth", "empty"], 2, "there is no file in 'empty'"),
        (["cfg.yaml", "w.pth", "stack.npy", "--batch-size", "0"], 2, "batch-size"),
        (["cfg.yaml", "w.pth", "cfg.yaml", "-o", "inferencer.type=Words", "--show-dir", "x"], 2, "Words draws nothing for --show-dir"),
        (["cfg.yaml", "w.pth", "stack.npy", "-o", "inferencer.type=Wrds"], 1, "did you mean 'Words'"),
        (["cfg.yaml", "w.pth", "stack.npy", "-o", "inferencer={type: Words, facter: 3}"], 1, "did you mean 'factor'"),
        (["cfg.yaml", "w.pth", "stack.npy", "-o", "inferencer={type: Words, weights: w.pth}"], 1, "inferencer.weights"),
        (["cfg.yaml", "w.pth", "cfg.yaml"], 3, "neither an image nor .npy"),
    ],
)  # fmt: skip
def test_what_can_not_be_predicted(cli, project, arguments, code, says):
    (project / "empty").mkdir()
    done = cli("predict", *arguments, "--device", "cpu")
    assert done.code == code, done.err
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_an_export(cli, project):
    done = cli("export", "cfg.yaml", "w.pth", "--out", "program")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[:4] == [
        f"program/{name}" for name in ("model.pt2", "model.safetensors", "config.yaml", "manifest.json")
    ]
    assert lines[4:] == [
        "takes 0 ['batch', 2] float32, preprocessed in it",
        "differs from the model by at most 0",
    ]
    assert torch.export.load("program/model.pt2").module()(torch.tensor([[2.0, 1.0]])).tolist() == [1.5]
    done = cli("export", "cfg.yaml", "w.pth", "--out", "x", "--weights", "--format", "json")
    assert json.loads(done.out) == {"files": ["x/model.safetensors"], "manifest": {}}
    done = cli(
        "test", "cfg.yaml", "x/model.safetensors", "--device", "cpu", "-o", "test_evaluator.out_file_path=said.json"
    )
    assert done.code == 0, done.err
    assert [each["quotient"] for each in json.loads((project / "said.json").read_text())][1:] == [3.0, 1.5, 1.0]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["none.pth", "--out", "x"], 2, "there is no 'none.pth'"),
        (["w.pth"], 2, "--out"),
        (["w.pth", "--out", "x", "--mode", "loss"], 2, "'loss' is no format; give tensor or predict"),
        (["w.pth", "--out", "x", "--tolerance", "-1"], 2, "tolerance"),
        (["other.pth", "--out", "x"], 3, "weihgt"),
    ],
)
def test_what_can_not_be_exported(cli, project, arguments, code, says):
    torch.save({"state_dict": {"weihgt": torch.tensor(3.0)}}, "other.pth")
    done = cli("export", "cfg.yaml", *arguments)
    assert done.code == code, done.err
    assert says in " ".join(done.err.split())


KEYS = [
    "sys.platform",
    "Python",
    "CUDA available",
    "MUSA available",
    "numpy_random_seed",
    "GCC",
    "PyTorch",
    "PyTorch compiling details",
]
"""MMEngine's, on a machine without an accelerator."""


class TestEnv:
    """What it reports."""

    def test_the_command(self, cli):
        done = cli("env", "--format", "json")
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert [key for key in found if key in KEYS] == KEYS
        assert found["PyTorch"] == torch.__version__
        assert found["Python"].startswith(sys.version.split()[0])
        assert {"runner", "plugins", "NumPy", "accelerator", "platform", "CPUs", "threads"} <= set(found)
        assert "runner-vision" in found["plugins"]
        lines = cli("env").out.splitlines()
        assert lines[0] == f"sys.platform: {sys.platform}"

    def test_no_tool_is_needed(self, monkeypatch, tmp_path):
        from runner.environment import _said_by

        monkeypatch.setenv("PATH", str(tmp_path))
        _said_by.cache_clear()
        assert collect_env()["GCC"] == "n/a"
        broken = tmp_path / "gcc"
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
        _said_by.cache_clear()
        assert collect_env()["GCC"] == "n/a"
        _said_by.cache_clear()

    def test_nothing_is_imported_for_its_version(self):
        code = "import sys, runner; runner.collect_env(); sys.exit(bool({'cv2', 'torchvision'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
