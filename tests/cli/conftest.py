from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli.app import run
from runner.plugin import PROCESS_ENTRIES

PROJECT = Path(__file__).parent / "project"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys):
    """Runs a command line in this process."""

    def call(*arguments):
        capsys.readouterr()
        code = run([str(each) for each in arguments])
        return Done(code, *capsys.readouterr())

    return call


@pytest.fixture
def process(tmp_path):
    """Runs a command line in a process of its own, in an empty folder."""

    def call(*arguments, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "runner", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config that trains in a moment, in the current folder; more text can be laid over it."""
    monkeypatch.chdir(tmp_path)

    def write(text=""):
        (tmp_path / "cfg.yaml").write_text(f"_base_: {PROJECT / 'toy.yaml'}\n{text}")
        return "cfg.yaml"

    return write


@pytest.fixture(autouse=True)
def _own_code_leaves_again(monkeypatch):
    """What a config's `custom_imports` brought into this process."""
    before = list(PROCESS_ENTRIES)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    PROCESS_ENTRIES[:] = before
    sys.modules.pop("toy_parts", None)
