from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
import torch

from runner.logging import Console, LogProcessor, MessageHub, MMLogger
from runner.visualization import LocalVisBackend, Visualizer


class OfDevice(torch.Tensor):
    """Is not read by itself, since only plain tensors on the CPU are."""


@pytest.fixture
def of_device():
    """Makes of a tensor one that stands for a device's, on any machine."""
    return lambda tensor: tensor.as_subclass(OfDevice)


@pytest.fixture
def runner(tmp_path):
    """What hooks and log processors see of a Runner: 2 epochs of 4 batches, at its start."""
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo={"classes": ["a"]}))
    loader = type("Loader", (), {"__len__": lambda _: 4, "dataset": loader.dataset})()
    return SimpleNamespace(
        iter=0,
        epoch=0,
        max_iters=8,
        max_epochs=2,
        rank=0,
        seed=3,
        device="cpu",
        cfg=SimpleNamespace(pretty_text="model: {}"),
        experiment_name="toy",
        timestamp="20260101_000000",
        work_dir=str(tmp_path),
        log_dir=str(tmp_path / "20260101_000000"),
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        optim_wrapper=None,
        message_hub=MessageHub(),
        log_processor=LogProcessor(window_size=2),
        logger=MMLogger(
            log_file=tmp_path / "20260101_000000" / "20260101_000000.log", console=Console(io.StringIO(), live=False)
        ),
        visualizer=Visualizer(vis_backends=[LocalVisBackend()], save_dir=str(tmp_path / "20260101_000000")),
    )
