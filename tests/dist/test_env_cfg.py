"""`env_cfg`, key by key, each in a process of its own; a Runner of two SLURM tasks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from runner.config import Config
from runner.errors import ConfigError
from runner.validation import require_valid

APPLY = """
import json, os, resource, sys
import torch
if {imported_before}:
    import cv2
from runner.environment import apply_env_cfg
apply_env_cfg(json.loads(sys.argv[1]))
import cv2
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(json.dumps([torch.backends.cudnn.benchmark, soft, hard, cv2.getNumThreads()]))
"""


def applied(env_cfg, *, imported_before=False, limit=None, **environment):
    pytest.importorskip("cv2")
    code = APPLY.format(imported_before=imported_before)
    prefix = [] if limit is None else ["sh", "-c", f'ulimit -Sn {limit}; exec "$@"', "sh"]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code, json.dumps(env_cfg)],
        env={**{k: v for k, v in os.environ.items() if k != "OPENCV_FOR_THREADS_NUM"}, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_what_holds_for_the_process():
    benchmark, soft, hard, threads = applied({}, limit=512)
    assert (benchmark, soft, threads) == (False, min(4096, hard), 1)
    benchmark, soft, _, threads = applied(
        {"cudnn_benchmark": True, "resource_limit": 600, "mp_cfg": {"opencv_num_threads": 3}}, limit=512
    )
    assert (benchmark, soft, threads) == (True, 600, 3)
    assert applied({"resource_limit": 100}, limit=512)[1] == 512  # it is never lowered
    assert applied({}, imported_before=True)[3] == 1
    assert applied({"mp_cfg": {"opencv_num_threads": 2}}, imported_before=True)[3] == 2
    assert applied({}, OPENCV_FOR_THREADS_NUM="2")[3] == 2  # what the user's environment says stays


@pytest.mark.parametrize(
    ("dist_cfg", "says"),
    [
        ("{backend: nccl2}", "not allowed"),
        ("{port: 0}", "port"),
        ("{init_method: 'http://x'}", "init_method"),
        ("{init_backend: deepspeed}", "init_backend"),
        ("{timeout: 0}", "timeout"),
        ("{timout: 3}", "did you mean 'timeout'"),
    ],
)
def test_mistakes_are_found(dist_cfg, says):
    text = "model: {type: BaseDataPreprocessor}\nenv_cfg: {dist_cfg: %s}\n"
    with pytest.raises(ConfigError, match=says):
        require_valid(Config.fromstring(text % dist_cfg))


RUN = """
import json, sys
import torch
from torch.utils.data import DataLoader, TensorDataset
from runner import Runner
from runner.model import BaseModel

class Linear(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode="tensor"):
        return {"loss": self.layer(inputs).mean()}

runner = Runner(
    Linear(), sys.argv[2], launcher=sys.argv[1], train_dataloader=DataLoader(TensorDataset(torch.ones(8, 2)), 2),
    train_cfg={"by_epoch": True, "max_epochs": 1}, optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
    env_cfg={"dist_cfg": {"backend": "gloo", "port": int(sys.argv[3]), "timeout": 60}}, device="cpu",
)
runner.train()
print(json.dumps([runner.rank, runner.world_size, type(runner.model).__name__]))
runner.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["slurm", "mpi"])
def test_two_processes_of_a_cluster_train_together(launcher, tmp_path):
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port = str(one.getsockname()[1])
    kept = {name: value for name, value in os.environ.items() if name not in {"RANK", "WORLD_SIZE", "MASTER_PORT"}}
    names = {
        "slurm": ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_TASKS_PER_NODE"),
        "mpi": (
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_LOCAL_RANK",
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_LOCAL_SIZE",
        ),
    }[launcher]
    ranks = []
    for rank in ("0", "1"):
        given = dict(zip(names, (rank, rank, "2", "2"), strict=True))
        ranks.append(
            subprocess.Popen(
                [sys.executable, "-c", RUN, launcher, str(tmp_path), port],
                env={**kept, **given, "SLURM_NODELIST": "localhost", "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    done = [each.communicate(timeout=120) for each in ranks]
    assert [json.loads(out.splitlines()[-1]) for out, _ in done] == [
        [0, 2, "MMDistributedDataParallel"],
        [1, 2, "MMDistributedDataParallel"],
    ], done
    assert (tmp_path / "epoch_1.pth").is_file()
