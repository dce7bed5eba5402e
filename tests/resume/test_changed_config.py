"""A config that was changed between a save and its resume."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import Config, ConfigError
from runner.cli.app import run
from runner.loops import EpochBasedTrainLoop

sys.path.append(str(Path(__file__).parents[1] / "hooks"))
from line_run import Line, line

CFG = """
optim_wrapper:
  optimizer:
    type: SGD
    lr: 1.0
"""


class Wider(Line):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3))

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": self.weight.sum()} if mode == "loss" else [self.weight.detach().sum() for _ in inputs]


class OtherLoop(EpochBasedTrainLoop):
    """Another one by name."""


def resumed(folder: Path, **changes: Any) -> Any:
    return line(folder, resume=True, max_epochs=3, **{"default_hooks": {"checkpoint": None}, **changes})


CHANGES = [
    ({"optim_wrapper": {"optimizer": {"type": "Adam", "lr": 1.0}}}, "optim_wrapper.optimizer.type", "SGD, which Adam"),
    (
        {},  # the test adds a group
        "optim_wrapper.paramwise_cfg",
        "1 parameter groups",
    ),
    ({"model": Wider()}, "model", r"weight \(checkpoint \[1\], model \[3\]\)"),
    (
        {"param_scheduler": {"type": "MultiStepLR", "milestones": [1]}},
        "param_scheduler",
        "ConstantLR; the config has Multi",
    ),
    (
        {"train_cfg": {"type": OtherLoop, "max_epochs": 3}},
        "train_cfg",
        "EpochBasedTrainLoop, and this run's loop is Other",
    ),
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    line(tmp_path, param_scheduler={"type": "ConstantLR", "factor": 0.5, "end": 1}, max_epochs=1).train()
    return tmp_path


@pytest.mark.parametrize(("change", "path", "message"), CHANGES, ids=[path for _, path, _ in CHANGES])
def test_refused_unless_it_is_allowed(saved: Path, change: dict[str, Any], path: str, message: str) -> None:
    fields = {"param_scheduler": {"type": "ConstantLR", "factor": 0.5, "end": 1}, **change}
    runner = resumed(saved, **fields)
    if path.endswith("paramwise_cfg"):
        runner._build_optimization()
        runner.optim_wrapper.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    with pytest.raises(ConfigError, match=message) as error:
        runner.train()
    assert {each.code for each in error.value.problems} == {"state-does-not-fit"}
    assert path in [each.path for each in error.value.problems]


@pytest.mark.parametrize("number", [0, 2, 3, 4])
def test_allowed_what_fits_is_loaded_and_the_rest_is_said(saved: Path, number: int) -> None:
    change, path, _ = CHANGES[number]
    runner = resumed(saved, **{"param_scheduler": {"type": "ConstantLR", "factor": 0.5, "end": 1}, **change})
    runner.allow_config_change = True
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 6)
    log = next(file.read_text() for file in sorted(saved.glob("*/*.log"))[::-1] if file.read_text())
    assert f"{path}: " in log
    assert "begins anew" in log


def test_the_place_in_the_config_is_told(saved: Path, tmp_path: Path) -> None:
    file = tmp_path / "cfg.yaml"
    file.write_text(CFG.replace("SGD", "Adam"))
    runner = resumed(
        saved,
        cfg=Config.fromfile(file),
        optim_wrapper={"optimizer": {"type": "Adam", "lr": 1.0}},
        param_scheduler={"type": "ConstantLR", "factor": 0.5, "end": 1},
    )
    with pytest.raises(ConfigError) as error:
        runner.train()
    (problem,) = error.value.problems
    assert (problem.origin.file, problem.origin.line) == (str(file), 4)


def test_a_diff_names_the_lines_of_the_new_values(tmp_path: Path) -> None:
    def config(rate: float) -> Config:
        file = tmp_path / "cfg.yaml"
        file.write_text(CFG.replace("1.0", str(rate)))
        return Config.fromfile(file)

    line(tmp_path, cfg=config(1.0), max_epochs=1).train()
    resumed(tmp_path, cfg=config(0.5)).train()
    logs = "".join(file.read_text() for file in tmp_path.glob("*/*.log"))
    assert f"optim_wrapper.optimizer.lr: 1.0 -> 0.5 ({tmp_path / 'cfg.yaml'}:5)" in logs


def test_what_decides_the_bits_is_named(tmp_path: Path) -> None:
    line(tmp_path, max_epochs=1).train()
    threads = torch.get_num_threads()
    torch.set_float32_matmul_precision("high")
    try:
        torch.set_num_threads(threads + 1)
        resumed(tmp_path).train()
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision("highest")
    logs = "".join(file.read_text() for file in tmp_path.glob("*/*.log"))
    assert f"threads: {threads} -> {threads + 1} (the numbers will not be bit-equal)" in logs
    assert "matmul_precision: highest -> high (the" in logs


def test_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "state-does-not-fit"]) == 0
    assert "--allow-config-change" in capsys.readouterr().out
