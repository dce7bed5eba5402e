from __future__ import annotations

import pytest
import torch

from runner.model import ImgDataPreprocessor, stack_batch


def test_a_list_of_images_is_converted_normalized_padded_and_stacked():
    preprocessor = ImgDataPreprocessor(mean=[1, 2, 3], std=[2, 2, 2], pad_size_divisor=4, pad_value=-1, bgr_to_rgb=True)
    first = torch.arange(3, dtype=torch.uint8).view(3, 1, 1).expand(3, 2, 3)
    second = torch.zeros(3, 5, 2, dtype=torch.uint8)
    batch = preprocessor({"inputs": [first, second], "data_samples": ["a", "b"]})
    assert batch["data_samples"] == ["a", "b"]
    assert batch["inputs"].shape == (2, 3, 8, 4)
    assert batch["inputs"].dtype == torch.float32
    # The channels 0, 1, 2 become 2, 1, 0 before the mean is taken off.
    assert batch["inputs"][0, :, 0, 0].tolist() == [0.5, -0.5, -1.5]
    assert batch["inputs"][0, :, 2:].unique().tolist() == [-1]
    assert batch["inputs"][0, :, :, 3:].unique().tolist() == [-1]


def test_stacked_images_give_what_a_list_of_them_gives():
    images = torch.randint(0, 255, (2, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    preprocessor = ImgDataPreprocessor(mean=[9.0], std=[3.0], pad_size_divisor=4, rgb_to_bgr=True)
    stacked, listed = preprocessor({"inputs": images}), preprocessor({"inputs": list(images)})
    assert torch.equal(stacked["inputs"], listed["inputs"])
    assert stacked["data_samples"] is None


def test_the_statistics_are_in_no_checkpoint():
    assert not ImgDataPreprocessor(mean=[0], std=[1]).state_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [1]}, "given together"),
        ({"mean": [1, 2], "std": [1, 2]}, "1 or 3 values, got 2"),
        ({"bgr_to_rgb": True, "rgb_to_bgr": True}, "exclude each other"),
    ],
)
def test_arguments_that_contradict_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImgDataPreprocessor(**arguments)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (torch.ones(1), TypeError, "a mapping with 'inputs'"),
        ({"inputs": "x"}, TypeError, "got str"),
        ({"inputs": torch.ones(3, 2, 2)}, ValueError, r"\(N, C, H, W\)"),
        ({"inputs": [torch.ones(1, 2, 2)]}, ValueError, r"\(3, H, W\)"),
    ],
)
def test_batches_of_another_shape_are_refused(batch, error, message):
    with pytest.raises(error, match=message):
        ImgDataPreprocessor(mean=[1, 2, 3], std=[1, 1, 1])(batch)


def test_stacking_pads_every_dimension_but_the_channels():
    stacked = stack_batch([torch.ones(2, 1, 3, 2), torch.ones(2, 2, 1, 1)], pad_size_divisor=2, pad_value=5)
    assert stacked.shape == (2, 2, 2, 4, 2)
    assert (stacked == 1).sum() == 2 * (1 * 3 * 2 + 2 * 1 * 1)
    with pytest.raises(ValueError, match="agree"):
        stack_batch([torch.ones(1, 2), torch.ones(2, 2)])
    with pytest.raises(ValueError, match="no tensors"):
        stack_batch([])
