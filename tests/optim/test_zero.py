"""State spread over the ranks: the same numbers as one optimizer on each, saved whole and loaded again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from runner import Runner, dist
from runner.errors import BuildError, RegistryError
from runner.model import BaseModel
from runner.optim import AmpOptimWrapper, ZeroRedundancyOptimizer, build_optim_wrapper


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        logits = self.layers(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits


def runner(work_dir: Any, optimizer: dict[str, Any], epochs: int = 4, **more: Any) -> Runner:
    data = torch.randn(24, 4, generator=torch.Generator().manual_seed(1))
    return Runner(
        model=Model(),
        work_dir=str(work_dir),
        train_dataloader={
            "dataset": torch.utils.data.TensorDataset(data, data.argmax(1) % 3),
            "batch_size": 4,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper={"optimizer": optimizer, "paramwise_cfg": {"bias_lr_mult": 2.0}},
        param_scheduler={"type": "LinearLR", "end": 8},
        randomness={"seed": 0},
        device="cpu",
        **more,
    )


@pytest.mark.world_size(2)
def test_a_run_has_the_numbers_of_its_optimizer_and_resumes(tmp_path: Any) -> None:
    plain = runner(tmp_path / "plain", {"type": "AdamW", "lr": 0.1})
    plain.train()
    zero = {"type": "ZeroRedundancyOptimizer", "optimizer_type": "AdamW", "lr": 0.1}
    spread = runner(tmp_path / "zero", zero)
    spread.train()
    assert spread.optim_wrapper is not None
    held = spread.optim_wrapper.optimizer.optim.state  # type: ignore[attr-defined]  # torch's own
    assert 0 < len(held) < len(list(spread.model.parameters()))
    resumed = runner(tmp_path / "zero", zero, resume=True, load_from=str(tmp_path / "zero" / "epoch_2.pth"))
    resumed.train()
    for name, expected in plain.unwrapped_model.state_dict().items():
        assert torch.equal(spread.unwrapped_model.state_dict()[name], expected), name
        assert torch.equal(resumed.unwrapped_model.state_dict()[name], expected), name
    saved = torch.load(tmp_path / "zero" / "epoch_4.pth", weights_only=True)["optimizer"]
    assert len(saved["state"]) == len(list(plain.model.parameters()))


@pytest.mark.world_size(1)
def test_what_it_refuses() -> None:
    parameters = list(Model().parameters())
    with pytest.raises(RegistryError, match="no optimizer is called 'AdamWW'; did you mean 'AdamW'"):
        ZeroRedundancyOptimizer(parameters, "AdamWW")
    with pytest.raises(BuildError, match="which spreads nothing itself"):
        ZeroRedundancyOptimizer(parameters, "ZeroRedundancyOptimizer")
    with pytest.raises(BuildError, match="must name an optimizer, such as AdamW; got 3"):
        ZeroRedundancyOptimizer(parameters, 3)  # type: ignore[arg-type]  # what is refused


def test_one_process_has_nothing_to_spread() -> None:
    cfg = {"optimizer": {"type": "ZeroRedundancyOptimizer", "optimizer_type": "SGD", "lr": 0.1}}
    with pytest.raises(BuildError, match="there is one; start the run with --launcher pytorch, or use SGD itself"):
        build_optim_wrapper(Model(), cfg)


@pytest.mark.world_size(2)
@pytest.mark.parametrize("use_fsdp", [True, False])
def test_an_infinite_gradient_on_one_rank_leaves_out_the_update_on_all(use_fsdp: bool) -> None:
    parameter = nn.Parameter(torch.zeros(2))
    wrapper = AmpOptimWrapper(8.0, "float16", use_fsdp, optimizer=torch.optim.SGD([parameter], lr=1.0))
    wrapper.update_params(parameter.sum() * (float("inf") if dist.get_rank() == 0 else 1.0))
    updated = dist.all_gather(parameter.detach())
    assert [bool(each.any()) for each in updated] == [False, not use_fsdp]


def test_use_fsdp_in_one_process_is_the_usual_scaler() -> None:
    wrapper = AmpOptimWrapper(dtype="float16", use_fsdp=True, optimizer=torch.optim.SGD(Model().parameters(), lr=1.0))
    assert type(wrapper.loss_scaler) is torch.amp.GradScaler
