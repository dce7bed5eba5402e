from __future__ import annotations

import logging
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from runner.checkpoint import CheckpointStore, find_latest_checkpoint, load, to_plain
from runner.checkpoint.listing import list_checkpoints
from runner.checkpoint.saver import Saver
from runner.errors import BuildError, CheckpointError
from runner.hooks import CheckpointHook, HookList


class Hub:
    def __init__(self):
        self.runtime_info = {}

    def update_info(self, key, value, resumed=True):
        self.runtime_info[key] = value


class Run:
    """As much of a Runner as a checkpoint hook sees: counters, and a loop of three iterations an epoch."""

    per_epoch = 3

    def __init__(self, work_dir, max_epochs=6, scores=None, **options):
        self.work_dir, self.max_epochs, self.max_iters = str(work_dir), max_epochs, max_epochs * self.per_epoch
        self.epoch = self.iter = self.rank = 0
        self.message_hub, self.logger = Hub(), logging.getLogger("test")
        self.train_loop = SimpleNamespace(stop_training=False)
        self.hook = CheckpointHook(**options)
        self.hooks = HookList([self.hook])
        self.scores = scores or {}
        self.saved = []
        self.resumed = False
        self.saver = Saver()

    def open_store(self, folder, backend_args=None):
        return CheckpointStore(folder, self.logger.warning, backend_args=backend_args)

    def save_checkpoint(
        self, out_dir, filename, save_optimizer=True, save_param_scheduler=True, meta=None, by_epoch=True, options=None
    ):
        self.saved.append(filename)
        state = {
            "meta": dict(meta),
            "state_dict": {"w": torch.tensor([float(self.iter)])},
            "message_hub": dict(self.message_hub.runtime_info),
            "hooks": {"CheckpointHook": self.hook.state_dict()},
            **({"optimizer": {}} if save_optimizer else {}),
            **({"param_schedulers": []} if save_param_scheduler else {}),
        }
        path = CheckpointStore(out_dir).save(to_plain(state, "test"), filename, step=meta["iter"])
        options.then(path)

    def train(self, until=None):
        self.hooks.call(self, "before_run")
        self.hooks.call(self, "before_train")
        if self.resumed:
            self.validate()
        while self.epoch < (until or self.max_epochs):
            for index in range(self.per_epoch):
                self.hooks.call(self, "after_train_iter", batch_idx=index, data_batch=None, outputs=None)
                self.iter += 1
            self.hooks.call(self, "after_train_epoch")
            self.epoch += 1
            self.validate()
        if self.epoch == self.max_epochs:
            self.hooks.call(self, "after_train")
        return self

    def validate(self):
        if self.epoch in self.scores:
            score = self.scores[self.epoch]
            metrics = score if isinstance(score, dict) else {"acc": score}
            self.hooks.call(self, "after_val_epoch", metrics=metrics)

    def resume(self, path):
        self.resumed = True
        checkpoint = load(path)
        self.epoch, self.iter = checkpoint["meta"]["epoch"], checkpoint["meta"]["iter"]
        self.message_hub.runtime_info = checkpoint["message_hub"]
        self.hook.load_state_dict(checkpoint["hooks"]["CheckpointHook"])
        return self

    def files(self):
        return sorted(path.name for path in Path(self.work_dir).glob("*.pth"))


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({"interval": 1}, ["epoch_1.pth", "epoch_2.pth", "epoch_3.pth", "epoch_4.pth", "epoch_5.pth", "epoch_6.pth"]),
        ({"interval": 4}, ["epoch_4.pth", "epoch_6.pth"]),
        ({"interval": 4, "save_last": False}, ["epoch_4.pth"]),
        ({}, ["epoch_6.pth"]),
        ({"save_last": False}, []),
        ({"interval": 2, "save_begin": 3}, ["epoch_3.pth", "epoch_5.pth", "epoch_6.pth"]),
        ({"interval": 1, "max_keep_ckpts": 2}, ["epoch_5.pth", "epoch_6.pth"]),
        ({"interval": 1, "max_keep_ckpts": 1}, ["epoch_6.pth"]),
        ({"interval": 3, "filename_tmpl": "e{}.pt.pth"}, ["e3.pt.pth", "e6.pt.pth"]),
        ({"interval": 3, "filename_tmpl": "e_{:03d}.pth"}, ["e_003.pth", "e_006.pth"]),
        ({"interval": 1, "filename_tmpl": "e_{0:>4}_.pth", "max_keep_ckpts": 2}, ["e_   5_.pth", "e_   6_.pth"]),
        ({"interval": 8, "by_epoch": False}, ["iter_16.pth", "iter_18.pth", "iter_8.pth"]),
        ({"interval": 8, "by_epoch": False, "max_keep_ckpts": 1}, ["iter_18.pth"]),
    ],
)
def test_what_is_saved_and_kept(tmp_path, options, files):
    run = Run(tmp_path, **options).train()
    assert run.files() == files
    newest = CheckpointStore(tmp_path).newest()
    assert (str(newest) if newest else None) == run.hook.last_ckpt == find_latest_checkpoint(tmp_path)
    for name in files:
        meta = load(tmp_path / name)["meta"]
        number = int("".join(filter(str.isdigit, name)))
        expected = (number, number * 3) if run.hook.by_epoch else ((number - 1) // 3, number)
        assert (meta["epoch"], meta["iter"]) == expected


def test_names_of_a_template_are_known_again_after_a_resume(tmp_path):
    options = {"interval": 1, "max_keep_ckpts": 2, "filename_tmpl": "e_{:03d}.pth", "save_best": "acc"}
    Run(tmp_path, **options, scores={2: 0.5}).train(until=3)
    resumed = Run(tmp_path, **options, scores={5: 0.7}).resume(str(CheckpointStore(tmp_path).newest())).train()
    assert resumed.files() == ["best_acc_e_005.pth", "e_005.pth", "e_006.pth"]
    rows = list_checkpoints(CheckpointStore(tmp_path), verify=True)
    assert [row["file"] for row in rows if row["last"]] == ["e_006.pth"]
    assert {row["state"] for row in rows} == {"whole"}


def test_what_a_checkpoint_holds(tmp_path):
    Run(tmp_path, interval=1, max_epochs=1, save_optimizer=False, save_param_scheduler=False).train()
    assert list(load(tmp_path / "epoch_1.pth")) == ["meta", "state_dict", "message_hub", "hooks"]


def test_out_dir(tmp_path):
    run = Run(tmp_path / "work", interval=3, out_dir=tmp_path / "big")
    (tmp_path / "work").mkdir()
    run.train()
    assert sorted(path.name for path in (tmp_path / "big" / "work").glob("*.pth")) == ["epoch_3.pth", "epoch_6.pth"]
    assert CheckpointStore(tmp_path / "work").newest() == tmp_path / "big" / "work" / "epoch_6.pth"


@pytest.mark.parametrize("where", [{"backend_args": {"backend": "local"}}, {"file_client_args": {"backend": "disk"}}])
def test_the_file_system_may_be_named(tmp_path, where):
    assert Run(tmp_path, **where).train().files() == ["epoch_6.pth"]


def test_the_old_one_goes_only_after_the_new_one_is_whole(tmp_path):
    run = Run(tmp_path, interval=1, max_keep_ckpts=1, save_best="acc", scores=dict.fromkeys(range(7), 0.5))
    run.train(until=2)
    kept = run.files()

    def fail(*args, **kwargs):
        assert run.files() == kept
        raise CheckpointError("the disk is full")

    run.save_checkpoint = fail
    with pytest.raises(CheckpointError):
        run.train(until=3)
    assert run.files() == kept == ["best_acc_epoch_1.pth", "epoch_2.pth"]
    assert run.hook.last_ckpt == str(tmp_path / "epoch_2.pth")
    assert run.message_hub.runtime_info["keep_ckpt_ids"] == [2]


class TestBest:
    def test_the_best_is_kept_and_told(self, tmp_path):
        run = Run(
            tmp_path, interval=1, max_keep_ckpts=1, save_best="acc", scores={1: 0.5, 2: 0.7, 3: 0.6, 4: math.nan}
        ).train()
        assert run.files() == ["best_acc_epoch_2.pth", "epoch_6.pth"]
        best = load(tmp_path / "best_acc_epoch_2.pth")
        assert "optimizer" not in best
        assert "param_schedulers" not in best
        assert best["meta"] == {"epoch": 2, "iter": 6}
        assert run.message_hub.runtime_info == {
            "last_ckpt": str(tmp_path / "epoch_6.pth"),
            "keep_ckpt_ids": [6],
            "best_score": 0.7,
            "best_ckpt": str(tmp_path / "best_acc_epoch_2.pth"),
        }
        assert (run.hook.bests["acc"].score, run.hook.best_ckpt_path) == (0.7, str(tmp_path / "best_acc_epoch_2.pth"))

    def test_no_periodic_checkpoint_is_made_for_it(self, tmp_path):
        run = Run(tmp_path, interval=2, save_best="acc", scores={2: 0.1, 3: 0.2}).train(until=3)
        assert run.files() == ["best_acc_epoch_3.pth", "epoch_2.pth"]

    @pytest.mark.parametrize(
        ("options", "best_epoch"),
        [
            ({"save_best": "loss"}, 1),
            ({"save_best": "acc"}, 2),
            ({"save_best": "auto"}, 1),
            ({"save_best": "acc", "rule": "less"}, 1),
            ({"save_best": "my/score", "rule": "greater"}, 2),
            ({"save_best": "my/score", "greater_keys": ["score"]}, 2),
            ({"save_best": "my/score", "less_keys": ["score"]}, 1),
            ({"save_best": "COCO/bbox_mAP"}, 2),
            ({"save_best": "top1_loss", "less_keys": ["top1_loss"]}, 1),
            ({"save_best": "top1_loss"}, 2),
        ],
    )
    def test_which_is_better(self, tmp_path, options, best_epoch):
        names = ("loss", "acc", "my/score", "COCO/bbox_mAP", "top1_loss")
        scores = {epoch: dict.fromkeys(names, float(epoch)) for epoch in (1, 2)}
        run = Run(tmp_path, max_epochs=2, scores=scores, **options).train()
        metric = next(iter(run.hook.bests)).replace("/", "_")
        assert [name for name in run.files() if name.startswith("best")] == [f"best_{metric}_epoch_{best_epoch}.pth"]

    def test_several_metrics(self, tmp_path):
        scores = {1: {"acc": 0.5, "loss": 1.0}, 2: {"acc": 0.6, "loss": 2.0}, 3: {"acc": None, "loss": 3.0}}
        run = Run(tmp_path, max_epochs=3, save_best=["acc", "loss"], rule=["greater", "less"], scores=scores).train()
        assert run.files() == ["best_acc_epoch_2.pth", "best_loss_epoch_1.pth", "epoch_3.pth"]
        info = run.message_hub.runtime_info
        assert (info["best_score_acc"], info["best_score_loss"]) == (0.6, 1.0)
        assert info["best_ckpt_loss"] == str(tmp_path / "best_loss_epoch_1.pth")

    def test_by_iterations(self, tmp_path):
        run = Run(tmp_path, by_epoch=False, interval=3, save_best="acc", scores={2: 0.5}, max_epochs=2).train()
        assert run.files() == ["best_acc_iter_6.pth", "iter_3.pth", "iter_6.pth"]

    def test_a_metric_that_the_validation_does_not_give(self, tmp_path):
        with pytest.raises(
            BuildError, match="save_best names 'acc', but the validation gave 'toy/acc', 'loss'; did you mean 'toy/acc'"
        ):
            Run(tmp_path, save_best="acc", scores={1: {"toy/acc": 1.0, "loss": 1.0}}).train()

    def test_a_validation_outside_of_a_training_saves_nothing(self, tmp_path):
        run = Run(tmp_path, save_best="acc", scores={1: 0.5}, max_epochs=1)
        run.hooks.call(run, "after_val_epoch", metrics={"acc": 0.9})
        assert run.files() == []
        run.train()
        run.hooks.call(run, "after_val_epoch", metrics={"acc": 0.9})
        assert run.hook.bests["acc"].score == 0.5


class TestResume:
    SCORES = {1: 0.5, 2: 0.7, 3: 0.6, 4: 0.8, 5: 0.1, 6: 0.1}  # noqa: RUF012 - a constant

    @pytest.mark.parametrize("save_best", ["acc", "auto"])
    @pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
    def test_a_resumed_run_ends_with_the_same_files(self, tmp_path, stop, save_best):
        options = {"interval": 1, "max_keep_ckpts": 2, "save_best": save_best, "scores": self.SCORES}
        straight = Run(tmp_path / "a" / "w", **options).train()
        Run(tmp_path / "b" / "w", **options).train(until=stop)
        resumed = Run(tmp_path / "b" / "w", **options)
        resumed.resume(CheckpointStore(resumed.work_dir).newest()).train()
        assert resumed.files() == straight.files() == ["best_acc_epoch_4.pth", "epoch_5.pth", "epoch_6.pth"]
        assert resumed.hook.state_dict() == straight.hook.state_dict()

    def test_one_that_was_killed_before_it_deleted_is_tidied_up(self, tmp_path):
        run = Run(tmp_path, interval=1, max_keep_ckpts=1)
        run.train(until=1)
        run.hook._delete = lambda names: None
        run.train(until=2)
        assert run.files() == ["epoch_1.pth", "epoch_2.pth"]
        resumed = Run(tmp_path, interval=1, max_keep_ckpts=1).resume(tmp_path / "epoch_2.pth")
        resumed.train(until=2)
        assert resumed.files() == ["epoch_2.pth"]

    def test_the_best_of_a_checkpoint_of_mmengine_is_taken_over(self, tmp_path):
        run = Run(tmp_path, save_best="acc", scores={2: 0.6, 3: 0.7}, max_epochs=3)
        run.message_hub.runtime_info = {
            "best_score": 0.65,
            "best_ckpt": str(tmp_path / "best_acc_epoch_1.pth"),
            "keep_ckpt_ids": [1],
        }
        CheckpointStore(tmp_path).save({"state_dict": {}}, "best_acc_epoch_1.pth", step=1)
        run.train()
        assert run.files() == ["best_acc_epoch_3.pth", "epoch_3.pth"]


class TestPublish:
    def test_the_last_and_the_best(self, tmp_path):
        run = Run(
            tmp_path, save_best="acc", scores={1: 0.5}, max_epochs=2, published_keys=["meta", "state_dict"]
        ).train()
        best_published, best, last_published, last = run.files()
        assert (best, last) == ("best_acc_epoch_1.pth", "epoch_2.pth")
        for name, published in ((best, best_published), (last, last_published)):
            assert published.startswith(name.removesuffix(".pth") + "-")
            assert len(published) == len(name) + 9
            assert list(load(tmp_path / published)) == ["meta", "state_dict"]
            assert torch.equal(load(tmp_path / published)["state_dict"]["w"], load(tmp_path / name)["state_dict"]["w"])
        assert CheckpointStore(tmp_path).newest() == tmp_path / "epoch_2.pth"

    def test_a_key_that_is_not_there_is_told(self, tmp_path, caplog):
        Run(tmp_path, max_epochs=1, published_keys="state_dct").train()
        assert "has no state_dct to publish; it has meta, state_dict" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save_best": "score"}, "set rule to 'greater' or 'less'"),
        ({"save_best": ["acc", "acc"]}, "twice: acc, acc"),
        ({"save_best": ["auto", "acc"]}, "'auto' or a list of metrics, not both"),
        ({"save_best": [1]}, "a name or a list of names"),
        ({"save_best": "acc", "rule": "more"}, "rule is 'more'; it can be 'greater' or 'less'"),
        ({"save_best": ["acc", "loss"], "rule": ["less", "less", "less"]}, "3 rules for 2 metrics"),
        ({"filename_tmpl": "epoch.pth"}, "with one {} for the epoch"),
        *(
            ({"filename_tmpl": wrong}, "with one {} for the epoch")
            for wrong in (
                "{}_{}.pth",  # a second number
                "e_{epoch}.pth",
                "e_{0.real}.pth",
                "e_{:q}.pth",
                "e_{.pth",
                "e_{{}}.pth",
                "e_{:0<4}.pth",  # 1, 10 and 100 alike
                "e_{:.2e}.pth",
                "e_{:c}.pth",  # 47 is a slash
                "e_{:/>4}.pth",
                "e_{:99999999999}.pth",
            )
        ),
        ({"filename_tmpl": "../epoch_{}.pth"}, "leads out of the run's own folder"),
        ({"filename_tmpl": "a/epoch_{}.pth"}, "a file's name"),
        ({"save_begin": -1}, "can't be negative"),
        ({"published_keys": ["a", "a"]}, "twice"),
        ({"max_keep_ckpts": 0}, "max_keep_ckpts is 0; give how many are kept, or -1 for all"),
        ({"backend_args": {"backend": "s3"}}, "backend_args are for out_dir, which is not given"),
        ({"file_client_args": {"key": "x"}}, "backend_args are for out_dir, which is not given"),
        ({"out_dir": "s3://bucket/runs", "backend_args": {"backend": "local"}}, "leave backend out"),
        ({"backend_args": {}, "file_client_args": {}}, "give one of them"),
    ],
)
def test_mistakes_are_found_when_it_is_built(options, message):
    with pytest.raises(BuildError, match=message.replace("{", r"\{").replace("}", r"\}")):
        CheckpointHook(**options)
