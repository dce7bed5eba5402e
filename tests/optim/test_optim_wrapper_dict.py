"""Several optimizers: each on its own submodule, with its own windows, rates and schedules, and a resume bit for bit."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from runner import Hook, Runner, read_scalars
from runner.cli.app import run as cli
from runner.errors import BuildError, CheckpointError
from runner.model import BaseModel
from runner.optim import AmpOptimWrapper, OptimWrapper, OptimWrapperDict, build_optim_wrapper


class Gan(BaseModel):
    """The smallest one. The generator's loss leaves gradients in the discriminator, as it does in careless models."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
        self.discriminator = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        assert isinstance(optim_wrapper, OptimWrapperDict)
        (real,) = self.data_preprocessor(data, True)
        fake = self.generator(torch.randn(len(real), 2))
        discriminator, generator = optim_wrapper["discriminator"], optim_wrapper["generator"]
        with discriminator.optim_context(self):
            judged = -self.discriminator(real).mean() + self.discriminator(fake.detach()).mean()
        discriminator.update_params(judged)
        with generator.optim_context(self):
            fooled = -self.discriminator(fake).mean()
        generator.update_params(fooled)
        return {"loss_d": judged.detach(), "loss_g": fooled.detach()}


CONFIG: dict[str, Any] = {
    "type": "OptimWrapperDict",
    "generator": {
        "optimizer": {"type": "Adam", "lr": 0.01},
        "accumulative_counts": 3,
        "paramwise_cfg": {"bias_lr_mult": 2.0},
    },
    "discriminator": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, "clip_grad": {"max_norm": 0.05}},
}


def names(model: nn.Module, wrapper: OptimWrapper) -> list[str]:
    of = {id(parameter): name for name, parameter in model.named_parameters()}
    return [of[id(parameter)] for group in wrapper.optimizer.param_groups for parameter in group["params"]]


def build(cfg: Any = None, model: nn.Module | None = None) -> Any:
    return build_optim_wrapper(model or Gan(), CONFIG if cfg is None else cfg)


def test_each_trains_the_submodule_of_its_name() -> None:
    model = Gan()
    wrapper = build(model=model)
    assert list(wrapper.keys()) == ["generator", "discriminator"]
    for name, each in wrapper.items():
        assert names(model, each) == [f"{name}.0.weight", f"{name}.0.bias", f"{name}.2.weight", f"{name}.2.bias"]
    assert wrapper["generator"] is next(iter(wrapper.values()))
    assert "generator" in wrapper
    assert len(wrapper) == 2
    with pytest.raises(KeyError, match="no optimizer is called 'critic'; there are generator, discriminator"):
        _ = wrapper["critic"]


def test_it_trains_the_submodules_that_it_names(log: Any) -> None:
    model = Gan()
    sgd = {"optimizer": {"type": "SGD", "lr": 0.1}}
    wrapper = build({"first": {**sgd, "modules": ["generator.0", "discriminator"]}}, model)
    assert names(model, wrapper["first"])[:3] == ["generator.0.weight", "generator.0.bias", "discriminator.0.weight"]
    assert "no optimizer updates generator.2.weight, generator.2.bias" in log()
    build({"one": {**sgd, "modules": "generator.0"}, "two": {**sgd, "modules": "generator"}}, model)
    assert "more than one optimizer updates generator.0.weight, generator.0.bias" in log()
    with pytest.raises(BuildError, match=r"train the submodule 'generater'.*did you mean 'generator'\?.*`modules`"):
        build({"generater": sgd}, model)


def test_rates_by_name() -> None:
    wrapper = build()
    assert wrapper.get_lr() == {
        "generator.base_lr": [0.01],
        "generator.lr": [0.01, 0.02, 0.01, 0.02],
        "discriminator.lr": [0.1],
    }
    assert wrapper.get_momentum() == {"generator.momentum": [0.9] * 4, "discriminator.momentum": [0.9]}
    assert wrapper.param_groups["discriminator"] is wrapper["discriminator"].param_groups
    wrapper.scale_lr(2)
    assert wrapper.get_lr()["discriminator.lr"] == [0.2]
    assert "name: generator\nType: OptimWrapper" in repr(wrapper)


@pytest.mark.parametrize(
    "call",
    [
        lambda each: each.update_params(torch.zeros(1)),
        lambda each: each.backward(torch.zeros(1)),
        lambda each: each.step(),
        lambda each: each.scale_loss(torch.zeros(1)),
        lambda each: each.should_update(),
        lambda each: each.should_sync(),
        lambda each: each.inner_count,
        lambda each: each.optim_context(nn.Identity()),
    ],
)
def test_what_is_one_optimizers_own_is_refused(call: Any) -> None:
    with pytest.raises(
        NotImplementedError,
        match=r"several optimizers \(generator, discriminator\).*call optim_wrapper\['generator'\]\.",
    ):
        call(build())


def test_all_gradients_can_be_cleared() -> None:
    model = Gan()
    wrapper = build(model=model)
    model.discriminator(model.generator(torch.ones(1, 2))).sum().backward()
    assert wrapper.inside_window
    wrapper.zero_grad()
    assert not wrapper.inside_window
    assert all(parameter.grad is None for parameter in model.parameters())


def test_built_wrappers_as_in_mmengine() -> None:
    model = Gan()
    parts = {
        name: OptimWrapper(torch.optim.SGD(model.get_submodule(name).parameters(), lr=0.1))
        for name in ("generator", "discriminator")
    }
    for wrapper in (build(parts, model), OptimWrapperDict(**parts)):
        assert isinstance(wrapper, OptimWrapperDict)
        assert wrapper["generator"] is parts["generator"]
    with pytest.raises(BuildError, match="at least one"):
        OptimWrapperDict()
    with pytest.raises(BuildError, match="an OptimWrapper under each name, and 'a' is"):
        OptimWrapperDict(a=torch.nn.Linear(1, 1))  # type: ignore[arg-type]  # what is refused
    for copied in (copy.deepcopy(build(model=model)), pickle.loads(pickle.dumps(build(model=model)))):
        assert copied.get_lr() == build(model=model).get_lr()
    with pytest.raises(
        AttributeError,
        match=r"OptimWrapperDict has no 'optimizer'; its wrappers may: optim_wrapper\['generator'\]\.optimizer",
    ):
        _ = build(model=model).optimizer


def test_a_constructor_of_ones_own_gets_the_optimizers() -> None:
    seen: list[Any] = []

    class Several:
        def __init__(self, optim_wrapper_cfg: Any, paramwise_cfg: Any = None) -> None:
            seen.append((optim_wrapper_cfg, paramwise_cfg))

        def __call__(self, model: Any) -> Any:
            cfg = seen[0][0]
            return OptimWrapperDict(**{name: build_optim_wrapper(model.get_submodule(name), cfg[name]) for name in cfg})

    wrapper = build({**CONFIG, "constructor": Several})
    assert isinstance(wrapper, OptimWrapperDict)
    assert list(seen[0][0]) == ["generator", "discriminator"]


def test_what_belongs_to_one_optimizer_is_not_given_to_all() -> None:
    with pytest.raises(BuildError, match="give paramwise_cfg to each of its optimizers"):
        build({**CONFIG, "paramwise_cfg": {"bias_lr_mult": 1.0}})


def test_states_by_name(log: Any) -> None:
    wrapper = build({**CONFIG, "generator": {"type": "AmpOptimWrapper", **CONFIG["generator"]}})
    assert isinstance(wrapper["generator"], AmpOptimWrapper)
    state = copy.deepcopy(wrapper.state_dict())
    assert {"param_groups", "loss_scaler", "base_param_settings"} <= state["generator"].keys()
    other = build()
    with pytest.raises(
        CheckpointError, match="has the state of 'critic', and the optimizers are 'generator', 'discriminator'"
    ):
        other.load_state_dict({"critic": state["discriminator"]})
    other.load_state_dict({"discriminator": state["discriminator"]})
    assert "no state of the optimizer 'generator'" in log()


# ---- in a run --------------------------------------------------------------------------------------------------------


class Stop(Hook):
    """Stands in for a kill."""

    priority = "VERY_LOW"

    def __init__(self, at: int) -> None:
        self.at = at

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 == self.at:
            runner.save_checkpoint(runner.work_dir, "stopped.pth")
            raise KeyboardInterrupt


def runner(work_dir: Any, **more: Any) -> Runner:
    torch.manual_seed(0)
    real = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    fields: dict[str, Any] = {
        "model": Gan(),
        "work_dir": str(work_dir),
        "train_dataloader": {
            "dataset": torch.utils.data.TensorDataset(real),
            "batch_size": 4,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "collate_fn": "default_collate",
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 4},
        "optim_wrapper": CONFIG,
        "param_scheduler": {
            "generator": [{"type": "LinearLR", "by_epoch": False, "end": 7}, {"type": "StepLR", "step_size": 2}],
            "discriminator": {"type": "CosineAnnealingLR", "convert_to_iter_based": True},
        },
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
        "randomness": {"seed": 0},
        "device": "cpu",
    }
    return Runner(**{**fields, **more})


@pytest.mark.parametrize("stop", [4, 6, 13])
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path: Any, stop: int) -> None:
    straight = runner(tmp_path / "straight")
    straight.train()
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path / "again", custom_hooks=[Stop(stop)]).train()
    resumed = runner(tmp_path / "again", resume=True, load_from=str(tmp_path / "again" / "stopped.pth"))
    resumed.train()
    for ours, theirs in zip(resumed.model.state_dict().values(), straight.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert resumed.optim_wrapper is not None
    assert straight.optim_wrapper is not None
    assert resumed.optim_wrapper.get_lr() == straight.optim_wrapper.get_lr()
    assert resumed.optim_wrapper.count_state() == straight.optim_wrapper.count_state()


def test_what_is_logged(tmp_path: Any) -> None:
    run = runner(tmp_path)
    run.train()
    rows = read_scalars(tmp_path)
    assert {"generator.lr", "generator.base_lr", "discriminator.lr", "discriminator.grad_norm"} <= rows[0].keys()
    assert "generator.grad_norm" not in rows[0]
    assert [row["generator.base_lr"] for row in rows][6] == pytest.approx(0.01)
    assert rows[-1]["generator.base_lr"] == pytest.approx(0.001)
    assert rows[0]["discriminator.lr"] == 0.1
    assert rows[-1]["discriminator.lr"] < 0.001


def test_one_schedule_is_each_optimizers(tmp_path: Any) -> None:
    run = runner(tmp_path, param_scheduler={"type": "StepLR", "step_size": 2})
    run.train()
    assert list(run.param_schedulers) == ["generator", "discriminator"]
    assert run.optim_wrapper is not None
    assert run.optim_wrapper.get_lr()["discriminator.lr"] == [pytest.approx(0.01)]
    with pytest.raises(BuildError, match="no optimizer is called 'critic'; there are generator, discriminator"):
        runner(tmp_path, param_scheduler={"critic": {"type": "StepLR", "step_size": 2}}).train()


def test_a_model_that_cannot_say_which_loss_is_for_which_is_refused(tmp_path: Any) -> None:
    class Plain(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.generator, self.discriminator = nn.Linear(1, 1), nn.Linear(1, 1)

    with pytest.raises(BuildError, match=r"Plain is trained by several optimizers.*define one"):
        runner(tmp_path, model=Plain()).train()


EXAMPLE = str(Path(__file__).parents[2] / "examples" / "gan" / "gan.yaml")


@pytest.mark.parametrize("arguments", [["validate", "--build"], ["plan"], ["plan", "--build"]], ids=" ".join)
def test_commands_that_build_without_a_run(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli([*arguments, EXAMPLE]) == 0
    shown = capsys.readouterr().out
    if arguments[0] == "plan":
        assert "lr, group 0: 4e-05" in shown
        assert "lr, group 1: 0.0002" in shown
    if arguments == ["plan", "--build"]:
        assert "generator 0" in shown
        assert "discriminator 1" in shown


def test_other_windows_for_all() -> None:
    wrapper = build()
    wrapper.accumulate(2)
    assert [each.accumulative_counts for each in wrapper.values()] == [2, 2]
