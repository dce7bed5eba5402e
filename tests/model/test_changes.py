"""What fields of a config change about a model: checkpointing, joined convolutions, batch norm, memory format, compiling."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import Runner
from runner.errors import BuildError
from runner.model import (
    ModuleAdapter,
    convert_sync_batchnorm,
    detect_anomalous_params,
    is_model_wrapper,
    merge_dict,
    revert_sync_batchnorm,
    turn_on_activation_checkpointing,
    turn_on_efficient_conv_bn_eval,
)
from runner.plugin import PROCESS_ENTRIES
from runner.registry import MODEL_WRAPPERS


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU())
        self.neck = nn.Sequential(nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4, affine=False))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.neck(self.backbone(x)).mean((2, 3)))


def net():
    torch.manual_seed(0)
    made = Net()
    made(torch.rand(8, 3, 9, 9))  # so that the running statistics are none of the first ones
    return made


def runner_of(tmp_path, model, **fields):
    images, labels = torch.rand(8, 3, 9, 9, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2
    loader = {"batch_size": 4, "dataset": TensorDataset(images, labels), "sampler": {"type": "DefaultSampler"}}
    return Runner(
        ModuleAdapter(model, nn.CrossEntropyLoss()),
        str(tmp_path),
        train_dataloader={**loader, "collate_fn": "default_collate"},
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={"checkpoint": None},
        randomness={"seed": 0},
        device="cpu",
        **fields,
    )


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.calls = nn.Linear(3, 3), 0

    def forward(self, x):
        self.calls += 1
        return self.linear(x).exp()


def test_checkpointed_modules_compute_twice_and_keep_less():
    plain = nn.Sequential(Counting(), Counting())
    spared = copy.deepcopy(plain)
    turn_on_activation_checkpointing(spared, ["0", "1"])
    kept = []
    for model in (plain, spared):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
            model(torch.ones(2, 3, requires_grad=True)).sum().backward()
        kept.append(sum(sizes))
    assert [each.calls for each in plain] == [1, 1]
    assert [each.calls for each in spared] == [2, 2]
    for one, other in zip(plain.parameters(), spared.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_the_fields_name_modules(tmp_path):
    model = Net()
    with pytest.raises(BuildError, match=r"no module 'net.backbon'; did you mean 'net.backbone'"):
        runner_of(tmp_path, model, efficient_conv_bn_eval="net.backbon")
    with pytest.raises(BuildError, match=r"no module 'net.bone'") as caught:
        runner_of(tmp_path, model, activation_checkpointing=["net.head", "net.bone"]).train()
    assert caught.value.path == ("activation_checkpointing", 1)


def test_a_run_with_checkpointing_has_the_same_losses(tmp_path):
    weights = []
    for fields in ({}, {"activation_checkpointing": ["net.backbone", "net.neck.0"]}):
        torch.manual_seed(0)
        run = runner_of(tmp_path / str(len(fields)), Net(), **fields)
        weights.append(run.train().net.head.weight)
    assert torch.equal(*weights)


def test_convolutions_and_batch_norms_are_one_in_evaluation_mode():
    plain, joined = net(), net()
    assert turn_on_efficient_conv_bn_eval(joined, ["backbone", "neck"]) == 2
    x = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(joined.eval()(x), plain.eval()(x))
    calls = []
    for each in (*joined.modules(), *plain.modules()):
        if isinstance(each, nn.BatchNorm2d):
            each.register_forward_hook(lambda m, given, made: calls.append(made is given[0]))
    joined(x)
    plain(x)
    assert calls == [True, True, False, False]
    assert torch.equal(joined.train()(x), plain.train()(x))
    assert joined.state_dict().keys() == plain.state_dict().keys()


def test_joined_convolutions_have_gradients_and_copies_of_their_own():
    plain, joined = net().eval(), net().eval()
    turn_on_efficient_conv_bn_eval(joined, "backbone")
    twin = copy.deepcopy(joined)
    x = torch.rand(2, 3, 9, 9)
    for model in (plain, joined):
        model(x).sum().backward()
    for one, other in zip(plain.parameters(), joined.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    with torch.no_grad():
        joined.backbone[0].weight.zero_()
    torch.testing.assert_close(twin(x), plain(x))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.norm(self.conv(x)) if x.sum() > 0 else x


def test_what_torch_fx_cannot_follow_is_named():
    model = nn.Sequential(Branching())
    with pytest.raises(BuildError, match=r"can.t follow the forward of .0. .* name modules within it"):
        turn_on_efficient_conv_bn_eval(model, ["0"])


def test_shared_and_branching_layers_stay_as_they_are():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.norm = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x):
            first = self.norm(self.a(x))
            second = self.b(first)
            return self.norm(second) + second

    assert turn_on_efficient_conv_bn_eval(nn.Sequential(Shared()), "0") == 0


def test_batch_norm_is_synchronized_and_back():
    model = net()
    converted = convert_sync_batchnorm(model)
    assert isinstance(converted.backbone[1], nn.SyncBatchNorm)
    state = converted.state_dict()
    reverted = revert_sync_batchnorm(converted)
    assert not any(isinstance(each, nn.SyncBatchNorm) for each in reverted.modules())
    assert reverted.state_dict().keys() == state.keys()
    reference = net()
    x = torch.rand(4, 3, 9, 9)
    assert torch.equal(reverted(x), reference(x))
    assert torch.equal(reverted.state_dict()["backbone.1.running_mean"], reference.backbone[1].running_mean)


def test_one_process_trains_a_model_with_synchronized_layers(tmp_path):
    run = runner_of(tmp_path, convert_sync_batchnorm(Net()), sync_bn="torch")
    assert not any(isinstance(each, nn.SyncBatchNorm) for each in run.model.modules())
    run.train()


def test_mmcv_is_asked_for_where_it_is_not_installed():
    with pytest.raises(BuildError, match="needs mmcv with its compiled operators"):
        convert_sync_batchnorm(nn.BatchNorm2d(3), "mmcv")
    with pytest.raises(ValueError, match="'torch' or 'mmcv', got 'apex'"):
        convert_sync_batchnorm(nn.BatchNorm2d(3), "apex")


@pytest.mark.world_size(2)
def test_on_cpus_batch_norm_cannot_share(tmp_path):
    with pytest.raises(BuildError, match="on GPUs only, and this run is on a CPU"):
        runner_of(tmp_path, Net(), sync_bn="torch")


def test_channels_lie_last(tmp_path):
    run = runner_of(tmp_path, Net(), channels_last=True)
    assert run.model.net.backbone[0].weight.is_contiguous(memory_format=torch.channels_last)
    seen = []
    run.model.net.neck[0].register_forward_hook(
        lambda m, given, made: seen.append(made.is_contiguous(memory_format=torch.channels_last))
    )
    run.train()
    assert seen
    assert all(seen)


@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
@pytest.mark.parametrize("fullgraph", [True, False])
def test_the_forward_of_a_training_step_is_compiled(tmp_path, fullgraph):
    from torch._dynamo.testing import CompileCounterWithBackend

    graphs, heads = CompileCounterWithBackend("eager"), []
    for number, compiled in enumerate((False, {"backend": graphs, "fullgraph": fullgraph})):
        torch.manual_seed(0)
        heads.append(runner_of(tmp_path / str(number), Net(), compile=compiled).train().net.head.weight)
    assert graphs.frame_count == 1
    torch.testing.assert_close(*heads)


def test_the_model_and_its_size_are_logged(tmp_path):
    run = runner_of(tmp_path, Net())
    run.model.net.head.weight.requires_grad_(False)
    run.train()
    run.logger.close()
    total = sum(each.numel() for each in run.model.parameters())
    (log,) = tmp_path.glob("*/*.log")
    assert f"ModuleAdapter: {total} parameters, {total - 8} of them trained" in log.read_text()


def test_a_parameter_that_the_loss_ignores_is_named():
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "left": nn.Linear(2, 2, bias=False)})
    with pytest.warns(UserWarning, match="does not depend on left.weight"):
        detect_anomalous_params(model["used"](torch.ones(2)).sum(), model)


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def test_a_wrapper_is_what_is_registered_as_one():
    before = list(PROCESS_ENTRIES)
    assert not is_model_wrapper(Wrapper(nn.Linear(1, 1)))
    try:
        MODEL_WRAPPERS.register_module(module=Wrapper)
        assert is_model_wrapper(Wrapper(nn.Linear(1, 1)))
        assert is_model_wrapper(type("Derived", (Wrapper,), {})(nn.Linear(1, 1)))
        assert is_model_wrapper(nn.DataParallel(nn.Linear(1, 1)))
        assert not is_model_wrapper(nn.Linear(1, 1))
    finally:
        PROCESS_ENTRIES[:] = before


def test_dictionaries_are_merged():
    assert merge_dict({"a": 1}, {"a": 2, "b": 3}) == {"a": 2, "b": 3}
    with pytest.raises(TypeError, match="got list"):
        merge_dict([1])
