"""Stochastic weight averaging, held against torch's own parts in a loop by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from line_run import line, loader, shown, value
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

from runner import Hook, Runner
from runner.checkpoint import load
from runner.errors import BuildError
from runner.hooks import SWAHook
from runner.model import BaseModel

EPOCHS, BEGIN = 8, 3


def test_the_model_takes_the_mean_at_the_end(tmp_path: Path) -> None:
    # The weights after each epoch are -2, -4, -6, -8; those of the last two are averaged.
    runner = line(tmp_path, {"type": "SWAHook", "swa_begin": 0.5}, max_epochs=4)
    runner.train()
    hook = next(each for each in runner.hooks if isinstance(each, SWAHook))
    assert shown(runner) == [-2, -4, -6, -8]
    assert (value(runner), hook.metrics) == (-7, {"weight": -7})
    assert '"swa/weight": -7.0' in next(tmp_path.rglob("scalars.json")).read_text()
    assert load(tmp_path / "epoch_4.pth")["state_dict"]["weight"] == -8
    fresh = line(tmp_path / "test", load_from=str(tmp_path / "swa_epoch_4.pth"))
    assert fresh.test() == runner.test() == {"weight": -7}


@pytest.mark.parametrize(
    ("options", "mean"),
    [
        ({"swa_begin": 2, "interval": 2}, -8),
        ({"swa_begin": 0, "interval": 2}, -6),
        ({"swa_begin": 4, "interval": 2, "by_epoch": False}, -7),
        ({"swa_begin": 0.75, "by_epoch": False}, -7.5),
    ],
)
def test_which_weights_it_is_of(tmp_path: Path, options: dict[str, Any], mean: float) -> None:
    runner = line(tmp_path, {"type": "SWAHook", **options}, max_epochs=4)
    runner.train()
    assert value(runner) == mean
    name = "swa_epoch_4.pth" if options.get("by_epoch", True) else "swa_iter_8.pth"
    assert load(tmp_path / name)["state_dict"]["weight"] == mean


class Net(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        scores = self.net(inputs)
        return {"loss": nn.functional.cross_entropy(scores, labels)} if mode == "loss" else scores


class Rates(Hook):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.seen.append(runner.optim_wrapper.get_lr()["lr"][0])


def data() -> TensorDataset:
    inputs = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    return TensorDataset(inputs, (inputs.sum(1) > 0).long())


def by_hand(anneal_epochs: int, strategy: Any) -> tuple[AveragedModel, list[float]]:
    batch = (torch.stack(column) for column in zip(*data(), strict=True))
    inputs, labels = batch
    model = Net().net
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2])
    average, constant, rates = AveragedModel(model), None, []
    for epoch in range(EPOCHS):
        model.train()
        if epoch == BEGIN:
            constant = SWALR(optimizer, 0.05, anneal_epochs, strategy)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        if constant is None:
            schedule.step()
        else:
            average.update_parameters(model)
            constant.step()
    update_bn(DataLoader(data(), batch_size=32), average)
    return average, rates


@pytest.mark.parametrize("anneal_epochs", [0, 3, 10])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_rates_means_and_statistics_are_torchs(tmp_path: Path, strategy: str, anneal_epochs: int) -> None:
    rates = Rates()
    runner = line(
        tmp_path,
        {
            "type": "SWAHook",
            "swa_begin": BEGIN,
            "swa_lr": 0.05,
            "anneal_epochs": anneal_epochs,
            "anneal_strategy": strategy,
        },
        rates,
        model=Net(),
        max_epochs=EPOCHS,
        train_dataloader=DataLoader(data(), batch_size=32),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.2, "momentum": 0.9}},
        param_scheduler=[
            {"type": "MultiStepLR", "milestones": [2]},
            {"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.5, "begin": 4, "end": 6, "by_epoch": False},
        ],
        **dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator")),
    )
    runner.train()
    average, expected = by_hand(anneal_epochs, strategy)
    assert rates.seen == pytest.approx(expected, rel=1e-12)
    ours = runner.unwrapped_model.net.state_dict()
    for name, tensor in average.module.state_dict().items():
        assert torch.allclose(ours[name], tensor, rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize("bn_batches", [0, 1, None])
def test_how_many_batches_the_statistics_are_of(tmp_path: Path, bn_batches: int | None) -> None:
    runner = line(
        tmp_path,
        {"type": "SWAHook", "swa_begin": 1, "bn_batches": bn_batches},
        model=Net(),
        train_dataloader=DataLoader(data(), batch_size=8),
        **dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator")),
    )
    runner.train()
    trained = load(tmp_path / "epoch_2.pth")["state_dict"]["net.1.running_mean"]
    layer = runner.unwrapped_model.net[1]
    assert torch.equal(layer.running_mean, trained) == (bn_batches == 0)
    assert layer.num_batches_tracked == {0: 8, 1: 1, None: 4}[bn_batches]
    assert layer.momentum == 0.1


def test_the_rate_may_be_given_for_each_group(tmp_path: Path) -> None:
    wrapper = {"optimizer": {"type": "SGD", "lr": 1.0}, "paramwise_cfg": {"bias_lr_mult": 2.0}}
    hook = {"type": "SWAHook", "swa_begin": 1, "anneal_epochs": 0}
    more = {"model": Net(), "train_dataloader": DataLoader(data(), batch_size=8), "optim_wrapper": wrapper}
    more |= dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator"))
    groups = len(list(Net().parameters()))
    runner = line(tmp_path / "each", {**hook, "swa_lr": [0.1 * n for n in range(groups)]}, **more)
    runner.train()
    assert runner.optim_wrapper.get_lr()["lr"] == pytest.approx([0.1 * n for n in range(groups)])
    with pytest.raises(BuildError, match="2 rates for an optimizer with 6 groups"):
        line(tmp_path / "two", {**hook, "swa_lr": [0.1, 0.2]}, **more).train()


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"swa_begin": 2}, {}, "nothing to average"),
        ({"swa_begin": 0, "interval": 3}, {}, "nothing to average"),
        ({}, {"train_cfg": {"by_epoch": False, "max_iters": 4}}, "by_epoch: false"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, options: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BuildError, match=message):
        line(tmp_path, {"type": "SWAHook", **options}, **changes).train()


def test_one_average_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="keep one of them"):
        line(tmp_path, {"type": "SWAHook"}, {"type": "EMAHook"}).train()


def test_a_training_that_ends_before_says_so(tmp_path: Path) -> None:
    class Enough(Hook):
        def after_train_epoch(self, runner: Runner) -> None:
            runner.train_loop.stop_training = True

    runner = line(tmp_path, {"type": "SWAHook", "swa_begin": 1}, Enough(), max_epochs=3)
    runner.train()
    assert value(runner) == -2
    assert "before any weights were averaged" in next(tmp_path.rglob("*.log")).read_text()


@pytest.mark.world_size(2)
def test_ranks_end_with_the_same_statistics(tmp_path: Path) -> None:
    from runner import dist

    runner = line(
        tmp_path,
        {"type": "SWAHook", "swa_begin": 1},
        model=Net(),
        launcher="pytorch",
        train_dataloader={**loader(), "dataset": data(), "batch_size": 4},
        **dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator")),
    )
    runner.train()
    for name, tensor in runner.unwrapped_model.state_dict().items():
        first, second = dist.all_gather(tensor)
        assert torch.equal(first, second), name
