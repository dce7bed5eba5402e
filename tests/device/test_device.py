from __future__ import annotations

import pytest
import torch

from runner import device
from runner.errors import RunnerError

KINDS = {
    "cuda": device.is_cuda_available,
    "dipu": device.is_dipu_available,
    "mlu": device.is_mlu_available,
    "mps": device.is_mps_available,
    "musa": device.is_musa_available,
    "npu": device.is_npu_available,
}


def test_the_device_in_use_is_one_that_is_there():
    found = device.get_device()
    assert found == "cpu" or KINDS.get(found, torch.accelerator.is_available)()
    assert not (found == "cpu" and any(is_available() for is_available in KINDS.values()))


def test_full_precision_is_asked_of_an_npu_only():
    assert device.is_npu_support_full_precision() is False or device.is_npu_available()


def test_memory_of_a_gpu_that_is_not_there():
    if device.is_musa_available():
        pytest.skip("there is a Moore Threads GPU")
    with pytest.raises(RunnerError, match="torch_musa"):
        device.get_max_musa_memory()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_memory_of_a_gpu_is_counted_anew():
    device.get_max_cuda_memory()
    block = torch.zeros(64 * 2**20, dtype=torch.uint8, device="cuda")
    assert device.get_max_cuda_memory() >= 64
    del block
    device.get_max_cuda_memory()
    assert device.get_max_cuda_memory() < 64
