"""Inferencers, test-time augmentation and the report of the environment beside MMEngine's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from runner import collect_env
from runner.infer import BaseInferencer
from runner.model import BaseModel, BaseTTAModel
from runner.plugin import PROCESS_ENTRIES
from runner.registry import MODELS

mmengine = pytest.importorskip("mmengine")


def parts(base):
    """The same subclass of either inferencer."""

    class Traced(base):
        preprocess_kwargs = {"size"}  # noqa: RUF012
        forward_kwargs = {"scale"}  # noqa: RUF012
        visualize_kwargs = {"show", "draw"}  # noqa: RUF012
        postprocess_kwargs = {"out"}  # noqa: RUF012

        def _init_pipeline(self, cfg):
            self.calls = []
            return lambda value: torch.as_tensor(value) + 1

        def _init_collate(self, cfg):
            return torch.stack

        def preprocess(self, inputs, batch_size=1, **kwargs):
            self.calls.append(("preprocess", len(inputs), batch_size, kwargs))
            return super().preprocess(inputs, batch_size)

        def forward(self, inputs, **kwargs):
            self.calls.append(("forward", tuple(inputs.shape), kwargs))
            return super().forward(inputs)

        def visualize(self, inputs, preds, show=False, **kwargs):
            self.calls.append(("visualize", len(inputs), len(preds), show, kwargs))
            return ["drawn"] * len(preds)

        def postprocess(self, preds, visualization, return_datasample=False, **kwargs):
            self.calls.append(("postprocess", visualization, return_datasample, kwargs))
            return {"predictions": [each.tolist() for each in preds], "visualization": visualization}

    return Traced


class Double(nn.Module):
    """A model without anything of either framework."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def test_step(self, data):
        assert not torch.is_grad_enabled()
        return list(self.weight * data)


@pytest.fixture
def both():
    from mmengine.infer import BaseInferencer as Theirs
    from mmengine.registry import MODELS as THEIRS

    before = list(PROCESS_ENTRIES)
    MODELS.register_module(module=Double)
    THEIRS.register_module(module=Double, force=True)
    config = {"model": {"type": "Double"}}
    yield (
        parts(BaseInferencer)(config, device="cpu", show_progress=False),
        parts(Theirs)(dict(config), device="cpu", show_progress=False),
    )
    PROCESS_ENTRIES[:] = before


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize(
    "keywords",
    [{}, {"size": 3, "draw": True}, {"scale": 2, "out": "x", "show": True, "return_datasamples": True}],
    ids=str,
)
def test_the_same_calls_in_the_same_order(both, batch_size, keywords):
    inputs = [np.array([float(number)]) for number in range(5)]
    found = [infer(inputs, batch_size=batch_size, **keywords) for infer in both]
    assert found[0] == found[1]
    assert both[0].calls == both[1].calls
    assert len(both[0].calls) == 3 + -(-5 // batch_size)


def test_the_same_keywords_are_refused(both):
    for infer in both:
        with pytest.raises(ValueError, match="colour"):
            infer([np.zeros(1)], colour=1)


def test_the_same_inputs(both, tmp_path):
    for name in "cab":
        (tmp_path / name).touch()
    for inputs in (3, "text", [1, 2], (1, 2), np.zeros(2)):
        ours, theirs = (infer._inputs_to_list(inputs) for infer in both)
        assert len(ours) == len(theirs)
        assert all(one is other for one, other in zip(ours, theirs, strict=True))
    ours, theirs = (infer._inputs_to_list(str(tmp_path)) for infer in both)
    assert ours == sorted(theirs)


def merging(base_tta, base_model):
    class Echo(base_model):
        def forward(self, inputs, data_samples=None, mode="tensor"):
            return list(zip(inputs, data_samples or [None] * len(inputs), strict=True))

    class Keep(base_tta):
        def merge_preds(self, data_samples_list):
            return [list(views) for views in data_samples_list]

    return Keep(Echo())


BATCHES = {
    "a mapping of lists": {"inputs": [[1, 2], [3, 4], [5, 6]], "data_samples": [["a", "b"], ["c", "d"], ["e", "f"]]},
    "a tuple of lists": ([[1, 2], [3, 4]], [["a", "b"], ["c", "d"]]),
    "a list of one": [[[1, 2], [3, 4]]],
    "a tensor with the views in front": {"inputs": torch.arange(6).reshape(3, 2)},
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_the_same_views(batch):
    from mmengine.model import BaseModel as TheirModel
    from mmengine.model import BaseTTAModel as Theirs

    ours = merging(BaseTTAModel, BaseModel).test_step(batch)
    theirs = merging(Theirs, TheirModel).test_step(batch)
    assert ours == theirs
    assert len(ours) == 2


def test_the_same_keys_of_the_environment():
    from mmengine.utils.dl_utils import collect_env as theirs

    expected, found = theirs(), collect_env()
    assert [key for key in found if key in expected] == [
        key for key in expected if key not in {"MMEngine", "TorchVision"} or key in found
    ]
    for key in set(expected) - {"MMEngine", "OpenCV", "TorchVision", "numpy_random_seed"}:
        assert str(found[key]) == str(expected[key]), key
    assert found["numpy_random_seed"] == int(expected["numpy_random_seed"])
