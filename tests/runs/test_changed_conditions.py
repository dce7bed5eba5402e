"""Going on with something else than the run was saved with: said, and in order to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from noisy_run import LENGTH, SAMPLES, Noisy, Share, every, fields, loader, train

from runner import Config, Runner
from runner.registry import MODELS


class InTurn(torch.utils.data.Sampler[int]):
    def __iter__(self) -> Any:
        return iter(range(SAMPLES))

    def __len__(self) -> int:
        return SAMPLES


class OwnLoader(torch.utils.data.DataLoader[Any]):
    """A class that can't be put together again."""


@pytest.mark.parametrize("batch_size", [2, 8])
@pytest.mark.parametrize("step", [3, LENGTH, 8, 12])
def test_another_batch_size_still_ends_at_max_iters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], batch_size: int, step: int
) -> None:
    train(tmp_path)
    runner, record = train(
        tmp_path / "other",
        load_from=str(tmp_path / f"iter_{step}.pth"),
        resume=True,
        param_scheduler=None,
        allow_config_change=True,
        train_dataloader=loader(Noisy(), batch_size=batch_size),
        log_level="WARNING",
    )
    assert (runner.epoch, runner.iter) == (2, runner.max_iters)
    assert [iteration for iteration, *_ in record.steps] == list(
        range(runner.max_iters - len(record.steps), runner.max_iters)
    )
    said = capsys.readouterr().out
    assert f"goes on with 1 x {batch_size}" in said
    assert f"iteration {step} of the saved run counts as" in said


def test_one_process_goes_on_with_what_two_began(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    saved = torch.load(tmp_path / "iter_2.pth", weights_only=True)
    # As two ranks write it after two of their three steps an epoch.
    saved["meta"] |= {"max_iters": 6, "conditions": {**saved["meta"]["conditions"], "world_size": 2}}
    saved["data"] |= {"samples": 2 * 2 * 4, "world_size": 2}
    saved["ranks"] = [{**saved["ranks"][0], "data": saved["data"]}] * 2
    torch.save(saved, tmp_path / "of_two.pth")
    options = {"load_from": str(tmp_path / "of_two.pth"), "resume": True, "log_level": "WARNING"}
    runner, record = train(tmp_path / "alone", **options)
    assert [iteration for iteration, *_ in record.steps] == list(range(4, 12))
    assert runner.iter == runner.max_iters
    said = capsys.readouterr().out
    assert "world_size: 2 -> 1 (the numbers will not be bit-equal)" in said
    assert "after 16 samples of epoch 0" in said


def test_a_loader_without_a_position_begins_its_epoch_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"param_scheduler": None, "train_dataloader": OwnLoader(Noisy(), batch_size=4, sampler=InTurn())}
    train(tmp_path, **changes)
    file = str(tmp_path / "iter_8.pth")
    runner, record = train(tmp_path / "resumed", **changes, load_from=file, resume=True, log_level="WARNING")
    assert [iteration for iteration, *_ in record.steps] == list(range(LENGTH, 2 * LENGTH))
    assert runner.iter == runner.max_iters
    assert "epoch 2 begins anew" in capsys.readouterr().out


def test_a_secret_of_the_environment_is_written_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Secretive(fields(tmp_path)["model"]["type"]):  # type: ignore[misc]  # a class from a mapping
        def __init__(self, token: str) -> None:
            super().__init__()
            self.token = token

    MODELS.register_module(name="Secretive", force=True, module=Secretive)
    monkeypatch.setenv("OLD_TOKEN", "canary-old")
    monkeypatch.setenv("NEW_TOKEN", "canary-new")
    for variable in ("OLD_TOKEN", "NEW_TOKEN"):
        file = tmp_path / "secret.yaml"
        file.write_text(
            f"vars: {{token: '${{env:{variable}}}'}}\nmodel: {{type: Secretive, token: '${{vars.token}}'}}\n"
        )
        cfg = Config.fromfile(file)
        rest = fields(tmp_path / "run", log_level="DEBUG", resume=True, default_hooks=every(by_epoch=True))
        runner = Runner(**{**rest, "model": cfg.to_dict()["model"]}, cfg=cfg)
        runner.train()
        runner.close()
        assert runner.model.token.startswith("canary-")
    said = capsys.readouterr()
    assert "${env:OLD_TOKEN} -> ${env:NEW_TOKEN}" in said.out
    assert "canary" not in said.out + said.err
    written = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert len(written) > 5
    assert not [file for file in written if b"canary" in file.read_bytes()]


def test_a_work_directory_that_was_moved_keeps_its_best_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = iter([0.9, 0.1, 0.2])

    class Falling(Share):
        def compute_metrics(self, results: list[float]) -> dict[str, float]:
            return {"share": next(scores)}

    checkpoint = {"type": "CheckpointHook", "interval": 1, "save_best": "share", "rule": "greater"}
    changes = {"val_evaluator": {"type": Falling}, "default_hooks": {"checkpoint": checkpoint}}
    train(tmp_path / "before", **changes, train_cfg={"by_epoch": True, "max_epochs": 2})
    (tmp_path / "before").rename(tmp_path / "after")
    longer = {"train_cfg": {"by_epoch": True, "max_epochs": 3}, "param_scheduler": None, "allow_config_change": True}
    scores = iter([0.1, 0.2])
    train(tmp_path / "after", **changes, **longer, resume=True, log_level="INFO")
    summary = capsys.readouterr().out.partition("Training finished")[2]
    assert "0.9000" in summary
    assert str(tmp_path / "after" / "best_share_epoch_1.pth") in summary
