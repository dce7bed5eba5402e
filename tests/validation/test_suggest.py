from __future__ import annotations

import pytest

from runner.validation.suggest import nearest


@pytest.mark.parametrize(
    ("word", "allowed", "expected"),
    [
        ("batchsize", ["batch_size", "batch_sampler"], "batch_size"),
        ("batchSize", ["batch_size", "batch_sampler"], "batch_size"),
        ("LR", ["lr", "foreach"], "lr"),
        ("max_nrm", ["max_norm", "norm_type"], "max_norm"),
        ("val_datalaoder", ["train_dataloader", "val_dataloader"], "val_dataloader"),
        ("LinearLr", ["LinearLR", "LinearMomentum"], "LinearLR"),
        ("cat", ["dog_house", "bird"], None),
        ("anything", [], None),
    ],
)
def test_nearest(word, allowed, expected):
    assert nearest(word, allowed) == expected
