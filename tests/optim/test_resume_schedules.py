"""Going on with a schedule: as it was, bit for bit; or with a new shape, as a run that had it from the start."""

from __future__ import annotations

import io
from collections import Counter

import pytest
import torch

from runner.errors import CheckpointError
from runner.optim import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingMomentum,
    CosineRestartLR,
    CyclicMomentum,
    ExponentialLR,
    InverseMomentum,
    InverseSqrtLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    OptimWrapper,
    PolyLR,
    ReduceOnPlateauLR,
    StepLR,
    WarmupStableDecayLR,
    _ParamScheduler,
    restore_schedulers,
)

EPOCH_LENGTH = 5


class Run:
    """An optimizer and schedulers, stepped as a Runner steps them."""

    def __init__(self, make, max_epochs, kind="AdamW", scale=1.0, rates=(0.1, 0.02), schedule=True):
        groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
        self.wrapper = OptimWrapper(getattr(torch.optim, kind)(groups, lr=0.1))
        self.wrapper.scale_lr(scale)
        self.schedulers = make(self.wrapper, max_epochs) if schedule else []
        self.iteration = 0

    def advance(self, iterations):
        """The values after each of the next iterations, the epoch's step taken after its last."""
        return [self.step() for _ in range(iterations)]

    def step(self):
        self.iteration += 1
        for scheduler in self.schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        if self.iteration % EPOCH_LENGTH == 0:
            for scheduler in self.schedulers:
                if scheduler.by_epoch:
                    scheduler.step()
        return self.values()

    def values(self):
        return [(group["lr"], *group.get("betas", ())) for group in self.wrapper.param_groups]

    def save(self):
        buffer = io.BytesIO()
        states = [scheduler.state_dict() for scheduler in self.schedulers]
        torch.save({"optimizer": self.wrapper.state_dict(), "param_schedulers": states}, buffer)
        buffer.seek(0)
        return torch.load(buffer, weights_only=True)

    def resume(self, checkpoint, iteration, optimizer=True):
        if optimizer:
            self.wrapper.load_state_dict(checkpoint["optimizer"])
        self.iteration = iteration
        return restore_schedulers(
            self.schedulers,
            checkpoint["param_schedulers"],
            epoch=iteration // EPOCH_LENGTH,
            iteration=iteration,
            epoch_length=EPOCH_LENGTH,
            optimizer_restored=optimizer,
        )


def warm_up_and_multi_step(wrapper, max_epochs):
    return [
        LinearLR(wrapper, start_factor=0.001, by_epoch=False, begin=0, end=7),
        MultiStepLR(wrapper, milestones=[max_epochs - 2, max_epochs - 1], gamma=0.1, end=max_epochs),
    ]


def cosine_by_epoch(wrapper, max_epochs):
    return [
        ConstantLR(wrapper, factor=0.1, by_epoch=False, end=3),
        CosineAnnealingLR(wrapper, eta_min=1e-4, end=max_epochs),
        CosineAnnealingMomentum(wrapper, eta_min=0.5, end=max_epochs),
    ]


def cosine_by_iteration(wrapper, max_epochs):
    return [
        LinearLR(wrapper, by_epoch=False, end=4),
        CosineAnnealingLR.build_iter_from_epoch(wrapper, end=max_epochs, eta_min_ratio=0.01, epoch_length=EPOCH_LENGTH),
    ]


def poly_and_step(wrapper, max_epochs):
    return [
        StepLR(wrapper, step_size=2, gamma=0.7, end=max_epochs),
        PolyLR(wrapper, eta_min=1e-3, power=0.9, by_epoch=False, begin=2, end=max_epochs * EPOCH_LENGTH),
    ]


def restarts(wrapper, max_epochs):
    return [
        CosineRestartLR(
            wrapper, periods=[3, 2, 4], restart_weights=[1, 0.7, 0.4], eta_min=1e-4, by_epoch=False, begin=1,
            end=max_epochs * EPOCH_LENGTH,
        ),
        ExponentialLR(wrapper, gamma=0.9, end=max_epochs),
    ]  # fmt: skip


def one_cycle(wrapper, max_epochs):
    return [OneCycleLR(wrapper, eta_max=[0.5, 0.2, 0.5], by_epoch=False, end=max_epochs * EPOCH_LENGTH)]


def warm_up_stable_decay(wrapper, max_epochs):
    end = max_epochs * EPOCH_LENGTH
    return [
        WarmupStableDecayLR(wrapper, warmup_steps=4, decay_steps=6, by_epoch=False, end=end),
        CyclicMomentum(wrapper, cyclic_times=max_epochs, by_epoch=False, end=end),
    ]


def inverses(wrapper, max_epochs):
    return [
        InverseSqrtLR(wrapper, warmup_steps=3, by_epoch=False, end=max_epochs * EPOCH_LENGTH),
        InverseMomentum(wrapper, gamma=0.1, end=max_epochs),
    ]


CHAINS = [
    warm_up_and_multi_step,
    cosine_by_epoch,
    cosine_by_iteration,
    poly_and_step,
    restarts,
    one_cycle,
    warm_up_stable_decay,
    inverses,
]


@pytest.mark.parametrize("saved_at", [0, 2, 7, 10, 15])
@pytest.mark.parametrize("chain", CHAINS)
def test_the_same_shape_goes_on_bit_for_bit(chain, saved_at):
    whole = Run(chain, 4)
    whole.advance(saved_at)
    checkpoint = whole.save()
    resumed = Run(chain, 4)
    assert resumed.resume(checkpoint, saved_at) == []
    assert resumed.values() == whole.values()
    assert resumed.advance(20 - saved_at) == whole.advance(20 - saved_at)
    assert [s.state_dict() for s in resumed.schedulers] == [s.state_dict() for s in whole.schedulers]


@pytest.mark.parametrize("saved_at", [2, 7, 10, 14, 15])
@pytest.mark.parametrize("chain", CHAINS)
def test_more_epochs_give_the_values_of_the_longer_run(chain, saved_at):
    short = Run(chain, 3)
    short.advance(saved_at)
    whole = Run(chain, 6)
    whole.advance(saved_at)
    resumed = Run(chain, 6)
    changes = resumed.resume(short.save(), saved_at)
    assert any("end 3 -> 6" in change or "end 15 -> 30" in change for change in changes)
    assert resumed.values() == whole.values()
    assert resumed.advance(30 - saved_at) == whole.advance(30 - saved_at)


def test_a_save_between_the_steps_of_an_epoch_by_iteration_and_by_epoch():
    short, whole, resumed = (Run(poly_and_step, epochs) for epochs in (3, 6, 6))
    for run in (short, whole):
        run.advance(9)
        run.schedulers[1].step()  # the epoch's last iteration is over, the epoch is not
    resumed.resume(short.save(), 10)
    assert resumed.values() == whole.values()
    assert [s._global_step for s in resumed.schedulers] == [1, 10]


@pytest.mark.parametrize("chain", [chain for chain in CHAINS if chain is not one_cycle])
def test_a_scaled_learning_rate_stays_scaled(chain):
    short, whole, resumed = (Run(chain, epochs, scale=4.0) for epochs in (3, 6, 6))
    short.advance(10)
    whole.advance(10)
    resumed.resume(short.save(), 10)
    assert resumed.values() == whole.values()
    assert resumed.schedulers[0].base_values == [0.4, 0.08, 0.4]


def test_another_initial_value_in_the_config_is_named_and_not_used():
    first = Run(cosine_by_epoch, 3, scale=2.0)
    first.advance(10)
    resumed = Run(cosine_by_epoch, 3)
    assert resumed.resume(first.save(), 10) == [
        "lr goes on from the checkpoint's initial value 0.2, not from the config's 0.1"
    ]
    assert resumed.values() == first.values()


def test_without_the_optimizers_state_the_configs_values_are_taken():
    first = Run(cosine_by_epoch, 3, scale=2.0)
    first.advance(7)
    whole = Run(cosine_by_epoch, 3)
    whole.advance(7)
    resumed = Run(cosine_by_epoch, 3)
    assert resumed.resume(first.save(), 7, optimizer=False) == []
    assert resumed.values() == whole.values()
    assert resumed.advance(8) == whole.advance(8)


def test_what_other_code_did_to_the_value_is_kept_while_the_shape_is():
    first = Run(cosine_by_epoch, 3)
    first.advance(6)
    for group in first.wrapper.param_groups:
        group["lr"] *= 0.5
    resumed = Run(cosine_by_epoch, 3)
    resumed.resume(first.save(), 6)
    assert resumed.advance(5) == first.advance(5)


def test_a_scheduler_that_is_new():
    first = Run(warm_up_and_multi_step, 4)
    first.advance(12)
    resumed, whole = (
        Run(lambda w, n: [*warm_up_and_multi_step(w, n), CosineAnnealingMomentum(w, eta_min=0.5, end=n)], 4)
        for _ in range(2)
    )
    whole.advance(12)
    assert resumed.resume(first.save(), 12) == ["param_scheduler.2 (CosineAnnealingMomentum) is new"]
    assert resumed.values() == whole.values()
    assert resumed.advance(8) == whole.advance(8)


def test_a_scheduler_that_is_gone():
    first = Run(warm_up_and_multi_step, 4)
    first.advance(12)
    resumed, whole = (Run(lambda w, n: [MultiStepLR(w, [n - 2, n - 1], end=n)], 4) for _ in range(2))
    whole.advance(12)
    changes = resumed.resume(first.save(), 12)
    assert changes[-1] == "the checkpoint's param_scheduler.1 (MultiStepLR) is gone"
    assert changes[0].startswith("param_scheduler.0 (MultiStepLR) has changed: type LinearLR -> MultiStepLR, ")
    assert resumed.values() == whole.values()


def test_a_schedule_where_there_was_none():
    first = Run(cosine_by_epoch, 4, schedule=False, kind="SGD")
    whole, resumed = (Run(warm_up_and_multi_step, 4, kind="SGD") for _ in range(2))
    whole.advance(12)
    resumed.resume(first.save(), 12)
    assert resumed.values() == whole.values()


def test_a_position_that_nobody_knows_is_an_error():
    run = Run(warm_up_and_multi_step, 4)
    with pytest.raises(
        CheckpointError, match=r"param_scheduler\.0 counts iterations.*pass restore_schedulers the run's"
    ):
        restore_schedulers(run.schedulers, [])
    with pytest.raises(CheckpointError, match="has no position"):
        restore_schedulers(run.schedulers, [{"last_epoch": 3}, {}])


def test_schedulers_by_the_name_of_an_optimizer():
    first, resumed, whole = (Run(cosine_by_epoch, epochs) for epochs in (3, 6, 6))
    first.advance(10)
    whole.advance(10)
    checkpoint = first.save()
    resumed.wrapper.load_state_dict(checkpoint["optimizer"])
    states = {"generator": checkpoint["param_schedulers"]}
    changes = restore_schedulers({"generator": resumed.schedulers}, states, epoch_length=EPOCH_LENGTH)
    assert changes[0].startswith("generator: param_scheduler.1 (CosineAnnealingLR) has changed: ")
    assert resumed.values() == whole.values()
    with pytest.raises(CheckpointError, match="number of optimizers"):
        restore_schedulers(resumed.schedulers, states)


def as_mmengine(state):
    """The state of the same scheduler as MMEngine writes it: every attribute, shape and position together."""
    shape = {key: value for key, value in state["shape"].items() if key != "type"}
    if "milestones" in shape:
        shape["milestones"] = Counter(shape["milestones"])
    position = {key: value for key, value in state.items() if key != "shape"}
    return {**shape, **position, "verbose": False}


@pytest.mark.parametrize("max_epochs", [3, 6])
@pytest.mark.parametrize("chain", CHAINS)
def test_mmengines_states_are_understood(chain, max_epochs):
    first, whole, resumed = (Run(chain, epochs) for epochs in (3, max_epochs, max_epochs))
    first.advance(11)
    whole.advance(11)
    checkpoint = first.save()
    checkpoint["param_schedulers"] = [as_mmengine(state) for state in checkpoint["param_schedulers"]]
    changes = resumed.resume(checkpoint, 11)
    assert bool(changes) == (max_epochs == 6)
    assert all(scheduler.end in {7, 3, 4, max_epochs, max_epochs * EPOCH_LENGTH} for scheduler in resumed.schedulers)
    assert resumed.values() == whole.values()
    assert resumed.advance(5) == whole.advance(5)


class Seesaw(_ParamScheduler):
    """A scheduler of a user, with a state of its own that stepping changes."""

    def __init__(self, optimizer, factor=0.5, **kwargs):
        self.factor = factor
        self.down = True
        super().__init__(optimizer, "lr", **kwargs)
        self.set_after = factor * 2

    def _get_value(self):
        self.down = not self.down
        factor = self.factor if self.down else 1 / self.factor
        self.history = [*getattr(self, "history", []), factor]
        return [group["lr"] * factor for group in self.optimizer.param_groups]


def test_whatever_stepping_changes_is_position_and_the_rest_is_shape():
    run = Run(lambda wrapper, _: [Seesaw(wrapper)], 3)
    run.advance(15)
    state = run.save()["param_schedulers"][0]
    assert state["shape"]["factor"] == 0.5
    assert state["history"] == [2.0, 0.5, 2.0, 0.5]
    assert "set_after" not in state
    same, other = Run(lambda wrapper, _: [Seesaw(wrapper)], 3), Run(lambda wrapper, _: [Seesaw(wrapper, 0.25)], 3)
    same.resume(run.save(), 15)
    other.resume(run.save(), 15)
    assert same.schedulers[0].history == run.schedulers[0].history
    assert other.schedulers[0].history == [4.0, 0.25, 4.0, 0.25]
    assert other.schedulers[0].set_after == 0.5


def test_another_maximum_of_a_cycle_is_the_configs():
    first = Run(one_cycle, 4)
    first.advance(12)
    whole, resumed = (Run(lambda w, n: [OneCycleLR(w, eta_max=0.9, by_epoch=False, end=20)], 4) for _ in range(2))
    whole.advance(12)
    changes = resumed.resume(first.save(), 12)
    assert changes == ["param_scheduler.0 (OneCycleLR) has changed: eta_max [0.5, 0.2, 0.5] -> 0.9"]
    assert resumed.values() == whole.values()
    assert resumed.advance(8) == whole.advance(8)
    assert [group["max_lr"] for group in resumed.wrapper.param_groups] == [0.9, 0.9, 0.9]


@pytest.mark.parametrize("saved_at", [1, 3, 4, 6])
def test_a_plateau_goes_on_where_it_was(saved_at):
    losses = [1.0, 1.1, 1.2, 0.9, 0.95, 0.95, 0.8, 0.9, 0.9]

    def plateau(wrapper, _):
        return [ReduceOnPlateauLR(wrapper, patience=1, cooldown=1, factor=0.5)]

    def advance(run, first, last):
        for loss in losses[first:last]:
            run.schedulers[0].step()
            run.schedulers[0].step({"loss": loss})
        return run.values()

    whole, resumed = Run(plateau, 9), Run(plateau, 9)
    advance(whole, 0, saved_at)
    assert resumed.resume(whole.save(), saved_at * EPOCH_LENGTH) == []
    assert advance(resumed, saved_at, 9) == advance(whole, saved_at, 9)
    assert whole.values()[0][0] == 0.0125  # three decays
    assert resumed.schedulers[0].state_dict() == whole.schedulers[0].state_dict()


def test_a_schedule_that_depends_on_metrics_goes_on_from_its_value():
    class OnPlateau(Seesaw):
        need_val_args = True

    run, resumed = (Run(lambda wrapper, n: [OnPlateau(wrapper, end=n)], epochs) for epochs in (3, 6))
    run.advance(5)
    changes = resumed.resume(run.save(), 5)
    assert changes[-1].startswith("lr goes on from the checkpoint's value")
    assert resumed.values() == run.values()
