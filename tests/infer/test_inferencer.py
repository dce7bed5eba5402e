"""The inferencers' contract, and what the default one does with files and arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from runner import Config
from runner.errors import BuildError, CheckpointError, DamagedCheckpoint, RunnerError
from runner.infer import BaseInferencer, DefaultInferencer
from runner.infer.plain import plain
from runner.logging import MMLogger
from runner.model import BaseModel
from runner.plugin import PROCESS_ENTRIES
from runner.registry import DATASETS, MODELS, TRANSFORMS


class Scale(BaseModel):
    """Multiplies.

    Args:
        width: Nothing.
    """

    def __init__(self, width: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, inputs, labels=None, mode="tensor"):
        assert mode == "predict"
        assert not self.training
        return [{"pred": self.weight * each.sum(), "pred_label": each.sum().long()} for each in inputs]


class Rows(torch.utils.data.Dataset):
    """Nothing but its transforms.

    Args:
        pipeline: What is done to each.
        missing: A file that is not there.
    """

    def __init__(self, pipeline=None, missing: str = ""):
        raise AssertionError("the data set is not built")


class AddOne:
    """Adds one.

    Args:
        much: How much, in fact.
    """

    def __init__(self, much: float = 1.0):
        self.much = much

    def __call__(self, value):
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value)).float()
        return tensor + self.much


class Sums(BaseInferencer):
    """Shows every part."""

    preprocess_kwargs: ClassVar = {"crop"}
    forward_kwargs: ClassVar = {"scale"}
    visualize_kwargs: ClassVar = {"show", "color"}
    postprocess_kwargs: ClassVar = {"digits"}

    def preprocess(self, inputs, batch_size=1, crop=None):
        self.crop = crop
        yield from super().preprocess(inputs, batch_size)

    def forward(self, inputs, scale=1):
        return [each["pred"].item() * scale for each in super().forward([torch.stack(inputs)])]

    def visualize(self, inputs, preds, show=False, color="g"):
        return [f"{color}{pred:g}" for pred in preds]

    def postprocess(self, preds, visualization, return_datasamples=False, digits=2):
        return {
            "predictions": preds if return_datasamples else [round(each, digits) for each in preds],
            "visualization": visualization,
        }


@pytest.fixture(autouse=True)
def _registered():
    before = list(PROCESS_ENTRIES)
    for registry, cls in ((MODELS, Scale), (DATASETS, Rows), (TRANSFORMS, AddOne)):
        registry.register_module(module=cls)
    yield
    PROCESS_ENTRIES[:] = before


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "w.pth"
    config = "model: {type: Scale}\n"
    meta = {"cfg": config, "dataset_meta": {"classes": ["none", "one", "two"]}}
    torch.save({"state_dict": {"weight": torch.tensor(2.0)}, "meta": meta}, file)
    return str(file)


CONFIG = {
    "model": {"type": "Scale"},
    "test_dataloader": {"dataset": {"type": "Rows", "pipeline": [{"type": "AddOne"}, {"type": "AddOne", "much": 2.0}]}},
}


def test_a_call(weights):
    infer = Sums(CONFIG, weights, "cpu", show_progress=False)
    inputs = [torch.zeros(2), torch.ones(2), torch.zeros(2)]
    assert infer(inputs, batch_size=2) == {"predictions": [12.0, 16.0, 12.0], "visualization": ["g12", "g16", "g12"]}
    found = infer(inputs[0], crop=3, scale=1 / 7, color="r", digits=1)
    assert (found["predictions"], found["visualization"], infer.crop) == ([1.7], ["r1.71429"], 3)
    assert infer(inputs[0], return_datasamples=True, scale=1 / 7)["predictions"] != [1.7]
    with pytest.raises(ValueError, match="Sums takes no colour; there are color, crop, digits, scale, show"):
        infer(inputs, colour="r")


def test_a_keyword_goes_to_one_method():
    with pytest.raises(TypeError, match="show would go to two methods"):
        type("Twice", (Sums,), {"forward_kwargs": {"show"}})


def test_what_it_is_made_of(weights, tmp_path):
    file = tmp_path / "cfg.yaml"
    file.write_text(Config(CONFIG).dump())
    for model in (Config(CONFIG), CONFIG, file, str(file)):
        made = Sums(model, weights, "cpu")
        assert made.model.weight == 2
        assert made.model.dataset_meta == {"classes": ["none", "one", "two"]}
        assert made.model.cfg == made.cfg == Config(CONFIG)
        assert made.pipeline(torch.zeros(1)) == 3
        assert made.visualizer is None
    alone = Sums(weights=weights, device="cpu")  # the config that the checkpoint holds
    assert alone.cfg == Config({"model": {"type": "Scale"}})
    assert alone.pipeline(5) == 5
    drawing = Sums({**CONFIG, "visualizer": {"type": "Visualizer", "name": "mine"}}, weights, "cpu")
    assert drawing.visualizer.name == "mine"


def test_without_weights(caplog, capsys):
    with MMLogger("infer").current():
        made = Sums(CONFIG, device="cpu")
    assert made.model.weight == 1
    assert "untrained" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, RunnerError, "neither a model nor weights"),
        ({"model": 3}, TypeError, "this is a int"),
        ({"model": "no-such-model"}, RunnerError, "no plugin lists a model of that name"),
        ({"model": "x", "scope": "visoin"}, RunnerError, "no installed plugin is called 'visoin'"),
        ({"model": CONFIG, "device": "gpu"}, RunnerError, "no device's name"),
        ({"model": CONFIG, "weights": "nowhere.pth"}, CheckpointError, "no such checkpoint"),
    ],
)
def test_what_it_can_not_be_made_of(arguments, error, says):
    with pytest.raises(error, match=says):
        Sums(**arguments)


@pytest.mark.parametrize("meta", [{}, {"cfg": ""}, {"cfg": "model = dict(type='Scale')"}, {"cfg": "vars: {a: 1}"}])
def test_a_checkpoint_without_a_config_of_ours(meta, tmp_path):
    torch.save({"state_dict": {"weight": torch.ones(())}, "meta": meta}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="give the config too"):
        Sums(weights=str(tmp_path / "w.pth"))


class TestDefault:
    """What goes in, and what comes out."""

    def make(self, weights, **more):
        return DefaultInferencer(CONFIG, weights, "cpu", show_progress=False, **more)

    def test_arrays(self, weights, tmp_path):
        np.save(tmp_path / "stack.npy", np.array([[-2.5], [-3.0]], np.float32))
        infer = self.make(weights)
        found = infer([np.array([-2.5], np.float32), str(tmp_path / "stack.npy")], batch_size=3)
        one, two = (
            {"pred": 1.0, "pred_label": 0, "pred_class": "none"},
            {"pred": 0.0, "pred_label": 0, "pred_class": "none"},
        )
        assert found == {"predictions": [one, one, two], "visualization": None}
        assert [name for name, _ in infer.named_inputs([torch.zeros(1), str(tmp_path / "stack.npy")])] == [
            "0",
            f"{tmp_path}/stack.npy[0]",
            f"{tmp_path}/stack.npy[1]",
        ]
        raw = infer(np.array([-2.5], np.float32), return_datasamples=True)["predictions"]
        assert isinstance(raw[0]["pred"], torch.Tensor)

    def test_images_and_folders(self, weights, tmp_path):
        folder = tmp_path / "images"
        folder.mkdir()
        for name, level in (("b.png", 2), ("a.png", 1)):
            Image.fromarray(np.full((2, 2, 3), level, np.uint8)).save(folder / name)
        infer = self.make(weights)
        assert [name for name, _ in infer.named_inputs(str(folder))] == [f"{folder}/a.png", f"{folder}/b.png"]
        found = infer(str(folder))["predictions"]
        # (level + 1 + 2) * 12 numbers, times the weight
        assert [each["pred"] for each in found] == [2 * 12 * 4.0, 2 * 12 * 5.0]
        assert infer(np.full((2, 2, 3), 1, np.uint8))["predictions"] == found[:1]

    def test_pictures(self, weights, tmp_path):
        pytest.importorskip("matplotlib")
        image = np.full((2, 2, 3), 1, np.uint8)
        shown = self.make(weights)([image, image], show_dir=str(tmp_path / "shown"))["visualization"]
        assert [picture.shape for picture in shown] == [(256, 256, 3)] * 2
        assert shown[0].max() > 100  # the words
        assert sorted(file.name for file in (tmp_path / "shown").iterdir()) == ["0.png", "1.png"]
        with pytest.raises(RunnerError, match="is no image"):
            self.make(weights)(np.zeros(3, np.float32), show_dir=str(tmp_path))

    def test_a_pipeline_of_its_own(self, weights):
        infer = self.make(weights, pipeline=[{"type": "AddOne", "much": 10.0}])
        assert infer(torch.zeros(1))["predictions"][0]["pred"] == 20
        infer = self.make(weights, pipeline=lambda value: value)
        with pytest.raises(BuildError, match="an input becomes a str, and a model takes tensors"):
            infer("x.txt")

    def test_files_that_can_not_be_read(self, weights, tmp_path):
        (tmp_path / "bad.png").write_text("no image")
        (tmp_path / "bad.npy").write_text("no array")
        np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
        np.save(tmp_path / "one.npy", np.array(3.0))
        for name, says in (
            ("bad.png", "can't be read as an image"),
            ("bad.npy", "can't be read as an array"),
            ("objects.npy", "can't be read as an array"),
            ("one.npy", "single number"),
            ("x.csv", "neither an image nor .npy"),
        ):
            with pytest.raises(RunnerError, match=says):
                self.make(weights)(str(tmp_path / name))

    def test_an_adapter_that_takes_its_input_by_name(self):
        module = {"type": "nn.Linear", "in_features": 2, "out_features": 3}
        model = {"type": "ModuleAdapter", "module": module, "loss": None, "inputs": "image"}
        infer = DefaultInferencer({"model": model}, device="cpu", show_progress=False)
        infer.collate_fn = torch.utils.data.default_collate
        (found,) = infer(torch.zeros(2))["predictions"]
        assert len(found["prediction"]) == 3


def test_plain_data():
    class Element:
        def to_dict(self):
            return {"boxes": torch.zeros(1, 2), "n": np.int64(3)}

    assert plain([Element(), (np.zeros(2), True, None, "a")]) == [
        {"boxes": [[0.0, 0.0]], "n": 3},
        [[0.0, 0.0], True, None, "a"],
    ]
    with pytest.raises(TypeError, match="a object"):
        plain({"a": object()})


def test_weights_that_are_damaged(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"")
    with pytest.raises(DamagedCheckpoint):
        Sums(CONFIG, str(tmp_path / "w.pth"))


ZOO = """
from pathlib import Path
from runner import hookimpl

@hookimpl
def runner_bases():
    return Path(__file__).parent / "zoo_configs"
"""
QUESTION = """
import json, sys
from runner.infer import BaseInferencer, DefaultInferencer
made = DefaultInferencer("TINY", device="cpu", show_progress=False, pipeline=lambda value: value)
print(json.dumps([
    BaseInferencer.list_models("zoo"), BaseInferencer.list_models(), BaseInferencer.list_models(patterns="lin"),
    type(made.model).__name__, made.model.net.weight.item(),
]))
"""


def test_models_that_a_plugin_lists(tmp_path):
    configs = tmp_path / "zoo_configs"
    configs.mkdir()
    info = tmp_path / "zoo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[runner]\nzoo = zoo_plugin\n")
    (tmp_path / "zoo_plugin.py").write_text(ZOO)
    (configs / "model-index.yml").write_text("Import: [linear/metafile.yml]\n")
    (configs / "linear").mkdir()
    (configs / "linear" / "metafile.yml").write_text(
        "Models:\n- {Name: linear-1, Alias: [tiny], Config: linear/l.yaml, Weights: linear/w.pth}\n- {Name: other, Config: linear/l.yaml}\n"
    )
    (configs / "linear" / "l.yaml").write_text(
        "model: {type: ModuleAdapter, module: {type: nn.Linear, in_features: 1, out_features: 1}, loss: null}\n"
    )
    torch.save({"net.weight": torch.tensor([[7.0]]), "net.bias": torch.zeros(1)}, configs / "linear" / "w.pth")
    done = subprocess.run(
        [sys.executable, "-c", QUESTION],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = ["linear-1", "tiny", "other"]
    assert json.loads(done.stdout) == [names, names, ["linear-1"], "ModuleAdapter", 7.0]
