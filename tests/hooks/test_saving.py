"""When and how checkpoints are written: by the clock, in the background, and where writing fails."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from line_run import line, loader, value

from runner import CheckpointStore, Hook, dist
from runner.checkpoint import load
from runner.checkpoint.host_copies import HostCopies
from runner.errors import CheckpointError, SaveError
from runner.hooks.clock import SharedClock


def saving(**options: Any) -> dict[str, Any]:
    return {"default_hooks": {"checkpoint": options}}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pth"))


class Seen(Hook):
    """Which checkpoints there are after each step, once they are written."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.files: list[list[str]] = []

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        runner.saver.wait()
        self.files.append(files(Path(runner.work_dir)))


class TestMinutes:
    @pytest.mark.parametrize("async_save", [False, True])
    def test_between_epochs_one_is_kept_until_a_newer_is_whole(self, tmp_path, async_save):
        seen = Seen()
        line(tmp_path, seen, **saving(interval=1, interval_minutes=1e-9, async_save=async_save)).train()
        assert seen.files == [
            ["iter_1.pth"],
            ["iter_2.pth"],
            ["epoch_1.pth", "iter_3.pth"],
            ["epoch_1.pth", "iter_4.pth"],
        ]
        assert files(tmp_path) == ["epoch_1.pth", "epoch_2.pth"]

    def test_by_iterations_they_are_the_periodic_ones(self, tmp_path):
        line(tmp_path, **saving(by_epoch=False, interval_minutes=1e-9, max_keep_ckpts=2)).train()
        assert files(tmp_path) == ["iter_3.pth", "iter_4.pth"]

    def test_not_before_it_is_time(self, tmp_path):
        line(tmp_path, **saving(interval=-1, interval_minutes=60)).train()
        assert files(tmp_path) == ["epoch_2.pth"]

    def test_a_run_goes_on_from_one(self, tmp_path):
        class Stop(Hook):
            priority = "LOWEST"

            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
                if runner.iter == 2:
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            line(tmp_path, Stop(), **saving(interval=1, interval_minutes=1e-9)).train()
        assert files(tmp_path) == ["epoch_1.pth", "iter_3.pth"]
        resumed = line(tmp_path, resume=True, **saving(interval=1))
        resumed.train()
        assert value(resumed) == -4.0
        assert files(tmp_path) == ["epoch_1.pth", "epoch_2.pth"]

    @pytest.mark.world_size(2)
    def test_ranks_agree(self, tmp_path):
        dist.init_dist("pytorch", backend="gloo")
        clock = SharedClock(0.05)
        clock.start()
        strokes = []
        for step in range(60):
            time.sleep(0.002 * (1 + dist.get_rank()))  # the ranks' own clocks would not agree
            if clock.strikes():
                strokes.append(step)
                clock.reset()
        assert strokes
        assert dist.all_gather_object(strokes) == [strokes, strokes]


class TestBackground:
    def test_what_is_written_is_the_state_of_the_save(self, tmp_path, monkeypatch):
        go_on = threading.Event()
        original = CheckpointStore._write

        def slowly(self, state, part):
            assert go_on.wait(10)
            return original(self, state, part)

        monkeypatch.setattr(CheckpointStore, "_write", slowly)

        class Watch(Hook):
            priority = "LOWEST"

            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
                if runner.iter == 3:
                    assert files(tmp_path) == []  # two more steps were made, and nothing is called newest yet
                    assert runner.store.newest() is None
                    go_on.set()

        line(tmp_path, Watch(), **saving(interval=1, async_save=True, save_last=False)).train()
        for epoch in (1, 2):
            checkpoint = load(tmp_path / f"epoch_{epoch}.pth")
            assert checkpoint["state_dict"]["weight"].item() == -2.0 * epoch
            assert checkpoint["ranks"][0]["data"]["batch"] == 0

    @pytest.mark.parametrize("optimizer", [{"type": "Adam", "lr": 0.1}, {"type": "SGD", "lr": 0.1, "momentum": 0.9}])
    def test_equal_to_one_written_at_once(self, tmp_path, optimizer):
        for name in ("now", "later"):
            line(
                tmp_path / name,
                optim_wrapper={"optimizer": optimizer},
                **saving(interval=1, async_save=name == "later", max_keep_ckpts=1, save_best="weight", rule="less"),
            ).train()
        assert files(tmp_path / "later") == files(tmp_path / "now") != []
        for name in files(tmp_path / "now"):
            now, later = (load(tmp_path / folder / name) for folder in ("now", "later"))
            assert now.keys() == later.keys()
            for part in {"state_dict", "optimizer", "ranks", "accumulation"} & now.keys():
                torch.testing.assert_close(later[part], now[part], rtol=0, atol=0)

    def test_memory_is_used_again_and_tied_weights_are_copied_once(self):
        copies, weight = HostCopies(), torch.arange(6.0).reshape(2, 3).t()
        copies.begin()
        first = copies.copy(weight)
        assert copies.copy(first) is first
        assert first.stride() == weight.stride()
        copies.wait()
        copies.begin()
        weight += 1
        second = copies.copy(weight)
        assert second is first
        assert torch.equal(second, weight)

    def test_ends_with_all_on_the_disk_after_an_exception(self, tmp_path, monkeypatch):
        original = CheckpointStore._write

        def slowly(self, state, part):
            time.sleep(0.2)
            return original(self, state, part)

        monkeypatch.setattr(CheckpointStore, "_write", slowly)

        class Fail(Hook):
            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
                if runner.iter == 2:
                    raise ValueError("here")

        with pytest.raises(ValueError, match="here"):
            line(tmp_path, Fail(), **saving(interval=1, async_save=True)).train()
        assert files(tmp_path) == ["epoch_1.pth"]

    @pytest.mark.world_size(2)
    @pytest.mark.parametrize("async_save", [False, True])
    def test_with_two_ranks(self, tmp_path, async_save):
        options = saving(interval=1, interval_minutes=1e-9, async_save=async_save, max_keep_ckpts=1)
        runner = line(tmp_path, launcher="pytorch", train_dataloader=loader(8), **options)
        runner.train()
        dist.barrier()
        assert files(tmp_path) == ["epoch_2.pth"]
        assert load(tmp_path / "epoch_2.pth")["state_dict"]["weight"].item() == value(runner)
        runner.close()


class Hinder(Hook):
    """Lets the saves of some epochs fail, as a full disk does, on the rank that writes."""

    def __init__(self, *epochs: int) -> None:
        self.epochs = epochs

    def before_save(self, runner: Any) -> None:
        runner.saver.wait()
        CheckpointStore._write = _full if runner.epoch + 1 in self.epochs else _WRITE


_WRITE = CheckpointStore._write


def _full(store: Any, state: Any, part: Path) -> None:
    del store, state
    part.write_bytes(b"half")
    raise OSError(28, "No space left on device")


@pytest.fixture
def _restored():
    yield
    CheckpointStore._write = _WRITE


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("async_save", [False, True])
class TestFailure:
    def test_stop(self, tmp_path, async_save):
        with pytest.raises(SaveError, match=r"epoch_2\.pth could not be written: No space left.*Make room"):
            line(
                tmp_path, Hinder(2), max_epochs=4, **saving(interval=1, max_keep_ckpts=1, async_save=async_save)
            ).train()
        assert files(tmp_path) == ["epoch_1.pth"]
        assert CheckpointStore(tmp_path).newest() == tmp_path / "epoch_1.pth"
        assert not list(tmp_path.glob(".*.part"))

    def test_continue(self, tmp_path, async_save, capsys):
        options = saving(interval=1, max_keep_ckpts=1, async_save=async_save, on_save_error="continue")
        runner = line(tmp_path, Hinder(2, 3), max_epochs=4, **options)
        runner.train()
        assert value(runner) == -8.0
        assert files(tmp_path) == ["epoch_4.pth"]
        assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "epoch_4.pth")
        log = next(tmp_path.glob("*/*.log")).read_text()
        assert log.count("No space left on device") == 2
        assert "tries again at the next save" in log

    def test_continue_and_the_last_save_fails(self, tmp_path, async_save):
        options = saving(interval=1, async_save=async_save, on_save_error="continue")
        with pytest.raises(SaveError, match=r"the training is done, but.*epoch_2\.pth"):
            line(tmp_path, Hinder(2), **options).train()
        assert files(tmp_path) == ["epoch_1.pth"]

    def test_a_best_score_whose_checkpoint_failed_is_still_to_be_beaten(self, tmp_path, async_save):
        options = saving(
            interval=-1,
            save_best="weight",
            rule="less",
            async_save=async_save,
            on_save_error="continue",
            save_last=False,
        )
        runner = line(
            tmp_path, Hinder(3), max_epochs=2, **options
        )  # the best of epoch 2, after which epoch 3 would come
        with pytest.raises(SaveError, match="best_weight"):
            runner.train()
        hook = next(each for each in runner.hooks if type(each).__name__ == "CheckpointHook")
        assert files(tmp_path) == ["best_weight_epoch_1.pth"]
        assert hook.bests["weight"].score == -2.0

    def test_the_folder_is_gone(self, tmp_path, async_save):
        class Vanish(Hook):
            priority = "LOWEST"

            def after_train_epoch(self, runner):
                runner.saver.wait()
                if runner.epoch == 0:
                    shutil.rmtree(tmp_path / "out")
                    (tmp_path / "out").write_text("a file stands in its place")

        options = saving(interval=1, out_dir=str(tmp_path / "out"), async_save=async_save)
        with pytest.raises(SaveError, match=r"epoch_2\.pth could not be written"):
            line(tmp_path / "run", Vanish(), **options).train()


@pytest.mark.usefixtures("_restored")
@pytest.mark.world_size(2)
@pytest.mark.parametrize("async_save", [False, True])
def test_all_ranks_learn_that_a_save_failed(tmp_path, async_save):
    options = saving(interval=1, async_save=async_save)
    runner = line(tmp_path, Hinder(2), max_epochs=4, launcher="pytorch", train_dataloader=loader(8), **options)
    with pytest.raises(CheckpointError, match="No space left"):
        runner.train()
    assert dist.all_gather_object(runner.epoch) == [runner.epoch] * 2
    assert files(tmp_path) == ["epoch_1.pth"]
    runner.close()
