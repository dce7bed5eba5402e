"""When a run validates, what a validation yields besides its metrics, and loops that go their own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from runner import Hook, Runner
from runner.dist import get_rank, get_world_size
from runner.evaluator import BaseMetric
from runner.loops import EpochBasedTrainLoop, ValLoop
from runner.model import BaseModel
from runner.structures import BaseDataElement


class Numbers(torch.utils.data.Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([float(index)])


class Model(BaseModel):
    """Its validation gives predictions, and after them what it is told to."""

    def __init__(self, *after: Any) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.after = after
        self.dtypes: set[torch.dtype] = set()

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        outputs = self.layer(inputs)
        self.dtypes.add(outputs.dtype)
        if mode == "loss":
            return {"loss": outputs.square().mean()}
        first = inputs[0, 0]
        losses = {"loss_a": first, "loss_b": [first, 2 * first], "acc": inputs.mean()}
        return [*inputs, *(BaseDataElement(loss=losses) if each is None else each for each in self.after)]


class Seen(BaseMetric):
    """Keeps what metrics are given."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return {"seen": float(len(results))}


class Every(Seen):
    """Keeps more than there are samples."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def process(self, data_batch: Any, data_samples: Any) -> None:
        super().process(data_batch, data_samples)
        self.seen.extend(data_samples)


class Record(Hook):
    def __init__(self) -> None:
        self.validations: list[tuple[int, dict[str, Any]]] = []

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        self.validations.append((runner.iter, metrics))

    def after_test_epoch(self, runner: Runner, metrics: Any = None) -> None:
        self.validations.append((runner.iter, metrics))


def build(work_dir: Path, model: BaseModel | None = None, hooks: Any = (), **changes: Any) -> tuple[Runner, Record]:
    loader = {
        "dataset": Numbers(),
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": "default_collate",
    }
    record = Record()
    fields = {
        "train_dataloader": loader,
        "train_cfg": {"by_epoch": True, "max_epochs": 1},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.01}},
        "val_dataloader": loader,
        "val_cfg": {},
        "val_evaluator": {"type": Seen},
        "default_hooks": {"checkpoint": None},
        "log_level": "ERROR",
        "device": "cpu",
        **changes,
    }
    return Runner(model or Model(), str(work_dir), custom_hooks=[*hooks, record], **fields), record


@pytest.mark.parametrize(
    ("train_cfg", "expected"),
    [
        ({"by_epoch": True, "max_epochs": 4}, [3, 6, 9, 12]),
        ({"by_epoch": True, "max_epochs": 5, "val_begin": 3, "val_interval": 2}, [12, 15]),
        # From the epoch that comes before a milestone on, as in MMEngine.
        ({"by_epoch": True, "max_epochs": 7, "val_interval": 3, "dynamic_intervals": [[5, 1]]}, [9, 12, 15, 18, 21]),
        ({"by_epoch": False, "max_iters": 10, "val_interval": 4, "dynamic_intervals": [[7, 1]]}, [4, 6, 7, 8, 9, 10]),
        (
            {"by_epoch": False, "max_iters": 10, "val_interval": 4, "dynamic_intervals": [[9, 1], [6, 2]]},
            [4, 6, 8, 9, 10],
        ),
    ],
)
def test_when_it_validates(tmp_path: Path, train_cfg: dict[str, Any], expected: list[int]) -> None:
    runner, record = build(tmp_path, train_cfg=train_cfg)
    runner.train()
    assert [iteration for iteration, _ in record.validations] == expected


def test_losses_that_a_model_gives_with_its_predictions(tmp_path: Path) -> None:
    runner, record = build(tmp_path, Model(None))
    metrics = runner.val()
    # The batches begin with 0, 2 and 4.
    assert metrics == {"seen": 6.0, "loss_a": 2.0, "loss_b": 3.0, "acc": 2.5, "val_loss": 5.0}
    assert record.validations == [(0, metrics)]
    assert runner.val() == metrics


@pytest.mark.parametrize(
    "element",
    [
        BaseDataElement(loss=torch.zeros(())),
        BaseDataElement(loss={"loss": torch.zeros(())}, label=1),
        {"loss": {"loss": torch.zeros(())}},
    ],
)
def test_what_is_not_just_losses_is_a_prediction(tmp_path: Path, element: Any) -> None:
    runner, _ = build(tmp_path, Model(element))
    assert runner.val_loop is not None
    runner.val_loop.evaluator.metrics[0] = every = Every()
    assert runner.val().keys() == {"seen"}
    assert len(every.seen) == 9  # six samples, and the element of each batch


def test_a_test_has_its_losses_too(tmp_path: Path) -> None:
    loader = {"dataset": Numbers(), "batch_size": 3, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    test = {
        "test_dataloader": {**loader, "collate_fn": "default_collate"},
        "test_cfg": {},
        "test_evaluator": {"type": Seen},
    }
    runner, _ = build(tmp_path, Model(None), **test)
    assert runner.test()["test_loss"] == 1.5 + 2.25


@pytest.mark.world_size(2)
def test_losses_are_the_means_over_all_ranks(tmp_path: Path) -> None:
    runner, _ = build(tmp_path, Model(None), launcher="pytorch")
    metrics = runner.val()
    # Rank 0 has batches of 0, 2 and of 4; rank 1 of 1, 3 and of 5.
    assert get_world_size() == 2
    assert metrics["loss_a"] == (0 + 4 + 1 + 5) / 4, get_rank()


@pytest.mark.parametrize(("fp16", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_half_precision(tmp_path: Path, fp16: bool, dtype: torch.dtype) -> None:
    model = Model()
    runner, _ = build(tmp_path, model, val_cfg={"fp16": fp16})
    runner.val()
    assert model.dtypes == {dtype}


class Shouting(EpochBasedTrainLoop):
    """Invents points, and steps in its own way."""

    def run_epoch(self) -> None:
        self.runner.call_hook("before_shout", volume=3)
        super().run_epoch()
        self.runner.call_hook("after_shout")

    def run_iter(self, idx: int, data_batch: Any) -> None:
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1


class Listener(Hook):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def before_shout(self, runner: Runner, volume: int) -> None:
        self.heard.append(volume)

    def after_shout(self, runner: Runner) -> None:
        self.heard.append("silence")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.heard.append(runner.train_loop.in_step)


def test_a_loop_may_invent_points(tmp_path: Path) -> None:
    listener = Listener()
    runner, _ = build(tmp_path, hooks=[listener], train_cfg={"type": Shouting, "max_epochs": 2})
    runner.train()
    assert listener.heard == [3, True, True, True, "silence"] * 2
    assert not runner.train_loop.in_step
    assert runner.iter == 6


def test_the_visualizer_knows_the_classes_of_the_data(tmp_path: Path) -> None:
    class Named(Numbers):
        @property
        def metainfo(self) -> dict[str, Any]:
            return {"classes": ("cat", "dog")}

    loader = {"dataset": Named(), "sampler": {"type": "DefaultSampler"}, "collate_fn": "default_collate"}
    runner, _ = build(tmp_path, val_dataloader=loader)
    runner.val()
    assert runner.visualizer.dataset_meta == {"classes": ("cat", "dog")}
    assert isinstance(runner.val_loop, ValLoop)
    assert runner.val_loop.evaluator.dataset_meta == runner.visualizer.dataset_meta
