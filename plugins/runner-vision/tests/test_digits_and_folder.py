from __future__ import annotations

import pickle
import random
from collections import Counter

import numpy as np
import PIL.Image
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import default_collate

from runner_vision import transforms
from runner_vision.datasets import Digits, ImageFolder
from runner_vision.errors import DatasetError


class TestDigits:
    def test_splits_all_of_them_by_digit(self):
        train, val, everything = Digits("train"), Digits("val"), Digits("all")
        assert (len(train), len(val), len(everything)) == (1437, 360, 1797)
        share = {digit: count / 5 for digit, count in Counter(everything.targets).items()}
        assert all(abs(count - share[digit]) < 1 for digit, count in Counter(val.targets).items())
        pixels = [image.numpy().tobytes() for image in torch.cat([train.images, val.images])]
        assert sorted(pixels) == sorted(image.numpy().tobytes() for image in everything.images)

    def test_gives_scikit_learns_images(self):
        numbers, labels = load_digits(return_X_y=True)
        image, label = Digits("all")[1000]
        assert image.shape == (1, 8, 8)
        assert image.dtype == torch.float32
        assert np.array_equal(image.numpy().ravel() * 16, numbers[1000])
        assert label == labels[1000]
        assert type(label) is int

    def test_does_not_draw(self):
        before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
        first = Digits("val")[3]
        assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
        np.random.seed(9)
        assert Digits("val")[3][0].equal(first[0])

    def test_collates_into_the_models_arguments(self):
        images, labels = default_collate([Digits("val")[index] for index in range(4)])
        assert images.shape == (4, 1, 8, 8)
        assert labels.dtype == torch.int64

    def test_is_not_changed_by_a_transform_in_place(self):
        dataset = Digits("val", transform=[transforms.Normalize([0.5], [0.5], inplace=True)])
        assert dataset[0][0].equal(dataset[0][0])

    def test_names_the_classes(self):
        assert Digits("val").metainfo["classes"] == tuple("0123456789")

    def test_travels_to_a_spawned_worker(self):
        dataset = pickle.loads(pickle.dumps(Digits("val", transform=[transforms.RandomCrop(8, padding=1)])))
        assert dataset[0][0].shape == (1, 8, 8)

    def test_refuses_another_split(self):
        with pytest.raises(ValueError, match="train, val or all"):
            Digits("test")


@pytest.fixture
def folder(tmp_path):
    for name, color in (
        ("dog/b.PNG", "red"),
        ("dog/deep/a.jpg", "red"),
        ("cat/c.png", "blue"),
        ("cat/notes.txt", None),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if color is None:
            file.write_text("no image")
        else:
            PIL.Image.new("RGB", (5, 4), color).save(file)
    return tmp_path


class TestImageFolder:
    def test_labels_images_by_their_folder(self, folder):
        dataset = ImageFolder(folder)
        assert dataset.classes == ["cat", "dog"]
        assert dataset.class_to_idx == {"cat": 0, "dog": 1}
        assert dataset.targets == [0, 1, 1]
        assert [str(folder / name) for name in ("cat/c.png", "dog/b.PNG", "dog/deep/a.jpg")] == [
            file for file, _ in dataset.samples
        ]
        assert dataset.imgs == dataset.samples
        image, label = dataset[0]
        assert (image.size, image.mode, label) == ((5, 4), "RGB", 0)
        assert image.getpixel((0, 0)) == (0, 0, 255)

    def test_gives_grey_images_three_channels(self, folder):
        PIL.Image.new("L", (2, 2), 9).save(folder / "cat" / "a.png")
        assert ImageFolder(folder, transform=transforms.ToTensor())[0][0].shape == (3, 2, 2)

    def test_takes_other_extensions(self, folder):
        assert len(ImageFolder(folder, extensions=[".jpg"], allow_empty=True)) == 1

    @pytest.mark.parametrize("name", ["nowhere", "dog/deep"])
    def test_names_a_root_without_classes(self, folder, name):
        with pytest.raises(DatasetError, match=name):
            ImageFolder(folder / name)

    def test_names_a_class_without_images(self, folder):
        (folder / "ant").mkdir()
        with pytest.raises(DatasetError, match="ant: no file ends in"):
            ImageFolder(folder)
        assert ImageFolder(folder, allow_empty=True).targets == [1, 2, 2]

    def test_transforms_labels(self, folder):
        assert ImageFolder(folder, target_transform=str)[2][1] == "1"
