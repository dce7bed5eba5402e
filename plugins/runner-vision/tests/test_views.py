"""Loading images, several views of one, and the example with test-time augmentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from runner_vision.models import SmallConvNet
from runner_vision.transforms import CenterCrop, LoadImage, Pad, TestTimeAug, ToTensor
from runner_vision.tta import AverageClsScoreTTA

EXAMPLE = Path(__file__).parents[3] / "examples" / "digits_tta" / "digits_tta.yaml"


def test_each_way_of_taking_one_of_each_list():
    def add(number):
        return lambda value: value * 10 + number

    assert TestTimeAug([[add(1), add(2)], [add(3), add(4), add(5)]])(0) == [13, 14, 15, 23, 24, 25]
    views = TestTimeAug([[lambda value: {"inputs": value}, lambda value: {"inputs": -value}]])(3)
    assert views == {"inputs": [3, -3]}
    shifted = TestTimeAug([[Pad([2, 0, 0, 0]), Pad([0, 0, 2, 0])], [CenterCrop(2)]])
    right, left = shifted(torch.arange(4.0).reshape(1, 2, 2))
    assert (right.tolist(), left.tolist()) == ([[[0, 0], [0, 2]]], [[[1, 0], [3, 0]]])


@pytest.mark.parametrize("transforms", [[[]], ["ToTensor"], [[3]]])
def test_what_makes_no_views(transforms):
    with pytest.raises(TypeError, match="takes"):
        TestTimeAug(transforms)


@pytest.mark.parametrize(("mode", "shape"), [("L", (1, 2, 3)), ("RGB", (3, 2, 3))])
def test_loading(tmp_path, mode, shape):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    PIL.Image.fromarray(array).save(tmp_path / "x.png")
    for given in (str(tmp_path / "x.png"), tmp_path / "x.png", array, array[..., None], PIL.Image.fromarray(array)):
        loaded = ToTensor()(LoadImage(mode)(given))
        assert loaded.shape == shape
        assert torch.equal((loaded[0] * 255).round().byte(), torch.from_numpy(array))
    with pytest.raises(TypeError, match="bytes"):
        LoadImage()(array / 255)


def test_the_mean_of_the_views_scores():
    torch.manual_seed(0)
    model = SmallConvNet().eval()
    images, labels = torch.rand(3, 1, 8, 8), torch.tensor([1, 2, 3])
    with torch.no_grad():
        found = AverageClsScoreTTA(model).test_step([[images, images.flip(3)], labels])
        mean = (model(images).softmax(1) + model(images.flip(3)).softmax(1)) / 2
    assert torch.allclose(torch.stack([each["pred_score"] for each in found]), mean)
    assert [each["pred_label"].item() for each in found] == mean.argmax(1).tolist()
    assert [each["gt_label"].item() for each in found] == [1, 2, 3]


@pytest.mark.slow
def test_the_example_is_trained_tested_and_predicts(tmp_path):
    from runner_vision.datasets.digits import Digits

    def run(*arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "error"}
        command = [sys.executable, "-m", "runner", *map(str, arguments), "--device", "cpu"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("train", EXAMPLE, "--work-dir", "out", "-o", "train_cfg.max_epochs=5")
    found = {}
    for name, flags in {"plain": [], "augmented": ["--tta"]}.items():
        printed = run("test", EXAMPLE, "out/epoch_5.pth", "--work-dir", "out", "--format", "json", *flags)
        found[name] = json.loads(printed.splitlines()[-1])["metrics"]["accuracy/top1"]
    assert found["plain"] > 90
    assert found["augmented"] > 90
    (tmp_path / "images").mkdir()
    digits = Digits("val")
    for number in range(30):
        image, label = digits[number]
        PIL.Image.fromarray((image[0].numpy() * 255).astype(np.uint8)).save(
            tmp_path / "images" / f"{number:02d}_{label}.png"
        )
    rows = [json.loads(line) for line in run("predict", EXAMPLE, "out/epoch_5.pth", "images").splitlines()]
    right = [row["pred_class"] == Path(row["input"]).stem[-1] for row in rows]
    assert len(right) == 30
    assert sum(right) >= 27
