"""Schedules as a run steps them, and goes on with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from noisy_run import every, train

from runner.errors import BuildError
from runner.loops import EpochBasedTrainLoop

PLATEAU = {"type": "ReduceOnPlateauLR", "monitor": "share", "rule": "greater", "patience": 0, "factor": 0.5}
EPOCHS = {"train_cfg": {"by_epoch": True, "max_epochs": 6}, "default_hooks": every(1, by_epoch=True)}
ITERATIONS = {"train_cfg": {"by_epoch": False, "max_iters": 16, "val_interval": 3}, "default_hooks": every(3)}

RUNS = {
    "a plateau, by epochs": {**EPOCHS, "param_scheduler": PLATEAU},
    "a plateau, by iterations": {**ITERATIONS, "param_scheduler": {**PLATEAU, "cooldown": 1}},
    "a cycle in iterations": {
        **EPOCHS,
        "param_scheduler": {"type": "OneCycleLR", "eta_max": 0.3, "convert_to_iter_based": True},
    },
    "phases, and momentum in cycles": {
        **ITERATIONS,
        "param_scheduler": [
            {"type": "WarmupStableDecayLR", "warmup_steps": 3, "decay_steps": 5, "by_epoch": False},
            {"type": "CyclicMomentum", "cyclic_times": 4, "by_epoch": False},
        ],
    },
    "restarts after a warm-up": {
        **EPOCHS,
        "param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.1, "end": 6, "by_epoch": False},
            {
                "type": "CosineRestartLR",
                "periods": [2, 3],
                "restart_weights": [1, 0.5],
                "eta_min_ratio": 0.1,
                "begin": 1,
                "convert_to_iter_based": True,
            },
        ],
    },
}


@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_a_resumed_run_goes_on_with_the_same_rates(tmp_path: Path, changes: dict[str, Any]) -> None:
    _, whole = train(tmp_path, **changes)
    assert len({rate for *_, rate in whole.steps}) > 2
    name = "epoch_3.pth" if changes["train_cfg"]["by_epoch"] else "iter_9.pth"
    runner, resumed = train(tmp_path / "resumed", resume=str(tmp_path / name), **changes)
    done = len(whole.steps) - len(resumed.steps)
    assert done == (18 if changes["train_cfg"]["by_epoch"] else 9)
    assert resumed.steps == whole.steps[done:]
    # The validation that follows the saved position is made by the resumed run too.
    assert resumed.validations == [each for each in whole.validations if each[0] >= done]
    assert runner.iter == runner.max_iters


def test_a_metric_that_is_not_there_is_named_after_the_first_validation(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="ReduceOnPlateauLR monitors 'loss', and the validation yields share"):
        train(tmp_path, param_scheduler={"type": "ReduceOnPlateauLR"})


class TheirLoop(EpochBasedTrainLoop):
    """A loop as MMEngine's users have written them, by its attributes' names."""

    def run(self) -> Any:
        self.runner.call_hook("before_train")
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if (
                self.runner.val_loop is not None
                and self._epoch >= self.val_begin
                and (self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs)
            ):
                self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model


def test_a_loop_written_for_mmengine(tmp_path: Path) -> None:
    cfg = {"max_epochs": 5, "val_interval": 3, "dynamic_intervals": [(4, 1)]}
    _, theirs = train(tmp_path / "theirs", train_cfg={"type": TheirLoop, **cfg})
    _, ours = train(tmp_path / "ours", train_cfg={"by_epoch": True, **cfg})
    assert theirs.steps == ours.steps
    assert [iteration for iteration, _ in theirs.validations] == [18, 24, 30]
    assert theirs.validations == ours.validations
