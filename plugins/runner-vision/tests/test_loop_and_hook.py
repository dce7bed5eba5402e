from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest
import torch
from torch.utils.data import DataLoader

from runner import Runner
from runner.errors import BuildError
from runner.hooks import Hook
from runner_vision.datasets import Digits
from runner_vision.hooks import MisclassifiedHook
from runner_vision.loops import folds

LOADER = {"batch_size": 64, "collate_fn": "default_collate"}


def config(work_dir, **changes):
    """Two epochs of a tiny network, three folds of the 360 validation images."""
    dataset = {"type": "Digits", "split": "val"}
    whole = {
        "model": {"type": "SmallConvNet", "width": 2, "dropout": 0.1},
        "work_dir": str(work_dir),
        "train_dataloader": {
            **LOADER,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "dataset": {**dataset, "transform": [{"type": "RandomCrop", "size": 8, "padding": 1}]},
        },
        "train_cfg": {"type": "KFoldTrainLoop", "max_epochs": 2, "num_folds": 3},
        "optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.01}},
        "param_scheduler": {"type": "CosineAnnealingLR"},
        "val_dataloader": {**LOADER, "sampler": {"type": "DefaultSampler", "shuffle": False}, "dataset": dataset},
        "val_cfg": {},
        "val_evaluator": {"type": "Accuracy"},
        "randomness": {"seed": 1},
        "log_level": "ERROR",
    }
    return {**whole, **changes}


class Witness(Hook):
    """Notes where each epoch begins: the rate, and the weights of the first layer."""

    def __init__(self):
        self.rates, self.weights, self.folds = [], [], []

    def before_train_epoch(self, runner):
        self.rates.append(runner.optim_wrapper.param_groups[0]["lr"])
        self.weights.append(next(runner.model.parameters()).detach().clone())

    def before_fold(self, runner, fold):
        self.folds.append(fold)

    def after_fold(self, runner, fold, metrics):
        self.folds.append(metrics)


class TestFolds:
    @pytest.mark.parametrize(("length", "number"), [(10, 3), (7, 7), (360, 5)])
    def test_parts_hold_every_sample_once(self, length, number):
        parts = folds(length, number, seed=3)
        assert sorted(index for part in parts for index in part) == list(range(length))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1

    def test_each_part_has_its_share_of_every_class(self):
        targets = [0] * 30 + [1] * 10
        for part in folds(40, 5, targets=targets):
            assert sum(targets[index] for index in part) == 2

    def test_the_seed_decides_and_nothing_else(self):
        before = torch.get_rng_state()
        assert folds(50, 5, seed=1) == folds(50, 5, seed=1) != folds(50, 5, seed=2)
        assert torch.get_rng_state().equal(before)

    def test_no_more_folds_than_samples(self):
        with pytest.raises(BuildError, match="has 3 samples"):
            folds(3, 4)


class TestKFoldTrainLoop:
    def test_every_fold_starts_anew_and_is_measured(self, tmp_path):
        runner, witness = Runner.from_cfg(config(tmp_path)), Witness()
        runner.register_hook(witness)
        runner.train()
        assert (runner.epoch, runner.iter, runner.max_epochs) == (6, 24, 6)
        first, *others = witness.weights[::2]
        assert all(weights.equal(first) for weights in others)
        assert not witness.weights[1].equal(first)
        # A schedule lasts one fold: half a cosine over two epochs.
        assert witness.rates == pytest.approx([0.01, 0.005] * 3)
        report = json.loads(Path(runner.log_dir, "kfold.json").read_text())
        assert witness.folds[::2] == [0, 1, 2]
        assert witness.folds[1::2] == report["folds"]
        values = [fold["accuracy/top1"] for fold in report["folds"]]
        assert report["summary"]["accuracy/top1"]["mean"] == pytest.approx(sum(values) / 3)
        assert len(set(values)) > 1

    def test_measures_on_what_was_left_out(self, tmp_path):
        seen = []

        class Looks(Hook):
            def before_train_epoch(self, runner):
                parts = (runner.train_loop.dataloader.dataset, runner.val_loop.dataloader.dataset)
                seen.append([set(part.indices) for part in parts])

        runner = Runner.from_cfg(config(tmp_path))
        runner.register_hook(Looks())
        runner.train()
        for train, val in seen:
            assert not train & val
            assert train | val == set(range(360))
        assert set.union(*(val for _, val in seen)) == set(range(360))
        assert [seen[fold * 2] == seen[fold * 2 + 1] for fold in range(3)] == [True] * 3

    @pytest.mark.parametrize("by_epoch", [True, False])
    @pytest.mark.parametrize(
        ("point", "stop"),
        [
            ("after_train_iter", 9),
            ("after_train_iter", 15),
            ("after_train_iter", 16),
            ("after_train_epoch", 16),  # the second fold's last checkpoint is written, and it is not measured yet
            ("after_fold", 16),
        ],
    )
    def test_goes_on_bit_for_bit_after_a_kill(self, tmp_path, point, stop, by_epoch):
        hooks = {"checkpoint": {"interval": 1 if by_epoch else 3, "by_epoch": by_epoch}}
        whole = Runner.from_cfg(config(tmp_path / "whole", default_hooks=hooks))
        whole.train()

        class Killed(Exception):  # noqa: N818 - it stands for the signal
            pass

        def kill(self, runner, **_):
            if runner.iter + (point == "after_train_iter") == stop:
                raise Killed

        kills = type("Kills", (Hook,), {"priority": "LOWEST", point: kill})()
        killed = Runner.from_cfg(config(tmp_path / "killed", default_hooks=hooks))
        killed.register_hook(kills)
        with pytest.raises(Killed):
            killed.train()
        resumed = Runner.from_cfg(config(tmp_path / "killed", default_hooks=hooks, resume=True))
        resumed.train()
        for name, value in whole.model.state_dict().items():
            assert resumed.model.state_dict()[name].equal(value), name
        reports = [Path(runner.log_dir, "kfold.json").read_text() for runner in (whole, resumed)]
        assert reports[0] == reports[1]

    def test_takes_built_loaders(self, tmp_path):
        built = {
            "train_dataloader": DataLoader(Digits("val"), batch_size=64, shuffle=True),
            "val_dataloader": DataLoader(Digits("val"), batch_size=100),
        }
        runner = Runner(**{**config(tmp_path), **built})
        runner.train()
        assert len(runner.train_loop.metrics) == 3

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"val_dataloader": None, "val_cfg": None, "val_evaluator": None}, "give val_dataloader"),
            ({"train_cfg": {"type": "KFoldTrainLoop", "max_epochs": 1, "val_begin": 2}}, "no fold would be measured"),
            ({"train_cfg": {"type": "KFoldTrainLoop", "max_epochs": 1, "num_folds": 361}}, "takes at most 360"),
        ],
    )
    def test_says_what_it_needs(self, tmp_path, changes, message):
        with pytest.raises(BuildError, match=message):
            Runner(**config(tmp_path, **changes)).train()

    def test_both_loaders_have_the_same_samples(self, tmp_path):
        cfg = config(tmp_path)
        cfg["train_dataloader"]["dataset"]["split"] = "train"
        with pytest.raises(BuildError, match="has 360 samples and train_dataloader 1437"):
            Runner(**cfg).train()


class Sure(torch.nn.Module):
    """Says of the n-th image that it is a 1, with a confidence that grows with n."""

    def __init__(self):
        super().__init__()
        self.parameter = torch.nn.Parameter(torch.zeros(1))
        self.seen = 0

    def val_step(self, batch):
        images, _ = batch
        predictions = []
        for _ in images:
            score = torch.full((10,), 0.01)
            score[1] = 0.1 + self.seen / 1000
            predictions.append({"pred_score": score})
            self.seen += 1
        return predictions


class TestMisclassifiedHook:
    def test_writes_the_surest_mistakes(self, tmp_path):
        cfg = config(tmp_path, train_cfg=None, train_dataloader=None, optim_wrapper=None, param_scheduler=None)
        hook = MisclassifiedHook(num_images=5, min_size=20)
        runner = Runner(**{**cfg, "model": Sure(), "custom_hooks": [hook]})
        for _ in range(2):  # each validation starts anew
            runner.model.seen = 0
            runner.val()
        folder = Path(runner.log_dir, "misclassified", "val_epoch_0")
        index = json.loads((folder / "index.json").read_text())
        dataset = Digits("val")
        wrong = [position for position, label in enumerate(dataset.targets) if label != 1]
        assert [entry["position"] for entry in index] == wrong[: -len(wrong) - 1 : -1][:5]
        assert sorted(path.name for path in folder.glob("*.png")) == [entry["file"] for entry in index]
        first = index[0]
        assert first["label"] == dataset.targets[first["position"]]
        assert (first["label_name"], first["prediction"], first["prediction_name"]) == (str(first["label"]), 1, "1")
        assert first["confidence"] == pytest.approx(0.1 + first["position"] / 1000)
        with PIL.Image.open(folder / first["file"]) as image:
            assert image.size == (24, 24)
            brightness = image.getpixel((0, 9))
        pixel = dataset[first["position"]][0][0, 3, 0].item()
        assert brightness == round(255 * pixel)

    def test_undoes_a_normalization(self):
        hook = MisclassifiedHook(mean=[0.5, 0.25, 0.0], std=[0.5, 0.25, 1.0])
        image = torch.tensor([1.0, -1.0, 0.2]).view(3, 1, 1).expand(3, 4, 4)
        assert hook._pixels(image)[0, 0].tolist() == [255, 0, 51]
