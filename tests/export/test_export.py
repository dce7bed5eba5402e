"""Exported programs give the model's numbers in plain PyTorch, or are refused; weights go through safetensors."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from runner import Config, load_checkpoint
from runner.checkpoint import load
from runner.checkpoint.loader import read_meta
from runner.errors import CheckpointError, DamagedCheckpoint, RunnerError
from runner.export import export_model, read_safetensors, trace, write_safetensors
from runner.model import BaseDataPreprocessor, BaseModel, ImgDataPreprocessor
from runner.plugin import PROCESS_ENTRIES
from runner.registry import DATASETS, MODELS


class Tiny(BaseModel):
    """A convolution and a linear layer.

    Args:
        kind: Which mistake it makes.
        data_preprocessor: Normalizes.
    """

    def __init__(self, kind: str = "", data_preprocessor: Any = None):
        super().__init__(data_preprocessor)
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)
        self.drop = nn.Dropout(0.5)
        self.kind = kind
        self.calls = 0

    def forward(self, inputs, labels=None, mode="tensor"):
        if self.kind == "fixed":
            inputs = inputs.reshape(3, 3, 6, 6)
        if self.kind == "reads" and inputs.sum().item() > 0:
            inputs = -inputs
        if self.kind == "drifts":
            self.calls += 1
            inputs = inputs + self.calls
        scores = self.head(self.drop(self.norm(self.conv(inputs))).mean((2, 3)))
        return {"scores": scores, "labels": scores.argmax(1)} if mode == "predict" else scores


class Images(Dataset):
    """Five images.

    Args:
        as_mapping: Whether a sample is a mapping.
        samples: How many there are.
    """

    metainfo = None

    def __init__(self, as_mapping: bool = False, samples: int = 5):
        self.as_mapping = as_mapping
        self.samples = samples

    def __len__(self):
        return self.samples

    def __getitem__(self, index):
        image = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(index))
        return {"inputs": image, "data_samples": {"id": index}} if self.as_mapping else (image, index)


class Named(Tiny):
    """The same, for mappings.

    Args:
        data_preprocessor: Normalizes.
    """

    def __init__(self, data_preprocessor: Any = None):
        super().__init__(data_preprocessor=data_preprocessor)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        return super().forward(inputs, mode=mode)


@pytest.fixture(autouse=True)
def _registered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list(PROCESS_ENTRIES)
    for registry, *classes in ((MODELS, Tiny, Named), (DATASETS, Images)):
        for cls in classes:
            registry.register_module(module=cls)
    yield
    PROCESS_ENTRIES[:] = before


def config(model=None, **more):
    loader = {"batch_size": 3, "collate_fn": "default_collate", "dataset": {"type": "Images"}, **more}
    return Config({"model": model or {"type": "Tiny"}, "val_dataloader": loader})


@pytest.fixture
def weights(tmp_path):
    model = Tiny()
    torch.manual_seed(1)
    for each in model.parameters():
        nn.init.normal_(each)
    meta = {"epoch": 7, "iter": 70, "dataset_meta": {"classes": ("a", "b")}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "w.pth")
    return "w.pth"


def original(weights, model=None):
    built = model or Tiny()
    load_checkpoint(built, weights)
    return built.eval()


def test_an_export_runs_in_plain_torch(weights, tmp_path):
    found = export_model(config(), weights, "out")
    names = ["model.pt2", "model.safetensors", "config.yaml", "manifest.json"]
    assert [file.name for file in found.files] == names
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(names)  # nothing is left over
    program = torch.export.load("out/model.pt2").module()
    for size in (1, 3, 8):
        batch = torch.rand(size, 3, 6, 6)
        with torch.no_grad():
            torch.testing.assert_close(program(batch), original(weights)(batch), atol=1e-6, rtol=0)
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert told == found.manifest
    assert told["inputs"] == [{"name": "0", "shape": ["batch", 3, 6, 6], "dtype": "float32"}]
    assert told["outputs"] == [{"name": "", "shape": ["batch", 2], "dtype": "float32"}]
    assert told["check"]["largest_difference"] <= 1e-6
    assert (told["batch_size"], told["includes_preprocessing"], told["classes"]) == ("any", True, ["a", "b"])
    assert (told["checkpoint"]["epoch"], told["checkpoint"]["iter"]) == (7, 70)
    for name, about in told["files"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert about == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert Config.fromfile("out/config.yaml") == config()
    again, texts = read_safetensors("out/model.safetensors")
    assert texts["checkpoint"] == "w.pth"
    for name, tensor in original(weights).state_dict().items():
        assert torch.equal(again[name], tensor)


def test_predictions(weights):
    found = export_model(config(), weights, "out", mode="predict")
    outputs = [(row["name"], row["shape"], row["dtype"]) for row in found.manifest["outputs"]]
    assert outputs == [("scores", ["batch", 2], "float32"), ("labels", ["batch"], "int64")]


NORMALIZED = {"type": "ImgDataPreprocessor", "mean": [1.0, 2.0, 3.0], "std": [2.0, 2.0, 2.0], "pad_size_divisor": 4}


def test_preprocessing_of_lists_comes_before_the_program(weights):
    """The preprocessor stacks and pads a list of images; what it makes is what the program takes."""
    cfg = config(
        {"type": "Named", "data_preprocessor": NORMALIZED},
        collate_fn=None,
        dataset={"type": "Images", "as_mapping": True},
    )
    found = export_model(cfg, weights, "out")
    assert found.manifest["includes_preprocessing"] is False
    assert found.manifest["inputs"] == [{"name": "inputs", "shape": ["batch", 3, 8, 8], "dtype": "float32"}]
    batch = {"inputs": [torch.rand(3, 6, 6)], "data_samples": [{}]}
    preprocessor = ImgDataPreprocessor(**{key: value for key, value in NORMALIZED.items() if key != "type"})
    with torch.no_grad():
        expected = original(weights, Named(dict(NORMALIZED))).test_step(batch)["scores"]
        given = preprocessor(batch, False)["inputs"]
        torch.testing.assert_close(torch.export.load("out/model.pt2").module()(inputs=given), expected)


def test_preprocessing_of_tensors_is_part_of_it(weights):
    found = export_model(
        config(dataset={"type": "Images", "as_mapping": True}, model={"type": "Named"}), weights, "out"
    )
    assert found.manifest["includes_preprocessing"] is True
    assert [row["name"] for row in found.manifest["inputs"]] == ["inputs"]  # and no `data_samples`


@pytest.mark.parametrize(
    ("inputs", "names"), [(0, ["0"]), ("image", ["image"]), ({"input": "image"}, ["image"])], ids=str
)
def test_an_adapter_takes_what_its_config_names(inputs, names):
    from runner.model import ModuleAdapter

    model = ModuleAdapter(nn.Linear(2, 3), loss=None, inputs=inputs).eval()
    image, label = torch.rand(4, 2), torch.zeros(4)
    batch = [image, label] if inputs == 0 else {"label": label, "image": image}
    program = trace(model, batch)
    assert program.is_dynamic
    assert list(program.batch) == ([image] if inputs == 0 else ["image"])
    called = program.exported.module()(image) if inputs == 0 else program.exported.module()(image=image)
    torch.testing.assert_close(called, model.net(image))
    assert names


def test_a_program_for_batches_of_one_size(weights):
    found = export_model(config({"type": "Tiny", "kind": "fixed"}), weights, "out")
    assert found.manifest["batch_size"] == 3
    assert found.manifest["inputs"][0]["shape"] == [3, 3, 6, 6]


def test_one_sample_is_made_two(weights):
    assert (
        export_model(config(dataset={"type": "Images", "samples": 1}), weights, "out").manifest["batch_size"] == "any"
    )


@pytest.mark.parametrize(
    ("model", "loader", "says"),
    [
        ({"type": "Tiny", "kind": "reads"}, {}, "can't be traced"),
        ({"type": "Tiny", "kind": "drifts"}, {}, "differ from the model's by up to"),
        (None, {"dataset": {"type": "Images", "samples": 0}}, "the data set is empty"),
    ],
)
def test_what_is_refused_leaves_nothing(weights, tmp_path, model, loader, says):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pt2").write_text("an older one")
    with pytest.raises(RunnerError, match=says):
        export_model(config(model, **loader), weights, "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["model.pt2"]
    assert (tmp_path / "out" / "model.pt2").read_text() == "an older one"


def test_no_data_at_all(weights):
    with pytest.raises(RunnerError, match="needs a test, validation or training loader"):
        export_model(Config({"model": {"type": "Tiny"}}), weights, "out")


def test_weights_have_to_fit(tmp_path):
    torch.save({"head.weight": torch.zeros(2, 4)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="do not match"):
        export_model(config(), "w.pth", "out")


class TestSafetensors:
    """A state dict, there and back."""

    def test_weights_alone(self, weights, tmp_path):
        (file,) = export_model(config(), weights, "a/b.safetensors", weights_only=True).files
        assert str(file) == "a/b.safetensors"
        assert (tmp_path / "a" / "b.safetensors").is_file()
        assert export_model(config(), weights, "folder", weights_only=True).manifest == {}
        assert [file.name for file in (tmp_path / "folder").iterdir()] == ["model.safetensors"]
        fresh = Tiny()
        checkpoint = load_checkpoint(fresh, "a/b.safetensors", strict=True)
        assert torch.equal(fresh.head.weight, original(weights).head.weight)
        assert checkpoint["meta"]["checkpoint"] == "w.pth"
        assert read_meta("a/b.safetensors")["keys"] == ["meta", "state_dict"]

    def test_views_and_shared_weights(self, tmp_path):
        whole = torch.arange(6.0)
        state = {"a": whole, "b": whole, "part": whole[2:4], "turned": whole.reshape(2, 3).t(), "none": torch.empty(0)}
        write_safetensors(state, tmp_path / "s.safetensors")
        again = load(tmp_path / "s.safetensors")["state_dict"]
        assert set(again) == set(state)
        assert all(torch.equal(again[name], state[name]) for name in state)

    def test_what_is_no_tensor(self, tmp_path):
        with pytest.raises(RunnerError, match="extra"):
            write_safetensors({"w": torch.zeros(1), "extra": 3}, tmp_path / "s.safetensors")
        assert not list(tmp_path.iterdir())

    def test_damage(self, tmp_path):
        write_safetensors({"w": torch.zeros(100)}, tmp_path / "s.safetensors")
        content = (tmp_path / "s.safetensors").read_bytes()
        (tmp_path / "cut.safetensors").write_bytes(content[:-10])
        with pytest.raises(DamagedCheckpoint, match=r"cut\.safetensors"):
            load(tmp_path / "cut.safetensors")
        with pytest.raises(CheckpointError, match="no such checkpoint"):
            read_safetensors(tmp_path / "none.safetensors")


def test_the_device_of_the_preprocessor_is_not_written_down(weights):
    """A program is traced on a device; the preprocessor's own move to it must not break it."""
    assert isinstance(Tiny().data_preprocessor, BaseDataPreprocessor)
    program = trace(original(weights), [torch.rand(2, 3, 6, 6), torch.zeros(2)])
    with torch.no_grad():
        assert program.exported.module()(torch.rand(5, 3, 6, 6)).shape == (5, 2)
