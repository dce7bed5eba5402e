from __future__ import annotations

import pytest
import torch

from runner import dist

OPERATIONS = (("sum", [4, 6]), ("mean", [2, 3]), ("product", [3, 8]), ("min", [1, 2]), ("max", [3, 4]))


def test_alone_everything_is_the_identity():
    tensor = torch.tensor([1, 2])
    objects = [{"a": 1}]
    dist.all_reduce(tensor)
    dist.broadcast(tensor)
    dist.broadcast_object_list(objects)
    dist.barrier()
    assert tensor.tolist() == [1, 2]
    assert objects == [{"a": 1}]
    assert dist.all_gather_object("x") == ["x"]
    assert dist.gather_object("x") == ["x"]
    assert dist.all_gather(tensor)[0] is tensor
    assert dist.collect_results([1, 2, 3], 2) == [1, 2]
    assert dist.get_dist_info() == (0, 1)
    assert (dist.get_local_rank(), dist.get_local_size()) == (0, 1)
    assert dist.is_main_process()
    assert not dist.is_distributed()
    assert dist.get_backend() is None


def test_unknown_operation_is_named():
    with pytest.raises(ValueError, match=r"'avg'.*mean"):
        dist.all_reduce(torch.zeros(1), "avg")


def test_unknown_device_is_named():
    with pytest.raises(ValueError, match="'tpu'"):
        dist.collect_results([], 0, device="tpu")  # type: ignore[arg-type] # on purpose


def test_broadcast_needs_a_list():
    with pytest.raises(TypeError, match="tuple"):
        dist.broadcast_object_list((1,))  # type: ignore[arg-type] # on purpose


@pytest.mark.world_size(2)
def test_two_processes(tmp_path):
    rank = dist.get_rank()
    assert dist.get_dist_info() == (rank, 2)
    assert (dist.get_local_rank(), dist.get_backend()) == (rank, "gloo")
    assert [each.tolist() for each in dist.all_gather(torch.tensor([rank]))] == [[0], [1]]
    assert dist.all_gather_object({"rank": rank}) == [{"rank": 0}, {"rank": 1}]
    gathered = dist.gather(torch.tensor([rank]), dst=1)
    assert [each.tolist() for each in gathered] == ([[0], [1]] if rank == 1 else [])
    assert dist.gather_object(rank) == ([0, 1] if rank == 0 else None)

    tensor = torch.full((2,), rank)
    dist.broadcast(tensor, src=1)
    assert tensor.tolist() == [1, 1]
    objects = [rank, f"of {rank}"]
    dist.broadcast_object_list(objects)
    assert objects == [0, "of 0"]

    for op, expected in OPERATIONS:
        data = torch.tensor([1, 2]) + 2 * rank
        dist.all_reduce(data, op)
        assert data.tolist() == expected

    losses = {"b": torch.tensor(float(rank)), "a": torch.tensor(2.0)}
    dist.all_reduce_dict(losses, "mean")
    assert {name: value.item() for name, value in losses.items()} == {"a": 2.0, "b": 0.5}

    seed = dist.sync_random_seed()
    assert dist.all_gather_object(seed) == [seed, seed]

    dealt = [[0, 2], [1, 3]][rank]
    for size in (3, 4):
        assert dist.collect_results(dealt, size) == (list(range(size)) if rank == 0 else None)

    dist.master_only(lambda: (tmp_path / "written").write_text(str(rank)))()
    dist.barrier()
    assert (tmp_path / "written").read_text() == "0"


@pytest.mark.world_size(3)
def test_results_of_uneven_ranks_are_all_there():
    dealt = [["a", "d"], ["b"], ["c"]][dist.get_rank()]
    assert dist.collect_results(dealt, 4) == (["a", "b", "c", "d"] if dist.is_main_process() else None)
