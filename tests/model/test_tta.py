"""Test-time augmentation: the views of a batch, what is merged of them, and a Runner that tests so."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from runner import Runner
from runner.config import Config
from runner.errors import BuildError, ConfigError
from runner.evaluator import BaseMetric
from runner.hooks import PrepareTTAHook, build_runner_with_tta
from runner.model import BaseModel, BaseTTAModel, ImgDataPreprocessor
from runner.plugin import PROCESS_ENTRIES
from runner.registry import DATASETS, METRICS, MODELS, TRANSFORMS


class Echo(BaseModel):
    """Says what it was given."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, inputs, data_samples=None, mode="tensor"):
        samples = [None] * len(inputs) if data_samples is None else data_samples
        return [{"pred": self.weight * each, "sample": sample} for each, sample in zip(inputs, samples, strict=True)]


class Mean(BaseTTAModel):
    """The mean of the views."""

    def merge_preds(self, data_samples_list):
        return [
            {"pred": torch.stack([view["pred"] for view in views]).mean(0), "samples": [v["sample"] for v in views]}
            for views in data_samples_list
        ]


A, B = torch.tensor([1.0, 2.0]), torch.tensor([5.0, 6.0])


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        ({"inputs": [[A, B], [A + 2, B + 4]], "data_samples": [["a1", "b1"], ["a2", "b2"]]}, [["a1", "a2"], ["b1", "b2"]]),
        ([[[A, B], [A + 2, B + 4]], [["a1", "b1"], ["a2", "b2"]]], [["a1", "a2"], ["b1", "b2"]]),
        (([torch.stack([A, B]), torch.stack([A + 2, B + 4])],), [[None, None]] * 2),
        # Labels that were stacked belong to each view, also where there are as many of them as views.
        ([[torch.stack([A, B]), torch.stack([A + 2, B + 4])], torch.tensor([7, 8])], [[7, 7], [8, 8]]),
        # One tensor with the views in front.
        (torch.stack([torch.stack([A, B]), torch.stack([A + 2, B + 4])])[None].unbind(0), [[None, None]] * 2),
    ],
)  # fmt: skip
def test_views_are_predicted_one_by_one_and_merged(batch, samples):
    found = Mean(Echo()).test_step(batch)
    assert [each["pred"].tolist() for each in found] == [(A + 1).tolist(), (B + 2).tolist()]
    assert [each["samples"] for each in found] == samples


@pytest.mark.parametrize("batch", ["text", {}, [], {"inputs": 3}, ["ab"]])
def test_what_has_no_views(batch):
    with pytest.raises(TypeError, match="views"):
        Mean(Echo()).test_step(batch)


def test_what_it_wraps():
    MODELS.register_module(module=Echo, force=True)
    try:
        given = {"type": "ImgDataPreprocessor", "pad_size_divisor": 4}
        assert isinstance(Mean({"type": "Echo"}, given).module.data_preprocessor, ImgDataPreprocessor)
        assert not isinstance(Mean({"type": "Echo"}).module.data_preprocessor, ImgDataPreprocessor)
    finally:
        PROCESS_ENTRIES[:] = [entry for entry in PROCESS_ENTRIES if entry.name != "Echo"]
    for wrong in (nn.Linear(1, 1), 3):
        with pytest.raises(TypeError, match="test_step"):
            Mean(wrong)
    with pytest.raises(NotImplementedError, match="test_step alone"):
        Mean(Echo())(A)
    with pytest.raises(NotImplementedError, match="no merge_preds"):
        super(Mean, Mean(Echo())).merge_preds([])


class Points(Dataset):
    """Four points on a line.

    Args:
        pipeline: What is done to each.
    """

    @property
    def metainfo(self):
        return {"name": "points"}

    def __init__(self, pipeline=None):
        self.pipeline = pipeline or []

    def __len__(self):
        return 4

    def __getitem__(self, index):
        value = torch.tensor([float(index)])
        for step in self.pipeline:
            value = step(value)
        return {"inputs": value}


class Repeated(Dataset):
    """Another data set.

    Args:
        dataset: The other.
    """

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


class Around:
    """A value and those around it.

    Args:
        width: How far.
    """

    def __init__(self, width: float = 3.0):
        self.width = width

    def __call__(self, value):
        return [value - self.width, value, value + self.width + 3]


class Seen(BaseMetric):
    """Keeps what it is given."""

    def process(self, data_batch, data_samples):
        self.results += [sample["pred"].item() for sample in data_samples]

    def compute_metrics(self, results):
        return {"values": results}


@pytest.fixture
def cfg(tmp_path):
    before = list(PROCESS_ENTRIES)
    for registry, *classes in (
        (MODELS, Echo, Mean),
        (DATASETS, Points, Repeated),
        (TRANSFORMS, Around),
        (METRICS, Seen),
    ):
        for cls in classes:
            registry.register_module(module=cls)
    loader = {"batch_size": 2, "sampler": {"type": "DefaultSampler", "shuffle": False}, "dataset": {"type": "Points"}}
    yield {
        "model": {"type": "Echo"},
        "work_dir": str(tmp_path),
        "val_dataloader": loader,
        "test_dataloader": "${val_dataloader}",
        "val_cfg": {},
        "val_evaluator": {"type": "Seen"},
        "test_cfg": {},
        "test_evaluator": {"type": "Seen"},
        "tta_model": {"type": "Mean"},
        "tta_pipeline": [{"type": "Around"}],
    }
    PROCESS_ENTRIES[:] = before


NESTED = {"type": "Repeated", "dataset": {"type": "Points", "pipeline": []}}


@pytest.mark.parametrize("dataset", [{"type": "Points"}, NESTED], ids=["alone", "in another"])
def test_a_runner_that_augments(cfg, dataset, capsys):
    cfg["val_dataloader"]["dataset"] = dataset
    torch.save({"state_dict": {"weight": torch.tensor(10.0)}}, f"{cfg['work_dir']}/w.pth")
    runner = build_runner_with_tta(Config({**cfg, "load_from": f"{cfg['work_dir']}/w.pth"}), device="cpu")
    assert runner.test() == {"values": [10.0, 20.0, 30.0, 40.0]}
    assert runner.test() == {"values": [10.0, 20.0, 30.0, 40.0]}  # it is put around the model once
    assert isinstance(runner.model, Echo)
    assert runner.val() == {"values": [0.0, 10.0, 20.0, 30.0]}  # validation goes without
    runner.close()


def test_the_hook_alone(cfg):
    cfg["test_dataloader"] = {**cfg["val_dataloader"], "dataset": {"type": "Points", "pipeline": [{"type": "Around"}]}}
    hooks = {"custom_hooks": [{"type": "PrepareTTAHook", "tta_cfg": {"type": "Mean"}}]}
    runner = Runner.from_cfg(Config({**cfg, **hooks}), device="cpu")
    assert runner.test() == {"values": [1.0, 2.0, 3.0, 4.0]}
    runner.close()
    built = Runner(
        Echo(),
        cfg["work_dir"],
        test_dataloader=DataLoader(Points([Around(0)]), batch_size=2),
        test_cfg={},
        test_evaluator=Seen(),
        custom_hooks=[PrepareTTAHook({"type": "Mean"})],
    )
    assert built.test() == {"values": [1.0, 2.0, 3.0, 4.0]}
    built.close()


@pytest.mark.parametrize("name", ["tta_model", "tta_pipeline", "test_dataloader"])
def test_what_is_missing_is_named(cfg, name):
    del cfg[name]
    with pytest.raises(BuildError, match=f"needs {name} in the config"):
        build_runner_with_tta(cfg)


def test_a_data_set_without_transforms(cfg):
    class Bare(Points):
        """No pipeline."""

        def __init__(self):
            super().__init__()

    DATASETS.register_module(module=Bare)
    cfg["val_dataloader"]["dataset"] = {"type": "Bare"}
    with pytest.raises(BuildError, match="takes no transforms"):
        build_runner_with_tta(cfg)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("tta_model", {"type": "Meen"}, "did you mean 'Mean'"),
        ("tta_model", {"type": "Mean", "module": {"type": "Echo"}}, "module"),
        ("tta_model", {"type": "Mean", "wdith": 1}, "wdith"),
        ("tta_model", {"type": "Echo"}, "'Echo' is a model"),
        ("tta_pipeline", [{"type": "Around", "wdith": 1}], "did you mean 'width'"),
        ("custom_hooks", [{"type": "PrepareTTAHook", "tta_cfg": {"type": "Mean", "wdith": 1}}], "wdith"),
    ],
)
def test_mistakes_are_found_before_anything_runs(cfg, name, value, problem):
    with pytest.raises(ConfigError, match=problem):
        Runner.from_cfg(Config({**cfg, name: value}))
