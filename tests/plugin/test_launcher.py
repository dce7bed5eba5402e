"""A launcher from an installed package: offered, checked, started, joined and inferred as ours are."""

from __future__ import annotations

import pytest

PLUGIN = """
from runner import hookimpl

@hookimpl
def runner_register(catalog):
    catalog.launcher("side_by_side", "runner_sides.launcher:SideBySide")
"""

LAUNCHER = '''
"""Starts processes beside one another."""
import os
import socket
import subprocess
import sys

from runner.dist import Job, Launcher


class SideBySide(Launcher):
    """Processes beside one another.

    Args:
        greeting: What is said at the start.
    """

    how = "let `runner train --launcher side_by_side` start them"

    def __init__(self, greeting: str = "hello") -> None:
        self.greeting = greeting

    def started(self, environ):
        return "SIDE" in environ

    def environment(self, environ, port=None):
        side, sides = environ["SIDE"], environ["SIDES"]
        return {
            "RANK": side, "WORLD_SIZE": sides, "LOCAL_RANK": side, "LOCAL_WORLD_SIZE": sides,
            "MASTER_ADDR": "localhost", "MASTER_PORT": str(port or environ["SIDES_PORT"]),
        }

    def start(self, job: Job) -> int:
        print(self.greeting, job.group.processes, job.max_restarts, job.work_dir, flush=True)
        with socket.socket() as free:
            free.bind(("localhost", 0))
            meeting = {"SIDES_PORT": str(free.getsockname()[1]), "SIDES": str(job.group.processes)}
        command = [sys.executable, "-m", "runner", *job.args]
        sides = range(job.group.processes)
        started = [subprocess.Popen(command, env={**os.environ, **meeting, "SIDE": str(side)}) for side in sides]
        return max(process.wait() for process in started)
'''

RUN = """\
launcher: {type: side_by_side, greeting: ahoy}
custom_imports: {imports: [./own.py]}
model: {type: SmallConvNet, num_classes: 10, in_channels: 1, width: 2}
train_dataloader:
  batch_size: 16
  num_batch_per_epoch: 2
  sampler: {type: DefaultSampler}
  collate_fn: default_collate
  dataset: {type: Digits}
train_cfg: {by_epoch: true, max_epochs: 1}
optim_wrapper: {optimizer: {type: SGD, lr: 0.25}}
custom_hooks: [{type: WhoHook}]
env_cfg: {dist_cfg: {backend: gloo}}
"""

OWN = """
from pathlib import Path

from runner import Hook
from runner.registry import HOOKS


@HOOKS.register_module()
class WhoHook(Hook):
    def before_train(self, runner):
        Path(f"rank{runner.rank}").write_text(f"{runner.launcher} {runner.world_size} {type(runner.model).__name__}")
"""

STARTED = ["--nproc-per-node", "2", "--max-restarts", "3", "--work-dir", "out", "--device", "cpu"]


@pytest.fixture
def home(environment, write_plugin):
    environment.install(write_plugin("sides", PLUGIN, launcher=LAUNCHER))
    (environment.home / "cfg.yaml").write_text(RUN)
    (environment.home / "own.py").write_text(OWN)
    return environment.home


@pytest.mark.slow
def test_a_launcher_from_an_installed_package(environment, home):
    assert "sides.side_by_side" in environment.runner("components", "launcher").stdout
    assert "What is said at the start." in environment.runner("describe", "side_by_side").stdout
    assert environment.runner("validate", "cfg.yaml").returncode == 0
    found = environment.runner("validate", "cfg.yaml", "-o", "launcher.greting=no").stdout
    assert "launcher.greting: no such key; did you mean 'greeting'?" in found
    found = environment.runner("train", "cfg.yaml", "--launcher", "side_by_sid")
    assert found.returncode == 1
    assert "launcher: no launcher is called 'side_by_sid'; did you mean 'side_by_side'?" in found.stderr

    done = environment.runner("train", "cfg.yaml", *STARTED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("ahoy 2 3 out\n")
    assert done.stderr.count("runs your own code") == 1  # rank 0 alone says it
    expected = ["side_by_side 2 MMDistributedDataParallel"] * 2
    assert [(home / f"rank{rank}").read_text() for rank in range(2)] == expected
    assert (home / "out" / "epoch_1.pth").exists()


@pytest.mark.slow
def test_it_is_inferred(environment, home, monkeypatch):
    for name, value in {"SIDE": "0", "SIDES": "2", "SIDES_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    words = "import os; from runner.dist.launcher import in_force; print(in_force('infer')[0])"
    assert environment.python_run("-c", words).stdout == "sides.side_by_side\n"
    monkeypatch.setenv("SIDES", "1")
    assert environment.python_run("-c", words).stdout == "none\n"
