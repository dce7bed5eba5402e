"""`runner test` with the flags of the usual scripts, `runner train`'s that were not tried yet, and `runner_type`."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from runner import Config
from runner.checkpoint.safetensors_file import write_safetensors
from runner.visualization import optional

PARTS = """
import torch
from runner import Runner
from runner.evaluator import BaseMetric
from runner.model import BaseModel, BaseTTAModel
from runner.registry import DATASETS, METRICS, MODELS, RUNNERS, TRANSFORMS
from torch.utils.data import Dataset


@DATASETS.register_module()
class Pictures(Dataset):
    \"\"\"Six pictures of 4 x 4 pixels, each as bright as its number.

    Args:
        pipeline: What is done to each.
    \"\"\"

    metainfo = {"classes": ("dark", "bright")}

    def __init__(self, pipeline=None):
        self.pipeline = pipeline or []

    def __len__(self):
        return 6

    def __getitem__(self, index):
        image = torch.full((3, 4, 4), index / 5)
        for step in self.pipeline:
            image = step(image)
        return image, index // 3


@TRANSFORMS.register_module()
class Twice:
    \"\"\"An image and its negative.\"\"\"

    def __call__(self, image):
        return [image, 1 - image]


@MODELS.register_module()
class Brightness(BaseModel):
    \"\"\"Says how bright an image is.\"\"\"

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images, labels=None, mode="tensor"):
        bright = self.weight * images.mean((1, 2, 3))
        if mode == "loss":
            return {"loss": (bright - labels).square().mean()}
        scores = torch.stack([1 - bright, bright], 1)
        if mode == "tensor":
            return scores
        return [{"pred_score": each, "pred_label": each.argmax(), "dtype": str(each.dtype)} for each in scores]


@MODELS.register_module()
class MeanOfViews(BaseTTAModel):
    \"\"\"The mean of the scores.\"\"\"

    def merge_preds(self, data_samples_list):
        means = [torch.stack([view["pred_score"] for view in views]).mean(0) for views in data_samples_list]
        return [{"pred_score": mean, "pred_label": mean.argmax(), "dtype": str(mean.dtype)} for mean in means]


@METRICS.register_module()
class Brightest(BaseMetric):
    \"\"\"The highest score.\"\"\"

    def process(self, data_batch, data_samples):
        self.results += [sample["pred_score"][1].item() for sample in data_samples]

    def compute_metrics(self, results):
        return {"brightest": round(max(results), 3), "count": len(results)}


@RUNNERS.register_module()
class Loud(Runner):
    \"\"\"A Runner that says so.\"\"\"

    def test(self):
        self.logger.info("a Runner of my own")
        return {**super().test(), "loud": 1}
"""

CONFIG = """
custom_imports: {imports: [./pictures.py]}
model: {type: Brightness}
train_dataloader:
  batch_size: 3
  num_workers: 1
  pin_memory: true
  persistent_workers: true
  collate_fn: default_collate
  sampler: {type: DefaultSampler, shuffle: true}
  dataset: {type: Pictures}
train_cfg: {by_epoch: true, max_epochs: 1}
optim_wrapper: {optimizer: {type: SGD, lr: 0.1}}
test_dataloader: ${vars.loader}
test_cfg: {}
test_evaluator: {type: Brightest}
tta_model: {type: MeanOfViews}
tta_pipeline: [{type: Twice}]
vars:
  loader:
    batch_size: 4
    pin_memory: true
    collate_fn: default_collate
    sampler: {type: DefaultSampler, shuffle: false}
    dataset: {type: Pictures}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures.py").write_text(PARTS)
    (tmp_path / "cfg.yaml").write_text(CONFIG)
    torch.save({"state_dict": {"weight": torch.tensor(0.9)}}, "w.pth")
    yield tmp_path
    sys.modules.pop("pictures", None)


@pytest.fixture
def test(cli, project):
    """Tests; gives the last line as data."""

    def call(*arguments, code=0):
        done = cli("test", "cfg.yaml", "w.pth", "--device", "cpu", "--format", "json", *arguments)
        assert done.code == code, done.err
        return json.loads(done.out.splitlines()[-1])["metrics"] if code == 0 else " ".join(done.err.split())

    return call


def test_what_the_model_said_is_kept(test, project):
    assert test("--out", "said.json") == {"brightest": 0.9, "count": 6}
    said = json.loads((project / "said.json").read_text())
    assert [each["pred_label"] for each in said] == [0, 0, 0, 1, 1, 1]
    assert np.allclose([each["pred_score"][1] for each in said], 0.9 * np.arange(6) / 5)
    test("--out", "said.pt", "--out-item", "pred")
    assert len(torch.load("said.pt", weights_only=True)) == 6


def test_the_metrics_are_kept(test, project):
    metrics = test("--out", "metrics.json", "--out-item", "metrics")
    assert json.loads((project / "metrics.json").read_text()) == metrics == {"brightest": 0.9, "count": 6}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "said.csv"], "said.csv"),
        (["--out", "said.json", "--out-item", "preds"], "'preds' is no format; give pred or metrics"),
        (["--tta", "-o", "tta_model=null", "-o", "tta_pipeline=null"], "no tta_model and no tta_pipeline"),
        (["--launcher", "slurm"], "not started by it, and the launcher is slurm; start the processes with `srun`"),
        (["--launcher", "mpi"], "start the processes with Open MPI's `mpirun`"),
        (
            ["--launcher", "slurm", "--nproc-per-node", "2"],
            "it is for a launcher that starts processes, and the launcher is slurm",
        ),
        (["--interval", "0"], "--interval"),
    ],
)
def test_wrong_usage(test, arguments, says):
    assert says in test(*arguments, code=2)


def test_augmented(test):
    assert test("--tta") == {"brightest": 0.45, "count": 6}
    said = test("--tta", "-o", "test_dataloader.batch_size=3", code=1)
    assert "stands for ${vars.loader}" in said
    assert test("--tta", "-o", "vars.loader.batch_size=1") == {"brightest": 0.45, "count": 6}


def test_mixed_precision(test, project):
    test("--amp", "--out", "said.json")
    config = Config.fromfile(next(project.glob("work_dirs/cfg/cfg.yaml")))
    assert config.test_cfg.fp16 is True


@pytest.mark.parametrize("command", ["train", "test"])
def test_how_loaders_read(cli, project, command):
    more = ["w.pth"] if command == "test" else []
    flags = ["--no-pin-memory", "--no-persistent-workers"]
    done = cli(command, "cfg.yaml", *more, "--device", "cpu", *flags, "-o", "train_dataloader.num_workers=0")
    assert done.code == 0, done.err
    written = Config.fromfile("work_dirs/cfg/cfg.yaml")
    loaders = [written.train_dataloader, written.test_dataloader]
    assert [loader.pin_memory for loader in loaders] == [False, False]
    assert [loader.persistent_workers for loader in loaders] == [False, False]


def test_what_old_launchers_hand_on(test, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("SOME_ENV", "1")
    assert test("--local_rank=0") == test("--local-rank", "0")
    monkeypatch.delenv("LOCAL_RANK")


def test_a_runner_of_ones_own(test, cli, project):
    assert test("-o", "runner_type=Loud") == {"brightest": 0.9, "count": 6, "loud": 1}
    said = test("-o", "runner_type=Loudd", code=1)
    assert "did you mean 'Loud'" in said


def test_a_runner_of_a_plugin(process, project):
    site = project / "site"
    info = site / "loud-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[runner]\nloud = loud_plugin\n")
    (site / "loud_plugin.py").write_text(
        "from runner import hookimpl\n\n\n@hookimpl\ndef runner_register(catalog):\n"
        '    catalog.runner("PluginRunner", "loud_runner:PluginRunner")\n'
    )
    (site / "loud_runner.py").write_text(
        "from runner import Runner\n\n\nclass PluginRunner(Runner):\n    def train(self):\n"
        '        self.logger.info("a plugin trains")\n        return super().train()\n'
    )
    small = ["-o", "train_dataloader.num_workers=0", "-o", "train_dataloader.persistent_workers=false"]
    done = process(
        "train", "cfg.yaml", "--device", "cpu", "-o", "runner_type=PluginRunner", *small, PYTHONPATH=str(site)
    )
    assert done.code == 0, done.err
    assert "a plugin trains" in done.out
    assert (project / "work_dirs" / "cfg" / "epoch_1.pth").exists()


def test_options_as_openmmlabs_scripts_take_them(test):
    assert test("--cfg-options", "test_evaluator.prefix=a", "vars.loader.batch_size=1") == {
        "a/brightest": 0.9,
        "a/count": 6,
    }


def test_training_begins_with_safetensors(cli, project):
    write_safetensors({"weight": torch.tensor(0.25)}, "w.safetensors")
    still = [
        "optim_wrapper.optimizer.lr=0",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=false",
    ]
    done = cli("train", "cfg.yaml", "--device", "cpu", "--load-from", "w.safetensors", "--cfg-options", *still)
    assert done.code == 0, done.err
    assert torch.load("work_dirs/cfg/epoch_1.pth", weights_only=True)["state_dict"]["weight"] == 0.25


def test_pictures(test, project):
    pytest.importorskip("matplotlib")
    assert test("--show-dir", "shown", "--interval", "2")["count"] == 6
    names = sorted(file.name for file in (project / "shown").iterdir())
    assert names == [f"test_0_{number}.png" for number in range(4)]
    test("--show-dir", "augmented", "--tta")
    assert len(list((project / "augmented").iterdir())) == 6


def test_an_extra_that_is_missing_is_named(test, monkeypatch):
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    done = test("--show-dir", "shown", code=3)
    assert "pip install 'yaml-runner[draw]'" in done
