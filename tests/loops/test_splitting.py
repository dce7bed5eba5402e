"""`on_oom: split`: a step that is out of memory is taken in parts, with the same gradient."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from runner import Hook, Runner
from runner.checkpoint import CheckpointStore
from runner.dist import all_gather_object, get_rank
from runner.errors import BuildError
from runner.loops.splitting import is_out_of_memory
from runner.model import BaseModel

SAMPLES = 22


class Data(torch.utils.data.Dataset[Any]):
    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(SAMPLES, 6, generator=generator)
        self.labels = torch.randint(3, (SAMPLES,), generator=generator)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.inputs[index], int(self.labels[index])


class Full(torch.autograd.Function):
    """Out of memory in the backward pass, when some gradients are there already."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, fails: bool) -> torch.Tensor:
        ctx.fails = fails
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        if ctx.fails:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return gradient, None


class Model(BaseModel):
    """Has room for a number of samples, from an iteration on."""

    def __init__(self, room: int = 10**9, since: int = 0, where: str = "forward", dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.dropout = nn.Dropout(dropout)
        self.room, self.since, self.where = room, since, where
        self.batches: list[int] = []
        self.iteration = 0

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        fails = len(inputs) > self.room and self.iteration >= self.since
        self.batches.append(len(inputs))
        hidden = self.dropout(self.first(inputs).relu())
        if fails and self.where == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        scores = self.last(Full.apply(hidden, fails and self.where == "backward"))
        loss = nn.functional.cross_entropy(scores, labels)
        return {"loss": loss, "acc": (scores.argmax(1) == labels).float().mean(), "parts": [scores.mean()]}


class Record(Hook):
    """Notes losses, and the gradients of each update before they are clipped."""

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.outputs: list[dict[str, float]] = []
        self.gradients: list[list[torch.Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        parameters = list(runner.unwrapped_model.parameters())
        runner.optim_wrapper.optimizer.register_step_pre_hook(
            lambda *_: self.gradients.append([each.grad.clone() for each in parameters])
        )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        runner.unwrapped_model.iteration = runner.iter

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.outputs.append({key: float(value.detach()) for key, value in outputs.items()})


def build(work_dir: Path, model: nn.Module, *, batch_size: int = 8, **changes: Any) -> tuple[Runner, Record]:
    record = Record()
    fields = {
        "train_cfg": {"by_epoch": True, "max_epochs": 2, "on_oom": "split"},
        "train_dataloader": {
            "dataset": Data(),
            "batch_size": batch_size,
            "sampler": {"type": "DefaultSampler"},
            "collate_fn": "default_collate",
        },
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}},
        "randomness": {"seed": 7},
        "log_level": "WARNING",
        "device": "cpu",
        **changes,
    }
    return Runner(model=model, work_dir=str(work_dir), custom_hooks=[record], **fields), record


def train(work_dir: Path, model: nn.Module, **changes: Any) -> Record:
    runner, record = build(work_dir, model, **changes)
    runner.train()
    runner.close()
    return record


def log_of(work_dir: Path) -> str:
    logging.shutdown()
    (file,) = work_dir.glob("*/*.log")
    return file.read_text()


def assert_alike(one: Record, other: Record, tolerance: float = 1e-6) -> None:
    assert len(one.gradients) == len(other.gradients) > 0
    for step, (mine, reference) in enumerate(zip(one.gradients, other.gradients, strict=True)):
        for left, right in zip(mine, reference, strict=True):
            assert torch.allclose(left, right, atol=tolerance, rtol=0), step
    for mine, reference in zip(one.outputs, other.outputs, strict=True):
        assert mine == pytest.approx(reference, abs=max(tolerance, 1e-6))


WRAPPERS = {
    "plain": {},
    "accumulating and clipping": {"accumulative_counts": 4, "clip_grad": {"max_norm": 0.1}},
    "bfloat16": {"type": "AmpOptimWrapper", "dtype": "bfloat16"},
    "float16 with its scale": {"type": "AmpOptimWrapper", "dtype": "float16", "accumulative_counts": 2},
}


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_the_gradient_is_that_of_the_whole_batch(tmp_path: Path, name: str, where: str) -> None:
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, **WRAPPERS[name]}
    whole = train(tmp_path / "whole", Model(), optim_wrapper=wrapper)
    model = Model(room=5, where=where)
    parts = train(tmp_path / "parts", model, optim_wrapper=wrapper)
    # 22 samples are batches of 8, 8 and 6; the first fails, and all that follow are of 4 and what is left.
    assert model.batches == [8, 4, 4, 4, 4, 4, 2, 4, 4, 4, 4, 4, 2]
    assert_alike(parts, whole, 5e-3 if "float16" in name else 1e-6)


def test_down_to_a_single_sample(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", Model(), batch_size=7)
    model = Model(room=1)
    parts = train(tmp_path / "parts", model, batch_size=7)
    assert model.batches[:10] == [7, 4, 2, *[1] * 7]
    assert_alike(parts, whole)


def test_a_part_that_fails_later_leaves_nothing_behind(tmp_path: Path) -> None:
    class Late(Model):
        def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
            # The second part of the first division is one too many.
            self.room = 2 if len(self.batches) in {0, 2} else 100
            return super().forward(inputs, labels, mode)

    whole = train(tmp_path / "whole", Model())
    model = Late()
    parts = train(tmp_path / "parts", model)
    assert model.batches[:7] == [8, 4, 4, 2, 2, 2, 2]
    assert_alike(parts, whole)


def test_what_fits_is_trained_on_as_ever(tmp_path: Path) -> None:
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1}, "accumulative_counts": 4}
    raising = {"by_epoch": True, "max_epochs": 2}
    usual = train(tmp_path / "usual", Model(dropout=0.5), optim_wrapper=wrapper, train_cfg=raising)
    ready = train(tmp_path / "ready", Model(dropout=0.5), optim_wrapper=wrapper)
    assert ready.outputs == usual.outputs
    for mine, reference in zip(ready.gradients, usual.gradients, strict=True):
        assert all(map(torch.equal, mine, reference))


def test_it_says_what_it_does(tmp_path: Path) -> None:
    train(tmp_path, Model(room=5, since=1))
    log = log_of(tmp_path)
    assert "iteration 2: out of memory with 8 of 8 samples at once; from here on 4 are taken at once" in log
    assert log.count("out of memory") == 1


def test_the_random_numbers_of_a_step_are_its_own(tmp_path: Path) -> None:
    class Wasteful(Model):
        """A failed step that drew must not shift what the next ones draw."""

        def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
            if len(inputs) > 4:
                torch.rand(100)
            return super().forward(inputs, labels, mode)

    failing = train(tmp_path / "failing", Wasteful(room=4, dropout=0.5))
    runner, knowing = build(tmp_path / "knowing", Model(dropout=0.5))
    runner.train_loop.micro_batch = 4
    runner.train()
    assert failing.outputs == knowing.outputs


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_resumed_run_knows_the_size_that_fits(tmp_path: Path, at: int) -> None:
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, "accumulative_counts": 4}
    whole = train(tmp_path, Model(room=5, since=1, dropout=0.5), optim_wrapper=wrapper)
    model = Model(dropout=0.5)
    if at == 1:
        model.room, model.since = 5, 1
    resumed = train(tmp_path / "again", model, optim_wrapper=wrapper, resume=str(tmp_path / f"iter_{at}.pth"))
    assert resumed.outputs == whole.outputs[at:]
    assert model.batches[0] == (8 if at == 1 else 4)


def test_a_single_sample_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        train(tmp_path, Model(room=0))
    assert "out of memory with a single sample" in log_of(tmp_path)


def test_a_batch_that_cannot_be_divided_is_an_error(tmp_path: Path) -> None:
    class Nodes(Model):
        def forward(self, inputs: Any, labels: Any, mode: str = "tensor", **rest: Any) -> Any:
            return super().forward(inputs, labels, mode)

    def collate(samples: Any) -> Any:
        inputs, labels = zip(*samples, strict=True)
        return {"inputs": torch.stack(inputs), "labels": torch.tensor(labels), "edges": torch.zeros(3, 2)}

    loader = torch.utils.data.DataLoader(Data(), batch_size=8, collate_fn=collate)
    with pytest.raises(torch.OutOfMemoryError):
        train(tmp_path, Nodes(room=4), train_dataloader=loader)
    assert "the batch can't be divided: batch['edges'] has a length of 3, and there are 8 samples" in log_of(tmp_path)


def test_an_error_of_another_kind_is_raised(tmp_path: Path) -> None:
    class Broken(Model):
        def forward(self, inputs: Any, labels: Any, mode: str = "tensor") -> Any:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(tmp_path, Broken())


def test_by_hand(tmp_path: Path) -> None:
    class ByHand(Model):
        """A training step as people write it without `update_params`."""

        def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
            optim_wrapper.zero_grad()
            with optim_wrapper.optim_context(self):
                losses = self(*self.data_preprocessor(data, True), mode="loss")
            loss, log = self.parse_losses(losses)
            optim_wrapper.backward(loss)
            optim_wrapper.step()
            return log

    whole = train(tmp_path / "whole", ByHand(), train_cfg={"by_epoch": True, "max_epochs": 2})
    parts = train(tmp_path / "parts", ByHand(room=3))
    assert_alike(parts, whole)


def test_a_second_update_in_a_step_is_refused(tmp_path: Path) -> None:
    class Twice(Model):
        def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
            super().train_step(data, optim_wrapper)
            return super().train_step(data, optim_wrapper)

    with pytest.raises(BuildError, match=r"train_cfg.on_oom: 'split' divides a step with one update"):
        train(tmp_path, Twice())


class Twofold(Model):
    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        raise AssertionError("refused before")


def test_several_optimizers_are_refused(tmp_path: Path) -> None:
    sgd = {"optimizer": {"type": "SGD", "lr": 0.1}}
    wrappers = {"type": "OptimWrapperDict", "first": sgd, "last": sgd}
    runner, _ = build(tmp_path, Twofold(), optim_wrapper=wrappers)
    runner.prepare_training()
    with pytest.raises(BuildError, match=r"train_cfg.on_oom: 'split' divides a step with one update of one optimizer"):
        runner.train_loop.run_step(0, [torch.zeros(2, 6), torch.zeros(2)])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1.0 GB)"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("expected scalar type Float"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.world_size(2)
def test_ranks_divide_their_batches_for_themselves(tmp_path: Path) -> None:
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, "accumulative_counts": 2}
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False}}
    options = {"optim_wrapper": wrapper, "launcher": "pytorch", "batch_size": 4, "default_hooks": hooks}
    raising = {"by_epoch": True, "max_epochs": 2}
    whole = train(tmp_path / "whole", Model(), train_cfg=raising, **options)
    model = Model(room=2, since=1) if get_rank() == 1 else Model()
    parts = train(tmp_path / "parts", model, **options)
    assert (2 in model.batches) is (get_rank() == 1)
    assert_alike(parts, whole)
    newest = CheckpointStore(tmp_path / "parts").newest()
    ranks = torch.load(newest, weights_only=True)["ranks"]
    assert [each.get("micro_batch") for each in ranks] == [None, 2]
    assert len(set(all_gather_object(float(parts.gradients[-1][0].sum())))) == 1


def test_batch_norm_that_waits_for_others_is_refused(tmp_path: Path) -> None:
    runner, _ = build(tmp_path, Model())
    runner.prepare_training()
    runner.model.norm = nn.SyncBatchNorm(3)
    runner.world_size = 2  # the layer itself refuses to be on a CPU in a run that has two ranks
    with pytest.raises(BuildError, match="SyncBatchNorm waits for all of them"):
        runner.train_loop.run_step(0, [torch.zeros(2, 6), torch.zeros(2)])
