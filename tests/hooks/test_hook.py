from __future__ import annotations

from types import SimpleNamespace

import pytest

from runner.errors import BuildError
from runner.hooks import Hook, HookList, Priority, get_priority

POINTS = [
    "before_run",
    "after_load_checkpoint",
    "before_train",
    "before_train_epoch",
    "before_train_iter",
    "after_train_iter",
    "after_train_epoch",
    "before_val",
    "before_val_epoch",
    "before_val_iter",
    "after_val_iter",
    "after_val_epoch",
    "after_val",
    "before_save_checkpoint",
    "after_train",
    "before_test",
    "before_test_epoch",
    "before_test_iter",
    "after_test_iter",
    "after_test_epoch",
    "after_test",
    "after_run",
]


class Delegating(Hook):
    """Takes the common methods behind the points, with the mode."""

    def __init__(self):
        self.calls = []

    def _before_epoch(self, runner, mode="train"):
        self.calls.append(("before_epoch", mode))

    def _after_epoch(self, runner, mode="train"):
        self.calls.append(("after_epoch", mode))

    def _before_iter(self, runner, batch_idx, data_batch=None, mode="train"):
        self.calls.append(("before_iter", mode, batch_idx, data_batch))

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode="train"):
        self.calls.append(("after_iter", mode, batch_idx, data_batch, outputs))


def test_the_22_points():
    assert list(Hook.stages) == POINTS


@pytest.mark.parametrize("point", POINTS)
def test_every_point_can_be_called_on_the_base_class(point):
    arguments = {}
    if point.endswith("_iter"):
        arguments = {"batch_idx": 0, "data_batch": None}
    elif point.endswith("_checkpoint"):
        arguments = {"checkpoint": {}}
    assert getattr(Hook(), point)(None, **arguments) is None


@pytest.mark.parametrize("mode", ["train", "val", "test"])
def test_points_delegate_with_their_mode(mode):
    hook = Delegating()
    hooks = HookList([hook])
    hooks.call(None, f"before_{mode}_epoch")
    hooks.call(None, f"before_{mode}_iter", batch_idx=3, data_batch="b")
    hooks.call(None, f"after_{mode}_iter", batch_idx=3, data_batch="b", outputs="o")
    hooks.call(None, f"after_{mode}_epoch")
    assert hook.calls == [
        ("before_epoch", mode),
        ("before_iter", mode, 3, "b"),
        ("after_iter", mode, 3, "b", "o"),
        ("after_epoch", mode),
    ]


def test_triggered_stages():
    class Two(Hook):
        def before_run(self, runner): ...

        def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode="train"): ...

    assert Hook().get_triggered_stages() == []
    assert Two().get_triggered_stages() == ["before_run", "after_train_iter", "after_val_iter", "after_test_iter"]


def at(iteration=0, epoch=0):
    return SimpleNamespace(iter=iteration, epoch=epoch, max_iters=10, max_epochs=5)


# (finished, n, start, expected), as MMEngine's own tests have it.
EVERY = [
    (0, 1, 0, True),
    (2, 3, 0, True),
    (3, 3, 0, False),
    (2, -1, 0, False),
    (2, 0, 0, False),
    (1, 2, 3, False),
    (2, 2, 3, True),
    (4, 2, 3, True),
]


@pytest.mark.parametrize(("done", "n", "start", "expected"), EVERY)
def test_every_n(done, n, start, expected):
    hook = Hook()
    assert hook.every_n_epochs(at(epoch=done), n, start) is expected
    assert hook.every_n_train_iters(at(iteration=done), n, start) is expected
    if not start:
        assert hook.every_n_inner_iters(done, n) is expected


def test_ends():
    hook = Hook()
    assert hook.end_of_epoch([1, 2], 1)
    assert not hook.end_of_epoch([1, 2], 0)
    assert hook.is_last_train_epoch(at(epoch=4))
    assert not hook.is_last_train_epoch(at(epoch=3))
    assert hook.is_last_train_iter(at(iteration=9))
    assert not hook.is_last_train_iter(at(iteration=8))


class TestHookList:
    def test_order_is_by_priority_then_by_registration(self):
        class Named(Hook):
            def __init__(self, name, priority):
                self.name, self.priority = name, priority

            def before_run(self, runner):
                runner.append(self.name)

        hooks = HookList()
        for name, priority in (
            ("a", "NORMAL"),
            ("b", "LOW"),
            ("c", 50),
            ("d", Priority.VERY_HIGH),
            ("e", "low"),
            ("f", 0),
        ):
            hooks.add(Named(name, priority))
        called = []
        hooks.call(called, "before_run")
        assert "".join(called) == "fdacbe"
        assert [hook.name for hook in hooks] == called
        hooks.add(Named("g", "LOWEST"), priority="HIGHEST")
        called.clear()
        hooks.call(called, "before_run")
        assert "".join(called) == "fgdacbe"

    def test_only_those_that_override_a_point_are_called(self):
        class One(Hook):
            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None): ...

        hooks = HookList([Hook(), One(), Delegating()])
        assert [type(method.__self__) for method in hooks.at("after_train_iter")] == [One, Delegating]
        assert hooks.at("before_train") == ()
        assert [type(method.__self__) for method in hooks.at("after_val_iter")] == [Delegating]

    def test_a_custom_loop_may_invent_points(self):
        class Inventive(Hook):
            def after_fold(self, runner, fold):
                runner.append(fold)

        called = []
        hooks = HookList([Hook(), Inventive()])
        hooks.call(called, "after_fold", fold=3)
        hooks.call(called, "before_fold", fold=3)
        assert called == [3]

    def test_a_method_set_on_the_instance_counts(self):
        hook = Hook()
        called = []
        hook.before_train = called.append
        HookList([hook]).call("runner", "before_train")
        assert called == ["runner"]

    def test_hooks_added_between_calls_join(self):
        hooks = HookList()
        hooks.call(None, "before_train_epoch")
        hook = Delegating()
        hooks.add(hook)
        hooks.call(None, "before_train_epoch")
        assert hook.calls == [("before_epoch", "train")]

    def test_it_is_a_sequence(self):
        hooks = HookList([Hook(), Delegating()])
        assert len(hooks) == 2
        assert isinstance(hooks[1], Delegating)
        assert repr(hooks) == "HookList([Hook, Delegating])"

    def test_errors_of_a_hook_come_through(self):
        class Broken(Hook):
            def before_run(self, runner):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            HookList([Broken()]).call(None, "before_run")

    def test_what_is_no_hook_is_refused(self):
        with pytest.raises(BuildError, match=r"must derive from runner\.hooks\.Hook"):
            HookList([object()])


@pytest.mark.parametrize(
    ("priority", "number"),
    [
        ("HIGHEST", 0),
        ("very_high", 10),
        (Priority.HIGH, 30),
        ("ABOVE_NORMAL", 40),
        (50, 50),
        ("BELOW_NORMAL", 60),
        ("LOW", 70),
        ("VERY_LOW", 90),
        (100, 100),
    ],
)
def test_priorities(priority, number):
    assert get_priority(priority) == number


@pytest.mark.parametrize("priority", ["URGENT", -1, 101, None, 1.5, True])
def test_no_priorities(priority):
    with pytest.raises(BuildError, match="VERY_HIGH"):
        get_priority(priority)
