"""Numbers are PyTorch's numbers: the Runner's losses and weights equal a hand-written loop's, bit for bit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from runner import Hook, Runner
from runner.model import BaseModel

STEPS, BATCH, SAMPLES, WINDOW, WARM_UP, MAX_NORM = 200, 8, 200, 3, 50, 0.5


class Net(nn.Module):
    """Batch norm and dropout, so that buffers and the training stream of random numbers both matter."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.body(inputs)


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        logits = self.net(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits


class Data(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(5)
        self.inputs = torch.randn(SAMPLES, 12, generator=generator)
        self.labels = torch.randint(5, (SAMPLES,), generator=generator)
        self.asked: list[int] = []

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.asked.append(index)
        return self.inputs[index], self.labels[index]


class Losses(Hook):
    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.seen.append(outputs["loss"].detach().clone())


OPTIMIZERS = {
    "SGD": {"type": "SGD", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4},
    "AdamW": {"type": "AdamW", "lr": 2e-3, "weight_decay": 0.05},
}


def by_runner(
    optimizer: str, amp: bool, tmp_path: Any
) -> tuple[list[torch.Tensor], dict[str, torch.Tensor], list[int]]:
    data, losses = Data(), Losses()
    wrapper = {"type": "AmpOptimWrapper", "dtype": "bfloat16"} if amp else {"type": "OptimWrapper"}
    torch.manual_seed(3)
    runner = Runner(
        model=Model(),
        work_dir=str(tmp_path / "run"),
        train_dataloader={
            "dataset": data,
            "batch_size": BATCH,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": True, "max_epochs": STEPS * BATCH // SAMPLES},
        optim_wrapper={
            **wrapper,
            "optimizer": OPTIMIZERS[optimizer],
            "accumulative_counts": WINDOW,
            "clip_grad": {"max_norm": MAX_NORM},
        },
        param_scheduler={"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": WARM_UP, "by_epoch": False},
        custom_hooks=[losses],
        randomness={"seed": 3},
        device="cpu",
    )
    start = copy.deepcopy(runner.model.net.state_dict())
    runner.train()
    final = {name: value.clone() for name, value in runner.model.net.state_dict().items()}
    assert any(not torch.equal(start[name], final[name]) for name in start)
    return losses.seen, final, data.asked


def by_hand(optimizer: str, amp: bool, order: list[int]) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """The loop as one would write it; the order of the samples is given to it."""
    data = Data()
    torch.manual_seed(3)
    net = Net()
    torch.manual_seed(3)  # the Runner seeds when it starts; the model was built before
    options = {key: value for key, value in OPTIMIZERS[optimizer].items() if key != "type"}
    step_lr = options["lr"]
    opt = getattr(torch.optim, optimizer)(net.parameters(), **options)
    losses = []
    for step in range(STEPS):
        # linear warm-up from 0.1 over 50 steps, by the recursive form of the schedule
        if step == 0:
            lr = step_lr * 0.1
        elif step < WARM_UP:
            lr *= 1.0 + (1.0 - 0.1) / ((WARM_UP - 1) * 0.1 + (step - 1) * (1.0 - 0.1))
        for group in opt.param_groups:
            group["lr"] = lr
        chosen = order[step * BATCH : (step + 1) * BATCH]
        inputs = torch.stack([data.inputs[index] for index in chosen])
        labels = torch.stack([data.labels[index] for index in chosen])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=amp):
            loss = nn.functional.cross_entropy(net(inputs), labels)
        losses.append(loss.detach().clone())
        last_window = STEPS % WINDOW
        (loss / (last_window if step >= STEPS - last_window else WINDOW)).backward()
        if (step + 1) % WINDOW == 0 or step + 1 == STEPS:
            torch.nn.utils.clip_grad_norm_(net.parameters(), MAX_NORM)
            opt.step()
            opt.zero_grad()
    return losses, net.state_dict()


@pytest.mark.parametrize("amp", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_losses_and_weights_equal_a_hand_written_loop(optimizer: str, amp: bool, tmp_path: Any) -> None:
    losses, weights, order = by_runner(optimizer, amp, tmp_path)
    expected_losses, expected_weights = by_hand(optimizer, amp, order)
    assert len(losses) == STEPS
    assert sorted(order[:SAMPLES]) == list(range(SAMPLES))
    assert order[:SAMPLES] != list(range(SAMPLES))
    for step, (loss, expected) in enumerate(zip(losses, expected_losses, strict=True)):
        assert torch.equal(loss, expected), f"step {step}: {loss} is not {expected}"
    for name, expected in expected_weights.items():
        assert torch.equal(weights[name], expected), name
