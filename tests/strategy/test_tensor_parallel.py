from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.append(str(Path(__file__).parent))
from training import SGD, Losses, assert_equal, build, collate, parts, train

from runner import Hook, dist
from runner.checkpoint import load
from runner.dist.sharding import is_dtensor
from runner.errors import BuildError
from runner.evaluator import BaseMetric
from runner.model import BaseModel

WIDTH = 8


class Block(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 2 * WIDTH)
        self.down = nn.Linear(2 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs):
        return inputs + self.dropout(self.down(torch.tanh(self.up(self.norm(inputs)))))


class Stack(BaseModel):
    def __init__(self, dropout=0.0):
        super().__init__(init_cfg={"type": "Kaiming", "layer": "Linear"})
        self.stem = nn.Linear(7, WIDTH)
        self.blocks = nn.ModuleList(Block(dropout) for _ in range(2))
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, inputs, mode="tensor"):
        out = self.stem(inputs)
        for block in self.blocks:
            out = block(out)
        out = self.head(out)
        if mode == "predict":
            return [{"id": int(each)} for each in inputs[:, -1]]
        return {"loss": out.square().mean()} if mode == "loss" else out


PLAN = {"blocks.*.up": "colwise", "blocks.*.down": "rowwise"}
SEQUENCE_PLAN = {
    "stem": {"type": "colwise", "output_layouts": 0},
    "blocks.*.norm": {"type": "sequence", "sequence_dim": 0},
    "blocks.*.up": {"type": "colwise", "input_layouts": 0},
    "blocks.*.down": {"type": "rowwise", "output_layouts": 0},
    "head": {"type": "colwise", "input_layouts": 0, "output_layouts": "replicate"},
}


def tp(**options):
    return {"type": "TensorParallelStrategy", "plan": PLAN, "tensor_parallel_size": 2, **options}


def fsdp(**options):
    return {
        "type": "FSDPStrategy",
        "modules": ["Block"],
        "tensor_parallel_size": 2,
        "tensor_parallel_plan": PLAN,
        **options,
    }


def losses_of(folder, strategy, *, batch, model=None, **fields):
    """The means over ranks of a run's losses."""
    losses = Losses()
    fields = {"train_cfg": {"by_epoch": True, "max_epochs": 2}, "default_hooks": {"checkpoint": None}, **fields}
    train(folder, strategy, model=model or Stack(), custom_hooks=[losses], batch=batch, **fields)
    mean = torch.tensor(losses.seen, dtype=torch.float64)
    dist.all_reduce(mean, "mean")
    return mean


@pytest.mark.world_size(2)
def test_losses_are_those_of_ddp_on_two_ranks(tmp_path):
    expected = losses_of(tmp_path, None, batch=4)
    assert expected[0] > 2 * expected[-1]
    for plan in ({**PLAN, "head": "colwise_rep"}, SEQUENCE_PLAN):
        got = losses_of(tmp_path, tp(plan=plan), batch=8)
        assert torch.allclose(got, expected, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.world_size(4, timeout=300)
def test_losses_are_those_of_ddp_on_four_ranks_in_two_dimensions(tmp_path):
    expected = losses_of(tmp_path, None, batch=2)
    for strategy in (tp(), fsdp()):
        got = losses_of(tmp_path, strategy, batch=4)
        assert torch.allclose(got, expected, atol=1e-5, rtol=0)


VARIANTS = {
    "one file, foreach, averaged weights, gradients looked at": (
        tp(),
        {
            "custom_hooks": [{"type": "EMAHook"}, {"type": "NaNGuardHook", "policy": "skip"}],
            "optim_wrapper": {
                "optimizer": {"type": "AdamW", "lr": 0.01, "foreach": True},
                "clip_grad": {"max_norm": 0.1},
            },
        },
    ),
    "shares in two dimensions, accumulation, clipping by value": (
        fsdp(state_dict_cfg="sharded"),
        {"optim_wrapper": {**SGD, "accumulative_counts": 2, "clip_grad": {"type": "value", "clip_value": 0.01}}},
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.world_size(2)
def test_resumed_in_mid_epoch_equals_straight_through_bit_for_bit(tmp_path, variant):
    strategy, fields = VARIANTS[variant]
    straight = train(tmp_path / "straight", strategy, model=Stack(0.2), **fields)
    assert straight.model.blocks[0].up.weight.to_local().shape == (WIDTH, WIDTH)
    assert is_dtensor(straight.model.head.weight)
    assert straight.max_iters == 12
    train(tmp_path / "resumed", strategy, model=Stack(0.2), resume=str(tmp_path / "straight" / "iter_9.pth"), **fields)
    expected, got = (load(tmp_path / name / "iter_12.pth") for name in ("straight", "resumed"))
    assert_equal(parts(got), parts(expected))


@pytest.mark.world_size(2)
def test_a_checkpoint_goes_on_in_ddp_and_back(tmp_path):
    train(tmp_path / "tp", tp(state_dict_cfg="sharded"), model=Stack(), batch=8)
    train(tmp_path / "ddp", None, model=Stack(), resume=str(tmp_path / "tp" / "iter_3.pth"))
    train(tmp_path / "back", tp(), model=Stack(), batch=8, resume=str(tmp_path / "ddp" / "iter_4.pth"))
    expected, got = (load(tmp_path / name / "iter_6.pth") for name in ("tp", "back"))
    for part in ("state_dict", "optimizer"):
        assert_equal(got[part], expected[part], part, tolerance=1e-5)


class Seen(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(each["id"] for each in data_samples)

    def compute_metrics(self, results):
        return {"count": len(results), "distinct": len(set(results))}


class Numbered(torch.utils.data.Dataset):
    """Samples that end in their number."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return torch.cat([torch.zeros(6), torch.tensor([float(index)])])


class Batches(Hook):
    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append(data_batch["inputs"][:, 1].tolist())


@pytest.mark.slow
@pytest.mark.world_size(4, timeout=300)
def test_a_group_reads_the_same_batches_and_evaluation_counts_each_sample_once(tmp_path):
    batches = Batches()
    fields = {
        "val_dataloader": {"dataset": Numbered(13), "batch_size": 2, "collate_fn": collate},
        "val_cfg": {},
        "val_evaluator": Seen(),
        "default_hooks": {"checkpoint": None},
        "custom_hooks": [batches, {"type": "PredictionWriterHook", "out_dir": str(tmp_path / "predictions")}],
        "train_cfg": {"by_epoch": True, "max_epochs": 1},
    }
    runner = train(tmp_path, tp(), model=Stack(), batch=3, **fields)
    assert (runner.data_rank, runner.data_world_size) == (runner.rank // 2, 2)
    of_ranks = dist.all_gather_object(batches.seen)
    assert of_ranks[0] == of_ranks[1] != of_ranks[2] == of_ranks[3]
    assert len({each for of_rank in of_ranks for batch in of_rank for each in batch}) == 24
    metrics = runner.message_hub.log_scalars
    assert metrics["val/count"].current() == metrics["val/distinct"].current() == 13


MISTAKES = (
    ({"blocks.*.upp": "colwise"}, r"strategy.plan: 'blocks.\*.upp' is neither the name .* did you mean"),
    ({"blocks.0.norm": "colwise"}, "blocks.0.norm is a LayerNorm; 'colwise' is for Linear and Embedding"),
    ({"blocks.*": "sequence", "Block": "rowwise"}, "both mean blocks.0, as 'sequence' and as 'rowwise'"),
    ({"stem": "rowwise"}, "stem has 7 inputs, which 2 ranks can't share evenly"),
    ({"head": {"type": "colwise", "sequence_dim": 1}}, "'colwise' takes no sequence_dim; it takes input_layouts"),
    ({"head": {"type": "colwise", "output_layouts": "whole"}}, "'whole' is no layout; give 'replicate', or"),
    ({}, "the plan is empty"),
)


@pytest.mark.world_size(2)
def test_what_a_plan_cannot_mean_is_said(tmp_path):
    for plan, message in MISTAKES:
        with pytest.raises(BuildError, match=message):
            build(tmp_path, tp(plan=plan), model=Stack())
    with pytest.raises(BuildError, match="tensor_parallel_size is 3, and 2 processes"):
        build(tmp_path, tp(tensor_parallel_size=3), model=Stack())
    tied = Stack()
    tied.blocks[1].up.weight = tied.blocks[0].up.weight
    with pytest.raises(BuildError, match=r"blocks.0.up and blocks.1.up share a parameter"):
        build(tmp_path, tp(), model=tied)


def test_one_process_trains_the_whole_model_and_looks_at_the_plan(tmp_path):
    runner = train(tmp_path, tp(), model=Stack())
    assert type(runner.model) is Stack
    with pytest.raises(BuildError, match="did you mean 'head'"):
        build(tmp_path, tp(plan={"haed": "colwise"}), model=Stack())
    with pytest.raises(BuildError, match="go together"):
        build(tmp_path, fsdp(tensor_parallel_plan=None), model=Stack())
