"""Loaders that a config describes, in runs."""

from __future__ import annotations

import textwrap

import pytest
import torch

from runner import Config, Runner
from runner.errors import BuildError, ConfigError

PACKAGE = '''
import torch
from torch.utils.data import Dataset, IterableDataset, Sampler


class Line(Dataset):
    """Points of a line, and nothing but torch."""

    def __init__(self, size: int = 8, slope: float = 2.0):
        self.x = torch.arange(size).float().reshape(-1, 1)
        self.y = slope * self.x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class Stream(IterableDataset):
    """The same in batches of its own."""

    def __init__(self, batches: int = 2):
        self.batches = batches

    def __iter__(self):
        for number in range(self.batches):
            x = torch.arange(4).float().reshape(-1, 1) + number
            yield x, 2 * x


class Backwards(Sampler):
    """Knows neither of seeds nor of ranks."""

    def __init__(self, data_source):
        self.size = len(data_source)

    def __iter__(self):
        return iter(range(self.size)[::-1])

    def __len__(self):
        return self.size


class Chosen(Sampler):
    def __init__(self, indices: list[int]):
        self.indices = indices

    def __iter__(self):
        return iter(self.indices)

    def __len__(self):
        return len(self.indices)


def fetch():
    pass
'''

CONFIG = """
custom_imports:
  components:
    dataset: {{Line: "plain_package.data:Line", Stream: "plain_package.data:Stream"}}
    sampler: {{Backwards: "plain_package.data:Backwards", Chosen: "plain_package.data:Chosen"}}
model:
  type: ModuleAdapter
  module: {{type: nn.Linear, in_features: 1, out_features: 1}}
  loss: {{type: nn.MSELoss}}
  inputs: 0
  targets: 1
train_dataloader: {loader}
train_cfg: {{by_epoch: true, max_epochs: 2}}
optim_wrapper: {{optimizer: {{type: SGD, lr: 0.01}}}}
randomness: {{seed: 0}}
default_hooks: {{checkpoint: null}}
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    package = tmp_path / "plain_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "data.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def make(loader, text=CONFIG):
        file = tmp_path / "cfg.yaml"
        file.write_text(text.format(loader=textwrap.dedent(loader)))
        return Runner.from_cfg(Config.fromfile(file))

    return make


LOADERS = {
    "a plain data set": (
        "{dataset: {type: Line, size: 6}, batch_size: 3, sampler: {type: DefaultSampler, shuffle: false}, collate_fn: default_collate}",
        [[0, 1, 2], [3, 4, 5]],
    ),
    "a sampler of torch's making": (
        "{dataset: {type: Line, size: 4}, batch_size: 3, sampler: {type: Backwards}, collate_fn: default_collate}",
        [[3, 2, 1], [0]],
    ),
    "a sampler that takes neither": (
        "{dataset: {type: Line}, batch_size: 2, sampler: {type: Chosen, indices: [5, 1]}, collate_fn: default_collate}",
        [[5, 1]],
    ),
    "no sampler": ("{dataset: {type: Line, size: 4}, batch_size: 4, sampler: null, collate_fn: default_collate}", [[0, 1, 2, 3]]),
    "a stream of batches": (
        "{dataset: {type: Stream}, batch_size: null, sampler: null, collate_fn: first}", [[0, 1, 2, 3], [1, 2, 3, 4]]
    ),
    "a batch sampler": (
        ("{dataset: {type: Line, size: 5}, batch_size: 2, sampler: {type: DefaultSampler, shuffle: false}, "
        "batch_sampler: {type: BatchSampler, drop_last: true}, collate_fn: default_collate}"),
        [[0, 1], [2, 3]],
    ),
    "a head": (
        ("{dataset: {type: Line}, batch_size: 2, num_batch_per_epoch: 1, sampler: {type: DefaultSampler, shuffle: false}, "
        "collate_fn: default_collate}"),
        [[0, 1]],
    ),
    "workers": (
        ("{dataset: {type: Line, size: 4}, batch_size: 4, num_workers: 1, sampler: {type: DefaultSampler, shuffle: false}, "
        "collate_fn: default_collate, worker_init_fn: {type: worker_init_fn, torch_num_threads: 1}}"),
        [[0, 1, 2, 3]],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("loader", "expected"), LOADERS.values(), ids=LOADERS)
def test_loaders(make, loader, expected):
    from runner.registry import FUNCTIONS

    FUNCTIONS.register_module("first", force=True, module=as_it_is)
    text = CONFIG.replace("by_epoch: true, max_epochs", "by_epoch: false, max_iters") if "Stream" in loader else CONFIG
    runner = make(loader, text)
    batches = [batch[0].flatten().int().tolist() for batch in runner.train_loop.dataloader]
    assert batches == expected


def as_it_is(data_batch):
    return data_batch


def test_a_plain_data_set_and_a_plain_module_are_trained_from_yaml_alone(make):
    runner = make(
        "{dataset: {type: Line, size: 4}, batch_size: 4, sampler: {type: DefaultSampler}, collate_fn: default_collate}"
    )
    parameters = list(runner.model.parameters())
    with torch.no_grad():
        for parameter in parameters:
            parameter.zero_()
    runner.train()
    x, y = torch.arange(4.0), 2 * torch.arange(4.0)
    weight, bias = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)
    for _ in range(2):
        gradients = torch.autograd.grad(((weight * x + bias - y) ** 2).mean(), (weight, bias))
        weight, bias = (
            (value - 0.01 * gradient).detach().requires_grad_()
            for value, gradient in zip((weight, bias), gradients, strict=True)
        )
    torch.testing.assert_close(
        torch.cat([parameter.flatten() for parameter in parameters]), torch.stack([weight, bias])
    )


def test_what_is_no_data_set_is_not_called(make):
    wrong = CONFIG.replace("plain_package.data:Line", "plain_package.data:fetch")
    with pytest.raises(ConfigError, match=r"plain_package\.data:fetch is no class that derives from"):
        make("{dataset: {type: Line}, sampler: {type: DefaultSampler}}", wrong)


def test_a_data_set_of_no_length_has_no_head():
    from runner.dataset import build_dataloader

    with pytest.raises(TypeError, match="Unending has no length"):
        build_dataloader(Unending(), num_batch_per_epoch=2, seed=1)


class Unending(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(())


def test_what_is_checked_again_when_it_is_imported(tmp_path):
    from runner.custom_imports import run_custom_imports

    for kind, target in (("dataset", "os:system"), ("function", "os:system"), ("dataset", "torch.nn:Linear")):
        config = Config({"custom_imports": {"components": {kind: {"Wrong": target}}}})
        with pytest.raises(BuildError, match=f"{target} is no class that derives from"):
            run_custom_imports(config)
