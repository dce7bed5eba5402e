"""A training ends at the right validation, also when it was interrupted before."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from line_run import Shown, line

from runner import Runner
from runner.errors import BuildError
from runner.hooks import EarlyStoppingHook
from runner.loops import EpochBasedTrainLoop


class Scores(Shown):
    """Gives, after each epoch, the next of some scores."""

    def __init__(self, scores: list[float], runner: list[Runner]) -> None:
        super().__init__()
        self.scores, self.runner = scores, runner

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"acc": self.scores[self.runner[0].epoch - 1]}


def run(work_dir: Path, scores: list[float], hook: dict[str, Any], **changes: Any) -> Runner:
    holder: list[Runner] = []
    runner = line(
        work_dir,
        {"type": "EarlyStoppingHook", "monitor": "acc", **hook},
        max_epochs=len(scores),
        val_evaluator={"type": Scores, "scores": scores, "runner": holder},
        **changes,
    )
    holder.append(runner)
    runner.train()
    return runner


RISING = [0.1, 0.3, 0.35, 0.36, 0.37, 0.9, 0.9, 0.9]
CASES: list[tuple[list[float], dict[str, Any], int]] = [
    (RISING, {}, 8),
    (RISING, {"patience": 3}, 5),
    (RISING, {"patience": 4}, 8),
    (RISING, {"patience": 3, "min_delta": 0.01}, 8),
    (RISING, {"patience": 2, "min_delta": 0.01}, 8),
    (RISING, {"patience": 1, "min_delta": 0.01}, 7),
    (RISING, {"patience": 1, "min_delta": 0.02}, 4),
    (RISING, {"rule": "less", "patience": 2, "min_delta": 0}, 3),
    (RISING, {"stopping_threshold": 0.35}, 4),
    (RISING, {"rule": "less", "stopping_threshold": 0.2}, 1),
    ([0.5, math.nan, 0.9], {}, 2),
    ([0.5, math.inf, 0.9], {}, 2),
    ([0.5, math.nan, math.nan, math.nan, 0.9], {"check_finite": False, "patience": 3}, 4),
]


@pytest.mark.parametrize(("scores", "hook", "epochs"), CASES)
def test_when_it_ends(tmp_path: Path, scores: list[float], hook: dict[str, Any], epochs: int) -> None:
    runner = run(tmp_path, scores, hook)
    assert runner.epoch == epochs
    assert (tmp_path / f"epoch_{epochs}.pth").exists()


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_a_resumed_run_ends_where_the_other_does(tmp_path: Path, epoch: int) -> None:
    hook = {"patience": 3}
    straight = run(tmp_path / "straight", RISING, hook)
    resumed = run(tmp_path / "resumed", RISING, hook, resume=str(tmp_path / "straight" / f"epoch_{epoch}.pth"))
    assert resumed.epoch == straight.epoch == 5
    ours, theirs = (
        next(each for each in run.hooks if isinstance(each, EarlyStoppingHook)) for run in (resumed, straight)
    )
    assert ours.state_dict() == theirs.state_dict() == {"best_score": 0.3, "wait_count": 3, "last_score": 0.37}


@pytest.mark.parametrize("by_epoch", [True, False])
def test_what_was_trained_last_is_saved(tmp_path: Path, by_epoch: bool) -> None:
    checkpoint = {"checkpoint": {"interval": 4, "by_epoch": by_epoch}}
    runner = run(tmp_path, RISING, {"patience": 3}, default_hooks=checkpoint)
    names = [path.name for path in tmp_path.glob("*.pth")]
    assert sorted(names) == (
        ["epoch_4.pth", "epoch_5.pth"] if by_epoch else ["iter_10.pth", "iter_4.pth", "iter_8.pth"]
    )
    assert run(tmp_path, RISING, {"patience": 3}, default_hooks=checkpoint, resume=True).epoch == runner.epoch == 5
    run(tmp_path / "not", RISING, {"patience": 3}, default_hooks={"checkpoint": {"interval": 4, "save_last": False}})
    assert [path.name for path in (tmp_path / "not").glob("*.pth")] == ["epoch_4.pth"]


def test_a_run_that_was_stopped_goes_on_with_more_patience(tmp_path: Path) -> None:
    assert run(tmp_path, RISING, {"patience": 3}).epoch == 5
    assert run(tmp_path, RISING, {"patience": 3}, resume=True).epoch == 5
    assert run(tmp_path, RISING, {"patience": 5}, resume=True).epoch == 8


@pytest.mark.parametrize("strict", [False, True])
def test_a_metric_that_the_validation_does_not_give(tmp_path: Path, strict: bool) -> None:
    hook = {"type": "EarlyStoppingHook", "monitor": "val/weight", "rule": "less", "strict": strict}
    runner = line(tmp_path, hook)
    if strict:
        with pytest.raises(BuildError, match="gave 'weight'"):
            runner.train()
        return
    runner.train()
    assert runner.epoch == 2
    assert "does not count: EarlyStoppingHook: monitor names 'val/weight'" in next(tmp_path.rglob("*.log")).read_text()


def test_the_rule_is_told_by_the_name_or_given() -> None:
    assert EarlyStoppingHook("coco/bbox_mAP").rule == "greater"
    assert EarlyStoppingHook("val_loss").rule == "less"
    with pytest.raises(BuildError, match="EarlyStoppingHook: monitor names 'score'"):
        EarlyStoppingHook("score")
    with pytest.raises(BuildError, match="rule is 'grater'"):
        EarlyStoppingHook("acc", rule="grater")  # type: ignore[arg-type]


def test_a_loop_that_cannot_be_ended_is_refused(tmp_path: Path) -> None:
    class Endless(EpochBasedTrainLoop):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            del self.stop_training

    with pytest.raises(BuildError, match="Endless has none"):
        line(
            tmp_path,
            {"type": "EarlyStoppingHook", "monitor": "acc"},
            train_cfg={"type": Endless, "max_epochs": 1},
        ).train()
