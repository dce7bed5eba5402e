"""A trace is written, and read back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from line_run import line, value

from runner import Hook, Runner
from runner.errors import BuildError
from runner.hooks import ProfilerHook
from runner.hooks.traces import SortBy


def steps(trace: Path) -> int:
    """How many steps of the optimizer a trace has."""
    text = gzip.decompress(trace.read_bytes()) if trace.suffix == ".gz" else trace.read_bytes()
    events = json.loads(text)["traceEvents"]
    return sum(event.get("cat") == "cpu_op" and event["name"].startswith("aten::_foreach_add") for event in events)


def run(tmp_path: Path, hook: Any, **changes: Any) -> Runner:
    runner = line(
        tmp_path,
        {"type": "ProfilerHook", **hook} if isinstance(hook, dict) else hook,
        max_epochs=3,
        **{
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 1.0, "foreach": True}},
            **dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator")),
            "log_level": "INFO",
            **changes,
        },
    )
    runner.train()
    assert value(runner) == -6
    return runner


def log(runner: Runner) -> str:
    return next(Path(runner.log_dir).glob("*.log")).read_text()


@pytest.mark.parametrize("use_gzip", [False, True])
def test_a_trace_for_tensorboard(tmp_path: Path, use_gzip: bool) -> None:
    trace = {"type": "tb_trace", "worker_name": "me", "use_gzip": use_gzip}
    runner = run(tmp_path, {"on_trace_ready": trace, "json_trace_path": str(tmp_path / "more" / "trace.json")})
    (file,) = Path(runner.log_dir, "tf_tracing_logs").iterdir()
    assert file.name.startswith("me.")
    assert file.name.endswith(".pt.trace.json.gz" if use_gzip else ".pt.trace.json")
    assert steps(file) == steps(tmp_path / "more" / "trace.json") == 2


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    run(tmp_path / "run", {"on_trace_ready": {"type": "tb_trace", "dir_name": str(tmp_path / "traces")}})
    (file,) = (tmp_path / "traces").iterdir()
    assert steps(file) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 2),
        ({"by_epoch": False}, 1),
        ({"by_epoch": False, "profile_times": 5}, 5),
        ({"by_epoch": False, "profile_times": 6, "schedule": {"wait": 1, "warmup": 1, "active": 3, "repeat": 1}}, 3),
    ],
)
def test_how_much_is_profiled(tmp_path: Path, options: dict[str, Any], expected: int) -> None:
    run(tmp_path, {**options, "json_trace_path": str(tmp_path / "trace.json")})
    assert steps(tmp_path / "trace.json") == expected


def test_both_kinds_of_file_hold_the_same(tmp_path: Path) -> None:
    runner = run(tmp_path, {"on_trace_ready": "tb_trace", "json_trace_path": str(tmp_path / "trace.json")})
    (file,) = Path(runner.log_dir, "tf_tracing_logs").iterdir()
    assert file.read_bytes() == (tmp_path / "trace.json").read_bytes()


def test_a_table_in_the_log(tmp_path: Path) -> None:
    trace = {"type": "log_trace", "sort_by": "cpu_time_total", "row_limit": 3, "header": "Where it goes"}
    text = log(run(tmp_path, {"on_trace_ready": trace}))
    assert "Where it goes" in text
    assert "Self CPU time total" in text


def test_every_column_can_be_sorted_by() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        torch.ones(2) + 1
    for column in SortBy.__args__:
        assert "aten::add" in profile.key_averages().table(sort_by=column)


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    seen: list[Any] = []
    run(tmp_path / "a", ProfilerHook(on_trace_ready=seen.append))
    run(tmp_path / "b", ProfilerHook(on_trace_ready={"type": "tb_trace"}))
    export = ProfilerHook(
        on_trace_ready=lambda profile: profile.export_chrome_trace(str(tmp_path / "own.json")),
        json_trace_path=str(tmp_path / "other.json"),
    )
    assert "other.json was not written, since on_trace_ready has taken the trace" in log(run(tmp_path / "c", export))
    assert steps(tmp_path / "own.json") == 2
    assert [type(each) for each in seen] == [torch.profiler.profile]
    assert list((tmp_path / "b").rglob("*.pt.trace.json"))


def test_a_resumed_run_profiles_its_own_beginning(tmp_path: Path) -> None:
    run(tmp_path / "straight", {"by_epoch": False})
    hook = {"by_epoch": False, "profile_times": 2, "json_trace_path": str(tmp_path / "trace.json")}
    run(tmp_path / "resumed", hook, resume=str(tmp_path / "straight" / "epoch_1.pth"))
    assert steps(tmp_path / "trace.json") == 2


def test_a_training_that_fails_does_not_keep_the_profiler(tmp_path: Path) -> None:
    class Failing(Hook):
        def after_train_epoch(self, runner: Runner) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        line(tmp_path / "fails", {"type": "ProfilerHook", "priority": "LOWEST"}, Failing()).train()
    run(tmp_path / "next", {"json_trace_path": str(tmp_path / "trace.json")})
    assert steps(tmp_path / "trace.json") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile_times": 2}, "one epoch can be profiled"),
        ({"by_epoch": False, "profile_times": 0}, "from 1 on"),
        ({"by_epoch": False, "profile_times": 7}, "profile_times is 7, and the run has 6 iterations"),
        ({"activity_with_cpu": False}, "record at least one"),
        ({"activity_with_cpu": False, "activity_with_cuda": True}, "nothing is recorded on cpu"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        run(tmp_path, options)


def test_an_accelerator_that_is_not_there_is_said(tmp_path: Path) -> None:
    text = log(run(tmp_path, {"activity_with_cuda": True, "json_trace_path": str(tmp_path / "trace.json")}))
    assert "records nothing of its own on the device cpu" in text
    assert steps(tmp_path / "trace.json") == 2
