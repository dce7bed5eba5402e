"""Processes that train together: the group, collectives, launchers, the DDP wrapper.

group.py           who this process is
collectives.py     tensors and objects between processes
devices.py         where data lies, and moving it
process_group.py   joining and leaving
launcher.py        the contract of launchers
launchers.py       those that come with the project
cluster.py         what SLURM and Open MPI tell their processes
launch.py          starting a group on this machine
supervise.py       starting it again when it has died
ddp.py             the model wrapper
"""

from __future__ import annotations

from runner.dist.collectives import (
    all_gather,
    all_gather_object,
    all_reduce,
    all_reduce_dict,
    all_reduce_params,
    broadcast,
    broadcast_object_list,
    collect_results,
    collect_results_cpu,
    collect_results_gpu,
    gather,
    gather_object,
    sync_random_seed,
)
from runner.dist.devices import cast_data_device, get_data_device
from runner.dist.group import (
    barrier,
    get_backend,
    get_comm_device,
    get_data_info,
    get_data_rank,
    get_data_world_size,
    get_default_group,
    get_dist_info,
    get_local_group,
    get_local_rank,
    get_local_size,
    get_rank,
    get_tensor_parallel_size,
    get_world_size,
    init_local_group,
    is_distributed,
    is_main_process,
    master_only,
    set_tensor_parallel_size,
)
from runner.dist.launcher import Group, Job, Launcher
from runner.dist.process_group import destroy, infer_launcher, init_dist, joins_group

__all__ = [
    "Group",
    "Job",
    "Launcher",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "all_reduce_dict",
    "all_reduce_params",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "cast_data_device",
    "collect_results",
    "collect_results_cpu",
    "collect_results_gpu",
    "destroy",
    "gather",
    "gather_object",
    "get_backend",
    "get_comm_device",
    "get_data_device",
    "get_data_info",
    "get_data_rank",
    "get_data_world_size",
    "get_default_group",
    "get_dist_info",
    "get_local_group",
    "get_local_rank",
    "get_local_size",
    "get_rank",
    "get_tensor_parallel_size",
    "get_world_size",
    "infer_launcher",
    "init_dist",
    "init_local_group",
    "is_distributed",
    "is_main_process",
    "joins_group",
    "master_only",
    "set_tensor_parallel_size",
    "sync_random_seed",
]
