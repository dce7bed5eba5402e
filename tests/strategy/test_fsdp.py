from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.append(str(Path(__file__).parent))
from training import SGD, Losses, Net, assert_equal, build, parts, train

from runner import dist
from runner.checkpoint import CheckpointStore, load
from runner.dist.fully_sharded import named_units, units_of_policy
from runner.dist.sharding import is_dtensor, is_sharded
from runner.errors import BuildError, DamagedCheckpoint

EMA = {"type": "EMAHook"}


def fsdp(**options):
    return {"type": "FSDPStrategy", "modules": ["blocks.*"], "state_dict_cfg": "full", **options}


VARIANTS = {
    "gathered, clipping by norm": ({}, {}),
    "shares written in the background, averaged weights": (
        {"state_dict_cfg": "local"},
        {
            "custom_hooks": [EMA],
            "default_hooks": {
                "checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False, "async_save": True}
            },
        },
    ),
    "shares, accumulation, checkpointed activations": (
        {"state_dict_cfg": "sharded", "activation_checkpointing": {"modules": ["blocks.*"]}},
        {"optim_wrapper": {**SGD, "accumulative_counts": 2}},
    ),
    "replicas, bf16, clipping by value": (
        {"replicas": 2},
        {
            "optim_wrapper": {
                "type": "AmpOptimWrapper",
                "dtype": "bfloat16",
                "optimizer": {"type": "AdamW", "lr": 0.01},
                "clip_grad": {"type": "value", "clip_value": 0.01},
            }
        },
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.world_size(2)
def test_resumed_in_mid_epoch_equals_straight_through_bit_for_bit(tmp_path, variant):
    options, fields = VARIANTS[variant]
    straight = train(tmp_path / "straight", fsdp(**options), **fields)
    assert is_sharded(straight.model)
    assert isinstance(straight.model, Net)
    train(tmp_path / "resumed", fsdp(**options), resume=str(tmp_path / "straight" / "iter_3.pth"), **fields)
    expected, got = (load(tmp_path / name / "iter_6.pth") for name in ("straight", "resumed"))
    assert_equal(parts(got), parts(expected))
    assert (tmp_path / "resumed" / "iter_6.pth").is_dir() == (options.get("state_dict_cfg", "full") != "full")
    CheckpointStore(tmp_path / "resumed").verify(tmp_path / "resumed" / "iter_6.pth")


def losses_agree(folder, strategies, batch):
    """Means over ranks of the losses of each strategy, and those of one process with the global batch, are alike."""
    fields = {"train_cfg": {"by_epoch": True, "max_epochs": 3}, "default_hooks": {"checkpoint": None}}
    seen = []
    for strategy in strategies:
        losses = Losses()
        train(folder, strategy, model=Net(0, norm=False), custom_hooks=[losses], batch=batch, **fields)
        mean = torch.tensor(losses.seen, dtype=torch.float64)
        dist.all_reduce(mean, "mean")
        seen.append(mean)
    rank, world_size = dist.get_dist_info()
    torch.distributed.destroy_process_group()
    losses = Losses()
    train(folder / str(rank), None, model=Net(0, norm=False), custom_hooks=[losses], batch=batch * world_size, **fields)
    one = torch.tensor(losses.seen, dtype=torch.float64)
    for each in seen:
        assert torch.allclose(each, one, atol=1e-6, rtol=0)
    assert one[0] > 2 * one[-1]
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world_size)


@pytest.mark.world_size(2)
def test_losses_are_those_of_ddp_and_of_one_process_with_the_global_batch(tmp_path):
    losses_agree(tmp_path, (fsdp(), fsdp(sync_every_step=False), None), batch=4)


@pytest.mark.world_size(2)
def test_a_sharded_checkpoint_goes_on_in_ddp_and_back(tmp_path):
    fields = {"model": Net(0, norm=False)}
    train(tmp_path / "fsdp", fsdp(state_dict_cfg="local"), **fields)
    train(tmp_path / "ddp", None, resume=str(tmp_path / "fsdp" / "iter_3.pth"), model=Net(0, norm=False))
    train(tmp_path / "back", fsdp(), resume=str(tmp_path / "ddp" / "iter_4.pth"), model=Net(0, norm=False))
    expected, got = (load(tmp_path / name / "iter_6.pth") for name in ("fsdp", "back"))
    for part in ("state_dict", "optimizer"):
        assert_equal(got[part], expected[part], part, tolerance=1e-6)


@pytest.mark.world_size(2)
def test_load_from_takes_whole_weights_and_shares(tmp_path):
    train(tmp_path / "one", fsdp(state_dict_cfg="local"))
    whole = load(tmp_path / "one" / "iter_6.pth")["state_dict"]
    if dist.get_rank() == 0:
        torch.save({"state_dict": whole}, tmp_path / "whole.pth")
    dist.barrier()
    for path in (tmp_path / "whole.pth", tmp_path / "one" / "iter_6.pth"):
        runner = build(tmp_path / "two", fsdp(skip_init_weights=True), load_from=str(path))
        runner.prepare_training()
        weight = runner.model.head.weight
        assert is_dtensor(weight)
        assert torch.equal(weight.full_tensor(), whole["head.weight"])
        runner.close()


@pytest.mark.world_size(2)
def test_what_cannot_be_sharded_or_found_is_said(tmp_path):
    with pytest.raises(BuildError, match=r"strategy.modules: 'blocs' is neither .* did you mean 'blocks'"):
        build(tmp_path, fsdp(modules=["blocs"]))
    with pytest.raises(BuildError, match="replicas is 3, and 2 ranks"):
        build(tmp_path, fsdp(replicas=3))
    with pytest.raises(BuildError, match="SingleDeviceStrategy is for one process, and 2 train together"):
        build(tmp_path, {"type": "SingleDeviceStrategy"})
    runner = build(tmp_path, fsdp(skip_init_weights=True))
    with pytest.raises(BuildError, match="without weights until some are loaded"):
        runner.train()
    runner.close()


@pytest.mark.world_size(2)
def test_mmengines_wrapper_shards_with_its_arguments(tmp_path):
    wrapper = {
        "type": "MMFullyShardedDataParallel",
        "sharding_strategy": "SHARD_GRAD_OP",
        "auto_wrap_policy": {"type": "size_based_auto_wrap_policy", "min_num_params": 40},
        "ignored_parameters": ["head.bias"],
    }
    fields = {"default_hooks": {"checkpoint": None}}
    runner = train(tmp_path, {"type": "FSDPStrategy", "model_wrapper": wrapper}, **fields)
    assert not is_dtensor(runner.model.head.bias)
    assert type(runner.model.blocks[0][0]).__name__ == "FSDPLinear"
    assert runner.model.head.weight.dtype == torch.float32
    wrapper = {
        "type": "MMFullyShardedDataParallel",
        "mixed_precision": {"param_dtype": "bfloat16", "reduce_dtype": "float32", "output_dtype": "float32"},
    }
    runner = train(tmp_path, None, model_wrapper_cfg=wrapper, model=Net(norm=False), **fields)
    assert is_sharded(runner.model)


def test_a_single_process_trains_the_whole_model(tmp_path):
    runner = train(tmp_path, fsdp(state_dict_cfg="local"))
    assert type(runner.model) is Net
    assert (tmp_path / "iter_6.pth").is_file()


def test_two_ways_of_saying_how_to_shard_exclude_each_other(tmp_path):
    with pytest.raises(BuildError, match="model_wrapper and modules say how to shard"):
        build(tmp_path, fsdp(model_wrapper={"sharding_strategy": "FULL_SHARD"}))
    with pytest.raises(BuildError, match="it can be 'local', 'sharded' or 'full'"):
        build(tmp_path, fsdp(state_dict_cfg="whole"))


def test_units_by_class_name_pattern_and_policy():
    model = Net()
    assert len(named_units(model, ["BatchNorm1d"], "x")) == 2
    assert named_units(model, ["blocks.?", "head"], "x") == [model.blocks[0], model.blocks[1], model.head]

    def policy(module, recurse, nonwrapped_numel):
        return recurse or isinstance(module, nn.Linear)

    assert all(isinstance(each, nn.Linear) for each in units_of_policy(model, policy))
    assert len(units_of_policy(model, policy)) == 3


@pytest.mark.slow
@pytest.mark.world_size(2, timeout=300)
def test_damage_anywhere_in_a_folder_is_found_and_the_one_before_is_used(tmp_path):
    train(tmp_path, fsdp(state_dict_cfg="local"), train_cfg={"by_epoch": True, "max_epochs": 1})
    if dist.is_main_process():
        folder, before = tmp_path / "iter_3.pth", tmp_path / "iter_2.pth"
        told = []
        store = CheckpointStore(tmp_path, told.append)
        assert store.newest() == folder
        assert not told
        files = sorted(file for file in folder.iterdir() if file.name != "manifest.json")
        assert [file.name for file in files] == [".metadata", "__0_0.distcp", "__1_0.distcp", "run.pth"]
        draws = random.Random(0)
        damages = 0
        for file in files:
            whole = file.read_bytes()
            flips = [draws.randrange(8 * len(whole)) for _ in range(50)]
            flipped = [_flipped(whole, bit) for bit in flips]
            truncated = [whole[: len(whole) * part // 50] for part in range(50)]
            for damaged in [*flipped, *truncated]:
                file.write_bytes(damaged)
                assert store.newest() == before
                assert "iter_3.pth is damaged" in told.pop()
                damages += 1
            file.unlink()
            assert store.newest() == before
            file.write_bytes(whole)
        assert damages == 400
        assert store.newest() == folder
        for path in (folder, before, tmp_path / "iter_1.pth"):
            (path / "__1_0.distcp").write_bytes(b"")
        with pytest.raises(DamagedCheckpoint, match=r"every checkpoint .* is damaged"):
            store.newest()
        store.remove(before)
        assert not before.exists()
    dist.barrier()


def _flipped(content, bit):
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)
