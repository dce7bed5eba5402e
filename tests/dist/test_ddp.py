from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from runner import dist
from runner.dist.ddp import MMDistributedDataParallel, is_model_wrapper, wrap_model


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.unused = nn.Linear(1, 1)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.5)
        self.unused.requires_grad_(requires_grad=False)

    def data_preprocessor(self, data, training=False):
        return {"inputs": data, "training": training}

    def forward(self, inputs, training, mode):
        assert mode == "loss"
        assert training
        return {"loss": self.layer(inputs).square().mean()}

    def parse_losses(self, losses):
        return losses["loss"], losses

    def val_step(self, data):
        return ["val", data]

    def test_step(self, data):
        return ["test", data]


class Wrapper:
    """As little of an OptimWrapper as DDP's step needs."""

    def __init__(self, parameters):
        self.optimizer = torch.optim.SGD(parameters, lr=0.1)

    def optim_context(self, model):
        assert is_model_wrapper(model)
        return contextlib.nullcontext()

    def update_params(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


@pytest.mark.world_size(2)
def test_two_ranks_step_as_one_with_both_batches():
    batches = torch.arange(12.0).reshape(2, 2, 3)
    model = wrap_model(Model(), torch.device("cpu"))
    assert isinstance(model, MMDistributedDataParallel)
    wrapper = Wrapper([each for each in model.parameters() if each.requires_grad])
    logged = model.train_step(batches[dist.get_rank()], wrapper)
    assert set(logged) == {"loss"}
    assert model.val_step(1) == ["val", 1]
    assert model.test_step(2) == ["test", 2]

    alone = Model()
    whole = Wrapper([each for each in alone.parameters() if each.requires_grad])
    loss = sum(alone.layer(batch).square().mean() for batch in batches) / 2
    whole.update_params(loss)
    assert torch.allclose(model.module.layer.weight, alone.layer.weight)
    states = dist.all_gather(model.module.layer.weight.detach())
    assert torch.equal(*states)


@pytest.mark.world_size(1)
def test_parameters_without_a_gradient_are_named():
    model = Model()
    model.unused.requires_grad_(requires_grad=True)
    wrapped = MMDistributedDataParallel(model, detect_anomalous_params=True, find_unused_parameters=True)
    with pytest.warns(UserWarning, match=r"module\.unused\.weight, module\.unused\.bias$"):
        wrapped.train_step(torch.ones(1, 3), Wrapper(model.layer.parameters()))


def test_a_plain_model_is_no_wrapper():
    assert not is_model_wrapper(Model())
